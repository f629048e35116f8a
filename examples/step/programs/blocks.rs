//! A poll that blocks: while one task keeps the thread, nobody else is polled.

use super::{Program, ask};
use runtime::time::sleep;
use runtime::trace::{Kind, TaskNumber, note};
use runtime::{Runtime, task};
use std::thread;
use std::time::Duration;

pub(super) const PROGRAM: Program = Program {
    name: "blocks",
    title: "a poll that blocks: a timer of 10 ms comes after 40 ms",
    about: [
        "One task sleeps for 10 ms as it should, and the other one stops the whole thread for 40 ms in the middle of a poll.",
        "The loop has only this thread, so the timer fires when that poll has ended: late by 30 ms.",
    ],
    questions: [
        ask("For when is the timer of the polite task armed?", |event| matches!(event.kind, Kind::TimerArmed { .. })),
        ask("How long did the poll of the rude task take?", |event| {
            matches!(event.kind, Kind::PollEnd { task: TaskNumber(2), .. })
        }),
        ask("When does the timer fire?", |event| matches!(event.kind, Kind::TimerFired { .. })),
    ],
    repeats: false,
    hangs: false,
    run,
};

fn run(runtime: &Runtime) {
    runtime.block_on(async {
        let polite = task::Builder::new().name("polite").spawn(async {
            sleep(Duration::from_millis(10)).await;
            note("at last");
        });
        let rude = task::Builder::new().name("rude").spawn(async {
            // The fault: `runtime::time::sleep` would wait, this stops the thread.
            thread::sleep(Duration::from_millis(40));
        });
        polite.await.expect("it ends");
        rude.await.expect("it ends");
    });
}
