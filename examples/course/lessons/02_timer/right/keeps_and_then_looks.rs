//! Has the ring in an atomic, and looks at it after it has kept the waker.

use super::alarm::Alarm;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

/// What the future and the alarm's thread share: whether the alarm has rung, and whom to wake then.
type Shared = Arc<(AtomicBool, Mutex<Option<Waker>>)>;

/// A future that is ready when its time has passed.
pub struct Delay(Shared);

/// Waits for so many milliseconds, from this call on.
pub fn sleep(millis: u64) -> Delay {
    let shared = Shared::default();
    let alarms = Arc::clone(&shared);
    Alarm::after(millis, move || {
        alarms.0.store(true, SeqCst);
        let waker = alarms.1.lock().unwrap().take();
        waker.into_iter().for_each(Waker::wake);
    });
    Delay(shared)
}

impl Future for Delay {
    type Output = ();

    /// Called by whoever drives this future: here by the `async` block that awaits it.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // The waker of the latest poll counts: the future may be driven by somebody else than before.
        *self.0.1.lock().unwrap() = Some(cx.waker().clone());
        if self.0.0.load(SeqCst) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Delay {
    /// Nobody waits any more: the waker goes, and with it its share of the loop's bell.
    fn drop(&mut self) {
        let waker = self.0.1.lock().unwrap().take();
        drop(waker);
    }
}
