//! One sleep: the smallest program that waits.

use super::{Program, ask};
use runtime::Runtime;
use runtime::time::sleep;
use runtime::trace::{Kind, note};
use std::time::Duration;

pub(super) const PROGRAM: Program = Program {
    name: "sleep",
    title: "one task sleeps for 10 ms",
    about: [
        "The only task is main, and it sleeps for 10 ms.",
        "Follow its ticket: into the ready queue, to a timer, and back into the ready queue.",
    ],
    questions: [
        ask("What does the task leave behind before it returns Pending?", |event| {
            matches!(event.kind, Kind::TimerArmed { .. })
        }),
        ask("What does the loop do when nothing is ready?", |event| matches!(event.kind, Kind::Jump { .. })),
        ask("Who wakes main?", |event| matches!(event.kind, Kind::Wake { .. })),
    ],
    repeats: true,
    hangs: false,
    run,
};

fn run(runtime: &Runtime) {
    runtime.block_on(async {
        note("good night");
        sleep(Duration::from_millis(10)).await;
        note("good morning");
    });
}
