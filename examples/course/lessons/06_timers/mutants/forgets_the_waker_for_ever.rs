//! refused: what is dropped leaves nothing
//!
//! Nobody drops the waker of a timer that is released.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::task::Waker;

/// A timer: its deadline in nanoseconds, and how many were
/// armed before it. So no two timers have the same key.
pub type Key = (u64, u64);

/// All armed timers of a loop.
#[derive(Default)]
pub struct Timers {
    /// Whom to wake when.
    armed: BTreeMap<Key, Waker>,
    /// How many were ever armed.
    count: u64,
}

impl Timers {
    /// Arms a timer. Called by `sleep`.
    pub fn arm(
        &mut self,
        deadline: u64,
        // It does nothing: nobody has polled yet.
        waker: Waker,
    ) -> Key {
        let key = (deadline, self.count);
        self.count += 1;
        self.armed.insert(key, waker);
        key
    }

    /// The place of a timer's waker. `None` when the timer
    /// has fired. Called by each poll of a `Sleep`: it puts
    /// its own waker there.
    pub fn waiting(
        &mut self,
        // What `arm` gave.
        key: Key,
    ) -> Option<&mut Waker> {
        self.armed.get_mut(&key)
    }

    /// The next deadline. Called by the loop before it
    /// sleeps: so long it may sleep. `None`: for ever.
    pub fn next(&self) -> Option<u64> {
        self.armed.first_key_value().map(|(key, _)| key.0)
    }

    /// Takes the first timer whose deadline has come, and
    /// gives whom to wake. Called by the loop after each
    /// sleep, again and again, until it gives `None`.
    pub fn fire(&mut self, now: u64) -> Option<Waker> {
        let first = self.armed.first_entry()?;
        if first.key().0 > now {
            return None;
        }
        Some(first.remove())
    }

    /// Forgets a timer, whether it has fired or not, and
    /// gives its waker. Called when a `Sleep` is dropped.
    pub fn release(&mut self, key: Key) -> Option<Waker> {
        std::mem::forget(self.armed.remove(&key));
        None
    }
}
