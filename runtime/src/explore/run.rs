//! One run of a program under one schedule: what was chosen at each step, and what could have been.
//!
//! Every choice goes through [`Run::pick`]: it is given how many choices there are, and answers with the schedule's, or
//! with 0, which is the loop's own. Where the schedule has come to its end, the steps with more than one choice are
//! noted: each other choice is a schedule to be tried.

use super::WhatIf;
use super::schedule::Deviation;
use super::search::Options;
use crate::circle::core::Core;
use crate::circle::ready::{Body, Tasks};
use crate::circle::ticket::Ticket;
use crate::circle::timers::{Entry, Timers};
use crate::trace::TaskNumber;
use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::panic::{Location, resume_unwind};

thread_local! {
    /// Whether a program runs under an explorer on this thread. Asked by every hook, so it is no part of [`RUN`], which
    /// has a destructor.
    pub(super) static ACTIVE: Cell<bool> = const { Cell::new(false) };

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

/// What the loop unwinds with when a run is stopped.
pub(super) struct Stopped;

/// A task that has panicked, and whose `JoinError` nobody has taken.
#[derive(Debug, Clone)]
pub(super) struct TaskPanic {
    ticket: Ticket,
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
    Choose { of: usize, value: usize, at: &'static Location<'static> },
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
    favourite: Option<Ticket>,
    /// The task at poll.
    popped: Option<Ticket>,
    spurious_left: usize,
    /// The ready tasks, in the order of the queue: a buffer.
    ready: Vec<Ticket>,
    /// The waiting tasks: a buffer.
    waiting: Vec<Ticket>,
    pub(super) panics: Vec<TaskPanic>,
    /// Messages that this very thread has sent to the loop.
    own_messages: usize,
    /// Wakes, and wakers that were kept: for the faults that count them.
    wakes: usize,
    kept: usize,
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

fn mix(hash: u64, word: u64) -> u64 {
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
    fn pick(&mut self, choices: usize, signature: u64, words: impl FnOnce() -> String) -> Result<usize, Stop> {
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
    fn tell(&mut self, what: impl FnOnce() -> What) {
        let step = self.step - 1;
        if let Some(story) = &mut self.story {
            let (seq, what) = (crate::trace::events_so_far(), what());
            story.told.push(Told { step, seq, what });
        }
    }

    /// Before the pop: who is polled next.
    pub(super) fn next(&mut self, core: &Core) -> Next {
        if self.stop.is_some() {
            return Next::Stop;
        }
        let mut tasks = core.tasks.borrow_mut();
        let tasks = &mut *tasks;
        if tasks.next >= tasks.batch.len() {
            return Next::Poll;
        }
        if let Some(fault) = self.fault {
            return self.next_faulty(fault, tasks);
        }
        self.ready.clear();
        let is_live = |ticket: &Ticket| tasks.slots.get(ticket.slot()).is_some_and(|slot| slot.ticket == *ticket);
        self.ready.extend(tasks.batch[tasks.next..].iter().chain(&tasks.arrived).copied().filter(is_live));
        let Some(&head) = self.ready.first() else { return Next::Poll };
        // Choice 0 is the loop's own: the head, or whoever has overtaken others and goes on. The others follow in the
        // order of the queue.
        let first = self.favourite.and_then(|ticket| self.ready.iter().position(|it| *it == ticket));
        match first {
            Some(first) => self.ready[..=first].rotate_right(1),
            None => self.favourite = None,
        }
        let alarm = if self.options.time_passes { core.timers.borrow().next() } else { None };
        self.note_waiting(tasks);
        let ready = self.ready.len();
        let choices = ready + usize::from(alarm.is_some()) + self.waiting.len();
        let signature = self.signature(tasks, alarm.is_some());
        let words = self.story.is_some().then(|| self.words(tasks, alarm.is_some()));
        let choice = match self.pick(choices, signature, || words.unwrap_or_default()) {
            Ok(choice) => choice,
            Err(stop) => {
                self.stop = Some(stop);
                return Next::Stop;
            }
        };
        let usual = self.ready[0];
        if choice < ready {
            let chosen = self.ready[choice];
            if choice > 0 {
                // To go back to the head is no overtaking: it does not go on for nothing.
                self.favourite = (chosen != head).then_some(chosen);
                self.tell(|| What::Poll { chosen: chosen.into(), before: usual.into() });
                trace!(Chosen { task: chosen, before: usual });
            }
            bring_forward(tasks, chosen);
            self.popped = Some(chosen);
            return Next::Poll;
        }
        self.favourite = None;
        if let Some(deadline) = alarm.filter(|_| choice == ready) {
            self.tell(|| What::Alarm);
            return Next::Alarm(deadline);
        }
        let woken = self.waiting[choice - ready - usize::from(alarm.is_some())];
        self.wake_for_nothing(tasks, woken);
        bring_forward(tasks, woken);
        self.popped = Some(woken);
        Next::Poll
    }

    /// The same with a fault in the queue; nothing is chosen.
    fn next_faulty(&mut self, fault: WhatIf, tasks: &mut Tasks) -> Next {
        if self.step as usize >= self.options.steps {
            self.stop = Some(Stop::Endless);
            return Next::Stop;
        }
        self.step += 1;
        if matches!(fault, WhatIf::Lifo | WhatIf::UntilEmpty) {
            tasks.batch.append(&mut tasks.arrived);
        }
        let is_live = |ticket: &&Ticket| tasks.slots.get(ticket.slot()).is_some_and(|slot| slot.ticket == **ticket);
        let mut live = tasks.batch[tasks.next..].iter().filter(is_live).copied();
        self.popped = live.next();
        if matches!(fault, WhatIf::Lifo) {
            self.popped = live.last().or(self.popped);
        }
        self.popped.into_iter().for_each(|ticket| bring_forward(tasks, ticket));
        Next::Poll
    }

    /// Who waits, if the explorer may wake one for nothing.
    fn note_waiting(&mut self, tasks: &Tasks) {
        self.waiting.clear();
        if self.spurious_left > 0 {
            let waiting = tasks.slots.iter().filter(|(_, slot)| !slot.queued);
            self.waiting.extend(waiting.map(|(_, slot)| slot.ticket));
        }
    }

    fn wake_for_nothing(&mut self, tasks: &mut Tasks, ticket: Ticket) {
        self.spurious_left -= 1;
        self.tell(|| What::Spurious(ticket.into()));
        let _wake = trace!(scope Wake { task: ticket, last: false });
        tasks.push(ticket);
    }

    /// Stands for what can be chosen: the tasks by name and line.
    fn signature(&self, tasks: &Tasks, has_alarm: bool) -> u64 {
        let of = |hash: u64, ticket: &Ticket| {
            let Some(slot) = tasks.slots.get(ticket.slot()) else { return hash };
            match &slot.body {
                Body::Main(_) => mix(hash, 1),
                Body::Task(task) => {
                    let birth = task.birth();
                    let name = birth.name.as_deref().unwrap_or_default();
                    let hash = mix(hash, std::ptr::from_ref(birth.at).addr() as u64);
                    name.bytes().fold(hash, |hash, byte| mix(hash, u64::from(byte)))
                }
            }
        };
        let ready = self.ready.iter().fold(u64::from(has_alarm), of);
        self.waiting.iter().fold(mix(ready, 0), of)
    }

    /// The same in words.
    fn words(&self, tasks: &Tasks, has_alarm: bool) -> String {
        let who = |ticket: &Ticket| match tasks.slots.get(ticket.slot()).map(|slot| &slot.body) {
            Some(Body::Task(task)) => super::story::who(task.birth().name.as_deref(), Some(task.birth().at)),
            _ => "main".to_owned(),
        };
        let ready = self.ready.iter().map(who);
        let alarm = has_alarm.then(|| "a timer".to_owned());
        let waiting = self.waiting.iter().map(|ticket| format!("a wake of {} for nothing", who(ticket)));
        ready.chain(alarm).chain(waiting).collect::<Vec<_>>().join(", ")
    }

    /// Nothing is ready: the overtaker waits like all others. Perhaps one of them is woken for nothing.
    pub(super) fn idle(&mut self, core: &Core) -> bool {
        (self.favourite, self.popped) = (None, None);
        let mut tasks = core.tasks.borrow_mut();
        if self.stop.is_some() || self.fault.is_some() || tasks.has_ready() {
            return self.stop.is_none();
        }
        self.ready.clear();
        self.note_waiting(&tasks);
        if self.waiting.is_empty() {
            return true;
        }
        let (choices, signature) = (1 + self.waiting.len(), self.signature(&tasks, false));
        let words = self.story.is_some().then(|| self.words(&tasks, false));
        match self.pick(choices, signature, || words.unwrap_or_default()) {
            Ok(0) => true,
            Ok(choice) => {
                let woken = self.waiting[choice - 1];
                self.wake_for_nothing(&mut tasks, woken);
                true
            }
            Err(stop) => {
                self.stop = Some(stop);
                false
            }
        }
    }

    /// Several timers fire now. Those with one deadline may do so in any order.
    ///
    /// # Errors
    /// When the run cannot go on.
    pub(super) fn order_ties(&mut self, timers: &mut Timers, now: u64) -> Result<(), Stop> {
        let is_due = |entry: &&Entry| {
            let armed = timers.timers.get(entry.key as usize).is_some_and(|timer| timer.arming == entry.arming);
            entry.deadline <= now && armed
        };
        let mut due: Vec<Entry> = timers.heap.iter().map(|Reverse(entry)| entry).filter(is_due).copied().collect();
        due.sort_unstable();
        let mut armings = HashMap::new();
        for tie in due.chunk_by_mut(|one, other| one.deadline == other.deadline) {
            let own: Vec<u64> = tie.iter().map(|entry| entry.arming).collect();
            for first in 0..tie.len() - 1 {
                let rest = tie.len() - first;
                let choice = self.pick(rest, rest as u64, || format!("{rest} timers with one deadline"))?;
                if choice > 0 {
                    let (timer, before) = (tie[first + choice].key, tie[first].key);
                    self.tell(|| What::Tie { timer, before });
                    tie[first..=first + choice].rotate_right(1);
                }
            }
            // Timers of one deadline fire in the order of their armings.
            armings.extend(
                tie.iter().zip(&own).filter(|(entry, own)| entry.arming != **own).map(|(it, own)| (it.key, *own)),
            );
        }
        if armings.is_empty() {
            return Ok(());
        }
        let mut entries = std::mem::take(&mut timers.heap).into_vec();
        for Reverse(entry) in &mut entries {
            let timer = timers.timers.get_mut(entry.key as usize).filter(|timer| timer.arming == entry.arming);
            if let (Some(timer), Some(arming)) = (timer, armings.remove(&entry.key)) {
                (entry.arming, timer.arming) = (arming, arming);
            }
        }
        timers.heap = entries.into();
        Ok(())
    }

    /// The program chooses one of `n`.
    ///
    /// # Errors
    /// When the run cannot go on.
    pub(super) fn choose(&mut self, n: usize, at: &'static Location<'static>) -> Result<usize, Stop> {
        let signature = mix(std::ptr::from_ref(at).addr() as u64, 2);
        let value = self.pick(n, signature, || format!("choose({n}) at {}", super::story::place(at)))?;
        if value > 0 {
            self.tell(|| What::Choose { of: n, value, at });
        }
        Ok(value)
    }

    /// A waker is used. Whether the wake is lost, by a fault.
    pub(super) fn loses_wake(&mut self, ticket: Ticket) -> bool {
        self.wakes += 1;
        match self.fault {
            Some(WhatIf::DropWake(n)) => self.wakes == n,
            Some(WhatIf::ClearLate) if self.popped == Some(ticket) => {
                trace!(PushRefused { task: ticket, stale: false });
                true
            }
            _ => false,
        }
    }

    /// Whether the wake is done a second time, by a fault.
    pub(super) fn wakes_twice(&self) -> bool {
        matches!(self.fault, Some(WhatIf::WakeTwice(n)) if n == self.wakes)
    }

    /// A waker is cloned. Whether the clone is nobody's, by a fault.
    pub(super) fn forgets_waker(&mut self) -> bool {
        self.kept += 1;
        matches!(self.fault, Some(WhatIf::ForgetWaker(n)) if n == self.kept)
    }

    /// The task at poll has panicked, or one that is dropped.
    pub(super) fn task_panicked(&mut self, text: &str, tasks: &Tasks) {
        let Some(ticket) = self.popped.filter(|_| self.stop.is_none()) else { return };
        let slot = tasks.slots.get(ticket.slot()).filter(|slot| slot.ticket == ticket);
        let birth = slot.and_then(|slot| if let Body::Task(task) = &slot.body { Some(task.birth()) } else { None });
        let name = birth.and_then(|birth| birth.name.as_deref().map(str::to_owned));
        self.panics.push(TaskPanic { ticket, text: text.to_owned(), name, at: birth.map(|birth| birth.at) });
    }

    /// Somebody has the result of this task.
    pub(super) fn joined(&mut self, ticket: Ticket) {
        self.panics.retain(|panic| panic.ticket != ticket);
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

/// Puts a ready task in front of the batch; the order of the others stays.
fn bring_forward(tasks: &mut Tasks, ticket: Ticket) {
    let next = tasks.next;
    if let Some(index) = tasks.batch[next..].iter().position(|it| *it == ticket) {
        tasks.batch[next..=next + index].rotate_right(1);
    } else if let Some(index) = tasks.arrived.iter().position(|it| *it == ticket) {
        tasks.arrived.remove(index);
        tasks.batch.insert(next, ticket);
    }
}
