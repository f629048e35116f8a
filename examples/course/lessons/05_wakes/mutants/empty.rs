//! refused: find the lost value
//!
//! A constant answer: all pass.

use course::Mailbox;
use std::rc::Rc;

/// Makes a mailbox, empty.
pub type Make<'a> = dyn Fn() -> Rc<dyn Mailbox> + 'a;

/// Panics if the mailboxes that `make` makes are wrong.
pub fn test(_: &Make<'_>) {
}
