//! What led to an event: found out from the order of the events, so that the loop need not carry it about.

use super::kind::Listener;
use super::{GatherNumber, How, Kind, Place, TaskNumber};
use std::collections::{HashMap, VecDeque};

/// The events that later ones may name as their cause.
#[derive(Default)]
pub(super) struct Causes {
    /// Under which event the loop or the program acts now: a turn, a poll, a child's poll, the end of a task or a park.
    acting: Option<u64>,
    /// The turn under way.
    turn: Option<u64>,
    /// The push that stands in the queue, by task.
    pushed: HashMap<TaskNumber, u64>,
    /// The events that are about to tell somebody, in this order.
    told: HashMap<Listener, VecDeque<u64>>,
    /// An event whose wake follows at once.
    relay: Option<u64>,
    /// What other threads' messages come in by: the turn, or the end of its park.
    awake: Option<u64>,
    /// Where timers were armed, sources registered, jobs submitted and messages sent.
    begun: HashMap<(&'static str, Option<u32>), VecDeque<u64>>,
    /// The gathers that are under way.
    gathers: HashMap<GatherNumber, Gathering>,
    /// The children at poll, one inside the other: their gathers, and under which event their parents act.
    children: Vec<(GatherNumber, Place, Option<u64>)>,
    /// How the task at poll would end now.
    pub(super) ending: How,
}

/// What is known of a gather.
#[derive(Default)]
struct Gathering {
    /// Its latest poll.
    poll: Option<u64>,
    /// Its children that were woken, by place.
    woken: HashMap<u32, u64>,
    /// Its children that are tasks and have not been polled yet, in the order in which they will be.
    spawned: VecDeque<TaskNumber>,
    /// Its children that are tasks, and their places.
    tasks: HashMap<TaskNumber, Place>,
}

impl Causes {
    /// Under which event the loop or the program acts now.
    pub(super) fn acting(&self) -> Option<u64> {
        self.acting
    }

    /// A gather has spawned this task, as its next child.
    pub(super) fn child_spawned(&mut self, gather: GatherNumber, task: TaskNumber) {
        if let Some(gathering) = self.gathers.get_mut(&gather) {
            gathering.spawned.push_back(task);
        }
    }

    /// The place of the child of a gather that is this task.
    pub(super) fn place_of(&self, gather: GatherNumber, task: TaskNumber) -> Option<Place> {
        self.gathers.get(&gather)?.tasks.get(&task).copied()
    }

    /// Whether a gather has not ended.
    pub(super) fn knows(&self, gather: GatherNumber) -> bool {
        self.gathers.contains_key(&gather)
    }

    /// The cause of the event `seq`, and its part in what comes after. `None`: this is nothing to tell of.
    pub(super) fn of(&mut self, seq: u64, kind: &Kind, listeners: &[Listener]) -> Option<Option<u64>> {
        let relay = self.relay.take().filter(|relay| relay + 1 == seq);
        if matches!(kind, Kind::TimerFired { .. } | Kind::IoReady { .. }) {
            for listener in listeners {
                self.told.entry(*listener).or_default().push_back(seq);
            }
        }
        self.gathers(seq, kind, listeners, relay).unwrap_or_else(|| Some(self.circle(seq, kind, relay)))
    }

    /// For the events of the runtime.
    fn circle(&mut self, seq: u64, kind: &Kind, relay: Option<u64>) -> Option<u64> {
        let before = seq.checked_sub(1);
        match kind {
            Kind::TurnBegin {} => {
                self.told.clear();
                self.turn = Some(seq);
                self.awake = Some(seq);
                self.acting.replace(seq)
            }
            Kind::TurnEnd {} => {
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
                self.ending = How::Aborted;
                self.acting = Some(seq);
                self.pushed.remove(task)
            }
            Kind::PollBegin { .. } => {
                self.ending = How::Dropped;
                self.children.clear();
                self.acting = Some(seq);
                before
            }
            Kind::PollEnd { ready, .. } => {
                if *ready && self.ending == How::Dropped {
                    self.ending = How::Done;
                }
                // A panic may have left children at poll.
                let poll = self.children.drain(..).next().map_or(self.acting, |child| child.2);
                self.acting = Some(seq);
                poll
            }
            Kind::TaskPanicked {} => {
                self.ending = How::Panicked;
                self.acting
            }
            Kind::TaskCancelled { .. } => {
                self.ending = How::Dropped;
                self.acting.replace(seq)
            }
            Kind::TaskEnd { .. } => self.acting.replace(seq),
            Kind::Park { .. } => {
                self.acting = Some(seq);
                self.turn
            }
            Kind::Jump { .. } | Kind::Quiescent {} => self.turn,
            Kind::Unpark {} => {
                self.awake = Some(seq);
                self.acting.replace(seq)
            }
            Kind::Wake { task, .. } => relay.or_else(|| self.told(Listener::Task(*task))).or(self.acting),
            Kind::PermitReleased { left, .. } => {
                // With none left it goes to the first in line, who is woken next.
                self.relay = (*left == 0).then_some(seq);
                self.acting
            }
            Kind::TimerArmed { timer, .. } => self.begin("timer", *timer, seq),
            Kind::TimerFired { timer, .. } => self.beginning("timer", *timer),
            Kind::IoRegistered { source, .. } => self.begin("source", *source, seq),
            Kind::IoReady { source, .. } => self.beginning("source", *source),
            Kind::JobSubmitted { job } => self.begin("job", *job as u32, seq),
            Kind::JobStarted { job, .. } => {
                let submitted = self.beginning("job", *job as u32);
                self.begin("job", *job as u32, seq);
                submitted
            }
            Kind::RemoteSent { message, number, .. } => {
                self.begun.entry((message, *number)).or_default().push_back(seq);
                number.filter(|_| *message == "job end").and_then(|job| self.beginning("job", job))
            }
            Kind::RemoteTaken { message, number } => {
                self.acting = Some(seq);
                self.begun.get_mut(&(message, *number)).and_then(VecDeque::pop_front).or(self.awake)
            }
            _ => self.acting,
        }
    }

    /// For the events of gather. The outer `None`: it is not one.
    fn gathers(&mut self, seq: u64, kind: &Kind, told: &[Listener], relay: Option<u64>) -> Option<Option<Option<u64>>> {
        let (Kind::GatherStart { gather, .. }
        | Kind::GatherPoll { gather, .. }
        | Kind::GatherOpen { gather, .. }
        | Kind::ChildPoll { gather, .. }
        | Kind::ChildPollEnd { gather, .. }
        | Kind::ChildWoken { gather, .. }
        | Kind::GatherDone { gather }
        | Kind::GatherDropped { gather }) = kind
        else {
            return None;
        };
        let begins = matches!(kind, Kind::GatherStart { .. });
        if *gather == GatherNumber::NONE || (!begins && !self.gathers.contains_key(gather)) {
            return Some(None);
        }
        let told = told.first().and_then(|listener| self.told(*listener));
        let gathering = self.gathers.entry(*gather).or_default();
        Some(Some(match kind {
            Kind::GatherPoll { .. } => {
                gathering.poll = Some(seq);
                self.acting
            }
            Kind::ChildPoll { place, .. } => {
                self.children.push((*gather, Place(*place), self.acting));
                self.acting = Some(seq);
                if let Some(task) = gathering.spawned.pop_front() {
                    gathering.tasks.insert(task, Place(*place));
                }
                gathering.woken.remove(place).or(gathering.poll)
            }
            Kind::ChildPollEnd { .. } => {
                let parent = self.children.pop().and_then(|child| child.2);
                std::mem::replace(&mut self.acting, parent)
            }
            Kind::ChildWoken { place, due, .. } => {
                gathering.woken.entry(place.0).or_insert(seq);
                self.relay = due.then_some(seq);
                relay.or(told).or(self.acting)
            }
            Kind::GatherDone { .. } | Kind::GatherDropped { .. } => {
                self.gathers.remove(gather);
                self.acting
            }
            _ => self.acting,
        }))
    }

    /// The event that told this listener, and it no other.
    fn told(&mut self, listener: Listener) -> Option<u64> {
        self.told.get_mut(&listener).and_then(VecDeque::pop_front)
    }

    /// Something begins whose later events name this one.
    fn begin(&mut self, what: &'static str, number: u32, seq: u64) -> Option<u64> {
        self.begun.insert((what, Some(number)), VecDeque::from([seq]));
        self.acting
    }

    /// Where it began.
    fn beginning(&self, what: &'static str, number: u32) -> Option<u64> {
        self.begun.get(&(what, Some(number))).and_then(VecDeque::front).copied()
    }
}
