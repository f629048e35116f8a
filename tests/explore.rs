//! The explorer: every schedule of small programs, exact counts, the first failure, and what is said of it.
#![cfg(feature = "explore")]

use gather::try_gather_tasks;
use runtime::explore::{Explored, choose, explore, explorer};
use runtime::sync::{Semaphore, mpsc, oneshot};
use runtime::task::{Builder, yield_now};
use runtime::{JoinHandle, spawn};
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::{Poll, Waker};

/// How many schedules there are, without a bound.
fn all<F: Future<Output = ()>>(program: impl Fn() -> F) -> usize {
    let explored = explorer().overtakings(usize::MAX).schedules(usize::MAX).run(program);
    assert!(explored.complete && explored.failure.is_none(), "{explored}");
    explored.schedules
}

/// The number of the first schedule that fails.
fn first<F: Future<Output = ()>>(program: impl Fn() -> F) -> usize {
    let explored = explorer().run(program);
    let failure = explored.failure.expect("it fails");
    println!("{}", failure.message);
    failure.run
}

/// `n` tasks that yield `k` times each.
fn yields(n: usize, k: usize) -> impl Fn() -> std::pin::Pin<Box<dyn Future<Output = ()>>> {
    move || {
        Box::pin(async move {
            let task = || async move {
                for _ in 0..k {
                    yield_now().await;
                }
            };
            let tasks: Vec<JoinHandle<()>> = (0..n).map(|_| spawn(task())).collect();
            for task in tasks {
                task.await.unwrap();
            }
        })
    }
}

#[test]
fn the_schedules_of_tasks_that_yield() {
    for (n, k, expected) in [(3, 1, 238), (3, 2, 4_875), (4, 1, 10_180)] {
        assert_eq!(all(yields(n, k)), expected, "{n} tasks of {k} yields");
    }
}

async fn lost_update(checks: bool) {
    let count = Rc::new(Cell::new(0));
    let add = |later: usize, count: Rc<Cell<u32>>| async move {
        for _ in 0..later {
            yield_now().await;
        }
        let before = count.get();
        yield_now().await;
        count.set(before + 1);
    };
    let early = Builder::new().name("early").spawn(add(0, Rc::clone(&count)));
    let late = Builder::new().name("late").spawn(add(2, Rc::clone(&count)));
    early.await.unwrap();
    late.await.unwrap();
    assert!(!checks || count.get() == 2, "an update was lost");
}

#[test]
fn an_update_that_is_lost() {
    assert_eq!(first(|| lost_update(true)), 4);
    assert_eq!(all(|| lost_update(false)), 35);
}

async fn channel() {
    let (sender, mut receiver) = mpsc::channel(2);
    for _ in 0..2 {
        let sender = sender.clone();
        drop(spawn(async move {
            for n in 0..3 {
                sender.send(n).await.unwrap();
            }
        }));
    }
    drop(sender);
    let mut sum = 0;
    while let Some(n) = receiver.recv().await {
        sum += n;
    }
    assert_eq!(sum, 6);
}

#[test]
fn bounded_channel() {
    println!("{}", all(channel));
}

#[test]
fn gathers() {
    println!("{}", all(|| gather_tasks(2)));
    println!("{}", all(|| gather_tasks(3)));
}

async fn gather_tasks(n: usize) {
    let semaphore = Rc::new(Semaphore::new(1));
    let child = |fails: bool, semaphore: Rc<Semaphore>| async move {
        let _permit = semaphore.acquire().await;
        yield_now().await;
        if fails { Err(()) } else { Ok(()) }
    };
    let gather = spawn({
        let semaphore = Rc::clone(&semaphore);
        async move { try_gather_tasks((0..n).map(|place| child(place == 0, Rc::clone(&semaphore)))).await }
    });
    let abort = gather.abort_handle();
    let aborter = spawn(async move { abort.abort() });
    aborter.await.unwrap();
    drop(gather.await);
    drop(semaphore.acquire().await);
    assert_eq!(semaphore.available_permits(), 1);
}
