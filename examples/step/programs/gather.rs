//! `gather`: three children inside one task, polled in place.

use super::{Program, ask};
use gather::gather;
use runtime::Runtime;
use runtime::time::sleep;
use runtime::trace::{Kind, note};
use std::time::Duration;

pub(super) const PROGRAM: Program = Program {
    name: "gather",
    title: "three fetches in place: children, wakers, the count of those that remain",
    about: [
        "Main gathers three answers, of which one is there at once, one after 10 ms and one after 30 ms.",
        "All three are children of one task: a child's waker marks the child, and main polls only the marked ones.",
    ],
    questions: [
        ask("One answer is there at once. Which child ends first?", |event| {
            matches!(event.kind, Kind::ChildPollEnd { ready: true, .. })
        }),
        ask("What does a child's waker do?", |event| matches!(event.kind, Kind::ChildWoken { .. })),
        ask("Main is polled again. Which children are polled, and which are not?", |event| {
            event.turn > 1 && matches!(event.kind, Kind::ChildPoll { place: 1, .. })
        }),
    ],
    repeats: true,
    hangs: false,
    run,
};

/// Stands for a request that takes so many milliseconds; none is an answer that is there at once.
async fn fetch(path: &'static str, ms: u64) -> &'static str {
    if ms > 0 {
        sleep(Duration::from_millis(ms)).await;
    }
    path
}

fn run(runtime: &Runtime) {
    runtime.block_on(async {
        let bodies = gather([
            fetch("/a", 30), // answers after 30 ms
            fetch("/b", 10), // after 10 ms
            fetch("/c", 0),  // at once
        ]);
        note(format!("{:?}", bodies.await)); // in the order of the input
    });
}
