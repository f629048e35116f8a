//! refused: the loop goes on
//!
//! The poll waits for the message with the result.

use std::{future::poll_fn, sync::mpsc, task::Poll, thread};

/// Runs `job` on a thread of its own, and gives its result.
pub async fn spawn_blocking<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> T {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let _ = send.send(job());
    });
    poll_fn(|_| Poll::Ready(receive.recv().unwrap())).await
}
