//! What comes from, or runs on, another thread: [`Handle`], and the place where a result waits when its maker and its
//! reader are on different threads.

use crate::join::{JoinError, JoinHandle, Settle};
use crate::task::{Birth, Id, Task};
use crate::wake::{self, Inbox, Message, Ticket, quiet_drop, wake_one};
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Spawns on a loop from any thread: asyncio's `run_coroutine_threadsafe`, tokio's `Handle`.
#[derive(Clone)]
pub struct Handle {
    inbox: Arc<Inbox>,
}

impl Handle {
    pub(crate) fn new(inbox: Arc<Inbox>) -> Handle {
        Handle { inbox }
    }

    /// Spawns `future` on the loop, from any thread.
    ///
    /// The [`JoinHandle`] stays on the calling thread, which may await it in a loop of its own. When the runtime is gone
    /// or goes before the task's end, the future is dropped and the handle says cancelled.
    ///
    /// ```
    /// let runtime = runtime::Runtime::new()?;
    /// let handle = runtime.handle();
    /// let asker = std::thread::spawn(move || runtime::block_on(handle.spawn(async { 6 * 7 })));
    /// runtime.block_on(async {
    ///     while !asker.is_finished() {
    ///         runtime::task::yield_now().await;
    ///     }
    /// });
    /// assert_eq!(asker.join().unwrap().unwrap(), 42);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (handle, settler) = SharedCell::channel(Id::remote());
        let at = Location::caller();
        self.inbox.post(Message::Spawn(Box::new(move |core| {
            if settler.is_aborted() {
                return quiet_drop(future);
            }
            let cell = settler.cell();
            let task = Task::new(future, settler, Birth { name: None, at });
            let (ticket, count) = core.insert(Rc::new(task));
            cell.spawned(ticket, count);
        })));
        handle
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

/// The result's place for what runs, or was asked for, on another thread: the same behind a lock.
pub(crate) struct SharedCell<T> {
    /// The number that the handle tells.
    pub(crate) id: Id,
    /// Locked for a few moves; no user code runs under it.
    state: Mutex<Shared<T>>,
}

/// What a [`SharedCell`]'s lock guards.
struct Shared<T> {
    /// See [`JoinCell`].
    result: Option<Result<T, JoinError>>,
    /// See [`JoinCell`].
    settled: bool,
    /// See [`JoinCell`].
    joiner: Option<Waker>,
    /// The task on its loop, once it was spawned there.
    task: Option<(Ticket, u64)>,
    /// An abort that came before that.
    aborted: bool,
}

impl<T> SharedCell<T> {
    /// A cell, its handle, and the end that settles it.
    pub(crate) fn channel(id: Id) -> (JoinHandle<T>, Settler<T>) {
        let cell = Arc::new(SharedCell {
            id,
            state: Mutex::new(Shared { result: None, settled: false, joiner: None, task: None, aborted: false }),
        });
        (JoinHandle::shared(Arc::clone(&cell)), Settler { cell })
    }

    fn lock(&self) -> MutexGuard<'_, Shared<T>> {
        // No user code runs under the lock, so a poisoned one is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For the handle.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Result<T, JoinError>> {
        // Cloned before the lock: a clone is foreign code. The one that it replaces is dropped after it.
        let fresh = cx.waker().clone();
        let mut state = self.lock();
        if let Some(result) = state.result.take() {
            return Poll::Ready(result);
        }
        let settled = state.settled;
        let old = if settled { None } else { state.joiner.replace(fresh) };
        drop(state);
        drop(old);
        assert!(!settled, "a JoinHandle was polled after it had given its result");
        Poll::Pending
    }

    /// Whether there has been a result.
    pub(crate) fn is_settled(&self) -> bool {
        self.lock().settled
    }

    /// Who waits: to be woken at the end, or a handle's that goes away.
    pub(crate) fn take_joiner(&self) -> Option<Waker> {
        self.lock().joiner.take()
    }

    /// Keeps the result, unless there is one.
    fn settle(&self, result: Result<T, JoinError>) {
        let mut state = self.lock();
        if state.settled {
            // The runtime is gone and has said cancelled. The result is dropped after the lock.
            drop(state);
            return drop(result);
        }
        state.settled = true;
        state.result = Some(result);
    }

    /// Tells which task of the loop this is; an abort that came before is passed on.
    pub(crate) fn spawned(&self, ticket: Ticket, count: u64) {
        let mut state = self.lock();
        state.task = Some((ticket, count));
        let aborted = state.aborted;
        drop(state);
        if aborted {
            wake::abort(ticket, count);
        }
    }

    /// For the handle: passes the abort on to the task, or keeps it for when there is one.
    pub(crate) fn abort(&self) {
        let mut state = self.lock();
        state.aborted = true;
        let task = state.task;
        drop(state);
        if let Some((ticket, count)) = task {
            wake::abort(ticket, count);
        }
    }
}

impl<T: Send> Abort for SharedCell<T> {
    fn abort(&self) {
        SharedCell::abort(self);
    }

    fn cancel(&self) {
        self.settle(Err(JoinError::cancelled()));
        self.take_joiner().into_iter().for_each(wake_one);
    }
}

/// The end of a [`SharedCell`] that gives the result. Dropped without one, it says cancelled: whatever happens to the
/// job or the message that holds it, the handle hears of it.
pub(crate) struct Settler<T> {
    cell: Arc<SharedCell<T>>,
}

impl<T> Settler<T> {
    /// Whether the handle asked for an abort before the task was spawned, or the job started.
    pub(crate) fn is_aborted(&self) -> bool {
        self.cell.lock().aborted
    }

    /// The cell, to name the task in it once it has one.
    pub(crate) fn cell(&self) -> Arc<SharedCell<T>> {
        Arc::clone(&self.cell)
    }
}

impl<T> Settle<T> for Settler<T> {
    fn settle(&self, result: Result<T, JoinError>) {
        self.cell.settle(result);
    }

    fn take_joiner(&self) -> Option<Waker> {
        self.cell.take_joiner()
    }
}

impl<T> Drop for Settler<T> {
    fn drop(&mut self) {
        self.settle(Err(JoinError::cancelled()));
        self.take_joiner().into_iter().for_each(wake_one);
    }
}

/// What can be done to a [`SharedCell`], whatever its result.
pub(crate) trait Abort: Send + Sync {
    /// For an [`AbortHandle`].
    fn abort(&self);

    /// For a runtime that is being dropped while a job runs: the handle says cancelled from now on.
    fn cancel(&self);
}
