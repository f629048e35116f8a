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

mod afar;
mod causes;
mod json;
mod kind;
mod page;
mod snapshot;

use crate::circle::context;
use crate::circle::ticket::Ticket;
use crate::{At, Mark};
use causes::Causes;
use kind::Listener;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

pub(crate) use afar::{job_started, sent, taken};
pub use kind::{GatherNumber, How, Kind, MaybeDuration, Nanos, Place, SemaphoreNumber, TaskNumber, Woken};
pub use page::{WORDS, page};

/// Events kept in one piece of memory: a long trace is never copied to make room.
const CHUNK: usize = 4096;

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

thread_local! {
    /// The recorders of this thread: the last one listens.
    static RECORDERS: RefCell<Vec<Rc<RefCell<State>>>> = const { RefCell::new(Vec::new()) };
}

/// What a recorder keeps.
#[derive(Default)]
struct State {
    /// The events, in chunks.
    chunks: Vec<Vec<Event>>,
    /// How many.
    seq: u64,
    /// Whose number is what.
    numbers: HashMap<u64, TaskNumber>,
    /// How many tasks each slot of each runtime has had.
    slots: HashMap<(u16, usize), u32>,
    /// Semaphores by their identity.
    semaphores: HashMap<u64, SemaphoreNumber>,
    /// Gathers so far.
    gathers: u32,
    causes: Causes,
    /// Whom the event that is being made tells.
    listeners: Vec<Listener>,
    turn: u64,
    at: Duration,
    /// Loops whose posts from other threads belong here, by their inboxes.
    inboxes: Vec<usize>,
    /// The loop's own state at the ends of polls and turns, if it was asked for.
    snapshots: Option<Vec<(u64, String)>>,
}

impl State {
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
        let next = SemaphoreNumber(self.semaphores.len() as u32);
        *self.semaphores.entry(identity).or_insert(next)
    }

    fn next_gather(&mut self) -> GatherNumber {
        self.gathers += 1;
        GatherNumber(self.gathers - 1)
    }

    /// The place of the child of a gather whose task has just ended, if the loop tells of a task's end now.
    fn place_of_ended(&self, gather: GatherNumber) -> Option<Place> {
        let seq = self.causes.acting()? as usize;
        let Kind::TaskEnd { task, .. } = self.chunks.get(seq / CHUNK)?.get(seq % CHUNK)?.kind else { return None };
        self.causes.place_of(gather, task)
    }

    fn events(&self) -> impl Iterator<Item = &Event> {
        self.chunks.iter().flatten()
    }

    fn push(&mut self, at: Duration, source: (&'static str, u32), program: Option<At>, kind: Kind) {
        if let Kind::GatherPoll { gather, form } = kind
            && !self.causes.knows(gather)
        {
            self.push(at, source, program, Kind::GatherStart { gather, form });
        }
        let seq = self.seq;
        let listeners = std::mem::take(&mut self.listeners);
        let Some(cause) = self.causes.of(seq, &kind, &listeners) else { return };
        self.turn += u64::from(matches!(kind, Kind::TurnBegin {}));
        let event = Event { seq, turn: self.turn, at, cause, source, program: program.map(|at| at.0), kind };
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            // A short trace needs no whole chunk.
            self.chunks.push(Vec::with_capacity(if seq == 0 { 0 } else { CHUNK }));
        }
        self.chunks.last_mut().expect("there is one now").push(event);
        self.seq += 1;
    }
}

/// Calls `f` with the listening recorder's state. `None`: nobody listens, or the thread is being torn down.
fn with_state<R>(f: impl FnOnce(&mut State) -> R) -> Option<R> {
    let state = RECORDERS.try_with(|recorders| recorders.borrow().last().cloned()).ok()??;
    let result = f(&mut state.borrow_mut());
    Some(result)
}

/// What the macro calls.
#[doc(hidden)]
pub fn record(file: &'static str, line: u32, program: Option<At>, kind: impl FnOnce() -> Kind) {
    if RECORDERS.try_with(|recorders| recorders.borrow().is_empty()).unwrap_or(true) {
        return;
    }
    let kind = kind();
    let here = context::with(|core| (Duration::from_nanos(core.clock.nanos()), core.threads.address()));
    let snapshot = matches!(kind, Kind::PollEnd { .. } | Kind::TurnEnd {});
    with_state(|state| {
        if let Some((at, inbox)) = here {
            state.at = at;
            afar::hear(state, inbox);
        }
        state.push(state.at, (file, line), program, kind);
    });
    if snapshot && with_state(|state| state.snapshots.is_some()) == Some(true) {
        let text = context::with(snapshot::of).unwrap_or_default();
        with_state(|state| {
            let seq = state.seq - 1;
            state.snapshots.as_mut().expect("asked for").push((seq, text));
        });
    }
}

/// gather has spawned a task as its next child: the last one that the recorder has met.
#[doc(hidden)]
pub fn child_spawned(_: &'static str, _: u32, mark: Mark) {
    with_state(|state| {
        let task = TaskNumber((state.numbers.len() as u32).saturating_sub(1));
        state.causes.child_spawned(mark.number, task);
    });
}

/// gather's tally has counted the end of a task. It does not know which; the recorder does.
#[doc(hidden)]
pub fn task_counted(file: &'static str, line: u32, mark: Mark, due: bool) {
    let place = with_state(|state| state.place_of_ended(mark.number)).flatten().unwrap_or(Place(u32::MAX));
    record(file, line, None, || Kind::ChildWoken { gather: mark.number, place, due });
}

/// Adds a remark of the program to the trace, if one is being recorded.
#[track_caller]
pub fn note(text: impl AsRef<str>) {
    let caller = Location::caller();
    trace!(Note { text: Rc::<str>::from(text.as_ref()) } at At::from(caller));
}

/// Records what the loops of this thread do, until it is dropped.
///
/// ```
/// use runtime::trace::{Recorder, note};
///
/// let recorder = Recorder::start().with_snapshots();
/// runtime::block_on(async { note("here") });
/// assert!(recorder.events().iter().any(|event| event.to_json().contains("here")));
/// assert!(!recorder.snapshots().is_empty());
///
/// let mut lines = Vec::new();
/// recorder.write_json(&mut lines)?;
/// assert!(lines.starts_with(recorder.events()[0].to_json().as_bytes()));
/// recorder.write_page("A page with one remark", std::io::sink())?;
/// # Ok::<(), std::io::Error>(())
/// ```
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

    /// Keeps the loop's own state, too, at the end of every poll and turn: what a replay of the events must come to.
    pub fn with_snapshots(self) -> Recorder {
        self.state.borrow_mut().snapshots = Some(Vec::new());
        self
    }

    /// The events so far.
    pub fn events(&self) -> Vec<Event> {
        self.state.borrow().events().cloned().collect()
    }

    /// The number of an event, and the loop's state after it as a JSON object.
    pub fn snapshots(&self) -> Vec<(u64, String)> {
        self.state.borrow().snapshots.clone().unwrap_or_default()
    }

    /// Writes the events as JSON Lines; see [`Event::to_json`].
    ///
    /// # Errors
    /// When `out` cannot be written to.
    pub fn write_json(&self, mut out: impl io::Write) -> io::Result<()> {
        self.state.borrow().events().try_for_each(|event| writeln!(out, "{}", event.to_json()))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let remove = |recorders: &RefCell<Vec<Rc<RefCell<State>>>>| {
            recorders.borrow_mut().retain(|state| !Rc::ptr_eq(state, &self.state));
        };
        let _ = RECORDERS.try_with(remove);
        afar::forget(&self.state.borrow().inboxes);
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("events", &self.state.borrow().seq).finish()
    }
}
