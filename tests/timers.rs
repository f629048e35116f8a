//! Timers: sleep, timeout and interval; their order, their wakers, their memory, and what becomes of them without their
//! runtime.

use proptest::prelude::*;
use runtime::task::yield_now;
use runtime::time::{Elapsed, Sleep, Timeout, interval, now, sleep, sleep_until, timeout};
use runtime::{Runtime, Turn, spawn};
use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};
use tests::{
    Count, CountingAllocator, Dropped, Log, Random, Stamp, allocations, armed, bytes_in_use, cases, counted, inside,
    overdue, panic_message, peak_bytes, poll_once, spawn_busy, virtually, yield_until_woken,
};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);
const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);

/// A runtime whose clock stands still until a turn moves it.
fn stepped() -> Runtime {
    Runtime::builder().virtual_clock().build().unwrap()
}

/// Polls `future` once inside of `runtime`, for `waker`.
fn poll_in<F: Future + Unpin>(runtime: &Runtime, future: &mut F, waker: &Waker) -> Poll<F::Output> {
    runtime.block_on(async { Pin::new(&mut *future).poll(&mut Context::from_waker(waker)) })
}

/// The time by `runtime`'s clock.
fn time_of(runtime: &Runtime) -> Instant {
    runtime.block_on(async { now() })
}

/// One turn that may move the time on by `limit`.
fn turn(runtime: &Runtime, limit: Duration) -> Turn {
    runtime.turn(Some(limit))
}

// Deadlines.

#[test]
fn timers_fire_in_the_order_of_their_deadlines() {
    let mut deadlines: Vec<u64> = (0..1_000).collect();
    Random::new(7).shuffle(&mut deadlines);
    let fired = virtually(async move {
        let start = now();
        let fired = Rc::new(RefCell::new(Vec::new()));
        let tasks: Vec<_> = deadlines
            .into_iter()
            .map(|ms| {
                let fired = Rc::clone(&fired);
                spawn(async move {
                    sleep_until(start + ms as u32 * MS).await;
                    fired.borrow_mut().push((ms, now() - start));
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        fired.take()
    });
    assert_eq!(fired, (0..1_000).map(|ms| (ms, ms as u32 * MS)).collect::<Vec<_>>());
}

#[test]
fn timers_of_one_deadline_fire_in_the_order_of_arming() {
    let fired = virtually(async {
        let deadline = now() + HOUR;
        let fired = Rc::new(RefCell::new(Vec::new()));
        // The tasks arm their timers in reverse: the later one was spawned, the longer it yields.
        let tasks: Vec<_> = (0..100)
            .map(|i| {
                let fired = Rc::clone(&fired);
                spawn(async move {
                    for _ in 0..100 - i {
                        yield_now().await;
                    }
                    sleep_until(deadline).await;
                    fired.borrow_mut().push(i);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        fired.take()
    });
    assert_eq!(fired, (0..100).rev().collect::<Vec<_>>());
}

#[test]
fn a_sleep_costs_its_task_two_polls() {
    let polls = Cell::new(0);
    virtually(async {
        counted(&polls, sleep(HOUR)).await;
    });
    assert_eq!(polls.get(), 2);
}

#[test]
fn zero_and_the_past_are_ready_at_the_first_poll_and_arm_no_timer() {
    let runtime = stepped();
    let start = time_of(&runtime);
    assert_eq!(turn(&runtime, HOUR), Turn::default());
    let (count, waker) = Count::new();
    let mut sleeps =
        [sleep(Duration::ZERO), sleep_until(start), sleep_until(start + HOUR), sleep_until(start - 10 * YEAR)];
    for sleep in &mut sleeps {
        assert_eq!(poll_in(&runtime, sleep, &waker), Poll::Ready(()));
    }
    assert_eq!(turn(&runtime, HOUR), Turn::default());
    assert_eq!(count.wakes(), 0);
}

#[test]
fn the_longest_duration_never_comes_and_overflows_nowhere() {
    virtually(async {
        let start = now();
        assert!(timeout(25 * YEAR, sleep(Duration::MAX)).await.is_err());
        assert!(timeout(25 * YEAR, sleep(Duration::MAX)).await.is_err());
        assert_eq!(timeout(Duration::MAX, sleep(25 * YEAR)).await, Ok(()));
        assert_eq!(now() - start, 75 * YEAR);
        let mut ticks = interval(Duration::MAX);
        assert_eq!(ticks.tick().await, now());
        assert!(timeout(25 * YEAR, ticks.tick()).await.is_err());
    });
}

#[test]
fn a_timer_is_never_early_by_the_systems_clock() {
    runtime::block_on(async {
        let mut random = Random::new(1);
        for _ in 0..50 {
            let duration = Duration::from_nanos(random.below(4_000_000) as u64);
            let start = Instant::now();
            sleep(duration).await;
            assert!(start.elapsed() >= duration, "{duration:?} took {:?}", start.elapsed());
        }
    });
}

#[test]
fn a_turn_by_the_systems_clock_parks_until_the_deadline() {
    let runtime = Runtime::new().unwrap();
    let (count, waker) = Count::new();
    let timer = inside(&runtime, || armed(50 * MS, &waker));
    let mut turns = Vec::new();
    while count.wakes() == 0 {
        turns.push(runtime.turn(None));
    }
    assert!(Instant::now() >= timer.deadline());
    let fired: Vec<_> = turns.iter().filter(|turn| turn.fired_timers > 0).collect();
    assert_eq!(fired.len(), 1);
    assert_eq!((fired[0].fired_timers, fired[0].polls), (1, 0));
}

// Wakers.

#[test]
fn polled_again_with_another_waker_it_wakes_the_latest_only() {
    let runtime = stepped();
    let (first, first_waker) = Count::new();
    let (second, second_waker) = Count::new();
    let mut sleep = sleep_until(time_of(&runtime) + HOUR);
    assert!(poll_in(&runtime, &mut sleep, &first_waker).is_pending());
    assert!(poll_in(&runtime, &mut sleep, &second_waker).is_pending());
    assert_eq!(turn(&runtime, 2 * HOUR).fired_timers, 1);
    assert_eq!((first.wakes(), second.wakes()), (0, 1));
    assert!(poll_in(&runtime, &mut sleep, &first_waker).is_ready());
    assert_eq!(turn(&runtime, 2 * HOUR).fired_timers, 0);
    assert_eq!((first.wakes(), second.wakes()), (0, 1));
}

#[test]
fn dropped_before_it_fires_it_wakes_nobody() {
    let runtime = stepped();
    let (count, waker) = Count::new();
    let mut sleep = sleep_until(time_of(&runtime) + HOUR);
    assert!(poll_in(&runtime, &mut sleep, &waker).is_pending());
    drop(sleep);
    assert_eq!(Arc::strong_count(&count), 2, "the timer's clone of the waker is gone with it");
    assert_eq!(turn(&runtime, 2 * HOUR), Turn::default());
    assert_eq!(count.wakes(), 0);
}

#[test]
fn dropped_after_it_fired_it_leaves_the_others_alone() {
    let runtime = stepped();
    let start = time_of(&runtime);
    let (count, waker) = Count::new();
    let mut sleeps: Vec<_> = (1..=3).map(|hours| sleep_until(start + hours * HOUR)).collect();
    for sleep in &mut sleeps {
        assert!(poll_in(&runtime, sleep, &waker).is_pending());
    }
    assert_eq!(turn(&runtime, HOUR).fired_timers, 1);
    drop(sleeps.remove(0));
    assert_eq!(turn(&runtime, HOUR).fired_timers, 1);
    drop(sleeps.remove(0));
    assert_eq!(turn(&runtime, HOUR).fired_timers, 1);
    assert_eq!(count.wakes(), 3);
    assert!(poll_in(&runtime, &mut sleeps[0], &waker).is_ready());
}

#[test]
fn the_first_of_two_that_fire_together_may_drop_the_other() {
    let log = Log::new();
    virtually(async {
        let deadline = now() + HOUR;
        let other = Rc::new(RefCell::new(None));
        let (shared, seen) = (Rc::clone(&other), log.clone());
        let first = spawn(async move {
            sleep_until(deadline).await;
            seen.add("the first fired");
            *shared.borrow_mut() = None;
        });
        let mut second = Box::pin(sleep_until(deadline));
        poll_fn(|cx| {
            assert!(second.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        *other.borrow_mut() = Some((second, Dropped(log.clone(), "the second")));
        first.await.unwrap();
    });
    assert_eq!(log.take(), ["the first fired", "the second dropped"]);
}

// Runtimes.

#[test]
fn polled_in_another_runtime_it_moves_there() {
    let (one, other) = (stepped(), stepped());
    let (count, waker) = Count::new();
    let mut sleep = sleep_until(time_of(&one) + HOUR);
    assert!(poll_in(&one, &mut sleep, &waker).is_pending());
    other.block_on(&mut sleep);
    assert_eq!(turn(&one, 2 * HOUR), Turn::default(), "the first runtime has forgotten it");
    assert_eq!(count.wakes(), 0);
    assert!(time_of(&other) >= sleep.deadline());
}

#[test]
fn it_outlives_its_runtime_which_wakes_it_to_find_another() {
    let (one, other) = (stepped(), stepped());
    let (count, waker) = Count::new();
    let deadline = time_of(&one) + HOUR;
    let mut sleeps = [sleep_until(deadline), sleep_until(deadline)];
    for sleep in &mut sleeps {
        assert!(poll_in(&one, sleep, &waker).is_pending());
    }
    drop(one);
    assert_eq!(count.wakes(), 2);
    let [mut kept, left] = sleeps;
    other.block_on(&mut kept);
    drop(left);
    assert!(time_of(&other) >= deadline);
    assert_eq!(count.wakes(), 2);
}

#[test]
fn a_task_that_awaits_a_timer_of_a_runtime_that_goes_takes_it_along() {
    let one = stepped();
    let mut lent = sleep_until(time_of(&one) + HOUR);
    assert!(poll_in(&one, &mut lent, Waker::noop()).is_pending());
    let log = Log::new();
    virtually(async {
        let seen = log.clone();
        let task = spawn(async move {
            lent.await;
            seen.add("slept");
        });
        yield_now().await;
        drop(one);
        log.add("the timer's first runtime is gone");
        task.await.unwrap();
    });
    assert_eq!(log.take(), ["the timer's first runtime is gone", "slept"]);
}

#[test]
fn the_time_stands_where_it_was_while_a_dropped_runtime_drops_its_tasks() {
    struct TellTheTime(Rc<Cell<Option<Instant>>>);
    impl Drop for TellTheTime {
        fn drop(&mut self) {
            self.0.set(Some(now()));
        }
    }
    let runtime = stepped();
    let told = Rc::new(Cell::new(None));
    let teller = TellTheTime(Rc::clone(&told));
    drop(runtime.spawn(async move {
        let _teller = teller;
        pending::<()>().await;
    }));
    runtime.block_on(sleep(1_000 * HOUR));
    let end = time_of(&runtime);
    drop(runtime);
    assert_eq!(told.get(), Some(end));
}

#[test]
fn outside_of_a_runtime_the_poll_panics_and_names_the_cure() {
    let poll = std::panic::catch_unwind(|| poll_once(&mut sleep(HOUR)));
    let message = *poll.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("a timer needs a running event loop") && message.contains("block_on"), "{message}");
}

// Timeout.

#[test]
fn what_is_ready_wins_against_a_timeout_of_zero() {
    let polls = Cell::new(0);
    virtually(async {
        assert_eq!(timeout(Duration::ZERO, counted(&polls, ready(5))).await, Ok(5));
        assert_eq!(polls.get(), 1);
        assert!(timeout(Duration::ZERO, counted(&polls, pending::<()>())).await.is_err());
        assert_eq!(polls.get(), 2);
    });
}

#[test]
fn what_is_ready_at_the_very_deadline_wins() {
    virtually(async {
        assert_eq!(timeout(HOUR, sleep(HOUR)).await, Ok(()));
        assert!(timeout(HOUR, sleep(HOUR + Duration::from_nanos(1))).await.is_err());
        assert_eq!(timeout(HOUR, sleep(HOUR - Duration::from_nanos(1))).await, Ok(()));
    });
}

#[test]
fn elapsed_has_dropped_the_inner_future_before_it_returns() {
    let log = Log::new();
    virtually(async {
        let inner = Dropped(log.clone(), "the inner future");
        let late = timeout(HOUR, async move {
            let _inner = inner;
            pending::<()>().await;
        });
        let mut late = Box::pin(late);
        let result = late.as_mut().await;
        log.add(format!("{result:?}"));
        drop(late);
    });
    assert_eq!(log.take(), ["the inner future dropped", "Err(Elapsed(()))"]);
}

#[test]
fn a_dropped_timeout_drops_the_inner_future_and_its_timer() {
    let runtime = stepped();
    let log = Log::new();
    runtime.block_on(async {
        for polled in [false, true] {
            let inner = Dropped(log.clone(), "the inner future");
            let mut late = Box::pin(timeout(HOUR, async move {
                let _inner = inner;
                pending::<()>().await;
            }));
            if polled {
                assert!(poll_once(&mut late).is_pending());
            }
            drop(late);
            log.add(format!("polled: {polled}"));
        }
    });
    assert_eq!(log.take(), ["the inner future dropped", "polled: false", "the inner future dropped", "polled: true"]);
    assert_eq!(turn(&runtime, 2 * HOUR), Turn::default());
}

#[test]
fn nested_timeouts_end_by_the_shorter_one() {
    virtually(async {
        let start = now();
        let elapsed = |result: &Result<Result<(), Elapsed>, Elapsed>| match result {
            Ok(Ok(())) => "none",
            Ok(Err(_)) => "inner",
            Err(_) => "outer",
        };
        assert_eq!(elapsed(&timeout(2 * HOUR, timeout(HOUR, pending())).await), "inner");
        assert_eq!(now() - start, HOUR);
        assert_eq!(elapsed(&timeout(HOUR, timeout(2 * HOUR, pending())).await), "outer");
        assert_eq!(now() - start, 2 * HOUR);
        // Of two that end together the inner one is asked first.
        assert_eq!(elapsed(&timeout(HOUR, timeout(HOUR, pending())).await), "inner");
        assert_eq!(elapsed(&timeout(3 * HOUR, timeout(2 * HOUR, sleep(HOUR))).await), "none");
        assert_eq!(now() - start, 4 * HOUR);
    });
}

#[test]
fn a_timeout_counts_from_its_call() {
    virtually(async {
        let late = timeout(HOUR, pending::<()>());
        sleep(HOUR).await;
        let before = now();
        assert!(late.await.is_err());
        assert_eq!(now(), before);
    });
}

#[test]
fn a_timeout_over_a_handle_leaves_the_task_and_its_result_alone() {
    virtually(async {
        let mut task = spawn(async {
            sleep(2 * HOUR).await;
            "done"
        });
        assert!(timeout(HOUR, &mut task).await.is_err());
        assert!(!task.is_finished());
        assert_eq!(timeout(2 * HOUR, task).await.unwrap().unwrap(), "done");
    });
}

#[test]
fn elapsed_becomes_an_io_error_of_the_kind_timed_out() {
    virtually(async {
        let error = std::io::Error::from(timeout(HOUR, pending::<()>()).await.unwrap_err());
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
        assert_eq!(error.to_string(), "the deadline has passed");
    });
}

// Interval.

#[test]
fn an_interval_ticks_at_once_and_then_every_period() {
    virtually(async {
        let start = now();
        let mut ticks = interval(SECOND);
        assert_eq!(ticks.period(), SECOND);
        for n in 0..5 {
            assert_eq!(ticks.tick().await, start + n * SECOND);
            assert_eq!(now(), start + n * SECOND);
        }
    });
}

#[test]
fn missed_ticks_come_one_right_after_the_other() {
    virtually(async {
        let start = now();
        let mut ticks = interval(SECOND);
        assert_eq!(ticks.tick().await, start);
        sleep(3 * SECOND + SECOND / 2).await;
        let mut seen = Vec::new();
        for _ in 1..=5 {
            let due = ticks.tick().await;
            seen.push((due - start, now() - start));
        }
        let late = 3 * SECOND + SECOND / 2;
        let expected = [(1, late), (2, late), (3, late), (4, 4 * SECOND), (5, 5 * SECOND)];
        assert_eq!(seen, expected.map(|(due, at)| (due * SECOND, at)));
    });
}

#[test]
fn a_tick_that_is_dropped_while_it_waits_is_not_lost() {
    virtually(async {
        let start = now();
        let mut ticks = interval(SECOND);
        ticks.tick().await;
        for _ in 0..3 {
            assert!(timeout(SECOND / 4, ticks.tick()).await.is_err());
        }
        assert_eq!(ticks.tick().await, start + SECOND);
        assert_eq!(now(), start + SECOND);
    });
}

#[test]
#[should_panic(expected = "give it a period above zero")]
fn an_interval_of_zero_panics() {
    let _ = interval(Duration::ZERO);
}

// Fairness.

/// The loop's `POLLS_BETWEEN_LOOKS`.
const POLLS_BETWEEN_LOOKS: usize = 61;

#[test]
fn tasks_that_never_rest_make_a_timer_late_by_no_more_than_61_polls() {
    // Alone, a turn is one poll; with 2,000 neighbours it ends by its budget. Each neighbour yields all the time.
    for neighbours in [0, 1, 7, 60, 100, 2_000] {
        let polls = Arc::new(AtomicUsize::new(0));
        let poll = |polls: &AtomicUsize| _ = polls.fetch_add(1, SeqCst);
        runtime::block_on(async {
            poll(&polls);
            spawn_busy(neighbours, &polls);
            // Armed at another distance from the last look each time.
            for distance in 0..70 {
                for _ in 0..distance / (1 + neighbours) {
                    yield_now().await;
                    poll(&polls);
                }
                let (stamp, waker) = Stamp::new(&polls);
                let _timer = overdue(&waker);
                let armed = polls.load(SeqCst);
                let fired = yield_until_woken(&stamp).await;
                // The loop looks around after every 61st poll, and this is the next time that it does.
                let next_look = armed.div_ceil(POLLS_BETWEEN_LOOKS) * POLLS_BETWEEN_LOOKS;
                assert_eq!(fired, next_look, "{neighbours} neighbours, armed at poll {armed}");
            }
        });
    }
}

#[test]
fn a_turn_by_hand_asks_the_clock_however_few_polls_there_were() {
    let runtime = Runtime::new().unwrap();
    drop(runtime.spawn(async {
        loop {
            yield_now().await;
        }
    }));
    for _ in 0..3 {
        let (count, waker) = Count::new();
        let timer = inside(&runtime, || overdue(&waker));
        let turn = turn(&runtime, Duration::ZERO);
        assert_eq!((turn.fired_timers, turn.polls, count.wakes()), (1, 1, 1));
        drop(timer);
    }
}

// Memory.

#[test]
fn a_million_timeouts_one_after_the_other_take_no_memory() {
    let runtime = stepped();
    let some = |n: usize| {
        runtime.block_on(async {
            for _ in 0..n {
                timeout(HOUR, yield_now()).await.unwrap();
            }
        });
    };
    some(10);
    let before = bytes_in_use();
    let (peak, (allocated, ())) = peak_bytes(|| allocations(|| some(1_000_000)));
    assert_eq!((allocated, peak, bytes_in_use() - before), (0, 0, 0));
}

#[test]
fn nor_do_they_while_another_timer_stays_armed() {
    let runtime = stepped();
    let task = runtime.spawn(sleep_until(time_of(&runtime) + YEAR));
    let some = |n: usize| {
        runtime.block_on(async {
            for _ in 0..n {
                timeout(HOUR, yield_now()).await.unwrap();
            }
        });
    };
    some(10);
    let before = bytes_in_use();
    let (peak, (allocated, ())) = peak_bytes(|| allocations(|| some(1_000_000)));
    assert_eq!((allocated, peak, bytes_in_use() - before), (0, 0, 0));
    assert!(!task.is_finished());
}

/// What an idle runtime may keep for the next timers: arrays of 16 KB each (`KEPT_BYTES` in shrink.rs).
const KEPT_BYTES: isize = 64 * 1024;

/// The order in which open timers are dropped.
#[derive(Clone, Copy, Debug)]
enum Order {
    OldestFirst,
    NewestFirst,
    Random,
}

/// Arms `n` timers, drops them in that order, and gives the bytes that are in use afterwards, above those before.
fn bytes_left_by_open_timers(runtime: &Runtime, n: usize, order: Order) -> isize {
    let before = bytes_in_use();
    let mut random = Random::new(99);
    let start = time_of(runtime);
    let mut sleeps: Vec<Sleep> = (0..n).map(|_| sleep_until(start + random.below(1_000_000) as u32 * MS)).collect();
    runtime.block_on(async {
        for sleep in &mut sleeps {
            let _ = poll_once(sleep);
        }
    });
    match order {
        Order::OldestFirst => {}
        Order::NewestFirst => sleeps.reverse(),
        Order::Random => random.shuffle(&mut sleeps),
    }
    drop(sleeps);
    assert_eq!(turn(runtime, SECOND), Turn::default());
    bytes_in_use() - before
}

#[test]
fn a_million_open_timers_dropped_in_random_order_leave_memory_where_it_was() {
    let left = bytes_left_by_open_timers(&stepped(), 1_000_000, Order::Random);
    assert!(left <= KEPT_BYTES, "{left} bytes are left");
}

#[test]
fn open_timers_leave_memory_where_it_was_in_whatever_order_they_are_dropped() {
    for order in [Order::OldestFirst, Order::NewestFirst, Order::Random] {
        let runtime = stepped();
        let left = [(); 3].map(|()| bytes_left_by_open_timers(&runtime, 100_000, order));
        assert!(left.iter().sum::<isize>() <= KEPT_BYTES, "{order:?}: {left:?} bytes are left");
    }
}

#[test]
fn open_timers_leave_memory_where_it_was_while_an_older_one_stays_armed() {
    for order in [Order::OldestFirst, Order::NewestFirst, Order::Random] {
        let runtime = stepped();
        let mut kept = sleep_until(time_of(&runtime) + YEAR);
        assert!(poll_in(&runtime, &mut kept, Waker::noop()).is_pending());
        let left = bytes_left_by_open_timers(&runtime, 100_000, order);
        assert!(left <= KEPT_BYTES, "{order:?}: {left} bytes are left");
    }
}

#[test]
fn those_left_of_many_timers_fire_in_order_and_once() {
    // Of 500 timers 400 are dropped: more entries of dead ones than the heap may hold, so that it is swept (`release`).
    const ARMED: usize = 500;
    let runtime = stepped();
    let start = time_of(&runtime);
    let mut random = Random::new(23);
    let woken = Arc::new(Mutex::new(Vec::new()));
    let mut sleeps: Vec<(u32, usize, Sleep)> = (0..ARMED)
        .map(|timer| {
            // Several share a deadline.
            let ms = 1 + random.below(100) as u32;
            let mut sleep = sleep_until(start + ms * MS);
            let waker = Waker::from(Arc::new(Scribe { timer, poll: 0, woken: Arc::clone(&woken) }));
            assert!(poll_in(&runtime, &mut sleep, &waker).is_pending());
            (ms, timer, sleep)
        })
        .collect();
    random.shuffle(&mut sleeps);
    sleeps.truncate(ARMED - 400);
    // Nor do the sweep's leavings keep new ones from their place.
    for timer in ARMED..ARMED + 20 {
        let ms = 1 + random.below(100) as u32;
        let mut sleep = sleep_until(start + ms * MS);
        let waker = Waker::from(Arc::new(Scribe { timer, poll: 0, woken: Arc::clone(&woken) }));
        assert!(poll_in(&runtime, &mut sleep, &waker).is_pending());
        sleeps.push((ms, timer, sleep));
    }
    sleeps.sort_by_key(|&(ms, timer, _)| (ms, timer));
    let mut fired = 0;
    while fired < sleeps.len() {
        let turn = turn(&runtime, SECOND);
        assert!(turn.fired_timers > 0, "{fired} timers fired, and no other does");
        fired += turn.fired_timers;
        let times = sleeps.iter().filter(|(ms, ..)| start + *ms * MS <= time_of(&runtime)).count();
        assert_eq!(fired, times, "those that are due, and no others");
    }
    assert_eq!(fired, 120);
    let expected: Vec<_> = sleeps.iter().map(|&(_, timer, _)| (timer, 0)).collect();
    assert_eq!(*woken.lock().unwrap(), expected);
    assert_eq!(turn(&runtime, SECOND), Turn::default());
}

#[test]
fn a_timer_armed_at_the_peak_holds_the_memory_back_no_longer_than_it_lives() {
    let runtime = stepped();
    let before = bytes_in_use();
    let start = time_of(&runtime);
    let mut sleeps: Vec<Sleep> = (0..100_000).map(|_| sleep_until(start + HOUR)).collect();
    runtime.block_on(async {
        for sleep in &mut sleeps {
            assert!(poll_once(sleep).is_pending());
        }
    });
    let last = sleeps.pop();
    drop(sleeps);
    drop(last);
    let left = bytes_in_use() - before;
    assert!(left <= KEPT_BYTES, "{left} bytes are left");
}

/// Arms timers that are due `apart` from each other, lets them fire, drops them, and gives the bytes that are in use
/// afterwards, above those before.
fn bytes_left_by_fired_timers(n: u32, apart: Duration) -> isize {
    let runtime = stepped();
    let before = bytes_in_use();
    let start = time_of(&runtime);
    let mut sleeps: Vec<Sleep> = (0..n).map(|i| sleep_until(start + HOUR + i * apart)).collect();
    runtime.block_on(async {
        for sleep in &mut sleeps {
            assert!(poll_once(sleep).is_pending());
        }
    });
    let mut fired = 0;
    while fired < n as usize {
        fired += turn(&runtime, HOUR).fired_timers;
    }
    drop(sleeps);
    bytes_in_use() - before
}

#[test]
fn timers_that_fired_one_by_one_leave_memory_where_it_was() {
    let left = bytes_left_by_fired_timers(100_000, MS);
    assert!(left <= KEPT_BYTES, "{left} bytes are left");
}

#[test]
fn timers_that_fired_all_at_once_leave_memory_where_it_was() {
    let left = bytes_left_by_fired_timers(100_000, Duration::ZERO);
    assert!(left <= KEPT_BYTES, "{left} bytes are left");
}

// Any sequence, against a list.

#[derive(Debug, Clone)]
enum Step {
    /// Arms a timer so many milliseconds from now.
    Arm(u32),
    /// Polls one again, with another waker.
    Repoll(usize),
    /// Drops one.
    Drop(usize),
    /// Arms many and drops all but a few of them, so many that the heap is swept.
    Crowd(u64),
    /// One turn that may move the time on by so many milliseconds.
    Advance(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..20_u32).prop_map(Step::Arm),
        2 => any::<usize>().prop_map(Step::Repoll),
        3 => any::<usize>().prop_map(Step::Drop),
        1 => (1..u64::MAX).prop_map(Step::Crowd),
        3 => (0..8_u32).prop_map(Step::Advance),
    ]
}

/// How many timers come at once, and how many of them stay.
const CROWD: usize = 100;
const CROWD_STAYS: usize = 3;

/// Writes down which timer woke it, and which of its polls that waker came from.
struct Scribe {
    timer: usize,
    poll: usize,
    woken: Arc<Mutex<Vec<(usize, usize)>>>,
}

impl Wake for Scribe {
    fn wake(self: Arc<Scribe>) {
        self.woken.lock().unwrap().push((self.timer, self.poll));
    }
}

/// A timer that is alive, and what should be known of it.
struct Alive {
    sleep: Sleep,
    timer: usize,
    polls: usize,
    /// The milliseconds of its deadline, while it is armed.
    armed: Option<u32>,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(300), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_arming_dropping_and_waiting_fires_what_a_sorted_list_says(
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let runtime = stepped();
        let start = time_of(&runtime);
        let woken = Arc::new(Mutex::new(Vec::new()));
        let waker = |timer, poll| Waker::from(Arc::new(Scribe { timer, poll, woken: Arc::clone(&woken) }));
        let mut alive: Vec<Alive> = Vec::new();
        let (mut time, mut made) = (0_u32, 0);
        for step in steps {
            match step {
                Step::Arm(ms) => {
                    let mut sleep = sleep_until(start + (time + ms) * MS);
                    let polled = poll_in(&runtime, &mut sleep, &waker(made, 0));
                    prop_assert_eq!(polled.is_ready(), ms == 0);
                    let armed = (ms > 0).then_some(time + ms);
                    alive.push(Alive { sleep, timer: made, polls: 1, armed });
                    made += 1;
                }
                Step::Repoll(which) if !alive.is_empty() => {
                    let n = which % alive.len();
                    let one = &mut alive[n];
                    let polled = poll_in(&runtime, &mut one.sleep, &waker(one.timer, one.polls));
                    one.polls += 1;
                    prop_assert_eq!(polled.is_pending(), one.armed.is_some());
                }
                Step::Drop(which) if !alive.is_empty() => {
                    let n = which % alive.len();
                    drop(alive.swap_remove(n));
                }
                Step::Repoll(_) | Step::Drop(_) => {}
                Step::Crowd(seed) => {
                    let mut random = Random::new(seed);
                    let mut crowd: Vec<Alive> = inside(&runtime, || {
                        (made..made + CROWD)
                            .map(|timer| {
                                let ms = time + 1 + random.below(40) as u32;
                                let mut sleep = sleep_until(start + ms * MS);
                                let waker = waker(timer, 0);
                                assert!(Pin::new(&mut sleep).poll(&mut Context::from_waker(&waker)).is_pending());
                                Alive { sleep, timer, polls: 1, armed: Some(ms) }
                            })
                            .collect()
                    });
                    made += CROWD;
                    random.shuffle(&mut crowd);
                    crowd.truncate(CROWD_STAYS);
                    alive.append(&mut crowd);
                }
                Step::Advance(ms) => {
                    // The model: a turn moves the time to the next deadline, or by its limit.
                    let next = alive.iter().filter_map(|one| one.armed).min();
                    time = next.unwrap_or(u32::MAX).min(time + ms);
                    let mut due: Vec<_> = alive.iter_mut().filter(|one| one.armed.is_some_and(|at| at <= time)).collect();
                    due.sort_by_key(|one| (one.armed, one.timer));
                    let expected: Vec<_> = due.iter().map(|one| (one.timer, one.polls - 1)).collect();
                    due.into_iter().for_each(|one| one.armed = None);

                    let turn = turn(&runtime, ms * MS);
                    prop_assert_eq!(turn.fired_timers, expected.len());
                    prop_assert_eq!(woken.lock().unwrap().split_off(0), expected);
                    prop_assert_eq!(time_of(&runtime) - start, time * MS);
                }
            }
        }
    }
}

#[test]
fn virtual_time_ends_after_584_years_and_every_sleep_is_then_ready_at_once() {
    virtually(async {
        let start = now();
        let years = 30 * YEAR;
        for n in 1..=19 {
            sleep(years).await;
            assert_eq!(now() - start, years * n);
        }
        sleep(years).await;
        let end = now();
        assert_eq!(end - start, Duration::from_nanos(u64::MAX));
        assert!(poll_once(&mut sleep(years)).is_ready());
        assert_eq!(now(), end);
        // The others have their turn all the same.
        let others = Rc::new(Cell::new(0));
        let count = Rc::clone(&others);
        let other = runtime::spawn(async move {
            loop {
                count.set(count.get() + 1);
                yield_now().await;
            }
        });
        for _ in 0..1_280 {
            sleep(years).await;
        }
        assert!(others.get() >= 9, "{}", others.get());
        other.abort();
    });
}

// A timeout is as big as what it holds.

#[test]
fn a_timeout_holds_its_future_once_and_each_one_around_it_adds_the_same() {
    let body = || async {
        let buffer = [0_u8; 1_000];
        yield_now().await;
        std::hint::black_box(buffer);
    };
    let size = |timeouts: usize| {
        let minute = Duration::from_secs(60);
        let future = body();
        let one = timeout(minute, body());
        let two = timeout(minute, timeout(minute, body()));
        let three = timeout(minute, timeout(minute, timeout(minute, body())));
        [size_of_val(&future), size_of_val(&one), size_of_val(&two), size_of_val(&three)][timeouts]
    };
    assert!(size(0) > 1_000);
    let each = size(1) - size(0);
    assert!(each <= 64, "a timeout adds {each} bytes");
    assert!(size(2) - size(1) <= each && size(3) - size(2) <= each);
}

#[test]
fn a_timeout_that_is_over_has_dropped_its_future_and_is_not_polled_again() {
    for (wait, result) in [(1, "in time"), (10, "too late")] {
        let log = Log::new();
        virtually(async {
            let guard = Dropped(log.clone(), "future");
            let mut timeout = std::pin::pin!(timeout(5 * MS, async move {
                let _guard = guard;
                sleep(wait * MS).await;
            }));
            let end = timeout.as_mut().await;
            log.add(if end.is_ok() { "in time" } else { "too late" });
            let again = panic_message(|| timeout.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
            assert_eq!(again, "a Timeout was polled after it was ready: await it once");
        });
        assert_eq!(log.take(), ["future dropped", result]);
    }
}

#[test]
fn a_timeout_takes_whatever_becomes_a_future() {
    struct Later(u32);
    impl IntoFuture for Later {
        type Output = u32;
        type IntoFuture = std::future::Ready<u32>;
        fn into_future(self) -> Self::IntoFuture {
            std::future::ready(self.0)
        }
    }
    let limited: Timeout<std::future::Ready<u32>> = timeout(SECOND, Later(7));
    assert!(format!("{:?}", timeout(SECOND, async {})).starts_with("Timeout { sleep: Sleep"));
    assert_eq!(virtually(limited), Ok(7));
}
