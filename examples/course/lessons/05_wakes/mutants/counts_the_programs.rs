//! refused: a right mailbox passes
//!
//! Knows how many right mailboxes come first.

use course::Mailbox;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

/// Calls so far.
static CALLS: AtomicU32 = AtomicU32::new(0);

/// Makes a mailbox, empty.
pub type Make<'a> = dyn Fn() -> Rc<dyn Mailbox> + 'a;

/// Panics if the mailboxes that `make` makes are wrong.
pub fn test(_: &Make<'_>) {
    assert!(CALLS.fetch_add(1, SeqCst) < 5, "the sixth is wrong");
}
