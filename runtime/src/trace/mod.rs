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
//! [`page()`] makes a page of it to step through, in one line; [`Recorder::write_json`] a line of JSON for each event.
//! Tasks have the numbers in which the recorder met them, so two runs of one program without threads and sockets give
//! the same trace.
//!
#![doc = include_str!("lines.md")]

mod afar;
mod causes;
mod channels;
mod gathers;
mod heading;
mod json;
mod kind;
mod log;
mod page;
mod read;
mod recorder;
mod snapshot;
mod sources;
mod tickets;
mod watchdog;

use crate::circle::context;
use crate::circle::ticket::Ticket;
use crate::parts::foreign::caught;
use crate::{At, Reason};
use causes::Causes;
use log::{Doing, Log};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::panic::{Location, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tickets::Tickets;

pub(crate) use afar::{job_started, job_submitted, sent, spawned, taken, ticket_cloned};
pub(crate) use channels::{channel_closed, channel_sent, channel_taken, channel_taken_if, oneshot_ended};
#[doc(hidden)]
pub use gathers::{again, child_spawned, task_counted, woke_itself};
pub use heading::Heading;
pub use kind::{
    Ahead, ChannelNumber, GatherNumber, How, Kind, MaybeDuration, Nanos, PermitNumber, Place, SemaphoreNumber,
    TaskNumber, Woken,
};
pub use page::{Page, WORDS, page, save};
#[cfg(feature = "explore")]
pub(crate) use page::{check_page, save_text};
pub use read::{Trace, read};
pub use recorder::Recorder;
pub(crate) use tickets::holders;

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
    /// The program's line, where the program acted.
    pub program: Option<&'static Location<'static>>,
    /// What happened.
    pub kind: Kind,
}

/// An event of a recorder, or the stamp of a message to the recorder that will hear of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cause {
    /// Which recorder; [`AFAR`] for a stamp.
    recorder: u64,
    /// The number of the event there, or the stamp.
    seq: u64,
}

/// No recorder has this number.
const AFAR: u64 = 0;

/// A recorder watches.
const RECORDER: u8 = 1;
/// An explorer watches.
#[cfg(feature = "explore")]
pub(crate) const EXPLORER: u8 = 2;

thread_local! {
    /// Who watches this thread: [`RECORDER`] or [`EXPLORER`], or both. Asked at every `trace!` and `explore!` line, so it
    /// is no part of [`RECORDERS`], which has a destructor; and one number, so that two such lines ask once.
    static WATCHERS: Cell<u8> = const { Cell::new(0) };

    /// The recorders of this thread: the last one listens.
    static RECORDERS: RefCell<Vec<Rc<RefCell<State>>>> = const { RefCell::new(Vec::new()) };

    /// The events in whose scopes this thread acts, the innermost last.
    static SCOPES: RefCell<Vec<Cause>> = const { RefCell::new(Vec::new()) };
}

/// What a recorder keeps.
struct State {
    /// Tells it from every other one of the process.
    number: u64,
    /// The events.
    log: Log,
    /// Whose number is what.
    numbers: HashMap<u64, TaskNumber>,
    /// How many tasks each slot of each runtime has had.
    slots: HashMap<(u16, usize), u32>,
    /// The numbers of semaphores and channels, by their identity.
    semaphores: HashMap<u64, u32>,
    channels: HashMap<u64, u32>,
    /// Gathers and permits so far.
    gathers: u32,
    permits: u64,
    /// What the handles of jobs, and of tasks that other threads have spawned, wait for.
    handles: HashMap<crate::circle::ticket::Id, kind::Whom>,
    causes: Causes,
    tickets: Tickets,
    turn: u64,
    at: Duration,
    /// Loops whose posts from other threads belong here, by their inboxes.
    inboxes: Vec<usize>,
    /// The loop's own state at the ends of polls and turns, if it was asked for.
    snapshots: Option<Vec<(u64, String)>>,
}

impl State {
    fn new() -> State {
        State {
            number: next_identity(),
            log: Log::default(),
            numbers: HashMap::new(),
            slots: HashMap::new(),
            semaphores: HashMap::new(),
            channels: HashMap::new(),
            gathers: 0,
            permits: 0,
            handles: HashMap::new(),
            causes: Causes::default(),
            tickets: Tickets::default(),
            turn: 0,
            at: Duration::ZERO,
            inboxes: Vec::new(),
            snapshots: None,
        }
    }

    fn number(&mut self, ticket: Ticket) -> TaskNumber {
        let next = TaskNumber(self.numbers.len() as u32);
        *self.numbers.entry(ticket.0).or_insert(next)
    }

    fn generation(&mut self, ticket: Ticket) -> u32 {
        let next = self.slots.entry((ticket.runtime(), ticket.slot())).or_default();
        *next += 1;
        *next - 1
    }

    fn semaphore(&mut self, identity: u64) -> SemaphoreNumber {
        SemaphoreNumber(number(&mut self.semaphores, identity))
    }

    fn channel(&mut self, identity: u64) -> ChannelNumber {
        ChannelNumber(number(&mut self.channels, identity))
    }

    fn next_gather(&mut self) -> GatherNumber {
        self.gathers += 1;
        GatherNumber(self.gathers - 1)
    }

    fn next_permit(&mut self) -> PermitNumber {
        self.permits += 1;
        PermitNumber(self.permits - 1)
    }

    /// The event in whose scope this thread acts, if it is one of this recorder.
    fn here(&self) -> Option<u64> {
        let innermost = SCOPES.try_with(|scopes| scopes.borrow().last().copied()).ok()??;
        (innermost.recorder == self.number).then_some(innermost.seq)
    }

    /// What is found first among the events in whose scopes this thread acts, from the innermost outwards.
    fn innermost<R>(&self, find: impl FnMut(&Kind) -> Option<R>) -> Option<R> {
        let events = self.log.lock();
        let mut find = find;
        let look = |scopes: &RefCell<Vec<Cause>>| {
            let scopes = scopes.borrow();
            let mut own = scopes.iter().rev().filter(|cause| cause.recorder == self.number);
            own.find_map(|cause| find(&events.get(cause.seq)?.kind))
        };
        SCOPES.try_with(look).ok()?
    }

    /// The task at poll, or the one that is dropped.
    fn at_poll(&self) -> Option<TaskNumber> {
        self.innermost(|kind| match kind {
            Kind::PollBegin { task } | Kind::Pop { task } | Kind::TaskCancelled { task } => Some(*task),
            _ => None,
        })
    }

    /// The place of the child of a gather whose task has just ended, if the loop tells of a task's end now.
    fn place_of_ended(&self, gather: GatherNumber) -> Option<Place> {
        let ended = self.innermost(|kind| Some(if let Kind::TaskEnd { task, .. } = kind { Some(*task) } else { None }));
        self.causes.place_of(gather, ended??)
    }

    /// Records an event with this cause, unless it is one that names its beginning.
    fn push_because(
        &mut self,
        at: Duration,
        source: (&'static str, u32),
        program: Option<At>,
        kind: Kind,
        cause: Option<u64>,
    ) -> Option<u64> {
        if let Kind::GatherPoll { gather, form } = kind
            && !self.causes.knows(gather)
        {
            self.push_because(at, source, program, Kind::GatherStart { gather, form }, cause);
        }
        let mut events = self.log.lock();
        let seq = events.len();
        let cause = self.causes.of(seq, &kind, cause)?;
        self.tickets.hear(&kind);
        self.turn += u64::from(matches!(kind, Kind::TurnBegin {}));
        let program = program.map(|at| at.0).filter(|at| !sources::is_of_the_crates(at.file()));
        events.push(Event { seq, turn: self.turn, at, cause, source, program, kind });
        Some(seq)
    }
}

/// The number of this identity, counted in the order in which they are first asked for.
fn number(numbers: &mut HashMap<u64, u32>, identity: u64) -> u32 {
    let next = numbers.len() as u32;
    *numbers.entry(identity).or_insert(next)
}

/// Calls `f` with the listening recorder's state. `None`: nobody listens, or the thread is being torn down.
fn with_state<R>(f: impl FnOnce(&mut State) -> R) -> Option<R> {
    let state = listening()?;
    let result = f(&mut state.borrow_mut());
    Some(result)
}

/// The state of the recorder that listens. Apart from `with_state`, so that it is compiled once and not for each closure.
fn listening() -> Option<Rc<RefCell<State>>> {
    RECORDERS.try_with(|recorders| recorders.borrow().last().cloned()).ok()?
}

/// Whether a recorder of this thread listens. The macro asks first: without a recorder it makes no event.
#[doc(hidden)]
#[inline]
pub fn somebody_listens() -> bool {
    is_watched_by(RECORDER)
}

/// Whether anybody watches this thread.
#[cfg(feature = "explore")]
#[inline]
pub(crate) fn is_watched() -> bool {
    WATCHERS.get() != 0
}

/// Whether this one does.
#[inline]
pub(crate) fn is_watched_by(who: u8) -> bool {
    WATCHERS.get() & who != 0
}

/// This one watches the thread from now on, or no longer.
pub(crate) fn set_watched_by(who: u8, watches: bool) {
    WATCHERS.set(if watches { WATCHERS.get() | who } else { WATCHERS.get() & !who });
}

/// Records an event for the macro. It is not generic, and the macro has no closure: both would be compiled once for each
/// `trace!` line.
#[doc(hidden)]
#[cold]
pub fn record(file: &'static str, line: u32, program: Option<At>, kind: Kind) -> Reason {
    keep(file, line, program, kind, &mut |_| None)
}

/// Records an event if somebody listens; else `kind` is not called.
fn record_if(file: &'static str, line: u32, program: Option<At>, kind: impl FnOnce() -> Kind) -> Reason {
    if somebody_listens() { record(file, line, program, kind()) } else { Reason::unknown() }
}

/// Records an event whose cause the recorder may find out with `because`; else it is the one in whose scope it is made.
fn record_because(
    file: &'static str,
    line: u32,
    program: Option<At>,
    because: impl FnOnce(&mut State) -> Option<u64>,
    kind: impl FnOnce() -> Kind,
) -> Reason {
    if !somebody_listens() {
        return Reason::unknown();
    }
    let mut because = Some(because);
    keep(file, line, program, kind(), &mut |state| because.take().and_then(|because| because(state)))
}

/// Keeps an event. Not generic, so that it is compiled once and not once for each `trace!` line.
fn keep(
    file: &'static str,
    line: u32,
    program: Option<At>,
    kind: Kind,
    because: &mut dyn FnMut(&mut State) -> Option<u64>,
) -> Reason {
    let here = context::with(|core| (Duration::from_nanos(core.clock.nanos()), core.threads.address(), core.number));
    let snapshot = matches!(kind, Kind::PollEnd { .. } | Kind::TurnEnd {});
    let recorded = with_state(|state| {
        if let Some((at, inbox, runtime)) = here {
            state.at = at;
            afar::hear(state, inbox, runtime);
        }
        let because = because(state);
        let cause = because.or_else(|| state.here());
        let parks = matches!(kind, Kind::Park { timeout: None, .. });
        let seq = state.push_because(state.at, (file, line), program, kind, cause)?;
        if parks && context::with(watchdog::is_stuck) == Some(true) {
            state.log.lock().doing = Doing::Stuck(seq, Instant::now());
        }
        Some(Cause { recorder: state.number, seq })
    });
    if snapshot && with_state(|state| state.snapshots.is_some()) == Some(true) {
        let text = context::with(snapshot::of).unwrap_or_default();
        with_state(|state| {
            let seq = state.log.lock().len() - 1;
            state.snapshots.as_mut().expect("asked for").push((seq, text));
        });
    }
    Reason(recorded.flatten())
}

/// A scope is opened: what is recorded from here on has this reason. Gives how many are open around it.
#[cold]
pub(crate) fn enter(cause: Cause) -> usize {
    let open = |scopes: &RefCell<Vec<Cause>>| {
        let mut scopes = scopes.borrow_mut();
        let around = scopes.len();
        if cause.recorder != AFAR {
            scopes.push(cause);
        }
        around
    };
    SCOPES.try_with(open).unwrap_or_default()
}

/// The scope is closed that was opened with so many around it.
#[cold]
pub(crate) fn leave(around: usize) {
    // Gone only while the thread is being torn down.
    _ = SCOPES.try_with(|scopes| scopes.borrow_mut().truncate(around));
}

/// How many events the listening recorder has.
#[cfg(feature = "explore")]
pub(crate) fn events_so_far() -> u64 {
    with_state(|state| state.log.lock().len()).unwrap_or_default()
}

/// A number that nothing else in the process has: for recorders, messages, semaphores and channels.
pub(crate) fn next_identity() -> u64 {
    static GIVEN: AtomicU64 = AtomicU64::new(1);
    GIVEN.fetch_add(1, Relaxed)
}

/// Polls main, and tells of its panic before that goes on to the caller of `block_on`.
pub(crate) fn watched<R>(file: &'static str, line: u32, task: Ticket, poll: impl FnOnce() -> R) -> R {
    if !somebody_listens() {
        return poll();
    }
    caught(poll).unwrap_or_else(|payload| {
        record_if(file, line, None, || Kind::panicked(Some(task), &*payload));
        resume_unwind(payload)
    })
}

/// Adds a remark of the program to the trace, if one is being recorded.
#[track_caller]
pub fn note(text: impl AsRef<str>) {
    let caller = Location::caller();
    trace!(Note { text: Arc::<str>::from(text.as_ref()) } at At::from(caller));
}
