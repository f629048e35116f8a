//! Many senders, one receiver. The senders and the receiver may be on different threads, unless they are [`local`].
//!
//! ```text
//!   send, room left:   value --> queue                      --> receiver woken
//!   send, full:        task  --> line --(a value was taken: granted)--> value --> queue
//! ```
//!
//! Room that becomes free is granted to the first sender in line. From then on it counts as taken, so no later
//! sender gets it.
//!
//! Read before: `share.rs`, `line.rs`.

pub use crate::sync::errors::{SendError, TryRecvError, TrySendError};
pub use crate::sync::send::Send;

use crate::circle::budget;
use crate::circle::context;
use crate::circle::ready::Wait;
use crate::circle::wake::{wake_all, wake_one};
use crate::parts::line::{Line, Waiters};
use crate::parts::share::{Anywhere, Local, Reach, Shared};
use crate::parts::shrink::Shrink;
use crate::sync::send::Closed;
use crate::{At, ChannelMark};
use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::ops::DerefMut;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// A channel with room for `capacity` values; tokio's `mpsc::channel`, asyncio's `Queue(maxsize)`.
///
/// # Panics
/// With a capacity of zero.
///
/// ```
/// use runtime::{block_on, spawn, sync::mpsc};
/// block_on(async {
///     let (sender, mut receiver) = mpsc::channel(1);
///     drop(spawn(async move {
///         for n in 0..3 {
///             sender.send(n).await.unwrap();
///         }
///     }));
///     assert_eq!(receiver.recv().await, Some(0));
///     assert_eq!(receiver.recv().await, Some(1));
///     assert_eq!(receiver.recv().await, Some(2));
///     assert_eq!(receiver.recv().await, None);
/// });
/// ```
#[track_caller]
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    pair(capacity)
}

/// A channel with room for `capacity` values whose ends stay on this thread. It is like [`channel`], but has no lock
/// and no atomics. The ends are not `Send`. Between the tasks of one loop it is cheaper.
///
/// # Panics
/// With a capacity of zero.
///
/// ```
/// use runtime::{block_on, spawn, sync::mpsc};
/// use std::rc::Rc;
/// block_on(async {
///     let (sender, mut receiver) = mpsc::local(1);
///     drop(spawn(async move { sender.send(Rc::new("stays here")).await }));
///     assert_eq!(receiver.recv().await.as_deref(), Some(&"stays here"));
///     assert_eq!(receiver.recv().await, None);
/// });
/// ```
///
/// ```compile_fail
/// let (sender, receiver) = runtime::sync::mpsc::local::<i32>(1);
/// std::thread::spawn(move || sender.try_send(1)); // it stays here
/// ```
#[track_caller]
pub fn local<T>(capacity: usize) -> (Sender<T, Local>, Receiver<T, Local>) {
    pair(capacity)
}

#[track_caller]
fn pair<T, R: Reach>(capacity: usize) -> (Sender<T, R>, Receiver<T, R>) {
    assert!(capacity > 0, "a channel with room for nothing passes nothing on: give it a capacity of at least 1");
    let channel: R::Shared<State<T>> = new(capacity);
    (Sender { channel: channel.clone() }, Receiver { channel, taken: VecDeque::new() })
}

/// A channel that takes any number of values; tokio's `unbounded_channel`, asyncio's `Queue()`.
///
/// ```
/// use runtime::{block_on, sync::mpsc};
/// let (sender, mut receiver) = mpsc::unbounded();
/// std::thread::spawn(move || sender.send("from another thread").unwrap());
/// assert_eq!(block_on(receiver.recv()), Some("from another thread"));
/// ```
pub fn unbounded<T>() -> (UnboundedSender<T>, Receiver<T>) {
    let (sender, receiver) = pair(UNBOUNDED);
    (UnboundedSender { sender }, receiver)
}

/// The capacity of a channel that takes any number of values.
const UNBOUNDED: usize = usize::MAX;

/// What the ends share. It is locked for a few statements only, and no user code runs under the lock.
pub(super) struct State<T> {
    /// The values, in the order in which they were sent.
    pub(super) queue: VecDeque<T>,
    /// How many values may wait, those of granted senders included.
    pub(super) capacity: usize,
    /// How much room was granted to senders that have not used it yet, in values.
    pub(super) granted: usize,
    /// The waker of the receiver, while it waits for a value.
    pub(super) receiver: Option<Waker>,
    /// The senders that wait, of `line` and of `watchers`.
    pub(super) waiters: Waiters,
    /// The senders that wait for room, in the order in which they came.
    pub(super) line: Line,
    /// The senders that wait until the receiver is gone. Their entries are in `waiters`, too.
    pub(super) watchers: Line,
    /// How many senders there are.
    pub(super) senders: usize,
    /// The receiver is gone, or will take no more than what is in the queue.
    pub(super) closed: bool,
    /// Which channel, for the trace.
    pub(super) _mark: ChannelMark,
}

/// A channel with one sender.
fn new<T, S: Shared<State<T>>>(capacity: usize) -> S {
    S::new(State {
        queue: VecDeque::new(),
        capacity,
        granted: 0,
        receiver: None,
        waiters: Waiters::new(),
        line: Line::new(),
        watchers: Line::new(),
        senders: 1,
        closed: false,
        _mark: ChannelMark::new(),
    })
}

impl<T> State<T> {
    pub(super) fn has_room(&self) -> bool {
        self.line.is_empty() && self.queue.len() + self.granted < self.capacity
    }

    /// Grants free room for one value to the first in line.
    pub(super) fn grant(&mut self) -> Option<Waker> {
        if self.line.is_empty() || self.closed {
            return None;
        }
        self.granted += 1;
        self.waiters.call(&mut self.line)
    }
}

/// Puts a value into the queue and wakes the receiver.
/// `_at` is where the program sends it, for the trace.
pub(super) fn put<T>(mut state: impl DerefMut<Target = State<T>>, value: T, _at: At) {
    state.queue.push_back(value);
    let _sent = trace!(scope @channel_sent(state._mark, state.capacity, state.granted, Some(_at)));
    let receiver = state.receiver.take();
    drop(state);
    wake(receiver);
}

/// Wakes the task whose waker was taken out under the lock, if there is one.
pub(super) fn wake(waker: Option<Waker>) {
    waker.into_iter().for_each(wake_one);
}

/// The end that sends into a bounded channel. `R` says where the ends may be.
///
/// ```
/// use runtime::sync::mpsc::{self, TrySendError};
/// let (sender, receiver) = mpsc::channel(1);
/// assert_eq!(sender.try_send(1), Ok(()));
/// assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
/// drop(receiver);
/// assert!(sender.is_closed());
/// assert_eq!(sender.try_send(3), Err(TrySendError::Closed(3)));
/// ```
pub struct Sender<T, R: Reach = Anywhere> {
    pub(super) channel: R::Shared<State<T>>,
}

impl<T, R: Reach> Sender<T, R> {
    /// Sends a value, and waits for room first when the channel is full. Senders get room in the order in which
    /// they came. tokio's `send`, asyncio's `Queue.put`.
    ///
    /// # Errors
    /// The value comes back when the receiver is gone, or has closed the channel.
    ///
    /// # Cancel safety
    /// If it is dropped before it is done, the value was not sent, and is dropped with it.
    #[track_caller]
    pub fn send(&self, value: T) -> Send<'_, T, R> {
        Send::new(self, value, At::here())
    }

    /// Sends a value if there is room and nobody is in line: tokio's `try_send`, asyncio's `put_nowait`.
    ///
    /// # Errors
    /// The value comes back when the channel is full or closed, or when the receiver is gone.
    #[track_caller]
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        let state = self.channel.lock();
        if state.closed {
            return Err(TrySendError::Closed(value));
        }
        if !state.has_room() {
            return Err(TrySendError::Full(value));
        }
        put(state, value, At::here());
        Ok(())
    }

    /// Whether the receiver is gone, or has closed the channel.
    pub fn is_closed(&self) -> bool {
        self.channel.lock().closed
    }

    /// Waits until the receiver is gone, or has closed the channel. Use it to stop work whose results nobody will take.
    /// tokio's `closed`; asyncio has none.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    ///
    /// ```
    /// use runtime::{block_on, spawn, sync::mpsc};
    /// block_on(async {
    ///     let (sender, receiver) = mpsc::channel::<u32>(1);
    ///     let producer = spawn(async move { sender.closed().await });
    ///     drop(receiver);
    ///     producer.await.unwrap();
    /// });
    /// ```
    #[track_caller]
    pub fn closed(&self) -> impl Future<Output = ()> {
        Closed::new(self, At::here())
    }
}

impl<T, R: Reach> Clone for Sender<T, R> {
    fn clone(&self) -> Sender<T, R> {
        self.channel.lock().senders += 1;
        Sender { channel: self.channel.clone() }
    }
}

impl<T, R: Reach> fmt::Debug for Sender<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("closed", &self.is_closed()).finish()
    }
}

impl<T, R: Reach> Drop for Sender<T, R> {
    fn drop(&mut self) {
        let mut state = self.channel.lock();
        state.senders -= 1;
        if state.senders > 0 {
            return;
        }
        let receiver = state.receiver.take();
        let _closed = trace!(scope @channel_closed(state._mark, "sender", state.closed));
        drop(state);
        wake(receiver);
    }
}

/// The end that sends into an unbounded channel. It never waits, and may be on any thread. tokio's `UnboundedSender`;
/// for an example see [`unbounded`].
pub struct UnboundedSender<T> {
    sender: Sender<T>,
}

impl<T> UnboundedSender<T> {
    /// Sends a value.
    ///
    /// # Errors
    /// The value comes back when the receiver is gone, or has closed the channel.
    #[track_caller]
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        match self.sender.try_send(value) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(value) | TrySendError::Closed(value)) => Err(SendError(value)),
        }
    }

    /// Whether the receiver is gone, or has closed the channel.
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// See [`Sender::closed`].
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    #[track_caller]
    pub fn closed(&self) -> impl Future<Output = ()> {
        self.sender.closed()
    }
}

impl<T> fmt::Debug for UnboundedSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnboundedSender").field("closed", &self.is_closed()).finish()
    }
}

impl<T> Clone for UnboundedSender<T> {
    fn clone(&self) -> UnboundedSender<T> {
        UnboundedSender { sender: self.sender.clone() }
    }
}

/// The end that receives; tokio's `Receiver`. `R` says where the ends may be.
///
/// ```
/// use runtime::{block_on, sync::mpsc::{self, TryRecvError}};
/// use std::future::poll_fn;
///
/// let (sender, mut receiver) = mpsc::unbounded();
/// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
/// for n in 1..=3 {
///     sender.send(n).unwrap();
/// }
/// receiver.close();
/// assert!(sender.send(4).is_err());
/// assert_eq!(receiver.try_recv(), Ok(1));
/// assert_eq!(block_on(receiver.recv()), Some(2));
/// assert_eq!(block_on(poll_fn(|cx| receiver.poll_recv(cx))), Some(3));
/// assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
/// ```
pub struct Receiver<T, R: Reach = Anywhere> {
    channel: R::Shared<State<T>>,
    /// Only of an unbounded channel: the values that were taken out of the shared queue, all at once. So many values
    /// from another thread cost the loop one lock, and the two threads do not wait for each other at every value.
    taken: VecDeque<T>,
}

// Values are moved, never pinned.
impl<T, R: Reach> Unpin for Receiver<T, R> {}

// A panic does not leave an end half changed: a value goes in or out in one move.
impl<T, R: Reach> UnwindSafe for Sender<T, R> {}
impl<T, R: Reach> UnwindSafe for Receiver<T, R> {}
impl<T, R: Reach> RefUnwindSafe for Sender<T, R> {}
impl<T, R: Reach> RefUnwindSafe for Receiver<T, R> {}

impl<T, R: Reach> Receiver<T, R> {
    /// Waits for the next value. Gives `None` when the queue is empty and no value will come: every sender is gone, or
    /// the channel was closed. tokio's `recv`, asyncio's `Queue.get`.
    ///
    /// # Cancel safety
    /// Dropping it loses no value.
    #[track_caller]
    pub fn recv(&mut self) -> impl Future<Output = Option<T>> {
        Recv { receiver: self, at: At::here() }
    }

    /// The poll function under [`recv`](Receiver::recv), for hand-written futures and streams.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.poll_at(None, cx)
    }

    #[inline]
    fn poll_at(&mut self, _at: Option<At>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        budget::spend(cx, |cx| {
            // Cloned before the lock and dropped after it: both are foreign code. To lock twice, and to clone only when
            // nothing is there, costs more where tasks wait for each other.
            let polled = self.take_or_wait(Some(cx.waker().clone()), _at);
            if polled.is_pending() {
                self.note_wait(_at);
            }
            polled
        })
    }

    /// A function of its own, so that `poll_at` is short and the compiler can put it into the task.
    #[cold]
    fn note_wait(&self, _at: Option<At>) {
        context::with(|core| {
            trace!(below Waits { what: Wait::Channel, channel: self.channel.lock()._mark, side: "receive" } at _at);
            core.note_wait(Wait::Channel);
        });
    }

    /// The next value, if one is there: tokio's `try_recv`, asyncio's `get_nowait`.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`] when none is there yet, [`TryRecvError::Disconnected`] when none will come.
    #[track_caller]
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        match self.take_or_wait(None, Some(At::here())) {
            Poll::Ready(value) => value.ok_or(TryRecvError::Disconnected),
            Poll::Pending => Err(TryRecvError::Empty),
        }
    }

    /// Takes the next value if one is there, and else leaves a waker.
    fn take_or_wait(&mut self, waker: Option<Waker>, _at: Option<At>) -> Poll<Option<T>> {
        if let Some(value) = self.taken.pop_front() {
            trace!(@channel_taken(self.channel.lock()._mark, UNBOUNDED, 0, _at));
            self.taken.give_back();
            return Poll::Ready(Some(value));
        }
        let mut guard = self.channel.lock();
        let state = &mut *guard;
        if state.queue.is_empty() && state.senders > 0 && !state.closed {
            let old = waker.and_then(|waker| state.receiver.replace(waker));
            drop(guard);
            drop(old);
            return Poll::Pending;
        }
        if state.capacity == UNBOUNDED {
            mem::swap(&mut state.queue, &mut self.taken);
            let value = self.taken.pop_front();
            trace!(@channel_taken_if(value.is_some(), state._mark, UNBOUNDED, 0, _at));
            drop(guard);
            return Poll::Ready(value);
        }
        let granted = if state.queue.is_empty() { None } else { state.grant() };
        let value = state.queue.pop_front();
        let _taken = trace!(scope @channel_taken_if(value.is_some(), state._mark, state.capacity, state.granted, _at));
        state.queue.give_back();
        drop(guard);
        wake(granted);
        Poll::Ready(value)
    }

    /// How many values can be received without waiting. tokio's `len`, asyncio's `Queue.qsize`.
    ///
    /// ```
    /// let (sender, mut receiver) = runtime::sync::mpsc::unbounded();
    /// assert!(receiver.is_empty());
    /// sender.send(1).unwrap();
    /// sender.send(2).unwrap();
    /// assert_eq!(receiver.len(), 2);
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// assert_eq!(receiver.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.taken.len() + self.channel.lock().queue.len()
    }

    /// Whether no value can be received without waiting. tokio's `is_empty`, asyncio's `Queue.empty`.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether no further value will be sent: every sender is gone, or this end has closed the channel. What was sent
    /// before can still be received. tokio's `is_closed`.
    ///
    /// ```
    /// let (sender, receiver) = runtime::sync::mpsc::unbounded::<u32>();
    /// assert!(!receiver.is_closed());
    /// drop(sender);
    /// assert!(receiver.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        let state = self.channel.lock();
        state.closed || state.senders == 0
    }

    /// Closes the channel: from now on senders fail. What is in the queue can still be received. tokio's `close`,
    /// asyncio's `Queue.shutdown`.
    pub fn close(&mut self) {
        drop(self.shut());
    }

    /// Closes the channel and wakes everybody in line. Gives the receiver's own waker, for the caller to drop.
    fn shut(&mut self) -> Option<Waker> {
        let mut called = Vec::new();
        let mut guard = self.channel.lock();
        let state = &mut *guard;
        let reason = trace!(below reason @channel_closed(state._mark, "receiver", state.closed));
        state.closed = true;
        state.waiters.call_all(&mut state.line, reason, &mut called);
        state.waiters.call_all(&mut state.watchers, reason, &mut called);
        let own = state.receiver.take();
        drop(guard);
        wake_all(&mut called);
        own
    }
}

/// The future of [`Receiver::recv`]. With `poll_fn` it would be shorter, and its poll one call more: the compiler puts this
/// one into the task.
struct Recv<'a, T, R: Reach> {
    receiver: &'a mut Receiver<T, R>,
    /// Who receives, for the trace.
    at: At,
}

impl<T, R: Reach> Future for Recv<'_, T, R> {
    type Output = Option<T>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let at = self.at;
        self.receiver.poll_at(Some(at), cx)
    }
}

impl<T, R: Reach> Drop for Receiver<T, R> {
    fn drop(&mut self) {
        let own = self.shut();
        let values = mem::take(&mut self.channel.lock().queue);
        drop((own, mem::take(&mut self.taken), values));
    }
}

impl<T, R: Reach> fmt::Debug for Receiver<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}
