//! Tasks: in which order they run, what their handles say, and how they are aborted.
//!
//! A test that wakes or aborts tasks of a runtime that is gone runs alone: the next runtime of that number hears of it,
//! and others here count what they hear.

use runtime::sync::{Semaphore, oneshot};
use runtime::task::{self, yield_now};
use runtime::time::{now, sleep};
use runtime::{AbortHandle, JoinHandle, Runtime, spawn};
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;
use tests::{
    Count, Dropped, Log, OnDrop, alone, counted, counts, panic_message, poll_once, virtual_runtime, virtually,
};

const ZERO: Option<Duration> = Some(Duration::ZERO);

/// A future that says when it is polled, and never ends.
fn talks(log: &Log, name: &'static str) -> impl Future<Output = ()> + use<> {
    let log = log.clone();
    poll_fn(move |_| {
        log.add(format!("{name} polled"));
        Poll::Pending
    })
}

// Order.

#[test]
fn tasks_are_polled_in_the_order_of_their_spawns() {
    let log = Log::new();
    virtually(async {
        for name in ["a", "b", "c", "d"] {
            let log = log.clone();
            drop(spawn(async move { log.add(name) }));
        }
        yield_now().await;
    });
    assert_eq!(log.take(), ["a", "b", "c", "d"]);
}

#[test]
fn spawn_polls_nothing_before_its_caller_is_suspended() {
    let log = Log::new();
    virtually(async {
        let task = spawn({
            let log = log.clone();
            async move { log.add("task") }
        });
        log.add("main goes on");
        assert!(!task.is_finished());
        task.await.unwrap();
        log.add("joined");
    });
    assert_eq!(log.take(), ["main goes on", "task", "joined"]);
}

#[test]
fn main_takes_its_turn_in_the_same_queue() {
    let log = Log::new();
    let runtime = virtual_runtime();
    for name in ["before 1", "before 2"] {
        let log = log.clone();
        drop(runtime.spawn(async move {
            log.add(name);
            yield_now().await;
            log.add(name);
        }));
    }
    runtime.block_on(async {
        log.add("main");
        let log2 = log.clone();
        drop(spawn(async move { log2.add("after") }));
        yield_now().await;
        log.add("main");
    });
    // Main was woken after the spawn, so it stands behind it.
    assert_eq!(log.take(), ["before 1", "before 2", "main", "before 1", "before 2", "after", "main"]);
}

#[test]
fn tasks_that_yield_take_turns() {
    let log = Log::new();
    virtually(async {
        let tasks = ["a", "b", "c"].map(|name| {
            let log = log.clone();
            spawn(async move {
                for round in 1..=3 {
                    log.add(format!("{name}{round}"));
                    yield_now().await;
                }
            })
        });
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(log.take(), ["a1", "b1", "c1", "a2", "b2", "c2", "a3", "b3", "c3"]);
}

#[test]
fn a_task_that_yields_for_ever_holds_nobody_up() {
    let log = Log::new();
    let rounds = Rc::new(Cell::new(0));
    virtually(async {
        let greedy = spawn({
            let rounds = Rc::clone(&rounds);
            async move {
                loop {
                    rounds.set(rounds.get() + 1);
                    yield_now().await;
                }
            }
        });
        for _ in 0..100 {
            yield_now().await;
        }
        greedy.abort();
        assert!(greedy.await.unwrap_err().is_cancelled());
        log.add("main is done");
    });
    assert_eq!(log.take(), ["main is done"]);
    // One round for each of main's hundred yields.
    assert_eq!(rounds.get(), 100);
}

#[test]
fn yield_now_takes_two_polls() {
    let polls = Cell::new(0);
    virtually(counted(&polls, yield_now()));
    assert_eq!(polls.get(), 2);
}

#[test]
fn a_task_spawned_by_the_last_of_a_row_comes_after_all_that_are_queued() {
    let log = Log::new();
    virtually(async {
        let (one, two) = (log.clone(), log.clone());
        drop(spawn(async move {
            one.add("first");
            let log = one.clone();
            drop(spawn(async move { log.add("child of the first") }));
        }));
        drop(spawn(async move { two.add("second") }));
        yield_now().await;
        yield_now().await;
    });
    assert_eq!(log.take(), ["first", "second", "child of the first"]);
}

#[test]
fn a_hundred_thousand_tasks_are_polled_once_each_and_give_their_results() {
    const TASKS: usize = 100_000;
    let polls = Rc::new(Cell::new(0));
    let main_polls = Cell::new(0);
    let sum = virtually(counted(&main_polls, async {
        let tasks: Vec<JoinHandle<usize>> = (0..TASKS)
            .map(|n| {
                let polls = Rc::clone(&polls);
                spawn(async move { counted(&polls, async move { n }).await })
            })
            .collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await.unwrap();
        }
        sum
    }));
    assert_eq!(sum, TASKS * (TASKS - 1) / 2);
    assert_eq!(polls.get(), TASKS);
    // The first handle is waited for, the others are done by then, as far as a turn's budget went. Each poll of main takes as
    // many results as the budget of a poll has.
    assert!(main_polls.get() <= 2 + TASKS / 128, "{} polls of main", main_polls.get());
}

#[test]
fn a_chain_of_a_thousand_tasks_each_joining_the_next_ends() {
    fn link(n: u32) -> Pin<Box<dyn Future<Output = u32>>> {
        Box::pin(async move { if n == 0 { 0 } else { spawn(link(n - 1)).await.unwrap() + 1 } })
    }
    assert_eq!(virtually(link(1_000)), 1_000);
}

#[test]
fn neither_a_task_nor_its_result_need_be_send_and_main_may_borrow() {
    let text = String::from("borrowed");
    let borrowed = &text;
    let (length, shared) = virtually(async move {
        let shared = spawn(async { Rc::new(RefCell::new(5)) }).await.unwrap();
        (borrowed.len(), shared)
    });
    *shared.borrow_mut() += 1;
    assert_eq!((length, shared.take()), (8, 6));
}

// Joining.

#[test]
fn joining_a_task_that_has_ended_takes_one_poll() {
    let polls = Cell::new(0);
    virtually(async {
        let task = spawn(async { "result" });
        yield_now().await;
        assert!(task.is_finished());
        assert_eq!(counted(&polls, task).await.unwrap(), "result");
    });
    assert_eq!(polls.get(), 1);
}

#[test]
fn joining_a_task_that_runs_takes_two_polls_however_often_the_task_is_polled() {
    let polls = Cell::new(0);
    virtually(async {
        let task = spawn(async {
            for _ in 0..10 {
                yield_now().await;
            }
        });
        counted(&polls, task).await.unwrap();
    });
    assert_eq!(polls.get(), 2);
}

#[test]
fn joiners_are_woken_in_the_order_in_which_tasks_end() {
    let log = Log::new();
    virtually(async {
        let mut joiners = Vec::new();
        for (name, seconds) in [("slow", 3), ("fast", 1), ("middling", 2)] {
            let log = log.clone();
            let task = spawn(sleep(Duration::from_secs(seconds)));
            joiners.push(spawn(async move {
                task.await.unwrap();
                log.add(name);
            }));
        }
        for joiner in joiners {
            joiner.await.unwrap();
        }
    });
    assert_eq!(log.take(), ["fast", "middling", "slow"]);
}

#[test]
fn a_task_whose_handle_was_dropped_runs_on() {
    let log = Log::new();
    virtually(async {
        let inner = log.clone();
        drop(spawn(async move {
            sleep(Duration::from_secs(1)).await;
            inner.add("ran on");
        }));
        sleep(Duration::from_secs(2)).await;
    });
    assert_eq!(log.take(), ["ran on"]);
}

#[test]
fn a_result_that_nobody_waits_for_is_dropped_when_the_task_ends() {
    let log = Log::new();
    virtually(async {
        let inner = log.clone();
        drop(spawn(async move { Dropped(inner, "result") }));
        yield_now().await;
        log.add("main");
    });
    assert_eq!(log.take(), ["result dropped", "main"]);
}

#[test]
fn a_result_stays_until_its_handle_is_dropped() {
    let log = Log::new();
    virtually(async {
        let inner = log.clone();
        let task = spawn(async move { Dropped(inner, "result") });
        yield_now().await;
        log.add("main");
        drop(task);
    });
    assert_eq!(log.take(), ["main", "result dropped"]);
}

#[test]
fn a_future_is_dropped_before_its_result_is_handed_on() {
    let log = Log::new();
    virtually(async {
        let guard = Dropped(log.clone(), "future");
        let mut task = spawn(poll_fn(move |_| {
            let _ = &guard;
            Poll::Ready(())
        }));
        (&mut task).await.unwrap();
        log.add("joined");
        drop(task);
    });
    assert_eq!(log.take(), ["future dropped", "joined"]);
}

#[test]
fn a_handle_that_moves_to_another_task_wakes_that_one_only() {
    let (old, new) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    virtually(async {
        let mut task = spawn(sleep(Duration::from_secs(5)));
        let (give, take) = oneshot::channel();
        let first = spawn({
            let old = Rc::clone(&old);
            async move {
                let polled_once = poll_fn(|cx| Poll::Ready(Pin::new(&mut task).poll(cx).is_pending())).await;
                assert!(polled_once);
                give.send(task).expect("the other task takes it");
                counted(&old, pending::<()>()).await;
            }
        });
        let second = spawn({
            let new = Rc::clone(&new);
            async move { counted(&new, take.await.unwrap()).await.unwrap() }
        });
        second.await.unwrap();
        assert!(!first.is_finished());
    });
    assert_eq!((old.get(), new.get()), (1, 2));
}

#[test]
fn a_handle_wakes_the_latest_waker_that_polled_it() {
    let runtime = virtual_runtime();
    let mut local = runtime.spawn(async {});
    let mut remote = runtime.handle().spawn(async {});
    let mut counters = Vec::new();
    for task in [&mut local, &mut remote] {
        let ((first, waker), (second, latest)) = (Count::new(), Count::new());
        for waker in [&waker, &waker, &latest] {
            assert!(Pin::new(&mut *task).poll(&mut Context::from_waker(waker)).is_pending());
        }
        counters.push((first, second));
    }
    while !(local.is_finished() && remote.is_finished()) {
        runtime.turn(ZERO);
    }
    for (first, second) in counters {
        assert_eq!((first.wakes(), second.wakes()), (0, 1));
    }
}

#[test]
fn a_handle_that_was_dropped_wakes_nobody() {
    let runtime = virtual_runtime();
    let (count, waker) = Count::new();
    for mut task in [runtime.spawn(async {}), runtime.handle().spawn(async {})] {
        assert!(Pin::new(&mut task).poll(&mut Context::from_waker(&waker)).is_pending());
    }
    let polls: usize = (0..2).map(|_| runtime.turn(ZERO).polls).sum();
    assert_eq!((polls, count.wakes()), (2, 0));
}

#[test]
fn a_handle_polled_after_it_gave_its_result_says_so() {
    let runtime = Runtime::new().unwrap();
    let mut tasks = [runtime.spawn(async { 1 }), runtime.handle().spawn(async { 1 })];
    runtime.block_on(async {
        for task in &mut tasks {
            assert_eq!(task.await.unwrap(), 1);
        }
        let mut job = task::spawn_blocking(|| 1);
        assert_eq!((&mut job).await.unwrap(), 1);
        for mut task in tasks.into_iter().chain([job]) {
            let message = panic_message(|| poll_once(&mut task));
            assert_eq!(
                message,
                "a JoinHandle was polled after it had given its result: await it once, and keep what it gives"
            );
            assert!(task.is_finished());
        }
    });
}

#[test]
fn is_finished_turns_true_when_the_task_ends_and_stays_so() {
    let runtime = virtual_runtime();
    let spawns: [&dyn Fn() -> JoinHandle<()>; 2] =
        [&|| runtime.spawn(yield_now()), &|| runtime.handle().spawn(yield_now())];
    for spawn in spawns {
        let mut task = spawn();
        assert!(!task.is_finished(), "spawned");
        assert_eq!(runtime.turn(ZERO).polls, 1);
        assert!(!task.is_finished(), "suspended");
        runtime.turn(ZERO);
        assert!(task.is_finished(), "ended");
        runtime.block_on(&mut task).unwrap();
        assert!(task.is_finished(), "its result taken");
    }
}

#[test]
fn a_task_that_holds_its_own_handle_ends_like_any_other() {
    let log = Log::new();
    virtually(async {
        let (give, take) = oneshot::channel::<JoinHandle<()>>();
        let guard = Dropped(log.clone(), "future");
        let task = spawn(async move {
            let _guard = guard;
            let own = take.await.unwrap();
            assert!(!own.is_finished());
        });
        let abort = task.abort_handle();
        give.send(task).unwrap();
        yield_now().await;
        yield_now().await;
        assert_eq!(log.take(), ["future dropped"]);
        abort.abort();
    });
}

// Numbers and errors.

#[test]
fn no_two_tasks_have_the_same_id() {
    let mut ids = HashSet::new();
    for _ in 0..3 {
        // Each runtime may have the number of the one before.
        let runtime = Runtime::new().unwrap();
        let remote = runtime.handle();
        runtime.block_on(async {
            for _ in 0..10 {
                let tasks = [spawn(async {}), remote.spawn(async {}), task::spawn_blocking(|| {})];
                for task in tasks {
                    assert!(ids.insert(task.id()), "{:?} twice", task.id());
                    task.await.unwrap();
                }
            }
        });
    }
    assert_eq!(ids.len(), 90);
}

#[test]
fn tasks_spawned_while_their_runtime_is_dropped_have_ids_of_their_own() {
    let ids = Rc::new(RefCell::new(Vec::new()));
    for _ in 0..2 {
        let runtime = virtual_runtime();
        let noted = Rc::clone(&ids);
        let guard = OnDrop::new(move || {
            for _ in 0..2 {
                noted.borrow_mut().push(spawn(async {}).id());
            }
        });
        ids.borrow_mut().push(
            runtime
                .spawn(async move {
                    let _guard = guard;
                    pending::<()>().await;
                })
                .id(),
        );
    }
    let ids = ids.take();
    assert_eq!(ids.len(), 6);
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 6, "an id was given twice: {ids:?}");
}

#[test]
fn the_errors_of_a_join_say_what_happened() {
    virtually(async {
        let task = spawn(pending::<()>());
        task.abort();
        let error = task.await.unwrap_err();
        assert_eq!((error.is_cancelled(), error.is_panic(), error.io_error().is_none()), (true, false, true));
        assert_eq!(
            (error.to_string(), format!("{error:?}")),
            ("the task was cancelled".into(), "JoinError(the task was cancelled)".into(),)
        );
        let message = panic_message(|| error.into_panic());
        assert_eq!(
            message,
            "into_panic on a JoinError that is no panic (the task was cancelled): ask is_panic() first"
        );

        let panics: [(fn(), &str); 3] = [
            (|| panic!("plain"), "the task panicked: plain"),
            (|| panic!("with {}", 1), "the task panicked: with 1"),
            (|| std::panic::panic_any(5_u8), "the task panicked"),
        ];
        for (panics, text) in panics {
            let error = spawn(async move { panics() }).await.unwrap_err();
            assert_eq!((error.is_cancelled(), error.is_panic(), error.to_string()), (false, true, text.into()));
        }
    });
}

// Abort.

#[test]
fn a_task_aborted_before_its_first_poll_is_never_polled() {
    let log = Log::new();
    virtually(async {
        let guard = Dropped(log.clone(), "future");
        let polled = talks(&log, "task");
        let task = spawn(async move {
            let _guard = guard;
            polled.await;
        });
        task.abort();
        log.add("abort returned");
        assert!(task.await.unwrap_err().is_cancelled());
    });
    assert_eq!(log.take(), ["abort returned", "future dropped"]);
}

#[test]
fn a_suspended_task_is_dropped_by_the_loop_and_not_inside_abort() {
    let log = Log::new();
    virtually(async {
        let guard = Dropped(log.clone(), "future");
        let polled = talks(&log, "task");
        let task = spawn(async move {
            let _guard = guard;
            polled.await;
        });
        yield_now().await;
        task.abort();
        assert!(!task.is_finished());
        log.add("abort returned");
        assert!(task.await.unwrap_err().is_cancelled());
    });
    assert_eq!(log.take(), ["task polled", "abort returned", "future dropped"]);
}

#[test]
fn an_aborted_task_that_is_queued_already_is_dropped_at_its_place_in_the_queue() {
    let log = Log::new();
    virtually(async {
        let guard = Dropped(log.clone(), "b");
        let (one, three) = (log.clone(), log.clone());
        drop(spawn(async move { one.add("a") }));
        let task = spawn(async move { drop(guard) });
        drop(spawn(async move { three.add("c") }));
        task.abort();
        yield_now().await;
    });
    assert_eq!(log.take(), ["a", "b dropped", "c"]);
}

#[test]
fn a_task_that_aborts_itself_runs_to_its_next_await() {
    let log = Log::new();
    virtually(async {
        let (give, take) = oneshot::channel::<AbortHandle>();
        let inner = log.clone();
        let task = spawn(async move {
            let _guard = Dropped(inner.clone(), "future");
            take.await.unwrap().abort();
            inner.add("still here");
            yield_now().await;
            inner.add("never here");
        });
        give.send(task.abort_handle()).unwrap();
        assert!(task.await.unwrap_err().is_cancelled());
    });
    assert_eq!(log.take(), ["still here", "future dropped"]);
}

#[test]
fn a_task_that_aborts_itself_and_ends_in_the_same_poll_has_its_result() {
    virtually(async {
        let (give, take) = oneshot::channel::<AbortHandle>();
        let task = spawn(async move {
            take.await.unwrap().abort();
            "result"
        });
        give.send(task.abort_handle()).unwrap();
        assert_eq!(task.await.unwrap(), "result");
    });
}

#[test]
fn an_abort_after_the_end_changes_nothing() {
    let runtime = virtual_runtime();
    let tasks = [runtime.spawn(async { 1 }), runtime.handle().spawn(async { 1 })];
    while !tasks.iter().all(JoinHandle::is_finished) {
        runtime.turn(ZERO);
    }
    for task in tasks {
        let abort = task.abort_handle();
        abort.abort();
        task.abort();
        assert_eq!(runtime.turn(ZERO).polls, 0);
        assert_eq!(runtime.block_on(task).unwrap(), 1);
        abort.abort();
    }
}

#[test]
fn two_aborts_drop_a_task_once() {
    let log = Log::new();
    let runtime = virtual_runtime();
    let guard = Dropped(log.clone(), "future");
    let task = runtime.spawn(async move {
        let _guard = guard;
        pending::<()>().await;
    });
    assert_eq!(runtime.turn(ZERO).polls, 1);
    let (abort, again) = (task.abort_handle(), task.abort_handle().clone());
    for handle in [&abort, &again, &abort] {
        handle.abort();
    }
    task.abort();
    runtime.turn(ZERO);
    assert_eq!(log.take(), ["future dropped"]);
    abort.abort();
    assert_eq!(runtime.turn(ZERO).polls, 0);
    assert!(runtime.block_on(task).unwrap_err().is_cancelled());
}

#[test]
fn to_drop_an_aborted_future_is_no_poll() {
    let runtime = virtual_runtime();
    let task = runtime.spawn(pending::<()>());
    runtime.turn(ZERO);
    runtime.block_on(async { task.abort() });
    assert_eq!(runtime.turn(ZERO).polls, 0, "`Turn::polls` counts tasks polled, and this one is only dropped");
    assert!(task.is_finished());
}

#[test]
fn an_abort_handle_works_without_the_join_handle() {
    let log = Log::new();
    virtually(async {
        let guard = Dropped(log.clone(), "future");
        let task = spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        });
        let abort = task.abort_handle();
        drop(task);
        yield_now().await;
        assert!(log.take().is_empty(), "a detached task runs on");
        abort.abort();
        yield_now().await;
        assert_eq!(log.take(), ["future dropped"]);
    });
}

#[test]
fn an_abort_handle_aborts_from_another_thread() {
    let runtime = Runtime::new().unwrap();
    for task in [runtime.spawn(pending::<()>()), runtime.handle().spawn(pending::<()>())] {
        let abort = task.abort_handle();
        let thread = thread::spawn(move || abort.abort());
        assert!(runtime.block_on(task).unwrap_err().is_cancelled());
        thread.join().unwrap();
    }
}

#[test]
fn an_abort_from_another_thread_is_one_message_and_one_drop() {
    let log = Log::new();
    let runtime = virtual_runtime();
    let guard = Dropped(log.clone(), "future");
    let task = runtime.spawn(async move {
        let _guard = guard;
        pending::<()>().await;
    });
    runtime.turn(ZERO);
    let abort = task.abort_handle();
    thread::spawn(move || abort.abort()).join().unwrap();
    assert!(log.take().is_empty());
    assert_eq!(counts(runtime.turn(ZERO))[1..], [0, 0, 1]);
    assert_eq!(log.take(), ["future dropped"]);
    assert!(task.is_finished());
}

#[test]
fn an_abort_handle_that_outlives_its_runtime_does_nothing() {
    alone("an_abort_handle_that_outlives_its_runtime_does_nothing", || {
        let log = Log::new();
        let runtime = virtual_runtime();
        let task = runtime.spawn(pending::<()>());
        let abort = task.abort_handle();
        drop(runtime);
        abort.abort();
        task.abort();
        assert!(task.is_finished());
        // In the loop of another runtime, too, which may have the number of the first and a task in the same slot.
        virtually(async {
            let inner = log.clone();
            let innocent = spawn(async move {
                yield_now().await;
                inner.add("went on");
            });
            yield_now().await;
            abort.abort();
            task.abort();
            innocent.await.unwrap();
        });
        assert_eq!(log.take(), ["went on"]);
    });
}

#[test]
fn an_abort_handle_does_not_hit_the_next_task_in_the_same_slot() {
    virtually(async {
        let first = spawn(async {});
        let stale = first.abort_handle();
        first.await.unwrap();
        let next: Vec<JoinHandle<u32>> = (0..4).map(|n| spawn(async move { n })).collect();
        stale.abort();
        for (n, task) in (0..).zip(next) {
            assert_eq!(task.await.unwrap(), n);
        }
    });
}

#[test]
fn an_aborted_future_may_spawn_wake_abort_and_ask_the_time_while_it_is_dropped() {
    let log = Log::new();
    virtually(async {
        let start = now();
        sleep(Duration::from_secs(1)).await;
        let bystander = spawn(pending::<()>());
        let (give, take) = oneshot::channel();
        let (inner, abort) = (log.clone(), bystander.abort_handle());
        let guard = OnDrop::new(move || {
            inner.add(format!("{:?}", now() - start));
            let log = inner.clone();
            drop(spawn(async move { log.add("spawned") }));
            give.send("woken").unwrap();
            abort.abort();
        });
        let task = spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        });
        yield_now().await;
        task.abort();
        log.add(take.await.unwrap());
        assert!(task.await.unwrap_err().is_cancelled());
        assert!(bystander.await.unwrap_err().is_cancelled());
    });
    // The wake was before main's turn and the spawned task's place before main's: first come, first served.
    assert_eq!(log.take(), ["1s", "spawned", "woken"]);
}

#[test]
fn an_aborted_task_leaves_its_timer_and_its_place_in_line() {
    let runtime = virtual_runtime();
    let semaphore = Rc::new(Semaphore::new(0));
    let sleeper = runtime.spawn(async { sleep(Duration::from_secs(1)).await });
    let in_line = runtime.spawn({
        let semaphore = Rc::clone(&semaphore);
        async move { semaphore.acquire().await.forget() }
    });
    assert_eq!(counts(runtime.turn(ZERO)), [2, 0, 0, 0]);
    runtime.block_on(async {
        sleeper.abort();
        in_line.abort();
    });
    runtime.turn(ZERO);
    semaphore.add_permits(1);
    assert_eq!(semaphore.available_permits(), 1);
    assert_eq!(counts(runtime.turn(Some(Duration::from_secs(5)))), [0, 0, 0, 0]);
    assert!(sleeper.is_finished() && in_line.is_finished());
}

#[test]
fn a_remote_task_aborted_before_its_loop_has_seen_it_is_never_polled() {
    let runtime = virtual_runtime();
    let (polled, seen) = std::sync::mpsc::channel();
    let task = runtime.handle().spawn(async move { polled.send(()) });
    task.abort();
    assert!(!task.is_finished(), "abort only asks");
    runtime.turn(ZERO);
    assert!(task.is_finished());
    assert!(seen.recv().is_err(), "the future was dropped, and with it the sender");
    assert!(runtime.block_on(task).unwrap_err().is_cancelled());
}

#[test]
fn an_abort_between_two_turns_prevents_the_poll_that_the_next_would_begin_with() {
    let runtime = virtual_runtime();
    let polls = Rc::new(Cell::new(0));
    let spawns: [&dyn Fn() -> JoinHandle<()>; 2] = [
        &|| {
            let polls = Rc::clone(&polls);
            runtime.spawn(async move { polls.set(polls.get() + 1) })
        },
        &|| runtime.handle().spawn(async { panic!("never polled") }),
    ];
    for spawn in spawns {
        let task = spawn();
        task.abort();
        runtime.turn(ZERO);
        assert!(task.is_finished());
        assert_eq!(polls.get(), 0);
        assert!(runtime.block_on(task).unwrap_err().is_cancelled());
    }
}

#[test]
fn a_task_whose_result_stays_on_its_thread_has_an_abort_handle_that_travels() {
    let runtime = Runtime::new().unwrap();
    let task = runtime.spawn(pending::<Rc<u8>>());
    let abort = task.abort_handle();
    let thread = thread::spawn(move || abort.abort());
    assert!(runtime.block_on(task).unwrap_err().is_cancelled());
    thread.join().unwrap();
}
