//! A deadlock: each holds what the other one waits for.

use super::{Program, ask};
use runtime::sync::Semaphore;
use runtime::time::sleep;
use runtime::trace::{Kind, SemaphoreNumber};
use runtime::{Runtime, task};
use std::rc::Rc;
use std::time::Duration;

pub(super) const PROGRAM: Program = Program {
    name: "deadlock",
    title: "two tasks wait for each other: the virtual clock has nowhere to go",
    about: [
        "Ada takes the fork and then wants the knife; Ben takes the knife and then wants the fork.",
        "Nobody gives back what the other one needs, so nothing can happen any more, and the loop says so.",
    ],
    questions: [
        ask("Who holds the knife, semaphore 1?", |event| {
            matches!(event.kind, Kind::PermitTaken { semaphore: SemaphoreNumber(1), .. })
        }),
        ask("Since when does Ada wait for it?", |event| {
            matches!(event.kind, Kind::PermitWaiting { semaphore: SemaphoreNumber(1) })
        }),
        ask("How does the loop know that nothing can happen any more?", |event| {
            matches!(event.kind, Kind::Quiescent { .. })
        }),
    ],
    repeats: true,
    hangs: true,
    run,
};

fn run(runtime: &Runtime) {
    runtime.block_on(async {
        let (fork, knife) = (Rc::new(Semaphore::new(1)), Rc::new(Semaphore::new(1)));
        let eats = |name, first: &Rc<Semaphore>, second: &Rc<Semaphore>| {
            let (first, second) = (Rc::clone(first), Rc::clone(second));
            task::Builder::new().name(name).spawn(async move {
                let _first = first.acquire().await;
                sleep(Duration::from_millis(1)).await;
                let _second = second.acquire().await;
            })
        };
        let (ada, ben) = (eats("Ada", &fork, &knife), eats("Ben", &knife, &fork));
        ada.await.expect("she is dropped before she ends");
        ben.await.expect("he is dropped before he ends");
    });
}
