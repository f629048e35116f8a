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
//! through an `Rc` of its own, so nothing is borrowed while user code runs. The other way would be to take the task out
//! of its slot for the poll and to put it back. That needs no reference count, but a second look-up of the slot: 20
//! more instructions for each poll.
//!
//! The queue is two arrays. A turn polls its batch; what becomes ready meanwhile has arrived for the next one:
//!
//! ```text
//!   batch     | polled | polled | next: C | D |          this turn
//!   arrived   | A | B |                                  the next turn: here a push adds its ticket
//! ```
//!
//! Read before: `ticket.rs`, `task.rs`.
//! Grew from rungs 3 and 4 (the queue, tickets) of the ladder in `examples/course`.

use crate::circle::task::Run;
use crate::circle::ticket::{GENERATION_BITS, MAX_TASKS, Ticket};
use crate::parts::shrink::{Shrink, Slots};
use std::rc::Rc;

/// All tasks of one runtime. Only the loop's thread gets here.
pub(crate) struct Tasks {
    /// The runtime's number, for the tickets.
    runtime: u16,
    /// A slab, so that a ticket finds its task by index and a free slot is found at once.
    pub(crate) slots: Slots<Slot>,
    /// The tickets that are polled in this turn, from `next` on.
    pub(crate) batch: Vec<Ticket>,
    /// The index in the batch of the next ticket to be polled.
    pub(crate) next: usize,
    /// The tickets that became ready since the turn began: the next turn's batch. Two arrays that change places at the
    /// beginning of a turn are first in, first out like one ring, and a push need not know where the ring wraps.
    pub(crate) arrived: Vec<Ticket>,
    /// The serial number of the next task. Never used again; its low bits are the ticket's generation.
    pub(crate) next_serial: u64,
}

/// Where one task lives.
pub(crate) struct Slot {
    /// The ticket of the task that lives here. A ticket that differs from it is stale.
    pub(crate) ticket: Ticket,
    /// The bits of the task's serial number above the generation, which the ticket has. In 32 bits, so that a slot is
    /// half a cache line.
    serial_above: u32,
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
    /// The task's serial number.
    pub(crate) fn serial(&self) -> u64 {
        u64::from(self.serial_above) << GENERATION_BITS | self.ticket.generation()
    }
}

/// What a slot holds.
#[derive(Clone)]
pub(crate) enum Body {
    /// The future of `block_on`, which lives on its caller's stack; the line of that call.
    Main(&'static std::panic::Location<'static>),
    /// A spawned task.
    Task(Rc<dyn Run>),
}

/// What a task waits for, as far as its leaves told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wait {
    /// Nothing was told: a future that is not from here, or a queued task.
    Unknown,
    /// Another task's end.
    Join,
    /// A permit.
    Permit,
    /// A message, or room for one.
    Channel,
}

/// A task that the loop has taken out of the queue.
pub(crate) struct Popped {
    pub(crate) ticket: Ticket,
    pub(crate) body: Body,
    /// Drop it instead of polling it.
    pub(crate) aborted: bool,
}

impl Tasks {
    pub(crate) fn new(runtime: u16, next_serial: u64) -> Tasks {
        Tasks { runtime, slots: Slots::new(), batch: Vec::new(), next: 0, arrived: Vec::new(), next_serial }
    }

    /// The next serial number, and the ticket for it in this slot.
    pub(crate) fn next_ticket(&mut self, slot: usize) -> (Ticket, u64) {
        let serial = self.next_serial;
        self.next_serial += 1;
        (Ticket::new(self.runtime, slot, serial), serial)
    }

    /// (1) Gives a new task its slot, its serial number and its first place in the queue.
    #[inline]
    pub(crate) fn insert(&mut self, body: Body) -> (Ticket, u64) {
        let slot = self.slots.vacant_key();
        assert!(slot < MAX_TASKS, "{MAX_TASKS} tasks are alive, as many as a ticket has bits for: let some end first");
        let (ticket, serial) = self.next_ticket(slot);
        let serial_above = (serial >> GENERATION_BITS) as u32;
        let _spawn = trace!(below scope Spawn { task: ticket, body: &body } at crate::At::from(&body));
        self.slots.insert(Slot { ticket, serial_above, queued: true, aborted: false, wait: Wait::Unknown, body });
        self.arrived.push(ticket);
        trace!(Push { task: ticket });
        (ticket, serial)
    }

    #[inline]
    fn get_mut(&mut self, ticket: Ticket) -> Option<&mut Slot> {
        self.slots.get_mut(ticket.slot()).filter(|slot| slot.ticket == ticket)
    }

    /// (2) Queues the ticket's task, unless it is queued already or has ended.
    #[inline(always)]
    pub(crate) fn push(&mut self, ticket: Ticket) {
        let Some(slot) = self.get_mut(ticket) else {
            trace!(PushRefused { task: ticket, stale: true });
            return;
        };
        if slot.queued {
            trace!(PushRefused { task: ticket, stale: false });
            return;
        }
        slot.queued = true;
        self.arrived.push(ticket);
        trace!(Push { task: ticket });
    }

    /// Marks the task for dropping and queues it.
    pub(crate) fn abort(&mut self, ticket: Ticket, serial: u64) {
        if let Some(slot) = self.get_mut(ticket).filter(|slot| slot.serial() == serial) {
            slot.aborted = true;
            let _abort = trace!(scope Abort { task: ticket });
            if !explore!(asks loses_abort(ticket)) {
                self.push(ticket);
            }
        }
    }

    /// Begins the batch of a turn: what the turn before left unpolled, then what has arrived. Returns whether there is
    /// a task to poll. Skips the stale tickets at the front, so that a queue of stale tickets alone counts as empty.
    #[inline(always)]
    pub(crate) fn begin_batch(&mut self) -> bool {
        loop {
            if self.next == self.batch.len() {
                self.batch.clear();
                self.batch.give_back();
                self.next = 0;
                std::mem::swap(&mut self.batch, &mut self.arrived);
            } else if !self.arrived.is_empty() {
                // Drop the polled half of the batch. Otherwise it would grow for ever when more tasks are always ready
                // than one turn may poll.
                if self.next > self.batch.len() / 2 {
                    self.batch.drain(..std::mem::take(&mut self.next));
                    self.batch.give_back();
                }
                self.batch.append(&mut self.arrived);
                self.arrived.give_back();
            }
            let Some(&ticket) = self.batch.get(self.next) else { return false };
            if self.get_mut(ticket).is_some() {
                return true;
            }
            self.next += 1;
        }
    }

    /// (3) Takes the first ticket of the batch for its poll. The entries of ended tasks are passed over.
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

    /// Frees the slot of a task that has ended; its tickets are stale from here on. What the slot held is for the
    /// caller to drop, outside every borrow.
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

    /// Takes every task out, in the order of their spawns, and leaves all tickets stale: the runtime is being dropped.
    pub(crate) fn clear(&mut self) -> Vec<Slot> {
        (self.batch, self.next, self.arrived) = (Vec::new(), 0, Vec::new());
        let mut slots: Vec<Slot> = std::mem::take(&mut self.slots).into_items().map(|(_, slot)| slot).collect();
        slots.sort_unstable_by_key(Slot::serial);
        slots
    }
}
