//! refused: find the wake out of turn
//!
//! Looks after two puts who is woken, and not after the first.

use course::{Mailbox, Taker, at_next_copy, at_next_wake};
use std::rc::Rc;
use std::task::Poll;

/// Makes a mailbox, empty.
pub type Make<'a> = dyn Fn() -> Rc<dyn Mailbox> + 'a;

/// Panics if the mailboxes that `make` makes are wrong.
pub fn test(make: &Make<'_>) {
    a_take_that_waits(make());
    two_values(make());
    a_take_that_moves(make());
    two_takes(make());
    a_dropped_take(make());
    a_put_in_a_poll(make());
    a_poll_in_a_wake(make());
}

fn a_take_that_waits(mailbox: Rc<dyn Mailbox>) {
    let anna = Taker::new(&mailbox);
    assert_eq!(anna.poll(), Poll::Pending);
    assert!(!anna.is_woken(), "woken before the put");
    mailbox.put(7);
    assert!(anna.is_woken(), "the put wakes nobody");
    assert_eq!(anna.poll(), Poll::Ready(7));
}

fn two_values(mailbox: Rc<dyn Mailbox>) {
    mailbox.put(7);
    mailbox.put(8);
    let (anna, ben) = (Taker::new(&mailbox), Taker::new(&mailbox));
    assert_eq!(anna.poll(), Poll::Ready(7));
    assert_eq!(ben.poll(), Poll::Ready(8));
}

fn a_take_that_moves(mailbox: Rc<dyn Mailbox>) {
    let anna = Taker::new(&mailbox);
    assert_eq!(anna.poll(), Poll::Pending);
    let ben = anna.hand_over();
    assert_eq!(ben.poll(), Poll::Pending);
    mailbox.put(7);
    assert!(ben.is_woken(), "it wakes the task that polled first");
}

fn two_takes(mailbox: Rc<dyn Mailbox>) {
    let (anna, ben) = (Taker::new(&mailbox), Taker::new(&mailbox));
    assert_eq!(anna.poll(), Poll::Pending);
    assert_eq!(ben.poll(), Poll::Pending);
    mailbox.put(7);
    mailbox.put(8);
    assert!(anna.is_woken(), "Ben has pushed Anna out");
    assert!(ben.is_woken(), "the second put wakes nobody");
}

fn a_dropped_take(mailbox: Rc<dyn Mailbox>) {
    let (anna, ben) = (Taker::new(&mailbox), Taker::new(&mailbox));
    assert_eq!(anna.poll(), Poll::Pending);
    assert_eq!(ben.poll(), Poll::Pending);
    mailbox.put(7);
    anna.drop_take();
    assert!(ben.is_woken(), "the wake is lost with the take");
}

fn a_put_in_a_poll(mailbox: Rc<dyn Mailbox>) {
    let anna = Taker::new(&mailbox);
    let puts = Rc::clone(&mailbox);
    at_next_copy(move || puts.put(7));
    let _ = anna.poll();
    assert!(anna.got() == Some(7) || anna.is_woken(), "the wake is lost in the poll");
}

fn a_poll_in_a_wake(mailbox: Rc<dyn Mailbox>) {
    let anna = Taker::new(&mailbox);
    assert_eq!(anna.poll(), Poll::Pending);
    let again = anna.clone();
    at_next_wake(move || _ = again.poll());
    mailbox.put(7);
    assert!(anna.got() == Some(7) || anna.is_woken(), "the wake comes before the value");
}
