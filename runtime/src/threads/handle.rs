//! [`Handle`]: spawns on a loop from another thread. And [`Remote`], which aborts what the loop may not have begun yet.

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
    /// A job of the blocking pool runs on a thread of its own, outside of the loop: take the handle along.
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

    /// Says that somebody outside of the loop will wake it: another thread, another loop, a device. It matters under
    /// the virtual clock only. There a loop that has nothing to do (no task is ready, no timer is armed, no socket is
    /// registered and no blocking job is under way) says that nothing can happen any more, and panics. While a guard
    /// lives it parks instead, in real time, until it is woken.
    ///
    /// Time still jumps while a timer is armed: it does not wait for those outside. Make the guard before the loop has
    /// nothing to do, and keep it until the last word from outside has been sent.
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
    /// The [`JoinHandle`] stays on the calling thread, which may await it in a loop of its own. When the runtime is
    /// gone or goes before the task's end, the future is dropped and the handle says cancelled.
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

/// Says, while it lives, that somebody outside will wake the loop; from [`Handle::outside`]. Any thread may have it,
/// and drop it. When the last one is dropped and the loop has nothing to do, the loop panics and says so.
#[must_use = "the loop waits for somebody outside only while this lives"]
#[derive(Debug)]
pub struct Outside {
    inbox: Arc<Inbox>,
}

impl Drop for Outside {
    fn drop(&mut self) {
        if self.inbox.remove_outside() {
            // The loop may be parked for the sake of this guard: it shall look again.
            self.inbox.post(Message::Run(Errand::NobodyOutside, Box::new(|_| ())));
        }
    }
}

/// Where the result of a remote task leaves the loop's thread. Dropped without a result, it says that none will come.
struct Departure<T>(Transfer<Result<T, JoinError>, Anywhere>);

impl<T> Departure<T> {
    /// Sends the result. That wakes the joiner and may drop the result: both may run foreign code.
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

    /// Sending has woken it.
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

/// Where the result arrives at the thread of the handle.
struct Arrival<T> {
    transfer: Transfer<Result<T, JoinError>, Anywhere>,
    /// The result has been taken.
    taken: Cell<bool>,
}

impl<T> ResultPlace<T> for Arrival<T> {
    fn take(&self) -> Option<Result<T, JoinError>> {
        assert!(!self.taken.get(), "{TAKEN}");
        let Found::Ended(result) = self.transfer.take_or_wait(None) else { return None };
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

/// A blocking job, or a task that was sent to another thread's loop: what its handle needs to abort it.
#[derive(Debug)]
pub(crate) struct Remote {
    /// The number that the handle tells.
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
