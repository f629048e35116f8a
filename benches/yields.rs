//! Yielding: one pass through the ready queue and back.

use crate::case::{Case, Role};
use crate::executor::Executor;
use crate::{Bare, LocalSet, Ours, Rung, Smol, Tokio};

/// Tasks that take turns.
const TASKS: u64 = 1_000;
/// How often each of them yields.
const ROUNDS: u64 = 100;
/// How often the one that is alone yields.
const ALONE: u64 = 100_000;

pub(crate) fn cases() -> Vec<Case> {
    let many_tasks = Case::new("yields", "yield, 1,000 tasks × 100", TASKS * ROUNDS, "yield").target_to_tokio(4.0).why(
        "A yield is 185 instructions: 50 to wake (whose loop is it, is the ticket good, is it queued), 80 to pop and to \
         poll, the rest is the task's own. The limit knows of no stale tickets, no aborts, no other threads and no time. \
         What was taken out on the way stands in ARCHITECTURE.md.",
    );
    let one_task = Case::new("yields", "yield, one task", ALONE, "yield").target_to_tokio(10.0);
    vec![
        many_tasks
            .on(Ours::new, many::<Ours>)
            .on(Tokio::new, many::<Tokio>)
            .on(LocalSet::new, many::<LocalSet>)
            .named("tokio without I/O", Role::Shown, Tokio::without_io, many::<Tokio>)
            .on(Smol::new, many::<Smol>)
            .on(Rung::new, many::<Rung>)
            .on(Bare::new, many::<Bare>),
        one_task
            .on(Ours::new, one::<Ours>)
            .on(Tokio::new, one::<Tokio>)
            .on(LocalSet::new, one::<LocalSet>)
            .named("tokio without I/O", Role::Shown, Tokio::without_io, one::<Tokio>)
            .on(Smol::new, one::<Smol>)
            .on(Rung::new, one::<Rung>)
            .on(Bare::new, one::<Bare>),
    ]
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
