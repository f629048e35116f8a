//! `race`: the first child to end wins, and the others are dropped.

use super::{Program, ask};
use gather::race;
use runtime::Runtime;
use runtime::time::sleep;
use runtime::trace::{Kind, note};
use std::time::Duration;

pub(super) const PROGRAM: Program = Program {
    name: "race",
    title: "race: the first one wins, the others are dropped",
    about: [
        "Three servers are asked the same thing, and the first answer is enough.",
        "The child that ends first gives the result, and the other two are dropped with their timers.",
    ],
    questions: [
        ask("Which timer is the next deadline?", |event| matches!(event.kind, Kind::Jump { .. })),
        ask("Who wins?", |event| matches!(event.kind, Kind::ChildPollEnd { ready: true, .. })),
        ask("What becomes of those that have not ended?", |event| {
            matches!(event.kind, Kind::TimerDropped { timer: 0 })
        }),
    ],
    repeats: true,
    hangs: false,
    run,
};

fn run(runtime: &Runtime) {
    runtime.block_on(async {
        let answers = [("far", 30), ("near", 10), ("further", 40)].map(|(server, ms)| async move {
            sleep(Duration::from_millis(ms)).await;
            server
        });
        note(format!("{:?}", race(answers).await));
    });
}
