//! Yielding: one pass through the ready queue and back.

use crate::case::{Case, Role};
use crate::executor::Executor;
use crate::{Bare, LocalSet, Ours, Pool, Rung, Smol, Tokio};
use std::future::poll_fn;
use std::task::Poll;

/// Tasks that take turns.
const TASKS: u64 = 1_000;
/// How often each of them yields.
const ROUNDS: u64 = 100;
/// How often the one that is alone yields.
const ALONE: u64 = 100_000;

pub(crate) fn cases() -> Vec<Case> {
    let many_tasks = Case::new("yields", "yield, 1,000 tasks × 100", TASKS * ROUNDS, "yield").target(3.5).why(
        "A yield is 185 instructions: 50 to wake (whose loop is it, is the ticket good, is it queued), 80 to pop and to \
         poll, the rest is the task's own. The limit knows of no stale tickets, no aborts, no other threads and no time. \
         What was taken out on the way stands in ARCHITECTURE.md.",
    );
    let one_task = Case::new("yields", "yield, one task", ALONE, "yield").target(4.0).note(
        "Not like for like. tokio's `yield_now` waits on purpose: it wakes its task only after the driver was polled, so \
         that who yields again and again does not keep sockets and timers waiting (tokio's pull requests 5223 and 8254 give \
         the reason). One task alone pays for a poll of the driver at each yield. Ours asks the reactor once in 61 polls. In \
         the row below everybody wakes itself by hand, and nobody waits.",
    );
    let by_hand = Case::new("yields", "a task wakes itself by hand, one task", ALONE, "wake")
        .note("The same as one line of code: wake the own waker, and say Pending. tokio asks its driver once in 61 polls, too.");
    vec![
        many_tasks
            .on(Ours::new, many::<Ours>)
            .on(Tokio::new, many::<Tokio>)
            .on(LocalSet::new, many::<LocalSet>)
            .named("tokio without I/O", Role::Shown, Tokio::without_io, many::<Tokio>)
            .on(Smol::new, many::<Smol>)
            .on(Pool::new, many::<Pool>)
            .on(Rung::new, many::<Rung>)
            .on(Bare::new, many::<Bare>),
        one_task
            .on(Ours::new, one::<Ours>)
            .on(Tokio::new, one::<Tokio>)
            .on(LocalSet::new, one::<LocalSet>)
            .named("tokio without I/O", Role::Shown, Tokio::without_io, one::<Tokio>)
            .on(Smol::new, one::<Smol>)
            .on(Pool::new, one::<Pool>)
            .on(Rung::new, one::<Rung>)
            .on(Bare::new, one::<Bare>),
        by_hand
            .on(Ours::new, one_by_hand::<Ours>)
            .on(Tokio::new, one_by_hand::<Tokio>)
            .on(LocalSet::new, one_by_hand::<LocalSet>)
            .on(Smol::new, one_by_hand::<Smol>)
            .on(Pool::new, one_by_hand::<Pool>)
            .on(Rung::new, one_by_hand::<Rung>)
            .on(Bare::new, one_by_hand::<Bare>),
    ]
}

/// Wakes its own task, and is pending once.
pub(crate) fn by_hand() -> impl Future<Output = ()> {
    let mut woken = false;
    poll_fn(move |cx| {
        if woken {
            return Poll::Ready(());
        }
        woken = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}

async fn one_by_hand<E: Executor>() {
    let task = E::spawn(async {
        for _ in 0..ALONE {
            by_hand().await;
        }
        ALONE
    });
    assert_eq!(E::join(task).await, ALONE);
}

async fn many<E: Executor>() {
    let tasks: Vec<_> = (0..TASKS).map(|_| E::spawn(yield_often::<E>(ROUNDS))).collect();
    let mut sum = 0;
    for task in tasks {
        sum += E::join(task).await;
    }
    assert_eq!(sum, TASKS * ROUNDS);
}

/// As a task, not as main: runtimes may treat main in a way of its own.
async fn one<E: Executor>() {
    let yielded = E::join(E::spawn(yield_often::<E>(ALONE))).await;
    assert_eq!(yielded, ALONE);
}

async fn yield_often<E: Executor>(times: u64) -> u64 {
    let mut yielded = 0;
    for _ in 0..times {
        E::yield_now().await;
        yielded += 1;
    }
    yielded
}
