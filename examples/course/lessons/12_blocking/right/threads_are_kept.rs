//! Keeps the threads for the next jobs.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, mpsc};
use std::{future::poll_fn, task::Poll, task::Waker, thread};

/// What a thread does.
type Work = Box<dyn FnOnce() + Send>;

/// The threads that have nothing to do.
static IDLE: Mutex<Vec<mpsc::Sender<Work>>> = Mutex::new(Vec::new());

/// Hands this to a thread that has nothing to do, or to a new one.
fn submit(work: Work) {
    let idle = IDLE.lock().unwrap().pop();
    let thread = idle.unwrap_or_else(|| {
        let (send, receive) = mpsc::channel::<Work>();
        let back = send.clone();
        thread::spawn(move || {
            while let Ok(work) = receive.recv() {
                work();
                IDLE.lock().unwrap().push(back.clone());
            }
        });
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
