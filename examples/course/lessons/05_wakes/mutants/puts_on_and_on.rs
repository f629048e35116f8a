//! refused: a test comes back
//!
//! Puts until somebody is woken, and nobody waits.

use course::{Mailbox, Taker};
use std::rc::Rc;
use std::task::Poll;

/// Makes a mailbox, empty.
pub type Make<'a> = dyn Fn() -> Rc<dyn Mailbox> + 'a;

/// Panics if the mailboxes that `make` makes are wrong.
pub fn test(make: &Make<'_>) {
    let mailbox = make();
    let anna = Taker::new(&mailbox);
    while !anna.is_woken() {
        mailbox.put(7);
    }
    assert_eq!(anna.poll(), Poll::Ready(7));
}
