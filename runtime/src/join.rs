//! Join: the place where a task's result waits for whoever holds the handle, and how that one is woken.
//!
//! ```text
//!            settle: the task has ended                     poll: taken
//!   open -----------------------------------> settled ------------------------> empty
//!     |  poll: the joiner leaves its waker        |
//!     +-- (waker) <-------------------------------+ wakes it
//! ```
//!
//! There are two kinds of this place: a [`JoinCell`] for tasks of this thread, without any lock, and a [`SharedCell`]
//! for what ends, or begins, on another thread: jobs of the blocking pool and [`Handle::spawn`](crate::Handle::spawn).

use crate::context;
use crate::remote::{Abort, SharedCell};
use crate::report::Wait;
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
///     let task = runtime::spawn(std::future::pending::<()>());
///     task.abort();
///     assert!(task.await.unwrap_err().is_cancelled());
/// });
/// ```
#[must_use = "dropping a JoinHandle detaches its task; say so with drop() if that is meant"]
pub struct JoinHandle<T> {
    /// Where the result arrives.
    place: Place<T>,
}

/// The two kinds of cells that a handle may look into.
enum Place<T> {
    /// A task of this thread.
    Local { cell: Rc<dyn Joinable<T>>, ticket: Ticket, count: u64 },
    /// A job, or a task that another thread spawned.
    Shared(Arc<SharedCell<T>>),
}

/// What has a [`JoinCell`]: a [`Task`], whose future the handle must not know.
pub(crate) trait Joinable<T> {
    fn cell(&self) -> &JoinCell<T>;
}

impl<F: Future<Output = T>, T> Joinable<T> for Task<F, JoinCell<T>> {
    fn cell(&self) -> &JoinCell<T> {
        &self.join
    }
}

impl<T> JoinHandle<T> {
    pub(crate) fn local(cell: Rc<dyn Joinable<T>>, ticket: Ticket, count: u64) -> JoinHandle<T> {
        JoinHandle { place: Place::Local { cell, ticket, count } }
    }

    pub(crate) fn shared(cell: Arc<SharedCell<T>>) -> JoinHandle<T> {
        JoinHandle { place: Place::Shared(cell) }
    }

    /// Asks the loop to drop the task's future before its next poll; the handle then says cancelled. It does nothing
    /// to a task that has ended. Unlike asyncio's `cancel`, nothing is raised inside the task: it cannot catch it.
    ///
    /// The future is dropped by the loop, never inside this call, so a task may abort itself.
    pub fn abort(&self) {
        match &self.place {
            Place::Local { ticket, count, .. } => wake::abort(*ticket, *count),
            Place::Shared(cell) => cell.abort(),
        }
    }
}

impl<T: 'static> JoinHandle<T> {
    /// Something that can abort the task from anywhere, whoever holds this handle.
    pub fn abort_handle(&self) -> AbortHandle
    where
        T: Send,
    {
        AbortHandle {
            target: match &self.place {
                Place::Local { ticket, count, .. } => Target::Task(*ticket, *count),
                Place::Shared(cell) => Target::Shared(Arc::clone(cell) as Arc<dyn Abort>),
            },
        }
    }
}

impl<T> JoinHandle<T> {
    /// Whether the task has ended: its result is here, or was taken from here.
    pub fn is_finished(&self) -> bool {
        match &self.place {
            Place::Local { cell, .. } => cell.cell().settled.get(),
            Place::Shared(cell) => cell.is_settled(),
        }
    }

    /// The task's number.
    pub fn id(&self) -> Id {
        match &self.place {
            Place::Local { ticket, count, .. } => Id::new(ticket.runtime(), *count),
            Place::Shared(cell) => cell.id,
        }
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = match &self.place {
            Place::Local { cell, .. } => cell.cell().poll(cx),
            Place::Shared(cell) => cell.poll(cx),
        };
        if polled.is_pending() {
            context::with(|core| core.note_wait(Wait::Join));
        }
        polled
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        // Nobody waits any more.
        drop(match &self.place {
            Place::Local { cell, .. } => cell.cell().joiner.take(),
            Place::Shared(cell) => cell.take_joiner(),
        });
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("id", &self.id()).field("finished", &self.is_finished()).finish()
    }
}

/// Aborts a task, from any thread and without its [`JoinHandle`]; tokio's `AbortHandle`.
#[derive(Clone)]
pub struct AbortHandle {
    /// Which task.
    target: Target,
}

/// The two kinds of tasks.
#[derive(Clone)]
enum Target {
    Task(Ticket, u64),
    Shared(Arc<dyn Abort>),
}

impl AbortHandle {
    /// See [`JoinHandle::abort`].
    pub fn abort(&self) {
        match &self.target {
            Target::Task(ticket, count) => wake::abort(*ticket, *count),
            Target::Shared(cell) => cell.abort(),
        }
    }
}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AbortHandle").finish_non_exhaustive()
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
        if let Some(result) = self.result.take() {
            return Poll::Ready(result);
        }
        assert!(!self.settled.get(), "a JoinHandle was polled after it had given its result");
        let joiner = match self.joiner.take() {
            Some(joiner) if joiner.will_wake(cx.waker()) => joiner,
            _ => cx.waker().clone(),
        };
        self.joiner.set(Some(joiner));
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

/// Why a task has no result; tokio's `JoinError`.
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
            _ => {
                panic!("into_panic on a JoinError that is no panic ({self}): ask is_panic() first")
            }
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
            Reason::NoThread(error) => {
                write!(f, "no thread could be started for the blocking job: {error}")
            }
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
