//! `gather_tasks`: every child is a task of the loop, and the last one to end wakes the parent.

use super::{Program, ask};
use gather::gather_tasks;
use runtime::Runtime;
use runtime::time::sleep;
use runtime::trace::{Kind, TaskNumber, note};
use std::time::Duration;

pub(super) const PROGRAM: Program = Program {
    name: "tasks",
    title: "gather_tasks: the parent is polled exactly twice",
    about: [
        "The same three fetches as in gather, but each one is a task with a slot of its own.",
        "The end of a child is counted, and only the last one wakes the parent.",
    ],
    questions: [
        ask("Where do the children live?", |event| matches!(event.kind, Kind::Spawn { task: TaskNumber(1), .. })),
        ask("The first child ends. Does main run?", |event| matches!(event.kind, Kind::TaskEnd { .. })),
        ask("Who wakes main?", |event| matches!(event.kind, Kind::Wake { task: TaskNumber(0), .. })),
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
        let bodies = gather_tasks([fetch("/a", 30), fetch("/b", 10), fetch("/c", 0)]);
        note(format!("{} answers", bodies.await.len()));
    });
}
