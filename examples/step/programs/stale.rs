//! A stale ticket: a slot that is used again, and the waker of the task that lived there before.

use super::{Program, ask};
use runtime::time::sleep;
use runtime::trace::{Kind, TaskNumber, note};
use runtime::{Runtime, task};
use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

pub(super) const PROGRAM: Program = Program {
    name: "stale",
    title: "a slot is used again, and an old waker wakes nobody",
    about: [
        "Ada ends at once, and somebody keeps her waker; Ben moves into the slot that she had.",
        "Then the old waker is used: its ticket has Ada's generation, so Ben sleeps on.",
    ],
    questions: [
        ask("Which slot has Ben, and which generation?", |event| {
            matches!(event.kind, Kind::Spawn { task: TaskNumber(2), .. })
        }),
        ask("From which step on may Ben be queued again?", |event| {
            matches!(event.kind, Kind::Pop { task: TaskNumber(2) })
        }),
        ask("Ada's waker is used. Who is polled?", |event| matches!(event.kind, Kind::PushRefused { .. })),
    ],
    repeats: true,
    hangs: false,
    run,
};

fn run(runtime: &Runtime) {
    runtime.block_on(async {
        let kept = Rc::new(RefCell::new(None::<Waker>));
        let keeps = Rc::clone(&kept);
        let ada = task::Builder::new().name("Ada").spawn(poll_fn(move |cx| {
            keeps.replace(Some(cx.waker().clone()));
            Poll::Ready(())
        }));
        ada.await.expect("it ends");
        let ben = task::Builder::new().name("Ben").spawn(sleep(Duration::from_millis(20)));
        sleep(Duration::from_millis(10)).await;
        note("the old waker of Ada");
        kept.take().into_iter().for_each(Waker::wake);
        ben.await.expect("it ends");
    });
}
