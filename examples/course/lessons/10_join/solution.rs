//! A solution of lesson 10. The module `join` of rung.rs is this text.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll, Waker};
use std::{cell::Cell, future::poll_fn, pin::Pin, pin::pin, rc::Rc};

/// Why a task has no value.
#[derive(Debug)]
pub enum JoinError {
    /// It was aborted, or dropped with its loop.
    Cancelled,
    /// It panicked, with this.
    Panicked(Box<dyn std::any::Any + Send>),
}

/// What a task and its handle share.
pub struct JoinCell<T> {
    /// The result, from the end of the task until the handle takes it.
    pub result: Cell<Option<Result<T, JoinError>>>,
    /// Who awaits the handle.
    pub joiner: Cell<Option<Waker>>,
    /// The task is to be dropped instead of its next poll.
    pub aborted: Cell<bool>,
}

/// Lives as long as its task, and settles the cell when it is dropped.
pub struct Settle<T> {
    pub cell: Rc<JoinCell<T>>,
    /// Cancelled, until the task has another result.
    pub result: Option<Result<T, JoinError>>,
}

impl<T> Drop for Settle<T> {
    fn drop(&mut self) {
        self.cell.result.set(self.result.take()); // (a)
        self.cell.joiner.take().into_iter().for_each(Waker::wake); // (b)
    }
}

/// What the loop polls in the place of `future`. The guard is dropped after it.
pub async fn settled<F: Future>(mut settle: Settle<F::Output>, future: F) {
    let mut future = pin!(future);
    let result = poll_fn(|cx| {
        if settle.cell.aborted.get() {
            return Poll::Ready(Err(JoinError::Cancelled));
        }
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(polled) => polled.map(Ok),
            Err(payload) => Poll::Ready(Err(JoinError::Panicked(payload))),
        }
    });
    settle.result = Some(result.await);
}

/// A task's result to come. To drop it is to let the task go on by itself.
pub struct JoinHandle<T> {
    pub cell: Rc<JoinCell<T>>,
    /// Wakes the task.
    pub task: Waker,
}

impl<T> JoinHandle<T> {
    /// Asks the loop to drop the task.
    pub fn abort(&self) {
        self.cell.aborted.set(true);
        self.task.wake_by_ref();
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, JoinError>> {
        if let Some(result) = self.cell.result.take() {
            return Poll::Ready(result); // (x)
        }
        let old = self.cell.joiner.replace(Some(cx.waker().clone())); // (y)
        drop(old);
        Poll::Pending
    }
}
