//! What led to an event: found out from the order of the events, so that the loop need not carry it about.

use super::{Kind, TaskNumber};
use std::collections::HashMap;

/// The events that later ones may name as their cause.
#[derive(Default)]
pub(super) struct Causes {
    /// Under which event the loop or the program acts now: a turn, a poll, the end of a task or of a park.
    acting: Option<u64>,
    /// The turn under way.
    turn: Option<u64>,
    /// The push that stands in the queue, by task.
    pushed: HashMap<TaskNumber, u64>,
    /// The fired timer or the event that is about to wake a task.
    told: HashMap<TaskNumber, u64>,
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
                self.acting.replace(seq)
            }
            Kind::TurnEnd => std::mem::replace(&mut self.acting, self.turn).and(self.turn),
            // These follow their cause at once.
            Kind::Push { task } => {
                self.pushed.insert(*task, seq);
                before
            }
            Kind::PushRefused { .. } => before,
            Kind::Pop { task } => self.pushed.remove(task),
            Kind::PollBegin { .. } => {
                self.acting = Some(seq);
                before
            }
            Kind::PollEnd { .. } => {
                let poll = self.acting;
                self.acting = Some(seq);
                poll
            }
            Kind::TaskEnd { .. } | Kind::Unpark | Kind::TaskCancelled { .. } => self.acting.replace(seq),
            Kind::Wake { task } => self.told.remove(task).or(self.acting),
            Kind::TimerArmed { timer, .. } => self.begin("timer", *timer, seq),
            Kind::TimerFired { timer, wakes } => {
                if let Some(task) = wakes {
                    self.told.insert(*task, seq);
                }
                self.begun.get(&("timer", u64::from(*timer))).copied()
            }
            Kind::IoRegistered { source } => self.begin("source", *source, seq),
            Kind::IoReady { source, .. } => {
                let registered = self.begun.get(&("source", u64::from(*source))).copied();
                self.acting = Some(seq);
                registered
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
}
