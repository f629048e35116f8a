//! A thousand calls that wait a random time each: by threads, by a pool of threads, by gather, and by CPython's gather.
//!
//! The same work on both sides: a hundred at once is a pool of a hundred threads against `.limit(100)`, all at once is a
//! thousand threads against no limit. What is done is to wait, so the time on the wall is much the same for everybody;
//! the processor time is what differs.

use crate::affinity::Core;
use crate::case::{Case, Clock, Role};
use crate::executor::{Executor, Timers};
use crate::{Ours, triangle};
use crossbeam_channel::unbounded;
use fastrand::Rng;
use std::process::Command;
use std::sync::OnceLock;
use std::thread::{self, sleep};
use std::time::Duration;

const CALLS: u64 = 1_000;
/// Calls under way at once, where that is limited.
const AT_ONCE: usize = 100;
/// The longest wait, in milliseconds.
const LONGEST: u64 = 20;

/// What CPython does; it prints its time on the wall and its processor time, in seconds.
const ASYNCIO: &str = "
import asyncio, sys, time
waits = [int(it) / 1000 for it in sys.argv[2].split(',')]
async def call(n, wait, places):
    if places is None:
        await asyncio.sleep(wait)
    else:
        async with places:
            await asyncio.sleep(wait)
    return n
async def main():
    places = asyncio.Semaphore(int(sys.argv[1])) if int(sys.argv[1]) else None
    results = await asyncio.gather(*(call(n, wait, places) for n, wait in enumerate(waits)))
    assert results == list(range(len(waits)))
wall, cpu = time.perf_counter(), time.process_time()
asyncio.run(main())
print(time.perf_counter() - wall, time.process_time() - cpu)
";

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (clock, what) in [(Clock::Wall, "time on the wall"), (Clock::Process, "processor time")] {
        let name = |limit: &str| format!("1,000 calls, {limit}, {what}");
        let pool = case(name("100 at once"), clock, AT_ONCE, limited);
        cases.push(plain(pool, "threads", clock, pool_of_threads));
        let all = case(name("all at once"), clock, 0, unlimited);
        cases.push(plain(all, "threads", clock, all_threads));
    }
    cases
}

fn case<F: Future<Output = ()> + 'static>(name: String, clock: Clock, at_once: usize, ours: fn() -> F) -> Case {
    let mut case = Case::new("calls", name, CALLS, "call").by(clock).named("gather", Role::Ours, Ours::new, ours);
    case.slow = true;
    static HAS_PYTHON: OnceLock<bool> = OnceLock::new();
    if *HAS_PYTHON.get_or_init(|| asyncio(Clock::Wall, 0, &[0]).is_some()) {
        let python = move || asyncio(clock, at_once, &waits().collect::<Vec<_>>()).expect("it has run before");
        case = case.entry("CPython's asyncio", Role::Shown, move || Box::new(python));
    }
    case
}

/// Adds a contestant without a loop. Its threads run on all cores.
fn plain(case: Case, name: &'static str, clock: Clock, body: fn()) -> Case {
    let round = move || {
        Core::Any.stay();
        let time = clock.time(body);
        Core::Loops.stay();
        time
    };
    case.entry(name, Role::Peer, move || Box::new(round))
}

/// How long each call waits, in milliseconds: the same in every round.
fn waits() -> impl ExactSizeIterator<Item = u64> {
    let mut rng = Rng::with_seed(CALLS);
    (0..CALLS as usize).map(move |_| rng.u64(1..=LONGEST))
}

fn calls() -> impl ExactSizeIterator<Item = impl Future<Output = u64>> {
    waits().enumerate().map(|(n, wait)| async move {
        Ours::sleep(Duration::from_millis(wait)).await;
        n as u64
    })
}

async fn limited() {
    check(gather::gather(calls()).limit(AT_ONCE).await);
}

async fn unlimited() {
    check(gather::gather(calls()).await);
}

fn all_threads() {
    let threads: Vec<_> = waits().enumerate().map(|(n, wait)| thread::spawn(move || call(n, wait))).collect();
    check(threads.into_iter().map(|thread| thread.join().expect("no call panics")).collect());
}

fn pool_of_threads() {
    let (submit, jobs) = unbounded();
    let (finish, results) = unbounded();
    for _ in 0..AT_ONCE {
        let (jobs, finish) = (jobs.clone(), finish.clone());
        thread::spawn(move || jobs.iter().for_each(|(n, wait)| finish.send(call(n, wait)).expect("it is received")));
    }
    waits().enumerate().for_each(|job| submit.send(job).expect("the threads live"));
    drop((submit, finish));
    let mut results: Vec<u64> = results.iter().collect();
    results.sort_unstable();
    check(results);
}

fn call(n: usize, wait: u64) -> u64 {
    sleep(Duration::from_millis(wait));
    n as u64
}

fn check(results: Vec<u64>) {
    assert_eq!(results.len() as u64, CALLS);
    assert!(results.is_sorted());
    assert_eq!(results.iter().sum::<u64>(), triangle(CALLS));
}

/// The nanoseconds that CPython takes; `None` where it is not installed.
fn asyncio(clock: Clock, at_once: usize, waits: &[u64]) -> Option<f64> {
    let waits: Vec<String> = waits.iter().map(u64::to_string).collect();
    let output = Command::new("python3").args(["-c", ASYNCIO, &at_once.to_string(), &waits.join(",")]).output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    let mut times = said.split_whitespace().filter_map(|time| time.parse::<f64>().ok());
    let (wall, cpu) = (times.next()?, times.next()?);
    Some(if clock == Clock::Wall { wall } else { cpu } * 1e9)
}
