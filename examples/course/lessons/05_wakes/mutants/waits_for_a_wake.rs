//! refused: a test comes back
//!
//! Waits until the task is woken.

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
    while !anna.is_woken() {
        std::hint::spin_loop();
    }
    assert_eq!(anna.poll(), Poll::Ready(7));
}
