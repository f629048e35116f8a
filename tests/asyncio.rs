//! gather in the manner of CPython's own tests of it (`GatherTestsBase` and its neighbours): the same situations under
//! the same names, so that a reader can lay the two side by side. `parity.rs` compares whole programs.

use futures::FutureExt;
use gather::{Outcomes, TaskError, as_completed, gather, gather_tasks, task_group, try_gather, try_gather_tasks};
use runtime::sync::oneshot;
use runtime::task::yield_now;
use runtime::time::{now, sleep, timeout};
use runtime::{JoinHandle, spawn};
use std::time::Duration;
use tests::{Dropped, Log, virtually};

const MS: Duration = Duration::from_millis(1);

/// What a child ends with, and the end from which the test decides it: asyncio's `Future` and its `set_result`.
type Promise = oneshot::Sender<Result<u32, &'static str>>;

fn promises<const N: usize>() -> ([Option<Promise>; N], [impl Future<Output = Result<u32, &'static str>>; N]) {
    let mut futures = Vec::new();
    let senders = std::array::from_fn(|_| {
        let (sender, receiver) = oneshot::channel();
        futures.push(async move { receiver.await.expect("each promise is kept") });
        Some(sender)
    });
    (senders, futures.try_into().unwrap_or_else(|_| unreachable!("as many as senders")))
}

/// Keeps a promise, and lets the loop tell everyone.
async fn set(promise: &mut Option<Promise>, result: Result<u32, &'static str>) {
    promise.take().expect("kept once").send(result).expect("somebody waits for it");
    turns(4).await;
}

async fn turns(n: usize) {
    for _ in 0..n {
        yield_now().await;
    }
}

/// A task that sleeps, and writes down how it went on.
fn sleeper(log: &Log, ms: u32, name: &'static str) -> impl Future<Output = Result<u32, &'static str>> + 'static {
    let (log, guard) = (log.clone(), Dropped(log.clone(), name));
    async move {
        let _guard = guard;
        sleep(MS * ms).await;
        log.add(format!("{name} ended"));
        Ok(ms)
    }
}

#[test]
fn success() {
    virtually(async {
        let ([mut a, mut b, mut c], futures) = promises();
        let gathered = spawn(gather_tasks(futures));
        turns(2).await;
        set(&mut b, Ok(1)).await;
        set(&mut a, Ok(2)).await;
        assert!(!gathered.is_finished());
        set(&mut c, Ok(3)).await;
        assert!(gathered.is_finished());
        let results: Vec<_> = gathered.await.unwrap().into_iter().map(Result::unwrap).collect();
        assert_eq!(results, [Ok(2), Ok(1), Ok(3)]);
    });
}

#[test]
fn empty_sequence() {
    virtually(async {
        let start = now();
        assert!(gather_tasks(Vec::<JoinHandle<()>>::new()).await.is_empty());
        assert_eq!(try_gather_tasks(Vec::<std::future::Ready<Result<(), ()>>>::new()).await.unwrap(), []);
        assert_eq!(now(), start);
    });
}

#[test]
fn one_exception() {
    virtually(async {
        let ([mut a, mut b, mut c, mut d, mut e], futures) = promises();
        let gathered = spawn(try_gather_tasks(futures));
        turns(2).await;
        set(&mut a, Ok(1)).await;
        set(&mut b, Err("b")).await;
        assert!(gathered.is_finished(), "at once, with three children left");
        assert!(matches!(gathered.await.unwrap(), Err(TaskError::Failed("b"))));
        // What comes later changes nothing, and nobody minds: asyncio logs no "exception was never retrieved" either.
        set(&mut c, Ok(3)).await;
        set(&mut d, Err("d")).await;
        set(&mut e, Err("e")).await;
    });
}

#[test]
fn return_exceptions() {
    virtually(async {
        let ([mut a, mut b, mut c, mut d], futures) = promises();
        let gathered = spawn(gather_tasks(futures));
        turns(2).await;
        set(&mut a, Ok(1)).await;
        set(&mut b, Err("b")).await;
        set(&mut c, Err("c")).await;
        assert!(!gathered.is_finished());
        set(&mut d, Ok(4)).await;
        let results: Vec<_> = gathered.await.unwrap().into_iter().map(Result::unwrap).collect();
        assert_eq!(results, [Ok(1), Err("b"), Err("c"), Ok(4)]);
    });
}

#[test]
fn constructor_heterogenous_futures() {
    let (number, text) = virtually(async { gather::gather!(async { 1_u8 }, async { "two".to_owned() }).await });
    assert_eq!((number, text.as_str()), (1, "two"));
}

#[test]
fn one_cancellation() {
    virtually(async {
        let log = Log::new();
        let tasks = [spawn(sleeper(&log, 1, "a")), spawn(sleeper(&log, 9, "b")), spawn(sleeper(&log, 9, "c"))];
        let second = tasks[1].abort_handle();
        // A task that somebody else has spawned is awaited through its handle, like a future that asyncio is given.
        let gathered =
            spawn(try_gather_tasks(tasks.map(|task| async move { task.await.map_err(|error| error.to_string()) })));
        sleep(MS * 2).await;
        second.abort();
        turns(4).await;
        assert!(gathered.is_finished());
        let error = gathered.await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), "the task was cancelled");
        sleep(MS * 20).await;
        assert_eq!(log.take(), ["a ended", "a dropped", "b dropped", "c ended", "c dropped"], "c ran on");
    });
}

#[test]
fn result_exception_one_cancellation() {
    virtually(async {
        let log = Log::new();
        let tasks = [spawn(sleeper(&log, 1, "a")), spawn(sleeper(&log, 9, "b")), spawn(async { Err("zero") })];
        let second = tasks[1].abort_handle();
        let gathered = spawn(gather(tasks));
        sleep(MS * 2).await;
        second.abort();
        let results = gathered.await.unwrap();
        assert_eq!(results[0].as_ref().unwrap(), &Ok(1));
        assert!(results[1].as_ref().unwrap_err().is_cancelled());
        assert_eq!(results[2].as_ref().unwrap(), &Err("zero"));
        // To asyncio_tools a cancellation is a success. Here it is what it is.
        assert_eq!(results.failures().map(|(index, _)| index).collect::<Vec<_>>(), [1]);
    });
}

#[test]
fn cancellation_broadcast() {
    virtually(async {
        let log = Log::new();
        let outer = spawn(gather_tasks([sleeper(&log, 50, "a"), sleeper(&log, 50, "b")]));
        sleep(MS).await;
        outer.abort();
        assert!(outer.await.unwrap_err().is_cancelled());
        turns(2).await;
        assert_eq!(log.take(), ["a dropped", "b dropped"]);
    });
}

#[test]
fn cancellation_after_an_error_reaches_nobody() {
    virtually(async {
        let log = Log::new();
        let fails = async { Err("no") }.boxed_local();
        let gathered = try_gather_tasks([fails, sleeper(&log, 5, "b").boxed_local()]);
        assert_eq!(gathered.await.unwrap_err().to_string(), "no");
        sleep(MS * 10).await;
        assert_eq!(log.take(), ["b ended", "b dropped"]);
    });
}

#[test]
fn exception_marking() {
    virtually(async {
        let late = Log::new();
        let heard = late.clone();
        let fails = |ms: u32| async move {
            sleep(MS * ms).await;
            if ms == 2 { Ok(()) } else { Err(ms) }
        };
        let gathered = try_gather_tasks([3, 1, 2, 4].map(fails));
        let gathered = gathered.on_late_error(move |index, error| heard.add(format!("{index}: {error}")));
        assert_eq!(gathered.await.unwrap_err().to_string(), "1");
        assert_eq!(late.take(), [""; 0]);
        sleep(MS * 9).await;
        assert_eq!(late.take(), ["0: 3", "3: 4"]);
    });
}

#[test]
fn duplicate_coroutines() {
    // Rust's owner rules refuse one future in two places; a shared one is polled once and gives its value twice.
    virtually(async {
        let polls = std::rc::Rc::new(std::cell::Cell::new(0));
        let counted = std::rc::Rc::clone(&polls);
        let shared = async move {
            counted.set(counted.get() + 1);
            "value"
        }
        .shared();
        let results = gather_tasks([shared.clone(), shared.clone(), shared]).await;
        assert!(results.into_iter().all(|result| result.unwrap() == "value"));
        assert_eq!(polls.get(), 1);
    });
}

#[test]
fn already_finished_children() {
    virtually(async {
        let tasks = [spawn(async { 1 }), spawn(async { 2 })];
        turns(2).await;
        assert!(tasks.iter().all(JoinHandle::is_finished));
        let start = now();
        let results = gather(tasks).await;
        assert_eq!(results.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(now(), start);
    });
}

#[test]
fn nested_gathers() {
    virtually(async {
        let log = Log::new();
        let inner = |from: u32| gather_tasks([sleeper(&log, from, "x"), sleeper(&log, from + 1, "y")]);
        let (first, second) = (inner(2), inner(4));
        let outer = gather_tasks([first.boxed_local(), second.boxed_local()]).await;
        let all: Vec<Vec<u32>> = outer
            .into_iter()
            .map(|inner| inner.unwrap().into_iter().map(|result| result.unwrap().unwrap()).collect())
            .collect();
        assert_eq!(all, [[2, 3], [4, 5]]);
        log.take();

        // An error of an inner one goes through the outer one; all other tasks run on.
        let fails =
            try_gather_tasks([async { Err::<u32, _>("deep") }]).map(|inner| inner.map_err(|error| error.to_string()));
        let outer = try_gather_tasks([fails.boxed_local(), sleeper(&log, 3, "z").map(|_| Ok(vec![])).boxed_local()]);
        assert_eq!(outer.await.unwrap_err().to_string(), "deep");
        sleep(MS * 9).await;
        assert_eq!(log.take(), ["z ended", "z dropped"]);
    });
}

#[test]
fn gather_shield() {
    virtually(async {
        let log = Log::new();
        // A spawned task is asyncio's `shield`: who drops its handle leaves it running.
        let shielded = spawn(sleeper(&log, 5, "shielded"));
        let plain = sleeper(&log, 5, "plain");
        let both = gather([async { shielded.await.unwrap() }.boxed_local(), plain.boxed_local()]);
        timeout(MS * 2, both).await.unwrap_err();
        assert_eq!(log.take(), ["plain dropped"]);
        sleep(MS * 9).await;
        assert_eq!(log.take(), ["shielded ended", "shielded dropped"]);
    });
}

#[test]
fn wait_for_around_a_gather() {
    virtually(async {
        let log = Log::new();
        let slow = gather_tasks([sleeper(&log, 5, "a"), sleeper(&log, 50, "b")]);
        timeout(MS * 10, slow).await.unwrap_err();
        turns(2).await;
        assert_eq!(log.take(), ["a ended", "a dropped", "b dropped"]);
        let quick = gather_tasks([sleeper(&log, 5, "a"), sleeper(&log, 6, "b")]);
        assert_eq!(timeout(MS * 10, quick).await.unwrap().len(), 2);
    });
}

#[test]
fn a_gather_in_a_wait_for_may_be_awaited_on() {
    virtually(async {
        let log = Log::new();
        let mut all = std::pin::pin!(gather_tasks([sleeper(&log, 5, "a"), sleeper(&log, 50, "b")]));
        timeout(MS * 10, &mut all).await.unwrap_err();
        assert_eq!(all.await.len(), 2);
        assert_eq!(log.take(), ["a ended", "a dropped", "b ended", "b dropped"]);
    });
}

#[test]
fn as_completed_in_the_order_of_the_ends() {
    virtually(async {
        let (log, start) = (Log::new(), now());
        let mut ends = as_completed([15, 1, 10].map(|ms| spawn(sleeper(&log, ms, "task"))));
        let mut seen = Vec::new();
        while let Some((index, result)) = ends.next().await {
            seen.push((index, result.unwrap().unwrap(), (now() - start).as_millis()));
        }
        assert_eq!(seen, [(1, 1, 1), (2, 10, 10), (0, 15, 15)]);
    });
}

#[test]
fn as_completed_given_up_early_lets_its_tasks_run_on() {
    virtually(async {
        let log = Log::new();
        let tasks = [1, 5].map(|ms| spawn(sleeper(&log, ms, "task")));
        assert_eq!(as_completed(tasks).next().await.unwrap().0, 0);
        sleep(MS * 9).await;
        assert_eq!(log.take(), ["task ended", "task dropped", "task ended", "task dropped"]);
    });
}

#[test]
fn first_errors_compared_in_place_as_tasks_and_in_a_group() {
    // Who survives an error is what tells the three apart; the error and its moment are the same.
    let run = |form: &str| {
        let log = Log::new();
        virtually(async {
            let fails = async {
                sleep(MS).await;
                Err::<u32, _>("first")
            };
            let (start, other) = (now(), sleeper(&log, 5, "other"));
            let error = match form {
                "in place" => try_gather([fails.boxed_local(), other.boxed_local()]).await.unwrap_err().to_owned(),
                "tasks" => try_gather_tasks([fails.boxed_local(), other.boxed_local()]).await.unwrap_err().to_string(),
                _ => {
                    let group = task_group(async |group| {
                        drop((group.spawn(fails), group.spawn(other)));
                        Ok(())
                    });
                    group.await.unwrap_err()[0].to_string()
                }
            };
            assert_eq!((error.as_str(), now() - start), ("first", MS));
            log.add("returned");
            sleep(MS * 9).await;
        });
        log.take()
    };
    assert_eq!(run("in place"), ["other dropped", "returned"]);
    assert_eq!(run("tasks"), ["returned", "other ended", "other dropped"]);
    assert_eq!(run("group"), ["other dropped", "returned"]);
}
