//! refused: next is the first deadline
//!
//! Keeps a sorted vector, and takes out of the middle by swap_remove: the last comes into the gap.

use std::task::Waker;

/// A timer: its deadline, and how many were armed before it.
pub type Key = (u64, u64);

/// All armed timers of a loop.
#[derive(Default)]
pub struct Timers {
    /// In the order in which they fire.
    armed: Vec<(Key, Waker)>,
    /// How many were ever armed.
    count: u64,
}

impl Timers {
    /// Arms a timer.
    pub fn arm(&mut self, deadline: u64, waker: Waker) -> Key {
        let key = (deadline, self.count);
        self.count += 1;
        let place = self.armed.partition_point(|(armed, _)| armed.0 <= deadline);
        self.armed.insert(place, (key, waker));
        key
    }

    /// The place of a timer's waker; `None` when it has fired.
    pub fn waiting(&mut self, key: Key) -> Option<&mut Waker> {
        self.armed.iter_mut().find(|(armed, _)| *armed == key).map(|(_, waker)| waker)
    }

    /// The next deadline.
    pub fn next(&self) -> Option<u64> {
        self.armed.first().map(|(key, _)| key.0)
    }

    /// Takes the first timer whose deadline has come.
    pub fn fire(&mut self, now: u64) -> Option<Waker> {
        if self.armed.first()?.0.0 > now {
            return None;
        }
        Some(self.armed.remove(0).1)
    }

    /// Forgets a timer.
    pub fn release(&mut self, key: Key) -> Option<Waker> {
        let place = self.armed.iter().position(|(armed, _)| *armed == key)?;
        Some(self.armed.swap_remove(place).1)
    }
}
