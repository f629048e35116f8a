//! A timeout: to cancel is to drop.

use super::{Program, ask};
use runtime::Runtime;
use runtime::time::{sleep, timeout};
use runtime::trace::{Kind, note};
use std::time::Duration;

pub(super) const PROGRAM: Program = Program {
    name: "timeout",
    title: "a timeout drops the future that is too late, and its timer with it",
    about: [
        "Toast takes 5 ms and a roast takes 90 ms, and main gives each of them 20 ms.",
        "When the time is over, the roast is dropped where it stands, and nothing of it is left in the loop.",
    ],
    questions: [
        ask("How many timers does the toast need?", |event| matches!(event.kind, Kind::PollEnd { ready: false, .. })),
        ask("When do the 20 ms of the roast end?", |event| {
            event.at > Duration::from_millis(5) && matches!(event.kind, Kind::TimerFired { .. })
        }),
        ask("What becomes of the timer of the roast?", |event| {
            event.at > Duration::from_millis(5) && matches!(event.kind, Kind::TimerDropped { .. })
        }),
    ],
    repeats: true,
    hangs: false,
    run,
};

async fn cook(dish: &'static str, ms: u64) -> &'static str {
    sleep(Duration::from_millis(ms)).await;
    dish
}

fn run(runtime: &Runtime) {
    runtime.block_on(async {
        for dish in [cook("toast", 5), cook("roast", 90)] {
            match timeout(Duration::from_millis(20), dish).await {
                Ok(dish) => note(format!("the {dish} is served")),
                Err(_) => note("20 ms are over, and nobody cooks on"),
            }
        }
    });
}
