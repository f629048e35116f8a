//! refused: find the put that wakes nobody
//!
//! Sleeps a while, and polls without looking for a wake.

use course::{Mailbox, Taker};
use std::rc::Rc;
use std::task::Poll;

/// Makes a mailbox, empty.
pub type Make<'a> = dyn Fn() -> Rc<dyn Mailbox> + 'a;

/// Panics if the mailboxes that `make` makes are wrong.
pub fn test(make: &Make<'_>) {
    a_take_that_waits(make());
}

fn a_take_that_waits(mailbox: Rc<dyn Mailbox>) {
    let anna = Taker::new(&mailbox);
    assert_eq!(anna.poll(), Poll::Pending);
    mailbox.put(7);
    std::thread::sleep(std::time::Duration::from_micros(100));
    assert_eq!(anna.poll(), Poll::Ready(7));
}
