//! refused: the result is there before the wake
//!
//! Is ready when the thread has ended. But the thread wakes the task before it has ended.

use std::panic::resume_unwind;
use std::{future::poll_fn, sync::Arc, sync::Mutex, task::Poll, task::Waker, thread};

/// Runs `job` on a thread of its own, and gives its result.
pub async fn spawn_blocking<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> T {
    let place = Arc::new(Mutex::new(None::<Waker>));
    let threads = Arc::clone(&place);
    let mut thread = Some(thread::spawn(move || {
        let value = job();
        let task = threads.lock().unwrap().take();
        task.into_iter().for_each(Waker::wake);
        value
    }));
    let result = poll_fn(|cx| {
        *place.lock().unwrap() = Some(cx.waker().clone());
        match thread.take_if(|thread| thread.is_finished()) {
            Some(thread) => Poll::Ready(thread.join()),
            None => Poll::Pending,
        }
    });
    result.await.unwrap_or_else(|payload| resume_unwind(payload))
}
