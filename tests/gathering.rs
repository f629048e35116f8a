//! gather on the loop: polls, wakes and allocations counted, at 1 to 100,000 children.

use gather::{
    TaskError, as_completed, first_ok, gather, gather_streams, gather_tasks, race, try_gather, try_gather_tasks,
};
use runtime::sync::oneshot;
use runtime::task::yield_now;
use runtime::time::{now, sleep, timeout};
use runtime::{JoinHandle, block_on, spawn};
use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker};
use std::thread;
use std::time::Duration;
use tests::{
    Count, CountingAllocator, Dropped, Log, Moment, OnDrop, allocations, counted, meddler, panic_message, peak_bytes,
    poll_once, virtual_runtime, virtually,
};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const MS: Duration = Duration::from_millis(1);

/// Children that count their polls and wait until they are opened, each with the waker that it left.
#[derive(Clone)]
struct Gates(Rc<Vec<Gate>>);

#[derive(Default)]
struct Gate {
    open: Cell<bool>,
    polls: Cell<usize>,
    waker: RefCell<Option<Waker>>,
}

impl Gates {
    fn new(n: usize) -> Gates {
        Gates(Rc::new((0..n).map(|_| Gate::default()).collect()))
    }

    async fn pass(self, i: usize) -> usize {
        poll_fn(|cx| {
            let gate = &self.0[i];
            gate.polls.set(gate.polls.get() + 1);
            if gate.open.get() {
                return Poll::Ready(i);
            }
            *gate.waker.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    fn open(&self, i: usize) {
        self.0[i].open.set(true);
        self.0[i].waker.take().expect("a child that waits has left its waker").wake();
    }
}

#[test]
fn gather_tasks_polls_its_parent_twice_at_any_number_of_children() {
    for n in [1, 100, 10_000] {
        let polls = Cell::new(0);
        let results = virtually(counted(
            &polls,
            gather_tasks((0..n).map(|i| async move {
                sleep(MS * ((i * 7919) % n + 1)).await;
                i
            })),
        ));
        assert_eq!(results.into_iter().map(Result::unwrap).collect::<Vec<_>>(), (0..n).collect::<Vec<_>>());
        assert_eq!(polls.get(), 2, "at {n} children");
    }
}

#[test]
fn a_million_tasks_cost_their_parent_two_polls() {
    let polls = Cell::new(0);
    let results = virtually(counted(&polls, gather_tasks((0..1_000_000_u32).map(|i| async move { i }))));
    assert!(results.into_iter().map(Result::unwrap).eq(0..1_000_000));
    assert_eq!(polls.get(), 2);
}

#[test]
fn try_gather_tasks_polls_its_parent_twice_and_lets_the_others_run_on() {
    let log = Log::new();
    virtually(async {
        let polls = Cell::new(0);
        let children = (0..100u32).map(|i| {
            let log = log.clone();
            async move {
                sleep(MS * (i + 1)).await;
                log.add(format!("{i}"));
                if i == 40 { Err("forty") } else { Ok(i) }
            }
        });
        let start = now();
        let error = counted(&polls, try_gather_tasks(children)).await.unwrap_err();
        assert_eq!((format!("{error:?}"), now() - start, polls.get()), (r#"Failed("forty")"#.into(), MS * 41, 2));
        assert_eq!(log.take().len(), 41);
        sleep(MS * 200).await;
        assert_eq!(log.take().len(), 59, "the others run on, as in asyncio");
    });
}

#[test]
fn with_a_limit_the_parent_of_tasks_is_polled_once_more_per_refill() {
    let (polls, alive, most) = (Cell::new(0), Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let results = virtually(counted(
        &polls,
        gather_tasks((0..10u32).map(|i| {
            let (alive, most) = (Rc::clone(&alive), Rc::clone(&most));
            async move {
                alive.set(alive.get() + 1);
                most.set(most.get().max(alive.get()));
                sleep(MS * (i + 1)).await;
                alive.set(alive.get() - 1);
            }
        }))
        .limit(3),
    ));
    assert_eq!((results.len(), most.get()), (10, 3), "never more than three at once");
    // The start of three; the other seven start one by one, as no two end in one turn; the end of all.
    assert_eq!(polls.get(), 1 + 7 + 1);
}

#[test]
fn a_child_is_polled_once_per_wake_and_the_parent_once_per_batch() {
    for n in [1, 2, 10, 30, 31, 1_000, 100_000] {
        let gates = Gates::new(n);
        let parent_polls = Rc::new(Cell::new(0));
        block_on(async {
            let (inner, polls) = (gates.clone(), Rc::clone(&parent_polls));
            let parent =
                spawn(async move { counted(&polls, gather((0..inner.0.len()).map(|i| inner.clone().pass(i)))).await });
            yield_now().await;
            assert_eq!(parent_polls.get(), 1);
            // Batches of 16, from the back; of each child two wakes, one poll.
            let order: Vec<usize> = (0..n).rev().collect();
            for batch in order.chunks(16) {
                for &i in batch {
                    let again = gates.0[i].waker.borrow().clone();
                    gates.open(i);
                    again.unwrap().wake();
                }
                yield_now().await;
            }
            assert_eq!(parent.await.unwrap(), (0..n).collect::<Vec<_>>());
        });
        assert!(gates.0.iter().all(|gate| gate.polls.get() == 2), "at {n} children");
        assert_eq!(parent_polls.get(), 1 + n.div_ceil(16), "at {n} children");
    }
}

#[test]
fn children_that_yield_cost_the_parent_one_poll_a_round() {
    for n in [1, 10, 1_000] {
        let polls = Cell::new(0);
        block_on(counted(
            &polls,
            gather((0..n).map(|_| async {
                for _ in 0..10 {
                    yield_now().await;
                }
            })),
        ));
        assert_eq!(polls.get(), 11, "at {n} children");
    }
}

#[test]
fn a_gather_allocates_three_times_at_any_number_of_children_and_gives_back_what_is_spare() {
    for n in [1, 10, 100, 10_000, 100_000] {
        let gates = Gates::new(n);
        let runtime = runtime::Runtime::new().unwrap();
        // Once before, so that the loop's own arrays have their size.
        runtime.block_on(async { yield_now().await });
        let (count, ()) = allocations(|| {
            runtime.block_on(async {
                let mut gathered = std::pin::pin!(gather((0..n).map(|i| gates.0[i].pass_by_reference(i))));
                poll_fn(|cx| {
                    assert!(gathered.as_mut().poll(cx).is_pending());
                    Poll::Ready(())
                })
                .await;
                (0..n).rev().for_each(|i| gates.open(i));
                assert_eq!(gathered.await.len(), n);
            });
        });
        assert!(count <= 4, "{count} allocations at {n} children");
    }
}

impl Gate {
    /// Waits without a count of references, so that only the gather's own allocations are counted.
    async fn pass_by_reference(&self, i: usize) -> usize {
        poll_fn(|cx| {
            if self.open.get() {
                return Poll::Ready(i);
            }
            *self.waker.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }
}

#[test]
fn a_million_lazy_children_never_exist_together() {
    let alive = Cell::new(0u32);
    let most = Cell::new(0);
    let runtime = runtime::Runtime::new().unwrap();
    let (bytes, results) = peak_bytes(|| {
        runtime.block_on(
            gather((0..1_000_000u32).map(|i| {
                let (alive, most) = (&alive, &most);
                async move {
                    alive.set(alive.get() + 1);
                    most.set(most.get().max(alive.get()));
                    yield_now().await;
                    alive.set(alive.get() - 1);
                    i
                }
            }))
            .limit(100),
        )
    });
    assert_eq!(most.get(), 100);
    assert!(results.into_iter().eq(0..1_000_000));
    // The results' own vector holds an Option<u32> for each child: eight bytes.
    assert!(bytes < 8_000_000 + 100_000, "{bytes} bytes at once");
}

#[test]
fn the_first_error_comes_at_once_at_any_number_of_children() {
    for n in [2, 31, 5_000] {
        let log = Log::new();
        virtually(async {
            let children = (0..n).map(|i| {
                let guard = Dropped(log.clone(), "child");
                async move {
                    let _guard = guard;
                    sleep(MS * (n - i)).await;
                    if i == n - 1 { Err(i) } else { Ok(()) }
                }
            });
            let start = now();
            assert_eq!(try_gather(children).await, Err(n - 1));
            assert_eq!(now() - start, MS, "at {n} children");
            assert_eq!(log.take().len(), n as usize, "all are dropped by now");
        });
    }
}

#[test]
fn a_timeout_around_a_gather_drops_its_children_and_aborts_its_tasks() {
    let log = Log::new();
    virtually(async {
        let child = |name| {
            let guard = Dropped(log.clone(), name);
            async move {
                let _guard = guard;
                std::future::pending::<()>().await
            }
        };
        timeout(MS, gather([child("in place")])).await.unwrap_err();
        assert_eq!(log.take(), ["in place dropped"]);
        timeout(MS, gather_tasks([child("task")])).await.unwrap_err();
        assert_eq!(log.take(), [""; 0], "an abort only asks; the loop drops");
        yield_now().await;
        assert_eq!(log.take(), ["task dropped"]);
    });
}

#[test]
fn a_panic_of_a_task_is_its_own_outcome_and_the_siblings_are_untouched() {
    let outcomes = block_on(gather_tasks((0..3).map(|i| async move {
        assert_ne!(i, 1, "child one panics");
        i
    })));
    assert_eq!(*outcomes[0].as_ref().unwrap(), 0);
    assert!(outcomes[1].as_ref().unwrap_err().is_panic());
    assert_eq!(*outcomes[2].as_ref().unwrap(), 2);
}

#[test]
fn a_gather_may_move_to_another_task_between_two_polls() {
    virtually(async {
        let (sender, receiver) = oneshot::channel();
        let mut gathered = Box::pin(gather([receiver]));
        poll_fn(|cx| {
            assert!(gathered.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        let other = spawn(gathered);
        yield_now().await;
        sender.send("hello").unwrap();
        assert_eq!(other.await.unwrap(), [Ok("hello")]);
    });
}

// What the tally rests on: a handle wakes whoever awaits it once, at its end.

/// A waker that counts, left in the handle of a task.
fn left_in<T>(handle: &mut JoinHandle<T>) -> Arc<Count> {
    let (count, waker) = Count::new();
    assert!(Pin::new(handle).poll(&mut Context::from_waker(&waker)).is_pending());
    count
}

#[test]
fn a_handle_wakes_who_awaits_it_once_at_its_end_however_it_ends() {
    let runtime = virtual_runtime();
    let (never, mut dropped) = runtime.block_on(async {
        let wakes_itself = async {
            for _ in 0..5 {
                yield_now().await;
            }
        };
        let mut returns = spawn(wakes_itself);
        let mut panics = spawn(async {
            yield_now().await;
            panic!("a task that panics");
        });
        let mut aborted = spawn(pending::<()>());
        let counts = [left_in(&mut returns), left_in(&mut panics), left_in(&mut aborted)];
        let wakes = || counts.each_ref().map(|count| count.wakes());
        yield_now().await;
        assert_eq!(wakes(), [0, 0, 0], "polls and wakes of a task are no ends of it");
        aborted.abort();
        aborted.abort();
        assert_eq!(wakes(), [0, 0, 0], "an abort only asks");
        sleep(MS).await;
        assert_eq!(wakes(), [1, 1, 1]);
        returns.abort();
        aborted.abort();
        sleep(MS).await;
        assert_eq!(wakes(), [1, 1, 1], "what has ended does not end again");
        returns.await.unwrap();
        assert!(panics.await.unwrap_err().is_panic());
        assert!(aborted.await.unwrap_err().is_cancelled());
        assert_eq!(wakes(), [1, 1, 1], "to take the result is no end");
        let mut dropped = spawn(pending::<()>());
        (left_in(&mut dropped), dropped)
    });
    assert_eq!(never.wakes(), 0);
    drop(runtime);
    assert_eq!(never.wakes(), 1, "a runtime that is dropped ends its tasks");
    assert!(block_on(&mut dropped).unwrap_err().is_cancelled());
    assert_eq!(never.wakes(), 1);
}

#[test]
fn a_handle_wakes_the_latest_waker_and_none_that_it_was_given_before() {
    virtually(async {
        let mut task = spawn(sleep(MS));
        let [first, second] = [left_in(&mut task), left_in(&mut task)];
        sleep(MS * 2).await;
        assert_eq!((first.wakes(), second.wakes()), (0, 1));
        task.await.unwrap();
        // A handle that is dropped wakes nobody.
        let mut task = spawn(sleep(MS));
        let count = left_in(&mut task);
        drop(task);
        sleep(MS * 2).await;
        assert_eq!(count.wakes(), 0);
    });
}

#[test]
fn a_wake_of_a_child_in_place_is_no_completion() {
    let gates = Gates::new(3);
    virtually(async {
        let mut gathered = pin!(gather((0..3).map(|i| gates.clone().pass(i))));
        let (count, waker) = Count::new();
        let cx = &mut Context::from_waker(&waker);
        assert!(gathered.as_mut().poll(cx).is_pending());
        // As many wakes as there are children, and more: by one that has not ended, and twice by one that has.
        for i in [0, 1, 1, 0, 0] {
            gates.0[i].waker.borrow().as_ref().unwrap().wake_by_ref();
        }
        gates.0[1].open.set(true);
        assert_eq!(count.wakes(), 1);
        assert!(gathered.as_mut().poll(cx).is_pending(), "five wakes, one end");
        gates.open(0);
        gates.open(2);
        assert_eq!(count.wakes(), 2);
        assert_eq!(gathered.as_mut().poll(cx), Poll::Ready(vec![0, 1, 2]));
    });
}

// The tally.

/// Tasks that end one after the other, a millisecond each.
fn one_by_one(n: u32) -> impl Iterator<Item = impl Future<Output = u32>> {
    (0..n).map(|i| async move {
        sleep(MS * (i + 1)).await;
        i
    })
}

#[test]
fn the_tally_wakes_its_parent_at_the_last_end_and_at_no_other() {
    virtually(async {
        let mut gathered = pin!(gather_tasks(one_by_one(5)));
        let (count, waker) = Count::new();
        assert!(gathered.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        sleep(MS / 2).await;
        for ended in 0..5 {
            assert_eq!(count.wakes(), 0);
            assert!(format!("{gathered:?}").contains(&format!("completed: {ended}")), "{gathered:?}");
            sleep(MS).await;
        }
        assert_eq!(count.wakes(), 1);
        assert!(gathered.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
        assert_eq!(count.wakes(), 1);
    });
}

#[test]
fn polls_that_nobody_asked_for_change_no_count_and_the_latest_parent_is_woken() {
    virtually(async {
        let mut gathered = pin!(try_gather_tasks(one_by_one(4).map(|it| async { Ok::<_, ()>(it.await) })));
        let parents = [(); 4].map(|()| Count::new());
        // Every time another task polls it, and some poll it twice.
        for (_, waker) in &parents {
            let cx = &mut Context::from_waker(waker);
            assert!(gathered.as_mut().poll(cx).is_pending());
            assert!(gathered.as_mut().poll(cx).is_pending());
            sleep(MS - Duration::from_nanos(1)).await;
        }
        sleep(MS).await;
        assert_eq!(parents.each_ref().map(|(count, _)| count.wakes()), [0, 0, 0, 1]);
        let last = gathered.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(last, Poll::Ready(Ok(all)) if all == [0, 1, 2, 3]));
    });
}

#[test]
fn a_gather_of_tasks_may_move_to_another_task_between_two_polls() {
    virtually(async {
        let mut gathered = Box::pin(gather_tasks(one_by_one(3)));
        assert!(poll_once(&mut gathered).is_pending());
        let polls = Rc::new(Cell::new(0));
        let inner = Rc::clone(&polls);
        let other = spawn(async move { counted(&inner, gathered).await });
        assert!(other.await.unwrap().into_iter().map(Result::unwrap).eq(0..3));
        assert_eq!(polls.get(), 2);
    });
}

#[test]
fn a_gather_of_tasks_may_not_be_polled_again_after_its_end() {
    fn assert_refused<F: Future + Unpin>(over: &mut F) {
        let message = panic_message(|| _ = poll_once(over));
        assert!(message.contains("polled again after it had returned its results"), "{message}");
    }
    virtually(async {
        // Counted by the tally; with its engine first; with its engine to the end; ended by an error.
        let mut counted = Box::pin(gather_tasks(one_by_one(2)));
        assert_eq!(counted.as_mut().await.len(), 2);
        assert_refused(&mut counted);
        let mut limited = Box::pin(gather_tasks(one_by_one(3)).limit(2));
        assert_eq!(limited.as_mut().await.len(), 3);
        assert_refused(&mut limited);
        let mut told = Box::pin(gather_tasks(one_by_one(2)).on_progress(|_| {}));
        assert_eq!(told.as_mut().await.len(), 2);
        assert_refused(&mut told);
        let mut failed = Box::pin(try_gather_tasks([async { Err::<(), _>("no") }]));
        assert!(matches!(failed.as_mut().await, Err(TaskError::Failed("no"))));
        assert_refused(&mut failed);
    });
}

#[test]
fn tasks_that_panic_are_counted_like_the_others() {
    let polls = Cell::new(0);
    let results = virtually(counted(
        &polls,
        gather_tasks((0..10_u32).map(|i| async move {
            sleep(MS * i).await;
            assert!(i % 2 == 0, "an odd one");
        })),
    ));
    assert_eq!(results.iter().filter(|result| result.as_ref().is_err_and(|error| error.is_panic())).count(), 5);
    assert_eq!(polls.get(), 2);
}

#[test]
fn the_tasks_of_a_runtime_that_is_dropped_are_counted_and_the_last_wakes_the_parent_elsewhere() {
    let there = virtual_runtime();
    let mut gathered = Box::pin(gather_tasks((0..3).map(|i| async move {
        if i > 0 {
            pending::<()>().await;
        }
    })));
    let (count, waker) = Count::new();
    there.block_on(async {
        assert!(gathered.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        yield_now().await;
    });
    assert_eq!(count.wakes(), 0);
    drop(there);
    assert_eq!(count.wakes(), 1);
    let results = block_on(gathered);
    assert!(results[0].is_ok());
    assert!(results[1..].iter().all(|result| result.as_ref().is_err_and(|error| error.is_cancelled())));
}

#[test]
fn a_gather_that_starts_while_its_runtime_is_dropped_is_over_at_once() {
    let log = Log::new();
    let inner = log.clone();
    let runtime = virtual_runtime();
    runtime.block_on(async {
        let last = OnDrop::new(move || {
            let Poll::Ready(results) = poll_once(&mut gather_tasks([pending::<()>(), pending()])) else {
                return inner.add("waits for ever");
            };
            inner.add(format!("{results:?}"));
            let tried = poll_once(&mut try_gather_tasks([pending::<Result<(), ()>>(), pending()]));
            inner.add(format!("{tried:?}"));
        });
        drop(spawn(async move {
            let _last = last;
            pending::<()>().await;
        }));
        yield_now().await;
    });
    drop(runtime);
    let cancelled = "Err(JoinError(the task was cancelled))";
    assert_eq!(log.take(), [format!("[{cancelled}, {cancelled}]"), "Ready(Err(Cancelled))".into()]);
}

#[test]
fn the_first_error_in_time_wakes_the_parent_once_and_later_ends_wake_nobody() {
    virtually(async {
        // The last two fail in one turn, the fourth before the third.
        let tasks = [9, 9, 2, 1, 9].map(|ms| async move {
            sleep(MS * ms).await;
            if ms < 9 { Err(ms) } else { Ok(ms) }
        });
        let mut gathered = pin!(try_gather_tasks(tasks));
        let (count, waker) = Count::new();
        let cx = &mut Context::from_waker(&waker);
        assert!(gathered.as_mut().poll(cx).is_pending());
        sleep(MS * 3).await;
        assert_eq!(count.wakes(), 1, "two errors, one wake");
        assert!(matches!(gathered.as_mut().poll(cx), Poll::Ready(Err(TaskError::Failed(1)))));
        sleep(MS * 20).await;
        assert_eq!(count.wakes(), 1);
    });
}

#[test]
fn a_gather_that_is_dropped_after_an_error_that_nobody_took_lets_the_others_run_on() {
    let log = Log::new();
    virtually(async {
        let tasks = [1, 5].map(|ms| {
            let log = log.clone();
            async move {
                sleep(MS * ms).await;
                log.add(format!("{ms}"));
                if ms == 1 { Err(()) } else { Ok(()) }
            }
        });
        let mut gathered = Box::pin(try_gather_tasks(tasks));
        assert!(poll_once(&mut gathered).is_pending());
        sleep(MS * 2).await;
        drop(gathered);
        sleep(MS * 9).await;
    });
    assert_eq!(log.take(), ["1", "5"]);
}

#[test]
fn with_a_limit_the_last_tasks_are_counted_and_their_first_error_is_as_prompt() {
    let log = Log::new();
    virtually(async {
        let polls = Cell::new(0);
        let tasks = [1, 2, 8, 5, 6].map(|ms| {
            let log = log.clone();
            async move {
                sleep(MS * ms).await;
                log.add(format!("{ms}"));
                if ms == 5 { Err("five") } else { Ok(ms) }
            }
        });
        let start = now();
        let gathered = counted(&polls, try_gather_tasks(tasks).limit(3)).await;
        // The fourth starts after a millisecond, the fifth after two.
        assert!(matches!(gathered, Err(TaskError::Failed("five"))));
        assert_eq!((now() - start, polls.get()), (MS * 6, 1 + 2 + 1));
        sleep(MS * 20).await;
        assert_eq!(log.take(), ["1", "2", "5", "8", "6"], "the others run on");
    });
}

#[test]
fn a_parent_of_tasks_that_panics_when_it_is_woken_harms_nobody() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("a foreign waker");
        }
    }
    virtually(async {
        let mut gathered = Box::pin(gather_tasks(one_by_one(3)));
        assert!(gathered.as_mut().poll(&mut Context::from_waker(&Waker::from(Arc::new(Panics)))).is_pending());
        sleep(MS * 9).await;
        assert_eq!(gathered.await.len(), 3);
    });
}

// What a gather does is decided at its first poll.

#[test]
fn what_comes_after_the_first_poll_is_refused_and_told_when_to_come() {
    virtually(async {
        let results = || {
            (0..3).map(async |n| {
                sleep(MS).await;
                Ok::<_, ()>(n)
            })
        };
        macro_rules! assert_refused {
            ($($form:expr),*) => {$({
                let polled = || {
                    let mut gathered = $form;
                    assert!(poll_once(&mut gathered).is_pending());
                    gathered
                };
                for message in [panic_message(|| polled().limit(2)), panic_message(|| polled().on_progress(|_| {}))] {
                    assert!(message.contains("call it before the first poll"), "{}: {message}", stringify!($form));
                }
            })*};
        }
        assert_refused!(
            gather(results()),
            try_gather(results()),
            gather_tasks(results()),
            try_gather_tasks(results()),
            race(results()),
            first_ok(results()),
            gather_streams([as_completed(results())])
        );
        // A stream is polled by its `next`.
        let polled = || {
            let mut ends = as_completed(results());
            assert!(poll_once(&mut pin!(ends.next())).is_pending());
            ends
        };
        for message in [panic_message(|| polled().limit(2)), panic_message(|| polled().on_progress(|_| {}))] {
            assert!(message.contains("call it before the first poll"), "as_completed: {message}");
        }
    });
}

#[test]
fn late_errors_are_asked_for_before_the_first_poll_and_a_refusal_comes_at_any_number_of_children() {
    virtually(async {
        let children = |n: usize| {
            (0..n).map(async |n| {
                sleep(MS).await;
                Ok::<_, ()>(n)
            })
        };
        for n in [1, 2, 31, 5_000] {
            let mut all = try_gather_tasks(children(n));
            assert!(poll_once(&mut all).is_pending());
            let message = panic_message(|| poll_once(&mut Box::pin(all.on_late_error(|_, _| {}))).is_pending());
            assert!(message.contains("call it before the first poll"), "{n}: {message}");
            let mut all = gather(children(n));
            assert!(poll_once(&mut all).is_pending());
            let message = panic_message(|| all.limit(1));
            assert!(message.contains("call it before the first poll"), "{n}: {message}");
            let mut all = gather_tasks(children(n));
            assert!(poll_once(&mut all).is_pending());
            let message = panic_message(|| all.on_progress(|_| {}));
            assert!(message.contains("call it before the first poll"), "{n}: {message}");
        }
    });
}

#[test]
fn more_children_than_there_are_places_are_refused_before_any_memory_is_asked_for() {
    let message = panic_message(|| poll_once(&mut gather((0..5_000_000_000_u64).map(ready))));
    assert!(message.contains("use .limit(n)"), "{message}");
    // A large limit is a limit.
    let taken = Cell::new(0);
    let children = (0..3_u32).map(|n| {
        taken.set(taken.get() + 1);
        ready(if n == 1 { Err(n) } else { Ok(n) })
    });
    assert_eq!(block_on(try_gather(children).limit(u32::MAX as usize)), Err(1));
    assert_eq!(taken.get(), 2);
}

#[test]
fn every_form_refuses_more_children_than_there_are_places_at_once() {
    virtually(async {
        let results = || (0..5_000_000_000_u64).map(|n| ready(Ok::<_, u64>(n)));
        macro_rules! assert_refused {
            ($($form:expr),*) => {$({
                let (peak, message) = peak_bytes(|| panic_message(|| poll_once(&mut $form).is_pending()));
                assert!(message.contains("use .limit(n)"), "{}: {message}", stringify!($form));
                // The panic may print a backtrace, which takes megabytes. The places would take gigabytes.
                assert!(peak < 1_000_000_000, "{}: {peak} bytes", stringify!($form));
            })*};
        }
        assert_refused!(
            gather(results()),
            try_gather(results()),
            gather_tasks(results()),
            try_gather_tasks(results()),
            race(results()),
            first_ok(results()),
            gather_streams(results().map(|result| as_completed([result])))
        );
        let mut ends = as_completed(results());
        assert_refused!(pin!(ends.next()));
    });
}

/// An iterator that tells `hint` of its length, whatever it has.
struct Lies<I>(I, (usize, Option<usize>));

impl<I: Iterator> Iterator for Lies<I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.1
    }
}

#[test]
fn an_iterator_that_lies_about_its_length_loses_no_child_and_waits_for_none() {
    let all: Vec<_> = (0..20).collect();
    for hint in [(0, Some(0)), (0, None), (3, Some(5)), (1_000, Some(1_000)), (1_000, Some(3)), (20, Some(usize::MAX))]
    {
        let lies = || Lies(0..20, hint).map(ready);
        let tasks = || gather_tasks(lies());
        assert_eq!(block_on(gather(lies())), all, "{hint:?}");
        let of_tasks = block_on(async { tasks().await });
        assert!(of_tasks.into_iter().map(Result::unwrap).eq(0..20), "{hint:?}");
        let streams = block_on(gather_streams([as_completed(lies())]));
        assert_eq!(streams[0].len(), 20, "{hint:?}");
        // A limit makes as many slots as there can be children, by the hint.
        for limit in [1, 7, 100] {
            assert_eq!(block_on(gather(lies()).limit(limit)), all, "{hint:?}, {limit}");
            let of_tasks = || block_on(async { tasks().limit(limit).await });
            if hint.1 == Some(0) {
                // It says that there is nobody behind those that have been started: the tally would count these.
                let message = panic_message(of_tasks);
                assert!(message.contains("mend its size_hint"), "{hint:?}, {limit}: {message}");
            } else {
                assert!(of_tasks().into_iter().map(Result::unwrap).eq(0..20), "{hint:?}, {limit}");
            }
        }
    }
}

#[test]
fn an_iterator_that_panics_takes_its_gather_along_and_leaves_no_child() {
    for limit in [usize::MAX, 2] {
        let log = Log::new();
        let children = || {
            (0..5).map(|n| {
                assert!(n < 3, "the iterator");
                let dropped = Dropped(log.clone(), ["first", "second", "third"][n]);
                async move {
                    let _dropped = dropped;
                    yield_now().await;
                }
            })
        };
        let mut gathered = gather(children()).limit(limit);
        let message = panic_message(|| while poll_once(&mut gathered).is_pending() {});
        assert_eq!(message, "the iterator", "{limit}");
        let message = panic_message(|| poll_once(&mut gathered));
        assert!(message.contains("drop it"), "{limit}: {message}");
        drop(gathered);
        assert_eq!(log.take().len(), 3, "{limit}");

        virtually(async {
            let mut gathered = gather_tasks(children()).limit(limit);
            // With a limit it asks for the fourth child when others have ended.
            let mut ended_before = 0;
            let message = loop {
                let poll = AssertUnwindSafe(|| poll_once(&mut gathered).is_pending());
                match catch_unwind(poll) {
                    Ok(pending) => assert!(pending && limit == 2),
                    Err(payload) => break *payload.downcast::<&str>().unwrap(),
                }
                ended_before += 1;
                yield_now().await;
            };
            assert_eq!(message, "the iterator", "{limit}");
            assert_eq!(ended_before > 0, limit == 2);
            let message = panic_message(|| poll_once(&mut gathered));
            assert!(message.contains("drop it"), "{limit}: {message}");
            drop(gathered);
            yield_now().await;
            assert_eq!(log.take().len(), 3, "{limit}");
        });
    }
}

#[test]
fn an_iterator_may_spawn_tasks_and_poll_another_gather() {
    virtually(async {
        for limit in [usize::MAX, 2] {
            let spawned = RefCell::new(Vec::new());
            let children = || {
                (0..5).map(|n| {
                    spawned.borrow_mut().push(spawn(async move { n }));
                    let inner = poll_once(&mut gather((0..n).map(ready)));
                    async move {
                        yield_now().await;
                        inner.map(|values| values.len())
                    }
                })
            };
            let expected: Vec<_> = (0..5).map(Poll::Ready).collect();
            assert_eq!(gather(children()).limit(limit).await, expected);
            let of_tasks = gather_tasks(children()).limit(limit).await;
            assert!(of_tasks.into_iter().map(Result::unwrap).eq(expected));
            let spawned = gather(spawned.take()).await;
            assert!(spawned.into_iter().map(Result::unwrap).eq((0..5).chain(0..5)));
        }
    });
}

#[test]
fn as_completed_knows_how_many_ends_are_to_come() {
    virtually(async {
        let mut ends = as_completed((0..5).map(ready)).limit(2);
        for left in (0..5).rev() {
            assert!(ends.next().await.is_some());
            assert_eq!(futures::Stream::size_hint(&ends), (left, Some(left)));
        }
        assert_eq!(ends.next().await, None);
    });
}

// The clone of the parent's waker is foreign code, too.

#[test]
fn two_threads_may_clone_a_childs_waker_at_once_though_the_parents_clones_wait_for_each_other() {
    static BOTH: Barrier = Barrier::new(2);
    static WAKES: AtomicUsize = AtomicUsize::new(0);
    const WAKE: fn(*const ()) = |_| _ = WAKES.fetch_add(1, Ordering::SeqCst);
    static TABLE: RawWakerVTable = RawWakerVTable::new(
        |data| {
            BOTH.wait();
            RawWaker::new(data, &TABLE)
        },
        WAKE,
        WAKE,
        |_| {},
    );
    #[allow(unsafe_code, reason = "the standard library's safe wakers do not tell of a clone")]
    // SAFETY: the functions do not touch the data, and use nothing but what threads may share.
    let parent = unsafe { Waker::new(std::ptr::null(), &TABLE) };
    let mut wakers = Vec::new();
    let child = poll_fn(|cx: &mut Context<'_>| {
        let waker = cx.waker();
        thread::scope(|scope| {
            let other = scope.spawn(|| waker.clone());
            wakers.push(waker.clone());
            wakers.push(other.join().unwrap());
        });
        Poll::<()>::Pending
    });
    let mut gathered = Box::pin(gather([child]));
    assert!(gathered.as_mut().poll(&mut Context::from_waker(&parent)).is_pending());
    drop(gathered);
    assert!(wakers[0].will_wake(&wakers[1]), "both belong to one set");
    assert_eq!(WAKES.load(Ordering::SeqCst), 0);
}

#[test]
fn the_clone_of_a_parents_waker_may_wake_the_children() {
    let kept = Rc::new(RefCell::new(None::<Waker>));
    let woken = Rc::clone(&kept);
    let parent = meddler(move |moment| {
        if moment == Moment::Clone
            && let Some(child) = &*woken.borrow()
        {
            child.wake_by_ref();
        }
    });
    let mut polls = 0;
    let child = poll_fn(|cx: &mut Context<'_>| {
        polls += 1;
        *kept.borrow_mut() = Some(cx.waker().clone());
        if polls == 3 { Poll::Ready(polls) } else { Poll::Pending }
    });
    let mut gathered = Box::pin(gather([child]));
    let mut poll = || gathered.as_mut().poll(&mut Context::from_waker(&parent));
    assert!(poll().is_pending());
    // Nobody wakes the child but the clone, which is made before the poll looks who is ready.
    assert!(poll().is_pending());
    assert_eq!(poll(), Poll::Ready(vec![3]));
}
