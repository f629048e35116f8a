//! refused: a right mailbox passes
//!
//! A task whose take is over may be woken: that is a wake too many, and allowed.

use course::{Mailbox, Taker, at_next_copy, at_next_wake};
use std::rc::Rc;
use std::task::Poll;

/// Makes a mailbox, empty.
pub type Make<'a> = dyn Fn() -> Rc<dyn Mailbox> + 'a;

/// Panics if the mailboxes that `make` makes are wrong.
pub fn test(make: &Make<'_>) {
    a_take_that_waits(make());
    two_values(make());
    she_is_done(make());
    poll_in_wake(make());
    put_in_copy(make());
    one_is_dropped(make());
    two_wait(make());
    it_moves(make());
}

fn a_take_that_waits(mailbox: Rc<dyn Mailbox>) {
    let anna = Taker::new(&mailbox);
    assert_eq!(anna.poll(), Poll::Pending);
    assert!(!anna.is_woken());

    mailbox.put(7);
    assert!(anna.is_woken());

    let taken = anna.poll();
    assert_eq!(taken, Poll::Ready(7));
}

fn two_values(mailbox: Rc<dyn Mailbox>) {
    mailbox.put(1);
    mailbox.put(2);
    let anna = Taker::new(&mailbox);
    assert_eq!(anna.poll(), Poll::Ready(1));
    let ben = Taker::new(&mailbox);
    assert_eq!(ben.poll(), Poll::Ready(2));
}

fn it_moves(mailbox: Rc<dyn Mailbox>) {
    let anna = Taker::new(&mailbox);
    assert_eq!(anna.poll(), Poll::Pending);
    let ben = anna.hand_over();
    assert_eq!(ben.poll(), Poll::Pending);
    mailbox.put(7);
    assert!(ben.is_woken());
    assert_eq!(ben.poll(), Poll::Ready(7));
}

fn two_wait(mailbox: Rc<dyn Mailbox>) {
    let anna = Taker::new(&mailbox);
    let ben = Taker::new(&mailbox);
    assert_eq!(anna.poll(), Poll::Pending);
    assert_eq!(ben.poll(), Poll::Pending);
    mailbox.put(1);
    assert!(anna.is_woken());
    mailbox.put(2);
    assert!(ben.is_woken());
    assert_eq!(anna.poll(), Poll::Ready(1));
    assert_eq!(ben.poll(), Poll::Ready(2));
}

fn one_is_dropped(mailbox: Rc<dyn Mailbox>) {
    let anna = Taker::new(&mailbox);
    let ben = Taker::new(&mailbox);
    assert_eq!(anna.poll(), Poll::Pending);
    assert_eq!(ben.poll(), Poll::Pending);
    mailbox.put(1);
    anna.drop_take();
    assert!(ben.is_woken());
    assert_eq!(ben.poll(), Poll::Ready(1));
}

fn put_in_copy(mailbox: Rc<dyn Mailbox>) {
    let anna = Taker::new(&mailbox);
    at_next_copy(move || mailbox.put(7));
    let polled = anna.poll();
    assert!(polled == Poll::Ready(7) || anna.is_woken());
}

fn poll_in_wake(mailbox: Rc<dyn Mailbox>) {
    let anna = Taker::new(&mailbox);
    assert_eq!(anna.poll(), Poll::Pending);
    let same = anna.clone();
    at_next_wake(move || {
        let _ = same.poll();
    });
    mailbox.put(7);
    assert!(anna.got() == Some(7) || anna.is_woken());
}

fn she_is_done(mailbox: Rc<dyn Mailbox>) {
    let anna = Taker::new(&mailbox);
    assert_eq!(anna.poll(), Poll::Pending);
    mailbox.put(7);
    assert_eq!(anna.poll(), Poll::Ready(7));
    mailbox.put(8);
    assert!(!anna.is_woken());
}
