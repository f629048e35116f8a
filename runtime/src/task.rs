//! A task (1): a future, the place for its result, and where it was spawned, in one allocation.
//!
//! The loop holds a task as `Rc<dyn Run>` and opens its future; the [`JoinHandle`] holds the same allocation as the
//! place of the result and never sees the future. Nobody counts references while a task runs: the count changes when
//! it is spawned, when it ends and when its handle is dropped.

use crate::join::{JoinError, JoinHandle, Payload, Settle};
use crate::wake::quiet_drop;
use crate::{At, blocking, context};
use std::cell::RefCell;
use std::future::Future;
use std::num::NonZeroU64;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

/// Where a task comes from: for people, in messages and in the trace.
#[derive(Clone, Debug)]
pub(crate) struct Birth {
    /// What [`Builder::name`] gave it.
    pub(crate) name: Option<Rc<str>>,
    /// The line of the spawn.
    pub(crate) at: &'static Location<'static>,
}

/// A future with its way of handing on the result: `J` is a cell in the same allocation for tasks of this thread, and
/// one behind a lock for those that another thread spawned.
pub(crate) struct Task<F, J> {
    /// Where the result goes.
    pub(crate) join: J,
    /// Who spawned it.
    birth: Birth,
    /// The future, until it ends. Only the loop opens this cell, one poll at a time; it stays where it is until it is
    /// dropped there.
    future: RefCell<Option<F>>,
}

/// What the loop does with a task.
pub(crate) trait Run {
    /// (3) Polls the future once. At its end the future is dropped and the result is kept.
    fn poll(&self, cx: &mut Context<'_>) -> Poll<()>;

    /// Drops the future without another poll; the result is a cancellation.
    fn cancel(&self);

    /// Who waits for the result, to be woken.
    fn take_joiner(&self) -> Option<Waker>;

    /// Who spawned it.
    fn birth(&self) -> &Birth;
}

impl<F, J> Task<F, J> {
    pub(crate) fn new(future: F, join: J, birth: Birth) -> Task<F, J> {
        Task { join, birth, future: RefCell::new(Some(future)) }
    }

    /// Drops the future in its place.
    ///
    /// # Errors
    /// What it panicked with.
    fn drop_future(&self) -> Result<(), Payload> {
        catch_unwind(AssertUnwindSafe(|| *self.future.borrow_mut() = None))
    }
}

impl<F: Future, J: Settle<F::Output>> Run for Task<F, J> {
    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut slot = self.future.borrow_mut();
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let future = slot.as_mut().expect("nothing is polled after its end");
            // SAFETY: `new_unchecked` asks that the future is not moved until it is dropped. It lies in an `Rc`
            // allocation (a `Task` is reached through `Rc<dyn Run>` only), no method moves it out of its cell, and
            // `drop_future` drops it in place.
            #[allow(unsafe_code, reason = "the projection from a task to its future")]
            let future = unsafe { Pin::new_unchecked(future) };
            future.poll(cx)
        }));
        drop(slot);
        let result = match polled.inspect_err(|_| trace!(TaskPanicked)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(value)) => Ok(value),
            Err(payload) => Err(JoinError::panicked(payload)),
        };
        // The result stands even if the future panics while it is dropped: the panic hook has told of that.
        if let Err(payload) = self.drop_future() {
            quiet_drop(payload);
        }
        self.join.settle(result);
        Poll::Ready(())
    }

    fn cancel(&self) {
        self.join.settle(Err(match self.drop_future() {
            Ok(()) => JoinError::cancelled(),
            Err(payload) => JoinError::panicked(payload),
        }));
    }

    fn take_joiner(&self) -> Option<Waker> {
        self.join.take_joiner()
    }

    fn birth(&self) -> &Birth {
        &self.birth
    }
}

/// Tells tasks apart: unique in the process, whatever the runtime, and never given twice.
///
/// The counterpart of tokio's `task::Id`; from [`JoinHandle::id`], whose page has an example.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Id(NonZeroU64);

impl Id {
    /// The runtime's number above, the task's number below.
    pub(crate) fn new(runtime: u16, count: u64) -> Id {
        Id(NonZeroU64::MIN.saturating_add(u64::from(runtime) << 48 | count))
    }

    /// For a job, and for what another thread spawns: no runtime has this number.
    pub(crate) fn remote() -> Id {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Id::new(u16::MAX, NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (runtime, count) = ((self.0.get() - 1) >> 48, (self.0.get() - 1) & ((1 << 48) - 1));
        write!(f, "{runtime}.{count}")
    }
}

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

    /// For a library that spawns for its caller: whose line is shown.
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
        trace!(Waits { what: "its next turn" } at self._at);
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Runs `f`, which may block, on a thread of the blocking pool: asyncio's `to_thread`, tokio's `spawn_blocking`.
///
/// Threads are started on demand, up to [`Builder::max_blocking_threads`](crate::Builder::max_blocking_threads); more
/// jobs wait in line. `abort` on the handle keeps a job from starting and cannot stop one that runs.
///
/// # Errors
/// The handle's error is a panic when `f` panicked, a cancellation when the job was aborted before it began or the
/// runtime was dropped, and [`JoinError::io_error`] when no thread could be started for it.
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
    context::current("spawn_blocking", |core| blocking::submit(core, f, at))
}
