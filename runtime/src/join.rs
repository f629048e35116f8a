//! Join: the place where a task's result waits for whoever holds the handle, and how that one is woken.
//!
//! ```text
//!            settle: the task has ended                     poll: taken
//!   open -----------------------------------> settled ------------------------> empty
//!     |  poll: the joiner leaves its waker        |
//!     +-- (waker) <-------------------------------+ wakes it
//! ```
//!
//! The place is a [`JoinCell`] in the task's own allocation, or for a blocking job in one of its own: plain cells, for
//! both sides are on the loop's thread. Only what another thread spawned has its result sent through a channel.

use crate::context;
use crate::remote::Remote;
use crate::report::Wait;
use crate::sync::oneshot::Receiver;
use crate::task::{Id, Task};
use crate::wake::{self, Ticket};
use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// What a handle says that is polled once too often.
const TAKEN: &str = "a JoinHandle was polled after it had given its result: await it once, and keep what it gives";

/// Awaits the end of a task and gives its result; tokio's `JoinHandle`, asyncio's `Task`.
///
/// Dropping it detaches the task, which runs on. It stays on its thread; what may travel is its [`AbortHandle`].
///
/// # Errors
/// Awaiting it gives a [`JoinError`] when the task was aborted, panicked, or was dropped with its runtime.
///
/// # Panics
/// When it is polled again after it gave the result.
///
/// # Cancel safety
/// A `&mut JoinHandle` in a `timeout` or a select loses nothing when it is dropped: the result stays here.
///
/// ```
/// runtime::block_on(async {
///     let (one, other) = (runtime::spawn(async { 1 }), runtime::spawn(std::future::pending::<()>()));
///     assert!(!one.is_finished() && one.id() != other.id());
///     assert_eq!(one.await.unwrap(), 1);
///     other.abort();
///     assert!(other.await.unwrap_err().is_cancelled());
/// });
/// ```
#[must_use = "dropping a JoinHandle detaches its task; say so with drop() if that is meant"]
pub struct JoinHandle<T> {
    /// Where the result arrives.
    place: Place<T>,
    /// Which task, for aborting it.
    target: Target,
}

/// Where a handle looks for the result.
enum Place<T> {
    /// Into a cell of this thread.
    Here(Rc<dyn Joinable<T>>),
    /// Into a channel from the thread of the loop.
    Elsewhere(Receiver<Result<T, JoinError>>),
}

/// What has a [`JoinCell`]: a [`Task`], whose future the handle must not know, or the bare cell of a blocking job.
pub(crate) trait Joinable<T> {
    fn cell(&self) -> &JoinCell<T>;
}

impl<F: Future<Output = T>, T> Joinable<T> for Task<F, JoinCell<T>> {
    fn cell(&self) -> &JoinCell<T> {
        &self.join
    }
}

impl<T> Joinable<T> for JoinCell<T> {
    fn cell(&self) -> &JoinCell<T> {
        self
    }
}

impl<T> JoinHandle<T> {
    /// For what the calling thread's loop runs, or has on its blocking pool.
    pub(crate) fn here(cell: Rc<dyn Joinable<T>>, target: Target) -> JoinHandle<T> {
        JoinHandle { place: Place::Here(cell), target }
    }

    /// For what was sent to another thread's loop.
    pub(crate) fn elsewhere(result: Receiver<Result<T, JoinError>>, target: Target) -> JoinHandle<T> {
        JoinHandle { place: Place::Elsewhere(result), target }
    }

    /// Asks the loop to drop the task's future before its next poll; the handle then says cancelled. It does nothing
    /// to a task that has ended. tokio's `abort`; unlike asyncio's `cancel`, nothing is raised inside the task: it
    /// cannot catch it.
    ///
    /// The future is dropped by the loop, never inside this call, so a task may abort itself.
    pub fn abort(&self) {
        self.target.abort();
    }

    /// Something that can abort the task from anywhere, whoever holds this handle; tokio's `abort_handle`.
    pub fn abort_handle(&self) -> AbortHandle {
        AbortHandle { target: self.target.clone() }
    }

    /// Whether the task has ended: its result is here, or was taken from here. asyncio's `done`, tokio's `is_finished`.
    pub fn is_finished(&self) -> bool {
        match &self.place {
            Place::Here(place) => place.cell().settled.get(),
            Place::Elsewhere(result) => result.has_ended(),
        }
    }

    /// The task's number; tokio's `id`.
    pub fn id(&self) -> Id {
        match &self.target {
            Target::Task(ticket, count) => Id::new(ticket.runtime(), *count),
            Target::Remote(remote) => remote.id,
        }
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = match &mut self.place {
            Place::Here(place) => place.cell().poll(cx),
            Place::Elsewhere(result) => {
                assert!(!result.is_taken(), "{TAKEN}");
                // A sender that is dropped without a result was dropped with its task, or with its runtime.
                Pin::new(result).poll(cx).map(|sent| sent.unwrap_or_else(|_| Err(JoinError::cancelled())))
            }
        };
        if polled.is_pending() {
            context::with(|core| core.note_wait(Wait::Join, None));
        }
        polled
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        if let Place::Here(place) = &self.place {
            // Nobody waits any more.
            drop(place.cell().joiner.take());
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("id", &self.id()).field("finished", &self.is_finished()).finish()
    }
}

/// Aborts a task, from any thread and without its [`JoinHandle`]; tokio's `AbortHandle`.
///
/// ```
/// runtime::block_on(async {
///     let task = runtime::spawn(std::future::pending::<()>());
///     let abort = task.abort_handle();
///     std::thread::spawn(move || abort.abort());
///     assert!(task.await.unwrap_err().is_cancelled());
/// });
/// ```
#[derive(Clone, Debug)]
pub struct AbortHandle {
    /// Which task.
    target: Target,
}

impl AbortHandle {
    /// See [`JoinHandle::abort`].
    pub fn abort(&self) {
        self.target.abort();
    }
}

/// What an abort is aimed at.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// A task, by its ticket and its whole number.
    Task(Ticket, u64),
    /// A blocking job, or a task that its loop may not have heard of yet.
    Remote(Arc<Remote>),
}

impl Target {
    fn abort(&self) {
        match self {
            Target::Task(ticket, count) => wake::abort(*ticket, *count),
            Target::Remote(remote) => remote.abort(),
        }
    }
}

/// What takes a task's result when it ends, and knows who waits for it.
pub(crate) trait Settle<T> {
    fn settle(&self, result: Result<T, JoinError>);

    /// The joiner, to be woken when every borrow has ended.
    fn take_joiner(&self) -> Option<Waker>;
}

/// The result's place for tasks of this thread: plain cells.
pub(crate) struct JoinCell<T> {
    /// The result, from the task's end until the handle takes it.
    result: Cell<Option<Result<T, JoinError>>>,
    /// Whether there has been a result.
    settled: Cell<bool>,
    /// Who awaits the handle.
    joiner: Cell<Option<Waker>>,
}

impl<T> JoinCell<T> {
    pub(crate) fn new() -> JoinCell<T> {
        JoinCell { result: Cell::new(None), settled: Cell::new(false), joiner: Cell::new(None) }
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<Result<T, JoinError>> {
        if !self.settled.get() {
            // The joiner first, the result second: to clone a waker and to drop one is foreign code, which may let the
            // task end.
            drop(self.joiner.replace(Some(cx.waker().clone())));
        }
        if let Some(result) = self.result.take() {
            return Poll::Ready(result);
        }
        assert!(!self.settled.get(), "{TAKEN}");
        Poll::Pending
    }
}

impl<T> Settle<T> for JoinCell<T> {
    fn settle(&self, result: Result<T, JoinError>) {
        self.result.set(Some(result));
        self.settled.set(true);
    }

    fn take_joiner(&self) -> Option<Waker> {
        self.joiner.take()
    }
}

/// Why a task has no result; tokio's `JoinError`. In asyncio awaiting the task raises what it raised, or
/// `CancelledError`.
///
/// ```
/// runtime::block_on(async {
///     let error = runtime::spawn(async { assert_eq!(1 + 1, 3, "arithmetic") }).await.unwrap_err();
///     assert!(error.is_panic() && !error.is_cancelled() && error.io_error().is_none());
///     let text = error.into_panic().downcast::<String>().unwrap();
///     assert!(text.contains("arithmetic"));
/// });
/// ```
pub struct JoinError {
    /// What happened.
    reason: Reason,
}

/// The ways in which a task ends without a value.
enum Reason {
    Cancelled,
    /// Behind a lock only so that the error is `Sync` and fits into other errors; boxed, to keep every result small.
    Panicked(Box<Mutex<Payload>>),
    NoThread(io::Error),
}

/// What a panic throws.
pub(crate) type Payload = Box<dyn Any + Send>;

impl JoinError {
    pub(crate) fn cancelled() -> JoinError {
        JoinError { reason: Reason::Cancelled }
    }

    pub(crate) fn panicked(payload: Payload) -> JoinError {
        JoinError { reason: Reason::Panicked(Box::new(Mutex::new(payload))) }
    }

    pub(crate) fn no_thread(error: io::Error) -> JoinError {
        JoinError { reason: Reason::NoThread(error) }
    }

    /// The task was aborted, or dropped with its runtime.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.reason, Reason::Cancelled)
    }

    /// The task panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self.reason, Reason::Panicked(_))
    }

    /// What the task panicked with, for [`std::panic::resume_unwind`].
    ///
    /// # Panics
    /// When it did not panic; ask [`is_panic`](JoinError::is_panic) first.
    #[track_caller]
    pub fn into_panic(self) -> Box<dyn Any + Send> {
        match self.reason {
            Reason::Panicked(payload) => payload.into_inner().unwrap_or_else(PoisonError::into_inner),
            _ => panic!("into_panic on a JoinError that is no panic ({self}): ask is_panic() first"),
        }
    }

    /// The system's error, when no thread could be started for a blocking job.
    pub fn io_error(&self) -> Option<&io::Error> {
        match &self.reason {
            Reason::NoThread(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Reason::Cancelled => f.write_str("the task was cancelled"),
            Reason::NoThread(it) => write!(f, "no thread could be started for the blocking job: {it}; see `ulimit -u`"),
            Reason::Panicked(payload) => {
                let payload = payload.lock().unwrap_or_else(PoisonError::into_inner);
                match message(&**payload) {
                    Some(message) => write!(f, "the task panicked: {message}"),
                    None => f.write_str("the task panicked"),
                }
            }
        }
    }
}

/// The text of a panic, when it has one.
fn message(payload: &(dyn Any + Send)) -> Option<&str> {
    payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinError({self})")
    }
}

impl std::error::Error for JoinError {}
