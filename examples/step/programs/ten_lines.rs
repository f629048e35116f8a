//! The program of the README: three naps.

use super::{Program, ask};
use gather::gather;
use runtime::Runtime;
use runtime::time::sleep;
use runtime::trace::Kind;
use std::time::Duration;

pub(super) const PROGRAM: Program = Program {
    name: "ten_lines",
    title: "the program of the README: three naps",
    about: [
        "Three naps of 30, 10 and 20 ms are gathered, and all is over after 30 ms.",
        "The naps end in another order than they stand in, and the results stand in the order of the input.",
    ],
    questions: [
        ask("In which order do the children begin?", |event| matches!(event.kind, Kind::ChildPoll { .. })),
        ask("Which nap ends first?", |event| matches!(event.kind, Kind::ChildPollEnd { ready: true, .. })),
        ask("When does the gather have its results?", |event| matches!(event.kind, Kind::GatherDone { .. })),
    ],
    repeats: true,
    hangs: false,
    run,
};

fn run(runtime: &Runtime) {
    let naps = [30, 10, 20].map(|ms| async move {
        sleep(Duration::from_millis(ms)).await;
        ms
    });
    runtime.block_on(gather(naps));
}
