//! The result comes by a channel.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, mpsc};
use std::{future::poll_fn, task::Poll, task::Waker, thread};

/// Runs `job` on a thread of its own, and gives its result.
pub async fn spawn_blocking<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> T {
    let place = Arc::new(Mutex::new(None::<Waker>));
    let threads = Arc::clone(&place);
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        // Nobody may be left who waits for it.
        let _ = send.send(catch_unwind(AssertUnwindSafe(job)));
        let task = threads.lock().unwrap().take();
        task.into_iter().for_each(Waker::wake);
    });
    let result = poll_fn(|cx| {
        // First the waker: a result that comes after the look finds it.
        *place.lock().unwrap() = Some(cx.waker().clone());
        receive.try_recv().map_or(Poll::Pending, Poll::Ready)
    });
    result.await.unwrap_or_else(|payload| resume_unwind(payload))
}
