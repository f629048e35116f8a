//! refused: the ring wakes who polled last | what is dropped holds nothing | a drop wakes nobody
//!
//! Has a thread for each Pending, which waits for the ring: all are woken.

use super::alarm::Alarm;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Waker};

/// What the future and the alarm's thread share: whether the alarm has rung, and whom to wake then.
type Shared = Arc<(Mutex<bool>, Condvar)>;

/// A future that is ready when its time has passed.
pub struct Delay(Shared);

/// Waits for so many milliseconds, from this call on.
pub fn sleep(millis: u64) -> Delay {
    let shared = Shared::default();
    let alarms = Arc::clone(&shared);
    Alarm::after(millis, move || {
        *alarms.0.lock().unwrap() = true;
        alarms.1.notify_all();
    });
    Delay(shared)
}

impl Future for Delay {
    type Output = ();

    /// Called by whoever drives this future: here by the `async` block that awaits it.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if *self.0.0.lock().unwrap() {
            return Poll::Ready(());
        }
        // The waker of the latest poll counts: the future may be driven by somebody else than before.
        let (shared, waker) = (Arc::clone(&self.0), cx.waker().clone());
        std::thread::spawn(move || {
            let rung = shared.1.wait_while(shared.0.lock().unwrap(), |rung| !*rung).unwrap();
            drop(rung);
            waker.wake();
        });
        Poll::Pending
    }
}
