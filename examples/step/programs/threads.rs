//! Other threads: they never touch a task, they send a message to the loop.

use super::{Program, ask};
use runtime::sync::mpsc;
use runtime::task::spawn_blocking;
use runtime::trace::{Kind, note};
use runtime::{Runtime, spawn};

pub(super) const PROGRAM: Program = Program {
    name: "threads",
    title: "the blocking pool and a wake from another thread",
    about: [
        "A sum is computed on a thread of the blocking pool, and a visiting thread spawns a task and sends a message.",
        "Whatever another thread wants goes into the remote queue, and the loop takes it out on its own thread.",
    ],
    questions: [
        ask("Who computes the sum?", |event| matches!(event.kind, Kind::JobStarted { .. })),
        ask("What does another thread do instead of a push?", |event| matches!(event.kind, Kind::RemoteSent { .. })),
        ask("Where does the loop take it out?", |event| matches!(event.kind, Kind::RemoteTaken { .. })),
    ],
    repeats: false,
    hangs: false,
    run,
};

fn run(runtime: &Runtime) {
    let handle = runtime.handle();
    runtime.block_on(async move {
        let sum = spawn_blocking(|| (1..=1_000_u64).sum::<u64>());
        let (sender, mut receiver) = mpsc::unbounded();
        let waits = spawn(async move { receiver.recv().await });
        let thread = std::thread::Builder::new().name("visitor".into()).spawn(move || {
            drop(handle.spawn(async { note("spawned by a visitor") }));
            sender.send("hello from another thread")
        });
        note(format!("{:?}", waits.await.expect("it ends")));
        note(format!("the sum is {}", sum.await.expect("it ends")));
        thread.expect("the system gives threads").join().expect("it ends").expect("somebody receives");
    });
}
