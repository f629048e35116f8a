//! The forms whose children are polled in place, inside the task that awaits them: `gather`, `try_gather`, `race` and
//! `first_ok`. Each says what the end of a child means; the work is done in `form.rs` and `join.rs`.
//!
//! Read before: `form.rs`, `futures.rs`.

use crate::form::{Gathering, form};
use crate::futures::Futures;
use crate::slots::Progress;
use runtime::Mark;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Awaits all children together and gives their outputs, in the order of the input.
///
/// The children are futures, polled in place: they need not be `Send` or `'static` and may borrow from the caller. A
/// `Result` that a child gives is a value like any other, so this is asyncio's `gather(return_exceptions=True)`;
/// [`try_gather`](try_gather()) stops at the first error. Nothing happens before the first poll.
///
/// `gather([a(), b()])` of two different async functions does not compile (E0308), because they have two types.
/// [`Futures`] shows the cures, first of all [`gather!(a(), b())`](crate::gather!).
///
/// To `spawn` it, both the iterator and the children must be `'static`. If only the iterator borrows, and the children
/// own what they need, the compiler still says that the borrowed data escapes (E0521), or that it does not live long
/// enough (E0597). Collect the children first: `spawn(gather(urls.iter().map(owned).collect::<Vec<_>>()))`. futures'
/// `join_all` collects them in its call. A gather takes children only when it needs them.
///
/// # Panics
/// The future panics when it is polled again after it gave its results, or after a child panicked through it.
///
/// The panic of a child goes through the gather to its caller. The other children are dropped with the gather. When
/// that happens depends on where the gather is. Inside an async block it is dropped while the panic unwinds: a mutex
/// whose guard a child holds is poisoned, and a second panic, in a child's drop, aborts the process. If the gather
/// itself is spawned, `spawn(gather(…))`, it is dropped after the panic was caught: no mutex is poisoned, and one more
/// panic is caught, too.
///
/// # Cancel safety
/// Dropping it drops the children. `&mut gather` may be awaited in a `timeout` or a select and then be awaited again.
///
/// ```
/// use gather::gather;
/// use runtime::task::yield_now;
///
/// let words = ["glass", "loop"]; // the children borrow this
/// let lengths = runtime::block_on(gather(words.iter().map(async |word| {
///     yield_now().await;
///     word.len()
/// })));
/// assert_eq!(lengths, [5, 4]);
/// ```
#[track_caller]
pub fn gather<I: Futures<Output = T>, T>(iter: I) -> Gather<I::Iter, T> {
    Gather(Gathering::new(Mark::new("gather"), iter.into_futures()))
}

form! {
    /// The future of [`gather`](gather()).
    ///
    /// The functions that make the forms have the examples; here is how to name one:
    ///
    /// ```
    /// use std::future::{Ready, ready};
    ///
    /// let all: gather::Gather<std::array::IntoIter<Ready<u32>, 2>, u32> = gather::gather([ready(1), ready(2)]);
    /// assert_eq!(runtime::block_on(all), [1, 2]);
    /// ```
    Gather<I: Iterator, T>(Gathering<I, T>)
}

impl<I: Iterator<Item: Future<Output = T>>, T, P: FnMut(Progress)> Future for Gather<I, T, P> {
    type Output = Vec<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Vec<T>> {
        let Ok(values) = ready!(self.0.poll_values(cx, Ok::<T, Infallible>));
        Poll::Ready(values)
    }
}

/// Awaits all children together and gives their values in the order of the input, or the first error at once.
///
/// The first error is the one that comes first in time, not the one of the first child in the input. It is returned in
/// the poll in which it comes, at any number of children, and the other children are dropped then. It is the
/// counterpart of futures' `try_join_all`. It returns the error at once, as asyncio's `gather`, and ends the other
/// children, as `TaskGroup`. [`try_gather_tasks`](crate::try_gather_tasks) lets them run on.
///
/// # Errors
/// The first error of a child.
///
/// # Panics
/// The future panics when it is polled again after it gave its result, or after a child panicked through it.
///
/// # Cancel safety
/// Dropping it drops the children. `&mut gather` may be awaited in a `timeout` or a select and then be awaited again.
///
/// ```
/// use gather::try_gather;
///
/// runtime::block_on(async {
///     let parse = |text: &'static str| async move { text.parse::<u32>() };
///     assert_eq!(try_gather(["1", "2"].map(parse)).await, Ok(vec![1, 2]));
///     assert!(try_gather(["1", "two"].map(parse)).await.is_err());
/// });
/// ```
#[track_caller]
pub fn try_gather<I: Futures<Output = Result<T, E>>, T, E>(iter: I) -> TryGather<I::Iter, T> {
    TryGather(Gathering::new(Mark::new("try_gather"), iter.into_futures()))
}

form! {
    /// The future of [`try_gather`](try_gather()).
    TryGather<I: Iterator, T>(Gathering<I, T>)
}

impl<I: Iterator<Item: Future<Output = Result<T, E>>>, T, E, P: FnMut(Progress)> Future for TryGather<I, T, P> {
    type Output = Result<Vec<T>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_values(cx, |result| result)
    }
}

/// Awaits the first child that ends, and gives its index in the input and its output. The others are dropped.
///
/// `None` if there are no children. If several children are ready together, the one that was woken first wins. At the
/// first poll, the first ready child in the input wins, and the children behind it are never started. A `Result` is a
/// value like any other: [`first_ok`] waits for a success.
///
/// It is JavaScript's `Promise.race`, and asyncio's `wait(return_when=FIRST_COMPLETED)` with the others cancelled.
///
/// # Panics
/// The future panics when it is polled again after it gave its result, or after a child panicked through it.
///
/// # Cancel safety
/// Dropping it drops the children. `&mut race` may be awaited in a `timeout` or a select and then be awaited again.
///
/// ```
/// use std::time::Duration;
/// use gather::race;
/// use runtime::{Runtime, time::sleep};
///
/// let first = Runtime::builder().virtual_clock().build()?.block_on(race([30, 1, 20].map(|ms| async move {
///     sleep(Duration::from_millis(ms)).await;
///     ms
/// })));
/// assert_eq!(first, Some((1, 1)));
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn race<I: Futures>(iter: I) -> Race<I::Iter> {
    Race(Gathering::new(Mark::new("race"), iter.into_futures()))
}

form! {
    /// The future of [`race`].
    Race<I: Iterator>(Gathering<I, Infallible>)
}

impl<I: Iterator<Item: Future<Output = T>>, T, P: FnMut(Progress)> Future for Race<I, P> {
    type Output = Option<(usize, T)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let first = ready!(self.0.poll_next(cx));
        if first.is_some() {
            self.0.stop();
        }
        Poll::Ready(first)
    }
}

/// Awaits the first success, and drops the other children. If none succeeds, gives all errors, in input order.
///
/// It is JavaScript's `Promise.any` and futures' `select_ok`. asyncio has nothing like it.
///
/// # Errors
/// When every child has failed: their errors. Without children, an empty list.
///
/// # Panics
/// The future panics when it is polled again after it gave its result, or after a child panicked through it.
///
/// # Cancel safety
/// Dropping it drops the children. `&mut first_ok` may be awaited in a `timeout` or a select and then be awaited again.
///
/// ```
/// use gather::first_ok;
///
/// runtime::block_on(async {
///     let parse = |text: &'static str| async move { text.parse::<u32>().map_err(|_| text) };
///     assert_eq!(first_ok(["one", "2", "3"].map(parse)).await, Ok(2));
///     assert_eq!(first_ok(["one", "two"].map(parse)).await, Err(vec!["one", "two"]));
/// });
/// ```
#[track_caller]
pub fn first_ok<I: Futures<Output = Result<T, E>>, T, E>(iter: I) -> FirstOk<I::Iter, E> {
    FirstOk(Gathering::new(Mark::new("first_ok"), iter.into_futures()))
}

form! {
    /// The future of [`first_ok`].
    FirstOk<I: Iterator, E>(Gathering<I, E>)
}

impl<I: Iterator<Item: Future<Output = Result<T, E>>>, T, E, P: FnMut(Progress)> Future for FirstOk<I, E, P> {
    type Output = Result<T, Vec<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Errors are stored, and a success ends it.
        let swapped = |result: Result<T, E>| result.map_or_else(Ok, Err);
        Poll::Ready(match ready!(self.0.poll_values(cx, swapped)) {
            Ok(errors) => Err(errors),
            Err(success) => Ok(success),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Gate, Parent, gates, polls, yields};
    use std::cell::{Cell, RefCell};
    use std::future::{Pending, poll_fn, ready as at_once};
    use std::iter;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    fn gated(gates: &[Gate]) -> impl Iterator<Item: Future<Output = usize>> {
        gates.iter().enumerate().map(|(index, gate)| gate.child(index))
    }

    #[test]
    fn results_stand_in_the_order_of_the_input() {
        let gates = gates(4);
        let mut parent = Parent::new(gather(gated(&gates)));
        for index in [2, 0, 3] {
            parent.pending();
            gates[index].open();
        }
        parent.pending();
        gates[1].open();
        assert_eq!(parent.ready(), [0, 1, 2, 3]);
    }

    #[test]
    fn an_empty_input_is_ready_at_the_first_poll() {
        assert_eq!(Parent::new(gather(iter::empty::<Pending<()>>())).ready(), []);
        assert_eq!(Parent::new(gather(iter::empty::<Pending<()>>()).limit(3)).ready(), []);
        assert_eq!(Parent::new(try_gather(iter::empty::<Pending<Result<(), ()>>>())).ready(), Ok(vec![]));
    }

    #[test]
    fn nothing_happens_before_the_first_poll_then_children_are_taken_and_started_in_order() {
        let log = RefCell::new(Vec::new());
        let children = (0..3).map(|n| {
            log.borrow_mut().push(("take", n));
            poll_fn(|_| Poll::Ready(())).into_future_logged(&log, n)
        });
        let mut parent = Parent::new(gather(children));
        assert!(log.borrow().is_empty());
        parent.ready();
        let expected = [("take", 0), ("take", 1), ("take", 2), ("poll", 0), ("poll", 1), ("poll", 2)];
        assert_eq!(*log.borrow(), expected);
    }

    trait Logged: Future + Sized {
        async fn into_future_logged(self, log: &RefCell<Vec<(&'static str, usize)>>, n: usize) -> Self::Output {
            log.borrow_mut().push(("poll", n));
            self.await
        }
    }

    impl<F: Future> Logged for F {}

    #[test]
    fn a_wake_polls_its_child_and_no_other() {
        let gates = gates(5);
        let mut parent = Parent::new(gather(gated(&gates)));
        parent.pending();
        assert_eq!(polls(&gates), [1, 1, 1, 1, 1]);
        gates[3].wake();
        gates[3].wake();
        gates[1].wake();
        assert_eq!(parent.wakes(), 1);
        parent.pending();
        assert_eq!(polls(&gates), [1, 2, 1, 2, 1]);
        parent.pending(); // Nobody woke: nobody is polled.
        assert_eq!(polls(&gates), [1, 2, 1, 2, 1]);
        gates.iter().for_each(Gate::open);
        assert_eq!(parent.wakes(), 1);
        assert_eq!(parent.ready(), [0, 1, 2, 3, 4]);
        assert_eq!(polls(&gates), [2, 3, 2, 3, 2]);
    }

    #[test]
    fn a_batch_is_polled_in_the_order_of_its_wakes() {
        let order = RefCell::new(Vec::new());
        let gates = gates(20);
        let mut parent = Parent::new(gather(gates.iter().enumerate().map(|(index, gate)| {
            let (order, mut child) = (&order, gate.child(()));
            poll_fn(move |cx| {
                order.borrow_mut().push(index);
                Pin::new(&mut child).poll(cx)
            })
        })));
        parent.pending();
        order.borrow_mut().clear();
        for index in [17, 2, 9, 2, 0, 17] {
            gates[index].wake();
        }
        parent.pending();
        assert_eq!(*order.borrow(), [17, 2, 9, 0]);
    }

    #[test]
    fn children_that_wake_themselves_wake_the_parent_once_a_batch() {
        let mut parent = Parent::new(gather((0..100).map(|n| yields(n % 3, n))));
        parent.pending();
        assert_eq!(parent.wakes(), 1);
        parent.pending();
        assert_eq!(parent.wakes(), 1);
        assert_eq!(parent.ready().len(), 100);
        assert_eq!(parent.wakes(), 0);
    }

    #[test]
    fn a_child_that_is_always_ready_starves_nobody() {
        let (polls, gate) = (Cell::new(0), Gate::default());
        let busy = poll_fn(|cx| {
            polls.set(polls.get() + 1);
            cx.waker().wake_by_ref();
            if polls.get() < 10 { Poll::Pending } else { Poll::Ready(0) }
        });
        let waits = gate.child(1);
        let both: [Pin<Box<dyn Future<Output = usize>>>; 2] = [Box::pin(busy), Box::pin(waits)];
        let mut parent = Parent::new(gather(both));
        for n in 1..10 {
            parent.pending();
            assert_eq!((polls.get(), parent.wakes()), (n, 1));
        }
        gate.open();
        assert_eq!(parent.ready(), [0, 1]);
        assert_eq!((polls.get(), gate.polls()), (10, 2));
    }

    #[test]
    fn a_child_that_wakes_itself_both_ways_is_polled_once() {
        let polls = Cell::new(0);
        let mut parent = Parent::new(gather([poll_fn(|cx| {
            polls.set(polls.get() + 1);
            cx.waker().wake_by_ref();
            let kept = cx.waker().clone();
            kept.wake();
            if polls.get() < 3 { Poll::Pending } else { Poll::Ready(()) }
        })]));
        parent.pending();
        parent.pending();
        assert_eq!(polls.get(), 2);
        parent.ready();
        assert_eq!(polls.get(), 3);
    }

    #[test]
    fn a_child_woken_by_its_sibling_is_polled_in_the_next_batch() {
        let gate = Gate::default();
        let opener = poll_fn(|_| {
            gate.open();
            Poll::Ready(1)
        });
        let both: [Pin<Box<dyn Future<Output = usize>>>; 2] = [Box::pin(gate.child(0)), Box::pin(opener)];
        let mut parent = Parent::new(gather(both));
        parent.pending();
        assert_eq!((gate.polls(), parent.wakes()), (1, 1));
        assert_eq!(parent.ready(), [0, 1]);
    }

    #[test]
    fn the_task_that_polled_last_is_woken() {
        let gates = gates(2);
        let mut first = Parent::new(gather(gated(&gates)));
        first.pending();
        let mut second = first.hand_over();
        second.pending();
        gates[0].open();
        assert_eq!((first.wakes(), second.wakes()), (0, 1));
        second.pending();
        gates[1].open();
        assert_eq!(second.wakes(), 1);
        assert_eq!(second.ready(), [0, 1]);
    }

    #[test]
    fn a_child_is_dropped_as_soon_as_it_ends() {
        let gates = gates(3);
        let mut parent = Parent::new(gather(gated(&gates)));
        parent.pending();
        gates[1].open();
        parent.pending();
        assert_eq!(gates.iter().map(Gate::drops).collect::<Vec<_>>(), [0, 1, 0]);
        parent.drop_future();
        assert_eq!(gates.iter().map(Gate::drops).collect::<Vec<_>>(), [1, 1, 1]);
    }

    #[test]
    fn the_results_are_dropped_with_the_gather() {
        let gates = gates(20);
        let result = std::rc::Rc::new(());
        let mut parent = Parent::new(gather(gates.iter().map(|gate| gate.child(result.clone()))));
        parent.pending();
        gates[..15].iter().for_each(Gate::open);
        parent.pending();
        parent.drop_future();
        assert_eq!(std::rc::Rc::strong_count(&result), 1);
        assert!(gates.iter().all(|gate| gate.drops() == 1));
    }

    #[test]
    fn the_results_hold_on_to_no_more_than_a_page_of_the_childrens_memory() {
        let children = (0..1_000_usize).map(|n| async move {
            let large = [n; 64];
            yields(1, ()).await;
            large[n % 64]
        });
        let (results, _) = Parent::new(gather(children)).run();
        assert!((results.capacity() - results.len()) * size_of::<usize>() <= 4_096);
        assert!(results.into_iter().eq(0..1_000));
    }

    #[test]
    fn an_error_is_returned_at_once_and_the_others_are_dropped() {
        for n in [1, 2, 31, 5_000] {
            let gates = gates(n);
            let children = gates.iter().map(|gate| gate.child(Err::<(), _>("no")));
            let mut parent = Parent::new(try_gather(children));
            parent.pending();
            gates[n / 2].open();
            assert_eq!(parent.ready(), Err("no"));
            assert_eq!(polls(&gates).iter().sum::<usize>(), n + 1);
            assert!(gates.iter().all(|gate| gate.drops() == 1));
        }
    }

    #[test]
    fn the_first_error_is_the_one_that_comes_first() {
        let gates = gates(3);
        let children = gates.iter().enumerate().map(|(index, gate)| gate.child(Err::<(), _>(index)));
        let mut parent = Parent::new(try_gather(children));
        parent.pending();
        gates[2].open();
        gates[0].open();
        assert_eq!(parent.ready(), Err(2));
    }

    #[test]
    fn an_error_among_children_that_are_not_started_starts_no_more() {
        let taken = Cell::new(0);
        let children = (0..10).map(|n| {
            taken.set(taken.get() + 1);
            at_once(if n == 3 { Err(n) } else { Ok(n) })
        });
        assert_eq!(Parent::new(try_gather(children).limit(2)).ready(), Err(3));
        assert_eq!(taken.get(), 4);
    }

    #[test]
    fn values_without_an_error_are_all_returned() {
        let children = (0..70).map(|n| yields(n % 7, Ok::<_, ()>(n)));
        let (result, polls) = Parent::new(try_gather(children)).run();
        assert_eq!(result.unwrap(), (0..70).collect::<Vec<_>>());
        assert_eq!(polls, 7);
    }

    #[test]
    fn a_limit_takes_children_only_as_places_come_free() {
        let (taken, gates) = (Cell::new(0), gates(5));
        let children = gates.iter().enumerate().map(|(index, gate)| {
            taken.set(taken.get() + 1);
            gate.child(index)
        });
        let mut parent = Parent::new(gather(children).limit(2));
        assert_eq!(taken.get(), 0);
        parent.pending();
        assert_eq!(polls(&gates), [1, 1, 0, 0, 0]);
        gates[1].open();
        parent.pending();
        assert_eq!(polls(&gates), [1, 2, 1, 0, 0]);
        gates[0].open();
        gates[2].open();
        parent.pending();
        assert_eq!(polls(&gates), [2, 2, 2, 1, 1]);
        assert_eq!(taken.get(), 5);
        gates[4].open();
        gates[3].open();
        assert_eq!(parent.ready(), [0, 1, 2, 3, 4]);
        assert!(gates.iter().all(|gate| gate.drops() == 1));
    }

    #[test]
    fn a_million_children_that_are_ready_at_once_use_one_place() {
        let alive = Cell::new(0);
        let most = Cell::new(0);
        let children = (0..1_000_000_u32).map(|n| {
            let (alive, most) = (&alive, &most);
            alive.set(alive.get() + 1);
            most.set(alive.get().max(most.get()));
            async move {
                alive.set(alive.get() - 1);
                n
            }
        });
        let results = Parent::new(gather(children).limit(100)).ready();
        assert!(results.into_iter().eq(0..1_000_000));
        assert_eq!(most.get(), 1);
    }

    #[test]
    fn a_late_wake_of_the_child_before_costs_one_poll() {
        let gates = gates(2);
        let mut parent = Parent::new(gather(gated(&gates)).limit(1));
        parent.pending();
        let late = gates[0].waker();
        gates[0].open();
        parent.pending();
        assert_eq!(polls(&gates), [2, 1]);
        late.wake();
        parent.pending();
        assert_eq!(polls(&gates), [2, 2]);
        gates[1].open();
        assert_eq!(parent.ready(), [0, 1]);
    }

    #[test]
    #[should_panic(expected = "give the number that may be alive at once, at least 1")]
    fn a_limit_of_zero_is_refused() {
        _ = gather([at_once(())]).limit(0);
    }

    #[test]
    fn an_iterator_that_cannot_tell_its_length_is_taken_as_it_is() {
        for limit in [1, 3, 50, 1_000] {
            let children = || (0..100).filter(|n| n % 2 == 0).map(|n| yields(n % 5, n));
            let even: Vec<_> = (0..100).step_by(2).collect();
            assert_eq!(Parent::new(gather(children())).run().0, even);
            assert_eq!(Parent::new(gather(children()).limit(limit)).run().0, even);
        }
    }

    #[test]
    fn progress_is_reported_for_each_child_and_knows_the_total_when_the_iterator_does() {
        let seen = RefCell::new(Vec::new());
        let report = |p: Progress| seen.borrow_mut().push((p.completed, p.total));
        let children = || (0..3).map(|n| yields(3 - n, n));
        Parent::new(gather(children()).on_progress(report)).run();
        assert_eq!(seen.take(), [(1, Some(3)), (2, Some(3)), (3, Some(3))]);
        Parent::new(gather(children().filter(|_| true)).on_progress(report)).run();
        assert_eq!(seen.take(), [(1, Some(3)), (2, Some(3)), (3, Some(3))]);
        Parent::new(gather(children().filter(|_| true)).limit(1).on_progress(report)).run();
        assert_eq!(seen.take(), [(1, None), (2, None), (3, Some(3))]);
        Parent::new(gather(children()).limit(1).on_progress(report)).run();
        assert_eq!(seen.take(), [(1, Some(3)), (2, Some(3)), (3, Some(3))]);
    }

    #[test]
    #[should_panic(expected = "polled again after it had returned its results")]
    fn a_poll_after_the_end_is_refused() {
        let mut parent = Parent::new(gather([at_once(())]));
        parent.ready();
        _ = parent.poll();
    }

    #[test]
    #[should_panic(expected = "polled again after it had returned its results")]
    fn a_poll_after_an_error_is_refused() {
        let mut parent = Parent::new(try_gather([at_once(Err::<(), _>(()))]));
        _ = parent.ready();
        _ = parent.poll();
    }

    #[test]
    #[should_panic(expected = "polled again after a panic in one of its children")]
    fn a_poll_after_a_panic_is_refused() {
        let mut parent = Parent::new(gather([poll_fn(|_| -> Poll<()> { panic!("the child's") })]));
        catch_unwind(AssertUnwindSafe(|| parent.poll())).unwrap_err();
        _ = parent.poll();
    }

    #[test]
    fn a_panic_leaves_no_child_behind() {
        let gates = gates(3);
        let children = gates.iter().map(|gate| {
            let mut child = gate.child(());
            let last = std::ptr::eq(gate, &gates[2]);
            poll_fn(move |cx| if last { panic!("the child's") } else { Pin::new(&mut child).poll(cx) })
        });
        let mut parent = Parent::new(gather(children));
        catch_unwind(AssertUnwindSafe(|| parent.poll())).unwrap_err();
        gates[0].open();
        parent.drop_future();
        assert!(gates.iter().all(|gate| gate.drops() == 1));
    }

    #[test]
    fn a_search_through_endless_children_reserves_no_endless_memory() {
        let children = (0..usize::MAX).map(|n| at_once(if n < 10_000 { Ok(()) } else { Err(n) }));
        assert_eq!(Parent::new(try_gather(children).limit(8)).ready(), Err(10_000));
        let children = (0_usize..).map(|n| at_once(if n < 10_000 { Ok(()) } else { Err(n) }));
        assert_eq!(Parent::new(try_gather(children).limit(8)).ready(), Err(10_000));
    }

    #[test]
    fn any_number_of_children_with_any_pattern_of_wakes_ends_with_the_right_results() {
        let mut random = 1_u64;
        let mut next = move |below: usize| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) as usize % below
        };
        for round in 0..200 {
            let n = 1 + next(60);
            let gates = gates(n);
            let children = gates.iter().enumerate().map(|(index, gate)| {
                let (times, child) = (index % 4, gate.child(index));
                async move { yields(times, child.await).await }
            });
            let limit = 1 + next(n);
            let gather = gather(children);
            let mut parent = Parent::new(if round % 2 == 0 { gather } else { gather.limit(limit) });
            let results = loop {
                if let Poll::Ready(results) = parent.poll() {
                    break results;
                }
                let mut opened = 0;
                while parent.wakes() == 0 {
                    let waiting: Vec<_> = gates.iter().filter(|gate| gate.polls() == 1).collect();
                    let gate = waiting[next(waiting.len())];
                    gate.open();
                    opened += 1;
                    assert!(opened <= n);
                }
            };
            assert!(results.into_iter().eq(0..n));
            assert!(gates.iter().all(|gate| (gate.polls(), gate.drops()) == (2, 1)));
        }
    }

    #[test]
    fn a_gather_is_send_and_sync_and_unpin_when_it_can_be() {
        fn is<T: Send + Sync + Unpin>(value: T) -> T {
            value
        }
        drop(is(gather((0..3).map(at_once)).limit(2)));
        drop(is(try_gather((0..3).map(|n| at_once(Ok::<_, ()>(n)))).on_progress(|_| {})));
        fn is_unpin<T: Unpin>(value: T) -> T {
            value
        }
        drop(is_unpin(gather((0..3).map(|n| async move { n }))));
    }
}
