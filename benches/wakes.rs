//! A wake alone: two tasks that wake each other through the wakers they left in each other's reach.

use crate::case::Case;
use crate::executor::Executor;
use crate::{Bare, LocalSet, Ours, Pool, Smol, Tokio};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// Wakes in one round.
const WAKES: u64 = 100_000;

pub(crate) fn cases() -> Vec<Case> {
    let case = Case::new("wakes", "two tasks wake each other", WAKES, "wake");
    vec![
        case.on(Ours::new, wake_each_other::<Ours>)
            .on(Tokio::new, wake_each_other::<Tokio>)
            .on(LocalSet::new, wake_each_other::<LocalSet>)
            .on(Smol::new, wake_each_other::<Smol>)
            .on(Pool::new, wake_each_other::<Pool>)
            .on(Bare::new, wake_each_other::<Bare>),
    ]
}

/// Whose turn it is, and how to reach the other.
#[derive(Default)]
struct Table {
    turns: Cell<u64>,
    waiting: [RefCell<Option<Waker>>; 2],
}

async fn wake_each_other<E: Executor>() {
    let table = Rc::new(Table::default());
    let players = [0, 1].map(|me| E::spawn(play(Rc::clone(&table), me)));
    let mut played = 0;
    for player in players {
        played += E::join(player).await;
    }
    assert_eq!(played, WAKES);
    assert_eq!(table.turns.get(), WAKES);
}

/// Takes every other turn, and gives the number of turns it took.
fn play(table: Rc<Table>, me: usize) -> impl Future<Output = u64> {
    let mut played = 0;
    poll_fn(move |cx| {
        let turn = table.turns.get();
        if turn < WAKES && turn % 2 == me as u64 {
            table.turns.set(turn + 1);
            played += 1;
            // Out of the cell first: a waker may run foreign code.
            let other = table.waiting[1 - me].borrow_mut().take();
            other.into_iter().for_each(Waker::wake);
        }
        if table.turns.get() == WAKES {
            return Poll::Ready(played);
        }
        *table.waiting[me].borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    })
}
