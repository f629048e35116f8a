//! The children of a gather: what they allocate, how many there are at once, who counts them.

use crate::{BYTES, MOST_BYTES, allocations, compare, row, rung_13, small, whole};
use std::cell::Cell;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

pub fn children(real: &whole::Runtime, rung: &small::Runtime) {
    const CHILDREN: u32 = 1_000;
    let (on_real, on_rung) = both! { on:
        on::gather((0..CHILDREN).map(|_| on::yield_now())).await;
    };
    on_real(real);
    on_rung(rung);
    let counts = [allocations(|| on_real(real)), allocations(|| on_rung(rung))];
    row("allocations of a gather of 1,000 children", counts[0], counts[1]);
    let (on_real, on_rung) = both! { on:
        on::gather((0..CHILDREN).map(|millis| on::sleep(Duration::from_millis(u64::from(millis))))).await;
    };
    let times = compare(CHILDREN, || on_real(real), || on_rung(rung));
    row("a child of it that naps", &times[0], &times[1]);
}

/// Ten at a time of many children.
pub fn limits(real: &whole::Runtime, rung: &small::Runtime) {
    const CHILDREN: u64 = 10_000;
    const AT_ONCE: usize = 10;
    /// The most bytes that are allocated at once while `work` runs, above those that were before.
    fn most_bytes(work: impl FnOnce()) -> usize {
        let before = BYTES.load(Relaxed);
        MOST_BYTES.store(before, Relaxed);
        work();
        MOST_BYTES.load(Relaxed) - before
    }
    let nap = |number: u64| Duration::from_micros(number % 7);
    let on_real = || {
        real.block_on(async {
            drop(gather::gather((0..CHILDREN).map(|it| whole::sleep(nap(it)))).limit(AT_ONCE).await)
        });
    };
    let on_rung = || {
        rung.block_on(async {
            let permits = rung_13::semaphore::Semaphore::new(AT_ONCE);
            let child = async |number| {
                let _permit = permits.acquire().await;
                small::sleep(nap(number)).await;
            };
            small::gather((0..CHILDREN).map(child)).await;
        });
    };
    on_real();
    on_rung();
    let bytes =
        [most_bytes(on_real), most_bytes(on_rung)].map(|bytes| format!("{:.1}", bytes as f64 / CHILDREN as f64));
    row("most bytes at once, a child of 10,000, 10 at a time", &bytes[0], &bytes[1]);
}

/// Children that are counted as they end.
pub fn progress(real: &whole::Runtime, rung: &small::Runtime) {
    const CHILDREN: u32 = 1_000;
    let nap = |millis: u32| Duration::from_millis(u64::from(millis));
    let (at_real, at_rung) = (Cell::new(0), Cell::new(0));
    let on_real = || {
        real.block_on(async {
            let children = (0..CHILDREN).map(|number| whole::sleep(nap(number)));
            gather::gather(children).on_progress(|_| at_real.set(at_real.get() + 1)).await;
        });
    };
    let on_rung = || {
        rung.block_on(async {
            let child = async |number| {
                small::sleep(nap(number)).await;
                at_rung.set(at_rung.get() + 1);
            };
            small::gather((0..CHILDREN).map(child)).await;
        });
    };
    let times = compare(CHILDREN, on_real, on_rung);
    assert_eq!(at_real, at_rung, "both count every child");
    row("a child that is counted", &times[0], &times[1]);
}
