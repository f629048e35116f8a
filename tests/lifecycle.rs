//! Lifecycle: main, runtimes that end, what outlives them, other threads, and threads that are torn down.
//!
//! A test that wakes or aborts tasks of a runtime that is gone runs alone: the next runtime of that number hears of it,
//! and others here count what they hear.

use runtime::fs::{Lines, lines};
use runtime::io::Async;
use runtime::net::{TcpListener, TcpStream, UdpSocket};
use runtime::sync::{Permit, Semaphore, mpsc, oneshot};
use runtime::task::{self, yield_now};
use runtime::time::{Elapsed, Interval, Sleep, interval, now, sleep};
use runtime::{AbortHandle, Builder, Handle, JoinError, JoinHandle, Runtime, Turn, spawn};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn};
use std::io::Read;
use std::marker::PhantomData;
use std::panic::resume_unwind;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;
use tests::{
    Count, Dropped, LOCAL, Log, OnDrop, aborted, alone, counts, exited, forever, full_listener, inside, is_alive,
    narrow, open_descriptors, panic_message, poll_once, rest, thread_number, until, until_parked, virtual_runtime,
    virtually,
};

const ZERO: Option<Duration> = Some(Duration::ZERO);
const SECOND: Duration = Duration::from_secs(1);

/// A task that keeps `guard` and waits for ever.
async fn keep<G>(guard: G) {
    let _guard = guard;
    pending::<()>().await;
}

// Main.

#[test]
fn main_is_dropped_before_block_on_returns() {
    let log = Log::new();
    let runtime = virtual_runtime();
    let guard = Dropped(log.clone(), "main");
    runtime.block_on(poll_fn(move |_| {
        let _ = &guard;
        Poll::Ready(())
    }));
    log.add("returned");
    assert_eq!(log.take(), ["main dropped", "returned"]);
}

#[test]
fn main_is_dropped_on_unwind_too_before_the_tasks_of_its_runtime() {
    let log = Log::new();
    let message = panic_message(|| {
        virtually(async {
            drop(spawn(keep(Dropped(log.clone(), "task"))));
            yield_now().await;
            let _guard = Dropped(log.clone(), "main");
            panic!("main's own");
        })
    });
    log.add(message);
    assert_eq!(log.take(), ["main dropped", "task dropped", "main's own"]);
}

#[test]
fn a_suspended_main_is_dropped_when_the_loop_itself_panics() {
    let log = Log::new();
    panic_message(|| virtually(keep(Dropped(log.clone(), "main"))));
    assert_eq!(log.take(), ["main dropped"]);
}

#[test]
fn what_main_drops_sees_the_time_and_may_spawn_also_on_unwind() {
    for unwinds in [false, true] {
        let log = Log::new();
        let runtime = virtual_runtime();
        let start = runtime.block_on(async { now() });
        let (inner, own) = (log.clone(), Rc::new(RefCell::new(None::<Waker>)));
        let waker = Rc::clone(&own);
        let guard = OnDrop::new(move || {
            inner.add(format!("{:?}", now() - start));
            let log = inner.clone();
            drop(spawn(async move { log.add("spawned in the drop") }));
            // Main's own waker is stale by now, or about to be.
            waker.take().expect("it was polled").wake();
        });
        let main = async {
            *own.borrow_mut() = Some(poll_fn(|cx| Poll::Ready(cx.waker().clone())).await);
            sleep(SECOND).await;
            assert!(!unwinds, "unwinds");
        };
        // The guard is a part of main that is left when main is done.
        let mut main = Box::pin(main);
        let whole = poll_fn(move |cx| {
            let _ = &guard;
            main.as_mut().poll(cx)
        });
        if unwinds {
            assert_eq!(panic_message(|| runtime.block_on(whole)), "unwinds");
        } else {
            runtime.block_on(whole);
        }
        assert_eq!(log.take(), ["1s"]);
        assert_eq!(runtime.turn(ZERO).polls, 1);
        assert_eq!(log.take(), ["spawned in the drop"]);
    }
}

#[test]
fn tasks_live_on_between_two_calls_of_block_on() {
    let runtime = virtual_runtime();
    let ticks = Rc::new(Cell::new(0));
    drop(runtime.spawn({
        let ticks = Rc::clone(&ticks);
        async move {
            loop {
                sleep(SECOND).await;
                ticks.set(ticks.get() + 1);
            }
        }
    }));
    for expected in [10, 20, 30] {
        runtime.block_on(async { sleep(SECOND * 10).await });
        // The last tick was due together with main's end.
        while runtime.turn(ZERO).polls > 0 {}
        assert_eq!(ticks.get(), expected);
    }
}

#[test]
fn block_on_and_turn_inside_a_running_loop_panic_with_the_cure() {
    let cure = "inside a running event loop would stop that loop: spawn the future and await its handle instead";
    let other = virtual_runtime();
    let runtime = virtual_runtime();
    runtime.block_on(async {
        assert_eq!(panic_message(|| runtime::block_on(async {})), format!("block_on {cure}"));
        assert_eq!(panic_message(|| runtime.block_on(async {})), format!("block_on {cure}"));
        assert_eq!(panic_message(|| other.block_on(async {})), format!("block_on {cure}"));
        assert_eq!(panic_message(|| runtime.turn(None)), format!("turn {cure}"));
        assert_eq!(panic_message(|| other.turn(ZERO)), format!("turn {cure}"));
        // In a task it is the task's panic.
        let error = spawn(async { runtime::block_on(async {}) }).await.unwrap_err();
        assert_eq!(error.to_string(), format!("the task panicked: block_on {cure}"));
        // A loop that may not run may still be spawned on.
        let task = other.spawn(async { 1 });
        assert!(!task.is_finished());
        sleep(SECOND).await;
    });
    assert_eq!(other.turn(ZERO).polls, 1);
}

#[test]
fn a_blocking_job_may_have_a_loop_of_its_own() {
    assert_eq!(
        runtime::block_on(async {
            task::spawn_blocking(|| runtime::block_on(async { spawn(async { 5 }).await.unwrap() })).await.unwrap()
        }),
        5
    );
}

#[test]
fn what_needs_a_loop_panics_outside_of_one_and_names_block_on() {
    fn needs(what: &str, f: impl FnOnce()) {
        assert_eq!(
            panic_message(f),
            format!(
                "{what} needs a running event loop, and none runs on this thread: do it inside \
                 runtime::block_on(async {{ … }})"
            )
        );
    }
    needs("spawn", || drop(spawn(async {})));
    needs("spawn", || drop(task::Builder::new().name("named").spawn(async {})));
    needs("spawn_blocking", || drop(task::spawn_blocking(|| {})));
    needs("a timer", || _ = poll_once(&mut sleep(SECOND)));
    needs("a timer", || _ = poll_once(&mut pin!(interval(SECOND).tick())));
    needs("a socket", || _ = poll_once(&mut pin!(TcpListener::bind("127.0.0.1:0"))));
    needs("a socket", || {
        _ = TcpListener::from_std(std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    });
    // After a runtime was there, too.
    let runtime = virtual_runtime();
    runtime.block_on(async {});
    needs("spawn", || drop(spawn(async {})));
    drop(runtime);
    needs("spawn", || drop(spawn(async {})));
}

#[test]
fn a_panic_for_misuse_points_at_the_line_of_the_caller() {
    alone("a_panic_for_misuse_points_at_the_line_of_the_caller", || {
        let (tell, told) = std::sync::mpsc::channel();
        std::panic::set_hook(Box::new(move |info| {
            let at = info.location().expect("a panic has a place");
            tell.send((at.file().to_owned(), at.line())).expect("the test listens");
        }));
        let runtime = virtual_runtime();
        let misuses: [(u32, &dyn Fn()); 8] = [
            (line!(), &|| drop(spawn(async {}))),
            (line!(), &|| drop(task::Builder::new().spawn(async {}))),
            (line!(), &|| drop(task::spawn_blocking(|| {}))),
            (line!(), &|| drop(interval(Duration::ZERO))),
            (line!(), &|| drop(Runtime::builder().max_blocking_threads(0))),
            (line!(), &|| drop(mpsc::channel::<()>(0))),
            (line!(), &|| _ = inside(&runtime, || panic_message(|| runtime::block_on(async {})))),
            (line!(), &|| _ = inside(&runtime, || panic_message(|| runtime.turn(None)))),
        ];
        for (line, misuse) in misuses {
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(misuse));
            assert_eq!(told.recv().expect("it panicked"), (file!().to_owned(), line));
        }
    });
}

// The end of a runtime.

#[test]
fn a_dropped_runtime_drops_its_tasks_and_their_handles_say_cancelled() {
    let log = Log::new();
    let runtime = virtual_runtime();
    let mut tasks = vec![
        runtime.spawn(keep(Dropped(log.clone(), "suspended"))),
        runtime.spawn(async { sleep(SECOND).await }),
        runtime.handle().spawn(pending()),
    ];
    runtime.turn(ZERO);
    tasks.push(runtime.spawn(keep(Dropped(log.clone(), "never polled"))));
    tasks.push(runtime.handle().spawn(pending()));
    drop(runtime.spawn(keep(Dropped(log.clone(), "detached"))));
    drop(runtime);
    assert_eq!(log.take(), ["suspended dropped", "never polled dropped", "detached dropped"]);
    for task in tasks {
        assert!(task.is_finished());
        assert!(runtime::block_on(task).unwrap_err().is_cancelled());
    }
}

#[test]
fn a_result_outlives_its_runtime_in_the_handle() {
    let runtime = virtual_runtime();
    let tasks = [runtime.spawn(async { "kept" }), runtime.handle().spawn(async { "kept" })];
    runtime.turn(ZERO);
    runtime.turn(ZERO);
    drop(runtime);
    for task in tasks {
        assert_eq!(runtime::block_on(task).unwrap(), "kept");
    }
}

#[test]
fn whoever_joins_a_task_of_a_runtime_that_is_dropped_is_woken() {
    let doomed = virtual_runtime();
    let tasks = [doomed.spawn(pending::<()>()), doomed.handle().spawn(pending::<()>())];
    virtually(async {
        let joiners = tasks.map(|task| spawn(async { task.await.unwrap_err().is_cancelled() }));
        yield_now().await;
        // Inside the other loop, as a task may do.
        drop(doomed);
        for joiner in joiners {
            assert!(joiner.await.unwrap());
        }
    });
}

#[test]
fn tasks_spawned_while_a_runtime_is_dropped_are_dropped_and_their_handles_say_cancelled() {
    alone("tasks_spawned_while_a_runtime_is_dropped_are_dropped_and_their_handles_say_cancelled", || {
        let log = Log::new();
        let handles: Rc<RefCell<Vec<JoinHandle<()>>>> = Rc::default();
        let runtime = virtual_runtime();
        let (inner, kept, remote) = (log.clone(), Rc::clone(&handles), runtime.handle());
        let guard = OnDrop::new(move || {
            let mut kept = kept.borrow_mut();
            kept.push(spawn(keep(Dropped(inner.clone(), "spawned"))));
            kept.push(task::Builder::new().name("named").spawn(keep(Dropped(inner.clone(), "named"))));
            kept.push(remote.spawn(pending()));
            inner.add("end of the drop");
        });
        drop(runtime.spawn(keep(guard)));
        runtime.turn(ZERO);
        drop(runtime);
        assert_eq!(log.take(), ["spawned dropped", "named dropped", "end of the drop"]);
        for task in handles.take() {
            task.abort();
            assert!(task.is_finished());
            assert!(runtime::block_on(task).unwrap_err().is_cancelled());
        }
    });
}

#[test]
fn a_job_submitted_while_a_runtime_is_dropped_never_runs() {
    let runtime = virtual_runtime();
    let (tell, told) = std::sync::mpsc::channel();
    let handle: Rc<RefCell<Option<JoinHandle<()>>>> = Rc::default();
    let (kept, seen) = (Rc::clone(&handle), Rc::new(Cell::new(None)));
    let ran = Rc::clone(&seen);
    drop(runtime.spawn(keep(OnDrop::new(move || {
        *kept.borrow_mut() = Some(task::spawn_blocking(move || tell.send(()).unwrap()));
        ran.set(Some(told.recv().is_ok()));
    }))));
    drop(runtime);
    assert_eq!(seen.get(), Some(false), "the job ran, on a thread that was started for it");
    let handle = handle.take().expect("it was submitted");
    assert!(runtime::block_on(handle).unwrap_err().is_cancelled());
}

#[test]
fn dropped_tasks_see_the_virtual_time_and_may_use_timers_channels_and_each_other() {
    let log = Log::new();
    let runtime = virtual_runtime();
    let start = runtime.block_on(async { now() });
    let (sender, receiver) = oneshot::channel();
    let inner = log.clone();
    drop(runtime.spawn(async move { inner.add(format!("{:?}", receiver.await)) }));
    let other = runtime.spawn(pending::<()>());
    let inner = log.clone();
    let guard = OnDrop::new(move || {
        inner.add(format!("after {:?}", now() - start));
        assert!(poll_once(&mut sleep(SECOND)).is_pending());
        // Whoever is dropped first: a task that is woken or aborted now is never polled again.
        _ = sender.send("too late");
        other.abort();
        inner.add(panic_message(|| runtime::block_on(async {})).split(' ').next().unwrap());
    });
    runtime.block_on(async {
        let log = log.clone();
        sleep(SECOND * 7).await;
        drop(spawn(keep(guard)));
        log.add("main");
    });
    drop(runtime);
    assert_eq!(log.take(), ["main", "after 7s", "block_on"]);
}

#[test]
fn a_runtime_dropped_inside_another_loop_hands_the_thread_back_to_it() {
    let log = Log::new();
    let (outer, doomed) = (virtual_runtime(), virtual_runtime());
    doomed.block_on(async { sleep(SECOND * 100).await });
    let inner = log.clone();
    outer.block_on(async {
        let start = now();
        let inside = inner.clone();
        drop(doomed.spawn(keep(OnDrop::new(move || {
            inside.add(format!("inner time differs: {}", now() > start + SECOND * 99));
        }))));
        drop(doomed);
        assert_eq!(now(), start);
        let log = inner.clone();
        spawn(async move { log.add("spawned on the outer one") }).await.unwrap();
    });
    assert_eq!(log.take(), ["inner time differs: true", "spawned on the outer one"]);
}

#[test]
fn a_handle_whose_runtime_is_gone_says_cancelled_and_drops_the_future_at_once() {
    let runtime = virtual_runtime();
    let handle = runtime.handle();
    drop(runtime);
    let dropped = Arc::new(AtomicUsize::new(0));
    let guard = OnDrop::new({
        let dropped = Arc::clone(&dropped);
        move || _ = dropped.fetch_add(1, Ordering::SeqCst)
    });
    let task = handle.clone().spawn(keep(guard));
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
    assert!(task.is_finished());
    task.abort();
    assert!(runtime::block_on(task).unwrap_err().is_cancelled());
}

/// What a scene must leave nothing of: everything in it keeps a token, and has this waker where it waits.
struct Witness {
    token: Arc<()>,
    /// What the tasks' futures keep instead: it is gone with the runtime, whoever has their handles.
    of_tasks: Arc<()>,
    count: Arc<Count>,
    waker: Waker,
    /// What the process had at the beginning.
    descriptors: Vec<i32>,
    threads: usize,
}

/// How many threads this process has.
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").expect("Linux lists a process's threads").count()
}

impl Witness {
    fn new() -> Witness {
        let (count, waker) = Count::new();
        Witness {
            token: Arc::new(()),
            of_tasks: Arc::new(()),
            count,
            waker,
            descriptors: open_descriptors(),
            threads: threads(),
        }
    }

    /// The future of a task: it never ends.
    fn stays(&self) -> impl Future<Output = ()> + Send + 'static {
        keep(Arc::clone(&self.of_tasks))
    }

    /// A waiter that was polled once, so that it has left the waker, and that keeps a token.
    #[track_caller]
    fn waits<F: Future + 'static>(&self, future: F) -> Thing {
        let (mut future, token) = (Box::pin(future), Arc::clone(&self.token));
        assert!(future.as_mut().poll(&mut Context::from_waker(&self.waker)).is_pending());
        Box::new((future, token))
    }
}

/// Something that is only to be dropped.
type Thing = Box<dyn Any>;

/// Makes a thing of a runtime.
type Make = fn(&Runtime, &Witness) -> Thing;

/// Everything that a runtime gives out and that may outlive it, waiting, if it can wait.
const THINGS: [(&str, Make); 22] = [
    ("handle of a task", |runtime, witness| Box::new(runtime.spawn(witness.stays()))),
    ("handle that waits", |runtime, witness| witness.waits(runtime.spawn(witness.stays()))),
    ("handle of a task that is to be aborted", |runtime, witness| {
        let task = runtime.spawn(witness.stays());
        task.abort();
        Box::new(task)
    }),
    ("handle with a result", |runtime, witness| {
        let token = Arc::clone(&witness.token);
        let task = runtime.spawn(async { token });
        rest(runtime);
        assert!(task.is_finished());
        Box::new(task)
    }),
    ("handle with a panic", |runtime, witness| {
        let token = Arc::clone(&witness.token);
        let task = runtime.spawn(async { resume_unwind(Box::new(token)) });
        rest(runtime);
        assert!(task.is_finished());
        Box::new(task)
    }),
    ("remote handle that waits", |runtime, witness| witness.waits(runtime.handle().spawn(witness.stays()))),
    ("Handle", |runtime, _| Box::new(runtime.handle())),
    ("AbortHandle", |runtime, witness| Box::new(runtime.spawn(witness.stays()).abort_handle())),
    ("waker of a task", |runtime, witness| {
        let (give, given) = std::sync::mpsc::channel();
        let stays = witness.stays();
        drop(runtime.spawn(async move {
            give.send(poll_fn(|cx| Poll::Ready(cx.waker().clone())).await).unwrap();
            stays.await;
        }));
        rest(runtime);
        Box::new(given.recv().unwrap())
    }),
    ("timer", |runtime, witness| inside(runtime, || witness.waits(sleep(SECOND)))),
    ("fired timer", |runtime, witness| {
        rest(runtime);
        let mut nap = Box::pin(sleep(SECOND / 1_000));
        let waits =
            |nap: &mut Pin<Box<Sleep>>| nap.as_mut().poll(&mut Context::from_waker(&witness.waker)).is_pending();
        assert!(inside(runtime, || waits(&mut nap)));
        assert_eq!(runtime.turn(None).fired_timers, 1);
        Box::new(nap)
    }),
    ("interval", |runtime, witness| {
        let mut ticks = interval(SECOND);
        runtime.block_on(ticks.tick());
        inside(runtime, || witness.waits(async move { ticks.tick().await }))
    }),
    ("listener", |runtime, witness| {
        let listener = runtime.block_on(TcpListener::bind(LOCAL)).unwrap();
        inside(runtime, || witness.waits(async move { listener.accept().await }))
    }),
    ("stream that connects", |runtime, witness| {
        let (address, listener, queued) = full_listener();
        inside(runtime, || {
            witness.waits(async move {
                let _kept = (listener, queued);
                TcpStream::connect(address).await
            })
        })
    }),
    ("stream that reads", |runtime, witness| {
        let (near, far) = runtime.block_on(tests::pair());
        inside(runtime, || witness.waits(async move { (near.read(&mut [0]).await, far) }))
    }),
    ("stream that writes", |runtime, witness| {
        let (near, far) = narrow();
        let near = inside(runtime, || TcpStream::from_std(near)).unwrap();
        inside(runtime, || witness.waits(async move { (near.write_all(&vec![0; 1 << 20]).await, far) }))
    }),
    ("UDP socket", |runtime, witness| {
        let socket = runtime.block_on(UdpSocket::bind(LOCAL)).unwrap();
        inside(runtime, || witness.waits(async move { socket.recv_from(&mut [0]).await }))
    }),
    ("pipe", |runtime, witness| {
        let (sender, receiver) = mio::unix::pipe::new().unwrap();
        let receiver = inside(runtime, || Async::new(receiver)).unwrap();
        inside(runtime, || {
            witness.waits(async move { (receiver.read_with(|mut pipe| pipe.read(&mut [0])).await, sender) })
        })
    }),
    ("lines of an open file", |runtime, witness| {
        let mut lines = lines(concat!(env!("CARGO_MANIFEST_DIR"), "/lifecycle.rs"));
        assert!(runtime.block_on(lines.next()).unwrap().unwrap().starts_with("//! Lifecycle"));
        Box::new((lines, Arc::clone(&witness.token)))
    }),
    ("lines that are being read", |runtime, witness| {
        // Nothing in it ends a line.
        let mut lines = lines("/dev/zero");
        inside(runtime, || witness.waits(async move { lines.next().await }))
    }),
    ("job", |runtime, witness| {
        let token = Arc::clone(&witness.token);
        inside(runtime, || witness.waits(task::spawn_blocking(move || drop(token))))
    }),
    ("another runtime", |_, witness| {
        let another = virtual_runtime();
        drop(another.spawn(keep(Arc::clone(&witness.token))));
        Box::new(another)
    }),
];

#[test]
fn a_runtime_and_any_two_things_of_it_may_be_dropped_in_any_order() {
    alone("a_runtime_and_any_two_things_of_it_may_be_dropped_in_any_order", || {
        const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        for (i, (one, make_one)) in THINGS.iter().enumerate() {
            for (another, make_another) in &THINGS[i..] {
                for order in ORDERS {
                    let witness = Witness::new();
                    let runtime = virtual_runtime();
                    let mut scene: [Option<Thing>; 3] =
                        [None, Some(make_one(&runtime, &witness)), Some(make_another(&runtime, &witness))];
                    runtime.turn(ZERO);
                    scene[0] = Some(Box::new(runtime));
                    let what = format!("the runtime (0), {one} (1), {another} (2), dropped in the order {order:?}");
                    for which in order {
                        drop(scene[which].take());
                        if which == 0 {
                            let left = (Arc::strong_count(&witness.of_tasks), Arc::strong_count(&witness.count));
                            assert_eq!(left, (1, 2), "{what}: futures and wakers that the dropped runtime left");
                        }
                    }
                    // Pool threads come to the end of what they are at, and then to their own.
                    until(|| threads() == witness.threads);
                    let [tokens, wakers] = [Arc::strong_count(&witness.token), Arc::strong_count(&witness.count)];
                    assert_eq!((tokens, wakers), (1, 2), "{what}: tokens and wakers that are left");
                    assert_eq!(open_descriptors(), witness.descriptors, "{what}");
                }
            }
        }
    });
}

/// Two things that know each other, and how many permits there shall be at the end, if it is about permits.
type Pair = (&'static str, Thing, Thing, Option<(&'static Semaphore, usize)>);

/// Two things that know each other; polled or made inside a loop, if they need one.
fn pairs(witness: &Witness) -> Vec<Pair> {
    fn pair<A: 'static, B: 'static>(name: &'static str, (a, b): (A, B)) -> Pair {
        (name, Box::new(a), Box::new(b), None)
    }
    let token = || Arc::clone(&witness.token);
    vec![
        pair("oneshot", oneshot::channel::<Arc<()>>()),
        pair("oneshot that waits", {
            let (sender, receiver) = oneshot::channel::<Arc<()>>();
            (sender, witness.waits(receiver))
        }),
        pair("oneshot with a value", {
            let (sender, receiver) = oneshot::channel::<Arc<()>>();
            sender.send(token()).unwrap();
            (receiver, ())
        }),
        pair("mpsc", mpsc::channel::<Arc<()>>(1)),
        pair("mpsc with a value", {
            let (sender, receiver) = mpsc::channel::<Arc<()>>(1);
            sender.try_send(token()).unwrap();
            (sender, receiver)
        }),
        pair("unbounded mpsc with values", {
            let (sender, receiver) = mpsc::unbounded::<Arc<()>>();
            (0..100).for_each(|_| sender.send(token()).unwrap());
            (sender, receiver)
        }),
        pair("mpsc that waits", {
            let (sender, mut receiver) = mpsc::unbounded::<Arc<()>>();
            (sender, witness.waits(async move { receiver.recv().await }))
        }),
        pair("mpsc with a sender in line", {
            let (sender, receiver) = mpsc::channel::<Arc<()>>(1);
            sender.try_send(token()).unwrap();
            let another = token();
            (witness.waits(async move { sender.send(another).await }), receiver)
        }),
        pair("two senders in line", {
            let (sender, receiver) = mpsc::channel::<Arc<()>>(1);
            sender.try_send(token()).unwrap();
            let [one, another] = [(); 2].map(|()| {
                let (sender, token) = (sender.clone(), token());
                witness.waits(async move { sender.send(token).await })
            });
            drop(receiver);
            (one, another)
        }),
        {
            let semaphore = forever(Semaphore::new(0));
            let both = (witness.waits(semaphore.acquire()), witness.waits(semaphore.acquire()));
            ("two in line for a permit", Box::new(both.0), Box::new(both.1), Some((semaphore, 0)))
        },
        {
            let semaphore = forever(Semaphore::new(0));
            let both = (witness.waits(semaphore.acquire()), witness.waits(semaphore.acquire()));
            semaphore.add_permits(1);
            ("a granted permit and one in line", Box::new(both.0), Box::new(both.1), Some((semaphore, 1)))
        },
        {
            let semaphore = forever(Semaphore::new(2));
            let both = [(); 2].map(|()| semaphore.try_acquire().unwrap());
            let [one, another] = both.map(Box::new);
            ("two permits", one, another, Some((semaphore, 2)))
        },
        {
            let semaphore = forever(Semaphore::new(1));
            let held = semaphore.try_acquire().unwrap();
            let waits = witness.waits(semaphore.acquire());
            ("a permit and one in line", Box::new(held), Box::new(waits), Some((semaphore, 1)))
        },
    ]
}

/// Pairs of what one loop gives out.
fn pairs_of_a_loop(runtime: &Runtime, witness: &Witness) -> Vec<Pair> {
    fn pair<A: 'static, B: 'static>(name: &'static str, (a, b): (A, B)) -> Pair {
        (name, Box::new(a), Box::new(b), None)
    }
    let spawned = |future| {
        let task = runtime.spawn(future);
        let abort = task.abort_handle();
        (task, abort)
    };
    vec![
        pair("JoinHandle, AbortHandle", spawned(witness.stays())),
        pair("JoinHandle that waits, AbortHandle", {
            let (task, abort) = spawned(witness.stays());
            (witness.waits(task), abort)
        }),
        pair("JoinHandle, AbortHandle that has aborted", {
            let (task, abort) = spawned(witness.stays());
            abort.abort();
            (witness.waits(task), abort)
        }),
        pair("Handle, remote JoinHandle", {
            let handle = runtime.handle();
            let task = handle.spawn(witness.stays());
            (handle, witness.waits(task))
        }),
        pair("two who wait at one socket", {
            let (near, far) = runtime.block_on(tests::pair());
            let near = Rc::new((near, far));
            let [one, another] = [(); 2].map(|()| {
                let near = Rc::clone(&near);
                inside(runtime, || witness.waits(async move { near.0.readable().await }))
            });
            (one, another)
        }),
        pair("both ends of a connection", {
            let (near, far) = runtime.block_on(tests::pair());
            let waits = |end: TcpStream| inside(runtime, || witness.waits(async move { end.read(&mut [0]).await }));
            (waits(near), waits(far))
        }),
    ]
}

#[test]
fn pairs_may_be_dropped_in_either_order() {
    alone("pairs_may_be_dropped_in_either_order", || {
        let check = |witness: &Witness, scene: &str, permits: Option<(&Semaphore, usize)>| {
            assert_eq!(permits.map(|it| it.0.available_permits()), permits.map(|it| it.1), "{scene}: permits");
            let [tokens, wakers] = [Arc::strong_count(&witness.token), Arc::strong_count(&witness.count)];
            assert_eq!((tokens, wakers), (1, 2), "{scene}: tokens and wakers that are left");
        };
        let in_order = |turned: bool, (name, one, another, permits): Pair| {
            let scene = format!("{name}, turned: {turned}");
            let (first, second) = if turned { (another, one) } else { (one, another) };
            (scene, first, second, permits)
        };
        let before = open_descriptors();
        for turned in [false, true] {
            // Where no loop is, and of a loop that does not run.
            for n in 0..pairs(&Witness::new()).len() {
                let witness = Witness::new();
                let (scene, first, second, permits) = in_order(turned, pairs(&witness).swap_remove(n));
                drop(first);
                drop(second);
                check(&witness, &scene, permits);
            }
            for n in 0..6 {
                let (witness, runtime) = (Witness::new(), virtual_runtime());
                let mut all = pairs_of_a_loop(&runtime, &witness);
                assert_eq!(all.len(), 6);
                let (scene, first, second, permits) = in_order(turned, all.swap_remove(n));
                drop(all);
                drop(first);
                rest(&runtime);
                drop(second);
                rest(&runtime);
                drop(runtime);
                check(&witness, &scene, permits);
                assert_eq!(open_descriptors(), before, "{scene}");
            }
            // While a loop runs on this thread.
            virtually(async {
                for n in 0..pairs(&Witness::new()).len() {
                    let witness = Witness::new();
                    let (scene, first, second, permits) = in_order(turned, pairs(&witness).swap_remove(n));
                    drop(first);
                    yield_now().await;
                    drop(second);
                    check(&witness, &format!("{scene}, inside a loop"), permits);
                }
            });
            assert_eq!(open_descriptors(), before);
        }
    });
}

#[test]
fn a_timer_that_outlives_its_runtime_keeps_no_waker_and_works_in_the_next() {
    let runtime = virtual_runtime();
    let (count, waker) = Count::new();
    let mut nap = inside(&runtime, || {
        let mut nap = sleep(SECOND);
        assert!(Pin::new(&mut nap).poll(&mut Context::from_waker(&waker)).is_pending());
        nap
    });
    drop(runtime);
    assert_eq!(Arc::strong_count(&count), 2, "ours and the counter, no third");
    virtually(async {
        (&mut nap).await;
        assert!(now() >= nap.deadline());
    });
}

#[test]
fn a_dropped_runtime_leaves_no_descriptor() {
    alone("a_dropped_runtime_leaves_no_descriptor", || {
        let before = open_descriptors();
        for _ in 0..3 {
            let runtime = virtual_runtime();
            assert_ne!(open_descriptors(), before);
            drop(runtime.spawn(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
                let accepted = listener.accept().await.unwrap();
                keep((near, accepted, listener)).await;
            }));
            drop(runtime.spawn(sleep(SECOND * 60)));
            runtime.block_on(async { sleep(SECOND).await });
            drop(runtime);
            assert_eq!(open_descriptors(), before);
        }
    });
}

#[test]
fn a_dropped_runtime_leaves_no_descriptor_to_what_outlives_it() {
    alone("a_dropped_runtime_leaves_no_descriptor_to_what_outlives_it", || {
        let before = open_descriptors();
        let runtime = virtual_runtime();
        let task = runtime.spawn(pending::<()>());
        let (abort, waker) = (task.abort_handle(), runtime.block_on(poll_fn(|cx| Poll::Ready(cx.waker().clone()))));
        let remote = runtime.handle().spawn(pending::<()>());
        let kept = (task, abort, waker, remote);
        drop(runtime);
        assert_eq!(open_descriptors(), before, "tasks' handles and wakers");
        drop(kept);

        let runtime = virtual_runtime();
        let mut nap = sleep(SECOND);
        assert!(inside(&runtime, || poll_once(&mut nap).is_pending()));
        drop(runtime);
        let with_a_timer = open_descriptors();
        drop(nap);

        let runtime = virtual_runtime();
        let handle = runtime.handle();
        drop(runtime);
        let with_a_handle = open_descriptors();
        drop(handle);
        assert_eq!(open_descriptors(), before);
        assert_eq!((with_a_timer, with_a_handle), (before.clone(), before), "an armed timer, and a Handle");
    });
}

#[test]
fn a_dropped_runtime_ends_its_idle_threads_at_once() {
    for is_outlived in [false, true] {
        let runtime = Runtime::builder().thread_keep_alive(SECOND * 3_600).build().unwrap();
        let threads = runtime.block_on(async {
            // Both at once, so that there are two threads.
            let barrier = Arc::new(Barrier::new(2));
            let [one, two] = [(); 2].map(|()| {
                let barrier = Arc::clone(&barrier);
                task::spawn_blocking(move || {
                    barrier.wait();
                    thread_number()
                })
            });
            [one.await.unwrap(), two.await.unwrap()]
        });
        assert!(threads.into_iter().all(is_alive));
        // An armed timer that outlives its runtime knows the loop still.
        let mut nap = sleep(SECOND * 3_600);
        if is_outlived {
            assert!(inside(&runtime, || poll_once(&mut nap).is_pending()));
        }
        drop(runtime);
        until(|| !threads.into_iter().any(is_alive));
        drop(nap);
    }
}

#[test]
fn a_job_that_runs_is_left_alone_and_its_result_is_dropped() {
    let runtime = virtual_runtime();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let (tell, told) = std::sync::mpsc::channel();
    let job = inside(&runtime, || {
        task::spawn_blocking(move || {
            tell.send("runs").unwrap();
            held.recv().unwrap();
            OnDrop::new(move || tell.send("result dropped").unwrap())
        })
    });
    assert_eq!(told.recv(), Ok("runs"));
    drop(runtime);
    assert!(job.is_finished());
    release.send(()).unwrap();
    assert_eq!(told.recv(), Ok("result dropped"));
    assert!(runtime::block_on(job).is_err_and(|error| error.is_cancelled()));
}

#[test]
fn more_runtimes_than_there_are_numbers_may_come_and_go() {
    // 16,384 may be alive at once; each gives its number back.
    for n in 0..17_000 {
        let runtime = virtual_runtime();
        if n % 1_000 == 0 {
            assert_eq!(runtime.block_on(runtime.spawn(async move { n })).unwrap(), n);
        }
    }
}

// Other threads.

#[test]
fn a_handle_spawns_on_a_parked_loop() {
    let runtime = Runtime::new().unwrap();
    let (handle, parked) = (runtime.handle(), thread_number());
    let (end, ended) = oneshot::channel();
    let thread = thread::spawn(move || {
        until_parked(parked);
        runtime::block_on(async {
            let number = handle.spawn(async { thread_number() }).await.unwrap();
            end.send(()).unwrap();
            number
        })
    });
    runtime.block_on(ended).unwrap();
    assert_eq!(thread.join().unwrap(), parked, "it ran on the loop's thread");
}

#[test]
fn a_handle_spawns_on_a_busy_loop() {
    let runtime = Runtime::new().unwrap();
    let handle = runtime.handle();
    let (tell, told) = std::sync::mpsc::channel();
    let thread = thread::spawn(move || drop(handle.spawn(async move { tell.send(()).unwrap() })));
    runtime.block_on(async {
        while told.try_recv().is_err() {
            yield_now().await;
        }
    });
    thread.join().unwrap();
}

#[test]
fn what_handles_spawn_between_two_calls_runs_in_the_next_in_order() {
    let runtime = virtual_runtime();
    let (tell, told) = std::sync::mpsc::channel();
    let handle = runtime.handle();
    thread::spawn(move || {
        for n in 0..5 {
            let tell = tell.clone();
            drop(handle.spawn(async move { tell.send(n).unwrap() }));
        }
    })
    .join()
    .unwrap();
    assert!(told.try_recv().is_err());
    assert_eq!(counts(runtime.turn(ZERO)), [5, 0, 0, 5]);
    assert_eq!(told.iter().collect::<Vec<i32>>(), [0, 1, 2, 3, 4]);
}

#[test]
fn a_handle_works_on_its_own_loop_too() {
    let runtime = virtual_runtime();
    let handle = runtime.handle();
    let log = Rc::new(Cell::new(0));
    let three = runtime.block_on(async {
        let remote = handle.spawn(async {
            // A future that may travel can spawn one that may not, once it has arrived.
            drop(spawn(async { Rc::new(1) }));
            yield_now().await;
            3
        });
        log.set(1);
        remote.await.unwrap()
    });
    assert_eq!((three, log.get()), (3, 1));
}

#[test]
fn a_panic_of_a_remote_task_arrives_at_the_handle_and_nowhere_else() {
    let runtime = Runtime::new().unwrap();
    let handle = runtime.handle();
    let (end, ended) = oneshot::channel();
    let thread = thread::spawn(move || {
        let error = runtime::block_on(handle.spawn(async { panic!("over there") })).unwrap_err();
        end.send(()).unwrap();
        error.to_string()
    });
    runtime.block_on(ended).unwrap();
    assert_eq!(thread.join().unwrap(), "the task panicked: over there");
}

#[test]
fn every_remote_task_ends_or_is_cancelled_when_its_runtime_is_dropped_meanwhile() {
    const THREADS: usize = 3;
    const TASKS: usize = 500;
    let runtime = Runtime::new().unwrap();
    let (barrier, dropped) = (Arc::new(Barrier::new(THREADS + 1)), Arc::new(AtomicUsize::new(0)));
    let threads = [(); THREADS].map(|()| {
        let (handle, barrier, dropped) = (runtime.handle(), Arc::clone(&barrier), Arc::clone(&dropped));
        thread::spawn(move || {
            barrier.wait();
            let tasks: Vec<JoinHandle<()>> = (0..TASKS)
                .map(|_| {
                    let dropped = Arc::clone(&dropped);
                    let guard = OnDrop::new(move || _ = dropped.fetch_add(1, Ordering::SeqCst));
                    handle.spawn(async move {
                        let _guard = guard;
                        yield_now().await;
                    })
                })
                .collect();
            runtime::block_on(async {
                for task in tasks {
                    let ended = task.await;
                    assert!(ended.is_ok() || ended.unwrap_err().is_cancelled());
                }
            });
        })
    });
    barrier.wait();
    runtime.block_on(async {
        for _ in 0..500 {
            yield_now().await;
        }
    });
    drop(runtime);
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(dropped.load(Ordering::SeqCst), THREADS * TASKS);
}

// What may travel to other threads.

/// Asks whether a type is Send: the inherent constant is there for those that are, the trait's for the rest.
struct IsSend<T>(PhantomData<T>);
/// The same for Sync.
struct IsSync<T>(PhantomData<T>);

trait No {
    const ANSWER: bool = false;
}

impl<T> No for IsSend<T> {}
impl<T> No for IsSync<T> {}

impl<T: Send> IsSend<T> {
    const ANSWER: bool = true;
}

impl<T: Sync> IsSync<T> {
    const ANSWER: bool = true;
}

/// Whether a type is Send, and whether it is Sync.
macro_rules! travels {
    ($type:ty) => {
        (<IsSend<$type>>::ANSWER, <IsSync<$type>>::ANSWER)
    };
}

#[test]
fn what_may_travel_to_other_threads_is_send() {
    let both = (true, true);
    assert_eq!(travels!(Handle), both);
    assert_eq!(travels!(AbortHandle), both);
    assert_eq!(travels!(Waker), both);
    assert_eq!(travels!(JoinError), both);
    assert_eq!(travels!(task::Id), both);
    assert_eq!(travels!(Turn), both);
    assert_eq!(travels!(Builder), both);
    assert_eq!(travels!(Elapsed), both);
    assert_eq!(travels!(oneshot::Sender<u8>), both);
    assert_eq!(travels!(oneshot::Receiver<u8>), both);
    assert_eq!(travels!(mpsc::Sender<u8>), both);
    assert_eq!(travels!(mpsc::UnboundedSender<u8>), both);
    assert_eq!(travels!(mpsc::Receiver<u8>), both);
    // What is Send but not Sync may be sent, too.
    assert_eq!(travels!(mpsc::Sender<Cell<u8>>), both);
    assert_eq!(travels!(oneshot::Receiver<Cell<u8>>), both);
}

#[test]
fn what_belongs_to_one_thread_is_not_send() {
    let neither = (false, false);
    assert_eq!(travels!(Runtime), neither);
    assert_eq!(travels!(JoinHandle<u8>), neither);
    assert_eq!(travels!(Sleep), neither);
    assert_eq!(travels!(Interval), neither);
    assert_eq!(travels!(TcpListener), neither);
    assert_eq!(travels!(TcpStream), neither);
    assert_eq!(travels!(UdpSocket), neither);
    assert_eq!(travels!(Async<mio::net::TcpStream>), neither);
    assert_eq!(travels!(Lines), neither);
    assert_eq!(travels!(Permit<'static>), neither);
    assert_eq!(travels!(mpsc::Sender<Rc<u8>>), neither);
    assert_eq!(travels!(oneshot::Sender<Rc<u8>>), neither);
    // A semaphore may move while nobody has its permits, but two threads cannot share it.
    assert_eq!(travels!(Semaphore), (true, false));
}

// The teardown of a thread.

/// Calls what it was given when its thread is torn down.
struct AtTheEnd(RefCell<Vec<Box<dyn FnOnce()>>>);

impl Drop for AtTheEnd {
    fn drop(&mut self) {
        for f in self.0.take() {
            f();
        }
    }
}

thread_local! {
    static AT_THE_END: AtTheEnd = const { AtTheEnd(RefCell::new(Vec::new())) };
}

/// Runs `f` on a thread; what it returns runs while the thread is torn down: before and after the thread-locals of the
/// loop are destroyed, if it has any, because destructors run in the order of first use or in its reverse.
fn in_teardown(f: impl Fn() -> Box<dyn FnOnce()> + Clone + Send + 'static) {
    for registered_first in [false, true] {
        let f = f.clone();
        thread::spawn(move || {
            if registered_first {
                AT_THE_END.with(|_| ());
            }
            let at_the_end = f();
            AT_THE_END.with(|end| end.0.borrow_mut().push(at_the_end));
        })
        .join()
        .unwrap();
    }
}

#[test]
fn wakers_work_while_their_thread_is_torn_down() {
    alone("wakers_work_while_their_thread_is_torn_down", || {
        let runtime = Runtime::new().unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        let task = runtime.spawn({
            let mut polls = 0;
            poll_fn(move |cx| {
                polls += 1;
                let _ = tell.send(cx.waker().clone());
                if polls == 3 { Poll::Ready(()) } else { Poll::Pending }
            })
        });
        runtime.turn(ZERO);
        let waker = told.recv().unwrap();
        in_teardown(move || {
            // The loop has been used on this thread, and its runtime is gone.
            let stale = virtually(poll_fn(|cx| Poll::Ready(cx.waker().clone())));
            let waker = waker.clone();
            Box::new(move || {
                stale.wake();
                waker.wake();
            })
        });
        // Both wakes have come: they are one message and make one poll.
        assert_eq!(counts(runtime.turn(None)), [1, 0, 0, 1]);
        assert!(!task.is_finished());
    });
}

#[test]
fn handles_channels_and_the_time_work_while_their_thread_is_torn_down() {
    alone("handles_channels_and_the_time_work_while_their_thread_is_torn_down", || {
        let runtime = virtual_runtime();
        let (handle, (tell, mut told)) = (runtime.handle(), mpsc::unbounded());
        let aborted = runtime.spawn(pending::<()>());
        let abort = aborted.abort_handle();
        in_teardown(move || {
            let (handle, tell, abort) = (handle.clone(), tell.clone(), abort.clone());
            let own = virtual_runtime();
            let task = own.spawn(pending::<()>());
            let mut waiting = handle.spawn(pending::<()>());
            assert!(poll_once(&mut waiting).is_pending());
            Box::new(move || {
                let _ = now();
                abort.abort();
                drop(handle.spawn(async {}));
                drop((task, waiting));
                tell.send("alive").unwrap();
            })
        });
        runtime.block_on(async {
            assert_eq!((told.recv().await, told.recv().await), (Some("alive"), Some("alive")));
            assert!(aborted.await.unwrap_err().is_cancelled());
        });
    });
}

#[test]
fn a_runtime_is_dropped_while_its_thread_is_torn_down() {
    alone("a_runtime_is_dropped_while_its_thread_is_torn_down", || {
        let (tell, told) = std::sync::mpsc::channel();
        in_teardown(move || {
            let tell = tell.clone();
            let runtime = virtual_runtime();
            let start = runtime.block_on(async { now() });
            runtime.block_on(async { sleep(SECOND).await });
            drop(runtime.spawn(keep(OnDrop::new(move || {
                drop(spawn(async {}));
                tell.send(now() - start).unwrap();
            }))));
            drop(runtime.spawn(sleep(SECOND * 60)));
            runtime.turn(ZERO);
            Box::new(move || drop(runtime))
        });
        assert_eq!(told.iter().collect::<Vec<Duration>>(), [SECOND, SECOND]);
    });
}

#[test]
fn a_loop_runs_while_its_thread_is_torn_down() {
    alone("a_loop_runs_while_its_thread_is_torn_down", || {
        let (tell, told) = std::sync::mpsc::channel();
        in_teardown(move || {
            let tell = tell.clone();
            virtually(async { sleep(SECOND).await });
            Box::new(move || {
                let sum = virtually(async {
                    let task = spawn(async {
                        sleep(SECOND).await;
                        40
                    });
                    let job = task::spawn_blocking(|| 2);
                    task.await.unwrap() + job.await.unwrap()
                });
                tell.send(sum).unwrap();
            })
        });
        assert_eq!(told.iter().collect::<Vec<i32>>(), [42, 42]);
    });
}

// A process that exits inside of a task.

thread_local! {
    /// `exit` destroys the thread-locals of its thread, and so drops this runtime while a task of it is at poll.
    static KEPT: Runtime = virtual_runtime();
}

/// Calls `exit` with the runtime of this thread. It ends the process with the status 7, inside of the loop.
#[track_caller]
fn exits_inside(test: &str, exit: impl FnOnce(&Runtime)) {
    let (status, said) = exited(test, || {
        // Used before the runtime, so it is destroyed after it.
        AT_THE_END.with(|_| ());
        KEPT.with(|runtime| {
            drop(runtime.spawn(keep(OnDrop::new(|| {
                drop(spawn(async {}));
                println!("another task is dropped");
            }))));
            let waker = runtime.block_on(poll_fn(|cx| Poll::Ready(cx.waker().clone())));
            let after = Box::new(move || {
                waker.wake();
                println!("then: {}", panic_message(Handle::current));
            });
            AT_THE_END.with(|end| end.0.borrow_mut().push(after));
            exit(runtime);
        });
    });
    assert_eq!(status, Some(7), "{said}");
    assert!(said.contains("another task is dropped"), "{said}");
    assert!(said.contains("then: Handle::current needs a running event loop"), "{said}");
    assert!(!said.contains("what is at poll is dropped") && !said.contains("borrowed"), "{said}");
}

#[test]
fn a_process_may_exit_inside_a_task_of_a_runtime_that_a_thread_local_owns() {
    exits_inside("a_process_may_exit_inside_a_task_of_a_runtime_that_a_thread_local_owns", |runtime| {
        runtime.block_on(spawn_exit(runtime));
    });
}

/// A task that exits, and whose future is not dropped: it is at poll.
fn spawn_exit(runtime: &Runtime) -> impl Future<Output = ()> {
    let task = runtime.spawn(async {
        let _at_poll = OnDrop::new(|| println!("what is at poll is dropped"));
        sleep(SECOND).await;
        std::process::exit(7)
    });
    async { drop(task.await) }
}

#[test]
fn a_process_may_exit_inside_main_of_a_runtime_that_a_thread_local_owns() {
    exits_inside("a_process_may_exit_inside_main_of_a_runtime_that_a_thread_local_owns", |runtime| {
        runtime.block_on(async { std::process::exit(7) })
    });
}

#[test]
fn a_process_may_exit_inside_the_drop_of_a_task_of_a_runtime_that_a_thread_local_owns() {
    exits_inside("a_process_may_exit_inside_the_drop_of_a_task_of_a_runtime_that_a_thread_local_owns", |runtime| {
        let task = runtime.spawn(keep(OnDrop::new(|| std::process::exit(7))));
        runtime.turn(ZERO);
        task.abort();
        runtime.turn(ZERO);
    });
}

/// A source that somebody else wrote.
struct Exits;

impl mio::event::Source for Exits {
    fn register(&mut self, _: &mio::Registry, _: mio::Token, _: mio::Interest) -> std::io::Result<()> {
        std::process::exit(7)
    }

    fn reregister(&mut self, _: &mio::Registry, _: mio::Token, _: mio::Interest) -> std::io::Result<()> {
        Ok(())
    }

    fn deregister(&mut self, _: &mio::Registry) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_process_that_exits_inside_the_registration_of_a_foreign_source_is_aborted() {
    let said = aborted("a_process_that_exits_inside_the_registration_of_a_foreign_source_is_aborted", || {
        KEPT.with(|runtime| runtime.block_on(async { drop(Async::new(Exits)) }));
    });
    assert!(said.contains("thread local panicked on drop"), "{said}");
}
