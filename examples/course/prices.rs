//! What rung 13 leaves out and what each thing costs there: measures the real loop and rung 13 side by side, item by
//! item, and prints the table that stands in the README.
//!
//! ```text
//! $ cargo run --release -p course --features prices --example prices
//! ```
//!
//! Counts are exact. Times are the best of eleven alternated rounds: on a busy
//! machine the others measure the others. Compare the two of a row, not two machines.
#![allow(dead_code, reason = "a program uses a part of its rung")]

#[path = "lessons/13_server/rung.rs"]
mod rung_13;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fmt::Display;
use std::future::poll_fn;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, Wake};
use std::time::{Duration, Instant};

/// Counts what the system's allocator does.
struct Counting;

/// Allocations so far.
static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it came, so its contract is kept. The counter is an atomic and does
// not allocate.
#[allow(unsafe_code, reason = "to count allocations is to be the allocator")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One row of the table.
fn row(real: &str, rung: &str, what: &str, at_real: impl Display, at_rung: impl Display) {
    println!("| {real} | {rung} | {what} | {at_real} | {at_rung} |");
}

/// The best of eleven rounds of each, in alternation, for one of `times` operations.
fn compare(times: u32, mut real: impl FnMut(), mut rung: impl FnMut()) -> [String; 2] {
    let mut best = [Duration::MAX; 2];
    for _ in 0..11 {
        for (best, work) in best.iter_mut().zip([&mut real as &mut dyn FnMut(), &mut rung]) {
            let start = Instant::now();
            work();
            *best = (*best).min(start.elapsed() / times);
        }
    }
    best.map(|best| format!("{} ns", best.as_nanos()))
}

/// How many allocations `work` makes.
fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.load(Relaxed);
    work();
    ALLOCATIONS.load(Relaxed) - before
}

/// The real loop, with its parts where rung 13 has them.
mod whole {
    pub use gather::gather;
    pub use runtime::{Runtime, spawn, time::sleep};
}

/// The same for rung 13.
mod small {
    pub use crate::rung_13::gather::gather;
    pub use crate::rung_13::{runtime::Runtime, runtime::spawn, time::sleep};
}

/// The same program for both loops, in which `on` is the one or the other.
macro_rules! both {
    ($on:ident: $($body:tt)*) => {
        (
            |runtime: &whole::Runtime| {
                use whole as $on;
                runtime.block_on(async { $($body)* })
            },
            |runtime: &small::Runtime| {
                use small as $on;
                runtime.block_on(async { $($body)* })
            },
        )
    };
}

const SPAWNS: u32 = 10_000;

fn main() {
    let real = &runtime::Runtime::builder().virtual_clock().build().expect("the system gives a descriptor");
    let rung = &rung_13::runtime::Runtime::virtual_clock();
    println!("| the real loop | rung 13 | measured | real | rung 13 |\n| --- | --- | --- | --- | --- |");
    tasks(real, rung);
    timers(real, rung);
    children(real, rung);
    fairness(real, rung);
    jobs();
    attempts();
    foreign_panics();
    loops();
}

fn tasks(real: &whole::Runtime, rung: &small::Runtime) {
    let (on_real, on_rung) = both! { on:
        let tasks: Vec<_> = (0..SPAWNS).map(|number| on::spawn(async move { number })).collect();
        for task in tasks {
            let _ = task.await;
        }
    };
    // A first round, so that queues and slots have their size.
    on_real(real);
    on_rung(rung);
    let per_spawn = |count: usize| format!("{:.2}", count as f64 / f64::from(SPAWNS));
    let counts = [allocations(|| on_real(real)), allocations(|| on_rung(rung))].map(per_spawn);
    row("task and result in one allocation", "Box and Rc", "allocations a spawn", &counts[0], &counts[1]);
    let times = compare(SPAWNS, || on_real(real), || on_rung(rung));
    row("", "", "a spawn and its join", &times[0], &times[1]);
}

fn timers(real: &whole::Runtime, rung: &small::Runtime) {
    const TIMERS: u32 = 100_000;
    let (on_real, on_rung) = both! { on:
        let sleeps = (0..TIMERS).map(|number| Box::pin(on::sleep(Duration::from_nanos(u64::from(number * 7919 % TIMERS) + 1_000_000))));
        let mut sleeps: Vec<_> = sleeps.collect();
        poll_fn(|cx| {
            assert!(sleeps.iter_mut().all(|sleep| sleep.as_mut().poll(cx).is_pending()));
            Poll::Ready(())
        })
        .await;
    };
    let times = compare(TIMERS, || on_real(real), || on_rung(rung));
    row("a heap with dead entries", "an ordered map", "arm a timer among 100,000, and drop it", &times[0], &times[1]);
    let (on_real, on_rung) = both! { on:
        for number in 0..TIMERS {
            let _detached = on::spawn(on::sleep(Duration::from_nanos(u64::from(number * 7919 % TIMERS))));
        }
        on::sleep(Duration::from_millis(1)).await;
    };
    let times = compare(TIMERS, || on_real(real), || on_rung(rung));
    row("", "", "a task that sleeps, among 100,000", &times[0], &times[1]);
}

fn children(real: &whole::Runtime, rung: &small::Runtime) {
    const CHILDREN: u32 = 1_000;
    let (on_real, on_rung) = both! { on:
        on::gather((0..CHILDREN).map(|millis| on::sleep(Duration::from_millis(u64::from(millis))))).await;
    };
    on_real(real);
    on_rung(rung);
    let counts = [allocations(|| on_real(real)), allocations(|| on_rung(rung))];
    row(
        "children in one slice, `limit`, progress",
        "Box and Arc a child, a list a batch",
        "allocations of a gather of 1,000 naps",
        counts[0],
        counts[1],
    );
    let times = compare(CHILDREN, || on_real(real), || on_rung(rung));
    row("", "", "a child of it", &times[0], &times[1]);
}

/// Somebody who always gets a permit at once, beside somebody who wants one poll.
fn fairness(real: &whole::Runtime, rung: &small::Runtime) {
    macro_rules! waits {
        ($runtime:ident, $spawn:path, $semaphore:path) => {
            $runtime.block_on(async {
                let (semaphore, taken, seen) = (<$semaphore>::new(1), Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
                let (sees, looks) = (Rc::clone(&seen), Rc::clone(&taken));
                let _detached = $spawn(async move { sees.set(looks.get()) });
                while seen.get() == 0 && taken.get() < 100_000 {
                    let permit = semaphore.acquire().await;
                    taken.set(taken.get() + 1);
                    drop(permit);
                }
                taken.get()
            })
        };
    }
    let (at_real, at_rung) = (
        waits!(real, runtime::spawn, runtime::sync::Semaphore),
        waits!(rung, rung_13::runtime::spawn, rung_13::semaphore::Semaphore),
    );
    // Where the real loop has no such budget there is nothing to compare.
    if at_real < at_rung {
        let what = "permits taken in a row, before another task has its poll";
        row("a poll has a budget", "none", what, at_real, format!("all {at_rung}"));
    }
}

fn jobs() {
    const JOBS: u32 = 200;
    let real = runtime::Runtime::new().expect("the system gives a descriptor");
    let rung = rung_13::runtime::Runtime::new();
    let on_real = || {
        real.block_on(async {
            for _ in 0..JOBS {
                let _ = runtime::task::spawn_blocking(|| ()).await;
            }
        });
    };
    let on_rung = || {
        rung.block_on(async {
            for _ in 0..JOBS {
                rung_13::blocking::spawn_blocking(|| ()).await;
            }
        });
    };
    let times = compare(JOBS, on_real, on_rung);
    row("a pool of threads, with a limit", "a thread a job", "a job that does nothing", &times[0], &times[1]);
}

/// Messages to a task that sends them back: how often the system is asked for each answer.
fn attempts() {
    const MESSAGES: u32 = 1_000;
    let attempts = Cell::new(0);
    rung_13::runtime::block_on(async {
        let mut listener = rung_13::net::TcpListener::bind(([127, 0, 0, 1], 0).into()).expect("a free port");
        let address = listener.local_addr().expect("it listens");
        rung_13::runtime::spawn(async move {
            let (mut stream, mut buffer) = (listener.accept().await.expect("somebody connects"), [0; 100]);
            while let Ok(length @ 1..) = stream.read(&mut buffer).await {
                stream.write_all(&buffer[..length]).await.expect("somebody reads");
            }
        });
        let mut client = rung_13::net::TcpStream::connect(address).await.expect("somebody listens");
        for _ in 0..MESSAGES {
            client.write_all(&[1]).await.expect("somebody reads");
            let read = |stream: &mut mio::net::TcpStream| {
                attempts.set(attempts.get() + 1);
                std::io::Read::read(stream, &mut [0; 100])
            };
            client.0.retry(rung_13::reactor::READ, read).await.expect("somebody answers");
        }
    });
    let rung = format!("{:.2}", f64::from(attempts.get()) / f64::from(MESSAGES));
    row("a short read clears \"ready\"", "tries again", "reads of the system for each message", "1", rung);
}

/// A waker of somebody else that panics when it is used.
struct Bad;

impl Wake for Bad {
    fn wake(self: Arc<Self>) {
        panic!("a foreign waker panics");
    }
}

fn foreign_panics() {
    panic::set_hook(Box::new(|_| ()));
    let real = catch_unwind(|| {
        let real = runtime::Runtime::builder().virtual_clock().build().expect("the system gives a descriptor");
        real.block_on(async {
            let mut sleep = Box::pin(runtime::time::sleep(Duration::from_millis(1)));
            let _ = sleep.as_mut().poll(&mut Context::from_waker(&Arc::new(Bad).into()));
            runtime::time::sleep(Duration::from_millis(2)).await;
        });
    });
    let rung = catch_unwind(AssertUnwindSafe(|| {
        rung_13::runtime::Runtime::virtual_clock().block_on(async {
            let mut sleep = Box::pin(rung_13::time::sleep(Duration::from_millis(1)));
            let _ = sleep.as_mut().poll(&mut Context::from_waker(&Arc::new(Bad).into()));
            rung_13::time::sleep(Duration::from_millis(2)).await;
        });
    }));
    let _ = panic::take_hook();
    let says = |outcome: Result<(), _>| if outcome.is_ok() { "goes on" } else { "ends" };
    row(
        "holds back the panic of a foreign waker",
        "does not",
        "the loop",
        says(real.map_err(drop)),
        says(rung.map_err(drop)),
    );
}

fn loops() {
    panic::set_hook(Box::new(|_| ()));
    let mut made = 0;
    let stopped = catch_unwind(AssertUnwindSafe(|| {
        while made < 100_000 {
            drop(rung_13::runtime::Runtime::new());
            made += 1;
        }
    }));
    let _ = panic::take_hook();
    assert!(stopped.is_err(), "the numbers come to an end");
    row(
        "numbers of loops are used again",
        "they are not",
        "loops that a process can make, one after the other",
        "any number",
        made,
    );
}
