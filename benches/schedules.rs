//! Schedules a second: the explorer, and beside it shuttle's depth-first search over the same program.
//!
//! ```text
//! cargo run --release -p benches --features explore --bin schedules
//! ```
//!
//! Both run two tasks that take the one permit of a semaphore and yield while they have it. The loop and the semaphore
//! are the real ones here; shuttle has its own. The two count different things as one schedule: shuttle switches at each
//! operation of a primitive, so it has more schedules of the same program. What is compared is how long one takes. Both
//! search again and again, in turn, for the same time; the medians of all rounds are printed, and the ratio of each
//! round's two rates in the middle. The programs and rounds are few, so that the whole takes a quarter of a minute.

use runtime::explore::{Explored, explorer};
use runtime::sync::Semaphore;
use runtime::{spawn, task::yield_now};
use shuttle::future::batch_semaphore::{BatchSemaphore, Fairness};
use shuttle::scheduler::DfsScheduler;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Rounds of both.
const ROUNDS: usize = 9;

/// How long each of them searches in a round.
const ROUND: Duration = Duration::from_millis(500);

fn main() {
    println!("two tasks and a semaphore, {ROUNDS} rounds in turn");
    let rounds: Vec<(f64, f64)> = (0..ROUNDS).map(|_| (rate(explore_once), rate(shuttle_once))).collect();
    let ours = median(rounds.iter().map(|round| round.0));
    let theirs = median(rounds.iter().map(|round| round.1));
    let ratio = median(rounds.iter().map(|round| round.0 / round.1));
    for (who, rate, all) in [("the explorer", ours, explore_once()), ("shuttle's DFS", theirs, shuttle_once())] {
        println!("  {who:<15}{rate:>9.0} schedules a second; all {all} in {:.2} ms", 1e3 * all as f64 / rate);
    }
    println!("  ratio of the rates {ratio:.2}");

    for (tasks, yields, overtakings) in [(3, 3, usize::MAX), (5, 3, 3)] {
        let began = Instant::now();
        let explored = yields_of(tasks, yields, overtakings);
        let seconds = began.elapsed().as_secs_f64();
        println!("{tasks} tasks of {yields} yields: {explored} {seconds:.2} s");
    }
}

/// Searches until the time is over, and gives the schedules a second.
fn rate(search: fn() -> usize) -> f64 {
    let (began, mut schedules) = (Instant::now(), 0);
    while began.elapsed() < ROUND {
        schedules += search();
    }
    schedules as f64 / began.elapsed().as_secs_f64()
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Every schedule, on the project's own loop.
fn explore_once() -> usize {
    let explored = explorer().overtakings(usize::MAX).run(|| async {
        let semaphore = Rc::new(Semaphore::new(1));
        let task = || {
            let semaphore = Rc::clone(&semaphore);
            spawn(async move {
                let _permit = semaphore.acquire().await;
                yield_now().await;
            })
        };
        let tasks = [task(), task()];
        for task in tasks {
            task.await.expect("it does not panic");
        }
    });
    assert!(explored.complete, "{explored}");
    explored.schedules
}

/// Every schedule, on shuttle's.
fn shuttle_once() -> usize {
    let program = || {
        shuttle::future::block_on(async {
            let semaphore = Arc::new(BatchSemaphore::new(1, Fairness::StrictlyFair));
            let task = || {
                let semaphore = Arc::clone(&semaphore);
                shuttle::future::spawn(async move {
                    semaphore.acquire(1).await.expect("nobody closes it");
                    shuttle::future::yield_now().await;
                    semaphore.release(1);
                })
            };
            let tasks = [task(), task()];
            for task in tasks {
                task.await.expect("it does not panic");
            }
        });
    };
    shuttle::Runner::new(DfsScheduler::new(None, false), shuttle::Config::new()).run(program)
}

/// Tasks that only yield.
fn yields_of(tasks: usize, yields: usize, overtakings: usize) -> Explored {
    explorer().overtakings(overtakings).schedules(usize::MAX).run(|| async {
        let task = || async move {
            for _ in 0..yields {
                yield_now().await;
            }
        };
        let tasks: Vec<_> = (0..tasks).map(|_| spawn(task())).collect();
        for task in tasks {
            task.await.expect("it does not panic");
        }
    })
}
