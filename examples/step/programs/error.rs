//! `try_gather`: the first error comes at once, and who still runs is dropped.

use super::{Program, ask};
use gather::try_gather;
use runtime::Runtime;
use runtime::time::sleep;
use runtime::trace::{Kind, note};
use std::time::Duration;

pub(super) const PROGRAM: Program = Program {
    name: "error",
    title: "try_gather: the first error comes at once, the sibling that still runs is dropped",
    about: [
        "Three divisions take 10, 20 and 30 ms, and the second one divides by zero.",
        "The gather gives that error after 20 ms and drops the third division, which never ends.",
    ],
    questions: [
        ask("The first child ends well. Is the gather done?", |event| {
            matches!(event.kind, Kind::ChildPollEnd { ready: true, .. })
        }),
        ask("The second child ends with the error. Who still runs?", |event| {
            matches!(event.kind, Kind::ChildPollEnd { ready: true, place: 1, .. })
        }),
        ask("The sibling was to sleep until 30 ms. When does its timer go?", |event| {
            matches!(event.kind, Kind::TimerDropped { timer: 2 })
        }),
    ],
    repeats: true,
    hangs: false,
    run,
};

async fn divide(by: u64, ms: u64) -> Result<u64, &'static str> {
    sleep(Duration::from_millis(ms)).await;
    12_u64.checked_div(by).ok_or("division by zero")
}

fn run(runtime: &Runtime) {
    runtime.block_on(async {
        let quotients = try_gather([divide(3, 10), divide(0, 20), divide(2, 30)]);
        note(format!("{:?}", quotients.await));
    });
}
