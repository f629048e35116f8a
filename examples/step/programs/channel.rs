//! A bounded channel: who is faster waits for the other one.

use super::{Program, ask};
use runtime::sync::mpsc;
use runtime::time::sleep;
use runtime::trace::{Kind, TaskNumber, note};
use runtime::{Runtime, task};
use std::time::Duration;

pub(super) const PROGRAM: Program = Program {
    name: "channel",
    title: "a bounded channel: the sender waits for room, the receiver for messages",
    about: [
        "A task sends three numbers through a channel with room for one, and main takes one every 5 ms.",
        "At first main waits for a message; later the sender waits for room.",
    ],
    questions: [
        ask("What does main wait for at first?", |event| matches!(event.kind, Kind::Waits { .. })),
        ask("Why does the sender wait?", |event| {
            matches!(event.kind, Kind::PollEnd { task: TaskNumber(1), ready: false })
        }),
        ask("Who wakes the sender when there is room?", |event| {
            matches!(event.kind, Kind::Wake { task: TaskNumber(1), .. })
        }),
    ],
    repeats: true,
    hangs: false,
    run,
};

fn run(runtime: &Runtime) {
    runtime.block_on(async {
        let (sender, mut receiver) = mpsc::channel(1);
        let sends = task::Builder::new().name("sender").spawn(async move {
            for number in 1..=3 {
                sender.send(number).await.expect("main receives");
            }
        });
        while let Some(number) = receiver.recv().await {
            note(format!("received {number}"));
            sleep(Duration::from_millis(5)).await;
        }
        sends.await.expect("it ends");
    });
}
