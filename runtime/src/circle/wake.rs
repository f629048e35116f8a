//! Wake (6 in the picture of the crate's documentation): the waker of a ticket, and the way that a wake takes. An abort
//! takes the same way.
//!
//! A ticket is a number of 64 bits that names one task: its runtime, its slot, and the low bits of its serial number.
//! The waker's data pointer is that number.
//!
//! ```text
//!   waker.wake() --> is the ticket's runtime the one that runs on this thread?
//!                      yes: Tasks::push           an entry in the ready queue, unless the task is queued already:
//!                                                 a few nanoseconds, no atomics
//!                      no:  remote::post          a message in that loop's remote queue, and a ring, which ends the
//!                                                 sleep of its thread if it is parked. Nothing at all if a message
//!                                                 for the same task waits there already
//! ```
//!
//! A wake whose ticket is stale (its task has ended) does nothing. But a ticket has only the low bits of the task's
//! serial number, so a very old one can, rarely, wake a newer task in the same slot. That costs one useless poll.
//! Production runtimes count references to the task here, with an atomic operation for each clone and drop, because
//! their wakers point at it.
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
    /// The waker that carries this ticket. The loop makes one for each poll.
    #[inline]
    pub(crate) fn waker(self) -> Waker {
        // SAFETY: `from_raw` asks for a vtable that keeps RawWaker's contract, on any thread and for as long as any
        // clone lives. The data pointer is the ticket's number (`without_provenance` makes a pointer of a number) and
        // is never dereferenced. Clone copies it. Wake and wake_by_ref read it: `context::with` gives only the loop
        // that runs on this very thread, and `remote::post` may be called on any thread, also when that loop is gone.
        // Drop has nothing to release.
        #[allow(unsafe_code, reason = "the standard library has no safe way to make a waker of a number")]
        unsafe {
            Waker::from_raw(RawWaker::new(ptr::without_provenance(self.0 as usize), &VTABLE))
        }
    }

    /// The ticket in a waker's data pointer. No bit is lost on the way, here or in `waker`: the crate refuses to compile
    /// where a pointer has fewer than 64 bits.
    #[inline]
    fn from_data(data: *const ()) -> Ticket {
        Ticket(data.addr() as u64)
    }

    /// The ticket in `waker`, if it is one of ours. The trace names the task by it.
    pub(crate) fn of(waker: &Waker) -> Option<Ticket> {
        ptr::eq(waker.vtable(), &VTABLE).then(|| Ticket::from_data(waker.data()))
    }
}

/// What a ticket's waker does: clone, wake, wake by reference, drop. A static and not a constant, so that it has one
/// address: [`Ticket::of`] knows our wakers by it.
static VTABLE: RawWakerVTable = RawWakerVTable::new(
    |data| {
        trace!(below @ticket_cloned(Ticket::from_data(data)));
        RawWaker::new(explore!(data, kept()), &VTABLE)
    },
    |data| wake(Ticket::from_data(data), true),
    |data| wake(Ticket::from_data(data), false),
    |data| {
        let _ = data; // Only the trace uses it.
        trace!(TicketDropped { task: Ticket::from_data(data) });
    },
);

/// (6) Puts the ticket's task into its ready queue, from wherever this is called. While the loop runs a future or wakes a
/// waker it holds no borrow of its tasks, so they can be borrowed here. `_last` is for the trace: the wake was by value,
/// so the waker is used up.
fn wake(ticket: Ticket, _last: bool) {
    let was_here = at_home(ticket, |core| {
        if explore!(asks loses_wake(ticket)) {
            return;
        }
        let _wake = trace!(below scope Wake { task: ticket, last: _last });
        core.tasks.borrow_mut().push(ticket);
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

/// Calls `f` with the ticket's own loop if that loop runs on this thread now, in a `block_on` or a `turn`; false if not.
#[inline]
fn at_home(ticket: Ticket, f: impl FnOnce(&Core)) -> bool {
    // No loop on this thread: `with` gives None. Another loop than the ticket's: the closure gives None.
    context::with(|core| (core.number == ticket.runtime()).then(|| f(core))).flatten().is_some()
}

/// Wakes every waker that the loop has collected (of timers, of sockets). The caller must hold no borrow of the loop's
/// fields: a foreign waker, which is one without our vtable, may call the loop again. One that panics stops neither the
/// others nor the loop. The reason of each waker is for the trace.
pub(crate) fn wake_all(wakers: &mut Vec<(Waker, Reason)>) {
    for (waker, reason) in wakers.drain(..) {
        let _reason = reason.open();
        wake_one(waker);
    }
    wakers.give_back(); // Frees memory if a burst has made the array big. The caller uses the empty array again.
}

/// Wakes one waker: for `wake_all`, and at the end of a task. Ours (a ticket, of this loop or of another) runs only this
/// crate's code, which does not panic. A foreign one runs unknown code: its panic is caught here and goes no further;
/// the panic hook has printed it already.
pub(crate) fn wake_one(waker: Waker) {
    match Ticket::of(&waker) {
        Some(_) => waker.wake(),
        None => quietly(|| waker.wake()),
    }
}
