//! refused: the loop goes on
//!
//! Spins for a millisecond in each poll: the job may be over then.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::{future::poll_fn, sync::Arc, sync::Mutex, task::Poll, task::Waker, thread};

/// Runs `job` on a thread of its own, and gives its result.
pub async fn spawn_blocking<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> T {
    // The result, and whom to wake when it is there.
    let place = Arc::new(Mutex::new((None, None::<Waker>)));
    let threads = Arc::clone(&place);
    thread::spawn(move || {
        let result = catch_unwind(AssertUnwindSafe(job));
        let mut place = threads.lock().unwrap();
        place.0 = Some(result); // (a)
        let task = place.1.take();
        drop(place);
        task.into_iter().for_each(Waker::wake); // (b)
    });
    let result = poll_fn(|cx| {
        let begin = std::time::Instant::now();
        while begin.elapsed() < std::time::Duration::from_millis(1) {
            std::hint::spin_loop();
        }
        let mut place = place.lock().unwrap();
        place.1 = Some(cx.waker().clone()); // (y)
        place.0.take().map_or(Poll::Pending, Poll::Ready) // (x)
    });
    result.await.unwrap_or_else(|payload| resume_unwind(payload))
}
