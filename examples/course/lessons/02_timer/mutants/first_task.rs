//! refused: no wake before the alarm
//!
//! Wakes itself: the exercise after its first task.

use super::alarm::Alarm;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

/// What the future and the alarm's thread share: whether
/// the alarm has rung, and whom to wake then.
type Shared = Arc<Mutex<(bool, Option<Waker>)>>;

/// A future that is ready when its time has passed.
pub struct Delay(Shared);

/// Waits for so many milliseconds, from this call on.
pub fn sleep(millis: u64) -> Delay {
    let shared = Shared::default();
    let alarms = Arc::clone(&shared);
    // The alarm calls this function, on another thread.
    Alarm::after(millis, move || {
        let mut state = alarms.lock().unwrap();
        state.0 = true;
        // Step 2: wake whom it concerns.
    });
    Delay(shared)
}

impl Future for Delay {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        // In it is the waker of whoever polls.
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let state = self.0.lock().unwrap();
        if state.0 {
            return Poll::Ready(());
        }
        // Step 1: keep the waker, for the alarm.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Delay {
    fn drop(&mut self) {
        // Step 3: nobody waits any more.
    }
}
