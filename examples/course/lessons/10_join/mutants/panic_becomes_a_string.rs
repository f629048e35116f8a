//! refused: the joiner gets the result
//!
//! A payload that is a `&str` becomes a `String`.

use std::cell::Cell;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

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
    /// The result, from the end of the task until the
    /// handle takes it.
    pub result: Cell<Option<Result<T, JoinError>>>,
    /// Who awaits the handle.
    pub joiner: Cell<Option<Waker>>,
    /// The task is to be dropped instead of its next poll.
    pub aborted: Cell<bool>,
}

impl<T> JoinCell<T> {
    /// Given: wakes who awaits the handle, if anybody does.
    fn wake_joiner(&self) {
        let joiner = self.joiner.take();
        joiner.into_iter().for_each(Waker::wake);
    }
}

/// A guard: lives as long as its task. So its `drop` runs
/// in whichever way the task ends.
pub struct Settle<T> {
    pub cell: Rc<JoinCell<T>>,
    /// What comes into the cell. Cancelled, until the task
    /// has another result.
    pub result: Option<Result<T, JoinError>>,
}

impl<T> Drop for Settle<T> {
    fn drop(&mut self) {
        self.cell.result.set(self.result.take());
        self.cell.wake_joiner();
    }
}

/// What the loop polls in the place of `future`. The guard
/// is dropped after it.
pub async fn settled<F: Future>(
    // The guard.
    mut settle: Settle<F::Output>,
    future: F,
) {
    let mut future = pin!(future);
    let result = poll_fn(|cx| {
        if settle.cell.aborted.get() {
            return Poll::Ready(Err(JoinError::Cancelled));
        }
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(p) => p.map(Ok),
            Err(e) => Poll::Ready(Err(JoinError::Panicked(match e.downcast::<&str>() { Ok(s) => Box::new(s.to_string()), Err(e) => e }))),
        }
    });
    settle.result = Some(result.await);
}

/// A task's result to come. To drop it is to let the task
/// go on by itself.
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

    /// Given: as in lesson 2. Look, and keep the waker.
    fn poll(
        self: Pin<&mut Self>,
        // In it is the waker of the joiner.
        cx: &mut Context<'_>,
    ) -> Poll<Self::Output> {
        if let Some(result) = self.cell.result.take() {
            return Poll::Ready(result);
        }
        let fresh = cx.waker().clone();
        let old = self.cell.joiner.replace(Some(fresh));
        drop(old);
        Poll::Pending
    }
}
