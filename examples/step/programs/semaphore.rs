//! A semaphore: a line of waiters, first in, first out.

use super::{Program, ask};
use gather::gather;
use runtime::sync::Semaphore;
use runtime::time::sleep;
use runtime::trace::{Kind, TaskNumber};
use runtime::{Runtime, task};
use std::rc::Rc;
use std::time::Duration;

pub(super) const PROGRAM: Program = Program {
    name: "semaphore",
    title: "three tasks, one permit: first come, first served",
    about: [
        "Three bakers share one oven, which is a semaphore with one permit.",
        "The first baker takes the permit, and the other two wait in line.",
    ],
    questions: [
        ask("Who has the oven at first?", |event| matches!(event.kind, Kind::PermitTaken { .. })),
        ask("Who waits at the head of the line?", |event| matches!(event.kind, Kind::PermitWaiting { .. })),
        ask("The oven is given back. Who is woken by that?", |event| {
            event.turn > 2 && matches!(event.kind, Kind::Wake { task: TaskNumber(2), .. })
        }),
    ],
    repeats: true,
    hangs: false,
    run,
};

fn run(runtime: &Runtime) {
    runtime.block_on(async {
        let oven = Rc::new(Semaphore::new(1));
        let bakers = ["bread", "cake", "pie"].map(|name| {
            let oven = Rc::clone(&oven);
            task::Builder::new().name(name).spawn(async move {
                let _place = oven.acquire().await;
                sleep(Duration::from_millis(10)).await;
            })
        });
        gather(bakers).await;
    });
}
