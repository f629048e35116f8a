//! Keeps a vector in no order, and looks through it for the first deadline.

use std::task::Waker;

/// A timer: its deadline, and how many were armed before it.
pub type Key = (u64, u64);

/// All armed timers of a loop.
#[derive(Default)]
pub struct Timers {
    /// In the order in which they were armed, but for those that were taken out.
    armed: Vec<(Key, Waker)>,
    /// How many were ever armed.
    count: u64,
}

impl Timers {
    /// Arms a timer.
    pub fn arm(&mut self, deadline: u64, waker: Waker) -> Key {
        let key = (deadline, self.count);
        self.count += 1;
        self.armed.push((key, waker));
        key
    }

    /// The place of a timer's waker; `None` when it has fired.
    pub fn waiting(&mut self, key: Key) -> Option<&mut Waker> {
        self.armed.iter_mut().find(|(armed, _)| *armed == key).map(|(_, waker)| waker)
    }

    /// The next deadline.
    pub fn next(&self) -> Option<u64> {
        self.armed.iter().map(|(key, _)| key.0).min()
    }

    /// Takes the first timer whose deadline has come.
    pub fn fire(&mut self, now: u64) -> Option<Waker> {
        let (place, _) = self.armed.iter().enumerate().filter(|(_, (key, _))| key.0 <= now).min_by_key(|(_, it)| it.0)?;
        Some(self.armed.swap_remove(place).1)
    }

    /// Forgets a timer.
    pub fn release(&mut self, key: Key) -> Option<Waker> {
        let place = self.armed.iter().position(|(armed, _)| *armed == key)?;
        Some(self.armed.swap_remove(place).1)
    }
}
