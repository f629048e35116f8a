//! What led to an event. Nothing is guessed from the order of the events.
//!
//! A cause is known in one of two ways:
//!
//! - **The scope.** Whoever does something opens the scope of its event: the loop for a turn, a poll, a park, a
//!   message; `wake_all` for each waker that it wakes, with the reason that was collected with it. An event is made in
//!   the innermost open scope, and that is its cause. The scopes of a thread are a stack; each is closed where it was
//!   opened.
//! - **The beginning.** Some events end what an earlier one began: a pop takes the entry that a push made, a timer
//!   fires that was armed, a message is taken that was sent. They name that event, by the number of what it began.

use super::{GatherNumber, How, Kind, Place, TaskNumber};
use std::collections::{HashMap, HashSet, VecDeque};

/// What the loop or a program has begun, and under which event.
#[derive(Default)]
pub(super) struct Causes {
    /// The turn under way, or the last one.
    turn: Option<u64>,
    /// The push of the entry that stands in the queue, by task.
    pushed: HashMap<TaskNumber, u64>,
    /// The abort of a task that has not ended.
    aborted: HashMap<TaskNumber, u64>,
    /// The panic of a task that has not ended.
    panicked: HashMap<TaskNumber, u64>,
    /// Where timers were armed.
    timers: HashMap<u32, u64>,
    /// Where sources were registered.
    sources: HashMap<u32, u64>,
    /// Where jobs were submitted, or begun.
    jobs: HashMap<usize, u64>,
    /// The messages on their way, by their stamps: where they were sent.
    sent: HashMap<u64, u64>,
    /// The gathers that are under way.
    gathers: HashMap<GatherNumber, Gathering>,
}

/// What is known of a gather.
#[derive(Default)]
struct Gathering {
    /// Its latest poll.
    poll: Option<u64>,
    /// By place: the first wake of each child that has come since that poll began.
    woken: HashMap<u32, u64>,
    /// By place: the first wake of each child that the latest poll is to poll.
    batch: HashMap<u32, u64>,
    /// The places whose child has been polled and has not ended.
    started: HashSet<u32>,
    /// The first child that has woken itself in the latest poll.
    again: Option<u64>,
    /// Its children that are tasks and have not been polled yet, in the order in which they will be.
    spawned: VecDeque<TaskNumber>,
    /// Its children that are tasks, and their places.
    tasks: HashMap<TaskNumber, Place>,
}

impl Causes {
    /// Whether a gather has not ended.
    pub(super) fn knows(&self, gather: GatherNumber) -> bool {
        self.gathers.contains_key(&gather)
    }

    /// Whether a task has panicked that has not ended.
    pub(super) fn has_panicked(&self, task: TaskNumber) -> bool {
        self.panicked.contains_key(&task)
    }

    /// A message with this stamp was sent.
    pub(super) fn was_sent(&mut self, stamp: u64, seq: u64) {
        self.sent.insert(stamp, seq);
    }

    /// The message with this stamp has arrived: where it was sent.
    pub(super) fn arrived(&mut self, stamp: u64) -> Option<u64> {
        self.sent.remove(&stamp)
    }

    /// Where a job was submitted, or begun.
    pub(super) fn job(&self, job: usize) -> Option<u64> {
        self.jobs.get(&job).copied()
    }

    /// The first child of a gather that has woken itself in the latest poll.
    pub(super) fn again(&self, gather: GatherNumber) -> Option<u64> {
        self.gathers.get(&gather)?.again
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

    /// The cause of the event `seq`, made in the scope of the event `here`, and its part in what comes after. `None`:
    /// this is nothing to tell of.
    pub(super) fn of(&mut self, seq: u64, kind: &Kind, here: Option<u64>) -> Option<Option<u64>> {
        Some(match kind {
            Kind::TurnBegin {} => {
                self.turn = Some(seq);
                here
            }
            Kind::TurnEnd {} => self.turn,
            Kind::Push { task } => {
                self.pushed.insert(*task, seq);
                here
            }
            Kind::Pop { task } => self.pushed.remove(task).or(here),
            Kind::Abort { task } => {
                self.aborted.insert(*task, seq);
                here
            }
            Kind::TaskPanicked { task, .. } => begin(&mut self.panicked, *task, seq, here),
            Kind::TaskEnd { task, how } => {
                self.pushed.remove(task);
                let (aborted, panicked) = (self.aborted.remove(task), self.panicked.remove(task));
                // Main's panic has closed all scopes on its way to the caller of `block_on`.
                if *how == How::Aborted { aborted.or(here) } else { here.or(panicked) }
            }
            Kind::TimerArmed { timer, .. } => begin(&mut self.timers, *timer, seq, here),
            Kind::TimerFired { timer, .. } => self.timers.get(timer).copied(),
            Kind::TimerDropped { timer } => {
                self.timers.remove(timer);
                here
            }
            Kind::IoRegistered { source, .. } => begin(&mut self.sources, *source, seq, here),
            Kind::IoReady { source, .. } => self.sources.get(source).copied(),
            Kind::JobSubmitted { job } => begin(&mut self.jobs, *job, seq, here),
            Kind::JobStarted { job, .. } => {
                let submitted = self.job(*job);
                begin(&mut self.jobs, *job, seq, submitted)
            }
            Kind::GatherStart { gather, .. }
            | Kind::GatherPoll { gather, .. }
            | Kind::GatherOpen { gather, .. }
            | Kind::ChildPoll { gather, .. }
            | Kind::ChildPollEnd { gather, .. }
            | Kind::ChildWoken { gather, .. }
            | Kind::GatherDone { gather }
            | Kind::GatherDropped { gather } => return self.gathers(seq, kind, *gather, here),
            _ => here,
        })
    }

    /// For the events of gather.
    fn gathers(&mut self, seq: u64, kind: &Kind, gather: GatherNumber, here: Option<u64>) -> Option<Option<u64>> {
        if matches!(kind, Kind::GatherStart { .. }) && gather != GatherNumber::NONE {
            self.gathers.insert(gather, Gathering::default());
        }
        let gathering = self.gathers.get_mut(&gather)?;
        Some(match kind {
            Kind::GatherPoll { .. } => {
                gathering.poll = Some(seq);
                gathering.again = None;
                for (place, woken) in gathering.woken.drain() {
                    gathering.batch.entry(place).or_insert(woken);
                }
                here
            }
            Kind::ChildPoll { place, .. } => {
                if let Some(task) = gathering.spawned.pop_front() {
                    gathering.tasks.insert(task, Place(*place));
                }
                if gathering.started.insert(*place) {
                    // A wake for the child that was in this place before does not poll the new one for the first time.
                    gathering.poll
                } else {
                    gathering.batch.remove(place).or_else(|| gathering.woken.remove(place)).or(gathering.poll)
                }
            }
            Kind::ChildPollEnd { place, ready, .. } => {
                if *ready {
                    gathering.started.remove(place);
                }
                here
            }
            Kind::ChildWoken { place, .. } => {
                gathering.woken.entry(place.0).or_insert(seq);
                here
            }
            Kind::GatherDone { .. } | Kind::GatherDropped { .. } => {
                self.gathers.remove(&gather);
                here
            }
            _ => here,
        })
    }

    /// A child of this gather has woken itself, while it is polled.
    pub(super) fn woke_itself(&mut self, gather: GatherNumber, seq: u64) {
        if let Some(gathering) = self.gathers.get_mut(&gather) {
            gathering.again.get_or_insert(seq);
        }
    }
}

/// Something begins, whose later events name this one.
fn begin<K: std::hash::Hash + Eq>(begun: &mut HashMap<K, u64>, what: K, seq: u64, cause: Option<u64>) -> Option<u64> {
    begun.insert(what, seq);
    cause
}
