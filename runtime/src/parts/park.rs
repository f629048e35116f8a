//! The handshake between a loop that wants to park and a thread that has a message for it: no wake-up is lost, and a
//! loop that is awake costs its senders no system call.
//!
//! ```text
//!   the loop                                   another thread
//!   (a) announce: parked = true                (x) put the message into the queue
//!   (b) the queue is empty? then park          (y) parked? then take the flag down and ring
//!   (c) leave: parked = false
//! ```
//!
//! Each side writes first and looks second, with a full fence between the two. So whatever the order, (b) sees the
//! message or (y) sees the flag. A sender takes the flag down with a swap, so only one of many senders rings.
//!
//! This file depends on nothing but the atomics, so that a model checker can compile it by itself.
//!
//! Read before: nothing.

#[cfg(loom)]
use loom::sync::atomic::{AtomicBool, Ordering, fence};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicBool, Ordering, fence};

/// Says whether the loop is about to park, or has parked.
#[derive(Debug)]
pub(crate) struct Parking {
    /// Set by the loop. Cleared by the loop, or by the sender that rings.
    parked: AtomicBool,
}

impl Parking {
    pub(crate) fn new() -> Parking {
        Parking { parked: AtomicBool::new(false) }
    }

    /// (a) Says that the loop is about to park. Then (b) looks at its queue with `look`, and returns what that found.
    pub(crate) fn announce<T>(&self, look: impl FnOnce() -> T) -> T {
        // A swap, though its result is not used. It reads the write before it, so the order of the two is certain, to a
        // model checker too. A system call follows, beside which the swap costs nothing.
        self.parked.swap(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        look()
    }

    /// (c) The loop is awake again, or found a message in (b).
    pub(crate) fn leave(&self) {
        self.parked.store(false, Ordering::Relaxed);
    }

    /// (x) A sender puts its message into the queue, and then (y) learns whether it has to ring. Only one of several
    /// senders gets true, and the loop sleeps until that one rings.
    ///
    /// # Errors
    /// That of `send`: there is no queue any more.
    pub(crate) fn must_ring<E>(&self, send: impl FnOnce() -> Result<(), E>) -> Result<bool, E> {
        send()?;
        fence(Ordering::SeqCst);
        Ok(self.parked.load(Ordering::Relaxed) && self.parked.swap(false, Ordering::Relaxed))
    }
}
