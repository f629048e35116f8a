//! gather on the loop: polls, wakes and allocations counted, at 1 to 100,000 children.

use gather::{gather, gather_tasks, try_gather, try_gather_tasks};
use runtime::sync::oneshot;
use runtime::task::yield_now;
use runtime::time::{now, sleep, timeout};
use runtime::{block_on, spawn};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;
use tests::{CountingAllocator, Dropped, Log, allocations, counted, peak_bytes, virtually};

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
