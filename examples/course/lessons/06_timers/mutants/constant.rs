//! refused: Ready when it has fired
//!
//! Keeps nothing, and says nothing.

use std::task::Waker;

/// Nothing is known of a timer.
pub type Key = u64;

/// No timers.
#[derive(Default)]
pub struct Timers;

impl Timers {
    /// Arms nothing.
    pub fn arm(&mut self, deadline: u64, _waker: Waker) -> Key {
        deadline
    }

    /// Nobody waits.
    pub fn waiting(&mut self, _key: Key) -> Option<&mut Waker> {
        None
    }

    /// Nothing is to come.
    pub fn next(&self) -> Option<u64> {
        None
    }

    /// Nobody is woken.
    pub fn fire(&mut self, _now: u64) -> Option<Waker> {
        None
    }

    /// There is nothing to forget.
    pub fn release(&mut self, _key: Key) -> Option<Waker> {
        None
    }
}
