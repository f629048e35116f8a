//! `gather_tasks` against tokio's `JoinSet`: every child a task of the loop, results in the order of the input.

use crate::case::{Case, Role};
use crate::executor::Executor;
use crate::{Bare, LocalSet, Ours, Tokio};
use std::future::Future;
use tokio::task::JoinSet;

/// Numbers of children.
const SIZES: [u64; 5] = [10, 100, 1_000, 10_000, 100_000];
/// A round has about so many children, and at least one gather.
const CHILDREN: u64 = 20_000;

pub(crate) fn cases() -> Vec<Case> {
    SIZES.map(case).into()
}

fn case(n: u64) -> Case {
    let gathers = (CHILDREN / n).max(1);
    let mut case =
        Case::new("gather_tasks", format!("gather_tasks, n = {n}"), n * gathers, "child").target_to_tokio(3.0);
    case.slow = ![10, 1_000, 100_000].contains(&n);
    case = case.why(
        "A child is a task: to spawn it and to join it is nearly all of its cost, and more than a third of that is malloc \
         and free (see spawn; without, it would be 5 % faster). The limit, which boxes its futures and keeps no results for handles, is itself only three \
         to six times as fast as tokio.",
    );
    case.named("gather_tasks", Role::Ours, Ours::new, move || repeat(gathers, n, ours))
        .named("JoinSet", Role::Tokio, Tokio::new, move || repeat(gathers, n, join_set))
        .named("JoinSet, LocalSet", Role::Tokio, LocalSet::new, move || repeat(gathers, n, join_set_local))
        .named("bare round robin", Role::Limit, Bare::new, move || repeat(gathers, n, bare))
}

async fn repeat<F: Future<Output = Vec<u64>>>(gathers: u64, n: u64, gather: fn(u64) -> F) {
    for _ in 0..gathers {
        let results = gather(n).await;
        assert!((0..n).eq(results));
    }
}

async fn ours(n: u64) -> Vec<u64> {
    let results = gather::gather_tasks((0..n).map(|n| async move { n })).await;
    results.into_iter().map(|result| result.expect("no task panics")).collect()
}

async fn join_set(n: u64) -> Vec<u64> {
    let mut set = JoinSet::new();
    for n in 0..n {
        set.spawn(async move { (n, n) });
    }
    in_order(set, n).await
}

async fn join_set_local(n: u64) -> Vec<u64> {
    let mut set = JoinSet::new();
    for n in 0..n {
        set.spawn_local(async move { (n, n) });
    }
    in_order(set, n).await
}

/// A `JoinSet` gives results as they come.
async fn in_order(mut set: JoinSet<(u64, u64)>, n: u64) -> Vec<u64> {
    let mut results = vec![u64::MAX; n as usize];
    while let Some(result) = set.join_next().await {
        let (index, result) = result.expect("no task panics");
        results[index as usize] = result;
    }
    results
}

async fn bare(n: u64) -> Vec<u64> {
    let tasks: Vec<_> = (0..n).map(|n| Bare::spawn(async move { n })).collect();
    let mut results = Vec::with_capacity(tasks.len());
    for task in tasks {
        results.push(Bare::join(task).await);
    }
    results
}
