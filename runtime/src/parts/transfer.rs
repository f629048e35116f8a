//! One value on its way from one end to the other; the ends may be on different threads.
//! [`sync::oneshot`](crate::sync::oneshot) is built on it, and so is the result of a task that another thread spawned.
//!
//! ```text
//!              end: with the value, or without one              take_or_wait
//!   open ----------------------------------------------> ended ------------------> value, or none
//!     |  take_or_wait: the receiver leaves its waker       |
//!     +-- (waker) <----------------------------------------+ for the caller to wake
//!     |  abandon: the receiver goes
//!     +-- (waker of a sender that waits for it) ------------ for the caller to wake
//! ```
//!
//! Read before: `share.rs`.

use super::share::{Reach, Shared};
use crate::ChannelMark;
use std::fmt;
use std::task::Waker;

/// One end of the transfer. No user code runs under the lock: wakers and values are handed to the caller.
pub(crate) struct Transfer<T, R: Reach>(R::Shared<State<T>>);

/// What both ends change.
struct State<T> {
    /// The value, from the sender's end until the receiver takes it.
    value: Option<T>,
    /// The receiver's waker, while it waits.
    receiver: Option<Waker>,
    /// The sender's waker, while it waits for the receiver to go.
    sender: Option<Waker>,
    /// The sender has ended, or the receiver is gone.
    ended: bool,
    /// Which channel, for the trace.
    mark: ChannelMark,
}

/// What the receiver finds.
pub(crate) enum Found<T> {
    /// The sender has ended, with this value or without one.
    Ended(Option<T>),
    /// Not yet. The waker that was there before is for the caller to drop, outside every borrow.
    Waits(Option<Waker>),
}

/// What a receiver leaves behind when it goes.
pub(crate) struct Abandoned<T> {
    /// The value and the receiver's own waker, for the caller to drop.
    pub(crate) left: (Option<T>, Option<Waker>),
    /// The sender's waker, for the caller to wake.
    pub(crate) sender: Option<Waker>,
}

impl<T, R: Reach> Transfer<T, R> {
    pub(crate) fn new() -> Transfer<T, R> {
        Transfer(R::Shared::new(State {
            value: None,
            receiver: None,
            sender: None,
            ended: false,
            mark: ChannelMark::new(),
        }))
    }

    /// Which channel this is, for the trace.
    pub(crate) fn mark(&self) -> ChannelMark {
        self.0.lock().mark
    }

    /// Whether the sender has ended, or the receiver is gone.
    pub(crate) fn has_ended(&self) -> bool {
        self.0.lock().ended
    }

    /// The sender ends. Gives the receiver's waker, for the caller to wake.
    ///
    /// # Errors
    /// The value comes back when the receiver is gone.
    pub(crate) fn end(&self, value: Option<T>) -> Result<Option<Waker>, Option<T>> {
        let mut state = self.0.lock();
        if state.ended {
            return Err(value);
        }
        state.value = value;
        state.ended = true;
        Ok(state.receiver.take())
    }

    /// The receiver takes the value, or leaves its waker, if it has one to leave.
    pub(crate) fn take_or_wait(&self, waker: Option<Waker>) -> Found<T> {
        let mut state = self.0.lock();
        if state.ended {
            Found::Ended(state.value.take())
        } else {
            Found::Waits(waker.and_then(|waker| state.receiver.replace(waker)))
        }
    }

    /// The receiver leaves its waker and takes nothing. The waker that this returns is for the caller to drop, outside
    /// every borrow: the one that was there before.
    ///
    /// # Errors
    /// The waker comes back when the sender has ended.
    pub(crate) fn wait(&self, waker: Waker) -> Result<Option<Waker>, Waker> {
        let mut state = self.0.lock();
        if state.ended { Err(waker) } else { Ok(state.receiver.replace(waker)) }
    }

    /// The sender leaves a waker, to be woken when the receiver goes; with `None` it takes its waker back. The waker
    /// that this returns is for the caller to drop, outside every borrow.
    pub(crate) fn watch(&self, waker: Option<Waker>) -> Option<Waker> {
        let mut state = self.0.lock();
        if state.ended { waker } else { std::mem::replace(&mut state.sender, waker) }
    }

    /// The receiver goes.
    pub(crate) fn abandon(&self) -> Abandoned<T> {
        let mut state = self.0.lock();
        state.ended = true;
        Abandoned { left: (state.value.take(), state.receiver.take()), sender: state.sender.take() }
    }
}

impl<T, R: Reach> Clone for Transfer<T, R> {
    fn clone(&self) -> Transfer<T, R> {
        Transfer(self.0.clone())
    }
}

impl<T, R: Reach> fmt::Debug for Transfer<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transfer")
    }
}
