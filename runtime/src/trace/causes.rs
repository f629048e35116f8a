//! What led to an event: found out from the order of the events, so that the loop need not carry it about.

use super::{Kind, TaskNumber};
use std::collections::{HashMap, VecDeque};

/// The events that later ones may name as their cause.
#[derive(Default)]
pub(super) struct Causes {
    /// Under which event the loop or the program acts now: a turn, a poll, the end of a task or of a park.
    acting: Option<u64>,
    /// The turn under way.
    turn: Option<u64>,
    /// The push that stands in the queue, by task.
    pushed: HashMap<TaskNumber, u64>,
    /// The fired timers and the events that are about to wake a task, in this order.
    told: HashMap<TaskNumber, VecDeque<u64>>,
    /// What other threads' messages come in by: the turn, or the end of its park.
    awake: Option<u64>,
    /// Where timers were armed, sources registered and jobs submitted.
    begun: HashMap<(&'static str, u64), u64>,
}

impl Causes {
    /// The cause of the event `seq`, and its part in what comes after.
    pub(super) fn of(&mut self, seq: u64, kind: &Kind) -> Option<u64> {
        let before = seq.checked_sub(1);
        match kind {
            Kind::TurnBegin => {
                self.turn = Some(seq);
                self.awake = Some(seq);
                self.acting.replace(seq)
            }
            Kind::TurnEnd => {
                self.acting = None;
                self.turn
            }
            // These follow their cause at once.
            Kind::Push { task } => {
                self.pushed.insert(*task, seq);
                before
            }
            Kind::PushRefused { .. } => before,
            Kind::Pop { task } => {
                self.acting = Some(seq);
                self.pushed.remove(task)
            }
            Kind::PollBegin { .. } => {
                self.acting = Some(seq);
                before
            }
            Kind::PollEnd { .. } => {
                let poll = self.acting;
                self.acting = Some(seq);
                poll
            }
            Kind::TaskEnd { .. } | Kind::TaskCancelled { .. } => self.acting.replace(seq),
            Kind::Park { .. } => {
                self.acting = Some(seq);
                self.turn
            }
            Kind::Unpark => {
                self.awake = Some(seq);
                self.acting.replace(seq)
            }
            Kind::RemoteWake { .. } => self.awake,
            Kind::Wake { task } => self.told.get_mut(task).and_then(VecDeque::pop_front).or(self.acting),
            Kind::TimerArmed { timer, .. } => self.begin("timer", *timer, seq),
            Kind::TimerFired { timer, wakes } => {
                self.tell(&wakes.0, seq);
                self.begun.get(&("timer", u64::from(*timer))).copied()
            }
            Kind::IoRegistered { source } => self.begin("source", *source, seq),
            Kind::IoReady { source, wakes, .. } => {
                self.tell(&wakes.0, seq);
                self.begun.get(&("source", u64::from(*source))).copied()
            }
            Kind::JobSubmitted { job } => self.begin("job", *job as u32, seq),
            Kind::JobEnded { job } => {
                self.acting = Some(seq);
                self.begun.remove(&("job", *job as u64))
            }
            _ => self.acting,
        }
    }

    /// Something begins whose later events name this one.
    fn begin(&mut self, what: &'static str, number: u32, seq: u64) -> Option<u64> {
        self.begun.insert((what, u64::from(number)), seq);
        self.acting
    }

    /// These tasks are woken next, because of this event.
    fn tell(&mut self, tasks: &[TaskNumber], seq: u64) {
        for task in tasks {
            self.told.entry(*task).or_default().push_back(seq);
        }
    }
}
