//! refused: a right mailbox passes
//!
//! A constant answer: all fail.

use course::Mailbox;
use std::rc::Rc;

/// Makes a mailbox, empty.
pub type Make<'a> = dyn Fn() -> Rc<dyn Mailbox> + 'a;

/// Panics if the mailboxes that `make` makes are wrong.
pub fn test(_: &Make<'_>) {
    panic!("it is wrong");
}
