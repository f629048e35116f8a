//! A small loop polls whoever is woken, and no other. In the end every value has to be taken.

use course::{Mailbox, Taker, at_next_copy, at_next_wake};
use std::rc::Rc;
use std::task::Poll;
use std::cell::Cell;

/// Makes a mailbox, empty.
pub type Make<'a> = dyn Fn() -> Rc<dyn Mailbox> + 'a;

/// Panics if the mailboxes that `make` makes are wrong.
pub fn test(make: &Make<'_>) {
    // Each order of two takes, two puts, a move and a drop.
    for order in 0..8 {
        let mailbox = make();
        let mut takers = vec![Taker::new(&mailbox), Taker::new(&mailbox)];
        for taker in &takers {
            assert!(taker.poll().is_pending());
        }
        if order & 1 > 0 {
            takers[1] = takers[1].hand_over();
            assert!(takers[1].poll().is_pending());
        }
        assert_eq!(obey(&takers), [], "nobody is woken before a put");
        mailbox.put(1);
        assert!(takers[0].is_woken(), "another take has waited longer");
        if order & 2 > 0 {
            takers.remove(0).drop_take();
        }
        if order & 4 > 0 {
            mailbox.put(2);
        }
        let all: &[u32] = if order & 2 == 0 && order & 4 > 0 { &[1, 2] } else { &[1] };
        assert_eq!(obey(&takers), all);
    }
    // A poll in a wake.
    let mailbox = make();
    let taker = Taker::new(&mailbox);
    assert!(taker.poll().is_pending());
    let again = taker.clone();
    at_next_wake(move || _ = again.poll());
    mailbox.put(3);
    obey(std::slice::from_ref(&taker));
    assert_eq!(taker.got(), Some(3));
    // A put in a poll.
    let mailbox = make();
    let (taker, puts, is_put) = (Taker::new(&mailbox), Rc::clone(&mailbox), Rc::new(Cell::new(false)));
    let puts_it = Rc::clone(&is_put);
    at_next_copy(move || {
        puts_it.set(true);
        puts.put(4);
    });
    let _ = taker.poll();
    obey(std::slice::from_ref(&taker));
    assert_eq!(taker.got(), Some(4).filter(|_| is_put.get()));
    // The order of values.
    let mailbox = make();
    (5..8).for_each(|value| mailbox.put(value));
    (5..8).for_each(|value| assert_eq!(Taker::new(&mailbox).poll(), Poll::Ready(value)));
}

/// Polls those that are woken, until nobody is; the values that came.
fn obey(takers: &[Taker]) -> Vec<u32> {
    let mut values = Vec::new();
    for _ in 0..5 {
        for taker in takers.iter().filter(|taker| taker.got().is_none()) {
            if taker.is_woken()
                && let Poll::Ready(value) = taker.poll()
            {
                values.push(value);
            }
        }
    }
    assert!(!takers.iter().any(|taker| taker.got().is_none() && taker.is_woken()), "woken for ever");
    values
}
