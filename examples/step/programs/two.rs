//! Two tasks: each waits for itself, and main waits for both.

use super::{Program, ask};
use runtime::time::sleep;
use runtime::trace::{How, Kind, TaskNumber, note};
use runtime::{Runtime, task};
use std::time::Duration;

pub(super) const PROGRAM: Program = Program {
    name: "two",
    title: "two tasks sleep side by side",
    about: [
        "Main spawns Ada, who sleeps for 20 ms, and Ben, who sleeps for 10 ms, and awaits them one after the other.",
        "Both sleep at the same time, so all is over after 20 ms and not after 30 ms.",
    ],
    questions: [
        ask("When does Ada begin: when she is spawned, or when she is polled?", |event| {
            matches!(event.kind, Kind::PollBegin { task: TaskNumber(1) })
        }),
        ask("Ben ends first. Why does main sleep on?", |event| {
            matches!(event.kind, Kind::TaskEnd { task: TaskNumber(2), how: How::Done })
        }),
        ask("Who wakes main, and how often in all?", |event| {
            matches!(event.kind, Kind::Wake { task: TaskNumber(0), .. })
        }),
    ],
    repeats: true,
    hangs: false,
    run,
};

fn run(runtime: &Runtime) {
    runtime.block_on(async {
        let sleeper = |name, ms| {
            task::Builder::new().name(name).spawn(async move {
                sleep(Duration::from_millis(ms)).await;
                name
            })
        };
        let (ada, ben) = (sleeper("Ada", 20), sleeper("Ben", 10));
        note(ada.await.expect("she does not panic"));
        note(ben.await.expect("he does not panic"));
    });
}
