//! A future by hand: what Pending promises, and who keeps the promise.

use super::{Program, ask};
use runtime::time::sleep;
use runtime::trace::{Kind, TaskNumber, note};
use runtime::{Runtime, task};
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

pub(super) const PROGRAM: Program = Program {
    name: "by_hand",
    title: "a future by hand: whoever returns Pending has kept a waker",
    about: [
        "Main waits for a bell, and the bell is a future of twenty lines.",
        "Its poll keeps main's waker before it returns Pending, and whoever rings the bell uses that waker.",
    ],
    questions: [
        ask("Where does poll keep the waker?", |event| {
            matches!(event.kind, Kind::TicketCloned { task: TaskNumber(0) })
        }),
        ask("Who uses it?", |event| matches!(event.kind, Kind::Wake { task: TaskNumber(0), .. })),
        ask("When does main run: at once, or after the ringer's poll?", |event| {
            event.turn > 1 && matches!(event.kind, Kind::PollBegin { task: TaskNumber(0) })
        }),
    ],
    repeats: true,
    hangs: false,
    run,
};

#[derive(Default)]
struct Bell {
    has_rung: Cell<bool>,
    waits: RefCell<Option<Waker>>,
}

impl Bell {
    fn ring(&self) {
        self.has_rung.set(true);
        let waiter = self.waits.take();
        // Whoever returned Pending was promised this.
        if let Some(waker) = waiter {
            waker.wake();
        }
    }
}

impl Future for &Bell {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.has_rung.get() {
            return Poll::Ready(());
        }
        // Pending promises that somebody will use this waker.
        self.waits.replace(Some(cx.waker().clone()));
        Poll::Pending
    }
}

fn run(runtime: &Runtime) {
    runtime.block_on(async {
        let bell = Rc::new(Bell::default());
        let rings = Rc::clone(&bell);
        let ringer = task::Builder::new().name("ringer").spawn(async move {
            sleep(Duration::from_millis(10)).await;
            rings.ring();
        });
        (&*bell).await;
        note("the bell has rung");
        ringer.await.expect("it ends");
    });
}
