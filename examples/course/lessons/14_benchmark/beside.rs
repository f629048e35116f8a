//! Rung 13 beside tokio, measured by the benchmark of your exercise. It says what is faster where.
//!
//! ```text
//! $ cargo run --release -p course --features tokio --example beside_14
//! ```
//!
//! - `yields`: 100 tasks give way 100 times each.
//! - `spawns`: 10,000 tasks are spawned and joined.
//! - `timers`: 50,000 timers are armed, and dropped before they fire.
//! - `jobs`: 300 jobs for another thread, one after the other.
#![allow(
    dead_code,
    unused_imports,
    unused_variables,
    reason = "a part of the rung is used, and the exercise may be half done"
)]

#[path = "exercise.rs"]
mod answer;
#[path = "../13_server/rung.rs"]
mod rung;

use course::Rivals;
use std::time::Duration;

/// The same rounds on a loop. Each gives its time, without that of making the loop.
macro_rules! rounds {
    ($name:ident: $block_on:path, $spawn:path, $yield_now:path, $sleep:path, $spawn_blocking:path) => {
        mod $name {
            use std::future::poll_fn;
            use std::task::Poll;
            use std::time::{Duration, Instant};

            pub(super) fn yields() -> Duration {
                $block_on(async {
                    let start = Instant::now();
                    let gives_way = || async {
                        for _ in 0..100 {
                            $yield_now().await;
                        }
                    };
                    let tasks: Vec<_> = (0..100).map(|_| $spawn(gives_way())).collect();
                    for task in tasks {
                        task.await.expect("it does not panic");
                    }
                    start.elapsed()
                })
            }

            pub(super) fn spawns() -> Duration {
                $block_on(async {
                    let start = Instant::now();
                    let tasks: Vec<_> = (0..10_000).map(|_| $spawn(async {})).collect();
                    for task in tasks {
                        task.await.expect("it does not panic");
                    }
                    start.elapsed()
                })
            }

            pub(super) fn timers() -> Duration {
                $block_on(async {
                    let start = Instant::now();
                    let sleep = |number: u64| Box::pin($sleep(Duration::from_millis(3_600_000 + number % 1_000)));
                    let mut timers: Vec<_> = (0..50_000).map(sleep).collect();
                    poll_fn(|cx| {
                        let pending = timers.iter_mut().map(|timer| timer.as_mut().poll(cx)).filter(Poll::is_pending);
                        assert_eq!(pending.count(), 50_000, "an hour has not passed");
                        Poll::Ready(())
                    })
                    .await;
                    drop(timers);
                    start.elapsed()
                })
            }

            pub(super) fn jobs() -> Duration {
                $block_on(async {
                    let start = Instant::now();
                    for _ in 0..300 {
                        let _done = $spawn_blocking(|| ()).await;
                    }
                    start.elapsed()
                })
            }
        }
    };
}

rounds!(ours: crate::rung::runtime::block_on, crate::rung::runtime::spawn, crate::rung::task::yield_now,
        crate::rung::time::sleep, crate::rung::blocking::spawn_blocking);
rounds!(theirs: crate::on_tokio, tokio::spawn, tokio::task::yield_now, tokio::time::sleep, tokio::task::spawn_blocking);

/// A loop of tokio's that has one thread, as ours.
fn on_tokio<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("the system gives the loop what it needs").block_on(future)
}

/// What is measured: the name, and a round of each.
type Case = (&'static str, fn() -> Duration, fn() -> Duration);

const CASES: [Case; 4] = [
    ("yields", ours::yields, theirs::yields),
    ("spawns", ours::spawns, theirs::spawns),
    ("timers", ours::timers, theirs::timers),
    ("jobs", ours::jobs, theirs::jobs),
];

/// A case on this machine.
struct Real(Case);

impl Rivals for Real {
    fn is_release(&self) -> bool {
        !cfg!(debug_assertions)
    }

    fn ours(&mut self) -> Duration {
        (self.0.1)()
    }

    fn theirs(&mut self) -> Duration {
        (self.0.2)()
    }
}

fn main() {
    println!("  How many times as long tokio takes as rung 13,\n  by your benchmark:\n");
    for case in CASES {
        let name = case.0;
        let says = match answer::compare(&mut Real(case)) {
            None => "    no figure: is this a release build?".to_owned(),
            Some(figure) => format!("{figure:>7.2}  {}", if figure < 1.0 { "tokio wins" } else { "rung 13 wins" }),
        };
        let yours = if name == answer::TOKIO_WINS { "  <- you said: tokio" } else { "" };
        println!("    {name:<7}{says}{yours}");
    }
    if !CASES.iter().any(|case| case.0 == answer::TOKIO_WINS) {
        println!("\n  TOKIO_WINS is \"{}\": it is none of these.", answer::TOKIO_WINS);
    }
}
