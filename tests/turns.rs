//! Turns: what one pass through the loop does and counts, how the virtual clock moves, and that nobody starves.

use gather::gather_tasks;
use runtime::net::{TcpListener, TcpStream};
use runtime::sync::{Semaphore, mpsc, oneshot};
use runtime::task::{self, yield_now};
use runtime::time::{Sleep, interval, now, sleep, timeout};
use runtime::{JoinHandle, Runtime, Turn, spawn};
use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::io::Write;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};
use tests::{
    Count, CountingAllocator, Log, OnDrop, armed, bytes_in_use, counted, counts, forever, inside, overdue,
    panic_message, poll_once, thread_number, until, until_parked, until_readable, virtual_runtime, virtually,
};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const ZERO: Option<Duration> = Some(Duration::ZERO);
const SECOND: Duration = Duration::from_secs(1);

/// Spawns a task that yields so many times before it ends.
fn spawn_yielding(runtime: &Runtime, yields: usize) -> JoinHandle<()> {
    runtime.spawn(async move {
        for _ in 0..yields {
            yield_now().await;
        }
    })
}

/// How many polls the turns have until nothing is ready any more.
fn polls_by_turn(runtime: &Runtime) -> Vec<usize> {
    std::iter::from_fn(|| Some(runtime.turn(ZERO).polls)).take_while(|&polls| polls > 0).collect()
}

/// A timer, armed for the task that asks for it.
async fn armed_here(duration: Duration) -> Sleep {
    poll_fn(|cx| Poll::Ready(armed(duration, cx.waker()))).await
}

/// Sleeps, and holds the loop up in its first poll until the time is over: the next look finds the timer due.
async fn sleep_past(duration: Duration) {
    let nap = armed_here(duration).await;
    until(|| Instant::now() >= nap.deadline());
    nap.await;
}

/// Sleeps; its first poll arms the timer, however long it is held up.
async fn sleep_armed(duration: Duration) {
    armed_here(duration).await.await;
}

// What a turn runs and counts.

#[test]
fn a_turn_without_anything_to_do_counts_nothing() {
    for runtime in [Runtime::new().unwrap(), virtual_runtime()] {
        for _ in 0..3 {
            assert_eq!(runtime.turn(ZERO), Turn::default());
        }
    }
}

#[test]
fn a_turn_polls_each_ready_task_once() {
    let runtime = virtual_runtime();
    for yields in [0, 1, 2] {
        drop(spawn_yielding(&runtime, yields));
    }
    assert_eq!(polls_by_turn(&runtime), [3, 2, 1]);
}

#[test]
fn no_task_is_polled_twice_in_a_turn_in_which_the_loop_looks_around() {
    // More tasks than polls between two looks, in each of which others have become ready.
    let runtime = virtual_runtime();
    for _ in 0..200 {
        drop(spawn_yielding(&runtime, 3));
    }
    assert_eq!(polls_by_turn(&runtime), [200; 4]);
}

#[test]
fn what_becomes_ready_in_a_turn_belongs_to_the_next() {
    let runtime = virtual_runtime();
    let log = Log::new();
    let (wake, woken) = oneshot::channel();
    let (one, two) = (log.clone(), log.clone());
    drop(runtime.spawn(async move {
        one.add("waits");
        woken.await.unwrap();
        one.add("was woken");
    }));
    drop(runtime.spawn(async move {
        wake.send(()).unwrap();
        let log = two.clone();
        drop(spawn(async move { log.add("was spawned") }));
        yield_now().await;
        two.add("has yielded");
    }));
    assert_eq!(counts(runtime.turn(ZERO)), [2, 0, 0, 0]);
    assert_eq!(log.take(), ["waits"]);
    assert_eq!(counts(runtime.turn(ZERO)), [3, 0, 0, 0]);
    assert_eq!(log.take(), ["was woken", "was spawned", "has yielded"]);
    assert_eq!(counts(runtime.turn(ZERO)), [0, 0, 0, 0]);
}

#[test]
fn a_turn_has_a_budget_and_the_next_goes_on_where_it_stopped() {
    let runtime = virtual_runtime();
    let log = Log::new();
    for n in 0..2_500 {
        let log = log.clone();
        drop(runtime.spawn(async move { log.add(n.to_string()) }));
    }
    assert_eq!(polls_by_turn(&runtime), [1_024, 1_024, 452]);
    assert!(log.take().iter().enumerate().all(|(n, line)| *line == n.to_string()));
}

#[test]
fn a_turn_after_an_exhausted_budget_runs_also_what_arrived_before_it_began() {
    let runtime = virtual_runtime();
    for _ in 0..1_500 {
        drop(spawn_yielding(&runtime, 1));
    }
    // 3,000 polls in all. When the second turn begins, 476 wait for their first and 1,024 for their second.
    assert_eq!(polls_by_turn(&runtime), [1_024, 1_024, 952]);
}

#[test]
fn a_queue_that_never_empties_does_not_grow() {
    let runtime = virtual_runtime();
    // More than a turn polls: the next one always finds some left over.
    for _ in 0..1_500 {
        drop(spawn_yielding(&runtime, usize::MAX));
    }
    let bytes_after = |turns| {
        (0..turns).for_each(|_| assert_eq!(runtime.turn(ZERO).polls, 1_024));
        bytes_in_use()
    };
    let early = bytes_after(20);
    assert_eq!(bytes_after(200), early);
}

#[test]
fn a_turn_after_main_has_ended_runs_what_main_left_and_what_came_since() {
    let runtime = virtual_runtime();
    let log = Log::new();
    let left = log.clone();
    // Main is woken before it spawns, so it stands before its task in the batch in which it ends.
    runtime.block_on({
        let left = left.clone();
        let mut begun = false;
        poll_fn(move |cx| {
            if begun {
                return Poll::Ready(());
            }
            begun = true;
            cx.waker().wake_by_ref();
            let log = left.clone();
            drop(spawn(async move { log.add("left over") }));
            Poll::Pending
        })
    });
    assert!(log.take().is_empty());
    drop(runtime.spawn(async move { left.add("came since") }));
    assert_eq!(counts(runtime.turn(ZERO)), [2, 0, 0, 0], "both were ready when the turn began");
    assert_eq!(log.take(), ["left over", "came since"]);
}

#[test]
fn turns_and_block_on_alternate() {
    let runtime = virtual_runtime();
    let log = Log::new();
    let inner = log.clone();
    let task = runtime.spawn(async move {
        for n in 1..=5 {
            inner.add(format!("task {n}"));
            yield_now().await;
        }
        "result"
    });
    assert_eq!(runtime.turn(ZERO).polls, 1);
    runtime.block_on(async { log.add("main") });
    assert_eq!(runtime.turn(None).polls, 1);
    runtime.block_on(yield_now());
    assert_eq!(log.take(), ["task 1", "task 2", "main", "task 3", "task 4", "task 5"]);
    assert_eq!(runtime.turn(ZERO).polls, 1);
    assert_eq!(runtime.block_on(task).unwrap(), "result");
    assert_eq!(runtime.turn(ZERO), Turn::default());
}

#[test]
fn a_turn_fires_the_timers_that_are_due() {
    let runtime = Runtime::new().unwrap();
    let tasks = [(); 3].map(|()| runtime.spawn(sleep_past(Duration::from_nanos(1))));
    let late = runtime.spawn(sleep(SECOND * 3_600));
    assert_eq!(counts(runtime.turn(ZERO)), [4, 0, 0, 0]);
    assert_eq!(counts(runtime.turn(ZERO)), [3, 3, 0, 0]);
    assert!(tasks.iter().all(JoinHandle::is_finished) && !late.is_finished());
}

// A turn with nothing ready.

#[test]
fn a_turn_without_tasks_parks_until_its_timeout() {
    let runtime = Runtime::new().unwrap();
    let began = Instant::now();
    assert_eq!(runtime.turn(Some(Duration::from_millis(3))), Turn::default());
    assert!(began.elapsed() >= Duration::from_millis(3));
}

#[test]
fn a_turn_without_tasks_parks_until_a_message() {
    let runtime = Runtime::new().unwrap();
    let (handle, parked) = (runtime.handle(), thread_number());
    let thread = thread::spawn(move || {
        until_parked(parked);
        drop(handle.spawn(async {}));
    });
    assert_eq!(counts(runtime.turn(None)), [1, 0, 0, 1]);
    thread.join().unwrap();
}

#[test]
fn a_turn_without_tasks_parks_until_a_deadline() {
    let runtime = Runtime::new().unwrap();
    let (count, waker) = Count::new();
    let nap = inside(&runtime, || armed(Duration::from_millis(30), &waker));
    let turn = runtime.turn(None);
    assert!(Instant::now() >= nap.deadline());
    assert_eq!(counts(turn), [0, 1, 0, 0]);
    assert_eq!(count.wakes(), 1);
}

#[test]
fn a_turn_that_comes_too_late_for_a_deadline_does_not_park() {
    let runtime = Runtime::new().unwrap();
    let (count, waker) = Count::new();
    let _nap = inside(&runtime, || overdue(&waker));
    assert_eq!(counts(runtime.turn(None)), [0, 1, 0, 0]);
    assert_eq!(count.wakes(), 1);
}

#[test]
fn a_turn_without_tasks_parks_until_an_event() {
    let runtime = Runtime::new().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let (address, parked) = (listener.local_addr().unwrap(), thread_number());
    let client = thread::spawn(move || {
        until_parked(parked);
        std::net::TcpStream::connect(address).unwrap()
    });
    assert_eq!(counts(runtime.turn(None)), [0, 0, 1, 0]);
    client.join().unwrap();
}

#[test]
fn a_timeout_longer_than_the_next_deadline_waits_for_the_deadline_only() {
    let runtime = Runtime::new().unwrap();
    let task = runtime.spawn(sleep_armed(Duration::from_millis(50)));
    runtime.turn(ZERO);
    assert!(!task.is_finished());
    assert_eq!(counts(runtime.turn(Some(SECOND * 3_600))), [1, 1, 0, 0]);
    assert!(task.is_finished());
}

#[test]
fn a_turn_with_something_ready_does_not_park() {
    for runtime in [Runtime::new().unwrap(), virtual_runtime()] {
        let start = inside(&runtime, now);
        drop(spawn_yielding(&runtime, 1));
        assert_eq!(runtime.turn(None).polls, 1);
        assert_eq!(runtime.turn(Some(SECOND * 3_600)).polls, 1);
        assert!(inside(&runtime, now) < start + SECOND * 3_600);
    }
}

#[test]
fn a_turn_by_hand_looks_around_although_a_task_is_always_ready() {
    // A game that turns the loop once a frame must not hear of its timers and sockets once a second.
    let runtime = Runtime::new().unwrap();
    drop(spawn_yielding(&runtime, usize::MAX));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (view, address) = (listener.try_clone().unwrap(), listener.local_addr().unwrap());
    let listener = inside(&runtime, || TcpListener::from_std(listener)).unwrap();
    let server = runtime.spawn(async move { listener.accept().await.map(drop) });
    let nap = runtime.spawn(sleep_past(Duration::from_nanos(1)));
    assert_eq!(runtime.turn(ZERO).polls, 3);
    let _client = std::net::TcpStream::connect(address).unwrap();
    until_readable(&view);
    assert_eq!(counts(runtime.turn(ZERO)), [1, 1, 1, 0]);
    assert_eq!(runtime.turn(ZERO).polls, 3);
    assert!(server.is_finished() && nap.is_finished());
}

#[test]
fn a_turn_without_end_leaves_the_virtual_clock_some_time() {
    let runtime = virtual_runtime();
    runtime.turn(Some(Duration::MAX));
    let start = inside(&runtime, now);
    runtime.block_on(async { sleep(SECOND).await });
    assert_eq!(inside(&runtime, now) - start, SECOND);
}

#[test]
fn a_turn_under_the_virtual_clock_jumps_to_the_deadline_or_by_its_timeout() {
    let runtime = virtual_runtime();
    let time = || inside(&runtime, now);
    let start = time();
    assert_eq!(runtime.turn(Some(SECOND * 5)), Turn::default());
    assert_eq!(time() - start, SECOND * 5);

    let task = runtime.spawn(async { sleep(SECOND * 3).await });
    assert_eq!(counts(runtime.turn(ZERO)), [1, 0, 0, 0]);
    assert_eq!(counts(runtime.turn(ZERO)), [0, 0, 0, 0]);
    assert_eq!(time() - start, SECOND * 5, "no time has passed");
    assert_eq!(counts(runtime.turn(Some(SECOND))), [0, 0, 0, 0]);
    assert_eq!(time() - start, SECOND * 6, "the timeout came first");
    assert_eq!(counts(runtime.turn(Some(SECOND * 100))), [1, 1, 0, 0]);
    assert_eq!(time() - start, SECOND * 8, "the deadline came first");
    assert!(task.is_finished());
}

#[test]
fn a_turn_under_the_virtual_clock_waits_for_a_job_that_is_under_way() {
    let runtime = virtual_runtime();
    let start = inside(&runtime, now);
    let (release, held) = std::sync::mpsc::channel::<()>();
    let job = inside(&runtime, || task::spawn_blocking(move || _ = held.recv()));
    let parked = thread_number();
    let thread = thread::spawn(move || {
        until_parked(parked);
        drop(release);
    });
    assert_eq!(counts(runtime.turn(None)), [0, 0, 0, 1]);
    assert!(job.is_finished());
    assert_eq!(inside(&runtime, now), start);
    thread.join().unwrap();
}

// The virtual clock.

#[test]
fn virtual_time_jumps_exactly_to_the_deadlines() {
    let log = Log::new();
    virtually(async {
        let start = now();
        let naps = [50_000_000_000, 1, 86_400_000_000_000, 1_000_001, 1_000_000].map(|nanos| {
            let log = log.clone();
            spawn(async move {
                sleep(Duration::from_nanos(nanos)).await;
                assert_eq!(now() - start, Duration::from_nanos(nanos));
                log.add(nanos.to_string());
            })
        });
        for nap in naps {
            nap.await.unwrap();
        }
        assert_eq!(now() - start, SECOND * 86_400);
    });
    assert_eq!(log.take(), ["1", "1000000", "1000001", "50000000000", "86400000000000"]);
}

#[test]
fn timers_of_one_deadline_fire_in_the_order_of_arming_in_one_turn() {
    let log = Log::new();
    let runtime = virtual_runtime();
    for name in ["a", "b", "c"] {
        let log = log.clone();
        drop(runtime.spawn(async move {
            sleep(SECOND).await;
            log.add(name);
        }));
    }
    assert_eq!(counts(runtime.turn(None)), [3, 0, 0, 0]);
    assert_eq!(counts(runtime.turn(None)), [3, 3, 0, 0]);
    assert_eq!(log.take(), ["a", "b", "c"]);
}

#[test]
fn virtual_time_stands_still_while_a_task_is_ready() {
    virtually(async {
        let start = now();
        let nap = spawn(sleep(Duration::from_nanos(1)));
        for _ in 0..10_000 {
            yield_now().await;
            assert_eq!(now(), start);
        }
        assert!(!nap.is_finished());
        nap.await.unwrap();
        assert_eq!(now() - start, Duration::from_nanos(1));
    });
}

#[test]
fn virtual_time_stands_still_between_two_calls() {
    let runtime = virtual_runtime();
    let before = inside(&runtime, now);
    until(|| Instant::now() > before + Duration::from_millis(1));
    assert_eq!(inside(&runtime, now), before);
}

#[test]
fn virtual_time_stands_still_while_a_blocking_job_is_under_way() {
    virtually(async {
        let start = now();
        let nap = spawn(sleep(Duration::from_nanos(1)));
        let parked = thread_number();
        let (release, held) = std::sync::mpsc::channel::<()>();
        let job = task::spawn_blocking(move || _ = held.recv());
        let watcher = thread::spawn(move || {
            until_parked(parked);
            drop(release);
        });
        job.await.unwrap();
        assert_eq!(now(), start);
        assert!(!nap.is_finished());
        nap.await.unwrap();
        assert_eq!(now() - start, Duration::from_nanos(1));
        watcher.join().unwrap();
    });
}

#[test]
fn virtual_time_jumps_past_io_that_is_not_ready_and_waits_for_it_when_nothing_else_is_left() {
    virtually(async {
        let start = now();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut near = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (far, _) = listener.accept().await.unwrap();
        assert_eq!(now(), start);
        let mut byte = [0];
        assert!(timeout(SECOND * 60, far.read(&mut byte)).await.is_err());
        assert_eq!(now() - start, SECOND * 60);

        let parked = thread_number();
        let writer = thread::spawn(move || {
            until_parked(parked);
            near.write_all(b"x").unwrap();
            near
        });
        assert_eq!(far.read(&mut byte).await.unwrap(), 1);
        assert_eq!(now() - start, SECOND * 60);
        drop(writer.join().unwrap());
    });
}

#[test]
fn virtual_hours_of_ticks_come_in_time() {
    virtually(async {
        let start = now();
        let mut ticks = interval(SECOND);
        for n in 0..3_600 {
            assert_eq!(ticks.tick().await, start + SECOND * n);
            assert_eq!(now(), start + SECOND * n);
        }
    });
}

#[test]
fn a_timer_polled_by_another_runtime_moves_to_it() {
    let (one, two) = (virtual_runtime(), virtual_runtime());
    let mut nap = inside(&one, || {
        let mut nap = sleep(SECOND);
        assert!(poll_once(&mut nap).is_pending());
        nap
    });
    two.block_on(&mut nap);
    assert!(inside(&two, now) >= nap.deadline());
    // It has left the first, which jumps past the deadline without firing anything.
    assert_eq!(one.turn(Some(SECOND * 2)), Turn::default());
}

#[test]
fn a_timer_that_was_dropped_does_not_end_a_park() {
    let runtime = virtual_runtime();
    let start = runtime.block_on(async {
        let mut nap = sleep(SECOND);
        assert!(poll_once(&mut nap).is_pending());
        now()
    });
    assert_eq!(runtime.turn(Some(SECOND * 2)), Turn::default());
    assert_eq!(inside(&runtime, now) - start, SECOND * 2);
}

// Quiescence.

/// The tasks in the report of a quiescent loop, without the columns.
fn listed(message: &str) -> Vec<String> {
    let (head, list) = message.split_once("\n  ").expect("a list");
    assert_eq!(
        head,
        "nothing can happen any more: no task is ready, no timer is armed, no socket is registered and no blocking job \
         is under way. Other threads and other loops are not waited for: if one of them will wake this loop, keep the \
         guard of Handle::outside() until it has. Look for a wake-up that never comes in:"
    );
    let file = file!();
    list.split("\n  ")
        .map(|line| {
            let (task, wait) = line.split_once(", wait").expect("what it waits for");
            let task = &task[..task.rfind(':').expect("a column")];
            format!("{}, wait{wait}", task.replace(file, "here"))
        })
        .collect()
}

#[test]
fn a_quiescent_loop_lists_every_task_with_its_name_its_spawn_and_its_wait() {
    let runtime = virtual_runtime();
    let semaphore = forever(Semaphore::new(0));
    let (full, mut unread) = mpsc::channel(1);
    let (_sender, mut empty) = mpsc::unbounded::<()>();
    let (_other, oneshot) = oneshot::channel::<()>();
    let mut lines = Vec::new();
    let message = panic_message(|| {
        lines.push(line!() + 1);
        runtime.block_on(async {
            lines.push(line!() + 1);
            let first = task::Builder::new().name("first").spawn(pending::<()>());
            lines.push(line!() + 1);
            let second = spawn(async { first.await.unwrap() });
            lines.push(line!() + 1);
            drop(runtime.spawn(async { drop(semaphore.acquire().await) }));
            lines.push(line!() + 1);
            drop(spawn(async move { while full.send(()).await.is_ok() {} }));
            lines.push(line!() + 1);
            drop(spawn(async move { empty.recv().await }));
            lines.push(line!() + 1);
            drop(spawn(oneshot));
            lines.push(line!() + 1);
            drop(runtime.handle().spawn(pending::<()>()));
            drop(spawn(async {}));
            sleep(SECOND).await;
            second.await.unwrap();
        });
    });
    let expected = [
        "main, the future of block_on at here:0, waits for another task to end",
        "task \"first\", spawned at here:1, waits for something that this loop does not know",
        "a task spawned at here:2, waits for another task to end",
        "a task spawned at here:3, waits for a permit of a semaphore",
        "a task spawned at here:4, waits for a channel",
        "a task spawned at here:5, waits for a channel",
        "a task spawned at here:6, waits for a channel",
        "a task spawned at here:7, waits for something that this loop does not know",
    ];
    let expected: Vec<String> = expected
        .iter()
        .enumerate()
        .map(|(n, line)| line.replace(&format!("here:{n}"), &format!("here:{}", lines[n])))
        .collect();
    assert_eq!(listed(&message), expected);
    assert_eq!(unread.try_recv(), Ok(()));
}

#[test]
fn a_gather_of_tasks_is_reported_as_waiting_for_them() {
    for limit in [usize::MAX, 1] {
        let message = panic_message(|| virtually(gather_tasks([pending::<()>(), pending()]).limit(limit)));
        assert!(listed(&message)[0].ends_with(", waits for another task to end"), "{limit}: {message}");
    }
}

#[test]
fn the_free_functions_report_their_callers_lines() {
    let line = line!() + 1;
    let message = panic_message(|| virtually(pending::<()>()));
    let expected =
        format!("main, the future of block_on at here:{line}, waits for something that this loop does not know");
    assert_eq!(listed(&message), [expected]);
}

#[test]
fn a_gathers_tasks_stand_in_the_report_with_the_line_of_the_gather() {
    let mut first = 0;
    let message = panic_message(|| {
        first = line!() + 3;
        virtually(async {
            let children = [pending::<Result<(), ()>>(), pending()];
            drop(spawn(gather::gather_tasks(children)));
            let children = [pending::<Result<(), ()>>()];
            _ = gather::try_gather_tasks(children).await;
        });
    });
    let here = |n| format!("a task spawned at here:{}, waits for something that this loop does not know", first + n);
    let tasks: Vec<_> = listed(&message).into_iter().filter(|line| line.ends_with("does not know")).collect();
    assert_eq!(tasks, [here(2), here(0), here(0)]);
}

#[test]
fn a_quiescent_turn_panics_and_one_with_a_timeout_does_not() {
    let runtime = virtual_runtime();
    drop(runtime.spawn(pending::<()>()));
    assert_eq!(counts(runtime.turn(None)), [1, 0, 0, 0]);
    assert_eq!(runtime.turn(Some(SECOND)), Turn::default());
    assert_eq!(listed(&panic_message(|| runtime.turn(None))).len(), 1);
}

#[test]
fn a_runtime_goes_on_after_a_report_of_quiescence() {
    let log = Log::new();
    let runtime = virtual_runtime();
    let (wake, woken) = oneshot::channel();
    let inner = log.clone();
    let task = runtime.spawn(async move { inner.add(woken.await.unwrap()) });
    panic_message(|| {
        runtime.block_on(async {
            let _guard = tests::Dropped(log.clone(), "main");
            pending::<()>().await;
        });
    });
    assert_eq!(log.take(), ["main dropped"]);
    runtime.block_on(async {
        wake.send("woken after all").unwrap();
        task.await.unwrap();
    });
    assert_eq!(log.take(), ["woken after all"]);
}

// Nobody starves.

#[test]
fn a_task_that_never_rests_does_not_hold_up_timers() {
    runtime::block_on(async {
        let busy = spawn(async {
            loop {
                yield_now().await;
            }
        });
        let mut nap = armed_here(Duration::from_millis(30)).await;
        let polls = Cell::new(0);
        counted(&polls, &mut nap).await;
        assert!(Instant::now() >= nap.deadline());
        assert_eq!(polls.get(), 2);
        assert!(!busy.is_finished());
    });
}

#[test]
fn ten_thousand_tasks_that_never_rest_do_not_hold_up_timers() {
    runtime::block_on(async {
        for _ in 0..10_000 {
            drop(spawn(async {
                loop {
                    yield_now().await;
                }
            }));
        }
        let nap = armed_here(Duration::from_millis(30)).await;
        let polls = Cell::new(0);
        counted(&polls, nap).await;
        assert_eq!(polls.get(), 2);
    });
}

#[test]
fn a_chain_of_aborted_tasks_does_not_hold_up_timers() {
    /// A task that is aborted before its first poll, and leaves another such one when it is dropped.
    fn link(left: Rc<Cell<u32>>) {
        let next = OnDrop::new(move || {
            if left.get() > 0 {
                left.set(left.get() - 1);
                link(left);
            }
        });
        spawn(async { drop(next) }).abort();
    }
    runtime::block_on(async {
        let nap = armed(Duration::from_millis(50), Waker::noop());
        let left = Rc::new(Cell::new(10_000_000));
        link(Rc::clone(&left));
        nap.await;
        assert!(left.replace(0) > 0, "the timer had to wait for the end of the chain");
    });
}

#[test]
fn a_task_that_never_rests_does_not_hold_up_sockets_jobs_or_messages() {
    let runtime = Runtime::new().unwrap();
    drop(runtime.spawn(async {
        loop {
            yield_now().await;
        }
    }));
    let handle = runtime.handle();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (far, _) = listener.accept().await.unwrap();
        let echo = spawn(async move {
            let mut byte = [0];
            while far.read(&mut byte).await.unwrap() > 0 {
                far.write_all(&byte).await.unwrap();
            }
        });
        for n in 0..10 {
            near.write_all(&[n]).await.unwrap();
            let mut byte = [0];
            near.read_exact(&mut byte).await.unwrap();
            assert_eq!(byte, [n]);
        }
        near.shutdown(std::net::Shutdown::Write).unwrap();
        echo.await.unwrap();
        assert_eq!(task::spawn_blocking(|| 1).await.unwrap(), 1);
        assert_eq!(handle.spawn(async { 2 }).await.unwrap(), 2);
    });
}

#[test]
fn a_message_is_heard_of_within_61_polls_of_a_task_that_never_rests() {
    let runtime = virtual_runtime();
    let rounds = Rc::new(Cell::new(0));
    // Sixty polls fit between two looks, wherever the last one was; main's own is the other.
    for _ in 0..3 {
        rounds.set(0);
        let spawned = runtime.handle().spawn(async {});
        runtime.block_on(async {
            while !spawned.is_finished() {
                rounds.set(rounds.get() + 1);
                yield_now().await;
            }
        });
        assert!(rounds.get() <= 62, "{} rounds", rounds.get());
    }
}

#[test]
fn sixty_one_polls_lie_between_two_looks() {
    virtually(async {
        for round in 0..4 {
            let mut nap = armed_here(SECOND).await;
            Pin::new(&mut nap).reset(now()); // It is due, and the next look fires it.
            let mut polls = 0;
            while poll_fn(|cx| Poll::Ready(Pin::new(&mut nap).poll(cx).is_pending())).await {
                yield_now().await;
                polls += 1;
            }
            // Main's alone. In the first round there were some before.
            assert!(polls == 61 || round == 0 && polls < 61, "{polls} polls in round {round}");
        }
    });
}

#[test]
fn a_look_takes_what_other_threads_sent_before_it_fires_timers() {
    virtually(async {
        let log = Log::new();
        let (timer_log, message_log) = (log.clone(), log.clone());
        let alarm = Rc::new(RefCell::new(sleep(SECOND)));
        let of_timer = Rc::clone(&alarm);
        let rings = spawn(async move {
            poll_fn(|cx| Pin::new(&mut *of_timer.borrow_mut()).poll(cx)).await;
            timer_log.add("timer");
        });
        let (sender, receiver) = oneshot::channel();
        let hears = spawn(async move {
            receiver.await.unwrap();
            message_log.add("message");
        });
        yield_now().await; // Both wait.
        Pin::new(&mut *alarm.borrow_mut()).reset(now());
        thread::spawn(move || sender.send(()).unwrap()).join().unwrap();
        while !(rings.is_finished() && hears.is_finished()) {
            yield_now().await;
        }
        assert_eq!(log.take(), ["message", "timer"]);
    });
}

#[test]
fn a_flood_of_messages_does_not_hold_up_the_tasks() {
    let runtime = virtual_runtime();
    let handle = runtime.handle();
    let rounds = Cell::new(0);
    runtime.block_on(async {
        let abort = spawn(async {}).abort_handle();
        thread::spawn(move || (0..2_500).for_each(|_| abort.abort())).join().unwrap();
        let last = handle.spawn(async {});
        while !last.is_finished() {
            rounds.set(rounds.get() + 1);
            yield_now().await;
        }
    });
    // A look takes 1,024 of the messages, so the last is heard of at the third. Sixty-one polls lie between two looks.
    assert!((2 * 61..=3 * 61 + 1).contains(&rounds.get()), "{} rounds", rounds.get());
}

#[test]
fn what_was_asked_between_two_calls_comes_before_the_first_poll_however_much_it_is() {
    let polls = Rc::new(Cell::new(0));
    let aborted = |runtime: &Runtime| {
        for _ in 0..3_000 {
            let polls = Rc::clone(&polls);
            runtime.spawn(async move { polls.set(polls.get() + 1) }).abort();
        }
    };
    let runtime = virtual_runtime();
    aborted(&runtime);
    assert_eq!(counts(runtime.turn(ZERO)), [0, 0, 0, 3_000]);
    let runtime = virtual_runtime();
    aborted(&runtime);
    runtime.block_on(async {});
    assert_eq!(polls.get(), 0);
}

#[test]
fn a_sleep_by_the_systems_clock_is_never_early() {
    runtime::block_on(async {
        for micros in [1, 500, 999, 1_000, 1_001, 2_500] {
            let start = Instant::now();
            sleep(Duration::from_micros(micros)).await;
            assert!(start.elapsed() >= Duration::from_micros(micros));
        }
    });
}
