//! refused: no two timers have the same key
//!
//! Begins to count anew when nobody is armed.

use std::{collections::BTreeMap, task::Waker};

/// A timer: its deadline, and how many were armed before it. So two timers with one deadline fire in the order in
/// which they were armed.
pub type Key = (u64, u64);

/// All armed timers of a loop, in the order in which they fire.
#[derive(Default)]
pub struct Timers {
    /// Whom to wake when. An ordered map: the first entry is the next to fire.
    armed: BTreeMap<Key, Waker>,
    /// How many were ever armed.
    count: u64,
}

impl Timers {
    /// Arms a timer.
    pub fn arm(&mut self, deadline: u64, waker: Waker) -> Key {
        let key = (deadline, self.count);
        self.count += 1;
        say!(TimerArmed { timer: key, deadline: deadline });
        self.armed.insert(key, waker);
        key
    }

    /// The waker's place of a timer that has not fired; `None` when it has.
    pub fn waiting(&mut self, key: Key) -> Option<&mut Waker> {
        self.armed.get_mut(&key)
    }

    /// The next deadline.
    pub fn next(&self) -> Option<u64> {
        self.armed.keys().next().map(|&(deadline, _)| deadline)
    }

    /// Takes the first timer whose deadline has come, and gives whom to wake.
    pub fn fire(&mut self, now: u64) -> Option<Waker> {
        let first = self.armed.first_entry().filter(|first| first.key().0 <= now)?;
        say!(TimerFired { timer: *first.key() });
        Some(first.remove())
    }

    /// Forgets a timer, whether it has fired or not. The waker is for the caller to drop, outside of every borrow.
    pub fn release(&mut self, key: Key) -> Option<Waker> {
        say!(TimerDropped { timer: key });
        let gone = self.armed.remove(&key);
        if self.armed.is_empty() {
            self.count = 0;
        }
        gone
    }
}
