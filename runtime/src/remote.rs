//! What is asked of a loop from another thread: [`Handle`], and aborts of what the loop may not have begun.

use crate::join::{JoinError, JoinHandle, Settle, Target};
use crate::lock::Lock;
use crate::sync::oneshot::{self, Sender};
use crate::task::{Birth, Id, Task};
use crate::wake::{self, Inbox, Message, Ticket, quiet_drop};
use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

/// Spawns on a loop from any thread: asyncio's `run_coroutine_threadsafe`, tokio's `Handle`.
#[derive(Clone, Debug)]
pub struct Handle {
    inbox: Arc<Inbox>,
}

impl Handle {
    pub(crate) fn new(inbox: Arc<Inbox>) -> Handle {
        Handle { inbox }
    }

    /// Spawns `future` on the loop, from any thread: asyncio's `run_coroutine_threadsafe`, tokio's `Handle::spawn`.
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
        let (sender, receiver) = oneshot::channel();
        let remote = Remote::new();
        let handle = JoinHandle::elsewhere(receiver, Target::Remote(Arc::clone(&remote)));
        let at = Location::caller();
        self.inbox.post(Message::Spawn(Box::new(move |core| {
            if remote.is_aborted() {
                return quiet_drop((future, sender));
            }
            let task = Task::new(future, Sent(Cell::new(Some(sender))), Birth { name: None, at });
            let (ticket, count) = core.insert(Rc::new(task));
            remote.spawned(ticket, count);
        })));
        handle
    }
}

/// The result's way to another thread.
struct Sent<T>(Cell<Option<Sender<Result<T, JoinError>>>>);

impl<T> Settle<T> for Sent<T> {
    fn settle(&self, result: Result<T, JoinError>) {
        // Sending wakes a joiner and may drop the result: foreign code, both of it.
        let sender = self.0.take();
        quiet_drop(catch_unwind(AssertUnwindSafe(|| sender.map(|sender| sender.send(result)))));
    }

    /// Sending has woken it.
    fn take_joiner(&self) -> Option<Waker> {
        None
    }
}

/// A blocking job, or a task that was sent to another thread's loop: what its handle needs to abort it.
#[derive(Debug)]
pub(crate) struct Remote {
    /// The number that the handle tells.
    pub(crate) id: Id,
    state: Lock<State>,
}

/// What both threads touch.
#[derive(Debug, Default)]
struct State {
    /// The task on its loop, once it was spawned there.
    task: Option<(Ticket, u64)>,
    /// An abort has been asked for.
    aborted: bool,
}

impl Remote {
    pub(crate) fn new() -> Arc<Remote> {
        Arc::new(Remote { id: Id::remote(), state: Lock::new(State::default()) })
    }

    /// Changes the state, and aborts the task if there is one and it shall be.
    fn update(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock();
        change(&mut state);
        let target = state.task.filter(|_| state.aborted);
        drop(state);
        if let Some((ticket, count)) = target {
            wake::abort(ticket, count);
        }
    }

    /// For the handle: an abort that comes before there is a task waits for it.
    pub(crate) fn abort(&self) {
        self.update(|state| state.aborted = true);
    }

    /// Tells which task of the loop this is.
    fn spawned(&self, ticket: Ticket, count: u64) {
        self.update(|state| state.task = Some((ticket, count)));
    }

    /// Whether the handle asked for an abort.
    pub(crate) fn is_aborted(&self) -> bool {
        self.state.lock().aborted
    }
}
