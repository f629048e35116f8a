//! Lesson 1: write `block_on`, the event loop for one
//! future. Begin with lesson.md: it says what to do here.
//!
//! As it comes, this loop asks the future again and again.
//! Yours sleeps until somebody calls `wake`, and then asks
//! once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

/// What a waker of this loop points to.
struct Bell {
    /// The bell has been rung: somebody has called `wake`
    /// since the last poll began.
    rung: AtomicBool,
    /// The thread that runs `block_on`.
    thread: Thread,
}

/// Polls `future` until it is ready, and returns its
/// output. Sleeps while there is nothing to do.
pub fn block_on<F: Future>(future: F) -> F::Output {
    // Step 1: this waker does nothing. Make a Bell, and a
    // waker that points to it.
    let waker = Waker::noop().clone();
    // This is how `poll` gets the waker.
    let mut cx = Context::from_waker(&waker);
    // From here on the future stays where it is in memory.
    // `poll` asks for that, and lesson 0 says why.
    let mut future = std::pin::pin!(future);
    loop {
        // Step 2: sleep here until the bell has rung.

        match future.as_mut().poll(&mut cx) {
            //Poll::Ready(output) => return output,
            _pending => {}
        }
    }
}

impl Wake for Bell {
    /// Called by the standard library, when somebody uses
    /// a waker, on any thread. It does not poll: it only
    /// makes the loop poll.
    fn wake(self: Arc<Self>) {
        // Step 3: ring.
    }
}
