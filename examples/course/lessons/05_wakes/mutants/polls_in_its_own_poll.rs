//! refused: no poll inside a poll
//!
//! Polls a take while it is polled.

use course::{Mailbox, Taker, at_next_copy};
use std::rc::Rc;
use std::task::Poll;

/// Makes a mailbox, empty.
pub type Make<'a> = dyn Fn() -> Rc<dyn Mailbox> + 'a;

/// Panics if the mailboxes that `make` makes are wrong.
pub fn test(make: &Make<'_>) {
    let mailbox = make();
    let anna = Taker::new(&mailbox);
    let again = anna.clone();
    at_next_copy(move || _ = again.poll());
    assert_eq!(anna.poll(), Poll::Pending);
}
