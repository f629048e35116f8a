//! The forms beyond asyncio's gather: `race`, `first_ok`, `task_group`, and errors that come late.

use gather::{TaskError, TaskGroup, as_completed, first_ok, race, task_group, try_gather, try_gather_tasks};
use runtime::sync::oneshot;
use runtime::task::yield_now;
use runtime::time::{now, sleep, timeout};
use runtime::{Runtime, spawn};
use std::cell::{Cell, RefCell};
use std::future::{Pending, Ready, pending, ready};
use std::iter;
use std::rc::Rc;
use std::time::Duration;
use tests::{CountingAllocator, Dropped, Log, OnDrop, panic_message, peak_bytes, poll_once, virtually};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const MS: Duration = Duration::from_millis(1);

/// Sleeps, then gives its own number. Its drop is written down.
fn child(log: &Log, ms: u32) -> impl Future<Output = u32> + 'static {
    let guard = Dropped(log.clone(), ["", "one", "two", "three", "four", "five"][ms as usize]);
    async move {
        let _guard = guard;
        sleep(MS * ms).await;
        ms
    }
}

// race

#[test]
fn race_gives_the_first_to_end_with_its_index_and_drops_the_others() {
    virtually(async {
        let (log, start) = (Log::new(), now());
        assert_eq!(race([3, 1, 2].map(|ms| child(&log, ms))).await, Some((1, 1)));
        assert_eq!(now() - start, MS);
        assert_eq!(log.take(), ["one dropped", "three dropped", "two dropped"]);
    });
}

#[test]
fn race_without_children_is_over_at_once() {
    assert_eq!(virtually(race(iter::empty::<Pending<()>>())), None);
}

#[test]
fn race_takes_an_error_for_an_end() {
    virtually(async {
        let fails = async |ms| {
            sleep(MS * ms).await;
            if ms == 1 { Err("no") } else { Ok(ms) }
        };
        assert_eq!(race([2, 1].map(fails)).await, Some((1, Err("no"))));
    });
}

#[test]
fn race_starts_nobody_behind_a_child_that_is_ready_at_once() {
    let started = RefCell::new(Vec::new());
    let children = (0..5).map(|n| {
        let started = &started;
        async move {
            started.borrow_mut().push(n);
            if n < 2 { pending().await } else { n }
        }
    });
    assert_eq!(virtually(race(children)), Some((2, 2)));
    assert_eq!(started.take(), [0, 1, 2]);
}

#[test]
fn race_holds_a_limit() {
    let (alive, most) = (Cell::new(0), Cell::new(0));
    let children = (1..=9_u32).map(|n| {
        let (alive, most) = (&alive, &most);
        async move {
            alive.set(alive.get() + 1);
            most.set(most.get().max(alive.get()));
            sleep(MS * (10 - n)).await;
            n
        }
    });
    // The ninth would win, were it started.
    assert_eq!(virtually(race(children).limit(3)), Some((2, 3)));
    assert_eq!(most.get(), 3);
}

#[test]
fn race_may_not_be_polled_again() {
    let mut over = race([ready(())]);
    assert!(poll_once(&mut over).is_ready());
    assert!(panic_message(|| poll_once(&mut over)).contains("polled again after it had returned its results"));
}

// first_ok

/// Sleeps, and fails unless it sleeps for an even time.
async fn even(ms: u32) -> Result<u32, u32> {
    sleep(MS * ms).await;
    if ms.is_multiple_of(2) { Ok(ms) } else { Err(ms) }
}

#[test]
fn first_ok_gives_the_first_success_whatever_failed_before() {
    virtually(async {
        let start = now();
        assert_eq!(first_ok([5, 4, 3, 1, 2, 6].map(even)).await, Ok(2));
        assert_eq!(now() - start, MS * 2);
    });
}

#[test]
fn first_ok_gives_all_errors_in_the_order_of_the_input_when_all_have_failed() {
    virtually(async {
        let start = now();
        assert_eq!(first_ok([5, 1, 3].map(even)).await, Err(vec![5, 1, 3]));
        assert_eq!(now() - start, MS * 5);
    });
}

#[test]
fn first_ok_without_children_has_no_errors_to_give() {
    assert_eq!(virtually(first_ok(iter::empty::<Ready<Result<(), ()>>>())), Err(vec![]));
}

#[test]
fn first_ok_drops_the_others() {
    let log = Log::new();
    let result = virtually(async {
        let children = [3, 1, 2].map(|ms| {
            let child = child(&log, ms);
            async move { if child.await == 1 { Err("one") } else { Ok(ms) } }
        });
        first_ok(children).await
    });
    assert_eq!(result, Ok(2));
    assert_eq!(log.take(), ["one dropped", "two dropped", "three dropped"]);
}

#[test]
fn first_ok_takes_no_more_children_than_it_needs() {
    let taken = Cell::new(0);
    let children = (1..=1_000_u32).map(|n| {
        taken.set(n);
        ready(if n == 500 { Ok(n) } else { Err(n) })
    });
    let mut seen = 0;
    assert_eq!(virtually(first_ok(children).limit(7).on_progress(|p| seen = p.completed)), Ok(500));
    assert_eq!((taken.get(), seen), (500, 500));
}

// as_completed, as the others

#[test]
fn as_completed_reports_its_progress() {
    virtually(async {
        let log = Log::new();
        let mut seen = Vec::new();
        let mut ends =
            as_completed([2, 1].map(|ms| child(&log, ms))).on_progress(|p| seen.push((p.completed, p.total)));
        assert_eq!((ends.next().await, ends.next().await, ends.next().await), (Some((1, 1)), Some((0, 2)), None));
        assert_eq!(ends.next().await, None);
        drop(ends);
        assert_eq!(seen, [(1, Some(2)), (2, Some(2))]);
    });
}

// on_late_error

#[test]
fn late_errors_are_told_with_their_index_and_kind() {
    let log = Log::new();
    let heard = log.clone();
    virtually(async {
        let tasks = (0..6_u64).map(|n| async move {
            sleep(MS * (n + 1) as u32).await;
            match n {
                0 | 3 => Err(n),
                2 => panic!("number two"),
                _ => Ok(n),
            }
        });
        let gathered =
            try_gather_tasks(tasks).on_late_error(move |index, error| heard.add(format!("{index}: {error}")));
        assert!(matches!(gathered.await, Err(TaskError::Failed(0))));
        sleep(MS * 20).await;
    });
    assert_eq!(log.take(), ["2: the task panicked: number two", "3: 3"]);
}

#[test]
fn an_error_in_the_same_turn_as_the_first_is_a_late_one() {
    let log = Log::new();
    let heard = log.clone();
    virtually(async {
        let gathered = try_gather_tasks((0..3).map(|n| ready(Err::<(), _>(n))));
        let gathered = gathered.on_late_error(move |index, error| heard.add(format!("{index}: {error}")));
        assert!(matches!(gathered.await, Err(TaskError::Failed(0))));
        sleep(MS).await;
    });
    assert_eq!(log.take(), ["1: 1", "2: 2"]);
}

#[test]
fn without_an_error_nothing_comes_late() {
    let gathered = try_gather_tasks((0..3).map(|n| ready(Ok::<_, ()>(n))));
    let gathered = gathered.limit(2).on_late_error(|index, error| panic!("{index}: {error:?}"));
    assert_eq!(virtually(gathered).unwrap(), [0, 1, 2]);
}

#[test]
fn after_an_error_a_limit_takes_no_more_children_and_the_started_ones_are_heard() {
    let log = Log::new();
    let (heard, taken) = (log.clone(), Cell::new(0));
    virtually(async {
        let tasks = (0..100_u32).map(|n| {
            taken.set(taken.get() + 1);
            async move {
                sleep(MS * (n + 1)).await;
                Err::<(), _>(n)
            }
        });
        let gathered = try_gather_tasks(tasks).limit(3);
        let gathered = gathered.on_late_error(move |index, error| heard.add(format!("{index}: {error}")));
        assert!(matches!(gathered.await, Err(TaskError::Failed(0))));
        sleep(MS * 500).await;
    });
    assert_eq!(taken.get(), 3);
    assert_eq!(log.take(), ["1: 1", "2: 2"]);
}

#[test]
fn a_gather_that_is_dropped_before_any_error_aborts_its_tasks_and_nothing_is_heard() {
    let log = Log::new();
    virtually(async {
        let tasks = [4, 5].map(|ms| {
            let child = child(&log, ms);
            async move { Err::<(), _>(child.await) }
        });
        let gathered = try_gather_tasks(tasks).on_late_error(|index, error| panic!("{index}: {error}"));
        timeout(MS, gathered).await.unwrap_err();
        sleep(MS * 20).await;
    });
    assert_eq!(log.take(), ["four dropped", "five dropped"]);
}

// task_group

/// A group for errors that are texts.
type Group = Rc<TaskGroup<&'static str>>;

#[test]
fn a_group_gives_its_bodys_value_when_all_tasks_have_ended() {
    virtually(async {
        let (log, start) = (Log::new(), now());
        let value = task_group(async |group: Group| {
            for ms in [3, 1] {
                let child = child(&log, ms);
                drop(group.spawn(async { Ok(child.await) }));
            }
            Ok("body")
        });
        assert_eq!(value.await.unwrap(), "body");
        assert_eq!(now() - start, MS * 3);
        assert_eq!(log.take(), ["one dropped", "three dropped"]);
    });
}

#[test]
fn a_group_without_tasks_is_its_body() {
    assert_eq!(virtually(task_group(async |_: Group| Ok(1))).unwrap(), 1);
    let errors = virtually(task_group(async |_: Group| Err::<(), _>("body"))).unwrap_err();
    assert!(matches!(errors[..], [TaskError::Failed("body")]));
}

#[test]
fn the_body_awaits_the_values_of_its_tasks() {
    let sum = virtually(task_group(async |group: Group| {
        let values = [1, 2, 3].map(|n| group.spawn(async move { Ok(n) }));
        Ok(try_gather(values).await.unwrap().into_iter().sum::<u32>())
    }));
    assert_eq!(sum.unwrap(), 6);
}

#[test]
fn the_first_error_cancels_body_and_tasks_and_all_are_awaited() {
    virtually(async {
        let (log, start) = (Log::new(), now());
        let in_body = log.clone();
        let group = task_group(async |group: Group| {
            let _guard = Dropped(in_body.clone(), "body");
            let slow = child(&in_body, 5);
            drop(group.spawn(async { Ok(slow.await) }));
            let quick = child(&in_body, 1);
            drop(group.spawn(async { if quick.await == 1 { Err("one") } else { Ok(()) } }));
            pending::<Result<(), _>>().await
        });
        assert!(matches!(group.await.unwrap_err()[..], [TaskError::Failed("one")]));
        log.add("returned");
        assert_eq!(now() - start, MS);
        assert_eq!(log.take(), ["one dropped", "body dropped", "five dropped", "returned"]);
    });
}

#[test]
fn an_error_of_the_body_cancels_the_tasks() {
    virtually(async {
        let log = Log::new();
        let group = task_group(async |group: Group| {
            let child = child(&log, 5);
            drop(group.spawn(async { Ok(child.await) }));
            sleep(MS).await;
            Err::<(), _>("body")
        });
        assert!(matches!(group.await.unwrap_err()[..], [TaskError::Failed("body")]));
        assert_eq!(log.take(), ["five dropped"]);
    });
}

#[test]
fn a_task_that_fails_after_the_body_has_ended_cancels_the_others() {
    virtually(async {
        let (log, start) = (Log::new(), now());
        let group = task_group(async |group: Group| {
            let child = child(&log, 5);
            drop(group.spawn(async { Ok(child.await) }));
            drop(group.spawn(async {
                sleep(MS * 2).await;
                Err::<(), _>("two")
            }));
            Ok("a value that nobody gets")
        });
        assert!(matches!(group.await.unwrap_err()[..], [TaskError::Failed("two")]));
        assert_eq!((now() - start, log.take().len()), (MS * 2, 1));
    });
}

#[test]
fn all_errors_are_reported_the_first_one_first() {
    let errors = virtually(task_group(async |group: Group| {
        for name in ["a", "b"] {
            drop(group.spawn(async move {
                yield_now().await;
                Err::<(), _>(name)
            }));
        }
        drop(group.spawn(async {
            yield_now().await;
            panic!("at the disco");
            #[allow(unreachable_code, reason = "says what the task would give")]
            Ok(())
        }));
        pending::<Result<(), _>>().await
    }))
    .unwrap_err();
    let texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["a", "b", "the task panicked: at the disco"]);
}

#[test]
fn tasks_spawn_siblings_also_when_the_body_is_over() {
    virtually(async {
        let (log, start) = (Log::new(), now());
        let inner = log.clone();
        let group = task_group(async |group: Group| {
            let siblings = Rc::clone(&group);
            drop(group.spawn(async move {
                sleep(MS).await;
                let child = child(&inner, 2);
                drop(siblings.spawn(async { Ok(child.await) }));
                Ok(())
            }));
            Ok(())
        });
        group.await.unwrap();
        assert_eq!((now() - start, log.take()), (MS * 3, vec!["two dropped".to_owned()]));
    });
}

#[test]
fn a_group_that_is_kept_keeps_nobody_waiting_and_takes_no_more_tasks() {
    virtually(async {
        let mut kept = None;
        task_group(async |group: Group| {
            kept = Some(group);
            Ok(())
        })
        .await
        .unwrap();
        let log = Log::new();
        let child = child(&log, 1);
        let late = kept.unwrap().spawn(async { Ok(child.await) });
        assert_eq!(log.take(), ["one dropped"]);
        late.await.unwrap_err();
    });
}

#[test]
fn a_failing_group_takes_no_more_tasks() {
    virtually(async {
        let log = Log::new();
        let inner = log.clone();
        let group = task_group(async |group: Group| {
            let clean_up = Rc::clone(&group);
            let child = child(&inner, 1);
            // Spawned by what is dropped because of the error: asyncio says "is shutting down" here.
            let on_drop = OnDrop::new(move || drop(clean_up.spawn(async { Ok(child.await) })));
            drop(group.spawn(async move {
                let _on_drop = on_drop;
                pending::<Result<(), _>>().await
            }));
            yield_now().await;
            Err::<(), _>("body")
        });
        assert_eq!(group.await.unwrap_err().len(), 1);
        assert_eq!(log.take(), ["one dropped"]);
    });
}

#[test]
fn a_group_that_is_dropped_aborts_its_tasks() {
    virtually(async {
        let log = Log::new();
        let group = task_group(async |group: Group| {
            let child = child(&log, 5);
            group.spawn(async { Ok(child.await) }).await.map_err(|_| "closed")
        });
        timeout(MS, group).await.unwrap_err();
        assert_eq!(log.take(), [""; 0], "an abort only asks");
        yield_now().await;
        assert_eq!(log.take(), ["five dropped"]);
    });
}

#[test]
fn a_panic_of_the_body_is_its_callers_and_aborts_the_tasks() {
    let log = Log::new();
    let runtime = Runtime::builder().virtual_clock().build().unwrap();
    let message = panic_message(|| {
        runtime.block_on(async {
            let child = child(&log, 5);
            _ = task_group(async |group: Group| {
                drop(group.spawn(async { Ok(child.await) }));
                yield_now().await;
                assert!(log.take().is_empty(), "not yet");
                panic!("the body's");
                #[allow(unreachable_code, reason = "says what the body would give")]
                Ok(())
            })
            .await;
        });
    });
    assert_eq!(message, "the body's");
    runtime.block_on(yield_now());
    assert_eq!(log.take(), ["five dropped"]);
}

#[test]
fn a_task_that_failed_leaves_its_value_closed() {
    virtually(async {
        let (value, told) = oneshot::channel();
        let group = task_group(async |group: Group| {
            let failing = group.spawn(async { Err::<(), _>("no") });
            drop(spawn(async move { value.send(failing.await.is_err()) }));
            pending::<Result<(), _>>().await
        });
        assert_eq!(group.await.unwrap_err().len(), 1);
        assert!(told.await.unwrap());
    });
}

#[test]
fn a_group_forgets_the_tasks_that_have_ended() {
    let many = |n: u64| {
        let (bytes, sum) = peak_bytes(|| {
            virtually(task_group(async move |group: Group| {
                let mut sum = 0;
                for n in 0..n {
                    sum += group.spawn(async move { Ok(n) }).await.unwrap();
                }
                Ok(sum)
            }))
        });
        assert_eq!(sum.unwrap(), n * (n - 1) / 2);
        bytes
    };
    let (few, many) = (many(100), many(10_000));
    assert!(
        many < few + 10_000,
        "{few} bytes at once for a hundred tasks one after the other, {many} for ten thousand"
    );
}
