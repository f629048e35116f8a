//! Join: [`JoinHandle`] awaits the end of a task and takes its result, [`AbortHandle`] asks for an early end.
//!
//! The result waits in a place that the handle shares with the task (`result.rs`). A handle wakes its joiner exactly
//! once: when the task has ended.
//!
//! Read before: `result.rs`, `wake.rs`.
//! Grew from rung 10 (join handles) of the ladder in `examples/course`.

use crate::circle::budget;
use crate::circle::context;
use crate::circle::core::Core;
use crate::circle::ready::Wait;
use crate::circle::result::{JoinError, ResultPlace};
use crate::circle::ticket::{Id, Ticket};
use crate::circle::wake;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// Awaits the end of a task and gives its result; tokio's `JoinHandle`, asyncio's `Task`.
///
/// Dropping it detaches the task, which runs on. The handle stays on its thread; an [`AbortHandle`] can leave it.
///
/// # Errors
/// Awaiting it gives a [`JoinError`] when the task was aborted, panicked, or was dropped with its runtime. Awaited in a
/// drop while the runtime is being dropped, it says cancelled at once.
///
/// # Panics
/// When it is polled again after it gave the result.
///
/// # What is dropped, and when
/// - *The task returns.* Its future is dropped, then the handle's place keeps the result, then the joiner is woken.
/// - *It panics.* The locals of the code that panics are dropped by the panic, as anywhere in Rust: in their drops
///   `thread::panicking()` is true, and a mutex whose guard is among them is poisoned. What the future holds beside that
///   code (the other children of a spawned `gather`, say) is dropped when the panic is over. There `panicking()` is
///   false, and no mutex is poisoned. The reason: a second panic during the first would end the process. Here the
///   second panic is held back, and the handle gives the first.
/// - *It is aborted, or its runtime is dropped.* The loop drops the future. If that panics, the handle's error is a
///   panic.
/// - *A result that panics in its own drop.* While the handle lives, the result belongs to its owner. To drop a handle
///   after the end drops the result, and its panic goes to the code that drops the handle. When the handle was dropped
///   before the end, the loop drops the result and holds the panic back; the panic hook has reported it.
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
    result: Rc<dyn ResultPlace<T>>,
    /// Which task, for aborting it.
    target: Target,
}

impl<T> JoinHandle<T> {
    /// A handle of `target`, whose result arrives in `result`.
    pub(crate) fn new(result: Rc<dyn ResultPlace<T>>, target: Target) -> JoinHandle<T> {
        JoinHandle { result, target }
    }

    /// Asks the loop to drop the task's future before its next poll; the handle then says cancelled. It does nothing
    /// to a task that has ended. tokio's `abort`; unlike asyncio's `cancel`, nothing is raised inside the task: it
    /// cannot catch it.
    ///
    /// The future is dropped by the loop, never inside this call, so a task may abort itself.
    pub fn abort(&self) {
        self.target.abort();
    }

    /// A second handle, which can only abort the task, from any thread; tokio's `abort_handle`.
    pub fn abort_handle(&self) -> AbortHandle {
        AbortHandle { target: self.target.clone() }
    }

    /// Whether the task has ended: its result is here, or was taken from here. asyncio's `done`, tokio's `is_finished`.
    pub fn is_finished(&self) -> bool {
        self.result.is_settled()
    }

    /// Polls without budget.
    #[inline]
    pub(crate) fn poll_end(&self, cx: &mut Context<'_>) -> Poll<Result<T, JoinError>> {
        match self.result.take() {
            Some(result) => Poll::Ready(result),
            None => self.wait_for_end(cx),
        }
    }

    /// A function of its own, so that to join a task that has ended does not pay for the registers that a wait takes.
    #[inline(never)]
    fn wait_for_end(&self, cx: &mut Context<'_>) -> Poll<Result<T, JoinError>> {
        if !self.wake_at_end(cx.waker()) {
            return Poll::Ready(self.take_result());
        }
        note_join();
        Poll::Pending
    }

    /// For a library that counts ends: the end of the task wakes `waker`, exactly once. False if there will be no such
    /// wake, for the task has ended, or its runtime is being dropped and will not poll it again. Whoever polls a future
    /// that waits so calls `note_join`, once in the poll.
    #[doc(hidden)]
    #[inline]
    pub fn wake_at_end(&self, waker: &Waker) -> bool {
        if !self.result.leave_joiner(waker) {
            return false;
        }
        let is_over = context::with(|core| {
            trace!(below Waits { what: Wait::Join, end: &self.target });
            core.is_closing() && self.target.is_of(core)
        });
        is_over != Some(true)
    }

    /// The result, when [`wake_at_end`](JoinHandle::wake_at_end) has said false, or when its wake has come. A task
    /// without a result counts as cancelled: its runtime is being dropped.
    #[doc(hidden)]
    #[inline]
    pub fn take_result(&self) -> Result<T, JoinError> {
        self.result.take().unwrap_or_else(|| Err(JoinError::cancelled()))
    }

    /// The task's number; tokio's `id`.
    pub fn id(&self) -> Id {
        match &self.target {
            Target::Task(ticket, serial) => Id::new(ticket.runtime(), *serial),
            Target::Remote(remote) => remote.id(),
        }
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        budget::spend(cx, |cx| self.poll_end(cx))
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        self.result.forget_joiner();
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("id", &self.id()).field("finished", &self.is_finished()).finish()
    }
}

/// Notes that the task at poll waits for the end of another one, or of several.
pub fn note_join() {
    context::with(|core| core.note_wait(Wait::Join));
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
    /// A task, by its ticket and its serial number.
    Task(Ticket, u64),
    /// A blocking job, or a task that its loop may not have heard of yet.
    Remote(Arc<dyn Abort>),
}

impl Target {
    /// Whether this loop runs it.
    fn is_of(&self, core: &Core) -> bool {
        match self {
            Target::Task(ticket, _) => ticket.runtime() == core.number,
            Target::Remote(remote) => remote.address() == core.threads.address(),
        }
    }

    fn abort(&self) {
        match self {
            Target::Task(ticket, serial) => wake::abort(*ticket, *serial),
            Target::Remote(remote) => remote.abort(),
        }
    }
}

/// What `threads/` begins and a handle may abort.
pub(crate) trait Abort: fmt::Debug + Send + Sync {
    /// The number that the handle tells.
    fn id(&self) -> Id;

    /// The [address](crate::circle::remote::Threads::address) of the loop that runs it.
    fn address(&self) -> usize;

    /// Asks for an early end, from any thread.
    fn abort(&self);
}
