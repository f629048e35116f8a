//! The two futures of a channel's sender: [`Send`] waits for room, `Closed` waits until the receiver is gone.
//!
//! Read before: `mpsc.rs`.

use crate::At;
use crate::circle::budget;
use crate::circle::context;
use crate::circle::ready::Wait;
use crate::parts::line::WaiterKey;
use crate::parts::share::{Anywhere, Reach, Shared};
use crate::sync::errors::SendError;
use crate::sync::mpsc::{Sender, put, wake};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The future of [`Sender::send`].
#[must_use = "futures do nothing unless awaited"]
pub struct Send<'a, T, R: Reach = Anywhere> {
    sender: &'a Sender<T, R>,
    /// The value, until it is in the queue or has come back.
    value: Option<T>,
    /// Its waiter, while it is in line or granted.
    waiter: Option<WaiterKey>,
    /// Who sends, for the trace.
    _at: At,
}

impl<'a, T, R: Reach> Send<'a, T, R> {
    pub(super) fn new(sender: &'a Sender<T, R>, value: T, at: At) -> Send<'a, T, R> {
        Send { sender, value: Some(value), waiter: None, _at: at }
    }
}

// The value is moved, never pinned.
impl<T, R: Reach> Unpin for Send<'_, T, R> {}

impl<T, R: Reach> Future for Send<'_, T, R> {
    type Output = Result<(), SendError<T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError<T>>> {
        budget::spend(cx, |cx| self.poll_send(cx))
    }
}

impl<T, R: Reach> Send<'_, T, R> {
    /// Sends if there is room, or if room was granted. Else waits in line.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError<T>>> {
        let this = &mut *self;
        let value = this.value.take().expect("a Send was polled after it was done: call send again for the next value");
        let fresh = cx.waker().clone();
        let mut guard = this.sender.channel.lock();
        let state = &mut *guard;
        if state.closed {
            let waker = this.waiter.take().map(|waiter| state.waiters.leave(&mut state.line, waiter));
            drop(guard);
            drop(waker);
            return Poll::Ready(Err(SendError(value)));
        }
        let may_send = if let Some(waiter) = this.waiter.take_if(|waiter| state.waiters.is_called(*waiter)) {
            state.waiters.leave(&mut state.line, waiter);
            state.granted -= 1;
            true
        } else {
            this.waiter.is_none() && state.has_room()
        };
        if may_send {
            put(guard, value, this._at);
            return Poll::Ready(Ok(()));
        }
        let old = state.waiters.wait(&mut state.line, &mut this.waiter, fresh);
        context::with(|core| {
            trace!(below Waits { what: Wait::Channel, channel: state._mark, side: "send" } at this._at);
            core.note_wait(Wait::Channel);
        });
        drop(guard);
        drop(old);
        this.value = Some(value);
        Poll::Pending
    }
}

impl<T, R: Reach> fmt::Debug for Send<'_, T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Send").field("done", &self.value.is_none()).finish_non_exhaustive()
    }
}

impl<T, R: Reach> Drop for Send<'_, T, R> {
    fn drop(&mut self) {
        let Some(waiter) = self.waiter else { return };
        let mut guard = self.sender.channel.lock();
        let state = &mut *guard;
        let was_granted = state.waiters.is_called(waiter);
        let _left = trace!(below scope ChannelLeft { channel: state._mark, ahead: (&state.waiters, waiter) });
        let own = state.waiters.leave(&mut state.line, waiter);
        let mut next = None;
        // When a channel is closed, all waiters are called, but no room is granted.
        if was_granted && !state.closed {
            state.granted -= 1;
            next = state.grant();
        }
        drop(guard);
        drop(own);
        wake(next);
    }
}

/// The future of [`Sender::closed`].
pub(super) struct Closed<'a, T, R: Reach> {
    sender: &'a Sender<T, R>,
    /// Its waiter, from the first poll that had to wait.
    waiter: Option<WaiterKey>,
    /// Who waits, for the trace.
    _at: At,
}

impl<'a, T, R: Reach> Closed<'a, T, R> {
    pub(super) fn new(sender: &'a Sender<T, R>, at: At) -> Closed<'a, T, R> {
        Closed { sender, waiter: None, _at: at }
    }
}

impl<T, R: Reach> Future for Closed<'_, T, R> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        budget::spend(cx, |cx| self.poll_closed(cx))
    }
}

impl<T, R: Reach> Closed<'_, T, R> {
    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let fresh = cx.waker().clone();
        let mut guard = this.sender.channel.lock();
        let state = &mut *guard;
        if state.closed {
            return Poll::Ready(());
        }
        let old = state.waiters.wait(&mut state.watchers, &mut this.waiter, fresh);
        context::with(|core| {
            trace!(below Waits { what: Wait::Channel, channel: state._mark, side: "close" } at this._at);
            core.note_wait(Wait::Channel);
        });
        drop(guard);
        drop(old);
        Poll::Pending
    }
}

impl<T, R: Reach> Drop for Closed<'_, T, R> {
    fn drop(&mut self) {
        let Some(waiter) = self.waiter else { return };
        let mut guard = self.sender.channel.lock();
        let state = &mut *guard;
        let own = state.waiters.leave(&mut state.watchers, waiter);
        drop(guard);
        drop(own);
    }
}
