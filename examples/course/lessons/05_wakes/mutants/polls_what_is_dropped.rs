//! refused: no poll after the drop
//!
//! Polls a take that is dropped.

use course::{Mailbox, Taker};
use std::rc::Rc;
use std::task::Poll;

/// Makes a mailbox, empty.
pub type Make<'a> = dyn Fn() -> Rc<dyn Mailbox> + 'a;

/// Panics if the mailboxes that `make` makes are wrong.
pub fn test(make: &Make<'_>) {
    let mailbox = make();
    let anna = Taker::new(&mailbox);
    assert_eq!(anna.poll(), Poll::Pending);
    mailbox.put(7);
    anna.drop_take();
    assert_eq!(anna.poll(), Poll::Ready(7));
}
