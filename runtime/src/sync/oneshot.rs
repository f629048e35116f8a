//! A channel for one value: the answer to a request. Both ends may travel to other threads.

use crate::circle::context;
use crate::circle::ready::Wait;
use crate::circle::wake::wake_one;
use crate::parts::transfer::{Found, Transfer};
use std::fmt;
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
    let transfer = Arc::new(Transfer::new());
    (Sender { transfer: Some(Arc::clone(&transfer)) }, Receiver { transfer: Some(transfer) })
}

/// The end that sends.
///
/// ```
/// use runtime::sync::oneshot;
/// let (sender, receiver) = oneshot::channel();
/// assert!(!sender.is_closed());
/// drop(receiver);
/// assert!(sender.is_closed());
/// assert_eq!(sender.send("an answer that nobody waits for"), Err("an answer that nobody waits for"));
/// ```
#[derive(Debug)]
pub struct Sender<T> {
    /// Until this end has done its part.
    transfer: Option<Arc<Transfer<T>>>,
}

impl<T> Sender<T> {
    /// Sends the value: tokio's `send`, asyncio's `set_result`.
    ///
    /// # Errors
    /// The value comes back when the receiver is gone.
    pub fn send(mut self, value: T) -> Result<(), T> {
        self.end(Some(value)).map_or(Ok(()), Err)
    }

    /// Whether the receiver is gone: what nobody waits for need not be worked out. tokio's `is_closed`.
    pub fn is_closed(&self) -> bool {
        self.transfer.as_ref().is_none_or(|transfer| transfer.has_ended())
    }

    /// Ends this end, with the value or without one, and wakes the receiver. A value that nobody will take comes back.
    fn end(&mut self, value: Option<T>) -> Option<T> {
        let transfer = self.transfer.take()?;
        let _has_value = value.is_some();
        match transfer.end(value) {
            Ok(receiver) => {
                let _ended = trace!(scope @oneshot_ended(&transfer._mark, _has_value));
                receiver.into_iter().for_each(wake_one);
                None
            }
            Err(value) => value,
        }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.end(None);
    }
}

/// The end that waits: a future of the value.
///
/// # Errors
/// [`RecvError`] when the sender was dropped without a value, and when the value has been taken.
///
/// # Cancel safety
/// A `&mut Receiver` in a `timeout` loses nothing when it is dropped.
///
/// ```
/// use runtime::sync::oneshot;
/// let (sender, mut receiver) = oneshot::channel();
/// assert_eq!(receiver.try_recv(), Ok(None));
/// sender.send("here").unwrap();
/// assert_eq!(receiver.try_recv(), Ok(Some("here")));
/// assert!(receiver.try_recv().is_err()); // it has been taken
/// ```
#[must_use = "futures do nothing unless awaited"]
#[derive(Debug)]
pub struct Receiver<T> {
    /// Until the value has been taken.
    transfer: Option<Arc<Transfer<T>>>,
}

impl<T> Receiver<T> {
    /// The value, if it has been sent. tokio's `try_recv`, which has an error for "not yet".
    ///
    /// # Errors
    /// [`RecvError`] when the sender is gone and no value is left.
    pub fn try_recv(&mut self) -> Result<Option<T>, RecvError> {
        match self.take_or_wait(None) {
            Poll::Ready(result) => result.map(Some),
            Poll::Pending => Ok(None),
        }
    }

    /// Takes the value if it is there, and else leaves a waker.
    fn take_or_wait(&mut self, waker: Option<Waker>) -> Poll<Result<T, RecvError>> {
        let Some(transfer) = &self.transfer else { return Poll::Ready(Err(RecvError(()))) };
        match transfer.take_or_wait(waker) {
            Found::Waits(old) => {
                drop(old);
                Poll::Pending
            }
            Found::Ended(value) => {
                trace!(@channel_taken_if(value.is_some(), &transfer._mark, usize::MAX, 0));
                self.transfer = None;
                Poll::Ready(value.ok_or(RecvError(())))
            }
        }
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, RecvError>> {
        // Cloned before the lock and dropped after it: both are foreign code.
        let polled = self.take_or_wait(Some(cx.waker().clone()));
        if polled.is_pending() {
            context::with(|core| {
                trace!(Waits {
                    what: Wait::Channel,
                    channel: self.transfer.as_ref().map(|transfer| &transfer._mark),
                    side: "receive"
                });
                core.note_wait(Wait::Channel);
            });
        }
        polled
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        if let Some(transfer) = &self.transfer {
            trace!(@channel_closed(&transfer._mark, "receiver", transfer.has_ended()));
            drop(transfer.abandon());
        }
    }
}

/// The sender was dropped without sending, or the value has been taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecvError(());

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no value: the sender was dropped without one, or it was taken before")
    }
}

impl std::error::Error for RecvError {}
