//! [`Handle`]: spawns on a loop from another thread. And [`Remote`], which aborts what the loop may not have begun yet.
//!
//! Read before: `inbox.rs`, `transfer.rs`.

use crate::circle::context;
use crate::circle::core::Core;
use crate::circle::join::{Abort, JoinHandle, Target};
use crate::circle::remote::{Errand, Message};
use crate::circle::result::{JoinError, ResultPlace, Settle, TAKEN};
use crate::circle::task::{Birth, Task};
use crate::circle::ticket::{Id, Ticket};
use crate::circle::wake::{self, wake_one};
use crate::parts::foreign::{Quiet, quiet_drop, quietly};
use crate::parts::lock::Lock;
use crate::parts::share::Anywhere;
use crate::parts::transfer::{Found, Transfer};
use crate::threads::inbox::Inbox;
use std::cell::Cell;
use std::future::Future;
use std::panic::Location;
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

    /// The handle of the running loop; tokio's `Handle::current`, asyncio's `get_running_loop`.
    ///
    /// A job of the blocking pool runs outside of the loop: get the handle before, and move it into the job.
    ///
    /// # Panics
    /// Outside a runtime.
    ///
    /// ```
    /// use runtime::{Handle, block_on, task};
    ///
    /// let answer = block_on(async {
    ///     let handle = Handle::current();
    ///     let job = task::spawn_blocking(move || handle.spawn(async { 42 }).id());
    ///     job.await.is_ok()
    /// });
    /// assert!(answer);
    /// ```
    #[track_caller]
    pub fn current() -> Handle {
        let inbox = context::current("Handle::current", |core| core.threads.share());
        Handle::new(inbox.downcast().expect("a loop is made with an inbox"))
    }

    /// Tells the loop that something outside will wake it: another thread, another loop, a device. It matters under the
    /// virtual clock only. There, a loop that has nothing to do (no task is ready, no timer is armed, no socket is
    /// registered and no blocking job is under way) panics, because nothing can happen any more. While a guard lives,
    /// the loop parks instead, in real time, until it is woken.
    ///
    /// While a timer is armed, time still jumps: it does not wait for the outside. Make the guard before the loop has
    /// nothing to do. Keep it until the last wake or message from outside has been sent.
    ///
    /// ```
    /// use runtime::{Handle, Runtime, sync::oneshot};
    ///
    /// let runtime = Runtime::builder().virtual_clock().build()?;
    /// let answer = runtime.block_on(async {
    ///     let (tell, told) = oneshot::channel();
    ///     let outside = Handle::current().outside();
    ///     std::thread::spawn(move || {
    ///         std::thread::sleep(std::time::Duration::from_millis(5));
    ///         let _ = tell.send("from another thread");
    ///         drop(outside);
    ///     });
    ///     told.await
    /// });
    /// assert_eq!(answer, Ok("from another thread"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn outside(&self) -> Outside {
        self.inbox.add_outside();
        Outside { inbox: Arc::clone(&self.inbox) }
    }

    /// Spawns `future` on the loop, from any thread: asyncio's `run_coroutine_threadsafe`, tokio's `Handle::spawn`.
    ///
    /// The [`JoinHandle`] stays on the calling thread, which may await it in a loop of its own. If the runtime is gone,
    /// or is dropped before the task's end, the future is dropped, and the handle gives a cancellation.
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
        let transfer = Transfer::new();
        let remote = Remote::new(self.inbox.address());
        let arrival = Rc::new(Arrival { transfer: transfer.clone(), taken: Cell::new(false) });
        let handle = JoinHandle::new(arrival, Target::Remote(Arc::clone(&remote) as _));
        let (future, result, at) = (Quiet::new(future), Departure(transfer), Location::caller());
        let spawn = move |core: &Core| {
            if remote.is_aborted() {
                return quiet_drop((future, result));
            }
            let task = Task::new(future.into_inner(), result, Birth { name: None, at });
            let (ticket, serial) = core.insert(Rc::new(task));
            trace!(@spawned(remote.id(), ticket));
            remote.spawned(ticket, serial);
        };
        self.inbox.post(Message::Run(Errand::Spawn, Box::new(spawn)));
        handle
    }
}

/// While it lives, it tells the loop that something outside will wake it; [`Handle::outside`] gives one. Any thread may
/// hold it and drop it. If the loop has nothing to do when the last one is dropped, it panics and says so.
#[must_use = "the loop waits for a wake from outside only while this lives"]
#[derive(Debug)]
pub struct Outside {
    inbox: Arc<Inbox>,
}

impl Drop for Outside {
    fn drop(&mut self) {
        if self.inbox.remove_outside() {
            // The loop may be parked because of this guard. The message makes it look again.
            self.inbox.post(Message::Run(Errand::NobodyOutside, Box::new(|_| ())));
        }
    }
}

/// The sending end of a remote task's result, on the loop's thread. If it is dropped without a result, the other end
/// learns that none will come.
struct Departure<T>(Transfer<Result<T, JoinError>, Anywhere>);

impl<T> Departure<T> {
    /// Sends the result. That wakes the joiner, and may drop the result. Both may run foreign code: panics are caught.
    fn send(&self, result: Option<Result<T, JoinError>>) {
        quietly(|| match self.0.end(result) {
            Ok(joiner) => joiner.into_iter().for_each(wake_one),
            Err(refused) => drop(refused),
        });
    }
}

impl<T> Settle<T> for Departure<T> {
    fn settle(&self, result: Result<T, JoinError>) {
        self.send(Some(result));
    }

    /// `settle` has woken it.
    fn take_joiner(&self) -> Option<Waker> {
        None
    }
}

impl<T> Drop for Departure<T> {
    fn drop(&mut self) {
        // After a result this does nothing.
        self.send(None);
    }
}

/// The receiving end of the result, on the thread of the handle.
struct Arrival<T> {
    transfer: Transfer<Result<T, JoinError>, Anywhere>,
    /// The result has been taken.
    taken: Cell<bool>,
}

impl<T> ResultPlace<T> for Arrival<T> {
    fn take(&self) -> Option<Result<T, JoinError>> {
        assert!(!self.taken.get(), "{TAKEN}");
        let Found::Ended(result) = self.transfer.take_or_wait(None) else { return None };
        explore!(taken(&result));
        self.taken.set(true);
        // No result: it was dropped with its task, or with its runtime.
        Some(result.unwrap_or_else(|| Err(JoinError::cancelled())))
    }

    fn leave_joiner(&self, joiner: &Waker) -> bool {
        // Cloned before the lock and dropped after it: both are foreign code.
        self.transfer.wait(joiner.clone()).is_ok()
    }

    fn is_settled(&self) -> bool {
        self.transfer.has_ended()
    }

    fn forget_joiner(&self) {
        drop(self.transfer.abandon().left);
    }
}

/// What a handle needs to abort a blocking job, or a task that was sent to another thread's loop.
#[derive(Debug)]
pub(crate) struct Remote {
    /// The number that the handle gives as its `id`.
    id: Id,
    /// The address of the loop's inbox.
    address: usize,
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
    /// For a loop whose inbox has this address.
    pub(crate) fn new(address: usize) -> Arc<Remote> {
        Arc::new(Remote { id: Id::remote(), address, state: Lock::new(State::default()) })
    }

    /// Changes the state. Then aborts the task, if it was spawned and an abort has been asked for.
    fn update(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock();
        change(&mut state);
        let target = state.task.filter(|_| state.aborted);
        drop(state);
        if let Some((ticket, serial)) = target {
            wake::abort(ticket, serial);
        }
    }

    /// Tells which task of the loop this is.
    fn spawned(&self, ticket: Ticket, serial: u64) {
        self.update(|state| state.task = Some((ticket, serial)));
    }

    /// Whether the handle asked for an abort.
    pub(crate) fn is_aborted(&self) -> bool {
        self.state.lock().aborted
    }
}

impl Abort for Remote {
    fn id(&self) -> Id {
        self.id
    }

    fn address(&self) -> usize {
        self.address
    }

    /// An abort that comes before the spawn takes effect at the spawn.
    fn abort(&self) {
        self.update(|state| state.aborted = true);
    }
}
