//! refused: no borrow while other code runs
//!
//! Puts the new waker into the line, and so drops the old one while the line is borrowed.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::task::{Poll, Waker};

/// A number of permits, and those who wait, by their number.
#[derive(Default)]
pub struct Semaphore {
    free: Cell<usize>,
    next: Cell<u64>,
    // Who is in here has no permit.
    line: RefCell<BTreeMap<u64, Option<Waker>>>,
}

impl Semaphore {
    pub fn new(permits: usize) -> Semaphore {
        Semaphore { free: Cell::new(permits), ..Semaphore::default() }
    }

    pub async fn acquire(&self) -> Permit<'_> {
        let number = self.next.replace(self.next.get() + 1);
        match self.free.get().checked_sub(1) {
            Some(less) => self.free.set(less),
            None => drop(self.line.borrow_mut().insert(number, None)),
        }
        let permit = Permit { semaphore: self, number };
        poll_fn(|cx| {
            let fresh = cx.waker().clone();
            match self.line.borrow_mut().get_mut(&number) {
                Some(mine) => {
                    *mine = Some(fresh);
                    Poll::Pending
                }
                None => Poll::Ready(()),
            }
        })
        .await;
        permit
    }

    fn release(&self) {
        let first = self.line.borrow_mut().pop_first();
        match first {
            Some((_, waker)) => waker.into_iter().for_each(Waker::wake),
            None => self.free.set(self.free.get() + 1),
        }
    }
}

/// The right to go on. To drop it is to give it back.
pub struct Permit<'a> {
    semaphore: &'a Semaphore,
    number: u64,
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let place = self.semaphore.line.borrow_mut().remove(&self.number);
        match place {
            Some(waker) => drop(waker),
            None => self.semaphore.release(),
        }
    }
}
