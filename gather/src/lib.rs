//! asyncio's `gather` for Rust: run futures side by side, and get their results in the order of the input.
//!
//! ```
//! use std::time::Duration;
//! use gather::gather;
//! use runtime::{block_on, time::sleep};
//!
//! let results = block_on(gather([30, 10, 20].map(|ms| async move {
//!     sleep(Duration::from_millis(ms)).await;
//!     ms
//! })));
//! assert_eq!(results, [30, 10, 20]); // in the order of the input, after 30 ms
//! ```
//!
//! **How does it know that all have ended?** Two ways, for two kinds of children:
//!
//! - *Tasks* ([`gather_tasks`], [`try_gather_tasks`]): **the waker counts**. One waker is shared by all children; each
//!   end counts it down, and the last one wakes the parent, the task that awaits the gather. The parent is polled
//!   twice, at any number of children.
//! - *Children in place* (all others): **the wakers mark** which children are ready, and the engine counts. A wake may
//!   come twice, or for nothing, so here only the end of a child counts. A batch of wakes costs the parent one poll,
//!   and that polls the marked children only.
//!
//! # Which form?
//!
//! Begin with [`gather`](gather()). Its children may borrow, need no task each, and run on any executor; and no result
//! is lost, because an error is a value like any other. Take [`try_gather`](try_gather()) to stop at the first error.
//! Take the `_tasks` forms if long polls of one child must not delay the timers of the others, or if the others should
//! run on after an error, as in asyncio.
//!
//! | form | gives | children | at the first error |
//! | --- | --- | --- | --- |
//! | [`gather(iter)`](gather()) | `Vec<T>` | in place | goes on |
//! | [`try_gather(iter)`](try_gather()) | `Result<Vec<T>, E>` | in place | returns it, drops the others |
//! | [`gather!(a, b)`](gather!) | `(A, B)` | in place, any types | goes on |
//! | [`try_gather!(a, b)`](try_gather!) | `Result<(A, B), E>` | in place, any types | returns it, drops the others |
//! | [`gather_tasks(iter)`](gather_tasks) | `Vec<Result<T, JoinError>>` | tasks | goes on |
//! | [`try_gather_tasks(iter)`](try_gather_tasks) | `Result<Vec<T>, TaskError<E>>` | tasks | returns it, **the others run on** |
//! | [`task_group(body)`](task_group) | `Result<T, Vec<TaskError<E>>>` | tasks, spawned meanwhile | aborts the others, awaits them |
//! | [`race(iter)`](race) | `Option<(usize, T)>` | in place | an end like any other |
//! | [`first_ok(iter)`](first_ok) | `Result<T, Vec<E>>` | in place | goes on: the next may succeed |
//! | [`as_completed(iter)`](as_completed) | a stream of `(usize, T)` | in place | goes on |
//! | [`gather_streams(iter)`](gather_streams) | `Vec<Vec<T>>` | streams, in place | |
//!
//! *In place*: polled inside the task that awaits them, as in tokio's `join!`. When a gather is dropped, its children
//! in place are dropped, and its tasks are aborted.
//!
//! A child in place that panics while it is dropped keeps none of the others from being dropped. If a second child of
//! the same gather panics in its drop then, the process ends: this is the standard library's rule for the items of a
//! `Vec`, and so it is with `futures::join_all`. A task's drop is apart from the others', and its panic is held back.
//!
//! | asyncio | here |
//! | --- | --- |
//! | `gather(*aws)` | [`try_gather_tasks`]; in place, and the others end: [`try_gather`](try_gather()) |
//! | `gather(*aws, return_exceptions=True)` | [`gather_tasks`]; in place: [`gather`](gather()) |
//! | `gather(a(), b())`, different results | [`gather!(a(), b())`](gather!), [`try_gather!(a(), b())`](try_gather!) |
//! | `wait(aws, return_when=FIRST_COMPLETED)` | [`race`] |
//! | `as_completed(aws)` | [`as_completed`] |
//! | `TaskGroup` | [`task_group`] |
//! | a `Semaphore` around each child | [`limit`](Gather::limit) |
//! | an `add_done_callback` on each child | [`on_progress`](Gather::on_progress) |
//!
//! `gather(a(), b())` does not compile here: a function takes one collection of futures of one type, an array, a `Vec`
//! or an iterator. `gather([a(), b()])` of two async functions does not compile either, because each `async fn` has a
//! type of its own (E0308). For different types there is [`gather!`]; [`Futures`] shows the other cures.
//!
//! # What holds for all of them
//!
//! - Results stand in the order of the input, whatever the order in which the children end. An empty input is ready at
//!   the first poll.
//! - Lazy: nothing happens before the first poll. Then the children are taken from the iterator and started in order.
//! - A child in place is polled once at the start, and then once for each batch of wakes in which it was woken. It is
//!   never polled after its end, and is dropped as soon as it ends. A wake costs the same among two children and among
//!   a million.
//! - With an exact size hint a gather in place allocates at most three times, at any number of children: one block for
//!   the children, which later holds the results, and two blocks that all wakers share. If no child clones its waker,
//!   the two are not allocated. A limit adds memory for the results. A gather of tasks allocates for its handles and
//!   for the tally, and the loop for each task.
//! - [`limit`](Gather::limit) bounds how many children are alive at once, [`on_progress`](Gather::on_progress) reports
//!   each end. Call both before the first poll.
//! - A gather that is polled again after it returned, or after a child panicked through it, panics with a message that
//!   says so.
//! - What is polled in place runs on any executor, tokio's multi-threaded one too, and is `Send` when its children are.
//!   Only the `_tasks` forms and `task_group` need `runtime`.
//!
//! # The contract with asyncio
//!
//! What CPython documents and tests of `asyncio.gather`, what happens here, and the test that shows it. Tests without a
//! file are in `tests/asyncio.rs`; long names are cut at "…". `tests/parity.rs` runs random programs and compares them,
//! event for event, with the record of what CPython did. *gather* stands for `gather_tasks` and `try_gather_tasks`.
//!
//! | asyncio | here | test |
//! | --- | --- | --- |
//! | results in the order of the awaitables | the same | `success` |
//! | no awaitables: done, with `[]` | the same, at the first poll | `empty_sequence` |
//! | coroutines are wrapped in tasks at once | at the first poll: a gather that nobody awaits does nothing | `tasks.rs`: `nothing_is_spawned_before_the_first_poll…` |
//! | the first exception is raised at once | the same, at any number of children | `one_exception` |
//! | the siblings of the one that failed run on | the same in `try_gather_tasks`; in place, and in a group, they end | `first_errors_compared…` |
//! | later exceptions are dropped and not logged | the same; [`on_late_error`](TryGatherTasks::on_late_error) reports them | `exception_marking` |
//! | `return_exceptions=True`: exceptions stand among the results | `gather_tasks`, `gather`; [`Outcomes`] tells them apart | `return_exceptions` |
//! | a cancelled child counts as one that raised `CancelledError` | the same: its error is the handle's `JoinError`, or `TaskError::Cancelled` when its runtime was dropped | `one_cancellation`, `result_exception_one_cancellation`; `tasks.rs`: `a_task_that_is_dropped_with_its_runtime…` |
//! | cancelling the gather cancels the children that have not ended | dropping it aborts them | `cancellation_broadcast` |
//! | … but not after it has raised an exception | the same | `cancellation_after_an_error…` |
//! | nesting | the same; to drop the outer one is to drop the inner ones | `nested_gathers` |
//! | futures that are done already: done in the next turn | done in the first poll | `already_finished_children` |
//! | the same awaitable twice: awaited once, two results | ownership forbids it; futures' `Shared` does it | `duplicate_coroutines` |
//! | an exception that nobody retrieves is logged | a result is a value: `#[must_use]` warns, nothing is logged | the example below |
//! | `wait_for(gather(…), t)`: the children are cancelled | `timeout(t, gather)`: they are dropped, tasks aborted; `&mut gather` goes on | `wait_for_around_a_gather`, `a_gather_in_a_wait_for…` |
//! | `shield(child)` is not cancelled with the gather | `spawn` it and gather its handle: whoever drops a handle leaves the task running | `gather_shield` |
//! | a child that raises `KeyboardInterrupt` stops the loop | a child that panics: in `gather_tasks` its own outcome, in place the caller's panic | `gathering.rs`: `a_panic_of_a_task_is_its_own_outcome…` |
//! | different types of results | a `Vec` has one type; [`gather!`] gives a tuple | `constructor_heterogenous_futures` |
//! | `as_completed` in the order of the ends | the same, each with its index; as tasks if it is given handles | `as_completed_in_the_order…` |
//!
//! A result that nobody uses is reported by the compiler:
//!
//! ```compile_fail
//! #![deny(unused_must_use)]
//! runtime::block_on(async {
//!     gather::try_gather_tasks([async { Err::<(), _>("lost") }]).await;
//! });
//! ```
//!
//! Differences that no program can show, or that show only within one millisecond:
//!
//! - To cancel is to drop: nothing is raised in a child, so it can neither catch its cancellation nor await in its
//!   clean-up.
//! - CPython 3.11's `wait_for` runs its body as a task, which costs one turn of the loop before it and one after it.
//!   `runtime::time::timeout` polls its future in place. So if several tasks ask for a permit in the same millisecond,
//!   another one may get it here than in asyncio.
//! - CPython 3.11's `as_completed` starts its children in no fixed order (it holds them in a set); here they start in
//!   the order of the input.
//!
//! # From other languages
//!
//! | there | on a failure | on cancel | without children | write here |
//! | --- | --- | --- | --- | --- |
//! | JavaScript `Promise.all` | rejects at once; the others run on | there is none | `[]` | [`try_gather_tasks`] |
//! | `Promise.allSettled` | a value like any other | there is none | `[]` | [`gather`](gather()), [`gather_tasks`] |
//! | `Promise.race` | ends it, if it comes first | there is none | waits for ever | [`race`], which gives `None` |
//! | `Promise.any` | the next one may succeed; an `AggregateError` of all | there is none | rejects at once | [`first_ok`] |
//! | Java `CompletableFuture.allOf` | waits for all, then fails with one of them | the others run on | done | [`gather`](gather()) and [`Outcomes::compound_error`] |
//! | C# `Task.WhenAll` | waits for all, then all exceptions (`await` throws the first) | by a token that each child looks at | done | [`gather`](gather()) and [`Outcomes::compound_error`] |
//! | Go `sync.WaitGroup` | knows no errors | by a context that each looks at | done | [`gather`](gather()) |
//! | Go `errgroup` | waits for all, gives the first; its context is cancelled | by the context | `nil` | [`task_group`] |
//! | Swoole `WaitGroup` | knows no errors | there is none | done | [`gather`](gather()); `wait(t)` is a `timeout` around it |
//! | Python `asyncio.TaskGroup` | cancels the others, awaits them, raises an `ExceptionGroup` | cancels and awaits them | done with its block | [`task_group`] |
//! | trio's nursery | the same | the same | done with its block | [`task_group`] |
//! | Kotlin `coroutineScope` | cancels the others, awaits them, throws the first | cancels and awaits them | done with its block | [`task_group`] |
//! | tokio `JoinSet` | a value like any other | dropping it aborts | `None` | [`gather_tasks`], or [`as_completed`] over handles |
//! | futures `try_join_all` | returned at once; the others are dropped | dropping it drops them | `Ok([])` | [`try_gather`](try_gather()) |
//!
//! # Reading order
//!
//! In the order of the `mod` lines below. `tally` is the easiest file, and the heart of the `_tasks` forms: a waker
//! that counts. Then come the children in place. `ready` is the set that their wakers mark, and `waker` has the wakers.
//! `join` is the engine: it polls what is marked, and counts what is left. `slots` has the children, and `form` has
//! what all forms share. The forms themselves are thin.

mod tally;

mod ready;
mod waker;
mod join;

mod slots;
mod form;
mod futures;
mod in_place;
mod pinned;
mod counted;
mod tasks;
#[doc(hidden)]
pub mod tuple;
mod streams;
mod group;
mod outcomes;

pub use futures::Futures;
pub use group::{TaskGroup, task_group};
pub use in_place::{FirstOk, Gather, Race, TryGather, first_ok, gather, race, try_gather};
pub use outcomes::{CompoundError, Outcomes};
pub use slots::Progress;
pub use streams::{AsCompleted, as_completed, gather_streams};
pub use tasks::{GatherTasks, TaskError, TryGatherTasks, gather_tasks, try_gather_tasks};

/// What the unit tests share: a parent that counts its wakes, and children that are opened by hand.
#[cfg(test)]
mod testing {
    use std::fmt::Debug;
    use std::pin::Pin;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::sync::{Arc, Mutex};
    use std::task::{Context, Poll, Wake, Waker};

    /// A parent that is polled by hand. Its waker counts.
    pub(crate) struct Parent<F> {
        future: Option<Pin<Box<F>>>,
        count: Arc<Count>,
    }

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    impl<F: Future> Parent<F> {
        pub(crate) fn new(future: F) -> Parent<F> {
            Parent { future: Some(Box::pin(future)), count: Arc::default() }
        }

        pub(crate) fn poll(&mut self) -> Poll<F::Output> {
            let waker = Waker::from(Arc::clone(&self.count));
            self.future.as_mut().expect("not dropped").as_mut().poll(&mut Context::from_waker(&waker))
        }

        #[track_caller]
        pub(crate) fn pending(&mut self) {
            assert!(self.poll().is_pending());
        }

        #[track_caller]
        pub(crate) fn ready(&mut self) -> F::Output
        where
            F::Output: Debug,
        {
            match self.poll() {
                Poll::Ready(output) => output,
                Poll::Pending => panic!("still pending"),
            }
        }

        /// How often it was woken since the last time that this was asked.
        pub(crate) fn wakes(&self) -> usize {
            self.count.0.swap(0, SeqCst)
        }

        /// Polls until it is ready, as long as it is woken. Gives the number of polls, too.
        #[track_caller]
        pub(crate) fn run(&mut self) -> (F::Output, usize) {
            for polls in 1.. {
                if let Poll::Ready(output) = self.poll() {
                    return (output, polls);
                }
                assert!(self.wakes() > 0, "pending after {polls} polls, and nobody will wake it");
            }
            unreachable!()
        }

        /// Drops the future. The parent stays, and counts on.
        pub(crate) fn drop_future(&mut self) {
            self.future = None;
        }

        /// Another task takes the future over; the old one stays behind.
        pub(crate) fn hand_over(&mut self) -> Parent<F> {
            Parent { future: self.future.take(), count: Arc::default() }
        }
    }

    /// Opens a [`Gated`] child, which is pending until then.
    #[derive(Clone, Default)]
    pub(crate) struct Gate(Arc<Mutex<Inside>>);

    #[derive(Default)]
    struct Inside {
        open: bool,
        waker: Option<Waker>,
        polls: usize,
        drops: usize,
    }

    impl Gate {
        pub(crate) fn child<T>(&self, output: T) -> Gated<T> {
            Gated { gate: self.clone(), output: Some(output) }
        }

        /// Lets the child end, and wakes it.
        pub(crate) fn open(&self) {
            self.open_silently();
            self.wake();
        }

        pub(crate) fn open_silently(&self) {
            self.0.lock().unwrap().open = true;
        }

        pub(crate) fn wake(&self) {
            let waker = self.waker();
            waker.wake_by_ref();
        }

        /// The waker that the child has kept.
        pub(crate) fn waker(&self) -> Waker {
            self.0.lock().unwrap().waker.clone().expect("the child has been polled")
        }

        pub(crate) fn polls(&self) -> usize {
            self.0.lock().unwrap().polls
        }

        pub(crate) fn drops(&self) -> usize {
            self.0.lock().unwrap().drops
        }
    }

    pub(crate) fn gates(n: usize) -> Vec<Gate> {
        (0..n).map(|_| Gate::default()).collect()
    }

    pub(crate) fn polls(gates: &[Gate]) -> Vec<usize> {
        gates.iter().map(Gate::polls).collect()
    }

    /// A child that waits for its gate. It keeps the latest waker.
    pub(crate) struct Gated<T> {
        gate: Gate,
        output: Option<T>,
    }

    impl<T> Unpin for Gated<T> {}

    impl<T> Future for Gated<T> {
        type Output = T;

        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
            let this = &mut *self;
            let mut inside = this.gate.0.lock().unwrap();
            inside.polls += 1;
            if inside.open {
                return Poll::Ready(this.output.take().expect("never polled after its end"));
            }
            inside.waker = Some(cx.waker().clone());
            Poll::Pending
        }
    }

    impl<T> Drop for Gated<T> {
        fn drop(&mut self) {
            self.gate.0.lock().unwrap().drops += 1;
        }
    }

    /// Is pending this many times, and wakes itself each time.
    pub(crate) async fn yields<T>(times: usize, output: T) -> T {
        for _ in 0..times {
            runtime::task::yield_now().await;
        }
        output
    }
}
