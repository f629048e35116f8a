//! One value on its way from one end to the other; the ends may be on different threads. Under
//! [`sync::oneshot`](crate::sync::oneshot), and under the result of a task that another thread spawned.
//!
//! ```text
//!              end: with the value, or without one              take_or_wait
//!   open ----------------------------------------------> ended ------------------> value, or none
//!     |  take_or_wait: the receiver leaves its waker       |
//!     +-- (waker) <----------------------------------------+ for the caller to wake
//! ```

use super::lock::Lock;
use crate::ChannelMark;
use std::task::Waker;

/// The value's way. No user code runs under the lock: wakers and values are handed to the caller.
#[derive(Debug)]
pub(crate) struct Transfer<T> {
    state: Lock<State<T>>,
    /// Which channel, for the trace.
    pub(crate) _mark: ChannelMark,
}

struct State<T> {
    /// The value, from the sender's end until the receiver takes it.
    value: Option<T>,
    /// The receiver's waker, while it waits.
    receiver: Option<Waker>,
    /// The sender has ended, or the receiver is gone.
    ended: bool,
}

/// What the receiver finds.
pub(crate) enum Found<T> {
    /// The sender has ended, with this value or without one.
    Ended(Option<T>),
    /// Not yet. The waker that was there before is for the caller to drop, outside every borrow.
    Waits(Option<Waker>),
}

impl<T> Transfer<T> {
    pub(crate) fn new() -> Transfer<T> {
        Transfer { state: Lock::new(State { value: None, receiver: None, ended: false }), _mark: ChannelMark::new() }
    }

    /// Whether the sender has ended, or the receiver is gone.
    pub(crate) fn has_ended(&self) -> bool {
        self.state.lock().ended
    }

    /// The sender ends. Gives the receiver's waker, for the caller to wake.
    ///
    /// # Errors
    /// The value comes back when the receiver is gone.
    pub(crate) fn end(&self, value: Option<T>) -> Result<Option<Waker>, Option<T>> {
        let mut state = self.state.lock();
        if state.ended {
            return Err(value);
        }
        state.value = value;
        state.ended = true;
        Ok(state.receiver.take())
    }

    /// The receiver takes the value, or leaves its waker, if it has one to leave.
    pub(crate) fn take_or_wait(&self, waker: Option<Waker>) -> Found<T> {
        let mut state = self.state.lock();
        if state.ended {
            Found::Ended(state.value.take())
        } else {
            Found::Waits(waker.and_then(|waker| state.receiver.replace(waker)))
        }
    }

    /// The receiver goes. What it leaves is for the caller to drop, outside every borrow.
    pub(crate) fn abandon(&self) -> (Option<T>, Option<Waker>) {
        let mut state = self.state.lock();
        state.ended = true;
        (state.value.take(), state.receiver.take())
    }
}
