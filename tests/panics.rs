//! Panics: in a poll, in a drop, in a waker, in a payload. Each stays where it belongs, and the loop and the other tasks
//! go on.

use runtime::net::{TcpListener, TcpStream};
use runtime::sync::{Semaphore, mpsc, oneshot};
use runtime::task::{self, yield_now};
use runtime::time::sleep;
use runtime::{JoinHandle, Runtime, spawn};
use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tests::{
    Count, Dropped, Log, Moment, OnDrop, aborted, alone, counts, forever, inside, meddler, panic_message, poll_once,
    virtual_runtime, virtually,
};

const ZERO: Option<Duration> = Some(Duration::ZERO);
const SECOND: Duration = Duration::from_secs(1);

/// Panics when it is dropped.
#[derive(Debug)]
struct Bomb(&'static str);

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("{}", self.0);
    }
}

/// Panics with such a payload when it is dropped.
struct Chain;

impl Drop for Chain {
    fn drop(&mut self) {
        panic_any(Bomb("a payload's drop"));
    }
}

/// A future that keeps `guard` while it waits for ever.
async fn keep<G>(guard: G) {
    let _guard = guard;
    pending::<()>().await;
}

/// A future that is ready at once and whose drop panics after that.
fn ready_with_a_bomb<T: Copy>(value: T) -> impl Future<Output = T> {
    let bomb = Bomb("in the drop");
    poll_fn(move |_| {
        let _ = &bomb;
        Poll::Ready(value)
    })
}

/// A foreign waker that panics when it is woken.
fn bad_waker() -> Waker {
    meddler(|moment| assert_ne!(moment, Moment::Wake, "a waker panics"))
}

fn poll_with<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

/// The loop still does what a loop does.
fn assert_alive(runtime: &Runtime) {
    let done = runtime.block_on(async {
        let nap = spawn(async {
            sleep(SECOND).await;
            1
        });
        let error = spawn(async { panic!("on purpose") }).await.unwrap_err();
        assert!(error.is_panic());
        nap.await.unwrap() + task::spawn_blocking(|| 1).await.unwrap()
    });
    assert_eq!(done, 2);
    runtime.turn(ZERO);
    assert_eq!(counts(runtime.turn(ZERO)), [0, 0, 0, 0]);
}

// In a task.

#[test]
fn a_panic_in_a_poll_becomes_the_join_error() {
    let log = Log::new();
    let runtime = virtual_runtime();
    let panics = runtime.spawn(async {
        yield_now().await;
        panic!("in the poll");
    });
    let inner = log.clone();
    let other = runtime.spawn(async move {
        for n in 1..=3 {
            inner.add(n.to_string());
            yield_now().await;
        }
    });
    runtime.block_on(async {
        assert_eq!(panics.await.unwrap_err().to_string(), "the task panicked: in the poll");
        other.await.unwrap();
    });
    assert_eq!(log.take(), ["1", "2", "3"]);
    assert_alive(&runtime);
}

#[test]
fn the_tasks_after_one_that_panics_are_polled_in_the_same_turn() {
    let runtime = virtual_runtime();
    let tasks: Vec<JoinHandle<()>> =
        (0..10).map(|n| runtime.spawn(async move { assert_ne!(n % 2, 0, "an even one") })).collect();
    assert_eq!(counts(runtime.turn(ZERO)), [10, 0, 0, 0]);
    let failed = tasks.into_iter().map(|task| runtime.block_on(task).is_err());
    assert_eq!(failed.filter(|failed| *failed).count(), 5);
    assert_alive(&runtime);
}

#[test]
fn the_payload_of_a_panic_arrives_as_it_was_thrown() {
    virtually(async {
        for _ in 0..2 {
            let error = spawn(async { panic_any(vec![1, 2, 3]) }).await.unwrap_err();
            assert_eq!(*error.into_panic().downcast::<Vec<i32>>().unwrap(), [1, 2, 3]);
        }
        let job = task::spawn_blocking(|| panic_any(4_u8)).await.unwrap_err();
        assert_eq!(*job.into_panic().downcast::<u8>().unwrap(), 4);
    });
}

#[test]
fn a_panicked_future_is_dropped_before_its_joiner_is_woken() {
    let log = Log::new();
    virtually(async {
        let guard = Dropped(log.clone(), "future");
        let mut task = spawn(poll_fn(move |_| -> Poll<()> {
            let _ = &guard;
            panic!("in the poll");
        }));
        assert!((&mut task).await.unwrap_err().is_panic());
        log.add("joined");
        drop(task);
    });
    assert_eq!(log.take(), ["future dropped", "joined"]);
}

#[test]
fn a_result_stands_when_its_future_panics_in_its_drop() {
    let runtime = virtual_runtime();
    let tasks = [runtime.spawn(ready_with_a_bomb(5)), runtime.handle().spawn(ready_with_a_bomb(5))];
    for task in tasks {
        assert_eq!(runtime.block_on(task).unwrap(), 5);
    }
    assert_alive(&runtime);
}

#[test]
fn a_future_that_panics_in_its_poll_and_in_its_drop_tells_of_its_poll() {
    let runtime = virtual_runtime();
    let bomb = Bomb("in the drop");
    let task = runtime.spawn(poll_fn(move |_| -> Poll<()> {
        let _ = &bomb;
        panic!("in the poll");
    }));
    assert_eq!(runtime.block_on(task).unwrap_err().to_string(), "the task panicked: in the poll");
    assert_alive(&runtime);
}

#[test]
fn a_panic_in_the_drop_of_an_aborted_future_becomes_the_join_error() {
    let runtime = virtual_runtime();
    let tasks = [runtime.spawn(keep(Bomb("dropped"))), runtime.spawn(keep(Bomb("dropped")))];
    runtime.block_on(async {
        tasks[0].abort();
        yield_now().await;
        tasks[1].abort();
        for task in tasks {
            let error = task.await.unwrap_err();
            assert_eq!((error.is_panic(), error.to_string()), (true, "the task panicked: dropped".into()));
        }
    });
    assert_alive(&runtime);
}

#[test]
fn panics_in_drops_while_a_runtime_is_dropped_keep_no_other_task_from_being_dropped() {
    let log = Log::new();
    let runtime = virtual_runtime();
    let mut bombs = Vec::new();
    for _ in 0..3 {
        bombs.push(runtime.spawn(keep(Bomb("at the end"))));
        drop(runtime.spawn(keep(Chain)));
        drop(runtime.spawn(keep(Dropped(log.clone(), "good"))));
        drop(runtime.handle().spawn(keep(Bomb("never seen by the loop"))));
    }
    drop(runtime);
    assert_eq!(log.take(), ["good dropped"; 3]);
    for task in bombs {
        assert_eq!(runtime::block_on(task).unwrap_err().to_string(), "the task panicked: at the end");
    }
}

#[test]
fn a_runtime_dropped_on_unwind_survives_the_panics_of_its_tasks() {
    alone("a_runtime_dropped_on_unwind_survives_the_panics_of_its_tasks", || {
        let log = Log::new();
        let message = panic_message(|| {
            virtually(async {
                drop(spawn(keep(Bomb("a task's drop"))));
                drop(spawn(keep(Chain)));
                drop(spawn(keep(Dropped(log.clone(), "good"))));
                yield_now().await;
                panic!("main's own");
            })
        });
        assert_eq!((message.as_str(), log.take()), ("main's own", vec!["good dropped".to_owned()]));
    });
}

// What a task that panics holds: when it is dropped, and whether that is a part of the panic.

/// A mutex that is locked by a guard, and whether a drop beside the guard was a part of a panic.
struct Held {
    mutex: &'static Mutex<()>,
    panicking: Rc<Cell<Option<bool>>>,
}

impl Held {
    fn new() -> Held {
        Held { mutex: forever(Mutex::new(())), panicking: Rc::default() }
    }

    /// The guard, and what tells of its drop.
    fn hold(&self) -> impl Sized + 'static {
        let panicking = Rc::clone(&self.panicking);
        let tells = OnDrop::new(move || panicking.set(Some(std::thread::panicking())));
        (self.mutex.lock().unwrap(), tells)
    }

    /// Whether the mutex is poisoned, and whether the drop was a part of a panic.
    fn found(&self) -> (bool, bool) {
        (self.mutex.is_poisoned(), self.panicking.get().expect("it was dropped"))
    }
}

/// Waits for ever, or panics at the second poll. One is a child that holds something, the other its neighbour.
async fn child(panics: bool, holds: Option<impl Sized>) {
    yield_now().await;
    assert!(!panics, "one of the children");
    let _holds = holds;
    pending::<()>().await;
}

#[test]
fn what_the_children_of_a_spawned_gather_hold_is_dropped_when_the_panic_of_one_of_them_is_over() {
    let (in_order, tried) = (Held::new(), Held::new());
    virtually(async {
        let holds = in_order.hold();
        let task = spawn(gather::gather([child(false, Some(holds)), child(true, None)]));
        assert_eq!(task.await.unwrap_err().to_string(), "the task panicked: one of the children");
        let holds = tried.hold();
        let fallible = |panics, holds| async move {
            child(panics, holds).await;
            Err::<(), ()>(())
        };
        let task = spawn(gather::try_gather([fallible(true, None), fallible(false, Some(holds))]));
        assert!(task.await.unwrap_err().is_panic());
    });
    // Neither poisoned, nor a part of a panic: a second panic in one of these drops would end the process.
    assert_eq!((in_order.found(), tried.found()), ((false, false), (false, false)));
}

#[test]
fn what_a_future_holds_beside_the_code_that_panics_is_dropped_when_the_panic_is_over() {
    let held = Held::new();
    let runtime = virtual_runtime();
    let holds = held.hold();
    let task = runtime.spawn(poll_fn(move |_| -> Poll<()> {
        let _ = &holds;
        panic!("in the poll");
    }));
    assert!(runtime.block_on(task).unwrap_err().is_panic());
    assert_eq!(held.found(), (false, false));
    // A task from another thread likewise.
    let (tell, told) = std::sync::mpsc::channel();
    let tells = OnDrop::new(move || tell.send(std::thread::panicking()).unwrap());
    let task = runtime.handle().spawn(poll_fn(move |_| -> Poll<()> {
        let _ = &tells;
        panic!("in the poll");
    }));
    assert!(runtime.block_on(task).unwrap_err().is_panic());
    assert_eq!(told.recv(), Ok(false));
}

#[test]
fn the_locals_of_the_code_that_panics_are_dropped_by_the_panic_as_anywhere_in_rust() {
    let (own, of_a_gather) = (Held::new(), Held::new());
    virtually(async {
        let holds = own.hold();
        let task = spawn(async move {
            let _holds = holds;
            yield_now().await;
            panic!("with a guard");
        });
        let result: Result<(), _> = task.await;
        assert!(result.unwrap_err().is_panic());
        // The gather is a local of this block, so its children are dropped by the panic, too.
        let holds = of_a_gather.hold();
        let task = spawn(async move {
            gather::gather([child(false, Some(holds)), child(true, None)]).await;
        });
        assert!(task.await.unwrap_err().is_panic());
    });
    assert_eq!((own.found(), of_a_gather.found()), ((true, true), (true, true)));
}

#[test]
fn a_child_of_a_spawned_gather_may_panic_in_its_drop_after_the_panic_of_another() {
    alone("a_child_of_a_spawned_gather_may_panic_in_its_drop_after_the_panic_of_another", || {
        let runtime = virtual_runtime();
        let task = runtime.spawn(gather::gather([child(false, Some(Bomb("its neighbour"))), child(true, None)]));
        assert_eq!(runtime.block_on(task).unwrap_err().to_string(), "the task panicked: one of the children");
        assert_alive(&runtime);
    });
}

#[test]
fn two_panics_in_the_drops_of_one_gathers_children_end_the_process() {
    // As two panics in the drops of one vector's items do. It is documented at `gather`.
    let said = aborted("two_panics_in_the_drops_of_one_gathers_children_end_the_process", || {
        let runtime = virtual_runtime();
        let children = [child(false, Some(Bomb("one"))), child(false, Some(Bomb("another")))];
        let task = runtime.spawn(gather::gather(children));
        runtime.turn(ZERO);
        task.abort();
        runtime.turn(ZERO);
    });
    for panic in ["one", "another"] {
        assert!(said.lines().any(|line| line == panic), "{panic}: {said}");
    }
}

#[test]
fn a_future_is_dropped_before_its_joiner_hears_of_the_result_and_the_result_is_not() {
    let log = Log::new();
    virtually(async {
        let (guard, result) = (Dropped(log.clone(), "future"), Dropped(log.clone(), "result"));
        let mut result = Some(result);
        let task = spawn(poll_fn(move |_| {
            let _ = &guard;
            Poll::Ready(result.take())
        }));
        let result = task.await.unwrap();
        log.add("joined");
        drop(result);
    });
    assert_eq!(log.take(), ["future dropped", "joined", "result dropped"]);
}

#[test]
fn a_result_that_panics_in_its_drop_hits_who_drops_the_handle_after_the_end_and_nobody_before() {
    let runtime = Runtime::new().unwrap();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let tasks = || {
        let job = inside(&runtime, || task::spawn_blocking(|| Bomb("a result")));
        [runtime.spawn(async { Bomb("a result") }), runtime.handle().spawn(async { Bomb("a result") }), job]
    };
    // Dropped before the end: the loop drops the result and holds the panic back.
    drop(tasks());
    drop(inside(&runtime, || {
        task::spawn_blocking(move || {
            _ = held.recv();
            Bomb("a result")
        })
    }));
    drop(release);
    // Dropped after it: the result is a thing of whoever has the handle.
    for task in tasks() {
        while !task.is_finished() {
            runtime.turn(None);
        }
        assert_eq!(panic_message(|| drop(task)), "a result");
    }
    while runtime.turn(Some(SECOND / 1_000)).remote_wakes > 0 {}
    assert_eq!(runtime.block_on(async { spawn(async { 1 }).await.unwrap() }), 1);
}

// In a result, and in a payload.

#[test]
fn a_result_that_nobody_waits_for_may_panic_in_its_drop() {
    let runtime = virtual_runtime();
    drop(runtime.spawn(async { Bomb("a result") }));
    drop(runtime.spawn(async { Chain }));
    drop(runtime.handle().spawn(async { Bomb("a remote result") }));
    for _ in 0..3 {
        runtime.turn(ZERO);
    }
    assert_alive(&runtime);
}

#[test]
fn a_result_dropped_with_its_handle_panics_in_whoever_drops_it() {
    let runtime = virtual_runtime();
    runtime.block_on(async {
        let task = spawn(async { Bomb("a result") });
        yield_now().await;
        let error = spawn(async move { drop(task) }).await.unwrap_err();
        assert_eq!(error.to_string(), "the task panicked: a result");
    });
    assert_alive(&runtime);
}

#[test]
fn a_payload_that_nobody_takes_may_panic_in_its_drop() {
    let runtime = virtual_runtime();
    drop(runtime.spawn(async { panic_any(Bomb("a payload")) }));
    drop(runtime.spawn(async { panic_any(Chain) }));
    drop(runtime.handle().spawn(async { panic_any(Bomb("a remote payload")) }));
    // One whose poll throws a payload and whose drop throws another.
    drop(runtime.spawn({
        let chain = Chain;
        poll_fn(move |_| -> Poll<()> {
            let _ = &chain;
            panic_any(Chain)
        })
    }));
    // And one that is aborted.
    let aborted = runtime.spawn(keep(Chain));
    runtime.turn(ZERO);
    runtime.block_on(async { aborted.abort() });
    drop(aborted);
    for _ in 0..3 {
        runtime.turn(ZERO);
    }
    assert_alive(&runtime);
}

#[test]
fn jobs_may_panic_wherever_they_can() {
    let runtime = virtual_runtime();
    runtime.block_on(async {
        assert!(task::spawn_blocking(|| panic!("a job")).await.unwrap_err().is_panic());
        drop(task::spawn_blocking(|| panic_any(Chain)));
        drop(task::spawn_blocking(|| Bomb("a result")));
        let bomb = Bomb("what a job captured");
        // It panics in its drop at the end of the job: that is the job's panic.
        let error = task::spawn_blocking(move || drop(bomb)).await.unwrap_err();
        assert_eq!(error.to_string(), "the task panicked: what a job captured");
    });
    assert_alive(&runtime);

    // One that is dropped before it began, one whose result comes too late.
    let runtime = Runtime::builder().max_blocking_threads(1).build().unwrap();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let (tell, told) = std::sync::mpsc::channel();
    let (late, never) = runtime.block_on(async {
        let late = task::spawn_blocking(move || {
            tell.send(()).unwrap();
            held.recv().unwrap();
            // The pool's thread survives it, or this sender would be dropped while it unwinds.
            (Bomb("a late result"), tell)
        });
        let never = Bomb("a job that never began");
        (late, task::spawn_blocking(move || drop(never)))
    });
    told.recv().unwrap();
    drop(runtime);
    assert!(late.is_finished() && never.is_finished());
    release.send(()).unwrap();
    assert!(told.recv().is_err());
    assert!(runtime::block_on(never).unwrap_err().is_cancelled());
}

#[test]
fn futures_that_never_become_tasks_may_panic_in_their_drop() {
    let runtime = virtual_runtime();
    let handle = runtime.handle();
    // Aborted before the loop has seen it; in the queue when the runtime goes; too late.
    let aborted = handle.spawn(keep(Bomb("aborted")));
    aborted.abort();
    runtime.turn(ZERO);
    let unseen = handle.spawn(keep(Bomb("unseen")));
    drop(runtime);
    let late = handle.spawn(keep(Bomb("late")));
    for task in [aborted, unseen, late] {
        assert!(task.is_finished());
        assert!(runtime::block_on(task).unwrap_err().is_cancelled());
    }
}

#[test]
fn a_future_that_arrives_in_the_last_moment_of_its_runtime_may_panic_in_its_drop() {
    let runtime = Runtime::builder().max_blocking_threads(1).build().unwrap();
    let handle = runtime.handle();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let (begun, wait) = std::sync::mpsc::channel();
    let job = inside(&runtime, || {
        let job = task::spawn_blocking(move || {
            begun.send(()).unwrap();
            _ = held.recv();
        });
        // In line behind it, and dropped with the pool, after the remote queue was emptied.
        let guard = OnDrop::new(move || drop(handle.spawn(keep(Bomb("in the last moment")))));
        drop(task::spawn_blocking(move || drop(guard)));
        job
    });
    wait.recv().unwrap();
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(runtime)));
    drop(release);
    assert!(dropped.is_ok(), "the drop of a runtime panicked with a future that it dropped");
    assert!(job.is_finished());
}

// In a waker.

#[test]
fn a_joiners_waker_may_panic() {
    let log = Log::new();
    let runtime = virtual_runtime();
    let mut tasks = [runtime.spawn(async { 1 }), runtime.handle().spawn(async { 1 })];
    for task in &mut tasks {
        assert!(poll_with(task, &bad_waker()).is_pending());
    }
    let inner = log.clone();
    drop(runtime.spawn(async move { inner.add("the next task") }));
    while !tasks.iter().all(JoinHandle::is_finished) {
        runtime.turn(ZERO);
    }
    assert_eq!(log.take(), ["the next task"]);
    for task in tasks {
        assert_eq!(runtime.block_on(task).unwrap(), 1);
    }
    runtime.block_on(async {
        let mut job = task::spawn_blocking(|| 1);
        assert!(poll_with(&mut job, &bad_waker()).is_pending());
        while !job.is_finished() {
            yield_now().await;
        }
        yield_now().await;
        assert_eq!(job.await.unwrap(), 1);
    });
    assert_alive(&runtime);
}

#[test]
fn a_timers_waker_may_panic_and_the_others_of_its_deadline_are_woken() {
    let runtime = virtual_runtime();
    let (count, good) = Count::new();
    let naps = runtime.block_on(async {
        [&good, &bad_waker(), &good].map(|waker| {
            let mut nap = sleep(SECOND);
            assert!(poll_with(&mut nap, waker).is_pending());
            nap
        })
    });
    assert_eq!(counts(runtime.turn(None)), [0, 3, 0, 0]);
    assert_eq!(count.wakes(), 2);
    drop(naps);
    assert_alive(&runtime);
}

#[test]
fn a_sockets_waker_may_panic_and_the_others_in_line_are_woken() {
    let runtime = Runtime::new().unwrap();
    let (count, good) = Count::new();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (far, _) = listener.accept().await.unwrap();
        assert!(near.try_read(&mut [0; 8]).is_err());
        let mut waiters = [&good, &bad_waker(), &good].map(|waker| {
            let mut readable = Box::pin(near.readable());
            assert!(poll_with(&mut readable, waker).is_pending());
            readable
        });
        far.write_all(b"x").await.unwrap();
        near.readable().await.unwrap();
        assert_eq!(count.wakes(), 2);
        assert!(waiters.iter_mut().all(|readable| poll_once(readable).is_ready()));
    });
    runtime.turn(ZERO);
    assert_alive(&runtime);
}

#[test]
fn a_waker_that_panics_loses_no_permit_of_those_behind_it() {
    let semaphore = Semaphore::new(0);
    let (count, good) = Count::new();
    let mut line = [&bad_waker(), &good, &good].map(|waker| {
        let mut acquire = Box::pin(semaphore.acquire());
        assert!(poll_with(&mut acquire, waker).is_pending());
        acquire
    });
    // Whether the panic comes through to the one who gives the permits or not: they are given.
    let _ = catch_unwind(AssertUnwindSafe(|| semaphore.add_permits(3)));
    assert_eq!(count.wakes(), 2, "those behind it were not woken");
    assert!(line.iter_mut().all(|acquire| poll_once(acquire).is_ready()));
}

#[test]
fn a_waker_that_panics_keeps_no_sender_in_line_for_ever_when_the_channel_closes() {
    let (sender, mut receiver) = mpsc::channel(1);
    sender.try_send(0).unwrap();
    let (count, good) = Count::new();
    let mut line = [&bad_waker(), &good, &good].map(|waker| {
        let mut send = sender.send(1);
        assert!(poll_with(&mut send, waker).is_pending());
        send
    });
    let _ = catch_unwind(AssertUnwindSafe(|| receiver.close()));
    assert_eq!(count.wakes(), 2, "those behind it were not woken");
    assert!(line.iter_mut().all(|send| matches!(poll_once(send), Poll::Ready(Err(_)))));
}

#[test]
fn a_value_is_sent_though_the_receivers_waker_panics() {
    let (sender, mut receiver) = oneshot::channel();
    assert!(poll_with(&mut receiver, &bad_waker()).is_pending());
    let _ = catch_unwind(AssertUnwindSafe(|| sender.send(5)));
    assert_eq!(poll_once(&mut receiver), Poll::Ready(Ok(5)));

    let (sender, mut receiver) = mpsc::unbounded();
    assert!(receiver.poll_recv(&mut Context::from_waker(&bad_waker())).is_pending());
    let _ = catch_unwind(AssertUnwindSafe(|| sender.send(5)));
    assert_eq!(receiver.try_recv(), Ok(5));
}

#[test]
fn a_task_that_panics_with_a_permit_for_a_waker_that_panics_takes_nobody_down() {
    alone("a_task_that_panics_with_a_permit_for_a_waker_that_panics_takes_nobody_down", || {
        // The permit is released while the task unwinds. A second panic out of that drop would end the process.
        let runtime = virtual_runtime();
        let semaphore = forever(Semaphore::new(1));
        let error = runtime.block_on(async {
            let task = spawn(async {
                let _permit = semaphore.acquire().await;
                yield_now().await;
                panic!("with a permit");
            });
            yield_now().await;
            let mut heir = Box::pin(semaphore.acquire());
            assert!(poll_with(&mut heir, &bad_waker()).is_pending());
            let error = task.await.unwrap_err();
            assert!(poll_once(&mut heir).is_ready());
            error
        });
        assert_eq!(error.to_string(), "the task panicked: with a permit");
        assert_alive(&runtime);
    });
}

#[test]
fn a_task_that_panics_with_a_sender_for_a_waker_that_panics_takes_nobody_down() {
    alone("a_task_that_panics_with_a_sender_for_a_waker_that_panics_takes_nobody_down", || {
        let runtime = virtual_runtime();
        let (oneshot, mut first) = oneshot::channel::<()>();
        let (sender, mut second) = mpsc::unbounded::<()>();
        assert!(poll_with(&mut first, &bad_waker()).is_pending());
        assert!(second.poll_recv(&mut Context::from_waker(&bad_waker())).is_pending());
        let task: JoinHandle<()> = runtime.spawn(async move {
            let _senders = (oneshot, sender);
            panic!("with two senders");
        });
        let error = runtime.block_on(task).unwrap_err();
        assert_eq!(error.to_string(), "the task panicked: with two senders");
        assert_alive(&runtime);
    });
}

#[test]
fn wakers_that_panic_when_a_runtime_is_dropped_keep_it_from_nothing() {
    let log = Log::new();
    let runtime = virtual_runtime();
    let (count, good) = Count::new();
    let mut tasks = [runtime.spawn(pending::<()>()), runtime.handle().spawn(pending::<()>())];
    let mut naps = runtime.block_on(async { [(); 2].map(|()| sleep(SECOND)) });
    runtime.block_on(async {
        for task in &mut tasks {
            assert!(poll_with(task, &bad_waker()).is_pending());
        }
        for (nap, waker) in naps.iter_mut().zip([bad_waker(), good]) {
            assert!(poll_with(nap, &waker).is_pending());
        }
    });
    drop(runtime.spawn(keep(Dropped(log.clone(), "task"))));
    drop(runtime);
    assert_eq!(log.take(), ["task dropped"]);
    assert!(tasks.iter().all(JoinHandle::is_finished));
    drop(naps);
    drop(count);
}

#[test]
fn a_waker_that_panics_when_it_is_cloned_leaves_the_leaf_as_it_was() {
    let runtime = virtual_runtime();
    runtime.block_on(async {
        let bad = meddler(|moment| assert_ne!(moment, Moment::Clone, "a clone panics"));
        let semaphore = Semaphore::new(0);
        let (oneshot, mut value) = oneshot::channel();
        let (sender, mut values) = mpsc::channel(1);
        let mut task = spawn(async { 1 });
        let mut nap = sleep(SECOND);
        let mut acquire = Box::pin(semaphore.acquire());
        let mut leaves: [&mut dyn FnMut(); 5] = [
            &mut || _ = poll_with(&mut task, &bad),
            &mut || _ = poll_with(&mut nap, &bad),
            &mut || _ = poll_with(&mut acquire, &bad),
            &mut || _ = poll_with(&mut value, &bad),
            &mut || _ = values.poll_recv(&mut Context::from_waker(&bad)),
        ];
        for leaf in &mut leaves {
            assert!(panic_message(leaf).contains("a clone panics"));
        }
        semaphore.add_permits(1);
        oneshot.send(2).unwrap();
        sender.try_send(3).unwrap();
        assert_eq!((task.await.unwrap(), value.await, values.recv().await), (1, Ok(2), Some(3)));
        drop(acquire.await);
        nap.await;
    });
    assert_alive(&runtime);
}

#[test]
fn a_waker_that_panics_when_it_is_dropped_leaves_the_leaf_as_it_was() {
    let runtime = virtual_runtime();
    runtime.block_on(async {
        let armed = Rc::new(Cell::new(true));
        let fuse = Rc::clone(&armed);
        let bad = meddler(move |moment| assert!(moment != Moment::Drop || !fuse.get(), "a drop panics"));
        let semaphore = Semaphore::new(0);
        let (oneshot, mut value) = oneshot::channel();
        let (sender, mut values) = mpsc::channel(1);
        let mut task = spawn(async { 1 });
        let mut nap = sleep(SECOND);
        let mut acquire = Box::pin(semaphore.acquire());
        {
            let mut leaves: [&mut dyn FnMut(&Waker); 5] = [
                &mut |waker| _ = poll_with(&mut task, waker),
                &mut |waker| _ = poll_with(&mut nap, waker),
                &mut |waker| _ = poll_with(&mut acquire, waker),
                &mut |waker| _ = poll_with(&mut value, waker),
                &mut |waker| _ = values.poll_recv(&mut Context::from_waker(waker)),
            ];
            for leaf in &mut leaves {
                leaf(&bad);
                // The next waker takes its place and drops it.
                assert!(panic_message(|| leaf(Waker::noop())).contains("a drop panics"));
            }
        }
        armed.set(false);
        semaphore.add_permits(1);
        oneshot.send(2).unwrap();
        sender.try_send(3).unwrap();
        assert_eq!((task.await.unwrap(), value.await, values.recv().await), (1, Ok(2), Some(3)));
        drop(acquire.await);
        nap.await;
    });
    assert_alive(&runtime);
}

// In main.

#[test]
fn mains_panic_resumes_in_the_caller_and_the_runtime_goes_on() {
    let log = Log::new();
    let runtime = virtual_runtime();
    let inner = log.clone();
    let task = runtime.spawn(async move {
        for n in 1..=4 {
            inner.add(n.to_string());
            yield_now().await;
        }
    });
    for _ in 0..2 {
        let payload = catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(async {
                yield_now().await;
                panic_any(vec!["thrown"]);
            })
        }))
        .unwrap_err();
        assert_eq!(*payload.downcast::<Vec<&str>>().unwrap(), ["thrown"]);
        assert!(panic_message(|| spawn(async {})).starts_with("spawn needs a running event loop"));
    }
    runtime.block_on(task).unwrap();
    assert_eq!(log.take(), ["1", "2", "3", "4"]);
    assert_alive(&runtime);
}

#[test]
fn tasks_behind_a_main_that_panics_are_polled_in_the_next_turn() {
    let runtime = virtual_runtime();
    let log = Log::new();
    let inner = log.clone();
    panic_message(|| {
        runtime.block_on(async {
            drop(spawn(async move { inner.add("behind main") }));
            panic!("main");
        })
    });
    assert_eq!(counts(runtime.turn(ZERO)), [1, 0, 0, 0]);
    assert_eq!(log.take(), ["behind main"]);
    assert_alive(&runtime);
}

#[test]
fn a_panic_in_the_drop_of_main_resumes_in_the_caller() {
    let runtime = virtual_runtime();
    assert_eq!(panic_message(|| runtime.block_on(ready_with_a_bomb(1))), "in the drop");
    assert!(panic_message(|| spawn(async {})).starts_with("spawn needs a running event loop"));
    assert_alive(&runtime);
}

#[test]
fn a_panic_that_main_catches_is_over() {
    let runtime = virtual_runtime();
    let caught = runtime.block_on(async {
        let caught = panic_message(|| panic!("caught"));
        sleep(SECOND).await;
        caught
    });
    assert_eq!(caught, "caught");
    assert_alive(&runtime);
}

// One inside the other.

#[test]
fn a_drop_may_panic_after_it_aborted_a_task_whose_drop_panics_too() {
    let runtime = virtual_runtime();
    let last = runtime.spawn(keep(Bomb("the last")));
    let (abort, handle) = (last.abort_handle(), Rc::new(RefCell::new(Some(last))));
    let middle = runtime.spawn(keep(OnDrop::new(move || {
        abort.abort();
        drop(spawn(async { panic!("a task of the drop") }));
        panic!("the middle");
    })));
    let first = runtime.spawn({
        let abort = middle.abort_handle();
        async move {
            abort.abort();
            panic!("the first");
        }
    });
    let messages = runtime.block_on(async {
        let first: Result<(), _> = first.await;
        let last = handle.take().expect("it is here").await;
        [first, middle.await, last].map(|result| result.unwrap_err().to_string())
    });
    assert_eq!(
        messages,
        ["the task panicked: the first", "the task panicked: the middle", "the task panicked: the last"]
    );
    assert_alive(&runtime);
}

#[test]
fn a_task_may_panic_after_it_dropped_a_runtime_whose_tasks_panic() {
    let (outer, inner) = (virtual_runtime(), virtual_runtime());
    let log = Log::new();
    drop(inner.spawn(keep(Bomb("an inner task"))));
    drop(inner.spawn(keep(Dropped(log.clone(), "an inner task"))));
    let task: JoinHandle<()> = outer.spawn(async move {
        let _inner = inner;
        panic!("the outer task");
    });
    let error = outer.block_on(task).unwrap_err();
    assert_eq!(error.to_string(), "the task panicked: the outer task");
    assert_eq!(log.take(), ["an inner task dropped"]);
    assert_alive(&outer);
}
