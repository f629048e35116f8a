//! refused: no poll after Ready
//!
//! Polls a take that was ready.

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
    assert!(!anna.is_woken(), "woken before the put");
    mailbox.put(7);
    assert!(anna.is_woken(), "the put wakes nobody");
    assert_eq!(anna.poll(), Poll::Ready(7));
    assert_eq!(anna.poll(), Poll::Pending);
}
