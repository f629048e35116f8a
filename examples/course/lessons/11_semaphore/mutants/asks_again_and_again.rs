//! refused: who is woken has a permit
//!
//! Has no line: asks again in each turn.

use std::cell::Cell;
use std::future::poll_fn;
use std::task::Poll;

/// A number of permits.
pub struct Semaphore {
    free: Cell<usize>,
}

impl Semaphore {
    /// A semaphore with so many permits.
    pub fn new(permits: usize) -> Semaphore {
        Semaphore { free: Cell::new(permits) }
    }

    /// Waits for a permit.
    pub async fn acquire(&self) -> Permit<'_> {
        poll_fn(|cx| match self.free.get() {
            0 => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            free => {
                self.free.set(free - 1);
                Poll::Ready(())
            }
        })
        .await;
        Permit(self)
    }
}

/// The right to go on.
pub struct Permit<'a>(&'a Semaphore);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.free.set(self.0.free.get() + 1);
    }
}
