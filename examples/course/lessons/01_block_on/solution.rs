//! A solution of lesson 1. The module `run` of rung.rs is this text.

use std::sync::{Arc, atomic::AtomicBool, atomic::Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

/// What a waker of this loop points to: it wakes the sleeping thread.
struct Bell {
    /// The bell was rung: somebody has called `wake` since the last poll began. `unpark` ends the `park` of a
    /// thread, and one that comes too early is remembered for the next `park`. The flag is needed beside it: a
    /// thread may also wake up for another reason, and the polled code may use up an `unpark` meant for the loop
    /// (by calling `park` itself).
    rung: AtomicBool,
    /// The thread that sleeps in `block_on`.
    thread: Thread,
}

impl Wake for Bell {
    /// Called by the standard library, when somebody uses a waker, on any thread. It does not poll: it only makes
    /// the loop poll.
    fn wake(self: Arc<Self>) {
        say!(Wake { task: 0 });
        // The flag first: the thread looks at it when it wakes up. Two wakers may ring before the loop looks. The
        // loop must see what *both* did before. A `swap` passes on what the writer before it did; a plain `store`
        // does not.
        self.rung.swap(true, SeqCst);
        self.thread.unpark();
    }
}

/// Polls `future` until it is ready, and returns its output. Sleeps while there is nothing to do.
pub fn block_on<F: Future>(future: F) -> F::Output {
    // The bell has rung already: the first poll needs no wake.
    let bell = Arc::new(Bell { rung: AtomicBool::new(true), thread: thread::current() });
    let waker = Waker::from(Arc::clone(&bell));
    // A future may contain pointers into itself, so it must not move after its first poll (rung 0).
    let mut future = std::pin::pin!(future);
    loop {
        // The flag is taken down before the poll. A wake that comes during the poll sets it again.
        while !bell.rung.swap(false, SeqCst) {
            say!(Park {});
            thread::park();
        }
        say!(PollBegin { task: 0 });
        // A `Context` only carries the waker of this poll to the future, which takes it out by `cx.waker()`. `poll`
        // uses up the pin that it is given; `as_mut` lends one for this poll.
        let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
        say!(PollEnd { task: 0, ready: polled.is_ready() });
        if let Poll::Ready(output) = polled {
            return output;
        }
    }
}
