//! Ten small programs with a bug each that the loop's own order hides, mostly. The explorer finds a schedule that shows
//! it, and holds of the mended program that no schedule does.
//!
//! The philosophers who starve are not among them: they hang in the loop's own order already, as `step`'s program
//! `deadlock` does.
//!
//! ```text
//! $ cargo run --example races
//! ```

use runtime::explore::{Explorer, explorer};
use runtime::io::duplex;
use runtime::spawn;
use runtime::sync::Semaphore;
use runtime::task::{Builder, yield_now};
use runtime::time::sleep;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::io::Write;
use std::pin::Pin;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;
use step::out::Stdout;
use step::pieces::{Flag, aborted, both, pauses};

/// A title, how it is explored, and the program: true asks for the mended one.
type Race = (&'static str, fn() -> Explorer, fn(bool) -> Pin<Box<dyn Future<Output = ()>>>);

fn main() -> ExitCode {
    let usual: fn() -> Explorer = explorer;
    let races: [Race; 10] = [
        ("an update is lost: get, yield, set", usual, |mended| Box::pin(lost_update(mended))),
        ("two load what one should: a cache", usual, |mended| Box::pin(cache(mended))),
        ("a wake comes between the look and the wait", usual, |mended| Box::pin(late_waker(mended))),
        ("a notification before anybody waits", usual, |mended| Box::pin(early_wake(mended))),
        ("if for while: a wake for nothing", || explorer().spurious_wakes(1), |mended| Box::pin(if_for_while(mended))),
        ("two locks in two orders", usual, |mended| Box::pin(two_locks(mended))),
        ("an abort between recv and send", usual, |mended| Box::pin(carried_value(mended))),
        ("a permit by hand, aborted while held", usual, |mended| Box::pin(permit_by_hand(mended))),
        ("a lease that ends while its owner works", || explorer().time_passes(), |mended| Box::pin(lease(mended))),
        ("one read is taken for one message", usual, |mended| Box::pin(short_read(mended))),
    ];
    let (mut status, mut out) = (ExitCode::SUCCESS, Stdout::default());
    let mut say = |words: String| _ = writeln!(out, "{words}");
    for (title, explorer, program) in races {
        say(format!("{title}\n"));
        match explorer().run(|| program(false)).failure {
            Some(failure) => say(failure.message),
            None => status = ExitCode::FAILURE,
        }
        let mended = explorer().run(|| program(true));
        say(format!("Mended, it {mended}\n"));
        status = if mended.failure.is_none() { status } else { ExitCode::FAILURE };
    }
    out.end(status)
}

async fn lost_update(mended: bool) {
    let count = Rc::new(Cell::new(0));
    let add = |later: usize, count: Rc<Cell<u32>>| async move {
        pauses(later).await;
        let before = count.get();
        if !mended {
            yield_now().await;
        }
        count.set(before + 1);
    };
    both(add(0, Rc::clone(&count)), add(2, Rc::clone(&count))).await;
    assert!(count.get() == 2, "an update was lost");
}

async fn cache(mended: bool) {
    let shared = Rc::new((Cell::new(None), Cell::new(0), Semaphore::new(1)));
    let get = |later: usize| {
        let shared = Rc::clone(&shared);
        async move {
            let (value, loads, lock) = &*shared;
            pauses(later).await;
            let _permit = if mended { Some(lock.acquire().await) } else { None };
            if value.get().is_none() {
                loads.set(loads.get() + 1);
                yield_now().await; // It is loaded.
                value.set(Some("page"));
            }
        }
    };
    both(get(0), get(2)).await;
    assert!(shared.1.get() == 1, "it was loaded more than once");
}

async fn late_waker(mended: bool) {
    let flag = Rc::new(Flag::default());
    let setter = Rc::clone(&flag);
    let waits = async move {
        while !flag.is_set.get() {
            if !mended {
                yield_now().await; // The flag may be set here.
            }
            flag.wake().await;
        }
    };
    let sets = async move {
        pauses(2).await;
        setter.set();
    };
    both(waits, sets).await;
}

async fn early_wake(mended: bool) {
    let flag = Rc::new(Flag::default());
    let setter = Rc::clone(&flag);
    let waits = async move {
        if !(mended && flag.is_set.get()) {
            flag.wake().await;
        }
    };
    both(waits, async move { setter.set() }).await;
}

async fn if_for_while(mended: bool) {
    let flag = Rc::new(Flag::default());
    let setter = Rc::clone(&flag);
    let waits = async move {
        if !flag.is_set.get() {
            flag.wake().await;
        }
        while mended && !flag.is_set.get() {
            flag.wake().await;
        }
        assert!(flag.is_set.get(), "it was woken for nothing");
    };
    let sets = async move {
        pauses(1).await;
        setter.set();
    };
    both(waits, sets).await;
}

async fn two_locks(mended: bool) {
    let (one, other) = (Rc::new(Semaphore::new(1)), Rc::new(Semaphore::new(1)));
    let take = |later: usize, first: &Rc<Semaphore>, second: &Rc<Semaphore>| {
        let (first, second) = (Rc::clone(first), Rc::clone(second));
        async move {
            pauses(later).await;
            let _first = first.acquire().await;
            yield_now().await;
            let _second = second.acquire().await;
        }
    };
    let (first, second) = if mended { (&one, &other) } else { (&other, &one) };
    both(take(0, &one, &other), take(2, first, second)).await;
}

async fn carried_value(mended: bool) {
    let (inbox, outbox) = (Rc::new(RefCell::new(VecDeque::from([42]))), Rc::new(RefCell::new(Vec::new())));
    let (from, to) = (Rc::clone(&inbox), Rc::clone(&outbox));
    let carrier = Builder::new().name("carrier").spawn(async move {
        let value = if mended { from.borrow().front().copied() } else { from.borrow_mut().pop_front() };
        yield_now().await; // It waits for room. Aborted here, it drops what it has in hand.
        to.borrow_mut().extend(value);
        if mended {
            from.borrow_mut().pop_front();
        }
    });
    aborted(carrier, 2).await;
    assert!(inbox.borrow().len() + outbox.borrow().len() == 1, "the value is lost");
}

async fn permit_by_hand(mended: bool) {
    let free = Rc::new(Semaphore::new(1));
    let work = Rc::clone(&free);
    let worker = Builder::new().name("worker").spawn(async move {
        let permit = work.acquire().await;
        if mended {
            yield_now().await;
            return drop(permit);
        }
        permit.forget();
        yield_now().await; // Aborted here, nobody gives it back.
        work.add_permits(1);
    });
    aborted(worker, 3).await;
    assert!(free.available_permits() == 1, "a permit is lost");
}

async fn lease(mended: bool) {
    let owner = Rc::new(Cell::new("first"));
    let next = Rc::clone(&owner);
    drop(Builder::new().name("next owner").spawn(async move {
        sleep(Duration::from_secs(10)).await;
        next.set("second");
    }));
    pauses(2).await; // It works. However long that takes, the lease ends after ten seconds.
    if mended && owner.get() != "first" {
        return;
    }
    assert!(owner.get() == "first", "two owners write at once");
}

async fn short_read(mended: bool) {
    let (near, far) = duplex(16);
    drop(spawn(async move { near.write_all(b"GET").await.unwrap() }));
    let mut bytes = [0; 3];
    if mended {
        far.read_exact(&mut bytes).await.unwrap();
    } else {
        far.read(&mut bytes).await.unwrap();
    }
    assert!(&bytes == b"GET", "half a message");
}
