//! The ready queue (2) and the slots that it points into: which tasks there are, and which are to be polled next.
//!
//! ```text
//!               push (6): wake or spawn                  pop, by the loop only
//!   (waiting) --------------------------> queued (once!) ----------------------> at poll (3)
//!       ^                                    ^                                     |   |
//!       |                                    +------- push: woken during poll -----+   |
//!       +------------------------- Pending, and not woken -----------------------------+--Ready--> remove: slot free
//! ```
//!
//! "Queued" is cleared by the pop, before the poll: a wake during the poll queues the task again. The loop polls
//! through an `Rc` of its own, so nothing is borrowed while user code runs. To take the task out of its slot and put it
//! back needs no count, but a second look-up of the slot: that is 20 instructions a poll more.

use crate::report::Wait;
use crate::task::Run;
use crate::wake::{GENERATION_BITS, MAX_TASKS, Ticket};
use slab::Slab;
use std::rc::Rc;

/// All tasks of one runtime. Only the loop's thread gets here.
pub(crate) struct Tasks {
    /// The runtime's number, for the tickets.
    runtime: u16,
    /// A slab, so that a ticket finds its task by index and a free slot is found at once.
    pub(crate) slots: Slab<Slot>,
    /// Who is polled in this turn, from `next` on. Other threads' wakes come here by way of the remote queue.
    pub(crate) batch: Vec<Ticket>,
    /// How far this turn has come in its batch.
    pub(crate) next: usize,
    /// Who has become ready since the turn began: the next turn's batch. Two arrays that change places at the beginning
    /// of a turn are first in, first out like one ring, and a push need not know where the ring wraps.
    pub(crate) arrived: Vec<Ticket>,
    /// The number of the next task. Never reused; its low bits are the ticket's generation.
    pub(crate) next_count: u64,
}

/// Where one task lives.
pub(crate) struct Slot {
    /// The ticket that is good for it: one comparison tells a stale one.
    pub(crate) ticket: Ticket,
    /// The task's number above the low bits, which the ticket has: a slot is half a cache line.
    age: u32,
    /// Its ticket stands in the queue.
    pub(crate) queued: bool,
    /// Its future is to be dropped at the next pop.
    pub(crate) aborted: bool,
    /// What it said it waits for when it was last polled.
    pub(crate) wait: Wait,
    /// The task.
    pub(crate) body: Body,
}

impl Slot {
    /// The task's number.
    pub(crate) fn count(&self) -> u64 {
        u64::from(self.age) << GENERATION_BITS | self.ticket.generation()
    }
}

/// What a slot holds.
#[derive(Clone)]
pub(crate) enum Body {
    /// The future of `block_on`, which lives on its caller's stack.
    Main(&'static std::panic::Location<'static>),
    /// A spawned task.
    Task(Rc<dyn Run>),
}

/// A task that the loop has taken out of the queue.
pub(crate) struct Popped {
    pub(crate) ticket: Ticket,
    pub(crate) body: Body,
    /// Drop it instead of polling it.
    pub(crate) aborted: bool,
}

impl Tasks {
    pub(crate) fn new(runtime: u16, next_count: u64) -> Tasks {
        Tasks { runtime, slots: Slab::new(), batch: Vec::new(), next: 0, arrived: Vec::new(), next_count }
    }

    /// The next number, and the ticket for it in this slot.
    pub(crate) fn number(&mut self, slot: usize) -> (Ticket, u64) {
        self.next_count += 1;
        (Ticket::new(self.runtime, slot, self.next_count - 1), self.next_count - 1)
    }

    /// (1) Gives a new task its slot, its number and its first place in the queue.
    #[inline]
    pub(crate) fn insert(&mut self, body: Body) -> (Ticket, u64) {
        let slot = self.slots.vacant_key();
        assert!(slot < MAX_TASKS, "{MAX_TASKS} tasks are alive, as many as a ticket has bits for: let some end first");
        let (ticket, count) = self.number(slot);
        let age = (count >> GENERATION_BITS) as u32;
        trace!(Spawn { task: ticket, slot: slot, generation: ticket, name: &body } at crate::At::from(&body));
        self.slots.insert(Slot { ticket, age, queued: true, aborted: false, wait: Wait::Unknown, body });
        self.arrived.push(ticket);
        trace!(Push { task: ticket });
        (ticket, count)
    }

    #[inline]
    fn get_mut(&mut self, ticket: Ticket) -> Option<&mut Slot> {
        self.slots.get_mut(ticket.slot()).filter(|slot| slot.ticket == ticket)
    }

    /// (2) Queues the ticket's task, unless it is queued already or has ended.
    #[inline]
    pub(crate) fn push(&mut self, ticket: Ticket) {
        match self.get_mut(ticket) {
            Some(slot) if !slot.queued => {
                slot.queued = true;
                self.arrived.push(ticket);
                trace!(Push { task: ticket });
            }
            Some(_) => trace!(PushRefused { task: ticket, stale: false }),
            None => trace!(PushRefused { task: ticket, stale: true }),
        }
    }

    /// Marks the task for dropping and queues it.
    pub(crate) fn abort(&mut self, ticket: Ticket, count: u64) {
        if let Some(slot) = self.get_mut(ticket).filter(|slot| slot.count() == count) {
            slot.aborted = true;
            trace!(Abort { task: ticket });
            self.push(ticket);
        }
    }

    /// Whether anybody is to be polled in the turn that begins: whom an exhausted budget left over, and who has arrived.
    /// Entries of ended tasks are swept from the front, so that a queue of nothing else counts as empty.
    #[inline]
    pub(crate) fn ready(&mut self) -> bool {
        loop {
            if self.next == self.batch.len() {
                self.batch.clear();
                self.next = 0;
                std::mem::swap(&mut self.batch, &mut self.arrived);
            } else if !self.arrived.is_empty() {
                // What was polled goes once it is the greater part: where more are always ready than a turn may poll,
                // the batch never comes to its end.
                if self.next > self.batch.len() / 2 {
                    self.batch.drain(..std::mem::take(&mut self.next));
                }
                self.batch.append(&mut self.arrived);
            }
            let Some(&ticket) = self.batch.get(self.next) else { return false };
            if self.get_mut(ticket).is_some() {
                return true;
            }
            self.next += 1;
        }
    }

    /// (3) Takes the first of the batch for its poll. Entries of tasks that have ended since are passed over.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Popped> {
        loop {
            let &ticket = self.batch.get(self.next)?;
            self.next += 1;
            let Some(slot) = self.get_mut(ticket) else { continue };
            slot.queued = false;
            slot.wait = Wait::Unknown;
            return Some(Popped { ticket, aborted: slot.aborted, body: slot.body.clone() });
        }
    }

    /// Frees the slot of a task that has ended; its tickets are stale from here on. What the slot held is for the caller
    /// to drop, outside every borrow.
    #[inline]
    pub(crate) fn remove(&mut self, ticket: Ticket) -> Option<Body> {
        self.get_mut(ticket)?;
        Some(self.slots.remove(ticket.slot()).body)
    }

    /// Notes what the task at poll waits for.
    pub(crate) fn note_wait(&mut self, ticket: Ticket, wait: Wait) {
        if let Some(slot) = self.get_mut(ticket) {
            slot.wait = wait;
        }
    }

    /// Takes every task out, in the order of their slots, and leaves all tickets stale: the runtime is being dropped.
    pub(crate) fn clear(&mut self) -> Vec<(Ticket, Body)> {
        (self.batch, self.next, self.arrived) = (Vec::new(), 0, Vec::new());
        std::mem::take(&mut self.slots).into_iter().map(|(_, slot)| (slot.ticket, slot.body)).collect()
    }
}
