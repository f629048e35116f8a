//! A channel for one value: the answer to a request. Both ends may be on other threads, unless they are [`local`].
//!
//! Read before: `transfer.rs`.

use crate::At;
use crate::circle::budget;
use crate::circle::context;
use crate::circle::ready::Wait;
use crate::circle::wake::wake_one;
use crate::parts::share::{Anywhere, Local, Reach};
use crate::parts::transfer::{Found, Transfer};
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// A channel for one value; tokio's `oneshot`. In asyncio, a `Future` that one task awaits and another one sets.
///
/// ```
/// use runtime::{block_on, spawn, sync::oneshot};
/// block_on(async {
///     let (sender, receiver) = oneshot::channel();
///     drop(spawn(async move { sender.send("pong") }));
///     assert_eq!(receiver.await, Ok("pong"));
/// });
/// ```
#[inline]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    pair()
}

/// A channel for one value whose ends stay on this thread. It is like [`channel`], but has no lock and no atomics. The
/// ends are not `Send`.
///
/// ```
/// use runtime::{block_on, spawn, sync::oneshot};
/// block_on(async {
///     let (sender, receiver) = oneshot::local();
///     drop(spawn(async move { sender.send(std::rc::Rc::new("pong")) }));
///     assert_eq!(*receiver.await.unwrap(), "pong");
/// });
/// ```
///
/// ```compile_fail
/// let (sender, receiver) = runtime::sync::oneshot::local::<i32>();
/// std::thread::spawn(move || sender.send(1)); // it stays here
/// ```
#[inline]
pub fn local<T>() -> (Sender<T, Local>, Receiver<T, Local>) {
    pair()
}

#[inline]
fn pair<T, R: Reach>() -> (Sender<T, R>, Receiver<T, R>) {
    let transfer = Transfer::new();
    (Sender { transfer: Some(transfer.clone()) }, Receiver { transfer: Some(transfer) })
}

/// The end that sends. `R` says where the ends may be.
///
/// ```
/// use runtime::sync::oneshot;
/// let (sender, receiver) = oneshot::channel();
/// assert!(!sender.is_closed());
/// drop(receiver);
/// assert!(sender.is_closed());
/// assert_eq!(sender.send("an answer that nobody waits for"), Err("an answer that nobody waits for"));
/// ```
pub struct Sender<T, R: Reach = Anywhere> {
    /// `None` once this end has sent its value.
    transfer: Option<Transfer<T, R>>,
}

impl<T, R: Reach> Sender<T, R> {
    /// Sends the value: tokio's `send`, asyncio's `set_result`.
    ///
    /// # Errors
    /// The value comes back when the receiver is gone.
    #[track_caller]
    pub fn send(mut self, value: T) -> Result<(), T> {
        self.end(Some(value), Some(At::here())).map_or(Ok(()), Err)
    }

    /// Whether the receiver is gone. Then nobody needs the value. tokio's `is_closed`.
    pub fn is_closed(&self) -> bool {
        self.transfer.as_ref().is_none_or(|transfer| transfer.has_ended())
    }

    /// Waits until the receiver is gone. Use it to stop work that nobody waits for any more. tokio's `closed`; in
    /// asyncio, a callback of a `Future` that was cancelled.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing: the value can still be sent.
    ///
    /// ```
    /// use runtime::{block_on, spawn, sync::oneshot};
    /// block_on(async {
    ///     let (mut sender, receiver) = oneshot::channel::<u32>();
    ///     let worker = spawn(async move { sender.closed().await });
    ///     drop(receiver);
    ///     worker.await.unwrap();
    /// });
    /// ```
    #[track_caller]
    pub fn closed(&mut self) -> impl Future<Output = ()> {
        Closed { sender: self, at: At::here() }
    }

    /// The poll function under [`closed`](Sender::closed), for hand-written futures. Only the latest waker is woken.
    /// tokio's `poll_closed`.
    pub fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_closed_at(None, cx)
    }

    fn poll_closed_at(&mut self, at: Option<At>, cx: &mut Context<'_>) -> Poll<()> {
        budget::spend(cx, |cx| self.poll_end(at, cx))
    }

    /// Asks whether the receiver is gone, and else leaves a waker. `_at` is where the program waits, for the trace.
    fn poll_end(&mut self, _at: Option<At>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(transfer) = &self.transfer else { return Poll::Ready(()) };
        // Cloned before the lock and dropped after it: both are foreign code.
        drop(transfer.watch(Some(cx.waker().clone())));
        if transfer.has_ended() {
            return Poll::Ready(());
        }
        context::with(|core| {
            trace!(below Waits { what: Wait::Channel, channel: transfer.mark(), side: "close" } at _at);
            core.note_wait(Wait::Channel);
        });
        Poll::Pending
    }

    /// Ends the sending, with a value or without one, and wakes the receiver. If that is gone, the value comes back.
    /// `_at` is where the program sends it, for the trace.
    fn end(&mut self, value: Option<T>, _at: Option<At>) -> Option<T> {
        let transfer = self.transfer.take()?;
        let _has_value = value.is_some();
        match transfer.end(value) {
            Ok(receiver) => {
                let _ended = trace!(scope @oneshot_ended(transfer.mark(), _has_value, _at));
                receiver.into_iter().for_each(wake_one);
                None
            }
            Err(value) => value,
        }
    }
}

impl<T, R: Reach> Drop for Sender<T, R> {
    fn drop(&mut self) {
        self.end(None, None);
    }
}

impl<T, R: Reach> fmt::Debug for Sender<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("closed", &self.is_closed()).finish()
    }
}

/// The future of [`Sender::closed`].
struct Closed<'a, T, R: Reach> {
    sender: &'a mut Sender<T, R>,
    /// Who waits, for the trace.
    at: At,
}

impl<T, R: Reach> Future for Closed<'_, T, R> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let at = self.at;
        self.sender.poll_closed_at(Some(at), cx)
    }
}

impl<T, R: Reach> Drop for Closed<'_, T, R> {
    fn drop(&mut self) {
        drop(self.sender.transfer.as_ref().map(|transfer| transfer.watch(None)));
    }
}

/// The end that receives: a future that gives the value. `R` says where the ends may be.
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
pub struct Receiver<T, R: Reach = Anywhere> {
    /// `None` once the value has been taken.
    transfer: Option<Transfer<T, R>>,
}

impl<T, R: Reach> Receiver<T, R> {
    /// The value, if it has been sent. tokio's `try_recv`, which has an error for "not yet".
    ///
    /// # Errors
    /// [`RecvError`] when the sender is gone and no value is left.
    #[track_caller]
    pub fn try_recv(&mut self) -> Result<Option<T>, RecvError> {
        match self.take_or_wait(None, Some(At::here())) {
            Poll::Ready(result) => result.map(Some),
            Poll::Pending => Ok(None),
        }
    }

    /// Takes the value if it is there, and else leaves a waker.
    fn take_or_wait(&mut self, waker: Option<Waker>, _at: Option<At>) -> Poll<Result<T, RecvError>> {
        let Some(transfer) = &self.transfer else { return Poll::Ready(Err(RecvError(()))) };
        match transfer.take_or_wait(waker) {
            Found::Waits(old) => {
                drop(old);
                Poll::Pending
            }
            Found::Ended(value) => {
                trace!(@channel_taken_if(value.is_some(), transfer.mark(), usize::MAX, 0, _at));
                self.transfer = None;
                Poll::Ready(value.ok_or(RecvError(())))
            }
        }
    }
}

impl<T, R: Reach> Future for Receiver<T, R> {
    type Output = Result<T, RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, RecvError>> {
        budget::spend(cx, |cx| {
            // Cloned before the lock and dropped after it: both are foreign code.
            let polled = self.take_or_wait(Some(cx.waker().clone()), None);
            if polled.is_pending() {
                context::with(|core| {
                    let _mark = self.transfer.as_ref().map(Transfer::mark).unwrap_or_default();
                    trace!(below Waits { what: Wait::Channel, channel: _mark, side: "receive" });
                    core.note_wait(Wait::Channel);
                });
            }
            polled
        })
    }
}

impl<T, R: Reach> Drop for Receiver<T, R> {
    fn drop(&mut self) {
        if let Some(transfer) = &self.transfer {
            let _closed = trace!(below scope @channel_closed(transfer.mark(), "receiver", transfer.has_ended()));
            let abandoned = transfer.abandon();
            abandoned.sender.into_iter().for_each(wake_one);
            drop(abandoned.left);
        }
    }
}

impl<T, R: Reach> fmt::Debug for Receiver<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}

// A value goes in or out in one move, so a panic never leaves an end half changed.
impl<T, R: Reach> Unpin for Sender<T, R> {}
impl<T, R: Reach> Unpin for Receiver<T, R> {}
impl<T, R: Reach> UnwindSafe for Sender<T, R> {}
impl<T, R: Reach> UnwindSafe for Receiver<T, R> {}
impl<T, R: Reach> RefUnwindSafe for Sender<T, R> {}
impl<T, R: Reach> RefUnwindSafe for Receiver<T, R> {}

/// The sender was dropped without sending, or the value has been taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecvError(());

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no value: the sender was dropped without sending one, or the value was taken before")
    }
}

impl std::error::Error for RecvError {}
