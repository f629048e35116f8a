//! refused: first come, first served | who is woken has a permit
//!
//! As with a condition variable: whoever is woken looks whether a permit is free, and stands in the line again.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Poll, Waker};

/// A number of permits, and the wakers of those who wait for one.
pub struct Semaphore {
    free: Cell<usize>,
    line: RefCell<VecDeque<Waker>>,
}

impl Semaphore {
    /// A semaphore with so many permits.
    pub fn new(permits: usize) -> Semaphore {
        Semaphore { free: Cell::new(permits), line: RefCell::default() }
    }

    /// Waits for a permit.
    pub async fn acquire(&self) -> Permit<'_> {
        poll_fn(|cx| match self.free.get() {
            0 => {
                self.line.borrow_mut().push_back(cx.waker().clone());
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
        let first = self.0.line.borrow_mut().pop_front();
        first.into_iter().for_each(Waker::wake);
    }
}
