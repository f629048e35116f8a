//! Tasks: their names and numbers, [`yield_now`], and [`spawn_blocking`] for work that would stop the loop.
//!
//! Read before: `join.rs`, `blocking.rs`.

pub use crate::circle::ticket::Id;

use crate::At;
use crate::JoinHandle;
use crate::circle::budget as of_polls;
use crate::circle::context;
use crate::circle::task::Birth;
use crate::threads::blocking;
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

/// Spawns a task with a name, which messages and the trace show; tokio's `task::Builder`.
///
/// ```
/// use runtime::{block_on, task};
///
/// block_on(async {
///     let greeter = task::Builder::new().name("greeter").spawn(async { "hello" });
///     assert_eq!(greeter.await.unwrap(), "hello");
/// });
/// ```
#[derive(Debug, Default)]
pub struct Builder {
    /// The name, once given.
    name: Option<Rc<str>>,
    /// The line of the spawn, when it is not the caller's.
    at: Option<&'static Location<'static>>,
}

impl Builder {
    /// A task without a name.
    pub fn new() -> Builder {
        Builder::default()
    }

    /// Names the task; asyncio's `create_task(…, name=…)`.
    pub fn name(mut self, name: impl AsRef<str>) -> Builder {
        self.name = Some(Rc::from(name.as_ref()));
        self
    }

    /// For a library that spawns for its caller: the caller's line is shown as the task's.
    #[doc(hidden)]
    pub fn at(self, at: &'static Location<'static>) -> Builder {
        Builder { at: Some(at), ..self }
    }

    /// Spawns `future` on the running loop, as [`spawn`](crate::spawn) does.
    ///
    /// # Panics
    /// Outside a runtime.
    #[inline]
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let birth = Birth { name: self.name, at: self.at.unwrap_or(Location::caller()) };
        context::current("spawn", |core| core.spawn(future, birth))
    }
}

/// Lets every other ready task run before the caller goes on: asyncio's `sleep(0)`, tokio's `yield_now`.
///
/// # Cancel safety
/// Dropping it does nothing.
///
/// ```
/// runtime::block_on(async {
///     runtime::task::yield_now().await;
/// });
/// ```
#[track_caller]
pub fn yield_now() -> YieldNow {
    YieldNow { yielded: false, _at: At::here() }
}

/// The future of [`yield_now`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct YieldNow {
    /// Whether it has been pending once.
    yielded: bool,
    /// Who yields, for the trace.
    _at: At,
}

impl Future for YieldNow {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.yielded {
            return Poll::Ready(());
        }
        self.yielded = true;
        trace!(below Waits { what: "its next turn" } at self._at);
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// For libraries that count the ends of tasks, as `gather` does.
#[doc(hidden)]
pub use crate::circle::join::note_join;

/// The budget of a poll, for libraries that poll many futures in one poll, as `gather` does.
#[doc(hidden)]
pub mod budget {
    pub use crate::circle::budget::{poll_left, spend, take};
}

/// Whether the task that is polled now has budget left.
///
/// In one poll, the loop's futures give a task at most 128 things: values, permits, ticks, connections, reads, writes.
/// The next future that is asked returns Pending and wakes the task, so the other tasks are polled first. The next poll
/// begins with 128 again. `try_*` functions use no budget. Outside of a loop there is no limit, and the answer is true.
/// tokio's `task::coop::has_budget_remaining`; asyncio has nothing like it: there, a task stops the loop if all that it
/// awaits is always ready.
///
/// ```
/// use runtime::{sync::mpsc, task::has_budget_remaining};
///
/// let (sender, mut receiver) = mpsc::unbounded();
/// (0..200).for_each(|n| sender.send(n).unwrap());
/// runtime::block_on(async {
///     for _ in 0..128 {
///         assert!(has_budget_remaining());
///         receiver.recv().await;
///     }
///     assert!(!has_budget_remaining());
///     assert_eq!(receiver.recv().await, Some(128)); // In the next poll.
///     assert!(has_budget_remaining());
/// });
/// ```
pub fn has_budget_remaining() -> bool {
    of_polls::LEFT.get() > 0
}

/// Takes one from the budget of the poll. If none is left, it lets the other tasks run first; tokio's `consume_budget`.
///
/// Use it in long work that waits for nothing. It yields only when the budget is spent, as the loop's own futures do.
///
/// # Cancel safety
/// Dropping it does nothing.
///
/// ```
/// runtime::block_on(async {
///     let mut sum = 0_u64;
///     for n in 0..1_000 {
///         sum += n;
///         runtime::task::consume_budget().await; // The others are polled seven times meanwhile.
///     }
///     assert_eq!(sum, 499_500);
/// });
/// ```
pub fn consume_budget() -> impl Future<Output = ()> {
    poll_fn(|cx| of_polls::spend(cx, |_| Poll::Ready(())))
}

/// Runs `f`, which may block, on a thread of the blocking pool: asyncio's `to_thread`, tokio's `spawn_blocking`.
///
/// Threads are started on demand, up to [`Builder::max_blocking_threads`](crate::Builder::max_blocking_threads); more
/// jobs wait in a queue. `abort` on the handle keeps a job from starting; it cannot stop a job that runs.
///
/// # Errors
/// The handle gives a panic when `f` panicked. It gives a cancellation when the job was aborted before it began, or
/// when the runtime was dropped. When no thread could be started for the job,
/// [`JoinError::io_error`](crate::JoinError::io_error) has the system's error.
///
/// # Panics
/// Outside a runtime.
///
/// # Cancel safety
/// Dropping the handle detaches the job.
///
/// ```
/// let sum = runtime::block_on(async {
///     runtime::task::spawn_blocking(|| (1..=1_000).sum::<u32>()).await.unwrap()
/// });
/// assert_eq!(sum, 500_500);
/// ```
#[track_caller]
pub fn spawn_blocking<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let at = At::here();
    explore!(refuse("spawn_blocking", "a blocking job runs on another thread"));
    context::current("spawn_blocking", |core| blocking::submit(core, f, at))
}
