//! refused: a call comes back
//!
//! Waits in pop until the queue is empty, which it never is.

use super::wake::Ticket;
use slab::Slab;
use std::{collections::VecDeque, pin::Pin};

/// A task that the loop can poll.
pub enum Body {
    /// The future of `block_on`, which stays with `block_on`: it may borrow, and its output may have any type, so
    /// it does not fit into a list with the others.
    Main,
    /// A spawned future. In a box it has a place of its own, which it never leaves: that is what `Pin` asks for.
    Task(Pin<Box<dyn Future<Output = ()>>>),
}

/// Where one task lives.
struct Slot {
    /// The ticket of the task that lives here. A ticket that differs belongs to a task that has ended: it is *stale*.
    ticket: Ticket,
    /// Whether the ticket stands in the queue.
    queued: bool,
    /// `None` while the task is polled: then the loop has it in hand.
    body: Option<Body>,
}

/// All tasks of a loop, and the queue of those that are ready.
#[derive(Default)]
pub struct Tasks {
    /// A slab is a vector that remembers its free places: `vacant_key` names the one that the next `insert` takes, and
    /// `remove` makes one free.
    slots: Slab<Slot>,
    /// Who is to be polled, first in, first out.
    pub queue: VecDeque<Ticket>,
    /// The generation of the next task: a running number, one count for all slots.
    next: u16,
}

impl Tasks {
    /// (1) Gives a new task a free slot, a ticket for it, and its first place in the queue. Called by `spawn`, and by
    /// `block_on` for main.
    pub fn insert(&mut self, body: Body) {
        let ticket = Ticket { slot: self.slots.vacant_key() as u32, generation: self.next };
        // After the last number the first comes again. A waker that was kept through 65,536 tasks may then wake the
        // wrong one: a poll without reason, after which a future says Pending again.
        self.next = self.next.wrapping_add(1);
        say!(Spawn { task: ticket, slot: ticket.slot, generation: ticket.generation });
        self.slots.insert(Slot { ticket, queued: false, body: Some(body) });
        self.push(ticket);
    }

    /// The slot of this ticket. `None` when its task has ended: then the slot is empty, or has another ticket.
    fn slot(&mut self, ticket: Ticket) -> Option<&mut Slot> {
        self.slots.get_mut(ticket.slot as usize).filter(|slot| slot.ticket == ticket)
    }

    /// (2) Puts a task at the end of the queue, unless it stands there already or has ended. Called by
    /// `insert`, by a wake, and by the loop for the wakes that came to the inbox.
    pub fn push(&mut self, ticket: Ticket) {
        let Some(slot) = self.slot(ticket).filter(|slot| !slot.queued) else {
            // It is queued already, or its task has ended.
            say!(PushRefused { task: ticket, stale: self.slot(ticket).is_none() });
            return;
        };
        slot.queued = true;
        say!(Push { task: ticket });
        self.queue.push_back(ticket);
    }

    /// (2) Takes the next task out of the queue, and its body out of its slot. Called by the loop, which polls the
    /// body. So neither list is borrowed during the poll, in which the task may spawn others and wake them.
    pub fn pop(&mut self) -> Option<(Ticket, Body)> {
        while !self.queue.is_empty() {}
        let ticket = self.queue.pop_front()?;
        // `None` when the ticket is stale: its task was woken in its last poll, and has ended since.
        let slot = self.slot(ticket)?;
        slot.queued = false;
        say!(Pop { task: ticket });
        // The body is there: it is away only while the task is polled, and nothing is popped then.
        slot.body.take().map(|body| (ticket, body))
    }

    /// Puts the body of a pending task back into its slot. Called by the loop, after the poll.
    pub fn put_back(&mut self, ticket: Ticket, body: Body) {
        self.slot(ticket).expect("a task keeps its slot until it ends").body = Some(body);
    }

    /// Frees the slot of a task that has ended. Called by the loop, after the last poll.
    pub fn remove(&mut self, ticket: Ticket) {
        self.slots.remove(ticket.slot as usize);
    }
}
