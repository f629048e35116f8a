//! refused: a job waits for no other
//!
//! Has one thread for all jobs.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, mpsc};
use std::{future::poll_fn, task::Poll, task::Waker, thread};

/// What a thread does.
type Work = Box<dyn FnOnce() + Send>;

/// The way to the one thread.
static THREAD: Mutex<Option<mpsc::Sender<Work>>> = Mutex::new(None);

/// Hands this to the thread, which is started when it is needed first.
fn submit(work: Work) {
    let mut thread = THREAD.lock().unwrap();
    let thread = thread.get_or_insert_with(|| {
        let (send, receive) = mpsc::channel::<Work>();
        thread::spawn(move || receive.into_iter().for_each(|work| work()));
        send
    });
    thread.send(work).unwrap();
}

/// Runs `job` on a thread of its own, and gives its result.
pub async fn spawn_blocking<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> T {
    // The result, and whom to wake when it is there.
    let place = Arc::new(Mutex::new((None, None::<Waker>)));
    let threads = Arc::clone(&place);
    submit(Box::new(move || {
        let result = catch_unwind(AssertUnwindSafe(job));
        let mut place = threads.lock().unwrap();
        place.0 = Some(result); // (a)
        let task = place.1.take();
        drop(place);
        task.into_iter().for_each(Waker::wake); // (b)
    }));
    let result = poll_fn(|cx| {
        let mut place = place.lock().unwrap();
        place.1 = Some(cx.waker().clone()); // (y)
        place.0.take().map_or(Poll::Pending, Poll::Ready) // (x)
    });
    result.await.unwrap_or_else(|payload| resume_unwind(payload))
}
