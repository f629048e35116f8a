//! `.limit(n)`: at most so many children at once.

use super::{Program, ask};
use gather::gather;
use runtime::Runtime;
use runtime::time::sleep;
use runtime::trace::{Kind, Nanos};
use std::time::Duration;

pub(super) const PROGRAM: Program = Program {
    name: "limit",
    title: "five children, two at once",
    about: [
        "Five naps of 20, 10, 10, 20 and 10 ms are gathered, but at most two children live at once.",
        "Each of the others is taken from the iterator when a place is free, so all is over after 40 ms and not after 20 ms.",
    ],
    questions: [
        ask("Two children have begun. Where is the third?", |event| {
            matches!(event.kind, Kind::PollEnd { ready: false, .. })
        }),
        ask("A child ends. Who takes its place?", |event| matches!(event.kind, Kind::ChildPollEnd { ready: true, .. })),
        ask("When does the last child begin its nap?", |event| {
            matches!(event.kind, Kind::TimerArmed { deadline: Nanos(30_000_000), .. })
        }),
    ],
    repeats: true,
    hangs: false,
    run,
};

fn run(runtime: &Runtime) {
    runtime.block_on(async {
        // A nap begins when its child is polled for the first time: the sleep is made inside the child.
        let naps = [20, 10, 10, 20, 10].map(|ms| async move { sleep(Duration::from_millis(ms)).await });
        gather(naps).limit(2).await;
    });
}
