//! The forms for streams: `as_completed` gives a stream, `gather_streams` takes streams.
//!
//! Read before: `in_place.rs`, `pinned.rs`.

use crate::form::{Gathering, form};
use crate::futures::Futures;
use crate::in_place::Gather;
use crate::join::Stage;
use crate::pinned::Pinned;
use crate::slots::Progress;
use futures_core::Stream;
use runtime::Mark;
use runtime::task::budget;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::{future::poll_fn, mem};

/// After this many items in a row, a stream of [`gather_streams`] lets the others go on. tokio's budget for such cases
/// is 128 small steps. An item may be more work than such a step, so the number here is smaller.
const ITEMS_IN_A_ROW: usize = 32;

/// A stream of the children's outputs in the order in which they come, each with its index in the input.
///
/// The children are polled in place, and only while the stream is polled. They may borrow, and are dropped with the
/// stream. This is asyncio's `as_completed`, which gives no index; and futures' `FuturesUnordered`.
///
/// # Panics
/// When it is polled again after a child panicked through it.
///
/// # Cancel safety
/// A `next()` that is dropped loses nothing.
///
/// ```
/// use std::time::Duration;
/// use gather::as_completed;
/// use runtime::{Runtime, time::sleep};
///
/// Runtime::builder().virtual_clock().build()?.block_on(async {
///     let mut laps = as_completed([20, 1, 10].map(|ms| async move {
///         sleep(Duration::from_millis(ms)).await;
///         ms
///     }));
///     assert_eq!(laps.next().await, Some((1, 1)));
///     assert_eq!(laps.next().await, Some((2, 10)));
///     assert_eq!(laps.next().await, Some((0, 20)));
///     assert_eq!(laps.next().await, None);
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn as_completed<I: Futures>(iter: I) -> AsCompleted<I::Iter> {
    AsCompleted(Gathering::new(Mark::new("as_completed"), iter.into_futures()))
}

form! {
    /// The stream that [`as_completed`] gives.
    AsCompleted<I: Iterator>(Gathering<I, Infallible>)
}

impl<I: Iterator<Item: Future>, P: FnMut(Progress)> AsCompleted<I, P> {
    /// The next output and the index of its child, or `None` when all children have ended. asyncio's `await next(…)`
    /// over `as_completed`; there, each child must return its index itself.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing: the children stay where they are.
    ///
    /// ```
    /// runtime::block_on(async {
    ///     let mut ends = gather::as_completed([1, 2].map(|n| async move { 10 * n }));
    ///     assert_eq!(ends.next().await, Some((0, 10)));
    ///     assert_eq!(ends.next().await, Some((1, 20)));
    ///     assert_eq!(ends.next().await, None);
    /// });
    /// ```
    pub async fn next(&mut self) -> Option<(usize, <I::Item as Future>::Output)> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl<I: Iterator<Item: Future>, P: FnMut(Progress)> Stream for AsCompleted<I, P> {
    type Item = (usize, <I::Item as Future>::Output);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.0.engine.stage == Stage::Done {
            return budget::spend(cx, |_| Poll::Ready(None)); // As at the end of a channel: who asks on and on pauses.
        }
        let next = ready!(self.0.poll_next(cx));
        if next.is_none() {
            self.0.children.let_go();
        }
        Poll::Ready(next)
    }

    /// As many as the iterator has left, plus the children that are alive.
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.children.ends_to_come()
    }
}

/// Runs the streams to their ends, side by side, and gives the items of each, in the order of the input.
///
/// It is a [`Gather`] of one future for each stream, with its `limit` and `on_progress`. A stream that always has an
/// item ready does not keep the others from going on.
///
/// # Panics
/// When it is polled again after it gave its results, or after a stream panicked through it.
///
/// # Cancel safety
/// Dropping it drops the streams, and the items taken so far.
///
/// ```
/// use gather::{as_completed, gather_streams};
///
/// runtime::block_on(async {
///     let streams = [1, 2].map(|tens| as_completed((0..2).map(move |n| async move { 10 * tens + n })));
///     assert_eq!(gather_streams(streams).await, [[(0, 10), (1, 11)], [(0, 20), (1, 21)]]);
/// });
/// ```
#[track_caller]
pub fn gather_streams<S: Stream<Item = T>, T>(
    streams: impl IntoIterator<Item = S>,
) -> Gather<impl Iterator<Item = impl Future<Output = Vec<T>>>, Vec<T>> {
    let ends = streams.into_iter().map(|stream| Pinned::new(stream, Vec::new()));
    Gather(Gathering::new(Mark::new("gather_streams"), ends))
}

/// Polls a stream until its end. Beside it lie the items that it has given so far.
impl<S: Stream> Future for Pinned<S, Vec<S::Item>> {
    type Output = Vec<S::Item>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Vec<S::Item>> {
        let (mut stream, items) = self.project();
        for _ in 0..ITEMS_IN_A_ROW {
            match ready!(stream.as_mut().poll_next(cx)) {
                Some(item) => items.push(item),
                None => return Poll::Ready(mem::take(items)),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Gate, Parent, gates, polls, yields};
    use std::cell::Cell;

    #[test]
    fn outputs_come_in_the_order_in_which_the_children_end() {
        let gates = gates(5);
        let mut stream = as_completed(gates.iter().enumerate().map(|(index, gate)| gate.child(10 * index)));
        let mut next = Parent::new(poll_fn(|cx| Pin::new(&mut stream).poll_next(cx)));
        next.pending();
        gates[3].open();
        gates[1].open();
        assert_eq!(next.wakes(), 1);
        assert_eq!(next.ready(), Some((3, 30)));
        assert_eq!(next.ready(), Some((1, 10)));
        next.pending();
        for index in [4, 0, 2] {
            gates[index].open();
            assert_eq!(next.ready(), Some((index, 10 * index)));
        }
        assert_eq!(next.ready(), None);
        assert_eq!(next.ready(), None);
        assert_eq!(polls(&gates), [2; 5]);
    }

    #[test]
    fn what_is_woken_while_a_batch_is_handed_out_is_not_lost() {
        let gates = gates(4);
        let mut stream = as_completed(gates.iter().map(|gate| gate.child(())));
        let mut next = Parent::new(poll_fn(|cx| Pin::new(&mut stream).poll_next(cx)));
        next.pending();
        gates[0].open();
        gates[1].wake(); // Behind it in the batch, and not ready.
        assert_eq!(next.ready(), Some((0, ())));
        gates[2].open();
        gates[3].open();
        assert_eq!(next.ready(), Some((2, ())));
        assert_eq!(next.ready(), Some((3, ())));
        next.pending();
        gates[1].open();
        assert_eq!(next.ready(), Some((1, ())));
    }

    #[test]
    fn the_task_that_polled_last_is_woken() {
        let gates = gates(2);
        let mut stream = as_completed(gates.iter().map(|gate| gate.child(())));
        let mut first = Parent::new(poll_fn(|cx| Pin::new(&mut stream).poll_next(cx)));
        first.pending();
        gates[0].open();
        assert_eq!(first.ready(), Some((0, ())));
        first.wakes();
        let mut second = first.hand_over();
        second.pending();
        gates[1].open();
        assert_eq!((first.wakes(), second.wakes()), (0, 1));
    }

    #[test]
    fn an_endless_supply_of_children_that_are_ready_starves_nobody() {
        let gate = Gate::default();
        let children = (0..).map(|n| {
            let gate = if n == 0 { gate.clone() } else { Gate::default() };
            if n > 0 {
                gate.open_silently();
            }
            gate.child(n)
        });
        let mut stream = as_completed(children).limit(2);
        let mut next = Parent::new(poll_fn(|cx| Pin::new(&mut stream).poll_next(cx)));
        for n in 1..100 {
            assert_eq!(next.ready(), Some((n, n)));
        }
        gate.open();
        assert_eq!(next.ready(), Some((0, 0)));
        assert_eq!(next.ready(), Some((100, 100)));
    }

    #[test]
    fn all_outputs_come_with_any_limit() {
        for limit in [1, 2, 7, 1_000] {
            let mut stream = as_completed((0..500).map(|n| yields(n % 11, n))).limit(limit);
            let (mut all, _) = Parent::new(async {
                let mut all = Vec::new();
                while let Some((index, n)) = stream.next().await {
                    assert_eq!(index, n);
                    all.push(n);
                }
                all
            })
            .run();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..500));
        }
    }

    #[test]
    fn streams_run_side_by_side() {
        let gates = gates(4);
        let streams =
            gates.chunks(2).map(|gates| as_completed(gates.iter().enumerate().map(|(n, gate)| gate.child(n))));
        let mut parent = Parent::new(gather_streams(streams));
        for index in [3, 0, 1, 2] {
            parent.pending();
            gates[index].open();
        }
        assert_eq!(parent.ready(), [[(0, 0), (1, 1)], [(1, 1), (0, 0)]]);
    }

    /// A stream that always has an item.
    struct Endless<'a>(&'a Cell<usize>, usize);

    impl Stream for Endless<'_> {
        type Item = usize;

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<usize>> {
            self.0.set(self.0.get() + 1);
            self.1 -= 1;
            Poll::Ready(self.1.checked_sub(1))
        }
    }

    #[test]
    fn a_stream_that_always_has_an_item_lets_the_others_go_on() {
        let (first, second) = (Cell::new(0), Cell::new(0));
        let mut parent = Parent::new(gather_streams([Endless(&first, 100), Endless(&second, 100)]));
        parent.pending();
        assert_eq!((first.get(), second.get(), parent.wakes()), (32, 32, 1));
        let (items, polls) = parent.run();
        assert_eq!((items[0].len(), items[1].len(), polls), (99, 99, 3));
    }
}
