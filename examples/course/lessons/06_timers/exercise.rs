//! Lesson 6: write the list of timers. Begin with
//! lesson.md: it says what to do here.
//!
//! As it comes, the list forgets each timer. After the
//! first task it keeps them as they were armed. Yours keeps
//! them in the order in which they fire.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::task::Waker;

/// A timer: its deadline in nanoseconds, and how many were
/// armed before it. So no two timers have the same key.
pub type Key = (u64, u64);

/// All armed timers of a loop.
#[derive(Default)]
pub struct Timers {
    /// Whom to wake when.
    armed: Vec<(Key, Waker)>,
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
        // Step 1: in which order?
        //self.armed.push((key, waker));
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
        let mut all = self.armed.iter_mut();
        let found = all.find(|(armed, _)| *armed == key);
        found.map(|(_, waker)| waker)
    }

    /// The next deadline. Called by the loop before it
    /// sleeps: so long it may sleep. `None`: until
    /// somebody rings.
    pub fn next(&self) -> Option<u64> {
        self.armed.first().map(|(key, _)| key.0)
    }

    /// Takes the first timer whose deadline has come, and
    /// gives whom to wake. Called by the loop after each
    /// sleep, again and again, until it gives `None`.
    pub fn fire(&mut self, now: u64) -> Option<Waker> {
        if self.armed.is_empty() {
            return None;
        }
        // Step 2: has its time come?
        let (_, waker) = self.armed.remove(0);
        Some(waker)
    }

    /// Forgets a timer, whether it has fired or not, and
    /// gives its waker. Called when a `Sleep` is dropped.
    pub fn release(&mut self, key: Key) -> Option<Waker> {
        // Step 3: nobody waits any more.
        None
    }
}
