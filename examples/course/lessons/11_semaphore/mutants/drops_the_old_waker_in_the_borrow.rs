//! refused: no borrow while other code runs
//!
//! Has the line borrowed when it drops the waker of an earlier poll.

use std::{cell::Cell, cell::RefCell, collections::VecDeque, rc::Rc};
use std::{future::poll_fn, task::Poll, task::Waker};

/// A number of permits, and the line of those who wait for one.
pub struct Semaphore {
    free: Cell<usize>,
    line: RefCell<VecDeque<Rc<Waiter>>>,
}

/// One who has a permit or waits for it.
#[derive(Default)]
struct Waiter {
    granted: Cell<bool>,
    waker: Cell<Option<Waker>>,
}

impl Semaphore {
    /// A semaphore with so many permits.
    pub fn new(permits: usize) -> Semaphore {
        Semaphore { free: Cell::new(permits), line: RefCell::default() }
    }

    /// Waits for a permit.
    pub async fn acquire(&self) -> Permit<'_> {
        // From here on, to drop this future is to drop the permit, whether it is granted yet or not.
        let permit = Permit { semaphore: self, waiter: Rc::default() };
        self.line.borrow_mut().push_back(Rc::clone(&permit.waiter));
        if let Some(left) = self.free.get().checked_sub(1) {
            // Nobody is in line before it: otherwise `release` would have handed this permit over.
            self.free.set(left);
            self.release();
        }
        say!(PermitWaiting { semaphore: self });
        let granted = poll_fn(|cx| {
            let fresh = cx.waker().clone();
            let line = self.line.borrow_mut();
            drop(permit.waiter.waker.replace(Some(fresh)));
            drop(line);
            if permit.waiter.granted.get() { Poll::Ready(()) } else { Poll::Pending }
        });
        granted.await;
        say!(PermitTaken { semaphore: self, left: self.free.get() });
        permit
    }

    /// Hands a permit to the first in line. If nobody is there it is free.
    fn release(&self) {
        let first = self.line.borrow_mut().pop_front();
        say!(PermitReleased { semaphore: self });
        let Some(waiter) = first else { return self.free.set(self.free.get() + 1) };
        waiter.granted.set(true);
        waiter.waker.take().into_iter().for_each(Waker::wake);
    }
}

/// The right to go on, once it is granted. To drop it is to give it back, or to leave the line.
pub struct Permit<'a> {
    semaphore: &'a Semaphore,
    waiter: Rc<Waiter>,
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.waiter.granted.get() {
            return self.semaphore.release();
        }
        say!(PermitLeft { semaphore: self.semaphore });
        self.semaphore.line.borrow_mut().retain(|waiter| !Rc::ptr_eq(waiter, &self.waiter));
    }
}
