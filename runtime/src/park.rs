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
//! message or (y) sees the flag. Taking the flag down with a swap lets one of many senders ring.
//!
//! This file depends on nothing but the atomics, so that a model checker can compile it by itself.

#[cfg(loom)]
use loom::sync::atomic::{AtomicBool, Ordering, fence};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicBool, Ordering, fence};

/// Says whether the loop is about to park, or has parked.
#[derive(Debug)]
pub(crate) struct Parking {
    /// Set by the loop, taken down by it or by the sender that rings.
    parked: AtomicBool,
}

impl Parking {
    pub(crate) fn new() -> Parking {
        Parking { parked: AtomicBool::new(false) }
    }

    /// (a) The loop says that it will park. It must look at its queue once more before it does.
    pub(crate) fn announce(&self) {
        // A swap, though nobody asks what was there: the order of two writes is plain, to a model checker too, when the
        // later one has read the earlier. A system call follows; beside it this costs nothing.
        self.parked.swap(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// (c) The loop is awake again, or found a message in (b).
    pub(crate) fn leave(&self) {
        self.parked.store(false, Ordering::Relaxed);
    }

    /// (y) A sender whose message is in the queue asks whether it has to ring. True for one sender of a batch.
    #[must_use = "when this says true, the loop sleeps on until somebody rings"]
    pub(crate) fn must_ring(&self) -> bool {
        fence(Ordering::SeqCst);
        self.parked.load(Ordering::Relaxed) && self.parked.swap(false, Ordering::Relaxed)
    }
}
