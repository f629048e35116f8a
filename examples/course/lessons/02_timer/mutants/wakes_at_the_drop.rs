//! refused: a drop wakes nobody
//!
//! Uses the waker when it is dropped.

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
        waker.into_iter().for_each(Waker::wake);
    }
}
