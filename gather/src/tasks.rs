//! `gather_tasks` and `try_gather_tasks`: every child is a task of the loop, and the tally counts their ends.
//!
//! ```text
//!   first poll:   spawn, spawn, spawn; each JoinHandle is polled once and gets the tally as its waker
//!   the loop:     polls the tasks; the end of each wakes the tally, which counts down
//!   last end:     the tally wakes the parent
//!   second poll:  takes the result of every handle
//! ```
//!
//! The tally does not know which task has ended. Three methods must know it: [`limit`](GatherTasks::limit), to start
//! the next task; [`on_progress`](GatherTasks::on_progress), to report;
//! [`on_late_error`](TryGatherTasks::on_late_error), to say whose error it is. With them, the handles are children of
//! the engine (`join.rs`), and every end wakes the parent. With a limit, the tally takes over once the last task has
//! been started, and counts the ends of those that are left.
//!
//! Read before: `tally.rs`.

use crate::counted::Tasks;
use crate::form::form;
use crate::futures::Futures;
use crate::pinned::{Map, Pinned};
use crate::slots::Progress;
use crate::tally::Tally;
use runtime::{JoinError, JoinHandle, Mark, spawn, task::Builder, trace};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::{any::Any, convert::Infallible, error::Error, fmt, panic::Location, pin::Pin};

/// Runs each future as a task of the loop and gives all results, in the order of the input.
///
/// The tasks are spawned at the first poll, in the order of the input. A task that panics or is cancelled is an error
/// among the results; the others go on. This is asyncio's `gather(*tasks, return_exceptions=True)`.
///
/// The parent is polled exactly twice, at any number of children: to start them, and to take the results. With
/// [`limit`](GatherTasks::limit) it is polled once more whenever places have become free. With
/// [`on_progress`](GatherTasks::on_progress) it is polled once more in each turn in which children end, to report them.
///
/// # Panics
/// At the first poll outside a runtime, and when it is polled again after it gave its results.
///
/// # Cancel safety
/// When it is dropped, the tasks that have not ended are aborted.
///
/// ```
/// runtime::block_on(async {
///     let results = gather::gather_tasks((1..=3).map(|n| async move { 6 / (n - 2) })).await;
///     assert_eq!(*results[0].as_ref().unwrap(), -6);
///     assert!(results[1].as_ref().unwrap_err().is_panic());
///     assert_eq!(*results[2].as_ref().unwrap(), 6);
/// });
/// ```
///
/// It stays on the thread of its loop, as the handles of its tasks do:
///
/// ```compile_fail,E0277
/// fn travels<T: Send>(_: T) {}
/// travels(gather::gather_tasks([async {}]));
/// ```
#[track_caller]
pub fn gather_tasks<F: Future<Output = T> + 'static, T: 'static>(
    futures: impl Futures<Future = F>,
) -> GatherTasks<impl Iterator<Item = JoinHandle<T>>, T> {
    let at = Location::caller();
    let tally = Tally::new(Mark::new("gather_tasks"));
    let _mark = tally.mark;
    let handles = futures.into_futures().map(move |future| {
        let handle = Builder::new().at(at).spawn(future);
        trace!(@child_spawned(_mark));
        handle
    });
    GatherTasks(Tasks::new(handles, tally))
}

form! {
    /// The future of [`gather_tasks`].
    GatherTasks<I: Iterator<Item = JoinHandle<T>>, T>(Tasks<I, T, Result<T, JoinError>>)
}

impl<I, T, P> Future for GatherTasks<I, T, P>
where
    I: Iterator<Item = JoinHandle<T>>,
    P: FnMut(Progress),
{
    type Output = Vec<Result<T, JoinError>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Ok(results) = ready!(self.0.poll(cx, Ok::<_, Infallible>));
        Poll::Ready(results)
    }
}

/// Runs each future as a task of the loop and gives all values, or the first error at once; **the others run on**.
///
/// The first error is the one that comes first in time, not the one of the first child in the input. A panic or a
/// cancellation is an error too. What the other tasks give after that is lost. This is asyncio's `gather(*tasks)`.
///
/// The parent is polled exactly twice. [`gather_tasks`] names the exceptions.
///
/// # Errors
/// [`TaskError`] says how the task failed.
///
/// # Panics
/// At the first poll outside a runtime, and when it is polled again after it gave its result.
///
/// # Cancel safety
/// When it is dropped, the tasks that have not ended are aborted, as when asyncio's gather is cancelled. But if one of
/// them has failed before that, the others run on.
///
/// ```
/// use gather::{TaskError, try_gather_tasks};
///
/// runtime::block_on(async {
///     let parse = |text: &'static str| async move { text.parse::<u32>() };
///     assert_eq!(try_gather_tasks(["1", "2"].map(parse)).await.unwrap(), [1, 2]);
///     assert!(matches!(try_gather_tasks(["1", "two"].map(parse)).await, Err(TaskError::Failed(_))));
/// });
/// ```
#[track_caller]
pub fn try_gather_tasks<F: Future<Output = Result<T, E>> + 'static, T: 'static, E: 'static>(
    futures: impl Futures<Future = F>,
) -> TryGatherTasks<impl Iterator<Item = JoinHandle<Result<T, E>>>, T, E> {
    let at = Location::caller();
    let tally = Tally::new(Mark::new("try_gather_tasks"));
    let of_tasks = Arc::clone(&tally);
    let handles = futures.into_futures().enumerate().map(move |(index, future)| {
        let handle = Builder::new().at(at).spawn(watched(future, Alarm { index, armed: Some(Arc::clone(&of_tasks)) }));
        trace!(@child_spawned(of_tasks.mark));
        handle
    });
    TryGatherTasks(Tasks::new(handles, tally))
}

form! {
    /// The future of [`try_gather_tasks`].
    TryGatherTasks<I: Iterator<Item = JoinHandle<Result<T, E>>>, T, E>(Tasks<I, Result<T, E>, T>)
}

impl<I, T, E, P> Future for TryGatherTasks<I, T, E, P>
where
    I: Iterator<Item = JoinHandle<Result<T, E>>>,
    P: FnMut(Progress),
{
    type Output = Result<Vec<T>, TaskError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll(cx, flatten)
    }
}

impl<I, T: 'static, E: 'static, P: FnMut(Progress)> TryGatherTasks<I, T, E, P>
where
    I: Iterator<Item = JoinHandle<Result<T, E>>>,
{
    /// Reports the tasks that fail after the first one: `report` gets the index of each in the input, and its error.
    ///
    /// These tasks run on after the gather has returned, and one more task waits for them and calls `report`. Without
    /// this method their errors are lost, as in asyncio. Call it last, after `limit` and `on_progress`.
    ///
    /// # Panics
    /// After the first poll of the gather. The call itself only makes a future, so the panic comes when that is awaited.
    ///
    /// # Cancel safety
    /// Dropping it aborts the tasks, as without this method. Aborted tasks are not reported.
    ///
    /// ```
    /// use gather::try_gather_tasks;
    /// use runtime::task::yield_now;
    ///
    /// runtime::block_on(async {
    ///     let fails = |n: u32| async move { if n == 1 { Ok(()) } else { Err(n) } };
    ///     let all = try_gather_tasks([0, 1, 2].map(fails));
    ///     let all = all.on_late_error(|index, error| println!("{index} failed, too: {error}")); // 2 failed, too: 2
    ///     assert_eq!(all.await.unwrap_err().to_string(), "0");
    ///     yield_now().await;
    /// });
    /// ```
    pub async fn on_late_error(
        mut self,
        mut report: impl FnMut(usize, TaskError<E>) + 'static,
    ) -> Result<Vec<T>, TaskError<E>> {
        let gathering = &mut self.0.gathering;
        gathering.assert_new("on_late_error");
        let first = match poll_fn(|cx| gathering.poll_until(cx, flatten)).await {
            Ok(values) => return Ok(values),
            Err(first) => first,
        };
        let mut rest = gathering.stop_with_rest();
        drop(spawn(async move {
            while let Some((index, end)) = poll_fn(|cx| rest.poll_next(cx)).await {
                if let Err(error) = flatten(end) {
                    report(index, error);
                }
            }
        }));
        Err(first)
    }
}

/// If it is dropped while it is armed, it tells the tally that a task has failed. It lies beside the future of the
/// task. It is disarmed when the future returns `Ok`; after an error, a panic or an abort it is still armed. The loop
/// drops a task's future before it wakes the joiner, so the tally knows of the failure before that wake.
struct Alarm {
    /// The index of the task in the input.
    index: usize,
    /// `None` once it is disarmed.
    armed: Option<Arc<Tally>>,
}

impl Alarm {
    fn disarm(&mut self) {
        self.armed = None;
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if let Some(tally) = &self.armed {
            tally.fail(self.index);
        }
    }
}

/// What a task of [`try_gather_tasks`] runs: its future, with an alarm.
fn watched<F: Future<Output = Result<T, E>>, T, E>(future: F, mut alarm: Alarm) -> impl Future<Output = F::Output> {
    Pinned::new(
        future,
        Map(move |result: F::Output| {
            if result.is_ok() {
                alarm.disarm();
            }
            result
        }),
    )
}

/// How a task of [`try_gather_tasks`] failed. In asyncio it is an exception, and `CancelledError` is one of them. In
/// tokio it is the future's own error, or a `JoinError`.
///
/// ```
/// use gather::{TaskError, try_gather_tasks};
///
/// match runtime::block_on(try_gather_tasks([async { Err::<(), _>("no") }])) {
///     Ok(_) => unreachable!(),
///     Err(TaskError::Failed(error)) => assert_eq!(error, "no"),
///     Err(TaskError::Cancelled) => println!("its runtime is gone"),
///     Err(TaskError::Panicked(payload)) => std::panic::resume_unwind(payload),
/// }
/// ```
#[derive(Debug)]
pub enum TaskError<E> {
    /// Its future gave this error.
    Failed(E),
    /// It was aborted, or dropped with its runtime.
    Cancelled,
    /// It panicked; this is what [`std::panic::resume_unwind`] takes.
    Panicked(Box<dyn Any + Send>),
}

/// What [`try_gather_tasks`] makes of a task's result.
pub(crate) fn flatten<T, E>(result: Result<Result<T, E>, JoinError>) -> Result<T, TaskError<E>> {
    match result {
        Ok(result) => result.map_err(TaskError::Failed),
        Err(error) if error.is_panic() => Err(TaskError::Panicked(error.into_panic())),
        Err(_) => Err(TaskError::Cancelled),
    }
}

impl<E: fmt::Display> fmt::Display for TaskError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TaskError::Failed(error) => error.fmt(f),
            TaskError::Cancelled => f.write_str("the task was cancelled"),
            TaskError::Panicked(payload) => {
                let text = payload.downcast_ref().copied().or_else(|| payload.downcast_ref().map(String::as_str));
                write!(f, "the task panicked: {}", text.unwrap_or("the payload is not a text"))
            }
        }
    }
}

impl<E: Error> Error for TaskError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // `Failed` has the text of its error, so it has that error's source, too.
        if let TaskError::Failed(error) = self { error.source() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::yields;
    use runtime::task::yield_now;
    use runtime::{Runtime, block_on};
    use std::cell::{Cell, RefCell};
    use std::future::pending;
    use std::pin::pin;
    use std::rc::Rc;

    /// Awaits `future` and counts the polls that it takes.
    async fn counted<F: Future>(future: F) -> (F::Output, usize) {
        let (mut future, mut polls) = (pin!(future), 0);
        let output = poll_fn(|cx| {
            polls += 1;
            future.as_mut().poll(cx)
        });
        (output.await, polls)
    }

    /// Says when its task's future is dropped.
    struct Drops(Rc<Cell<usize>>);

    impl Drop for Drops {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }

    async fn turns(n: usize) {
        for _ in 0..n {
            yield_now().await;
        }
    }

    #[test]
    fn the_parent_is_polled_exactly_twice() {
        for n in [1, 2, 31, 5_000] {
            block_on(async {
                let (results, polls) = counted(gather_tasks((0..n).map(|i| yields(i % 13, i)))).await;
                assert!(results.into_iter().map(Result::unwrap).eq(0..n));
                assert_eq!(polls, 2);
                let (results, polls) = counted(try_gather_tasks((0..n).map(|i| yields(i % 13, Ok::<_, ()>(i))))).await;
                assert!(results.unwrap().into_iter().eq(0..n));
                assert_eq!(polls, 2);
            });
        }
    }

    #[test]
    fn no_task_takes_no_second_poll() {
        let (results, polls) = block_on(counted(gather_tasks((0..0).map(|i| yields(i, ())))));
        assert!(results.is_empty());
        assert_eq!(polls, 1);
    }

    #[test]
    fn with_a_limit_the_parent_is_polled_once_more_for_each_refill() {
        block_on(async {
            let (alive, most) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
            let child = |i| {
                let (alive, most) = (Rc::clone(&alive), Rc::clone(&most));
                async move {
                    alive.set(alive.get() + 1);
                    most.set(alive.get().max(most.get()));
                    turns(2).await;
                    alive.set(alive.get() - 1);
                    i
                }
            };
            let (results, polls) = counted(gather_tasks((0..12).map(child)).limit(3)).await;
            assert!(results.into_iter().map(Result::unwrap).eq(0..12));
            assert_eq!(most.get(), 3);
            assert_eq!(polls, 5); // The start, three refills of three, the end.
            let (_, polls) = counted(gather_tasks((0..3).map(child)).limit(3)).await;
            assert_eq!(polls, 2);
        });
    }

    #[test]
    fn with_progress_the_parent_is_polled_as_the_tasks_end() {
        let seen = RefCell::new(Vec::new());
        let tasks =
            gather_tasks((1..4).map(|i| yields(5 * i, ()))).on_progress(|p| seen.borrow_mut().push(p.completed));
        let (_, polls) = block_on(counted(tasks));
        assert_eq!(seen.take(), [1, 2, 3]);
        assert_eq!(polls, 4);
    }

    #[test]
    fn nothing_is_spawned_before_the_first_poll_then_in_order() {
        block_on(async {
            let log = Rc::new(RefCell::new(Vec::new()));
            let gather = gather_tasks((0..3).map(|i| {
                let log = Rc::clone(&log);
                async move { log.borrow_mut().push(i) }
            }));
            turns(3).await;
            assert!(log.borrow().is_empty());
            gather.await;
            assert_eq!(log.take(), [0, 1, 2]);
        });
    }

    #[test]
    fn a_panic_is_the_result_of_its_own_task() {
        let results = block_on(gather_tasks((0..3).map(|i| async move {
            yield_now().await;
            assert!(i != 1, "number one");
            i
        })));
        assert_eq!((results[0].as_ref().unwrap(), results[2].as_ref().unwrap()), (&0, &2));
        assert!(results[1].as_ref().unwrap_err().is_panic());
    }

    #[test]
    fn an_error_is_returned_at_once_and_the_other_tasks_run_on() {
        for n in [2, 31, 5_000] {
            block_on(async {
                let ended = Rc::new(Cell::new(0));
                let tasks = (0..n).map(|i| {
                    let ended = Rc::clone(&ended);
                    async move {
                        turns(if i == n / 2 { 3 } else { 9 }).await;
                        ended.set(ended.get() + 1);
                        if i == n / 2 { Err(i) } else { Ok(()) }
                    }
                });
                let (result, polls) = counted(try_gather_tasks(tasks)).await;
                assert!(matches!(result, Err(TaskError::Failed(i)) if i == n / 2));
                assert_eq!((ended.get(), polls), (1, 2));
                turns(10).await;
                assert_eq!(ended.get(), n);
            });
        }
    }

    #[test]
    fn the_first_error_is_the_one_that_comes_first() {
        let tasks = (0..3).map(|i| yields(9 - 2 * i, Err::<(), _>(i)));
        assert!(matches!(block_on(try_gather_tasks(tasks)), Err(TaskError::Failed(2))));
    }

    #[test]
    fn panics_and_cancellations_are_errors_too_and_as_prompt() {
        block_on(async {
            let tasks = (0..3).map(|i| async move {
                turns(i).await;
                if i == 1 {
                    panic!("number {i}");
                }
                pending::<Result<(), &str>>().await
            });
            match try_gather_tasks(tasks).await {
                Err(error @ TaskError::Panicked(_)) => assert_eq!(error.to_string(), "the task panicked: number 1"),
                other => panic!("{other:?}"),
            }
        });
    }

    #[test]
    fn a_task_that_is_dropped_with_its_runtime_is_cancelled() {
        let there = Runtime::new().unwrap();
        let here = Runtime::new().unwrap();
        let mut gather = pin!(try_gather_tasks([pending::<Result<(), ()>>(), pending()]));
        there.block_on(poll_fn(|cx| {
            assert!(gather.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        }));
        drop(there);
        assert!(matches!(here.block_on(gather), Err(TaskError::Cancelled)));
    }

    #[test]
    fn dropping_it_aborts_the_tasks_that_have_not_ended() {
        block_on(async {
            let (drops, ended) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
            let child = |i: usize| {
                let (guard, ended) = (Drops(Rc::clone(&drops)), Rc::clone(&ended));
                async move {
                    let _guard = guard;
                    turns(i).await;
                    ended.set(ended.get() + 1);
                    Ok::<_, ()>(())
                }
            };
            let mut tasks = Box::pin(gather_tasks([1, 100, 100].map(child)));
            let mut try_tasks = Box::pin(try_gather_tasks([1, 100, 100].map(child)));
            poll_fn(|cx| {
                assert!(tasks.as_mut().poll(cx).is_pending());
                assert!(try_tasks.as_mut().poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
            turns(5).await;
            assert_eq!((drops.get(), ended.get()), (2, 2));
            drop((tasks, try_tasks));
            assert_eq!(drops.get(), 2); // abort only asks.
            turns(2).await;
            assert_eq!((drops.get(), ended.get()), (6, 2));
        });
    }

    #[test]
    fn a_task_that_gives_an_error_at_once_does_not_wait_for_the_others() {
        block_on(async {
            let tasks = (0..3).map(|i| async move { if i == 0 { Err::<(), _>("no") } else { pending().await } });
            assert_eq!(try_gather_tasks(tasks).await.unwrap_err().to_string(), "no");
        });
    }

    #[test]
    #[should_panic(expected = "block_on")]
    fn outside_a_runtime_the_first_poll_names_the_cure() {
        let mut gather = pin!(gather_tasks([async {}]));
        _ = gather.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop()));
    }

    #[test]
    fn what_watches_a_task_is_small() {
        let future = || async {
            let bytes = [1_u8; 1_000];
            yield_now().await;
            Ok::<_, ()>(bytes.len())
        };
        let (plain, watched) = (
            size_of_val(&future()),
            size_of_val(&watched(future(), Alarm { index: 0, armed: Some(Tally::new(Mark::new(""))) })),
        );
        assert!(watched <= plain + 64, "{watched} for {plain}");
    }
}
