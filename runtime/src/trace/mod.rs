//! The trace: every step of the circle as an event, with its cause and the line of the runtime that did it.
//!
//! A [`Recorder`] keeps what the loops of its thread do for as long as it lives:
//!
//! ```
//! use runtime::trace::{Kind, Recorder};
//!
//! let recorder = Recorder::start();
//! runtime::block_on(async { runtime::task::yield_now().await });
//! let polls = recorder.events().iter().filter(|event| matches!(event.kind, Kind::PollBegin { .. })).count();
//! assert_eq!(polls, 2);
//! ```
//!
//! Tasks have the numbers in which the recorder met them, so two runs of one program without threads and sockets give
//! the same trace.

mod causes;

use crate::context;
use crate::reactor::Direction;
use crate::wake::Ticket;
use causes::Causes;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::panic::Location;
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its number, from 0.
    pub seq: u64,
    /// The turn that it belongs to, from 1; 0 before the first.
    pub turn: u64,
    /// When: since the runtime's beginning, by its clock.
    pub at: Duration,
    /// The event that led to it.
    pub cause: Option<u64>,
    /// The runtime's file and line that did it.
    pub source: (&'static str, u32),
    /// What happened.
    pub kind: Kind,
}

/// A task's number in a trace: the first that the recorder met is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskNumber(pub u32);

/// What an event is about.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "fields named task, timer, source and job are the numbers of those")]
pub enum Kind {
    /// A turn begins.
    TurnBegin,
    /// A turn has run what was ready.
    TurnEnd,
    /// (1) A future becomes a task; its push follows.
    Spawn { at: &'static Location<'static>, name: Option<Rc<str>> },
    /// (2) A ticket enters the ready queue.
    Push { task: TaskNumber },
    /// A ticket does not enter it: it is in there already, or its task has ended (stale).
    PushRefused { task: TaskNumber, stale: bool },
    /// (2) A ticket leaves the ready queue; its poll follows.
    Pop { task: TaskNumber },
    /// (3) A poll begins.
    PollBegin { task: TaskNumber },
    /// (3) It returned, Ready or Pending.
    PollEnd { task: TaskNumber, ready: bool },
    /// (6) A waker was used.
    Wake { task: TaskNumber },
    /// A waker was cloned.
    TicketCloned { task: TaskNumber },
    /// A waker was dropped.
    TicketDropped { task: TaskNumber },
    /// A task is to be dropped before its next poll.
    Abort { task: TaskNumber },
    /// A task has ended, its slot is free, its joiner is woken next.
    TaskEnd { task: TaskNumber },
    /// A task is dropped with its runtime.
    TaskCancelled { task: TaskNumber },
    /// (5) A timer is armed; the deadline counts from the runtime's beginning.
    TimerArmed { timer: u32, deadline: Nanos },
    /// (5) Its deadline has come.
    TimerFired { timer: u32, wakes: Woken },
    /// It was dropped, fired or not.
    TimerDropped { timer: u32 },
    /// (4) A source is under watch.
    IoRegistered { source: u32 },
    /// (4) The system told that a direction is ready.
    IoReady { source: u32, direction: &'static str, wakes: Woken },
    /// (4) An attempt would have blocked.
    IoWouldBlock { source: u32, direction: &'static str },
    /// A source is no longer under watch.
    IoDeregistered { source: u32 },
    /// Nothing is ready: the loop sleeps, for at most `timeout`.
    Park { timeout: MaybeDuration },
    /// The loop is awake.
    Unpark,
    /// Another thread's wake has arrived.
    RemoteWake { task: TaskNumber },
    /// A job went to the blocking pool.
    JobSubmitted { job: usize },
    /// The loop has heard of its end.
    JobEnded { job: usize },
    /// A permit of a semaphore was taken.
    PermitTaken { left: usize },
    /// A task went into the line of a semaphore.
    PermitWaiting,
    /// A permit was given back.
    PermitReleased { left: usize },
    /// What the program had to say; see [`note`].
    Note { text: Rc<str> },
}

/// A deadline in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nanos(pub u64);

/// A timeout; `None` is "for as long as it takes".
pub type MaybeDuration = Option<Duration>;

impl From<u64> for Nanos {
    fn from(nanos: u64) -> Nanos {
        Nanos(nanos)
    }
}

impl From<Direction> for &'static str {
    fn from(direction: Direction) -> &'static str {
        ["read", "write"][direction as usize]
    }
}

impl From<Ticket> for TaskNumber {
    fn from(ticket: Ticket) -> TaskNumber {
        with_state(|state| state.number(ticket)).unwrap_or(TaskNumber(u32::MAX))
    }
}

/// The tasks that are about to be woken; a waker that is no ticket is left out.
#[derive(Debug, Clone, PartialEq)]
pub struct Woken(pub Vec<TaskNumber>);

impl From<&[Waker]> for Woken {
    fn from(wakers: &[Waker]) -> Woken {
        Woken(wakers.iter().filter_map(Ticket::of).map(TaskNumber::from).collect())
    }
}

thread_local! {
    /// The recorders of this thread: the last one listens.
    static RECORDERS: RefCell<Vec<Rc<RefCell<State>>>> = const { RefCell::new(Vec::new()) };
}

/// What a recorder keeps.
#[derive(Default)]
struct State {
    events: Vec<Event>,
    /// Whose number is what.
    numbers: HashMap<u64, TaskNumber>,
    causes: Causes,
    turn: u64,
    at: Duration,
}

impl State {
    fn number(&mut self, ticket: Ticket) -> TaskNumber {
        let next = TaskNumber(self.numbers.len() as u32);
        *self.numbers.entry(ticket.0).or_insert(next)
    }
}

/// Calls `f` with the listening recorder's state. `None`: nobody listens, or the thread is being torn down.
fn with_state<R>(f: impl FnOnce(&mut State) -> R) -> Option<R> {
    let state = RECORDERS.try_with(|recorders| recorders.borrow().last().cloned()).ok()??;
    let result = f(&mut state.borrow_mut());
    Some(result)
}

/// What the macro calls.
pub(crate) fn record(file: &'static str, line: u32, kind: impl FnOnce() -> Kind) {
    if RECORDERS.try_with(|recorders| recorders.borrow().is_empty()).unwrap_or(true) {
        return;
    }
    let kind = kind();
    let at = context::with(|core| Duration::from_nanos(core.clock.nanos()));
    with_state(|state| {
        let seq = state.events.len() as u64;
        state.turn += u64::from(kind == Kind::TurnBegin);
        state.at = at.unwrap_or(state.at);
        let cause = state.causes.of(seq, &kind);
        state.events.push(Event { seq, turn: state.turn, at: state.at, cause, source: (file, line), kind });
    });
}

/// Adds a remark of the program to the trace, if one is being recorded.
pub fn note(text: impl AsRef<str>) {
    trace!(Note { text: Rc::<str>::from(text.as_ref()) });
}

/// Records what the loops of this thread do, until it is dropped.
pub struct Recorder {
    state: Rc<RefCell<State>>,
}

impl Recorder {
    /// Begins to record. The latest recorder of a thread listens; the one before goes on when that is dropped.
    pub fn start() -> Recorder {
        let state = Rc::new(RefCell::new(State::default()));
        RECORDERS.with_borrow_mut(|recorders| recorders.push(Rc::clone(&state)));
        Recorder { state }
    }

    /// The events so far.
    pub fn events(&self) -> Vec<Event> {
        self.state.borrow().events.clone()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let remove = |recorders: &RefCell<Vec<Rc<RefCell<State>>>>| {
            recorders.borrow_mut().retain(|state| !Rc::ptr_eq(state, &self.state));
        };
        let _ = RECORDERS.try_with(remove);
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("events", &self.state.borrow().events.len()).finish()
    }
}
