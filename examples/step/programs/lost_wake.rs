//! A lost wake-up: a future that returns Pending and keeps no waker.

use super::{Program, ask};
use runtime::time::sleep;
use runtime::trace::{Kind, TaskNumber, note};
use runtime::{Runtime, task};
use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

pub(super) const PROGRAM: Program = Program {
    name: "lost_wake",
    title: "a lost wake-up: the bell has rung, and main sleeps for ever",
    about: [
        "The same bell as in by_hand, but its poll returns Pending without keeping the waker.",
        "Whoever rings has nobody to wake, so main is never polled again: the program hangs, and the loop says so.",
    ],
    questions: [
        ask("Main returns Pending. Who holds a ticket of it now?", |event| {
            matches!(event.kind, Kind::PollEnd { task: TaskNumber(0), ready: false })
        }),
        ask("The bell rings. Where is the wake of main?", |event| matches!(event.kind, Kind::Note { .. })),
        ask("How does the loop know that nothing can happen any more?", |event| {
            matches!(event.kind, Kind::Quiescent { .. })
        }),
    ],
    repeats: true,
    hangs: true,
    run,
};

#[derive(Default)]
struct Bell {
    has_rung: Cell<bool>,
}

impl Future for &Bell {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        // The fault: nobody keeps the waker, so Pending promises what nobody can do.
        if self.has_rung.get() { Poll::Ready(()) } else { Poll::Pending }
    }
}

fn run(runtime: &Runtime) {
    runtime.block_on(async {
        let bell = Rc::new(Bell::default());
        let rings = Rc::clone(&bell);
        drop(task::Builder::new().name("ringer").spawn(async move {
            sleep(Duration::from_millis(10)).await;
            rings.has_rung.set(true);
            note("the bell rings");
        }));
        (&*bell).await;
        note("main never comes here");
    });
}
