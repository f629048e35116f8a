//! Rung 2: a future that waits for the time to pass, and what it means to say Pending.
//!
//! Rung 1 could drive a future, but it had none that waits for something. [`Delay`](time::Delay) is one. It is a
//! *leaf*: it awaits no other future, it waits for something that is not a future. Here that is a time; on later rungs
//! it may be a socket. All leaves of all rungs keep the same promise:
//!
//! > Who says Pending has kept the waker of **this** poll for when another poll is worth it, or has used it already.
//!
//! ```text
//!   block_on --poll--> Delay: the time is not over, keep the waker, Pending   the alarm's thread
//!      |                                                                        sleeps
//!   sleeps  <-------------------- wake ------------------------------------- rings: notes it, takes the waker
//!      |
//!      +-------poll--> Delay: the time is over, Ready
//! ```
//!
//! Two threads share the state of a delay, so it lies behind a lock. The poll looks and leaves its waker under one lock:
//! between the two the alarm cannot ring unheard.
//!
//! # What this step buys
//!
//! On rung 1 a program that wants to wait has two ways, and both are bad. A future that looks at the clock and says
//! Pending without keeping the waker is never polled again: the program hangs. A future that wakes itself each time is
//! polled without end: the program spins. This delay is polled at most twice, however long it is, as long as nothing
//! else wakes this loop.
//!
//! # Where it is in the real crate
//!
//! `runtime/src/time.rs`. No thread and no lock there: that is rung 6.

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

/// The given part of this rung: something outside of the loop that takes its time.
pub mod alarm {
    use std::{thread, time::Duration};

    /// A thread that sleeps and then calls a function.
    pub struct Alarm;

    impl Alarm {
        /// Calls `ring` in so many milliseconds, on another thread.
        pub fn after(millis: u64, ring: impl FnOnce() + Send + 'static) {
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(millis));
                ring();
            });
        }
    }
}

/// Futures that wait for a time.
pub mod time {
    use super::alarm::Alarm;
    use std::pin::Pin;
    use std::sync::{Arc, Mutex};
    use std::task::{Context, Poll, Waker};

    /// What the future and the alarm's thread share: whether the alarm has rung, and whom to wake then.
    type Shared = Arc<Mutex<(bool, Option<Waker>)>>;

    /// A future that is ready when its time has passed.
    pub struct Delay(Shared);

    /// Waits for so many milliseconds, from this call on.
    pub fn sleep(millis: u64) -> Delay {
        let shared = Shared::default();
        let alarms = Arc::clone(&shared);
        Alarm::after(millis, move || {
            let mut state = alarms.lock().unwrap();
            state.0 = true;
            let waker = state.1.take();
            // The lock is released before the wake: nobody knows what a waker does, it might take this lock again.
            drop(state);
            waker.into_iter().for_each(Waker::wake);
        });
        Delay(shared)
    }

    impl Future for Delay {
        type Output = ();

        /// Called by whoever drives this future: usually an `async` block that awaits it, in `main` below a closure.
        fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
            // To copy and to drop a waker may run code of others, which might take this lock: both without it.
            let fresh = cx.waker().clone();
            let mut state = self.0.lock().unwrap();
            if state.0 {
                return Poll::Ready(());
            }
            // The waker of the latest poll counts: the future may be driven by somebody else than before.
            let old = state.1.replace(fresh);
            drop(state);
            drop(old);
            Poll::Pending
        }
    }

    impl Drop for Delay {
        /// Nobody waits any more: the waker goes, and with it its share of the loop's bell.
        fn drop(&mut self) {
            // Two lines: the lock ends with the first, and the waker is dropped without it.
            let waker = self.0.lock().unwrap().1.take();
            drop(waker);
        }
    }
}

/// Three delays, one after the other, each polled twice.
fn main() {
    run::block_on(async {
        for millis in [300, 200, 100] {
            let (mut polls, mut delay) = (0, std::pin::pin!(time::sleep(millis)));
            let counted = std::future::poll_fn(|cx| {
                polls += 1;
                delay.as_mut().poll(cx)
            });
            counted.await;
            println!("slept for {millis} ms and was polled {polls} times");
        }
    });
}
