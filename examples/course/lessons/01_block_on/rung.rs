//! Rung 1: one future and one thread that sleeps until the future is worth a poll.
//!
//! A future is a value with one method, `poll`. It does nothing by itself: somebody has to call `poll`. That somebody is
//! [`block_on`](run::block_on), the whole event loop of this rung.
//!
//! With each poll goes a *waker*: a handle that can be cloned, sent to any thread, and used once or often to say "poll
//! me again". `Waker::from(Arc<W>)` makes one from any `W: Wake`; its `wake` calls `W::wake` with that Arc, and
//! `wake_by_ref` with a clone of it.
//!
//! A poll answers in one of two ways:
//!
//! - `Ready(output)`: the future is done, and must not be polled again.
//! - `Pending`: not yet. Whatever will end the wait (a timer, a thread) has got a clone of the waker, and the future
//!   promises that the waker will be used when another poll is worth it. Until then the loop has nothing to do, so its
//!   thread sleeps.
//!
//! ```text
//!   block_on --poll--> future --Ready--> block_on returns the output
//!      ^                  |
//!      |               Pending: the thread sleeps
//!      +------ wake ------+        anybody, on any thread
//! ```
//!
//! # What this step buys
//!
//! Without a bell the loop has to poll again and again, to see whether the answer has changed. It gets the same result,
//! and keeps the processor busy for all the time that there is nothing to do. This loop polls only after a wake.
//!
//! # Where it is in the real crate
//!
//! The real crate is `runtime`: this course builds it anew in small steps. The wait is in `runtime/src/circle/run.rs`,
//! the flag in `runtime/src/parts/park.rs`.

/// Names one step of the loop. In a rung it does nothing, and you may skip these lines: the check of a lesson records
/// the steps of your own loop with the same words.
macro_rules! say(($($step:tt)*) => { () });

/// The loop itself.
pub mod run {
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
}

/// A future that is ready at its third poll. Each poll starts a thread that wakes it, perhaps before the poll returns.
/// (`poll_fn` makes a future of a closure: the closure is its `poll`.)
fn main() {
    let mut wakes = 0..2;
    run::block_on(std::future::poll_fn(|cx| {
        println!("a poll; {} more to come", wakes.len());
        let waker = cx.waker().clone();
        std::thread::spawn(|| waker.wake());
        if wakes.next().is_some() { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
    }));
}
