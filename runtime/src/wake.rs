//! Wake (6): the ticket inside every waker, and the way that a wake takes.
//!
//! ```text
//!   waker.wake() --> is the ticket's runtime the one running here?
//!                      yes: Tasks::push                           a few nanoseconds, no atomics
//!                      no:  table::post --> Inbox::post           a message in the remote queue,
//!                                                                 and a ring if that loop is parked
//! ```
//!
//! A ticket is a number, not an address. To clone it is to copy it, to drop it is nothing, and one that is stale finds
//! another generation in its slot (or nobody) and does nothing. Production runtimes count references to the task here,
//! with an atomic operation for each clone and drop, because their wakers point at it.

use crate::blocking::JobResult;
use crate::context;
use crate::lock::Lock;
use crate::park::Parking;
use crate::run::Core;
use crate::table;
use crossbeam_channel::{Receiver, Sender};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::task::{RawWaker, RawWakerVTable, Waker};

// The bits of a ticket: | runtime | generation | slot |, 64 together.

/// 16,384 runtimes alive at once; each holds two descriptors, so a process runs out of those first.
pub(crate) const RUNTIME_BITS: u32 = 14;
/// A slot's occupant is told from the 16,777,215 before it. A stale ticket whose generation has come round again wakes
/// the wrong task: one spurious poll, which every future must allow.
pub(crate) const GENERATION_BITS: u32 = 24;
const GENERATION: u64 = (1 << GENERATION_BITS) - 1;
/// 67,108,864 tasks alive at once in one runtime.
const SLOT_BITS: u32 = 26;

/// The most tasks that can be alive at once in one runtime.
pub(crate) const MAX_TASKS: usize = (1 << SLOT_BITS) - 1;

/// Which task of which runtime to wake: what a waker carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ticket(pub(crate) u64);

impl Ticket {
    /// `count` is the task's number; its low bits are the generation.
    #[inline]
    pub(crate) fn new(runtime: u16, slot: usize, count: u64) -> Ticket {
        let generation = count & GENERATION;
        Ticket((u64::from(runtime) << (GENERATION_BITS + SLOT_BITS)) | (generation << SLOT_BITS) | slot as u64)
    }

    #[inline]
    pub(crate) fn runtime(self) -> u16 {
        (self.0 >> (GENERATION_BITS + SLOT_BITS)) as u16
    }

    pub(crate) fn generation(self) -> u64 {
        self.0 >> SLOT_BITS & GENERATION
    }

    #[inline]
    pub(crate) fn slot(self) -> usize {
        (self.0 & ((1 << SLOT_BITS) - 1)) as usize
    }

    /// No task's: a slot that no task gets, for there is one slot less than the bits can say.
    pub(crate) const NONE: Ticket = Ticket(u64::MAX);

    /// The waker that carries this ticket.
    #[inline]
    pub(crate) fn waker(self) -> Waker {
        // SAFETY: `from_raw` asks for a vtable that keeps RawWaker's contract, on any thread. The data pointer is the
        // ticket's number and is never dereferenced; clone copies it; wake and wake_by_ref read it and touch only
        // thread-safe state or the loop of this very thread; drop has nothing to release.
        #[allow(unsafe_code, reason = "the standard library has no safe way to make a waker of a number")]
        unsafe {
            Waker::from_raw(RawWaker::new(ptr::without_provenance(self.0 as usize), &VTABLE))
        }
    }

    #[inline]
    fn from_data(data: *const ()) -> Ticket {
        Ticket(data.addr() as u64)
    }

    /// The ticket in `waker`, if it is one of ours.
    pub(crate) fn of(waker: &Waker) -> Option<Ticket> {
        ptr::eq(waker.vtable(), &VTABLE).then(|| Ticket::from_data(waker.data()))
    }
}

/// What a ticket's waker does. A static, not a constant, so that it has one address.
static VTABLE: RawWakerVTable = RawWakerVTable::new(
    |data| {
        trace!(TicketCloned { task: Ticket::from_data(data) });
        RawWaker::new(data, &VTABLE)
    },
    |data| wake(Ticket::from_data(data), true),
    |data| wake(Ticket::from_data(data), false),
    |data| {
        let _ = data;
        trace!(TicketDropped { task: Ticket::from_data(data) });
    },
);

/// (6) Puts the ticket's task into its ready queue, from wherever this is called. `_last` says that this uses the waker up.
fn wake(ticket: Ticket, _last: bool) {
    let was_here = at_home(ticket, |core| {
        trace!(Wake { task: ticket, last: _last });
        core.tasks.borrow_mut().push(ticket);
    });
    if !was_here {
        wake_elsewhere(ticket);
    }
}

/// Sends a wake to another thread's loop, or to one that does not run now. Apart from [`wake`], so that what a message
/// needs of the stack is not taken for every local wake.
#[inline(never)]
fn wake_elsewhere(ticket: Ticket) {
    table::post(ticket.runtime(), Message::Wake(ticket));
}

/// Asks the loop to drop a task's future before its next poll. `count` is the whole number of the task: unlike a wake,
/// an abort must not hit the wrong task.
pub(crate) fn abort(ticket: Ticket, count: u64) {
    if !at_home(ticket, |core| core.tasks.borrow_mut().abort(ticket, count)) {
        table::post(ticket.runtime(), Message::Abort(ticket, count));
    }
}

/// Calls `f` with the ticket's own loop, if that is the one running here; false if not.
#[inline]
fn at_home(ticket: Ticket, f: impl FnOnce(&Core)) -> bool {
    context::with(|core| (core.number == ticket.runtime()).then(|| f(core))).flatten().is_some()
}

/// Wakes every waker of a batch that the loop has collected, after all its borrows have ended. A foreign waker that
/// panics keeps neither the others nor the loop from going on; the panic hook has told of it.
pub(crate) fn wake_all(wakers: &mut Vec<Waker>) {
    wakers.drain(..).for_each(wake_one);
    // The buffer is kept for the next batch, but not after a flood.
    wakers.shrink_to(1024);
}

/// Wakes one waker, and holds back the panic of a foreign one.
pub(crate) fn wake_one(waker: Waker) {
    match Ticket::of(&waker) {
        Some(_) => waker.wake(),
        None => drop(catch_unwind(AssertUnwindSafe(|| waker.wake())).map_err(quiet_drop)),
    }
}

/// Drops what user code left behind and holds back what panics at that.
pub(crate) fn quiet_drop<T>(value: T) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        // A payload may panic in its own drop, and so on without end: this one is given up.
        std::mem::forget(payload);
    }
}

/// What other threads ask of a loop.
pub(crate) enum Message {
    /// Push the task of this ticket.
    Wake(Ticket),
    /// Drop the future of the task with this ticket and number.
    Abort(Ticket, u64),
    /// Spawn a task: from [`Handle::spawn`](crate::Handle::spawn).
    Spawn(Box<dyn FnOnce(&Core) + Send>),
    /// The job of the blocking pool with this key has ended.
    JobEnded(usize, JobResult),
}

/// The part of a runtime that other threads may touch.
#[derive(Debug)]
pub(crate) struct Inbox {
    /// The remote queue's mouth. Unbounded: a wake must never block.
    messages: Sender<Message>,
    /// Whether somebody has to ring.
    pub(crate) parking: Parking,
    /// The bell: makes `mio::Poll::poll` return. Locked only to ring; gone with the runtime, whoever keeps its handle.
    bell: Lock<Option<mio::Waker>>,
}

impl Inbox {
    /// Makes the inbox and the end of the remote queue from which the loop receives.
    pub(crate) fn new(bell: mio::Waker) -> (Inbox, Receiver<Message>) {
        let (messages, receiver) = crossbeam_channel::unbounded();
        (Inbox { messages, parking: Parking::new(), bell: Lock::new(Some(bell)) }, receiver)
    }

    /// Hands a message to the loop, from any thread. When the loop is gone the message is dropped.
    pub(crate) fn post(&self, message: Message) {
        trace!(@sent(self, &message));
        match self.parking.must_ring(|| self.messages.send(message)) {
            Ok(true) => {
                let rung = self.bell.lock().as_ref().map_or(Ok(()), mio::Waker::wake);
                rung.expect("the loop's eventfd takes a write for as long as the loop lives");
            }
            Ok(false) => {}
            Err(refused) => quiet_drop(refused),
        }
    }

    /// Lets go of the bell: the runtime is being dropped.
    pub(crate) fn close(&self) {
        *self.bell.lock() = None;
    }
}
