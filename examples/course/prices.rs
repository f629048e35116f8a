//! What rung 13 leaves out and what each thing costs there: measures the real loop and rung 13 side by side, item by
//! item, and prints the table that stands in the README.
//!
//! ```text
//! $ cargo run --release -p course --features prices --example prices
//! ```
//!
//! Counts (allocations, bytes, attempts, polls) are exact. Times are the medians of alternated rounds on this machine:
//! compare the two of a row, not two machines.
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
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, Wake};
use std::time::{Duration, Instant};

/// Counts what the system's allocator does.
struct Counting;

/// Allocations so far, and the bytes that are out.
static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);
static BYTES: AtomicIsize = AtomicIsize::new(0);

// SAFETY: every call goes to the system's allocator as it came, so its contract is kept. The counters are atomics and do
// not allocate.
#[allow(unsafe_code, reason = "to count allocations is to be the allocator")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        BYTES.fetch_add(layout.size() as isize, Relaxed);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        BYTES.fetch_sub(layout.size() as isize, Relaxed);
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

/// The median of eleven rounds of each, in alternation, for one of `times` operations.
fn compare(times: u32, mut real: impl FnMut(), mut rung: impl FnMut()) -> [String; 2] {
    let mut rounds = [Vec::new(), Vec::new()];
    for _ in 0..11 {
        for (rounds, work) in rounds.iter_mut().zip([&mut real as &mut dyn FnMut(), &mut rung]) {
            let start = Instant::now();
            work();
            rounds.push(start.elapsed() / times);
        }
    }
    rounds.map(|mut rounds| {
        rounds.sort();
        format!("{:?}", rounds[rounds.len() / 2])
    })
}

/// How many allocations `work` makes.
fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.load(Relaxed);
    work();
    ALLOCATIONS.load(Relaxed) - before
}

/// Runs `body` on both loops, by the virtual clock. In the body `$lib` is the loop's own library.
macro_rules! both {
    ($($body:tt)*) => {
        (
            |runtime: &runtime::Runtime| { use runtime::{spawn, time::sleep}; use ours::gather; runtime.block_on(async { $($body)* }) },
            |runtime: &rung_13::runtime::Runtime| { use rung_13::{runtime::spawn, time::sleep, gather::gather}; runtime.block_on(async { $($body)* }) },
        )
    };
}

/// The real gather, under the name of its crate.
use gather as ours;

const SPAWNS: u32 = 10_000;

fn main() {
    let real = &runtime::Runtime::builder().virtual_clock().build().expect("the system gives a descriptor");
    let rung = &rung_13::runtime::Runtime::virtual_clock();
    println!("| the real loop | rung 13 | measured | real | rung 13 |\n| --- | --- | --- | --- | --- |");
    tasks(real, rung);
    timers(real, rung);
    children(real, rung);
    fairness(real, rung);
    memory(real, rung);
    jobs();
    attempts();
    foreign_panics();
    loops();
}

fn tasks(real: &runtime::Runtime, rung: &rung_13::runtime::Runtime) {
    let (on_real, on_rung) = both! {
        let tasks: Vec<_> = (0..SPAWNS).map(|number| spawn(async move { number })).collect();
        for task in tasks {
            let _ = task.await;
        }
    };
    // A first round, so that queues and slots have their size.
    (on_real(real), on_rung(rung));
    let per_spawn = |count: usize| format!("{:.2}", count as f64 / f64::from(SPAWNS));
    let counts = [allocations(|| on_real(real)), allocations(|| on_rung(rung))].map(per_spawn);
    row("task and result in one allocation", "Box and Rc", "allocations a spawn", &counts[0], &counts[1]);
    let times = compare(SPAWNS, || on_real(real), || on_rung(rung));
    row("", "", "a spawn and its join", &times[0], &times[1]);
}

fn timers(real: &runtime::Runtime, rung: &rung_13::runtime::Runtime) {
    const TIMERS: u32 = 100_000;
    let (on_real, on_rung) = both! {
        let sleeps = (0..TIMERS).map(|number| Box::pin(sleep(Duration::from_nanos(u64::from(number * 7919 % TIMERS) + 1_000_000))));
        let mut sleeps: Vec<_> = sleeps.collect();
        poll_fn(|cx| {
            assert!(sleeps.iter_mut().all(|sleep| sleep.as_mut().poll(cx).is_pending()));
            Poll::Ready(())
        })
        .await;
    };
    let times = compare(TIMERS, || on_real(real), || on_rung(rung));
    row("a heap with dead entries", "an ordered map", "arm a timer among 100,000, and drop it", &times[0], &times[1]);
    let (on_real, on_rung) = both! {
        for number in 0..TIMERS {
            spawn(sleep(Duration::from_nanos(u64::from(number * 7919 % TIMERS))));
        }
        sleep(Duration::from_millis(1)).await;
    };
    let times = compare(TIMERS, || on_real(real), || on_rung(rung));
    row("", "", "a task that sleeps, among 100,000", &times[0], &times[1]);
}

fn children(real: &runtime::Runtime, rung: &rung_13::runtime::Runtime) {
    const CHILDREN: u32 = 1_000;
    let (on_real, on_rung) = both! {
        gather((0..CHILDREN).map(|millis| sleep(Duration::from_millis(u64::from(millis))))).await;
    };
    (on_real(real), on_rung(rung));
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
fn fairness(real: &runtime::Runtime, rung: &rung_13::runtime::Runtime) {
    macro_rules! waits {
        ($runtime:ident, $spawn:path, $semaphore:path) => {
            $runtime.block_on(async {
                let (semaphore, taken, seen) = (<$semaphore>::new(1), Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
                let (sees, looks) = (Rc::clone(&seen), Rc::clone(&taken));
                $spawn(async move { sees.set(looks.get()) });
                while seen.get() == 0 && taken.get() < 100_000 {
                    let permit = semaphore.acquire().await;
                    taken.set(taken.get() + 1);
                    drop(permit);
                }
                taken.get()
            })
        };
    }
    let counts = [
        waits!(real, runtime::spawn, runtime::sync::Semaphore).to_string(),
        format!("all {}", waits!(rung, rung_13::runtime::spawn, rung_13::semaphore::Semaphore)),
    ];
    row(
        "a poll has a budget of 128 successes",
        "none",
        "of 100,000 free permits taken in a row, before another task has its poll",
        &counts[0],
        &counts[1],
    );
}

fn memory(real: &runtime::Runtime, rung: &rung_13::runtime::Runtime) {
    let (on_real, on_rung) = both! {
        let tasks: Vec<_> = (0..300_000).map(|_| spawn(async {})).collect();
        for task in tasks {
            let _ = task.await;
        }
        sleep(Duration::from_millis(1)).await;
    };
    let kept = |work: &dyn Fn()| {
        let before = BYTES.load(Relaxed);
        work();
        format!("{} KB", (BYTES.load(Relaxed) - before) / 1024)
    };
    let kept = [kept(&|| on_real(real)), kept(&|| on_rung(rung))];
    row(
        "what is big and empty gives its memory back",
        "keeps it",
        "kept after 300,000 tasks have ended",
        &kept[0],
        &kept[1],
    );
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

/// Reads of one byte each, sent one after the other: how often the system was asked.
fn attempts() {
    const BYTES: u32 = 1_000;
    let attempts = Rc::new(Cell::new(0));
    rung_13::runtime::block_on(async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let client = mio::net::TcpStream::connect(listener.local_addr().expect("it listens")).expect("it is there");
        let (mut server, _) = listener.accept().expect("somebody connects");
        let mut client = rung_13::io::Watched::new(client).expect("it is watched");
        for _ in 0..BYTES {
            std::io::Write::write_all(&mut server, &[1]).expect("the client reads");
            let read = |stream: &mut mio::net::TcpStream| {
                attempts.set(attempts.get() + 1);
                std::io::Read::read(stream, &mut [0; 100])
            };
            // Once for the byte, and once more where nothing is: only then the flag is down.
            let mut reads = std::pin::pin!(client.retry(rung_13::reactor::READ, read));
            poll_fn(|cx| reads.as_mut().poll(cx)).await.expect("there is a byte");
            let read = |stream: &mut mio::net::TcpStream| {
                attempts.set(attempts.get() + 1);
                std::io::Read::read(stream, &mut [0; 100])
            };
            let mut again = std::pin::pin!(client.retry(rung_13::reactor::READ, read));
            poll_fn(|cx| Poll::Ready(assert!(again.as_mut().poll(cx).is_pending()))).await;
        }
    });
    let rung = f64::from(attempts.get()) / f64::from(BYTES);
    row(
        "a short read clears \"ready\"",
        "tries again",
        "reads of the system for each message",
        "1.00",
        format!("{rung:.2}"),
    );
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
