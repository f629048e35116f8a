//! Many senders, one receiver. The senders may live on other threads; the receiver may travel, too.
//!
//! ```text
//!   send, room left:   value --> queue                      --> receiver woken
//!   send, full:        task  --> line --(a value was taken: granted)--> value --> queue
//! ```
//!
//! A place that comes free is granted to the first in line and counted as taken, so no later sender gets it.

pub use crate::sync::errors::{SendError, TryRecvError, TrySendError};

use crate::circle::context;
use crate::circle::ready::Wait;
use crate::circle::wake::{wake_all, wake_one};
use crate::parts::line::{Line, WaiterKey, Waiters};
use crate::parts::lock::Lock;
use crate::{At, ChannelMark};
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, MutexGuard};
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
    assert!(capacity > 0, "a channel with room for nothing passes nothing on: give it a capacity of at least 1");
    let channel = new(capacity);
    (Sender { channel: Arc::clone(&channel) }, Receiver::new(channel))
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
    let channel = new(UNBOUNDED);
    (UnboundedSender { sender: Sender { channel: Arc::clone(&channel) } }, Receiver::new(channel))
}

/// The capacity of a channel that takes any number of values.
const UNBOUNDED: usize = usize::MAX;

/// Locked for a few moves; no user code runs under it.
type Channel<T> = Arc<Lock<State<T>>>;

struct State<T> {
    /// The values, in the order in which they were sent.
    queue: VecDeque<T>,
    /// How many values may wait, those of granted senders included.
    capacity: usize,
    /// Places that were promised to senders that have not been polled since.
    granted: usize,
    /// Who waits for a value.
    receiver: Option<Waker>,
    /// Who waits for a place.
    waiters: Waiters,
    line: Line,
    /// How many senders there are.
    senders: usize,
    /// The receiver is gone, or will take no more than what is in the queue.
    closed: bool,
    /// Which channel, for the trace.
    _mark: ChannelMark,
}

/// A channel with one sender.
fn new<T>(capacity: usize) -> Channel<T> {
    Arc::new(Lock::new(State {
        queue: VecDeque::new(),
        capacity,
        granted: 0,
        receiver: None,
        waiters: Waiters::new(),
        line: Line::new(),
        senders: 1,
        closed: false,
        _mark: ChannelMark::new(),
    }))
}

impl<T> State<T> {
    fn has_room(&self) -> bool {
        self.line.is_empty() && self.queue.len() + self.granted < self.capacity
    }

    /// Grants a free place to the first in line.
    fn grant(&mut self) -> Option<Waker> {
        if self.line.is_empty() || self.closed {
            return None;
        }
        self.granted += 1;
        self.waiters.call(&mut self.line)
    }
}

/// Puts a value into the queue and wakes the receiver.
fn put<T>(mut state: MutexGuard<'_, State<T>>, value: T) {
    state.queue.push_back(value);
    let receiver = state.receiver.take();
    let _sent = trace!(scope @channel_sent(&state._mark, state.capacity, state.granted));
    drop(state);
    wake(receiver);
}

/// Wakes whoever a locked section left to be woken.
fn wake(waker: Option<Waker>) {
    waker.into_iter().for_each(wake_one);
}

/// The end that sends into a bounded channel.
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
#[derive(Debug)]
pub struct Sender<T> {
    channel: Channel<T>,
}

impl<T> Sender<T> {
    /// Sends a value, and waits for room first when the channel is full. Senders get their places in the order in which
    /// they came. tokio's `send`, asyncio's `Queue.put`.
    ///
    /// # Errors
    /// The value comes back when the receiver is gone, or has closed the channel.
    ///
    /// # Cancel safety
    /// Dropped before it is done, it has not sent, and the value is lost with it.
    #[track_caller]
    pub fn send(&self, value: T) -> Send<'_, T> {
        Send { sender: self, value: Some(value), waiter: None, _at: At::here() }
    }

    /// Sends a value if there is room and nobody is in line: tokio's `try_send`, asyncio's `put_nowait`.
    ///
    /// # Errors
    /// The value comes back when the channel is full or closed, or the receiver gone.
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        let state = self.channel.lock();
        if state.closed {
            return Err(TrySendError::Closed(value));
        }
        if !state.has_room() {
            return Err(TrySendError::Full(value));
        }
        put(state, value);
        Ok(())
    }

    /// Whether the receiver is gone, or has closed the channel.
    pub fn is_closed(&self) -> bool {
        self.channel.lock().closed
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Sender<T> {
        self.channel.lock().senders += 1;
        Sender { channel: Arc::clone(&self.channel) }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = self.channel.lock();
        state.senders -= 1;
        if state.senders > 0 {
            return;
        }
        let receiver = state.receiver.take();
        let _closed = trace!(scope @channel_closed(&state._mark, "sender", state.closed));
        drop(state);
        wake(receiver);
    }
}

/// The future of [`Sender::send`].
#[must_use = "futures do nothing unless awaited"]
#[derive(Debug)]
pub struct Send<'a, T> {
    sender: &'a Sender<T>,
    /// The value, until it is in the queue or has come back.
    value: Option<T>,
    /// Its waiter, while it is in line or granted.
    waiter: Option<WaiterKey>,
    /// Who sends, for the trace.
    _at: At,
}

// The value is moved about, never pinned.
impl<T> Unpin for Send<'_, T> {}

impl<T> Future for Send<'_, T> {
    type Output = Result<(), SendError<T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError<T>>> {
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
            put(guard, value);
            return Poll::Ready(Ok(()));
        }
        let old = state.waiters.wait(&mut state.line, &mut this.waiter, fresh);
        context::with(|core| {
            trace!(Waits { what: Wait::Channel, channel: Some(&state._mark), side: "send" } at this._at);
            core.note_wait(Wait::Channel);
        });
        drop(guard);
        drop(old);
        this.value = Some(value);
        Poll::Pending
    }
}

impl<T> Drop for Send<'_, T> {
    fn drop(&mut self) {
        let Some(waiter) = self.waiter else { return };
        let mut guard = self.sender.channel.lock();
        let state = &mut *guard;
        let was_granted = state.waiters.is_called(waiter);
        let own = state.waiters.leave(&mut state.line, waiter);
        let _left = trace!(scope ChannelLeft { channel: &state._mark });
        let mut next = None;
        // A closed channel calls everybody and grants nothing.
        if was_granted && !state.closed {
            state.granted -= 1;
            next = state.grant();
        }
        drop(guard);
        drop(own);
        wake(next);
    }
}

/// The end that sends into an unbounded channel: at once, and from anywhere. tokio's `UnboundedSender`; for an example
/// see [`unbounded`].
#[derive(Debug)]
pub struct UnboundedSender<T> {
    sender: Sender<T>,
}

impl<T> UnboundedSender<T> {
    /// Sends a value.
    ///
    /// # Errors
    /// The value comes back when the receiver is gone, or has closed the channel.
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        self.sender.try_send(value).map_err(|error| match error {
            TrySendError::Full(value) | TrySendError::Closed(value) => SendError(value),
        })
    }

    /// Whether the receiver is gone, or has closed the channel.
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

impl<T> Clone for UnboundedSender<T> {
    fn clone(&self) -> UnboundedSender<T> {
        UnboundedSender { sender: self.sender.clone() }
    }
}

/// The end that receives; tokio's `Receiver`.
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
pub struct Receiver<T> {
    channel: Channel<T>,
    /// What was in the queue of an unbounded channel when it was last taken from there: a flood from another thread costs the loop one
    /// lock for many values, and does not make the two threads wait for each other at each.
    taken: VecDeque<T>,
}

// Values are moved about, never pinned.
impl<T> Unpin for Receiver<T> {}

impl<T> Receiver<T> {
    fn new(channel: Channel<T>) -> Receiver<T> {
        Receiver { channel, taken: VecDeque::new() }
    }

    /// Waits for the next value; `None` when the queue is empty and every sender is gone, or the channel was
    /// closed. tokio's `recv`, asyncio's `Queue.get`.
    ///
    /// # Cancel safety
    /// Dropping it loses no value.
    #[track_caller]
    pub fn recv(&mut self) -> impl Future<Output = Option<T>> {
        let at = At::here();
        poll_fn(move |cx| self.poll_at(Some(at), cx))
    }

    /// The poll function under [`recv`](Receiver::recv), for hand-written futures and streams.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.poll_at(None, cx)
    }

    fn poll_at(&mut self, _at: Option<At>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        // Cloned before the lock and dropped after it: both are foreign code.
        let polled = self.take_or_wait(Some(cx.waker().clone()));
        if polled.is_pending() {
            context::with(|core| {
                trace!(Waits { what: Wait::Channel, channel: Some(&self.channel.lock()._mark), side: "receive" } at _at);
                core.note_wait(Wait::Channel);
            });
        }
        polled
    }

    /// The next value, if one is there: tokio's `try_recv`, asyncio's `get_nowait`.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`] when none is there yet, [`TryRecvError::Disconnected`] when none will come.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        match self.take_or_wait(None) {
            Poll::Ready(value) => value.ok_or(TryRecvError::Disconnected),
            Poll::Pending => Err(TryRecvError::Empty),
        }
    }

    /// Takes the next value if one is there, and else leaves a waker.
    fn take_or_wait(&mut self, waker: Option<Waker>) -> Poll<Option<T>> {
        if let Some(value) = self.taken.pop_front() {
            trace!(@channel_taken(&self.channel.lock()._mark, UNBOUNDED, 0));
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
            trace!(@channel_taken_if(value.is_some(), &state._mark, UNBOUNDED, 0));
            drop(guard);
            return Poll::Ready(value);
        }
        let value = state.queue.pop_front();
        let granted = value.as_ref().and_then(|_| state.grant());
        let _taken = trace!(scope @channel_taken_if(value.is_some(), &state._mark, state.capacity, state.granted));
        drop(guard);
        wake(granted);
        Poll::Ready(value)
    }

    /// Takes no further values: senders fail from now on, what is in the queue can still be received. tokio's `close`,
    /// asyncio's `Queue.shutdown`.
    pub fn close(&mut self) {
        drop(self.shut());
    }

    /// Closes the channel and wakes everybody in line. Gives the receiver's own waker, to be dropped.
    fn shut(&mut self) -> Option<Waker> {
        let mut called = Vec::new();
        let mut guard = self.channel.lock();
        let state = &mut *guard;
        let reason = trace!(reason @channel_closed(&state._mark, "receiver", state.closed));
        state.closed = true;
        state.waiters.call_all(&mut state.line, reason, &mut called);
        let own = state.receiver.take();
        drop(guard);
        wake_all(&mut called);
        own
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let own = self.shut();
        let values = mem::take(&mut self.channel.lock().queue);
        drop((own, mem::take(&mut self.taken), values));
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}
