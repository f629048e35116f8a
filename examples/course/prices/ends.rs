//! What ends a loop of rung 13, and not the real one.

use crate::{row, rung_13};
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Wake};
use std::time::Duration;

/// A waker of somebody else that panics when it is used.
struct Bad;

impl Wake for Bad {
    fn wake(self: Arc<Self>) {
        panic!("a foreign waker panics");
    }
}

pub fn foreign_panics() {
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
    row("a foreign waker panics: the loop", says(real.map_err(drop)), says(rung.map_err(drop)));
}

/// Loops one after the other, until there is no number left.
pub fn loops() {
    /// As many as have no number of 16 bits, and some more.
    const MANY: usize = 66_000;
    for _ in 0..MANY {
        drop(runtime::Runtime::new().expect("the last one has given its descriptors back"));
    }
    // They are numbered from 0 on, those of the other rows, too.
    let mut last = 0;
    panic::set_hook(Box::new(|_| ()));
    let stopped = catch_unwind(AssertUnwindSafe(|| {
        for _ in 0..MANY {
            let number = async { rung_13::run::current().expect("it runs").number };
            last = rung_13::runtime::Runtime::new().block_on(number);
        }
    }));
    let _ = panic::take_hook();
    assert!(stopped.is_err(), "the numbers come to an end");
    row("loops that a process has made, one after the other", format!("{MANY}, and goes on"), u32::from(last) + 1);
}
