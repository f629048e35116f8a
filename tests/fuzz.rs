//! Random programs over the whole public surface, under the virtual clock, against a model: the plainest runtime that can
//! be written (`fuzz/plain.rs`). Each program runs on both, and what its tasks saw, and in which order, has to be the same
//! line for line.
//!
//! It is: spawn, join, abort; sleeps, also those that are made outside and reset; timeouts; intervals with each way to treat
//! missed ticks, and their reset; channels that are bounded, unbounded and local, both kinds of oneshot, semaphores; jobs of
//! the blocking pool; all forms of gather over a list, ends as they come, streams, task groups; tasks that do not rest, which
//! see after how many polls the loop looks around. Sockets and files have the system's timing, and are not here. Nor does it
//! see the order in which one look takes messages and fires timers: under the virtual clock both hardly ever come at the same
//! look. `turns.rs::a_look_takes_what_other_threads_sent_before_it_fires_timers` shows that.
//!
//! `time GLASSLOOP_FUZZ=40000 cargo test -p tests --test fuzz random_programs` says how many a minute: 40,000 took 19 seconds
//! of a processor on 30 November 2026, in a debug build, so 120,000 a minute.
//!
//! Without being told otherwise the seeds are always the same. `GLASSLOOP_FUZZ=200000` tries so many programs,
//! `GLASSLOOP_FUZZ_SEED=7` begins with another seed. A failure shows the smallest program that was found to differ.

#[path = "fuzz/api.rs"]
mod api;
#[path = "fuzz/ours.rs"]
mod ours;
#[path = "fuzz/plain.rs"]
mod plain;
#[path = "fuzz/program.rs"]
mod program;

use program::{Op, World};
use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use tests::Random;

/// Programs unless told otherwise: some seconds.
const PROGRAMS: u64 = 4_000;

/// What a program gave: the lines of its log, or the panic that ended it.
type Seen = Result<Vec<String>, String>;

/// Runs a program, and sees to it that nothing of it is left.
fn run(program: &[Op], on: fn(&[Op]) -> (Vec<String>, usize)) -> Seen {
    match catch_unwind(AssertUnwindSafe(|| on(program))) {
        Ok((log, 0)) => Ok(log),
        Ok((_, left)) => Err(format!("{left} bodies were never dropped")),
        Err(payload) => Err(payload.downcast::<String>().map_or_else(|_| "a panic".to_owned(), |text| *text)),
    }
}

fn on_ours(program: &[Op]) -> (Vec<String>, usize) {
    let builder = runtime::Runtime::builder().virtual_clock().max_blocking_threads(1);
    let runtime = builder.build().expect("the system gives descriptors");
    let ours = Rc::new(ours::Ours::default());
    let world = World::new(Rc::clone(&ours) as _);
    runtime.block_on(async {
        ours.begin();
        program::main(&world, program).await;
    });
    world.end();
    drop(runtime);
    (world.log(), world.bodies())
}

fn on_plain(program: &[Op]) -> (Vec<String>, usize) {
    let plain = plain::Plain::new();
    let world = World::new(plain.clone());
    plain.block_on(program::main(&world, program));
    world.end();
    plain.clear();
    (world.log(), world.bodies())
}

fn differs(program: &[Op]) -> bool {
    run(program, on_ours) != run(program, on_plain)
}

/// The smallest program that differs, by leaving out one step after the other.
fn shrink(mut program: Vec<Op>) -> Vec<Op> {
    while let Some(smaller) = program::smaller(&program).into_iter().find(|it| differs(it)) {
        program = smaller;
    }
    program
}

fn number(variable: &str, default: u64) -> u64 {
    env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

#[test]
fn random_programs_do_the_same_as_on_the_plainest_runtime() {
    let first = number("GLASSLOOP_FUZZ_SEED", 1);
    for seed in first..first + number("GLASSLOOP_FUZZ", PROGRAMS) {
        let program = program::random(&mut Random::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1));
        if differs(&program) {
            let small = shrink(program);
            let (ours, plain) = (run(&small, on_ours), run(&small, on_plain));
            panic!("seed {seed}: {small:#?}\nours:  {ours:#?}\nplain: {plain:#?}");
        }
    }
}

#[test]
fn the_programs_use_everything_that_they_can() {
    let mut words = std::collections::BTreeMap::new();
    for seed in 1..=400_u64 {
        let program = program::random(&mut Random::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1));
        for line in run(&program, on_ours).expect("no panic") {
            // "3 ms, 2: word …"
            let word = line.split(": ").nth(1).and_then(|rest| rest.split(" = ").next()).unwrap_or_default();
            *words.entry(word.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end().to_owned()).or_insert(0) += 1;
        }
    }
    // Steps, and what they come to: each was seen.
    for word in program::WORDS {
        assert!(words.get(*word).is_some_and(|&times| times >= 3), "{word}: {words:#?}");
    }
}
