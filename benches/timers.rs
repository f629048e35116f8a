//! Timers under a clock that stands still while something is ready: sleeps that fire, and timeouts that never do.

use crate::case::Case;
use crate::executor::Timers;
use crate::{LocalSet, Ours, Rung, Tokio};
use fastrand::Rng;
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

/// Tasks that sleep for a random time each.
const SLEEPS: u64 = 10_000;
/// Up to so long.
const LONGEST: u64 = 100_000;
/// Timeouts armed and dropped, one after the other.
const IN_TURN: u64 = 1_000_000;
/// Timeouts open at once.
const OPEN: u64 = 100_000;
/// How many of them are armed between two yields: tokio makes a task pause after 128.
const IN_A_ROW: u64 = 100;

pub(crate) fn cases() -> Vec<Case> {
    let case = |name, times, each, target| Case::new("timers", name, times, each).target_to_tokio(target);
    vec![
        case("10,000 random sleeps", SLEEPS, "sleep", 3.0)
            .on(Ours::paused, random_sleeps::<Ours>)
            .on(Tokio::paused, random_sleeps::<Tokio>)
            .on(LocalSet::paused, random_sleeps::<LocalSet>)
            .on(Rung::paused, random_sleeps::<Rung>)
            .limit("a binary heap alone", heap_alone),
        case("1,000,000 timeouts, one after the other", IN_TURN, "timeout", 3.0)
            .on(Ours::paused, timeouts_in_turn::<Ours>)
            .on(Tokio::paused, timeouts_in_turn::<Tokio>)
            .on(LocalSet::paused, timeouts_in_turn::<LocalSet>)
            .on(Rung::paused, timeouts_in_turn::<Rung>)
            .limit("an ordered set alone", || set_alone(IN_TURN, 1)),
        case("100,000 timeouts open at once", OPEN, "timeout", 2.0)
            .on(Ours::paused, || timeouts_at_once::<Ours>(OPEN))
            .on(Tokio::paused, || timeouts_at_once::<Tokio>(OPEN))
            .on(LocalSet::paused, || timeouts_at_once::<LocalSet>(OPEN))
            .on(Rung::paused, || timeouts_at_once::<Rung>(OPEN))
            .limit("an ordered set alone", || set_alone(OPEN, OPEN as usize))
            .why(
                "The case keeps each timeout in a box: malloc and free are 360 of its 1,060 instructions, for everybody. \
                 tokio's wheel files a deadline by its bits; a heap compares it, and is exact to the nanosecond.",
            ),
    ]
}

/// The same random milliseconds for everybody, in every round.
fn random_times(n: u64) -> impl Iterator<Item = Duration> {
    let mut rng = Rng::with_seed(n);
    (0..n).map(move |_| Duration::from_millis(rng.u64(1..=LONGEST)))
}

async fn random_sleeps<E: Timers>() {
    let start = E::now();
    let spawn_one = |time| {
        E::spawn(async move {
            E::sleep(time).await;
            E::now() - start
        })
    };
    let tasks: Vec<_> = random_times(SLEEPS).map(|time| (time, spawn_one(time))).collect();
    for (time, task) in tasks {
        // tokio's clock has whole milliseconds, and rounds up.
        let slept = E::join(task).await;
        assert!(time <= slept && slept <= time + Duration::from_millis(1), "{time:?}: {slept:?}");
    }
}

/// Arms each by one poll and drops it.
async fn timeouts_in_turn<E: Timers>() {
    let start = E::now();
    for _ in 0..IN_TURN / IN_A_ROW {
        for _ in 0..IN_A_ROW {
            let mut timeout = pin!(E::timeout(Duration::from_secs(1), pending::<()>()));
            arm(timeout.as_mut()).await;
        }
        E::yield_now().await;
    }
    assert_eq!(start, E::now());
}

/// Arms all by one poll each, and drops them in the order of their birth.
pub(crate) async fn timeouts_at_once<E: Timers>(many: u64) {
    let start = E::now();
    let mut open = Vec::with_capacity(many as usize);
    for (n, time) in (1..).zip(random_times(many)) {
        let mut timeout = Box::pin(E::timeout(time, pending::<()>()));
        arm(timeout.as_mut()).await;
        open.push(timeout);
        if n % IN_A_ROW == 0 {
            E::yield_now().await;
        }
    }
    assert_eq!(open.len() as u64, many);
    drop(open);
    assert_eq!(start, E::now());
}

/// One poll, which must find it pending.
async fn arm<F: Future>(mut timeout: Pin<&mut F>) {
    poll_fn(|cx: &mut Context<'_>| {
        assert!(timeout.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
}

/// What sleeps cost at least: a heap of deadlines.
fn heap_alone() {
    let mut heap: BinaryHeap<_> = (0..).zip(random_times(SLEEPS)).map(|(n, time)| Reverse((time, n))).collect();
    let mut fired = 0;
    let mut last = Duration::ZERO;
    while let Some(Reverse((time, _))) = heap.pop() {
        assert!(last <= time);
        (last, fired) = (time, fired + 1);
    }
    assert_eq!(fired, SLEEPS);
}

/// What timeouts cost at least: a place among the deadlines, and to leave it again. So many are open at once.
fn set_alone(n: u64, open: usize) {
    let mut set = BTreeSet::new();
    let mut order = std::collections::VecDeque::with_capacity(open);
    let mut left = 0;
    for key in (0..).zip(random_times(n)).map(|(n, time)| (time, n)) {
        if order.len() == open {
            left += u64::from(order.pop_front().is_some_and(|oldest| set.remove(&oldest)));
        }
        set.insert(key);
        order.push_back(key);
    }
    left += order.iter().filter(|key| set.remove(key)).count() as u64;
    assert_eq!(left, n);
}
