//! Other threads: what they ask of a loop that is parked, busy, between two calls, being dropped or gone. Nothing is
//! lost, a loop is rung only when it sleeps and once for a batch, and one that sleeps costs nothing.
//!
//! A test that wakes tasks of a runtime that is gone runs alone: the next runtime of that number hears of it, and others
//! here count what they hear.

use runtime::net::TcpListener;
use runtime::sync::{mpsc, oneshot};
use runtime::task::{self, yield_now};
use runtime::time::sleep;
use runtime::{AbortHandle, Handle, JoinHandle, Runtime};
use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;
use tests::{
    OnDrop, Random, alone, counted, counts, inside, panic_message, poll_once, thread_number, until, until_parked,
    virtual_runtime, writes,
};

const ZERO: Option<Duration> = Some(Duration::ZERO);
const HOUR: Duration = Duration::from_secs(3_600);

/// Runs `f` on another thread and returns what it does.
fn elsewhere<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> R {
    thread::spawn(f).join().unwrap()
}

/// How many times `f` rings a loop: its write calls, for it makes no others.
fn rings(f: impl FnOnce()) -> usize {
    let before = writes();
    f();
    writes() - before
}

/// A list that any thread may write to.
type Shared<T> = Arc<Mutex<Vec<T>>>;

fn take<T>(list: &Shared<T>) -> Vec<T> {
    list.lock().unwrap().split_off(0)
}

/// Adds to such a list when it is dropped: what, and on which thread.
fn tells_when_dropped<T>(list: &Shared<(T, u32)>, what: T) -> OnDrop<impl FnOnce() + use<T>> {
    let list = Arc::clone(list);
    OnDrop::new(move || list.lock().unwrap().push((what, thread_number())))
}

/// A task that calls `f` in each poll, forever, and its waker.
fn spawn_polled(runtime: &Runtime, mut f: impl FnMut() + 'static) -> (JoinHandle<()>, Waker) {
    let place = Rc::new(RefCell::new(None));
    let inner = Rc::clone(&place);
    let mut polled = false;
    let task = runtime.spawn(poll_fn(move |cx| {
        // The first poll is for the waker.
        if std::mem::replace(&mut polled, true) {
            f();
        } else {
            *inner.borrow_mut() = Some(cx.waker().clone());
        }
        Poll::Pending
    }));
    runtime.turn(ZERO);
    let waker = place.take().expect("it was polled");
    (task, waker)
}

/// Something of everything that another thread may ask of a loop.
#[derive(Clone)]
struct Requests {
    waker: Waker,
    handle: Handle,
    abort: AbortHandle,
}

impl Requests {
    /// For a loop with a task that is there to be aborted.
    fn new(runtime: &Runtime) -> Requests {
        let (_, waker) = spawn_polled(runtime, || {});
        let abort = runtime.spawn(pending::<()>()).abort_handle();
        runtime.turn(ZERO);
        Requests { waker, handle: runtime.handle(), abort }
    }

    /// Each of them once.
    fn make(&self) {
        self.waker.wake_by_ref();
        self.abort.abort();
        drop(self.handle.spawn(async {}));
    }
}

// Rings: at most one system call for a batch.

#[test]
fn a_batch_of_wakes_from_many_threads_rings_a_parked_loop_once() {
    const THREADS: usize = 4;
    const WAKES: usize = 250;
    let runtime = Runtime::new().unwrap();
    let (finish, finished) = channel::<()>();
    // The first poll after the park lasts until the batch is complete: the loop stays awake.
    let (_task, waker) = spawn_polled(&runtime, move || _ = finished.recv());
    let (parked, barrier) = (thread_number(), Arc::new(Barrier::new(THREADS)));
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (waker, barrier, finish) = (waker.clone(), Arc::clone(&barrier), finish.clone());
            thread::spawn(move || {
                until_parked(parked);
                barrier.wait();
                let rung = rings(|| (0..WAKES).for_each(|_| waker.wake_by_ref()));
                // The last one to be dropped ends the poll.
                drop(finish);
                rung
            })
        })
        .collect();
    drop(finish);
    let first = runtime.turn(None);
    assert_eq!(first.polls, 1);
    let rung: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert_eq!(rung, 1);
    // None was lost. Those that came after the message was taken are one message more, and one poll.
    let second = runtime.turn(ZERO);
    assert!(second.remote_wakes <= 1);
    assert_eq!(second.polls, second.remote_wakes);
}

#[test]
fn every_park_is_ended_by_one_ring() {
    const ROUNDS: usize = 200;
    let runtime = Runtime::new().unwrap();
    let (tell, told) = channel();
    let (_task, waker) = spawn_polled(&runtime, || {});
    let parked = thread_number();
    let thread = thread::spawn(move || {
        let mut rung = Vec::new();
        for _ in 0..ROUNDS {
            until_parked(parked);
            rung.push(rings(|| waker.wake_by_ref()));
            // It has turned.
            let _: () = told.recv().unwrap();
        }
        rung
    });
    for _ in 0..ROUNDS {
        assert_eq!(counts(runtime.turn(None)), [1, 0, 0, 1]);
        tell.send(()).unwrap();
    }
    assert_eq!(thread.join().unwrap(), [1; ROUNDS]);
}

#[test]
fn each_kind_of_request_ends_a_park_with_one_ring() {
    type Ask = fn(&Requests);
    let asks: [(Ask, [usize; 4]); 4] = [
        (|requests| requests.waker.wake_by_ref(), [1, 0, 0, 1]),
        (|requests| requests.abort.abort(), [0, 0, 0, 1]),
        (|requests| drop(requests.handle.spawn(async {})), [1, 0, 0, 1]),
        // A task that has ended by then: the loop wakes up and finds nobody.
        (|requests| requests.abort.abort(), [0, 0, 0, 1]),
    ];
    let runtime = Runtime::new().unwrap();
    let requests = Requests::new(&runtime);
    for (ask, expected) in asks {
        let (requests, parked) = (requests.clone(), thread_number());
        let thread = thread::spawn(move || {
            until_parked(parked);
            rings(|| ask(&requests))
        });
        assert_eq!(counts(runtime.turn(None)), expected);
        assert_eq!(thread.join().unwrap(), 1);
    }
}

#[test]
fn nobody_rings_for_a_loop_that_is_not_parked() {
    alone("nobody_rings_for_a_loop_that_is_not_parked", || {
        let ask = |requests: &Requests| {
            let requests = requests.clone();
            elsewhere(move || rings(|| (0..100).for_each(|_| requests.make())))
        };
        let runtime = Runtime::new().unwrap();
        let requests = Requests::new(&runtime);
        // Between two calls, and after a park that a timeout ended.
        assert_eq!(ask(&requests), 0);
        while runtime.turn(ZERO).remote_wakes > 0 {}
        assert_eq!(counts(runtime.turn(Some(Duration::from_millis(1)))), [0, 0, 0, 0]);
        assert_eq!(ask(&requests), 0);
        // In a poll.
        assert_eq!(runtime.block_on(poll_fn(|_| Poll::Ready(ask(&requests)))), 0);
        // While it is being dropped, and when it is gone.
        let (inner, rung) = (requests.clone(), Rc::new(Cell::new(usize::MAX)));
        let seen = Rc::clone(&rung);
        let guard = OnDrop::new(move || seen.set(ask(&inner)));
        drop(runtime.spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        }));
        drop(runtime);
        assert_eq!(rung.get(), 0);
        assert_eq!(ask(&requests), 0);
    });
}

// What a parked loop costs.

/// How often that thread was given a processor, and for how many nanoseconds.
fn processor_time(thread: u32) -> String {
    std::fs::read_to_string(format!("/proc/self/task/{thread}/schedstat")).expect("Linux counts a thread's time")
}

#[test]
fn a_parked_loop_uses_no_processor_time_while_others_work() {
    let (tell, told) = channel();
    let sleepers: Vec<_> = [false, true]
        .into_iter()
        .map(|has_tasks| {
            let tell = tell.clone();
            thread::spawn(move || {
                let runtime = Runtime::new().unwrap();
                let _kept = has_tasks.then(|| {
                    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
                    drop(runtime.spawn(sleep(HOUR)));
                    drop(runtime.spawn(pending::<()>()));
                    runtime.block_on(async { task::spawn_blocking(|| {}).await.unwrap() });
                    runtime.turn(ZERO);
                    listener
                });
                tell.send((thread_number(), runtime.handle())).unwrap();
                counts(runtime.turn(None))
            })
        })
        .collect();
    let watched: Vec<(u32, Handle)> = [told.recv().unwrap(), told.recv().unwrap()].into();
    watched.iter().for_each(|(thread, _)| until_parked(*thread));
    let before: Vec<String> = watched.iter().map(|(thread, _)| processor_time(*thread)).collect();

    // Two other loops wake each other a thousand times.
    let (ping, mut pinged) = mpsc::unbounded();
    let (pong, mut ponged) = mpsc::unbounded();
    let player = thread::spawn(move || {
        runtime::block_on(async {
            while let Some(n) = pinged.recv().await {
                pong.send(n).unwrap();
            }
        });
    });
    runtime::block_on(async {
        for n in 0..1_000 {
            ping.send(n).unwrap();
            assert_eq!(ponged.recv().await, Some(n));
        }
        drop(ping);
    });
    player.join().unwrap();

    let after: Vec<String> = watched.iter().map(|(thread, _)| processor_time(*thread)).collect();
    assert_eq!(before, after);
    for (_, handle) in &watched {
        drop(handle.spawn(async {}));
    }
    for sleeper in sleepers {
        assert_eq!(sleeper.join().unwrap(), [1, 0, 0, 1]);
    }
}

// Between two calls.

#[test]
fn what_comes_between_two_calls_is_heard_in_the_order_in_which_it_came() {
    let log: Shared<&str> = Shared::default();
    let runtime = virtual_runtime();
    let polled = |name| {
        let log = Arc::clone(&log);
        spawn_polled(&runtime, move || log.lock().unwrap().push(name))
    };
    let ((_a, a), (_c, c)) = (polled("first task"), polled("last task"));
    let inner = Arc::clone(&log);
    let guard = OnDrop::new(move || inner.lock().unwrap().push("aborted"));
    let doomed = runtime.spawn(async move {
        let _guard = guard;
        pending::<()>().await;
    });
    runtime.turn(ZERO);
    let (handle, abort, inner) = (runtime.handle(), doomed.abort_handle(), Arc::clone(&log));
    elsewhere(move || {
        a.wake_by_ref();
        drop(handle.spawn(async move { inner.lock().unwrap().push("spawned") }));
        abort.abort();
        c.wake();
        // Twice is once: one message.
        a.wake();
    });
    assert!(take(&log).is_empty());
    assert_eq!(counts(runtime.turn(ZERO)), [3, 0, 0, 4]);
    assert_eq!(take(&log), ["first task", "spawned", "aborted", "last task"]);
}

#[test]
fn what_comes_between_two_calls_of_block_on_is_done_in_the_second_though_it_has_nothing_else_to_do() {
    let runtime = Runtime::new().unwrap();
    let (sender, receiver) = oneshot::channel();
    let task = runtime.spawn(receiver);
    runtime.block_on(async {});
    let handle = runtime.handle();
    elsewhere(move || {
        sender.send(1).unwrap();
        drop(handle.spawn(async {}));
    });
    // It would park for ever, had the wake been lost.
    assert_eq!(runtime.block_on(task).unwrap(), Ok(1));
}

// A runtime that is being dropped, and one that is gone.

#[test]
fn what_comes_while_a_runtime_is_dropped_is_dropped_with_it_and_says_cancelled() {
    let dropped: Shared<(&str, u32)> = Shared::default();
    let runtime = virtual_runtime();
    let (requests, list) = (Requests::new(&runtime), Arc::clone(&dropped));
    let ((begin, begun), (tell, told)) = (channel::<()>(), channel());
    let thread = thread::spawn(move || {
        begun.recv().unwrap();
        requests.make();
        let guard = tells_when_dropped(&list, "spawned in the drop");
        let task = requests.handle.spawn(async move {
            let _guard = guard;
            panic!("it was polled");
        });
        tell.send(task.is_finished()).unwrap();
        runtime::block_on(task).unwrap_err().is_cancelled()
    });
    drop(runtime.spawn(async move {
        let _guard = OnDrop::new(move || {
            begin.send(()).unwrap();
            assert_eq!(told.recv(), Ok(false), "nobody has looked at it yet");
        });
        pending::<()>().await;
    }));
    runtime.turn(ZERO);
    drop(runtime);
    assert_eq!(take(&dropped), [("spawned in the drop", thread_number())]);
    assert!(thread.join().unwrap());
}

#[test]
fn a_future_that_comes_too_late_is_dropped_on_the_thread_that_sent_it() {
    alone("a_future_that_comes_too_late_is_dropped_on_the_thread_that_sent_it", || {
        let dropped: Shared<(&str, u32)> = Shared::default();
        let runtime = virtual_runtime();
        let requests = Requests::new(&runtime);
        drop(runtime);
        let list = Arc::clone(&dropped);
        let sender = elsewhere(move || {
            let (again, guard) = (requests.handle.clone(), tells_when_dropped(&list, "outer"));
            let inner = tells_when_dropped(&list, "inner");
            // Its drop sends another one after it.
            let outer = OnDrop::new(move || {
                drop(guard);
                let task = again.spawn(async move { drop(inner) });
                assert!(task.is_finished());
            });
            let task = requests.handle.spawn(async move { drop(outer) });
            assert!(task.is_finished());
            assert!(runtime::block_on(task).unwrap_err().is_cancelled());
            requests.make();
            thread_number()
        });
        assert_eq!(take(&dropped), [("outer", sender), ("inner", sender)]);
    });
}

// Handle::spawn.

/// Runs `f` on another thread with a handle, and the loop of this thread until `f` has returned.
fn with_handle<R: Send + 'static>(runtime: &Runtime, f: impl FnOnce(Handle) -> R + Send + 'static) -> R {
    let handle = runtime.handle();
    let (end, ended) = oneshot::channel();
    let thread = thread::spawn(move || {
        let result = f(handle);
        end.send(()).unwrap();
        result
    });
    let _ = runtime.block_on(ended);
    thread.join().unwrap()
}

#[test]
fn a_remote_future_lives_and_ends_on_the_loops_thread_and_its_result_on_the_asking_one() {
    let seen: Shared<(&str, u32)> = Shared::default();
    let (runtime, home, list) = (Runtime::new().unwrap(), thread_number(), Arc::clone(&seen));
    let away = with_handle(&runtime, move |handle| {
        let (future, result) = (tells_when_dropped(&list, "future"), tells_when_dropped(&list, "result"));
        let polled = Arc::clone(&list);
        let task = handle.spawn(async move {
            let _future = future;
            polled.lock().unwrap().push(("polled", thread_number()));
            yield_now().await;
            polled.lock().unwrap().push(("polled", thread_number()));
            result
        });
        let result = runtime::block_on(task);
        assert!(result.is_ok());
        drop(result);
        thread_number()
    });
    assert_ne!(away, home);
    assert_eq!(take(&seen), [("polled", home), ("polled", home), ("future", home), ("result", away)]);
}

#[test]
fn a_remote_result_is_dropped_once_by_whoever_is_left() {
    let dropped: Shared<(&str, u32)> = Shared::default();
    let runtime = virtual_runtime();
    let (handle, list, home) = (runtime.handle(), Arc::clone(&dropped), thread_number());
    let (turn, turned) = channel::<()>();
    let (asked, ask) = channel();
    let thread = thread::spawn(move || {
        let task = |name| {
            let result = tells_when_dropped(&list, name);
            handle.spawn(async move { result })
        };
        // The handle goes before the end, and after it.
        let (early, late) = (task("early"), task("late"));
        drop(early);
        asked.send(()).unwrap();
        turned.recv().unwrap();
        assert!(late.is_finished());
        drop(late);
        thread_number()
    });
    ask.recv().unwrap();
    assert_eq!(counts(runtime.turn(ZERO)), [2, 0, 0, 2]);
    assert_eq!(take(&dropped), [("early", home)]);
    turn.send(()).unwrap();
    let away = thread.join().unwrap();
    assert_eq!(take(&dropped), [("late", away)]);
}

#[test]
fn to_join_a_remote_task_takes_two_polls_and_one_ring() {
    let runtime = Runtime::new().unwrap();
    let (handle, (tell, told)) = (runtime.handle(), channel());
    let (open, gate) = oneshot::channel::<()>();
    let asker = thread::spawn(move || {
        let polls = Cell::new(0);
        tell.send(thread_number()).unwrap();
        let result = runtime::block_on(counted(&polls, handle.spawn(async { gate.await.map(|()| 6 * 7) })));
        (result.unwrap(), polls.get())
    });
    let parked = told.recv().unwrap();
    assert_eq!(counts(runtime.turn(None)), [1, 0, 0, 1]);
    until_parked(parked);
    inside(&runtime, || open.send(()).unwrap());
    let rung = rings(|| assert_eq!(counts(runtime.turn(ZERO)), [1, 0, 0, 0]));
    assert_eq!(rung, 1);
    assert_eq!(asker.join().unwrap(), (Ok(42), 2));
}

#[test]
fn what_a_remote_task_panics_with_travels_and_its_loop_goes_on() {
    #[derive(Debug, PartialEq)]
    struct Payload(u32);
    let runtime = Runtime::new().unwrap();
    let payload = with_handle(&runtime, |handle| {
        let error = runtime::block_on(handle.spawn(async { std::panic::panic_any(Payload(7)) })).unwrap_err();
        assert!(error.is_panic() && !error.is_cancelled());
        error.into_panic()
    });
    assert_eq!(payload.downcast_ref(), Some(&Payload(7)));
    // Nobody waits: the loop drops the payload, or a result that panics in its drop.
    drop(runtime.handle().spawn(async { panic!("heard by nobody") }));
    drop(runtime.handle().spawn(async { OnDrop::new(|| panic!("a result that nobody takes")) }));
    assert_eq!(counts(runtime.turn(ZERO)), [2, 0, 0, 2]);
    assert_eq!(with_handle(&runtime, |handle| runtime::block_on(handle.spawn(async { 1 })).unwrap()), 1);
}

#[test]
fn a_remote_handle_polled_after_it_gave_its_result_says_so() {
    let runtime = virtual_runtime();
    let mut task = runtime.handle().spawn(async { 1 });
    assert!(poll_once(&mut task).is_pending());
    runtime.turn(ZERO);
    assert!(matches!(poll_once(&mut task), Poll::Ready(Ok(1))));
    assert!(task.is_finished());
    let message = panic_message(|| poll_once(&mut task));
    assert_eq!(message, "a JoinHandle was polled after it had given its result: await it once, and keep what it gives");
}

#[test]
fn an_idle_handle_keeps_no_loop_alive_and_an_idle_loop_no_handle() {
    let handles = [virtual_runtime(), Runtime::new().unwrap()].map(|runtime| {
        let handle = runtime.handle();
        drop(elsewhere(move || (handle.clone(), handle)));
        // No handle is left; the loop works.
        assert_eq!(counts(runtime.turn(ZERO)), [0, 0, 0, 0]);
        runtime.handle()
    });
    for handle in handles {
        assert!(elsewhere(move || handle.spawn(async {}).is_finished()), "its runtime is gone");
    }
}

// Aborts from other threads.

#[test]
fn an_abort_that_comes_during_a_poll_waits_for_its_end() {
    let dropped: Shared<(&str, u32)> = Shared::default();
    let runtime = virtual_runtime();
    for (name, is_ready) in [("goes on", false), ("has ended", true)] {
        let guard = tells_when_dropped(&dropped, name);
        let abort: Rc<RefCell<Option<AbortHandle>>> = Rc::default();
        let (own, list) = (Rc::clone(&abort), Arc::clone(&dropped));
        let task = runtime.spawn(poll_fn(move |_| {
            let _ = &guard;
            let abort = own.take().expect("it is polled once");
            elsewhere(move || abort.abort());
            assert!(take(&list).is_empty(), "it was dropped while it was polled");
            if is_ready { Poll::Ready(name) } else { Poll::Pending }
        }));
        *abort.borrow_mut() = Some(task.abort_handle());
        // The abort is heard of in the next turn: the future is dropped there, if it is still there.
        assert_eq!(counts(runtime.turn(ZERO)), [1, 0, 0, 0]);
        assert_eq!(task.is_finished(), is_ready);
        assert_eq!(counts(runtime.turn(ZERO)), [0, 0, 0, 1]);
        assert_eq!(take(&dropped), [(name, thread_number())]);
        let ended = runtime.block_on(task);
        assert_eq!(ended.ok(), is_ready.then_some(name));
    }
}

#[test]
fn remote_tasks_are_aborted_from_anywhere_in_every_state_and_dropped_by_their_loop() {
    let dropped: Shared<(&str, u32)> = Shared::default();
    let runtime = virtual_runtime();
    let (handle, home) = (runtime.handle(), thread_number());
    let spawn = |name| {
        let guard = tells_when_dropped(&dropped, name);
        handle.spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        })
    };
    let abort = |task: &JoinHandle<()>| {
        let abort = task.abort_handle();
        elsewhere(move || {
            abort.abort();
            abort.abort();
        });
    };
    // Before the loop has seen it: it never becomes a task.
    let unseen = spawn("unseen");
    abort(&unseen);
    assert!(!unseen.is_finished());
    assert_eq!(counts(runtime.turn(ZERO)), [0, 0, 0, 1]);
    // Queued, and not polled since it arrived.
    let queued = spawn("queued");
    inside(&runtime, || ());
    abort(&queued);
    runtime.turn(ZERO);
    // Suspended, and ended.
    let suspended = spawn("suspended");
    assert_eq!(counts(runtime.turn(ZERO)), [1, 0, 0, 1]);
    abort(&suspended);
    // Two messages, one drop.
    assert_eq!(counts(runtime.turn(ZERO)), [0, 0, 0, 2]);
    abort(&suspended);
    assert_eq!(counts(runtime.turn(ZERO)), [0, 0, 0, 2]);
    assert_eq!(take(&dropped), [("unseen", home), ("queued", home), ("suspended", home)]);
    for task in [unseen, queued, suspended] {
        assert!(task.is_finished());
        assert!(runtime::block_on(task).unwrap_err().is_cancelled());
    }
}

// A bounded storm.

/// What a storm counts, over all of its threads.
#[derive(Default)]
struct Tally {
    spawned: AtomicUsize,
    dropped: AtomicUsize,
    rings: AtomicUsize,
    done: AtomicUsize,
}

/// A task that is woken by many threads, each of which first says what the poll after its wake must see.
struct Target {
    waker: Waker,
    wanted: Arc<AtomicUsize>,
    seen: Arc<AtomicUsize>,
}

/// One thread of the storm: random requests to a loop on another one, and whether it went away meanwhile.
fn storm(seed: u64, targets: &[Target], handle: &Handle, tally: &Arc<Tally>, may_go: bool) {
    let mut random = Random::new(seed);
    let before = writes();
    let mut tasks: Vec<(usize, bool, JoinHandle<usize>)> = Vec::new();
    for n in 0..150 {
        match random.below(8) {
            0..3 => {
                let target = &targets[random.below(targets.len())];
                target.wanted.fetch_add(1, Ordering::SeqCst);
                target.waker.wake_by_ref();
            }
            3 | 4 => {
                tally.spawned.fetch_add(1, Ordering::SeqCst);
                let counted = Arc::clone(tally);
                let guard = OnDrop::new(move || _ = counted.dropped.fetch_add(1, Ordering::SeqCst));
                let yields = random.below(4);
                let task = handle.spawn(async move {
                    let _guard = guard;
                    for _ in 0..yields {
                        yield_now().await;
                    }
                    n
                });
                // Some are detached at once.
                if random.below(3) > 0 {
                    tasks.push((n, false, task));
                }
            }
            5 if !tasks.is_empty() => {
                let at = random.below(tasks.len());
                tasks[at].1 = true;
                tasks[at].2.abort();
            }
            // Long enough for a loop that has nothing to do to park.
            _ => (0..random.below(40)).for_each(|_| thread::yield_now()),
        }
    }
    tally.rings.fetch_add(writes() - before, Ordering::SeqCst);
    runtime::block_on(async {
        for (n, aborted, task) in tasks {
            match task.await {
                Ok(result) => assert_eq!(result, n),
                Err(error) => assert!(error.is_cancelled() && (aborted || may_go), "{error}"),
            }
        }
    });
    tally.done.fetch_add(1, Ordering::SeqCst);
}

#[test]
fn in_a_storm_of_requests_none_is_lost_and_there_are_no_more_rings_than_parks() {
    alone("in_a_storm_of_requests_none_is_lost_and_there_are_no_more_rings_than_parks", || {
        const THREADS: u64 = 3;
        for seed in 1..=16 {
            let mut random = Random::new(seed);
            let runtime = Runtime::new().unwrap();
            let tally = Arc::new(Tally::default());
            let targets: Arc<Vec<Target>> = Arc::new(
                (0..4)
                    .map(|_| {
                        let [wanted, seen] = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
                        let (from, to) = (Arc::clone(&wanted), Arc::clone(&seen));
                        let (_task, waker) =
                            spawn_polled(&runtime, move || to.store(from.load(Ordering::SeqCst), Ordering::SeqCst));
                        Target { waker, wanted, seen }
                    })
                    .collect(),
            );
            // In every other storm the loop goes in the middle of it.
            let goes = (seed % 2 == 0).then(|| 1 + random.below(12));
            let threads: Vec<_> = (1..=THREADS)
                .map(|n| {
                    let (targets, handle, tally) = (Arc::clone(&targets), runtime.handle(), Arc::clone(&tally));
                    thread::spawn(move || storm(seed * 100 + n, &targets, &handle, &tally, goes.is_some()))
                })
                .collect();
            let mut turns = 0;
            while tally.done.load(Ordering::SeqCst) < THREADS as usize {
                // Looked in on, left alone for a while, or parked.
                match random.below(6) {
                    0 => _ = runtime.turn(ZERO),
                    1 => runtime.block_on(yield_now()),
                    2 => thread::yield_now(),
                    _ => _ = runtime.turn(Some(Duration::from_millis(1))),
                }
                turns += 1;
                if goes == Some(turns) {
                    break;
                }
            }
            let lost = if goes.is_some() {
                drop(runtime);
                0
            } else {
                // What came last is still in the remote queue.
                until(|| counts(runtime.turn(ZERO)) == [0, 0, 0, 0]);
                let behind =
                    |target: &&Target| target.seen.load(Ordering::SeqCst) != target.wanted.load(Ordering::SeqCst);
                targets.iter().filter(behind).count()
            };
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            assert_eq!(lost, 0, "seed {seed}: tasks that never saw their last wake");
            let [spawned, dropped, rings] =
                [&tally.spawned, &tally.dropped, &tally.rings].map(|n| n.load(Ordering::SeqCst));
            assert_eq!(spawned, dropped, "seed {seed}: remote futures");
            // A turn parks at most once, and a block_on that has something to do not at all.
            assert!(rings <= turns, "seed {seed}: {rings} rings for {turns} turns");
        }
    });
}

#[test]
fn two_loops_may_spawn_on_each_other_and_end_in_either_order() {
    for this_one_first in [false, true] {
        let ended = Arc::new(AtomicBool::new(false));
        let ((give, handle), (answer, answered)) = (channel::<Handle>(), channel::<Handle>());
        let (inner, barrier) = (Arc::clone(&ended), Arc::new(Barrier::new(2)));
        let meet = Arc::clone(&barrier);
        let thread = thread::spawn(move || {
            let runtime = Runtime::new().unwrap();
            answer.send(runtime.handle()).unwrap();
            let there = handle.recv().unwrap();
            // Each waits for a task on the other, whose loop turns for the same reason.
            let sum = runtime.block_on(async {
                let mut sum = 0;
                for n in 0..100 {
                    sum += there.spawn(async move { n }).await.unwrap();
                }
                meet_while_turning(&inner).await;
                sum
            });
            if this_one_first {
                meet.wait();
            }
            drop(runtime);
            if !this_one_first {
                meet.wait();
            }
            sum
        });
        let runtime = Runtime::new().unwrap();
        give.send(runtime.handle()).unwrap();
        let there = answered.recv().unwrap();
        let sum = runtime.block_on(async {
            let mut sum = 0;
            for n in 0..100 {
                sum += there.spawn(async move { n }).await.unwrap();
            }
            meet_while_turning(&ended).await;
            sum
        });
        if this_one_first {
            drop(runtime);
            barrier.wait();
        } else {
            barrier.wait();
            assert!(there.spawn(async {}).is_finished(), "the other one is gone");
            drop(runtime);
        }
        assert_eq!((sum, thread.join().unwrap()), (4_950, 4_950));
    }
}

/// Returns when both have called it; the loop turns meanwhile.
async fn meet_while_turning(first: &AtomicBool) {
    if first.swap(true, Ordering::SeqCst) {
        first.store(false, Ordering::SeqCst);
    } else {
        while first.load(Ordering::SeqCst) {
            yield_now().await;
        }
    }
}
