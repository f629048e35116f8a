//! The line does not keep those who wait: who gives a permit back passes over those who are gone.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::{future::poll_fn, task::Poll, task::Waker};

/// A number of permits, and the line of those who wait for one.
pub struct Semaphore {
    free: Cell<usize>,
    line: RefCell<VecDeque<Weak<Waiter>>>,
}

/// One who waits for a permit.
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
        if self.free.get() > 0 {
            self.free.set(self.free.get() - 1);
            return Permit(self);
        }
        let waiter = Rc::new(Waiter { granted: Cell::new(false), waker: Cell::new(None) });
        self.line.borrow_mut().push_back(Rc::downgrade(&waiter));
        let leaves = PassesOn(self, &waiter);
        poll_fn(|cx| {
            if waiter.granted.take() {
                return Poll::Ready(());
            }
            waiter.waker.set(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
        drop(leaves);
        Permit(self)
    }

    /// A permit comes back.
    fn release(&self) {
        let first = loop {
            let first = self.line.borrow_mut().pop_front();
            match first.map(|waiter| waiter.upgrade()) {
                Some(None) => {}
                Some(Some(waiter)) => break Some(waiter),
                None => break None,
            }
        };
        let Some(waiter) = first else { return self.free.set(self.free.get() + 1) };
        waiter.granted.set(true);
        waiter.waker.take().into_iter().for_each(Waker::wake);
    }
}

/// Passes on what was granted, and not taken.
struct PassesOn<'a>(&'a Semaphore, &'a Rc<Waiter>);

impl Drop for PassesOn<'_> {
    fn drop(&mut self) {
        if self.1.granted.get() {
            self.0.release();
        }
    }
}

/// The right to go on.
pub struct Permit<'a>(&'a Semaphore);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.release();
    }
}
