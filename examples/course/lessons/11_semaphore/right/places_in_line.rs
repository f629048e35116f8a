//! A permit that comes back is free. It is of those who stand so far at the front of the line.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::{future::poll_fn, task::Poll, task::Waker};

/// A number of permits, and the line of those who wait for one.
pub struct Semaphore {
    free: Cell<usize>,
    /// The number of each waiter, and its waker.
    line: RefCell<VecDeque<(u64, Option<Waker>)>>,
    /// The number of the next one.
    next: Cell<u64>,
}

impl Semaphore {
    /// A semaphore with so many permits.
    pub fn new(permits: usize) -> Semaphore {
        Semaphore { free: Cell::new(permits), line: RefCell::default(), next: Cell::new(0) }
    }

    /// Waits for a permit.
    pub async fn acquire(&self) -> Permit<'_> {
        let number = self.next.replace(self.next.get() + 1);
        self.line.borrow_mut().push_back((number, None));
        let place = InLine { semaphore: self, number };
        poll_fn(|cx| {
            let fresh = cx.waker().clone();
            let mut line = self.line.borrow_mut();
            let at = place.at(&line).expect("it is in line until it has its permit");
            if at < self.free.get() {
                let waiter = line.remove(at);
                self.free.set(self.free.get() - 1);
                drop(line);
                drop(waiter);
                return Poll::Ready(());
            }
            let old = line[at].1.replace(fresh);
            drop(line);
            drop(old);
            Poll::Pending
        })
        .await;
        // It is out of the line already, so the drop of `place` does nothing.
        Permit(self)
    }

    /// Wakes the last one whom a permit reaches, if that was not so before.
    fn reaches_one_more(&self) {
        let last = self.free.get().checked_sub(1);
        let waker = last.and_then(|last| self.line.borrow_mut().get_mut(last)?.1.take());
        waker.into_iter().for_each(Waker::wake);
    }
}

/// A place in the line.
struct InLine<'a> {
    semaphore: &'a Semaphore,
    number: u64,
}

impl InLine<'_> {
    fn at(&self, line: &VecDeque<(u64, Option<Waker>)>) -> Option<usize> {
        line.iter().position(|(number, _)| *number == self.number)
    }
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        let mut line = self.semaphore.line.borrow_mut();
        let Some(at) = self.at(&line) else { return };
        let waiter = line.remove(at);
        drop(line);
        drop(waiter);
        if at < self.semaphore.free.get() {
            self.semaphore.reaches_one_more();
        }
    }
}

/// The right to go on.
pub struct Permit<'a>(&'a Semaphore);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.free.set(self.0.free.get() + 1);
        self.0.reaches_one_more();
    }
}
