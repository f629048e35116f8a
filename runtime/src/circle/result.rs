//! The place where a task's result waits for its handle, and [`JoinError`], which says why there is no result.
//!
//! ```text
//!            settle: the task has ended                     take
//!   open -----------------------------------> settled ------------------------> empty
//!     |  leave_joiner                             |
//!     +-- (waker) <-------------------------------+ the loop wakes it
//! ```
//!
//! The circle knows two traits: [`Settle`] is the side of the task, [`ResultPlace`] the side of the handle. A
//! [`JoinCell`] is both, in plain cells, for both sides are on the loop's thread. For tasks that another thread spawned
//! `threads/` has places of its own.
//!
//! Read before: nothing.
//! Grew from rung 10 (join handles) of the ladder in `examples/course`.

use crate::PanicMark;
use crate::parts::foreign::Payload;
use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::task::Waker;

/// The panic message of a handle that is polled again after it gave its result.
pub(crate) const TAKEN: &str =
    "a JoinHandle was polled after it had given its result: await it once, and keep what it gives";

/// The task's side: it takes the result when the task ends, and knows who waits for it.
pub(crate) trait Settle<T> {
    /// Takes the result.
    fn settle(&self, result: Result<T, JoinError>);

    /// The joiner, to be woken when every borrow has ended.
    fn take_joiner(&self) -> Option<Waker>;
}

/// The handle's side.
pub(crate) trait ResultPlace<T> {
    /// Takes the result, if there is one. Panics when it has been taken before.
    fn take(&self) -> Option<Result<T, JoinError>>;

    /// Leaves the joiner's waker. False if there has been a result: nobody will use the waker.
    fn leave_joiner(&self, joiner: &Waker) -> bool;

    /// Whether there has been a result.
    fn is_settled(&self) -> bool;

    /// The handle is being dropped: drops the joiner's waker.
    fn forget_joiner(&self);
}

/// The place of a result on the loop's thread.
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

impl<T> ResultPlace<T> for JoinCell<T> {
    fn take(&self) -> Option<Result<T, JoinError>> {
        let result = self.result.take();
        assert!(result.is_some() || !self.settled.get(), "{TAKEN}");
        explore!(taken(&result));
        result
    }

    fn leave_joiner(&self, joiner: &Waker) -> bool {
        if !self.settled.get() {
            // First leave the waker, then look for the result. To clone or drop a waker may run foreign code, and the
            // task may end in that code.
            drop(self.joiner.replace(Some(joiner.clone())));
        }
        !self.settled.get()
    }

    fn is_settled(&self) -> bool {
        self.settled.get()
    }

    fn forget_joiner(&self) {
        drop(self.joiner.take());
    }
}

/// What is owed to the handle of a blocking job: the loop knows the place of the result, and not its type.
pub(crate) trait Owed: Any {
    /// No result will come. Gives the joiner, to be woken.
    fn cancel(&self) -> Option<Waker>;
}

impl<T: 'static> Owed for JoinCell<T> {
    fn cancel(&self) -> Option<Waker> {
        self.settle(Err(JoinError::cancelled()));
        self.take_joiner()
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
    pub(crate) reason: Reason,
}

/// The ways in which a task ends without a value.
pub(crate) enum Reason {
    Cancelled,
    /// Behind a lock only so that the error is `Sync` and fits into other errors; boxed, to keep every result small. The
    /// mark is for the explorer.
    Panicked(Box<(Mutex<Payload>, PanicMark)>),
    NoThread(io::Error),
}

impl JoinError {
    pub(crate) fn cancelled() -> JoinError {
        JoinError { reason: Reason::Cancelled }
    }

    pub(crate) fn panicked(payload: Payload) -> JoinError {
        let panic = Box::new((Mutex::new(payload), PanicMark::default()));
        explore!(task_panicked(&panic));
        JoinError { reason: Reason::Panicked(panic) }
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
            Reason::Panicked(panic) => panic.0.into_inner().unwrap_or_else(PoisonError::into_inner),
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
            Reason::Panicked(panic) => {
                let payload = panic.0.lock().unwrap_or_else(PoisonError::into_inner);
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
