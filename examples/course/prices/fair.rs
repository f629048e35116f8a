//! Who waits for whom: budgets, looks, and two readers of one socket.

use crate::{compare, row, rung_13, small, whole};
use mio::net::UnixStream;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{Read, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, Wake, Waker};

/// Somebody who always gets a permit at once, beside somebody who wants one poll.
pub fn fairness(real: &whole::Runtime, rung: &small::Runtime) {
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
    row("permits taken in a row, before another task has its poll", at_real, format!("all {at_rung}"));
}

/// A waker that notes how many polls there were when it is used.
struct Hears {
    polls: Arc<AtomicUsize>,
    heard: AtomicUsize,
}

impl Wake for Hears {
    fn wake(self: Arc<Self>) {
        self.heard.store(self.polls.load(Relaxed), Relaxed);
    }
}

/// Beside many tasks that are always ready, a socket gets a message: so many polls later the loop hears of it.
pub fn looks() {
    const TASKS: usize = 10_000;
    // Main's first poll is a turn of its own, and the second turn polls all. The first poll of the third turn sends: the
    // loop has just looked.
    const SENT_AT: usize = TASKS + 2;
    macro_rules! hears {
        ($runtime:expr, $spawn:path, $yield_now:path, $watch:expr) => {{
            let runtime = $runtime;
            runtime.block_on(async {
                let (mine, theirs) = UnixStream::pair().expect("the system has two more descriptors");
                let (mine, polls) = (Rc::new(mine), Arc::new(AtomicUsize::new(0)));
                let hears = Arc::new(Hears { polls: Arc::clone(&polls), heard: AtomicUsize::new(0) });
                let mut waits = Box::pin($watch(theirs));
                assert!(waits.as_mut().poll(&mut Context::from_waker(&Arc::clone(&hears).into())).is_pending());
                let count = move || {
                    if polls.fetch_add(1, Relaxed) + 1 == SENT_AT {
                        (&*mine).write_all(&[1]).expect("there is room for a byte");
                    }
                };
                for _ in 1..TASKS {
                    let count = count.clone();
                    let _detached = $spawn(async move {
                        loop {
                            count();
                            $yield_now().await;
                        }
                    });
                }
                while hears.heard.load(Relaxed) == 0 {
                    count();
                    $yield_now().await;
                }
                hears.heard.load(Relaxed) - SENT_AT
            })
        }};
    }
    let real = async |socket: UnixStream| {
        let socket = runtime::io::Async::new(socket).expect("the loop watches it");
        socket.read_with(|mut socket: &UnixStream| socket.read(&mut [0])).await
    };
    let rung = async |socket: UnixStream| {
        let mut socket = rung_13::io::Watched::new(socket).expect("the loop watches it");
        socket.retry(rung_13::reactor::READ, |socket| socket.read(&mut [0])).await
    };
    let at_real = hears!(
        runtime::Runtime::new().expect("the system gives a descriptor"),
        runtime::spawn,
        runtime::task::yield_now,
        real
    );
    let at_rung = hears!(rung_13::runtime::Runtime::new(), rung_13::runtime::spawn, rung_13::task::yield_now, rung);
    row("polls until a socket's message is heard of, 10,000 tasks ready", at_real, at_rung);
}

/// Two tasks that read messages from one socket.
pub fn readers() {
    const MESSAGES: u32 = 1_000;
    let real = runtime::Runtime::new().expect("the system gives a descriptor");
    let rung = rung_13::runtime::Runtime::new();
    macro_rules! reads {
        ($runtime:ident, $spawn:path, $share:expr, $read:expr) => {
            || {
                $runtime.block_on(async {
                    let (mut mine, theirs) = UnixStream::pair().expect("the system has two more descriptors");
                    let (socket, read) = (Rc::new($share(theirs)), Rc::new(Cell::new(0)));
                    // Main, which waits for a message to be read.
                    let waiter = Rc::new(Cell::new(None::<Waker>));
                    for _reader in 0..2 {
                        let (socket, read, waiter) = (Rc::clone(&socket), Rc::clone(&read), Rc::clone(&waiter));
                        let _detached = $spawn(async move {
                            while let 1.. = $read(&*socket).await {
                                read.set(read.get() + 1);
                                waiter.take().into_iter().for_each(Waker::wake);
                            }
                        });
                    }
                    for sent in 1..=MESSAGES {
                        mine.write_all(&[1]).expect("there is room for a byte");
                        let is_read = poll_fn(|cx| {
                            waiter.set(Some(cx.waker().clone()));
                            if read.get() < sent { Poll::Pending } else { Poll::Ready(()) }
                        });
                        is_read.await;
                    }
                });
            }
        };
    }
    type Real = runtime::io::Async<UnixStream>;
    type Rung = (rung_13::semaphore::Semaphore, RefCell<rung_13::io::Watched<UnixStream>>);
    let real_read = async |socket: &Real| {
        let read = socket.read_with(|mut socket: &UnixStream| socket.read(&mut [0; 8]));
        read.await.expect("the socket is whole")
    };
    #[expect(clippy::await_holding_refcell_ref, reason = "the permit sees to it that nobody else borrows it")]
    let rung_read = async |(permits, socket): &Rung| {
        let _permit = permits.acquire().await;
        let mut socket = socket.borrow_mut();
        socket.retry(rung_13::reactor::READ, |socket| socket.read(&mut [0; 8])).await.expect("the socket is whole")
    };
    let watched = |socket| rung_13::io::Watched::new(socket).expect("the loop watches it");
    let times = compare(
        MESSAGES,
        reads!(real, runtime::spawn, |socket| Real::new(socket).expect("the loop watches it"), real_read),
        reads!(
            rung,
            rung_13::runtime::spawn,
            |socket| (rung_13::semaphore::Semaphore::new(1), RefCell::new(watched(socket))),
            rung_read
        ),
    );
    row("a message to one of two readers", &times[0], &times[1]);
}
