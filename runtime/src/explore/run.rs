//! One run of a program under one schedule: what was chosen at each step, and what could have been.
//!
//! Every choice goes through [`Run::pick`]: it is given how many choices there are, and answers with the schedule's, or
//! with 0, which is the loop's own. Where the schedule has come to its end, the steps with more than one choice are
//! noted: each other choice is a schedule to be tried.

use super::WhatIf;
use super::schedule::Deviation;
use super::search::Options;
use crate::circle::core::Core;
use crate::circle::ready::{Body, Slot, Tasks};
use crate::circle::ticket::Ticket;
use crate::trace::TaskNumber;
use std::cell::RefCell;
use std::panic::{Location, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

thread_local! {
    /// The run under way.
    pub(super) static RUN: RefCell<Option<Run>> = const { RefCell::new(None) };
}

/// Why a run does not go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stop {
    /// Nothing can happen any more.
    Hang,
    /// There are more steps than the explorer was told.
    Endless,
    /// The program asked for something that an explorer cannot give: the sentence that says so.
    Refused(String),
    /// The schedule has a choice that there is not: at which step, and how many there are.
    Misfit { step: u32, choice: u32, of: u32 },
    /// What can be chosen is something else than in the run that had the same choices before.
    Differs { step: u32 },
}

/// What a fault does to a wake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WakeFault {
    /// Nobody is woken.
    Lost,
    /// The wake is done twice.
    Twice,
}

/// What has come so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    /// Wakers that were used.
    pub(super) wakes: usize,
    /// Wakers that were kept, which is cloned.
    pub(super) kept: usize,
}

/// What the loop unwinds with when a run is stopped.
pub(super) struct Stopped;

/// A task that has panicked.
#[derive(Debug, Clone)]
pub(super) struct TaskPanic {
    /// Whether somebody has taken its `JoinError`.
    pub(super) taken: Arc<AtomicBool>,
    /// What it panicked with.
    pub(super) text: String,
    /// Its name.
    pub(super) name: Option<String>,
    /// Where it was spawned.
    pub(super) at: Option<&'static Location<'static>>,
}

/// A step at which something else could have been chosen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Open {
    pub(super) step: u32,
    /// How many choices there were.
    pub(super) choices: u32,
    /// Stands for everything that could be chosen up to and at this step.
    pub(super) hash: u64,
}

/// What is told of a deviation when a failure is put into words.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) step: u32,
    /// The number of the first event after it.
    pub(super) seq: u64,
    pub(super) what: What,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    /// A task was polled before the one whose turn it was.
    Poll { chosen: TaskNumber, before: TaskNumber },
    /// A task was woken for nothing.
    Spurious(TaskNumber),
    /// A timer fired while tasks were ready.
    Alarm,
    /// Of timers with one deadline this one fired before that one, by their keys.
    Tie { timer: u32, before: u32 },
    /// The program chose.
    /// With `is_short`: how many bytes a read or a write takes.
    Choose { of: usize, value: usize, at: &'static Location<'static>, is_short: bool },
}

/// What is kept of a run that is told about.
#[derive(Debug, Default)]
pub(super) struct Story {
    /// Where it differed from the loop's own order.
    pub(super) told: Vec<Told>,
    /// By step: what could be chosen, in words.
    pub(super) steps: Vec<String>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// The number of the loop that runs it.
    pub(super) number: u16,
    pub(super) options: Options,
    /// What is wrong with the loop, on purpose.
    pub(super) fault: Option<WhatIf>,
    /// The schedule.
    pub(super) plan: Vec<Deviation>,
    /// How many pairs of it have been done.
    pub(super) planned: usize,
    /// The hash that the step of the last pair must have.
    pub(super) expected: Option<u64>,
    /// The next step.
    pub(super) step: u32,
    /// Of all that could be chosen so far.
    hash: u64,
    /// Where other schedules begin.
    pub(super) open: Vec<Open>,
    /// Whether something could have been chosen that the bound forbids.
    pub(super) is_bounded: bool,
    /// The task that has overtaken others, and goes on until it waits.
    pub(super) favourite: Option<Ticket>,
    /// The task at poll.
    pub(super) popped: Option<Ticket>,
    pub(super) spurious_left: usize,
    /// The ready tasks, in the order of the queue: a buffer.
    pub(super) ready: Vec<Ticket>,
    /// The waiting tasks: a buffer.
    pub(super) waiting: Vec<Ticket>,
    pub(super) panics: Vec<TaskPanic>,
    /// Messages that this very thread has sent to the loop.
    own_messages: usize,
    /// For the faults that count them.
    pub(super) counts: Counts,
    pub(super) stop: Option<Stop>,
    /// Only when it is told about.
    pub(super) story: Option<Story>,
}

/// What the loop does next.
pub(super) enum Next {
    /// It polls who is first in the batch now, if there is anybody.
    Poll,
    /// A timer fires first: the time of its deadline.
    Alarm(u64),
    /// The run is over.
    Stop,
}

/// The slot of a ticket whose task has not ended.
pub(super) fn slot_of(tasks: &Tasks, ticket: Ticket) -> Option<&Slot> {
    tasks.slots.get(ticket.slot()).filter(|slot| slot.ticket == ticket)
}

/// Adds a word to a hash.
pub(super) fn mix(hash: u64, word: u64) -> u64 {
    (hash.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95)
}

/// Calls `f` with the run, if this is the loop of the explorer that is at work on this thread.
pub(super) fn with_run<R>(core: &Core, f: impl FnOnce(&mut Run) -> R) -> Option<R> {
    with_any(|run| (run.number == core.number).then(|| f(run))).flatten()
}

/// The same, whatever loop it is.
pub(super) fn with_any<R>(f: impl FnOnce(&mut Run) -> R) -> Option<R> {
    RUN.with_borrow_mut(|run| run.as_mut().map(f))
}

/// Ends the run, from wherever this is called: unwinds to the explorer, or to the task at poll, and then the next hook
/// unwinds to the explorer.
pub(super) fn raise(stop: Stop) {
    with_any(|run| run.stop.get_or_insert(stop).clone());
    if !std::thread::panicking() {
        resume_unwind(Box::new(Stopped));
    }
}

impl Run {
    /// Forgets the run before, and begins with this schedule.
    pub(super) fn begin(&mut self, options: Options, plan: &[Deviation], expected: Option<u64>, is_told: bool) {
        let mut buffers = std::mem::take(self);
        for buffer in [&mut buffers.ready, &mut buffers.waiting] {
            buffer.clear();
        }
        buffers.plan.clear();
        buffers.plan.extend_from_slice(plan);
        buffers.open.clear();
        *self = Run {
            options,
            expected,
            spurious_left: options.spurious_wakes,
            story: is_told.then(Story::default),
            plan: buffers.plan,
            open: buffers.open,
            ready: buffers.ready,
            waiting: buffers.waiting,
            ..Run::default()
        };
    }

    /// One step: which of `choices` is taken. `signature` stands for what they are.
    ///
    /// # Errors
    /// When the run cannot go on.
    pub(super) fn pick(
        &mut self,
        choices: usize,
        signature: u64,
        words: impl FnOnce() -> String,
    ) -> Result<usize, Stop> {
        let (step, choices) = (self.step, choices as u32);
        if step as usize >= self.options.steps {
            return Err(Stop::Endless);
        }
        self.step += 1;
        self.hash = mix(mix(self.hash, signature), u64::from(choices));
        if let Some(story) = &mut self.story {
            story.steps.push(words());
        }
        let Some(next) = self.plan.get(self.planned) else {
            if choices > 1 && self.plan.len() < self.options.overtakings {
                self.open.push(Open { step, choices, hash: self.hash });
            }
            self.is_bounded |= choices > 1 && self.plan.len() >= self.options.overtakings;
            return Ok(0);
        };
        if next.step != step {
            return Ok(0);
        }
        self.planned += 1;
        if self.planned == self.plan.len() && self.expected.is_some_and(|hash| hash != self.hash) {
            return Err(Stop::Differs { step });
        }
        if next.choice >= choices {
            return Err(Stop::Misfit { step, choice: next.choice, of: choices });
        }
        Ok(next.choice as usize)
    }

    /// Something else than the loop's own choice was taken at the step before.
    pub(super) fn tell(&mut self, what: impl FnOnce() -> What) {
        let step = self.step - 1;
        if let Some(story) = &mut self.story {
            let (seq, what) = (crate::trace::events_so_far(), what());
            story.told.push(Told { step, seq, what });
        }
    }

    /// The program chooses one of `n`; with `is_short`, how many of `n` bytes a read or a write takes, where 0 is all.
    ///
    /// # Errors
    /// When the run cannot go on.
    pub(super) fn choose(&mut self, n: usize, at: &'static Location<'static>, is_short: bool) -> Result<usize, Stop> {
        let signature = mix(std::ptr::from_ref(at).addr() as u64, 2);
        let value = self.pick(n, signature, || format!("choose({n}) at {}", super::story::place(at)))?;
        if value > 0 {
            self.tell(|| What::Choose { of: n, value, at, is_short });
        }
        Ok(value)
    }

    /// A waker is used: what a fault does to the wake.
    pub(super) fn fault_of_wake(&mut self, ticket: Ticket) -> Option<WakeFault> {
        self.counts.wakes += 1;
        match self.fault? {
            WhatIf::DropWake(n) if self.counts.wakes == n => Some(WakeFault::Lost),
            WhatIf::WakeTwice(n) if self.counts.wakes == n => Some(WakeFault::Twice),
            WhatIf::ClearLate if self.is_cleared_late(ticket) => Some(WakeFault::Lost),
            _ => None,
        }
    }

    /// Whether a fault finds this task queued still: it is at poll, and "queued" is cleared after that.
    pub(super) fn is_cleared_late(&self, ticket: Ticket) -> bool {
        let is_late = self.fault == Some(WhatIf::ClearLate) && self.popped == Some(ticket);
        if is_late {
            trace!(PushRefused { task: ticket, stale: false });
        }
        is_late
    }

    /// A waker is cloned. Whether the clone is nobody's, by a fault.
    pub(super) fn forgets_waker(&mut self) -> bool {
        self.counts.kept += 1;
        matches!(self.fault, Some(WhatIf::ForgetWaker(n)) if n == self.counts.kept)
    }

    /// The task at poll has panicked, or one that is dropped.
    pub(super) fn task_panicked(&mut self, taken: Arc<AtomicBool>, text: &str, tasks: &Tasks) {
        let Some(ticket) = self.popped.filter(|_| self.stop.is_none()) else { return };
        let birth = slot_of(tasks, ticket)
            .and_then(|slot| if let Body::Task(task) = &slot.body { Some(task.birth()) } else { None });
        let name = birth.and_then(|birth| birth.name.as_deref().map(str::to_owned));
        self.panics.push(TaskPanic { taken, text: text.to_owned(), name, at: birth.map(|birth| birth.at) });
    }

    pub(super) fn message_sent(&mut self) {
        self.own_messages += 1;
    }

    /// Whether a message came from this very thread.
    pub(super) fn is_own_message(&mut self) -> bool {
        let is_own = self.own_messages > 0;
        self.own_messages -= usize::from(is_own);
        is_own
    }
}
