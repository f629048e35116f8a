//! What rung 13 leaves out and what each thing costs there: measures the real loop and rung 13 side by side, item by
//! item, and prints the table that stands in the README.
//!
//! ```text
//! $ cargo run --release -p course --features prices --example prices
//! ```
//!
//! Counts are exact. Times are the best of eleven alternated rounds: on a busy machine the other rounds measure its other
//! work. Compare the two of a row, not two machines. The names of the rows stand in `rows.rs`, and a test compares
//! them with the README's.
#![allow(dead_code, reason = "a program uses a part of its rung")]

mod rows;
#[path = "../lessons/13_server/rung.rs"]
mod rung_13;

use rows::ROWS;
use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt::Display;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Counts what the system's allocator does.
struct Counting;

/// Allocations so far.
static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);
/// Bytes that are allocated now, and the most that were since this was last set.
static BYTES: AtomicUsize = AtomicUsize::new(0);
static MOST_BYTES: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it came, so its contract is kept. The counters are atomics and do
// not allocate.
#[allow(unsafe_code, reason = "to count allocations is to be the allocator")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        let bytes = BYTES.fetch_add(layout.size(), Relaxed) + layout.size();
        MOST_BYTES.fetch_max(bytes, Relaxed);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        BYTES.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Prints the row of the table that measures `what`.
///
/// # Panics
/// When it is not the next row of the list.
fn row(what: &str, at_real: impl Display, at_rung: impl Display) {
    static PRINTED: AtomicUsize = AtomicUsize::new(0);
    let [real, rung, next] = ROWS[PRINTED.fetch_add(1, Relaxed)];
    assert_eq!(what, next, "the rows are printed in the order of their list");
    println!("| {real} | {rung} | {what} | {at_real} | {at_rung} |");
}

/// The best of eleven rounds of each, in alternation, for one of `times` operations.
fn compare(times: u32, mut real: impl FnMut(), mut rung: impl FnMut()) -> [String; 2] {
    let mut best = [Duration::MAX; 2];
    for _ in 0..11 {
        for (best, work) in best.iter_mut().zip([&mut real as &mut dyn FnMut(), &mut rung]) {
            let start = Instant::now();
            work();
            *best = (*best).min(start.elapsed() / times);
        }
    }
    best.map(|best| format!("{} ns", best.as_nanos()))
}

/// How many allocations `work` makes.
fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.load(Relaxed);
    work();
    ALLOCATIONS.load(Relaxed) - before
}

/// The real loop, with its parts where rung 13 has them.
mod whole {
    pub use gather::gather;
    pub use runtime::{Runtime, spawn, task::yield_now, time::sleep};
}

/// The same for rung 13.
mod small {
    pub use crate::rung_13::gather::gather;
    pub use crate::rung_13::{runtime::Runtime, runtime::spawn, task::yield_now, time::sleep};
}

/// The same program for both loops, in which `on` is the one or the other.
macro_rules! both {
    ($on:ident: $($body:tt)*) => {
        (
            |runtime: &whole::Runtime| {
                use whole as $on;
                runtime.block_on(async { $($body)* })
            },
            |runtime: &small::Runtime| {
                use small as $on;
                runtime.block_on(async { $($body)* })
            },
        )
    };
}

mod children;
mod ends;
mod fair;
mod outside;
mod tasks;

fn main() {
    let real = &runtime::Runtime::builder().virtual_clock().build().expect("the system gives a descriptor");
    let rung = &rung_13::runtime::Runtime::virtual_clock();
    println!("| the real loop | rung 13 | measured | real | rung 13 |\n| --- | --- | --- | --- | --- |");
    tasks::tasks(real, rung);
    tasks::timers(real, rung);
    children::children(real, rung);
    children::limits(real, rung);
    children::progress(real, rung);
    fair::fairness(real, rung);
    fair::looks();
    fair::readers();
    tasks::memory();
    outside::jobs();
    outside::attempts();
    ends::foreign_panics();
    ends::loops();
}
