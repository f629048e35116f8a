//! refused: a job waits for no other
//!
//! Lets 64 jobs run at once: one more waits, and those 64 may wait for it.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex};
use std::{future::poll_fn, task::Poll, task::Waker, thread};

/// How many jobs run.
static BUSY: (Mutex<u32>, Condvar) = (Mutex::new(0), Condvar::new());

/// Runs `job` on a thread of its own, and gives its result.
pub async fn spawn_blocking<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> T {
    // The result, and whom to wake when it is there.
    let place = Arc::new(Mutex::new((None, None::<Waker>)));
    let threads = Arc::clone(&place);
    thread::spawn(move || {
        *BUSY.1.wait_while(BUSY.0.lock().unwrap(), |busy| *busy >= 64).unwrap() += 1;
        let result = catch_unwind(AssertUnwindSafe(job));
        let mut place = threads.lock().unwrap();
        place.0 = Some(result); // (a)
        let task = place.1.take();
        drop(place);
        task.into_iter().for_each(Waker::wake); // (b)
        *BUSY.0.lock().unwrap() -= 1;
        BUSY.1.notify_one();
    });
    let result = poll_fn(|cx| {
        let mut place = place.lock().unwrap();
        place.1 = Some(cx.waker().clone()); // (y)
        place.0.take().map_or(Poll::Pending, Poll::Ready) // (x)
    });
    result.await.unwrap_or_else(|payload| resume_unwind(payload))
}
