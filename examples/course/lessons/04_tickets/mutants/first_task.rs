//! refused: a task is queued once
//!
//! Every wake is an entry: the exercise after its first task.

use super::wake::Ticket;
use slab::Slab;
use std::collections::VecDeque;
use std::pin::Pin;

/// A task that the loop can poll.
pub enum Body {
    /// The future of `block_on`, which stays there.
    Main,
    /// A spawned future.
    Task(Pin<Box<dyn Future<Output = ()>>>),
}

/// Where one task lives.
struct Slot {
    /// The ticket of the task that lives here.
    ticket: Ticket,
    /// Whether the ticket stands in the queue.
    queued: bool,
    /// `None` while the task is polled.
    body: Option<Body>,
}

/// All tasks of a loop, and the queue of those that are
/// ready.
#[derive(Default)]
pub struct Tasks {
    /// A vector that remembers its free places.
    slots: Slab<Slot>,
    /// Who is to be polled, first in, first out.
    pub queue: VecDeque<Ticket>,
    /// The generation of the next task: a running number.
    next: u16,
}

impl Tasks {
    /// A new task gets a slot, a ticket, and its first
    /// place in the queue. `spawn` calls this.
    pub fn insert(&mut self, body: Body) {
        let slot = self.slots.vacant_key() as u32;
        // Step 4: every task has another generation.
        let ticket = Ticket { slot, generation: self.next };
        let (queued, body) = (false, Some(body));
        self.slots.insert(Slot { ticket, queued, body });
        self.push(ticket);
    }

    /// The slot of this task. `None`: the task has ended.
    fn slot(&mut self, task: Ticket) -> Option<&mut Slot> {
        // Step 4: who lives there now?
        self.slots.get_mut(task.slot as usize)
    }

    /// Puts a task at the end of the queue. Every wake
    /// calls this.
    pub fn push(&mut self, task: Ticket) {
        let Some(slot) = self.slot(task) else { return };
        // Step 1: not twice.
        self.queue.push_back(task);
    }

    /// Takes the next task out of the queue, and its body
    /// out of its slot. The loop calls this, and polls the
    /// body. One call takes one entry: the loop counts.
    pub fn pop(&mut self) -> Option<(Ticket, Body)> {
        let task = self.queue.pop_front()?;
        let slot = self.slot(task)?;
        // Step 2: it does not stand in the queue any more.
        let body = slot.body.take()?;
        Some((task, body))
    }

    /// Given: the task is pending. The loop puts its body
    /// back, after the poll.
    pub fn put_back(&mut self, task: Ticket, body: Body) {
        if let Some(slot) = self.slot(task) {
            slot.body = Some(body);
        }
    }

    /// The task has ended. The loop calls this after the
    /// last poll.
    pub fn remove(&mut self, task: Ticket) {
        // Step 3: the slot is free for another task.
    }
}
