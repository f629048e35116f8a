//! refused: the job runs
//!
//! A job whose future was dropped before its thread has begun is left out.

use std::future::poll_fn;
use std::panic::resume_unwind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;

/// What the job's thread and the task share: the result,
/// and whom to wake when it is there. (`thread::Result` is
/// Ok with a value, or Err with what a panic carried.)
type Place<T> = (Option<thread::Result<T>>, Option<Waker>);

/// Runs `job` on a thread of its own, and gives its result.
pub async fn spawn_blocking<T: Send + 'static>(
    // It may take long: it blocks.
    job: impl FnOnce() -> T + Send + 'static,
) -> T {
    let place: Arc<Mutex<Place<T>>> = Arc::default();
    let threads = Arc::clone(&place);
    thread::spawn(move || {
        if Arc::strong_count(&threads) == 1 { return; }
        let result = catch_unwind(AssertUnwindSafe(job));
        let mut place = threads.lock().unwrap();
        place.0 = Some(result);
        let task = place.1.take();
        drop(place);
        task.into_iter().for_each(Waker::wake);
    });
    let result = poll_fn(|cx| {
        let mut place = place.lock().unwrap();
        place.1 = Some(cx.waker().clone());
        match place.0.take() {
            Some(result) => Poll::Ready(result),
            None => Poll::Pending,
        }
    });
    match result.await {
        Ok(value) => value,
        Err(payload) => resume_unwind(payload),
    }
}
