//! Spawning tasks and joining them: what a task costs from birth to result.

use crate::case::Case;
use crate::executor::Executor;
use crate::{Bare, LocalSet, OneWorker, Ours, Pool, Rung, Smol, Tokio, triangle};

/// Tasks in one go: more than the second-level cache holds.
const TASKS: u64 = 100_000;

pub(crate) fn cases() -> Vec<Case> {
    let case = Case::new("spawn", "spawn and join, 100,000 tasks", TASKS, "task").target(1.6).target_to_limit(0.85).why(
        "Of the 1,000 instructions of a task, 430 are malloc and free (`counts`, under callgrind with the toolchain of \
         this page): a task is one allocation, here as in tokio. The limit, which boxes its futures, pays it as well. Tried \
         and not kept: tasks that are made anew in the memory of ended ones take 350 instructions less, and only 8 % less \
         time, for 100,000 tasks do not fit into the cache, and to fetch them is what takes the time.",
    );
    vec![
        case.on(Ours::new, || spawn_and_join::<Ours>(TASKS))
            .on(Tokio::new, || spawn_and_join::<Tokio>(TASKS))
            .on(LocalSet::new, || spawn_and_join::<LocalSet>(TASKS))
            .on(OneWorker::new, || spawn_and_join::<OneWorker>(TASKS))
            .on(Smol::new, || spawn_and_join::<Smol>(TASKS))
            .on(Pool::new, || spawn_and_join::<Pool>(TASKS))
            .on(Rung::new, || spawn_and_join::<Rung>(TASKS))
            .on(Bare::new, || spawn_and_join::<Bare>(TASKS)),
    ]
}

pub(crate) async fn spawn_and_join<E: Executor>(n: u64) {
    let tasks: Vec<_> = (0..n).map(|n| E::spawn(async move { n })).collect();
    let mut sum = 0;
    for task in tasks {
        sum += E::join(task).await;
    }
    assert_eq!(sum, triangle(n));
}
