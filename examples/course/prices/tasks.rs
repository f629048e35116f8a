//! Tasks and timers: what they allocate, how long they take, what is left of them.

use crate::{BYTES, allocations, compare, row, rung_13, small, whole};
use std::future::poll_fn;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::Duration;

const SPAWNS: u32 = 10_000;

pub fn tasks(real: &whole::Runtime, rung: &small::Runtime) {
    let (on_real, on_rung) = both! { on:
        let tasks: Vec<_> = (0..SPAWNS).map(|number| on::spawn(async move { number })).collect();
        for task in tasks {
            let _ = task.await;
        }
    };
    // A first round, so that queues and slots have their size.
    on_real(real);
    on_rung(rung);
    let per_spawn = |count: usize| format!("{:.2}", count as f64 / f64::from(SPAWNS));
    let counts = [allocations(|| on_real(real)), allocations(|| on_rung(rung))].map(per_spawn);
    row("allocations a spawn", &counts[0], &counts[1]);
    let times = compare(SPAWNS, || on_real(real), || on_rung(rung));
    row("a spawn and its join", &times[0], &times[1]);
}

pub fn timers(real: &whole::Runtime, rung: &small::Runtime) {
    const TIMERS: u32 = 100_000;
    let (on_real, on_rung) = both! { on:
        let sleeps = (0..TIMERS).map(|number| Box::pin(on::sleep(Duration::from_nanos(u64::from(number * 7919 % TIMERS) + 1_000_000))));
        let mut sleeps: Vec<_> = sleeps.collect();
        poll_fn(|cx| {
            assert!(sleeps.iter_mut().all(|sleep| sleep.as_mut().poll(cx).is_pending()));
            Poll::Ready(())
        })
        .await;
    };
    let times = compare(TIMERS, || on_real(real), || on_rung(rung));
    row("arm a timer among 100,000, and drop it", &times[0], &times[1]);
    let (on_real, on_rung) = both! { on:
        for number in 0..TIMERS {
            let _detached = on::spawn(on::sleep(Duration::from_nanos(u64::from(number * 7919 % TIMERS))));
        }
        on::sleep(Duration::from_millis(1)).await;
    };
    let times = compare(TIMERS, || on_real(real), || on_rung(rung));
    row("a task that sleeps, among 100,000", &times[0], &times[1]);
}

/// What a loop keeps after there were many tasks at one time.
pub fn memory() {
    const TASKS: u32 = 100_000;
    macro_rules! keeps {
        ($runtime:expr, $spawn:path, $yield_now:path) => {{
            let runtime = $runtime;
            let before = BYTES.load(Relaxed);
            runtime.block_on(async {
                (0..TASKS).for_each(|_| drop($spawn($yield_now())));
                for _ in 0..1_000 {
                    $yield_now().await;
                }
            });
            BYTES.load(Relaxed) - before
        }};
    }
    let real = runtime::Runtime::builder().virtual_clock().build().expect("the system gives a descriptor");
    let at_real = keeps!(real, runtime::spawn, runtime::task::yield_now);
    let rung = rung_13::runtime::Runtime::virtual_clock();
    let at_rung = keeps!(rung, rung_13::runtime::spawn, rung_13::task::yield_now);
    let a_task = |bytes: usize| format!("{:.1}", bytes as f64 / f64::from(TASKS));
    row("bytes that are kept for each of 100,000 tasks that have ended", a_task(at_real), a_task(at_rung));
}
