//! Wake (6): the waker of a ticket, and the way that a wake takes.
//!
//! ```text
//!   waker.wake() --> is the ticket's runtime the one that runs on this thread?
//!                      yes: Tasks::push           a few nanoseconds, no atomics
//!                      no:  remote::post          a message in the remote queue of that loop,
//!                                                 (one for a task, until it is taken), and a ring if
//!                                                 that loop is parked
//! ```
//!
//! The waker's data pointer is the ticket. A wake with a stale ticket does nothing. Production runtimes count references
//! to the task here, with an atomic operation for each clone and drop, because their wakers point at it.
//!
//! Read before: `ticket.rs`, `ready.rs`.
//! Grew from rung 5 (wake-ups from other threads) of the ladder in `examples/course`.

use crate::Reason;
use crate::circle::context;
use crate::circle::core::Core;
use crate::circle::remote::{self, Message};
use crate::circle::ticket::Ticket;
use crate::parts::foreign::quietly;
use crate::parts::shrink::Shrink;
use std::ptr;
use std::task::{RawWaker, RawWakerVTable, Waker};

impl Ticket {
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

/// What a ticket's waker does: clone, wake, wake by reference, drop. A static and not a constant, so that it has one
/// address.
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
        let _wake = trace!(scope Wake { task: ticket, last: _last });
        core.tasks.borrow_mut().push(ticket);
    });
    if !was_here {
        wake_elsewhere(ticket);
    }
}

/// Sends a wake to another thread's loop, or to one that does not run now. Apart from [`wake`], so that a local wake does
/// not pay for the room that a message takes on the stack.
#[inline(never)]
fn wake_elsewhere(ticket: Ticket) {
    remote::post(ticket.runtime(), Message::Wake(ticket));
}

/// Asks the loop to drop a task's future before its next poll. `serial` is the whole serial number of the task: unlike a
/// wake, an abort must not hit the wrong task.
pub(crate) fn abort(ticket: Ticket, serial: u64) {
    if !at_home(ticket, |core| core.tasks.borrow_mut().abort(ticket, serial)) {
        remote::post(ticket.runtime(), Message::Abort(ticket, serial));
    }
}

/// Calls `f` with the ticket's own loop, if that is the one that runs on this thread; false if not.
#[inline]
fn at_home(ticket: Ticket, f: impl FnOnce(&Core)) -> bool {
    context::with(|core| (core.number == ticket.runtime()).then(|| f(core))).flatten().is_some()
}

/// Wakes every waker that the loop has collected, each for its own reason, after all borrows of the loop have ended. A
/// foreign waker that panics stops neither the others nor the loop; the panic hook has told of it.
pub(crate) fn wake_all(wakers: &mut Vec<(Waker, Reason)>) {
    for (waker, reason) in wakers.drain(..) {
        let _reason = reason.open();
        wake_one(waker);
    }
    wakers.give_back();
}

/// Wakes one waker, and holds back the panic of a foreign one.
pub(crate) fn wake_one(waker: Waker) {
    match Ticket::of(&waker) {
        Some(_) => waker.wake(),
        None => quietly(|| waker.wake()),
    }
}
