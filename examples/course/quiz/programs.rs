//! The programs of the quiz whose output is to be predicted. The learner sees what stands between `// begin` and `// end`;
//! a test runs them on the loop of rung 13 and compares what they print with the answer that counts as right.
//!
//! The clock of their loop is virtual: nobody waits.
#![allow(dead_code, reason = "the programs use a part of the rung")]

#[path = "../lessons/13_server/rung.rs"]
mod rung;

use rung::gather::gather;
use rung::runtime::{Runtime, spawn};
use rung::task::yield_now;
use rung::time::{now, sleep, timeout};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::time::Duration;

thread_local! {
    static PRINTED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Prints into [`PRINTED`].
macro_rules! println {
    ($($text:tt)*) => { PRINTED.with_borrow_mut(|lines| lines.push(format!($($text)*))) };
}

/// What a program prints: its lines, with commas between them.
pub fn printed(program: fn()) -> String {
    PRINTED.take();
    program();
    PRINTED.take().join(", ")
}

/// The programs by the names of their questions.
pub const PROGRAMS: [(&str, fn()); 12] = [
    ("A1", a1),
    ("B1", b1),
    ("A4", a4),
    ("B4", b4),
    ("A6", a6),
    ("B6", b6),
    ("A8", a8),
    ("B8", b8),
    ("A9", a9),
    ("B9", b9),
    ("A12", a12),
    ("B12", b12),
];

fn block_on<F: Future>(future: F) -> F::Output {
    Runtime::virtual_clock().block_on(future)
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The same future, whose polls are counted.
async fn counted<F: Future>(polls: &Cell<u32>, future: F) -> F::Output {
    let mut future = Box::pin(future);
    poll_fn(|cx| {
        polls.set(polls.get() + 1);
        future.as_mut().poll(cx)
    })
    .await
}

/// Tells when it is dropped.
struct Guard(&'static str);

impl Drop for Guard {
    fn drop(&mut self) {
        println!("drop {}", self.0);
    }
}

fn a1() {
    // begin
    async fn hello(name: &str) {
        println!("hello {name}");
    }

    block_on(async {
        let anna = hello("Anna");
        let ben = hello("Ben");
        println!("made");
        ben.await;
        anna.await;
    });
    // end
}

fn b1() {
    // begin
    async fn step(number: u32) {
        println!("step {number}");
    }

    block_on(async {
        let first = step(1);
        let second = step(2);
        println!("begin");
        second.await;
        first.await;
    });
    // end
}

fn a4() {
    // begin
    block_on(async {
        spawn(async {
            println!("Anna 1");
            yield_now().await;
            println!("Anna 2");
        });
        spawn(async { println!("Ben") });
        println!("main 1");
        yield_now().await;
        println!("main 2");
        yield_now().await;
    });
    // end
}

fn b4() {
    // begin
    block_on(async {
        spawn(async { println!("Cleo") });
        spawn(async {
            println!("Dan 1");
            yield_now().await;
            println!("Dan 2");
        });
        println!("main 1");
        yield_now().await;
        println!("main 2");
        yield_now().await;
    });
    // end
}

fn a6() {
    // begin
    block_on(async {
        let begin = now();
        let long = sleep(ms(20));
        let short = sleep(ms(10));
        short.await;
        println!("{:?}", now() - begin);
        long.await;
        println!("{:?}", now() - begin);
    });
    // end
}

fn b6() {
    // begin
    block_on(async {
        let begin = now();
        let long = sleep(ms(30));
        let short = sleep(ms(20));
        short.await;
        println!("{:?}", now() - begin);
        long.await;
        println!("{:?}", now() - begin);
    });
    // end
}

fn a8() {
    // begin
    block_on(async {
        let polls = Cell::new(0);
        let naps = [10, 20, 30].map(|n| sleep(ms(n)));
        let naps = naps.map(|nap| counted(&polls, nap));
        gather(naps).await;
        println!("{}", polls.get());
    });
    // end
}

fn b8() {
    // begin
    block_on(async {
        let polls = Cell::new(0);
        let naps = [5, 10, 15, 20].map(|n| sleep(ms(n)));
        let naps = naps.map(|nap| counted(&polls, nap));
        gather(naps).await;
        println!("{}", polls.get());
    });
    // end
}

fn a9() {
    // begin
    let work = async {
        let _guard = Guard("work");
        println!("begin");
        sleep(ms(20)).await;
        println!("end");
    };
    block_on(async {
        let result = timeout(ms(10), work).await;
        println!("late: {}", result.is_err());
    });
    // end
}

fn b9() {
    // begin
    let copy = async {
        let _guard = Guard("copy");
        for part in 1..=3 {
            sleep(ms(10)).await;
            println!("part {part}");
        }
    };
    block_on(async {
        let result = timeout(ms(15), copy).await;
        println!("late: {}", result.is_err());
    });
    // end
}

fn a12() {
    // begin
    block_on(async {
        spawn(async {
            println!("Anna begins");
            std::thread::sleep(ms(20));
            println!("Anna ends");
        });
        spawn(async { println!("Ben") });
        yield_now().await;
        println!("main");
    });
    // end
}

fn b12() {
    // begin
    block_on(async {
        spawn(async {
            println!("sum begins");
            let sum: u64 = (0..1_000_000).sum();
            println!("sum ends {}", sum % 10);
        });
        spawn(async { println!("tick") });
        yield_now().await;
        println!("main");
    });
    // end
}
