//! refused: what is dropped leaves nothing
//!
//! Keeps a heap, and leaves the dead ones at its top.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::task::Waker;

/// A timer: its deadline, and how many were armed before it.
pub type Key = (u64, u64);

/// All armed timers of a loop.
#[derive(Default)]
pub struct Timers {
    /// The first to fire is at the top. Those whose waker is gone are dead.
    order: BinaryHeap<Reverse<Key>>,
    /// Whom to wake.
    wakers: HashMap<Key, Waker>,
    /// How many were ever armed.
    count: u64,
}

impl Timers {
    /// Arms a timer.
    pub fn arm(&mut self, deadline: u64, waker: Waker) -> Key {
        let key = (deadline, self.count);
        self.count += 1;
        self.order.push(Reverse(key));
        self.wakers.insert(key, waker);
        key
    }

    /// The place of a timer's waker; `None` when it has fired.
    pub fn waiting(&mut self, key: Key) -> Option<&mut Waker> {
        self.wakers.get_mut(&key)
    }

    /// The next deadline.
    pub fn next(&self) -> Option<u64> {
        self.order.peek().map(|Reverse(key)| key.0)
    }

    /// Takes the first timer whose deadline has come.
    pub fn fire(&mut self, now: u64) -> Option<Waker> {
        let &Reverse(key) = self.order.peek().filter(|Reverse(key)| key.0 <= now)?;
        let waker = self.wakers.remove(&key);
        self.uncover();
        waker
    }

    /// Forgets a timer.
    pub fn release(&mut self, key: Key) -> Option<Waker> {
        self.wakers.remove(&key)
    }

    /// Takes the dead ones off the top.
    fn uncover(&mut self) {
        while self.order.peek().is_some_and(|Reverse(key)| !self.wakers.contains_key(key)) {
            self.order.pop();
        }
    }
}
