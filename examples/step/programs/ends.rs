//! How tasks end: done, aborted, with a panic, dropped with the runtime.

use super::{Program, ask};
use runtime::Runtime;
use runtime::task::{self, yield_now};
use runtime::time::sleep;
use runtime::trace::{How, Kind, note};
use std::future::pending;
use std::time::Duration;

pub(super) const PROGRAM: Program = Program {
    name: "ends",
    title: "how tasks end: done, aborted, with a panic, dropped with the runtime",
    about: [
        "Four tasks end in four ways: by their own end, by an abort, by a panic, and with the runtime.",
        "In the first three ways the task's handle tells how; the handle of the fourth was dropped.",
    ],
    questions: [
        ask("One task panics. Does the loop go on?", |event| matches!(event.kind, Kind::TaskPanicked { .. })),
        ask("An abort is asked for. Is the task dropped at once?", |event| matches!(event.kind, Kind::Abort { .. })),
        ask("What becomes of the task that still sleeps when the runtime is dropped?", |event| {
            matches!(event.kind, Kind::TaskEnd { how: How::Dropped, .. })
        }),
    ],
    repeats: true,
    hangs: false,
    run,
};

fn run(runtime: &Runtime) {
    runtime.block_on(async {
        let done = task::Builder::new().name("done").spawn(yield_now());
        let aborted = task::Builder::new().name("aborted").spawn(pending::<()>());
        let panics = task::Builder::new().name("panics").spawn(async { panic!("a task panics, the loop goes on") });
        drop(task::Builder::new().name("left behind").spawn(sleep(Duration::from_secs(60))));
        done.await.expect("it ends");
        aborted.abort();
        note(format!("{}", aborted.await.unwrap_err()));
        note(format!("{}", panics.await.unwrap_err()));
    });
}
