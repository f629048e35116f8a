//! Yields: two tasks that are always ready, and still take turns.

use super::{Program, ask};
use runtime::Runtime;
use runtime::task::{self, yield_now};
use runtime::trace::{Kind, TaskNumber, note};

pub(super) const PROGRAM: Program = Program {
    name: "fair",
    title: "two tasks that yield take turns",
    about: [
        "Two tasks have nothing to wait for, and each of them yields three times.",
        "A task that yields goes to the end of the ready queue, so the other one is polled first.",
    ],
    questions: [
        ask("When does the task that yields enter the queue again: before or after its poll has ended?", |event| {
            event.turn > 1 && matches!(event.kind, Kind::Push { task: TaskNumber(1) })
        }),
        ask("Who is polled after left?", |event| matches!(event.kind, Kind::PollBegin { task: TaskNumber(2) })),
        ask("In which turn is left polled again?", |event| {
            event.turn > 2 && matches!(event.kind, Kind::PollBegin { task: TaskNumber(1) })
        }),
    ],
    repeats: true,
    hangs: false,
    run,
};

fn run(runtime: &Runtime) {
    runtime.block_on(async {
        let tasks = ["left", "right"].map(|name| {
            task::Builder::new().name(name).spawn(async move {
                for _ in 0..3 {
                    note(name);
                    yield_now().await;
                }
            })
        });
        for task in tasks {
            task.await.expect("it ends");
        }
    });
}
