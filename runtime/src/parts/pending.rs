//! The tasks for which a wake is on its way. A million wakes of one task from other threads are one message, until the
//! loop takes it.
//!
//! ```text
//!   another thread                                  the loop
//!   (x) what the task is to see                     (a) take the message out of the queue
//!   (y) enter: the ticket joins the set             (b) leave: the ticket goes out of the set
//!         new:   put a message into the queue       (c) push the task, and later poll it
//!         there: nothing, a message is on its way
//! ```
//!
//! No wake is lost. A thread that finds its ticket in the set came before (b). Both go through one lock, so the poll
//! after (c) sees its (x). A thread that comes after (b) sends a message of its own. A thread may stop between (y) and
//! its message; the wakes of other threads that relied on this message are then late, too.
//!
//! The set holds whole tickets, so a new task in the same slot has an entry of its own. The set grows and shrinks with
//! the queue of messages; a bit for each slot would keep its memory. Only wakes that cross threads come here.
//!
//! This file depends on nothing but a mutex and the rule of `shrink.rs`, so that a model checker can compile it by
//! itself.
//!
//! Read before: `shrink.rs`.

use super::shrink::Shrink;
#[cfg(loom)]
use loom::sync::{Mutex, MutexGuard};
use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::PoisonError;
#[cfg(not(loom))]
use std::sync::{Mutex, MutexGuard};

/// A set of tickets.
type Tickets = HashSet<u64, BuildHasherDefault<Spread>>;

/// The tickets whose wakes wait in the queue.
#[derive(Debug)]
pub(crate) struct Pending(Mutex<Tickets>);

impl Pending {
    pub(crate) fn new() -> Pending {
        Pending(Mutex::new(Tickets::default()))
    }

    /// No user code runs under the lock.
    fn lock(&self) -> MutexGuard<'_, Tickets> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// (y) Notes a wake of this ticket. True if no other is on its way, so that a message has to be sent.
    #[must_use]
    pub(crate) fn enter(&self, ticket: u64) -> bool {
        self.lock().insert(ticket)
    }

    /// (b) The loop has taken the message, or the queue has refused it.
    pub(crate) fn leave(&self, ticket: u64) {
        let mut tickets = self.lock();
        tickets.remove(&ticket);
        tickets.give_back();
    }

    /// The queue is gone, with every message that was in it.
    pub(crate) fn clear(&self) {
        *self.lock() = Tickets::default();
    }
}

/// Spreads the bits of a ticket. Nobody can choose tickets, so the hash needs no secret.
#[derive(Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("a ticket is written as one number");
    }

    fn write_u64(&mut self, ticket: u64) {
        // 2⁶⁴ divided by the golden ratio: neighbours end up far apart. The set takes its bits from both ends.
        let product = ticket.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = product ^ product >> 32;
    }
}
