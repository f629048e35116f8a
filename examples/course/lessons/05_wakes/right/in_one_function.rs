//! All orders in one function, with a closure that makes two takes wait.

use course::{Mailbox, Taker, at_next_copy, at_next_wake};
use std::rc::Rc;
use std::task::Poll;

/// Makes a mailbox, empty.
pub type Make<'a> = dyn Fn() -> Rc<dyn Mailbox> + 'a;

/// Panics if the mailboxes that `make` makes are wrong.
pub fn test(make: &Make<'_>) {
    let fresh = |takes: usize| {
        let mailbox = make();
        let takers: Vec<Taker> = (0..takes).map(|_| Taker::new(&mailbox)).collect();
        for taker in &takers {
            assert!(taker.poll().is_pending() && !taker.is_woken());
        }
        (mailbox, takers)
    };
    for drops in [false, true] {
        let (mailbox, takers) = fresh(3);
        let last = takers[2].hand_over();
        assert!(last.poll().is_pending());
        mailbox.put(1);
        assert!(takers[0].is_woken());
        if drops {
            takers[0].drop_take();
            assert!(takers[1].is_woken());
            assert_eq!(takers[1].poll(), Poll::Ready(1));
        }
        mailbox.put(2);
        mailbox.put(3);
        assert!(takers[1].is_woken() || takers[1].got().is_some());
        assert!(last.is_woken());
        if !drops {
            for (taker, value) in takers[..2].iter().chain([&last]).zip(1..) {
                assert_eq!(taker.poll(), Poll::Ready(value));
            }
        }
    }
    let (mailbox, takers) = fresh(1);
    let again = takers[0].clone();
    at_next_wake(move || {
        let _ = again.poll();
    });
    mailbox.put(4);
    assert!(takers[0].is_woken() || takers[0].got() == Some(4));
    let mailbox = make();
    let (taker, puts) = (Taker::new(&mailbox), Rc::clone(&mailbox));
    at_next_copy(move || puts.put(5));
    while taker.poll().is_pending() {
        assert!(taker.is_woken());
    }
    assert_eq!(taker.got(), Some(5));
}
