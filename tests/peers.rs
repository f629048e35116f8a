//! gather beside the other join futures of Rust: in the manner of the tests of futures' `join_all` and
//! `FuturesUnordered` and of futures-concurrency, and then the traps that they have fallen into, each a test.

use futures::executor::block_on as futures_block_on;
use futures::stream::{self, StreamExt};
use gather::{as_completed, first_ok, gather, gather_streams, gather_tasks, race, try_gather, try_gather_tasks};
use runtime::sync::oneshot;
use runtime::task::yield_now;
use runtime::time::sleep;
use runtime::{block_on, spawn};
use std::cell::{Cell, RefCell};
use std::fmt::Debug;
use std::future::{pending, poll_fn, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;
use tests::{Count, Dropped, Log, panic_message, virtually};

const MS: Duration = Duration::from_millis(1);

/// Around and far from the thirty children at which futures-rs changes its strategy.
const SIZES: [usize; 6] = [1, 2, 30, 31, 100, 5_000];

// As join_all's and try_join_all's.

#[test]
fn collect_collects() {
    for n in SIZES {
        assert!(futures_block_on(gather((0..n).map(ready))).into_iter().eq(0..n));
    }
}

#[test]
fn join_all_iter_lifetime() {
    // futures-rs issue #325: the iterator borrows, and the output does not.
    fn sizes(texts: &[&[u8]]) -> Vec<usize> {
        futures_block_on(gather(texts.iter().map(|text| ready(text.len()))))
    }
    assert_eq!(sizes(&[&[1, 2, 3], &[], &[0]]), [3, 0, 1]);
}

#[test]
fn try_join_all_of_success_and_of_error() {
    for n in SIZES {
        assert!(futures_block_on(try_gather((0..n).map(|n| ready(Ok::<_, ()>(n))))).unwrap().into_iter().eq(0..n));
        let last = n - 1;
        let one_fails = (0..n).map(|n| ready(if n == last { Err(n) } else { Ok(n) }));
        assert_eq!(futures_block_on(try_gather(one_fails)), Err(last));
    }
}

// As FuturesUnordered's, whose part `as_completed` plays.

#[test]
fn works_1() {
    block_on(async {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..3).map(|_| oneshot::channel()).unzip();
        let mut ends = as_completed(receivers);
        let mut senders = senders.into_iter().map(Some).collect::<Vec<_>>();
        assert!(ends.next_once().is_pending());
        senders[1].take().unwrap().send(33).unwrap();
        assert_eq!(ends.next().await, Some((1, Ok(33))));
        senders[2].take().unwrap().send(44).unwrap();
        senders[0].take().unwrap().send(55).unwrap();
        assert_eq!(ends.next().await, Some((2, Ok(44))), "in the order of the wakes");
        assert_eq!(ends.next().await, Some((0, Ok(55))));
        assert_eq!(ends.next().await, None);
        assert_eq!(ends.next().await, None, "it stays at its end");
    });
}

#[test]
fn dropping_ready_queue() {
    let log = Log::new();
    let mut ends = as_completed(["a", "b", "c"].map(|name| {
        let guard = Dropped(log.clone(), name);
        async move {
            let _guard = guard;
            yield_now().await;
            name
        }
    }));
    assert!(ends.next_once().is_pending());
    assert_eq!(ends.next_once(), Poll::Ready(Some((0, "a"))));
    assert_eq!(log.take(), ["a dropped"]);
    drop(ends); // With two of them ready.
    assert_eq!(log.take(), ["b dropped", "c dropped"]);
}

/// One poll for the next item.
trait NextOnce: StreamExt + Unpin {
    fn next_once(&mut self) -> Poll<Option<Self::Item>> {
        self.poll_next_unpin(&mut Context::from_waker(Waker::noop()))
    }
}

impl<S: StreamExt + Unpin> NextOnce for S {}

#[test]
fn polled_only_once_at_most_per_iteration() {
    for n in SIZES {
        let polls = RefCell::new(vec![0; n]);
        let (count, waker) = Count::new();
        let mut parent = Box::pin(gather((0..n).map(|n| {
            let polls = &polls;
            poll_fn(move |cx| {
                polls.borrow_mut()[n] += 1;
                cx.waker().wake_by_ref();
                let kept = cx.waker().clone();
                kept.wake();
                Poll::<()>::Pending
            })
        })));
        for round in 1..=3 {
            assert!(parent.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            assert!(polls.borrow().iter().all(|&polls| polls == round), "at {n} children");
            assert!(count.wakes() >= round);
        }
    }
}

#[test]
fn panic_during_poll() {
    for n in SIZES {
        let log = Log::new();
        let message = panic_message(|| {
            futures_block_on(gather((0..n).map(|child| {
                let guard = Dropped(log.clone(), "child");
                async move {
                    let _guard = guard;
                    assert!(child < n / 2, "number {child} panics");
                    pending::<()>().await
                }
            })))
        });
        assert_eq!(message, format!("number {} panics", n / 2));
        assert_eq!(log.take().len(), n, "nobody is left behind");
    }
}

// As futures-concurrency's.

#[test]
fn join_of_different_types_smoke() {
    let joined = futures_block_on(gather::gather!(async { "hello" }, ready(1), async { [2.5] }));
    assert_eq!(joined, ("hello", 1, [2.5]));
}

#[test]
fn race_ok_all_ok_one_err_and_all_err() {
    type Outcome = Result<&'static str, &'static str>;
    let run = |outcomes: [Outcome; 2]| futures_block_on(first_ok(outcomes.map(ready)));
    assert_eq!(run([Ok("hello"), Ok("world")]), Ok("hello"));
    assert_eq!(run([Err("oh no"), Ok("world")]), Ok("world"));
    assert_eq!(run([Err("oops"), Err("oh no")]), Err(vec!["oops", "oh no"]));
}

#[test]
fn does_not_leak_memory() {
    // Results of children that ended, when the gather is dropped before it gives them; and when one of them fails.
    let value = Rc::new(());
    let mut half = Box::pin(gather((0..40).map(|n| {
        let value = Rc::clone(&value);
        async move { if n % 2 == 0 { value } else { pending().await } }
    })));
    assert!(half.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(Rc::strong_count(&value), 41);
    drop(half);
    assert_eq!(Rc::strong_count(&value), 1);
    let failing = (0..40).map(|n| ready(if n == 39 { Err(()) } else { Ok(Rc::clone(&value)) }));
    assert_eq!(futures_block_on(try_gather(failing)), Err(()));
    assert_eq!(Rc::strong_count(&value), 1);
}

// The traps.

#[test]
fn an_error_is_as_prompt_at_five_thousand_children_as_at_two() {
    // futures-rs #2866: above thirty children, `try_join_all` goes on polling others that are ready.
    for n in [2, 30, 31, 5_000] {
        let polls = Cell::new(0);
        let children = (0..n).map(|n| {
            let polls = &polls;
            async move {
                polls.set(polls.get() + 1);
                if n == 1 { Err("second") } else { Ok(()) }
            }
        });
        assert_eq!(futures_block_on(try_gather(children)), Err("second"));
        assert_eq!(polls.get(), 2, "of {n} children the third and those behind are never polled");
    }
}

#[test]
fn the_orders_of_polls_and_drops_do_not_change_with_the_number_of_children() {
    for n in SIZES {
        let log = Rc::new(RefCell::new(Vec::new()));
        let wakers = Rc::new(RefCell::new(vec![None; n]));
        let mut parent = Box::pin(gather((0..n).map(|child| {
            let (polled, dropped, wakers) = (Rc::clone(&log), Rc::clone(&log), Rc::clone(&wakers));
            let guard = tests::OnDrop::new(move || dropped.borrow_mut().push(("drop", child)));
            async move {
                let _guard = guard;
                poll_fn(|cx| {
                    polled.borrow_mut().push(("poll", child));
                    wakers.borrow_mut()[child] = Some(cx.waker().clone());
                    Poll::<()>::Pending
                })
                .await;
            }
        })));
        let mut poll = || assert!(parent.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        poll();
        assert!(log.take().into_iter().eq((0..n).map(|child| ("poll", child))), "started in the order of the input");
        for child in (0..n).rev() {
            let waker: Option<Waker> = wakers.borrow_mut()[child].take();
            waker.unwrap().wake();
        }
        poll();
        assert!(log.take().into_iter().eq((0..n).rev().map(|child| ("poll", child))), "in the order of the wakes");
        drop(parent);
        assert!(log.take().into_iter().eq((0..n).map(|child| ("drop", child))), "dropped in the order of the input");
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_wake_costs_no_look_at_the_other_children() {
    // futures-concurrency scans all children in each poll: a hundred times as many would take a hundred times as long.
    let a_wake = |n: usize| {
        let waker = Rc::new(RefCell::new(None));
        let mut parent = Box::pin(gather((0..n).map(|child| {
            let waker = Rc::clone(&waker);
            poll_fn(move |cx| {
                if child == n / 2 {
                    *waker.borrow_mut() = Some(cx.waker().clone());
                }
                Poll::<()>::Pending
            })
        })));
        let mut poll = || assert!(parent.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let wake = || waker.take().into_iter().for_each(Waker::wake);
        poll();
        tests::instructions(|| {
            wake();
            poll();
        })
    };
    tests::alone("a_wake_costs_no_look_at_the_other_children", || {
        let (few, many) = (a_wake(30), a_wake(3_000));
        assert!(few > 20, "nothing was counted: {few}");
        assert_eq!(few, many, "instructions among thirty children, and among three thousand");
    });
}

#[test]
fn a_limit_holds_through_every_form() {
    let (alive, most) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let child = |n: u64| {
        let (alive, most) = (Rc::clone(&alive), Rc::clone(&most));
        async move {
            alive.set(alive.get() + 1);
            most.set(most.get().max(alive.get()));
            sleep(MS * (n * 7 % 5 + 1) as u32).await;
            alive.set(alive.get() - 1);
            Err::<(), _>(n)
        }
    };
    let ok = |n| {
        let child = child(n);
        async move { child.await.or(Ok::<(), ()>(())) }
    };
    let check = |form: &str| assert_eq!((most.replace(0), alive.get()), (3, 0), "in {form}");
    virtually(async {
        assert_eq!(gather((0..20).map(child)).limit(3).await.len(), 20);
        check("gather");
        assert_eq!(try_gather((0..20).map(ok)).limit(3).await.unwrap().len(), 20);
        check("try_gather");
        assert_eq!(gather_tasks((0..20).map(child)).limit(3).await.len(), 20);
        check("gather_tasks");
        assert_eq!(try_gather_tasks((0..20).map(ok)).limit(3).await.unwrap().len(), 20);
        check("try_gather_tasks");
        assert_eq!(first_ok((0..20).map(child)).limit(3).await.unwrap_err().len(), 20);
        check("first_ok");
        let mut ends = as_completed((0..20).map(child)).limit(3);
        while ends.next().await.is_some() {}
        check("as_completed");
        let streams = (0..20).map(|n| Box::pin(stream::once(child(n))));
        assert_eq!(gather_streams(streams).limit(3).await.len(), 20);
        check("gather_streams");
        assert!(race((0..20).map(child)).limit(3).await.is_some());
        assert_eq!(most.get(), 3, "in race");
    });
}

#[test]
fn a_child_that_is_always_ready_starves_neither_siblings_nor_other_tasks() {
    block_on(async {
        let (turns, done) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
        let (counted, stop) = (Rc::clone(&turns), Rc::clone(&done));
        let busy = poll_fn(move |cx| {
            counted.set(counted.get() + 1);
            cx.waker().wake_by_ref();
            if stop.get() { Poll::Ready(()) } else { Poll::Pending }
        });
        let (sender, receiver) = oneshot::channel();
        let sibling = async move {
            for _ in 0..10 {
                yield_now().await;
            }
            receiver.await.unwrap();
            done.set(true);
        };
        let children: [Pin<Box<dyn Future<Output = ()>>>; 2] = [Box::pin(busy), Box::pin(sibling)];
        let gathered = spawn(gather(children));
        for _ in 0..20 {
            yield_now().await; // This task has its turns, too.
        }
        assert_eq!(turns.get(), 20, "one poll a turn");
        sender.send(()).unwrap();
        gathered.await.unwrap();
    });
}

#[test]
fn a_waker_that_is_kept_when_the_gather_is_gone_wakes_nobody() {
    for n in SIZES {
        let kept = RefCell::new(Vec::new());
        let (count, waker) = Count::new();
        let mut parent = Box::pin(gather((0..n).map(|_| {
            poll_fn(|cx| {
                kept.borrow_mut().push(cx.waker().clone());
                Poll::<()>::Pending
            })
        })));
        assert!(parent.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        drop(parent);
        kept.take().into_iter().for_each(Waker::wake);
        assert_eq!(count.wakes(), 0);
        drop(waker);
        assert_eq!(Arc::strong_count(&count), 1, "nor is the parent kept");
    }
}

/// A leaf that keeps its first waker, as no leaf should: it is right only where all wakers of a child are alike.
struct First {
    waker: Option<Waker>,
    open: Rc<Cell<bool>>,
    outside: Rc<RefCell<Option<Waker>>>,
}

impl Future for First {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.open.get() {
            return Poll::Ready(());
        }
        if self.waker.is_none() {
            self.waker = Some(cx.waker().clone());
            *self.outside.borrow_mut() = self.waker.clone();
        }
        Poll::Pending
    }
}

#[test]
fn a_leaf_that_keeps_its_first_waker_wakes_whoever_polls_the_gather_now() {
    let (open, outside) = (Rc::<Cell<bool>>::default(), Rc::<RefCell<Option<Waker>>>::default());
    let leaf = First { waker: None, open: Rc::clone(&open), outside: Rc::clone(&outside) };
    let mut gathered = Box::pin(gather([leaf]));
    let tasks: [(Arc<Count>, Waker); 3] = std::array::from_fn(|_| Count::new());
    let wake = || outside.borrow().as_ref().unwrap().wake_by_ref();
    for (count, waker) in &tasks {
        assert!(gathered.as_mut().poll(&mut Context::from_waker(waker)).is_pending());
        wake();
        assert_eq!(count.wakes(), 1);
    }
    assert!(gathered.as_mut().poll(&mut Context::from_waker(&tasks[0].1)).is_pending());
    open.set(true);
    wake();
    assert_eq!(tasks.each_ref().map(|(count, _)| count.wakes()), [2, 1, 1]);
    assert!(gathered.as_mut().poll(&mut Context::from_waker(&tasks[0].1)).is_ready());
}

#[test]
fn foreign_threads_may_wake_while_the_gather_is_dropped() {
    for round in 0..200 {
        let wakers = Mutex::new(Vec::new());
        let drops = AtomicUsize::new(0);
        let (count, waker) = Count::new();
        let mut parent = Box::pin(gather((0..9).map(|_| {
            let (wakers, drops) = (&wakers, &drops);
            let guard = tests::OnDrop::new(|| _ = drops.fetch_add(1, Ordering::SeqCst));
            async move {
                let _guard = guard;
                poll_fn(|cx| {
                    wakers.lock().unwrap().push(cx.waker().clone());
                    Poll::<()>::Pending
                })
                .await;
            }
        })));
        assert!(parent.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        let kept = std::mem::take(&mut *wakers.lock().unwrap());
        thread::scope(|scope| {
            scope.spawn(|| kept.into_iter().for_each(Waker::wake));
            if round % 2 == 0 {
                thread::yield_now();
            }
            drop(parent);
        });
        assert_eq!(drops.load(Ordering::SeqCst), 9);
        assert!(count.wakes() <= 1);
        drop(waker);
        assert_eq!(Arc::strong_count(&count), 1);
    }
}

#[test]
fn a_gather_may_go_to_another_thread_between_two_polls() {
    let wakers = Arc::<Mutex<Vec<Option<Waker>>>>::default();
    let open = Arc::<AtomicUsize>::default();
    let (inner_wakers, inner_open) = (Arc::clone(&wakers), Arc::clone(&open));
    let mut gathered = Box::pin(gather((0..40).map(move |child| {
        let (wakers, open) = (Arc::clone(&inner_wakers), Arc::clone(&inner_open));
        poll_fn(move |cx| {
            if open.load(Ordering::SeqCst) > child {
                return Poll::Ready(child);
            }
            let mut wakers = wakers.lock().unwrap();
            let len = wakers.len().max(child + 1);
            wakers.resize(len, None);
            wakers[child] = Some(cx.waker().clone());
            Poll::Pending
        })
    })));
    for step in 0..4 {
        // Each step on a thread of its own; what was woken on the one before is polled here.
        open.store(10 * step, Ordering::SeqCst);
        let woken: Vec<Waker> = wakers.lock().unwrap().iter_mut().take(10 * step).filter_map(Option::take).collect();
        woken.into_iter().for_each(Waker::wake);
        gathered = thread::spawn(move || {
            let (count, waker) = Count::new();
            assert!(gathered.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            assert_eq!(count.wakes(), 0);
            gathered
        })
        .join()
        .unwrap();
    }
    open.store(40, Ordering::SeqCst);
    let woken: Vec<Waker> = wakers.lock().unwrap().iter_mut().filter_map(Option::take).collect();
    assert_eq!(woken.len(), 10);
    woken.into_iter().for_each(Waker::wake);
    assert!(futures_block_on(gathered).into_iter().eq(0..40));
}

#[test]
fn every_form_is_send_when_its_children_are() {
    fn is<T: Send + Debug>(value: T) -> T {
        value
    }
    let child = |n: u32| ready(Ok::<_, ()>(n));
    let thread = thread::spawn(move || {
        _ = is(race((0..3).map(child)));
        _ = is(as_completed((0..3).map(child)));
        futures_block_on(is(first_ok((0..3).map(child)).limit(2)))
    });
    assert_eq!(thread.join().unwrap(), Ok(0));
}
