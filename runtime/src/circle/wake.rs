//! Wake (6): the waker of a ticket, and the way that a wake takes.
//!
//! ```text
//!   waker.wake() --> is the ticket's runtime the one that runs on this thread?
//!                      yes: Tasks::push           a few nanoseconds, no atomics
//!                      no:  remote::post          a message in the remote queue of that loop, unless one for
//!                                                 the same task waits there; and a ring, which ends the sleep
//!                                                 of that loop's thread, if it is parked
//! ```
//!
//! The waker's data pointer is the ticket. A wake whose ticket is stale (its task has ended) does nothing; but a ticket
//! has only the low bits of the task's serial number, so a very old one can, rarely, wake a newer task in the same
//! slot. That costs one useless poll. Production runtimes count references to the task here, with an atomic operation
//! for each clone and drop, because their wakers point at it.
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
        // SAFETY: `from_raw` asks for a vtable that keeps RawWaker's contract, on any thread and for as long as any
        // clone lives. The data pointer is the ticket's number and is never dereferenced. Clone copies it. Wake and
        // wake_by_ref read it: `context::with` gives only the loop that runs on this very thread, and `remote::post`
        // may be called on any thread, also when that loop is gone. Drop has nothing to release.
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
/// address: [`Ticket::of`] knows our wakers by it.
static VTABLE: RawWakerVTable = RawWakerVTable::new(
    |data| {
        trace!(TicketCloned { task: Ticket::from_data(data) });
        RawWaker::new(explore!(data, kept()), &VTABLE)
    },
    |data| wake(Ticket::from_data(data), true),
    |data| wake(Ticket::from_data(data), false),
    |data| {
        let _ = data;
        trace!(TicketDropped { task: Ticket::from_data(data) });
    },
);

/// (6) Puts the ticket's task into its ready queue, from wherever this is called. The loop never holds a borrow of its
/// tasks while it runs foreign code, so they can be borrowed here. `_last` says that this uses the waker up: for the
/// trace.
fn wake(ticket: Ticket, _last: bool) {
    let was_here = at_home(ticket, |core| {
        let _wake = trace!(scope Wake { task: ticket, last: _last });
        if explore!(asks loses_wake(ticket)) {
            return;
        }
        core.tasks.borrow_mut().push(ticket);
        explore!(woken(core, ticket));
    });
    if !was_here {
        wake_elsewhere(ticket);
    }
}

/// Sends a wake to a loop that does not run on this thread now. If it runs nowhere, the message waits until it does; if
/// it is gone, the message is dropped. A function of its own, so that a local wake does not pay for the room that a
/// message takes on the stack.
#[inline(never)]
fn wake_elsewhere(ticket: Ticket) {
    remote::post(ticket.runtime(), Message::Wake(ticket));
}

/// Called by a task's handle: marks the task and queues it, so that the loop drops its future where it would have
/// polled it. `serial` is the whole serial number of the task: a wake may hit the wrong task, an abort must not.
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

/// Wakes every waker that the loop has collected (of timers, of sockets). The caller holds no borrow of the loop. The
/// reason of each is for the trace. A foreign waker that panics stops neither the others nor the loop.
pub(crate) fn wake_all(wakers: &mut Vec<(Waker, Reason)>) {
    for (waker, reason) in wakers.drain(..) {
        let _reason = reason.open();
        wake_one(waker);
    }
    wakers.give_back();
}

/// Wakes one waker. Ours runs only the code of this file, which does not panic. A foreign one runs unknown code: its
/// panic is held back, after the panic hook has told of it.
pub(crate) fn wake_one(waker: Waker) {
    match Ticket::of(&waker) {
        Some(_) => waker.wake(),
        None => quietly(|| waker.wake()),
    }
}
