//! refused: no borrow while other code runs
//!
//! The line is borrowed as long as somebody waits.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// A number of permits, and the line of those who wait for
/// one.
pub struct Semaphore {
    /// Permits that nobody has.
    free: Cell<usize>,
    /// Who waits. The first in line is at the front.
    line: RefCell<VecDeque<Rc<Waiter>>>,
}

/// One who waits for a permit, or has one.
#[derive(Default)]
struct Waiter {
    /// It has a permit, whether it knows that or not.
    granted: Cell<bool>,
    waker: Cell<Option<Waker>>,
}

impl Semaphore {
    /// Given: a semaphore with so many permits.
    pub fn new(permits: usize) -> Semaphore {
        let free = Cell::new(permits);
        Semaphore { free, line: RefCell::default() }
    }

    /// Given: takes a free permit. False: there is none.
    fn take_free(&self) -> bool {
        let free = self.free.get();
        self.free.set(free.saturating_sub(1));
        free > 0
    }

    /// Waits for a permit.
    pub async fn acquire(&self) -> Permit<'_> {
        let waiter: Rc<Waiter> = Rc::default();
        if self.take_free() {
            waiter.granted.set(true);
        }
        let mut line = self.line.borrow_mut();
        if !waiter.granted.get() { line.push_back(Rc::clone(&waiter)); }
        let permit = Permit { semaphore: self, waiter };
        poll_fn(|cx| {
            let fresh = cx.waker().clone();
            let old = permit.waiter.waker.replace(Some(fresh));
            drop(old);
            match permit.waiter.granted.get() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
        drop(line);
        permit
    }

    /// A permit comes back.
    fn release(&self) {
        let first = self.line.borrow_mut().pop_front();
        let Some(waiter) = first else {
            self.free.set(self.free.get() + 1);
            return;
        };
        waiter.granted.set(true);
        let waker = waiter.waker.take();
        waker.into_iter().for_each(Waker::wake);
    }
}

/// The right to go on. To drop it is to give it back.
pub struct Permit<'a> {
    semaphore: &'a Semaphore,
    waiter: Rc<Waiter>,
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.waiter.granted.get() {
            return self.semaphore.release();
        }
        let mut line = self.semaphore.line.borrow_mut();
        line.retain(|it| !Rc::ptr_eq(it, &self.waiter));
    }
}
