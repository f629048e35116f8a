//! Tasks that return, panic or wait when a check says so, and what is known of each.

use crate::run::{Run, broken};
use crate::spy::Spy;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::ops::RangeInclusive;
use std::panic::panic_any;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

/// The joiners. Their numbers are above those of all tasks.
pub const JOINERS: RangeInclusive<u32> = 11..=13;

/// What the panic of every other task carries, from the first one on.
#[derive(Debug)]
struct Fallen;

/// What the panics of the others carry: that of `panic!("..")` carries a text, too.
const FELL: &str = "it fell";

/// Whether this is what the panic of a task of a check carries.
pub fn is_of_a_task(payload: &(dyn Any + Send)) -> bool {
    payload.is::<Fallen>() || payload.downcast_ref::<&str>() == Some(&FELL)
}

/// How a task has ended, or has to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum End {
    /// With this value.
    Value(u32),
    /// With its panic.
    Panicked,
    /// Of a joiner: it is told of a panic, and that carries something else than the task's.
    AnotherPanic,
    /// It was aborted, or dropped with its loop.
    Cancelled,
}

impl End {
    /// The end in words.
    pub fn words(self) -> String {
        match self {
            End::Value(value) => format!("value {value}"),
            End::Panicked => "its panic".to_owned(),
            End::AnotherPanic => "a panic that carries something else".to_owned(),
            End::Cancelled => "Cancelled".to_owned(),
        }
    }
}

/// What the check knows of a task.
pub struct Ending<H> {
    /// Its number.
    pub number: u32,
    /// Polls so far.
    pub polls: Cell<u32>,
    /// The waker of its last poll.
    pub waker: Cell<Option<Waker>>,
    /// What it does when it is polled next.
    pub next: Cell<Option<End>>,
    /// Its handle has woken it.
    pub is_woken_by_handle: Arc<AtomicBool>,
    /// Its handle has aborted it.
    pub is_aborted: Cell<bool>,
    /// Its future is dropped.
    pub is_dropped: Cell<bool>,
    /// How it has ended.
    pub end: Cell<Option<End>>,
    /// Who polled its handle last, and got Pending.
    pub joiner: Cell<Option<u32>>,
    /// What a joiner was told that polled in its wake.
    pub told: Cell<Option<Poll<End>>>,
    /// Its handle, until somebody has got the result.
    pub handle: RefCell<Option<H>>,
    /// The wakers of its joiners.
    pub spies: Vec<Spy>,
}

impl<H> fmt::Debug for Ending<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ending").field("number", &self.number).field("end", &self.end).finish_non_exhaustive()
    }
}

impl<H> Ending<H> {
    /// A task that has not begun, of this number.
    pub fn new(number: u32) -> Ending<H> {
        Ending {
            number,
            polls: Cell::default(),
            waker: Cell::default(),
            next: Cell::default(),
            is_woken_by_handle: Arc::default(),
            is_aborted: Cell::default(),
            is_dropped: Cell::default(),
            end: Cell::default(),
            joiner: Cell::default(),
            told: Cell::default(),
            handle: RefCell::default(),
            spies: JOINERS.map(Spy::new).collect(),
        }
    }

    /// The waker of this joiner.
    pub fn spy(&self, joiner: u32) -> &Spy {
        &self.spies[(joiner - JOINERS.start()) as usize]
    }

    /// The task has not ended by the drop of its handle.
    pub fn goes_on(&self) {
        if self.is_dropped.get() && self.end.get() == Some(End::Cancelled) && !self.is_aborted.get() {
            let says = format!(
                "Task {} is dropped, and nobody has aborted it. Its handle was dropped, or another task was aborted.",
                self.number
            );
            broken("a dropped handle lets its task go on", says, None);
        }
    }

    /// After a turn: who was aborted is gone, who has ended is gone, and who was woken was polled. `is_over`: the loop
    /// is dropped.
    pub fn judge_turn(&self, is_over: bool) {
        if self.is_aborted.get() && !self.is_dropped.get() {
            let says = match self.is_woken_by_handle.load(SeqCst) {
                true => format!("Task {} was aborted, a turn is over, and the task is still there.", self.number),
                false => format!(
                    "Task {} was aborted, and nobody has woken it. A turn is over, and the task is still there.",
                    self.number
                ),
            };
            broken("an aborted task is dropped", says, Some("Dropped"));
        }
        if let (Some(end), false) = (self.end.get(), self.is_dropped.get()) {
            let says = format!(
                "Task {} has ended with {}, a turn is over, and the task is still there: its joiner is told nothing.",
                self.number,
                end.words()
            );
            broken("the joiner gets the result", says, Some("Dropped"));
        }
        if !is_over && self.next.get().is_some() && !self.is_dropped.get() {
            let says = format!("Task {} was woken, and a turn later it has not been polled.", self.number);
            broken("a task goes on", says, Some("PollBegin"));
        }
    }

    /// The end has woken the joiner that polled last, once, and no other.
    pub fn judge_wakes(&self, joiner: u32) {
        let (wakes, number) = (self.spy(joiner).wakes(), self.number);
        let other = JOINERS.into_iter().find(|&other| other != joiner && self.spy(other).wakes() > 0);
        let says = match (wakes, other) {
            (1, None) => return,
            (0, None) => format!("Task {number} has ended, and joiner {joiner} is not woken: it waits for ever."),
            (_, Some(other)) => {
                format!("Joiner {other} was woken. But joiner {joiner} has polled last: the handle is its own now.")
            }
            _ => format!("Joiner {joiner} was woken {wakes} times by one end."),
        };
        broken("the end wakes who polled last", says, if (wakes, other) == (0, None) { Some("Wake") } else { None })
    }
}

/// The waker of a task that its handle has.
#[derive(Debug)]
pub struct ByHandle {
    /// The task's.
    pub task: Waker,
    /// It was used.
    pub is_woken: Arc<AtomicBool>,
}

impl Wake for ByHandle {
    fn wake(self: Arc<Self>) {
        self.is_woken.store(true, SeqCst);
        self.task.wake_by_ref();
    }
}

/// The future of a task. The check sees its polls and its drop.
#[derive(Debug)]
pub struct Work<H>(pub Rc<Ending<H>>);

impl<H> Future for Work<H> {
    type Output = u32;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u32> {
        let Work(state) = &*self;
        let (run, task) = (Run::current(), state.number);
        state.polls.set(state.polls.get() + 1);
        run.tell("PollBegin", task, format!("poll {} of task {task}", state.polls.get()));
        if state.is_aborted.get() {
            let says = format!("Task {task} is polled after its abort. It has to be dropped instead of its next poll.");
            broken("an aborted task is dropped", says, None);
        }
        match state.next.take() {
            None => {
                state.waker.set(Some(cx.waker().clone()));
                run.tell("PollEnd", task, "Pending");
                Poll::Pending
            }
            Some(End::Value(value)) => {
                state.end.set(Some(End::Value(value)));
                run.tell("PollEnd", task, "Ready");
                Poll::Ready(value)
            }
            Some(_) => {
                state.end.set(Some(End::Panicked));
                run.tell("Panic", task, format!("task {task}"));
                if task.is_multiple_of(2) { panic_any(FELL) } else { panic_any(Fallen) }
            }
        }
    }
}

impl<H> Drop for Work<H> {
    fn drop(&mut self) {
        let Work(state) = self;
        Run::current().tell("Dropped", state.number, format!("the future of task {}", state.number));
        state.is_dropped.set(true);
        if state.end.get().is_none() {
            state.end.set(Some(End::Cancelled));
        }
    }
}
