//! What an event is about: every step of the circle, of the leaves and of gather, with the words for its fields.

use super::json::Json;
use super::{State, with_state};
use crate::circle::join::Target;
use crate::circle::reactor::Direction;
use crate::circle::ready::{Body, Wait};
use crate::circle::ticket::Ticket;
use crate::parts::line::{Line, WaiterKey, Waiters};
use crate::sync::Semaphore;
use crate::{At, ChannelMark, Mark, PermitMark};
use std::any::Any;
use std::sync::Arc;
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

            /// The names of the fields of the kind with this name; none for a name that is no kind's.
            pub fn fields(name: &str) -> &'static [&'static str] {
                match name {
                    $(stringify!($kind) => &[$(stringify!($field)),*],)*
                    _ => &[],
                }
            }

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
    Spawn { task: TaskNumber, slot: usize, generation: u32, name: Option<Arc<str>> }
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
    /// The task at poll said what it waits for: which task to end or which job, if that is known; at which channel, and
    /// whether to `send` or to `receive`.
    Waits {
        what: &'static str,
        whom: Option<TaskNumber>,
        job: Option<usize>,
        channel: Option<ChannelNumber>,
        side: Option<&'static str>
    }
    /// (6) A waker was used; for the last time, if it was used up.
    Wake { task: TaskNumber, last: bool }
    /// A waker was cloned.
    TicketCloned { task: TaskNumber }
    /// A waker was dropped.
    TicketDropped { task: TaskNumber }
    /// A thread without a recorder has cloned a waker, for the first time of this task. What such threads clone and drop
    /// is not counted.
    TicketShared { task: TaskNumber, thread: Arc<str> }
    /// A task is to be dropped before its next poll.
    Abort { task: TaskNumber }
    /// The task at poll, or one that is dropped, has panicked with this message; main as well, whose panic goes on to
    /// the caller of `block_on`.
    TaskPanicked { task: TaskNumber, message: Arc<str> }
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
    /// (4) Somebody waits there no longer, who was in line behind so many others (`ahead`).
    IoLeft { source: u32, direction: &'static str, ahead: Ahead }
    /// A source is no longer under watch.
    IoDeregistered { source: u32 }
    /// Nothing is ready: the loop sleeps for at most `timeout`, the least of the time to the next deadline and the
    /// caller's limit, or not at all, because a message has come.
    Park { timeout: MaybeDuration, deadline: MaybeDuration, limit: MaybeDuration }
    /// The loop is awake.
    Unpark {}
    /// Nothing is ready, and the virtual clock jumps.
    Jump { to: Nanos }
    /// Nothing is ready, armed, registered or under way: the loop panics with the list of its tasks. The names of those of
    /// which `nobody` holds a ticket, and of those of which `sleeping` tasks alone hold tickets, as far as the trace knows.
    Quiescent { nobody: Option<Arc<str>>, sleeping: Option<Arc<str>> }
    /// A message entered the remote queue: what it asks, of which task or job, and the thread that sent it.
    RemoteSent { message: &'static str, number: Option<u32>, thread: Arc<str> }
    /// The loop took it out, and does now what it asks.
    RemoteTaken { message: &'static str, number: Option<u32> }
    /// A job went to the blocking pool.
    JobSubmitted { job: usize }
    /// A thread of the pool has begun it.
    JobStarted { job: usize, thread: Arc<str> }
    /// The task at poll, or whoever acts, has a permit of a semaphore.
    PermitTaken { semaphore: SemaphoreNumber, left: usize, permit: PermitNumber }
    /// The task at poll went into the line of a semaphore.
    PermitWaiting { semaphore: SemaphoreNumber }
    /// Somebody who waited there was dropped, who was in line behind so many others (`ahead`); a permit granted meanwhile
    /// goes to the next.
    PermitLeft { semaphore: SemaphoreNumber, ahead: Ahead }
    /// A permit was given back: the one that was taken as `permit`, or one that nobody had. `next` says that it is for
    /// the first in line.
    PermitReleased { semaphore: SemaphoreNumber, left: usize, permit: Option<PermitNumber>, next: bool }
    /// Whoever has a permit will not give it back.
    PermitForgotten { semaphore: SemaphoreNumber, permit: PermitNumber }
    /// A value went into a channel: so many are in there now, and for so many more there is room, if that has an end.
    /// Values are not shown, for few types can be printed.
    ChannelSent { channel: ChannelNumber, len: usize, room: Option<usize> }
    /// A value came out of it. Free room is promised to the first sender in line, if there is one.
    ChannelTaken { channel: ChannelNumber, len: usize, room: Option<usize> }
    /// A channel takes no more values: its receiver has closed it or is gone, or its last sender is gone (`side`).
    ChannelClosed { channel: ChannelNumber, side: &'static str }
    /// Somebody who waited for room was dropped, who was in line behind so many others (`ahead`); room that was promised
    /// meanwhile goes to the next.
    ChannelLeft { channel: ChannelNumber, ahead: Ahead }
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
    /// A child's waker was used, and marks the child; or a child that is a task has ended, and the tally counts it: so
    /// many are left. `due` says that this wakes the parent.
    ChildWoken { gather: GatherNumber, place: Place, due: bool, left: Option<usize> }
    /// A gather has its results, or its first error.
    GatherDone { gather: GatherNumber }
    /// A gather was dropped before that.
    GatherDropped { gather: GatherNumber }
    /// An explorer takes this task out of the ready queue before the one whose turn it is.
    Chosen { task: TaskNumber, before: TaskNumber }
    /// What the program had to say; see [`note`](super::note).
    Note { text: Arc<str> }
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

/// A channel's number in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelNumber(pub u32);

/// A permit's number in a trace, from when it is taken until it is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct PermitNumber(pub u64);

/// What a handle waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whom {
    Task(TaskNumber),
    Job(usize),
}

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

/// How many stood in a line before the one who leaves it; `None`: it was in the line no more, for it had been called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ahead(pub Option<usize>);

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
    PermitMark => PermitNumber: |mark| mark.0.unwrap_or_default();
    PermitMark => Option<PermitNumber>: |mark| mark.0;
    &Body => At: |body| match body {
        Body::Main(at) => At(at),
        Body::Task(task) => At(task.birth().at),
    };
    &Body => Option<Arc<str>>: |body| match body {
        Body::Main(_) => Some("main".into()),
        Body::Task(task) => task.birth().name.as_deref().map(Arc::from),
    };
    &Semaphore => SemaphoreNumber: |semaphore| {
        let identity = semaphore._identity.get();
        with_state(|state| state.semaphore(identity)).unwrap_or(SemaphoreNumber(u32::MAX))
    };
    ChannelMark => ChannelNumber: |channel| {
        let identity = channel.0;
        with_state(|state| state.channel(identity)).unwrap_or(ChannelNumber(u32::MAX))
    };
    &Waker => Woken: |waker| Woken(Ticket::of(waker).map(TaskNumber::from).into_iter().collect());
    (&Waiters, WaiterKey) => Ahead: |(waiters, waiter)| Ahead(waiters.ahead(waiter));
    // Everybody in a line is about to be woken.
    (&Waiters, &Line) => Woken: |(waiters, line)| {
        Woken(waiters.wakers(line).filter_map(Ticket::of).map(TaskNumber::from).collect())
    };
}

impl Kind {
    /// A task has its slot. How many tasks the trace has met in that slot before, the recorder adds.
    pub(crate) fn spawn(ticket: Ticket, body: &Body) -> Kind {
        let generation = with_state(|state| state.generation(ticket)).unwrap_or_default();
        Kind::Spawn { task: ticket.into(), slot: ticket.slot(), generation, name: body.into() }
    }

    /// A task has panicked with this.
    pub(crate) fn panicked(task: Option<Ticket>, payload: &(dyn Any + Send)) -> Kind {
        let at_poll = || with_state(|state| state.at_poll()).flatten();
        let task = task.map(TaskNumber::from).or_else(at_poll).unwrap_or(TaskNumber(u32::MAX));
        Kind::TaskPanicked { task, message: text_of(payload).into() }
    }

    /// A task has ended. How, the scopes tell in which the loop says so.
    pub(crate) fn task_end(ticket: Ticket) -> Kind {
        let task = TaskNumber::from(ticket);
        let how = with_state(|state| {
            let how = state.innermost(|kind| match kind {
                Kind::PollEnd { task: it, ready: true } if *it == task => Some(How::Done),
                Kind::TaskCancelled { task: it } if *it == task => Some(How::Dropped),
                Kind::Pop { task: it } if *it == task => Some(How::Aborted),
                _ => None,
            });
            how.map(|how| if state.causes.has_panicked(task) { How::Panicked } else { how })
        });
        Kind::TaskEnd { task, how: how.flatten().unwrap_or(How::Dropped) }
    }

    /// The task at poll waits for the end of what a handle belongs to.
    pub(crate) fn waits_for_end(what: Wait, target: &Target) -> Kind {
        let whom = match target {
            Target::Task(ticket, _) => Some(Whom::Task((*ticket).into())),
            Target::Remote(remote) => with_state(|state| state.handles.get(&remote.id()).copied()).flatten(),
        };
        let (whom, job) = match whom {
            Some(Whom::Task(task)) => (Some(task), None),
            Some(Whom::Job(job)) => (None, Some(job)),
            None => (None, None),
        };
        Kind::Waits { what: what.into(), whom, job, channel: None, side: None }
    }

    /// The task at poll waits at a channel.
    pub(crate) fn waits_at_channel(what: Wait, channel: ChannelMark, side: &'static str) -> Kind {
        Kind::Waits { what: what.into(), whom: None, job: None, channel: Some(channel.into()), side: Some(side) }
    }

    /// The task at poll waits for something else.
    pub(crate) fn waits(what: impl Into<&'static str>) -> Kind {
        Kind::Waits { what: what.into(), whom: None, job: None, channel: None, side: None }
    }
}

/// The text of a panic, when it has one.
pub(super) fn text_of(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("the payload is not a text")
}

impl GatherNumber {
    /// One that no recorder knows.
    pub(super) const NONE: GatherNumber = GatherNumber(u32::MAX);

    /// The next gather's.
    pub(crate) fn next() -> GatherNumber {
        with_state(State::next_gather).unwrap_or(GatherNumber::NONE)
    }
}

impl PermitNumber {
    /// The next permit's.
    pub(crate) fn next() -> PermitNumber {
        with_state(State::next_permit).unwrap_or_default()
    }
}
