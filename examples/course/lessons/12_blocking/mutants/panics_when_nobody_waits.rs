//! refused: no panic
//!
//! Expects that somebody waits for the result.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, mpsc};
use std::{future::poll_fn, task::Poll, task::Waker, thread};

/// Runs `job` on a thread of its own, and gives its result.
pub async fn spawn_blocking<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> T {
    let place = Arc::new(Mutex::new(None::<Waker>));
    let threads = Arc::clone(&place);
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        send.send(catch_unwind(AssertUnwindSafe(job))).unwrap();
        let task = threads.lock().unwrap().take();
        task.into_iter().for_each(Waker::wake);
    });
    let result = poll_fn(|cx| {
        *place.lock().unwrap() = Some(cx.waker().clone());
        receive.try_recv().map_or(Poll::Pending, Poll::Ready)
    });
    result.await.unwrap_or_else(|payload| resume_unwind(payload))
}
