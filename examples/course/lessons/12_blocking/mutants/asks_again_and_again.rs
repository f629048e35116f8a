//! refused: no wake before the end of the job
//!
//! Wakes itself until the thread has ended.

use std::panic::resume_unwind;
use std::{future::poll_fn, task::Poll, thread};

/// Runs `job` on a thread of its own, and gives its result.
pub async fn spawn_blocking<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> T {
    let mut thread = Some(thread::spawn(job));
    let result = poll_fn(|cx| {
        if let Some(thread) = thread.take_if(|thread| thread.is_finished()) {
            return Poll::Ready(thread.join());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    });
    result.await.unwrap_or_else(|payload| resume_unwind(payload))
}
