//! Programs to step through: one idea each, small enough to stand beside the loop that runs them.

use gather::{gather, gather_tasks, try_gather};
use runtime::net::{TcpListener, TcpStream};
use runtime::sync::{Semaphore, mpsc};
use runtime::task::{self, spawn_blocking, yield_now};
use runtime::time::{sleep, timeout};
use runtime::trace::note;
use runtime::{Runtime, spawn};
use std::future::pending;
use std::io;
use std::rc::Rc;
use std::time::Duration;

/// A program that `step` can record.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What there is to see.
    pub about: &'static str,
    /// Whether its trace is the same in every run: it has neither threads nor sockets, and takes the virtual clock.
    pub repeats: bool,
    /// Runs it to its end.
    pub run: fn(&Runtime),
}

const fn program(name: &'static str, about: &'static str, run: fn(&Runtime)) -> Program {
    Program { name, about, repeats: true, run }
}

const fn outside(name: &'static str, about: &'static str, run: fn(&Runtime)) -> Program {
    Program { name, about, repeats: false, run }
}

/// All of them; the first is the one that `step` takes when it is given no name.
pub const PROGRAMS: [Program; 13] = [
    program("gather", "three fetches in place: children, wakers, the count of those that remain", three_fetches),
    program("ten_lines", "the program of the README: three naps", ten_lines),
    program("tasks", "gather_tasks: the parent is polled exactly twice", fetches_as_tasks),
    program("limit", "five children, two at once", two_at_once),
    program("error", "try_gather: the first error comes at once, the others are dropped", first_error),
    program("timeout", "a timeout drops a gather, and its timers with it", too_late),
    program("semaphore", "three tasks, one permit: first come, first served", one_permit),
    program("channel", "a bounded channel: the sender waits for room, the receiver for messages", full_channel),
    program("fair", "two tasks that yield take turns", taking_turns),
    program("ends", "how tasks end: done, aborted, with a panic, dropped with the runtime", four_ends),
    program("deadlock", "two tasks wait for each other: the virtual clock has nowhere to go", each_for_the_other),
    outside("sockets", "a server and a client: readiness, would block, park", echo),
    outside("threads", "the blocking pool and a wake from another thread", other_threads),
];

/// Stands for a request that takes so many milliseconds; none is an answer that is there at once.
async fn fetch(path: &'static str, ms: u64) -> &'static str {
    if ms > 0 {
        sleep(Duration::from_millis(ms)).await;
    }
    path
}

fn three_fetches(runtime: &Runtime) {
    runtime.block_on(async {
        let bodies = gather([
            fetch("/a", 30), // answers after 30 ms
            fetch("/b", 10), // after 10 ms
            fetch("/c", 0),  // at once
        ]);
        note(format!("{:?}", bodies.await)); // in the order of the input
    });
}

fn ten_lines(runtime: &Runtime) {
    let naps = [30, 10, 20].map(|ms| async move {
        sleep(Duration::from_millis(ms)).await;
        ms
    });
    runtime.block_on(gather(naps));
}

fn fetches_as_tasks(runtime: &Runtime) {
    runtime.block_on(async {
        let bodies = gather_tasks([fetch("/a", 30), fetch("/b", 10), fetch("/c", 0)]);
        note(format!("{} answers", bodies.await.len()));
    });
}

fn two_at_once(runtime: &Runtime) {
    runtime.block_on(async {
        let naps = [20, 10, 10, 20, 10].map(|ms| sleep(Duration::from_millis(ms)));
        gather(naps).limit(2).await;
    });
}

fn first_error(runtime: &Runtime) {
    runtime.block_on(async {
        let divide = |by: u64| async move {
            sleep(Duration::from_millis(10 * (3 - by))).await;
            12_u64.checked_div(by).ok_or("division by zero")
        };
        let halves = try_gather([2, 1, 0].map(divide)).await;
        note(format!("{halves:?}"));
        let some =
            try_gather([0, 2].map(|by| async move { fetch("", 5 * by).await.parse::<u8>().map_err(|_| by) })).await;
        note(format!("{some:?}"));
    });
}

fn too_late(runtime: &Runtime) {
    runtime.block_on(async {
        let menu = gather([fetch("toast", 2), fetch("soup", 15), fetch("roast", 90)]);
        match timeout(Duration::from_millis(20), menu).await {
            Ok(dishes) => note(format!("dinner is served: {dishes:?}")),
            Err(_) => note("20 ms are over, and nobody cooks on"),
        }
    });
}

fn one_permit(runtime: &Runtime) {
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

fn full_channel(runtime: &Runtime) {
    runtime.block_on(async {
        let (sender, mut receiver) = mpsc::channel(1);
        let sends = task::Builder::new().name("sender").spawn(async move {
            for number in 1..=3 {
                sender.send(number).await.expect("main receives");
            }
        });
        while let Some(number) = receiver.recv().await {
            note(format!("received {number}"));
            sleep(Duration::from_millis(5)).await;
        }
        sends.await.expect("it ends");
    });
}

fn taking_turns(runtime: &Runtime) {
    runtime.block_on(async {
        let tasks = ["left", "right"].map(|name| {
            task::Builder::new().name(name).spawn(async move {
                for _ in 0..3 {
                    note(name);
                    yield_now().await;
                }
            })
        });
        for task in tasks {
            task.await.expect("it ends");
        }
    });
}

fn four_ends(runtime: &Runtime) {
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

fn each_for_the_other(runtime: &Runtime) {
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
        gather([ada, ben]).await;
    });
}

fn echo(runtime: &Runtime) {
    let said: io::Result<()> = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let server = task::Builder::new().name("server").spawn(async move {
            let (stream, _) = listener.accept().await?;
            let mut buffer = [0; 64];
            loop {
                match stream.read(&mut buffer).await? {
                    0 => return Ok::<(), io::Error>(()),
                    n => stream.write_all(&buffer[..n]).await?,
                }
            }
        });
        let client = TcpStream::connect(address).await?;
        client.write_all(b"hello").await?;
        let mut answer = [0; 5];
        client.read_exact(&mut answer).await?;
        note(String::from_utf8_lossy(&answer));
        drop(client);
        server.await.expect("it does not panic")
    });
    said.expect("the loopback works");
}

fn other_threads(runtime: &Runtime) {
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
