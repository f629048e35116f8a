//! What an event is about: every step of the circle, of the leaves and of gather, with the words for its fields.

use super::json::Json;
use super::{State, with_state};
use crate::circle::reactor::Direction;
use crate::circle::ready::{Body, Wait};
use crate::circle::ticket::Ticket;
use crate::sync::Semaphore;
use crate::{At, Mark};
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

/// Makes the enum, and lists names and fields for those who write them down.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident { $($field:ident: $type:ty),* })*) => {
        /// What an event is about.
        #[derive(Debug, Clone, PartialEq)]
        #[allow(missing_docs, reason = "fields named task, timer, source, job, gather … are the numbers of those")]
        pub enum Kind {
            $($(#[$doc])* $kind { $($field: $type),* },)*
        }

        impl Kind {
            /// The names of all kinds.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($kind)),*];

            /// Its name.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Kind::$kind { .. } => stringify!($kind),)*
                }
            }

            /// Writes its fields, each with a comma before it.
            pub(super) fn write_fields(&self, out: &mut String) {
                match self {
                    $(Kind::$kind { $($field),* } => {
                        $(out.push_str(concat!(",\"", stringify!($field), "\":"));
                        $field.write(out);)*
                    })*
                }
            }
        }
    };
}

kinds! {
    /// A turn begins.
    TurnBegin {}
    /// A turn has run what was ready.
    TurnEnd {}
    /// (1) A future becomes a task and has its slot, as its so many-eth occupant in this trace; its push follows.
    Spawn { task: TaskNumber, slot: usize, generation: u32, name: Option<Rc<str>> }
    /// (2) A ticket enters the ready queue.
    Push { task: TaskNumber }
    /// A ticket does not enter it: it is in there already, or its task has ended (stale).
    PushRefused { task: TaskNumber, stale: bool }
    /// (2) A ticket leaves the ready queue; its poll follows.
    Pop { task: TaskNumber }
    /// (3) A poll begins.
    PollBegin { task: TaskNumber }
    /// (3) It returned, Ready or Pending.
    PollEnd { task: TaskNumber, ready: bool }
    /// The task at poll said what it waits for.
    Waits { what: &'static str }
    /// (6) A waker was used; for the last time, if it was used up.
    Wake { task: TaskNumber, last: bool }
    /// A waker was cloned.
    TicketCloned { task: TaskNumber }
    /// A waker was dropped.
    TicketDropped { task: TaskNumber }
    /// A task is to be dropped before its next poll.
    Abort { task: TaskNumber }
    /// The task at poll has panicked.
    TaskPanicked {}
    /// A task has ended, its slot is free, its joiner is woken next.
    TaskEnd { task: TaskNumber, how: How }
    /// A task is dropped with its runtime.
    TaskCancelled { task: TaskNumber }
    /// (5) A timer is armed; the deadline counts from the runtime's beginning.
    TimerArmed { timer: u32, deadline: Nanos }
    /// (5) Its deadline has come.
    TimerFired { timer: u32, wakes: Woken }
    /// It was dropped, fired or not.
    TimerDropped { timer: u32 }
    /// (4) A source is under watch; whether a first attempt is worth a system call.
    IoRegistered { source: u32, ready: bool }
    /// (4) The system told that a direction is ready, or that it has ended.
    IoReady { source: u32, direction: &'static str, ended: bool, wakes: Woken }
    /// (4) An attempt would have blocked.
    IoWouldBlock { source: u32, direction: &'static str }
    /// (4) Less came than was asked for: the next attempt would block.
    IoShort { source: u32, direction: &'static str }
    /// (4) The task at poll waits at a source.
    IoWaits { source: u32, direction: &'static str }
    /// (4) Somebody waits there no longer.
    IoLeft { source: u32, direction: &'static str }
    /// A source is no longer under watch.
    IoDeregistered { source: u32 }
    /// Nothing is ready: the loop sleeps for at most `timeout`, the least of the time to the next deadline and the
    /// caller's limit, or not at all, because a message has come.
    Park { timeout: MaybeDuration, deadline: MaybeDuration, limit: MaybeDuration }
    /// The loop is awake.
    Unpark {}
    /// Nothing is ready, and the virtual clock jumps.
    Jump { to: Nanos }
    /// Nothing is ready, armed, registered or under way: the loop panics with the list of its tasks.
    Quiescent {}
    /// A message entered the remote queue: what it asks, of which task or job, and the thread that sent it.
    RemoteSent { message: &'static str, number: Option<u32>, thread: Rc<str> }
    /// The loop took it out, and does now what it asks.
    RemoteTaken { message: &'static str, number: Option<u32> }
    /// A job went to the blocking pool.
    JobSubmitted { job: usize }
    /// A thread of the pool has begun it.
    JobStarted { job: usize, thread: Rc<str> }
    /// A permit of a semaphore was taken.
    PermitTaken { semaphore: SemaphoreNumber, left: usize }
    /// The task at poll went into the line of a semaphore.
    PermitWaiting { semaphore: SemaphoreNumber }
    /// Somebody who waited there was dropped; a permit granted meanwhile goes to the next.
    PermitLeft { semaphore: SemaphoreNumber }
    /// A permit was given back.
    PermitReleased { semaphore: SemaphoreNumber, left: usize }
    /// A gather is about to be polled for the first time.
    GatherStart { gather: GatherNumber, form: &'static str }
    /// The gather that starts takes its children from an iterator: so many, if that knows.
    GatherOpen { gather: GatherNumber, children: Option<usize> }
    /// Its parent polls it.
    GatherPoll { gather: GatherNumber, form: &'static str }
    /// The child in this place is polled; a place without one gets the next child.
    ChildPoll { gather: GatherNumber, place: u32 }
    /// It returned, Ready or Pending. `alive` is the count of those that were started or wait for their start.
    ChildPollEnd { gather: GatherNumber, place: u32, ready: bool, alive: usize }
    /// A child's waker was used, and marks the child; if enough are ready, the parent is due and woken next.
    ChildWoken { gather: GatherNumber, place: Place, due: bool }
    /// A gather has its results, or its first error.
    GatherDone { gather: GatherNumber }
    /// A gather was dropped before that.
    GatherDropped { gather: GatherNumber }
    /// What the program had to say; see [`note`](super::note).
    Note { text: Rc<str> }
}

/// A task's number in a trace: the first that the recorder met is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskNumber(pub u32);

/// A gather's number in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct GatherNumber(pub u32);

/// A semaphore's number in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SemaphoreNumber(pub u32);

/// How a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum How {
    /// Its future gave its value.
    #[default]
    Done,
    /// It was aborted.
    Aborted,
    /// It panicked.
    Panicked,
    /// It was dropped with its runtime; main, when `block_on` was left by a panic.
    Dropped,
}

impl How {
    /// In a word.
    pub fn word(self) -> &'static str {
        ["done", "aborted", "panicked", "dropped"][self as usize]
    }
}

/// A time in nanoseconds since the runtime's beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nanos(pub u64);

/// A timeout; `None` is "for as long as it takes".
pub type MaybeDuration = Option<Duration>;

/// The tasks that are about to be woken; a waker that is no ticket is left out.
#[derive(Debug, Clone, PartialEq)]
pub struct Woken(pub Vec<TaskNumber>);

/// A child's place in its gather.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place(pub u32);

/// Who is told of an event: what the event before its wake names it by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Listener {
    /// A task, by its ticket.
    Task(TaskNumber),
    /// What a foreign waker points to.
    Foreign(usize),
}

/// Makes fields of what stands in the `trace!` lines.
macro_rules! from {
    ($($source:ty => $target:ty: |$it:pat_param| $value:expr;)*) => {
        $(impl From<$source> for $target {
            fn from($it: $source) -> $target {
                $value
            }
        })*
    };
}

from! {
    u64 => Nanos: |nanos| Nanos(nanos);
    Direction => &'static str: |way| ["read", "write"][way as usize];
    Wait => &'static str: |wait| ["something unknown", "another task to end", "a permit", "a channel"][wait as usize];
    Ticket => TaskNumber: |ticket| with_state(|state| state.number(ticket)).unwrap_or(TaskNumber(u32::MAX));
    Mark => GatherNumber: |mark| mark.number;
    Mark => &'static str: |mark| mark.form;
    u32 => Place: |place| Place(place);
    &Body => At: |body| match body {
        Body::Main(at) => At(at),
        Body::Task(task) => At(task.birth().at),
    };
    &Body => Option<Rc<str>>: |body| match body {
        Body::Main(_) => Some("main".into()),
        Body::Task(task) => task.birth().name.clone(),
    };
    &Semaphore => SemaphoreNumber: |semaphore| {
        let identity = semaphore._identity.get();
        with_state(|state| state.semaphore(identity)).unwrap_or(SemaphoreNumber(u32::MAX))
    };
    &[Waker] => Woken: |wakers| {
        let tasks = wakers.iter().filter_map(|waker| {
            let task = Ticket::of(waker).map(TaskNumber::from);
            tell(task.map_or_else(|| Listener::Foreign(waker.data().addr()), Listener::Task));
            task
        });
        Woken(tasks.collect())
    };
}

impl<T> From<(u32, &T)> for Place {
    /// A child's place, and what its waker points to.
    fn from((place, node): (u32, &T)) -> Place {
        tell(Listener::Foreign(std::ptr::from_ref(node).addr()));
        Place(place)
    }
}

impl Kind {
    /// A task has its slot. How many tasks the trace has met in that slot before, the recorder adds.
    pub(crate) fn spawn(ticket: Ticket, body: &Body) -> Kind {
        let generation = with_state(|state| state.generation(ticket)).unwrap_or_default();
        Kind::Spawn { task: ticket.into(), slot: ticket.slot(), generation, name: body.into() }
    }

    /// A task has ended. How, the recorder has seen.
    pub(crate) fn task_end(ticket: Ticket) -> Kind {
        let how = with_state(|state| state.causes.ending).unwrap_or_default();
        Kind::TaskEnd { task: ticket.into(), how }
    }
}

/// The event that is being made tells this listener.
fn tell(listener: Listener) {
    with_state(|state| state.listeners.push(listener));
}

impl GatherNumber {
    /// One that no recorder knows.
    pub(super) const NONE: GatherNumber = GatherNumber(u32::MAX);

    /// The next gather's.
    pub(crate) fn next() -> GatherNumber {
        with_state(State::next_gather).unwrap_or(GatherNumber::NONE)
    }
}
