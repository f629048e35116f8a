//! A channel for one value: the answer to a request. Both ends may travel to other threads.

use crate::context;
use crate::lock::Lock;
use crate::report::Wait;
use crate::wake::wake_one;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// A channel for one value; tokio's `oneshot`, the bare use of asyncio's `Future`.
///
/// ```
/// use runtime::{block_on, spawn, sync::oneshot};
/// block_on(async {
///     let (sender, receiver) = oneshot::channel();
///     drop(spawn(async move { sender.send("pong") }));
///     assert_eq!(receiver.await, Ok("pong"));
/// });
/// ```
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let channel = Arc::new(Lock::new(State { value: None, receiver: None, ended: false }));
    (Sender { channel: Arc::clone(&channel) }, Receiver { channel })
}

/// Locked for a few moves; no user code runs under it.
type Channel<T> = Arc<Lock<State<T>>>;

struct State<T> {
    /// The value, between the two ends.
    value: Option<T>,
    /// Who awaits it.
    receiver: Option<Waker>,
    /// One end is gone, or the value was sent.
    ended: bool,
}

/// The end that sends.
#[derive(Debug)]
pub struct Sender<T> {
    channel: Channel<T>,
}

impl<T> Sender<T> {
    /// Sends the value.
    ///
    /// # Errors
    /// The value comes back when the receiver is gone.
    pub fn send(self, value: T) -> Result<(), T> {
        let mut state = self.channel.lock();
        if state.ended {
            return Err(value);
        }
        state.value = Some(value);
        drop(state);
        // The end of `self` wakes the receiver.
        Ok(())
    }

    /// Whether the receiver is gone.
    pub fn is_closed(&self) -> bool {
        self.channel.lock().ended
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = self.channel.lock();
        state.ended = true;
        let receiver = state.receiver.take();
        drop(state);
        receiver.into_iter().for_each(wake_one);
    }
}

/// The end that waits: a future of the value.
///
/// # Errors
/// [`RecvError`] when the sender was dropped without a value.
///
/// # Cancel safety
/// A `&mut Receiver` in a `timeout` loses nothing when it is dropped.
#[must_use = "futures do nothing unless awaited"]
#[derive(Debug)]
pub struct Receiver<T> {
    channel: Channel<T>,
}

impl<T> Receiver<T> {
    /// The value, if it has been sent.
    ///
    /// # Errors
    /// [`RecvError`] when the sender is gone and no value is left.
    pub fn try_recv(&mut self) -> Result<Option<T>, RecvError> {
        let mut state = self.channel.lock();
        match state.value.take() {
            None if state.ended => Err(RecvError(())),
            value => Ok(value),
        }
    }
}

impl<T> Receiver<T> {
    /// Whether the value has been sent, or never will be.
    pub(crate) fn has_ended(&self) -> bool {
        self.channel.lock().ended
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, RecvError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, RecvError>> {
        // Cloned before the lock and dropped after it: both are foreign code.
        let fresh = cx.waker().clone();
        let mut state = self.channel.lock();
        if let Some(value) = state.value.take() {
            return Poll::Ready(Ok(value));
        }
        if state.ended {
            return Poll::Ready(Err(RecvError(())));
        }
        let old = state.receiver.replace(fresh);
        drop(state);
        drop(old);
        context::with(|core| core.note_wait(Wait::Channel));
        Poll::Pending
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = self.channel.lock();
        state.ended = true;
        let left = (state.value.take(), state.receiver.take());
        drop(state);
        drop(left);
    }
}

/// The sender was dropped without sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecvError(());

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the sender was dropped without sending a value")
    }
}

impl std::error::Error for RecvError {}
