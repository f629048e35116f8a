//! [`Runtime`]: the loop as its users hold it, with its settings, and the free functions [`block_on`] and [`spawn`].
//!
//! Read before: `run.rs`, `context.rs`.

use crate::circle::context;
use crate::circle::core::Core;
use crate::circle::join::JoinHandle;
use crate::circle::reactor::Reactor;
use crate::circle::ready::Body;
use crate::circle::remote;
use crate::circle::run::{POLLS_BETWEEN_CHECKS, Turn};
use crate::circle::task::Birth;
use crate::circle::ticket::Ticket;
use crate::parts::clock::Clock;
use crate::threads::blocking::Pool;
use crate::threads::handle::Handle;
use crate::threads::inbox::{Inbox, OtherThreads};
use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

/// A loop and its tasks.
///
/// Tasks stay alive between two [`block_on`](Runtime::block_on) calls. They are dropped with the runtime, in the order
/// of their spawns, whatever other threads send meanwhile. asyncio's `Runner`, tokio's current-thread `Runtime`.
///
/// ```
/// let runtime = runtime::Runtime::new()?;
/// let task = runtime.spawn(async { 42 });
/// assert_eq!(runtime.block_on(task).unwrap(), 42);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Runtime {
    /// Shared with sockets and timers only, never with tasks.
    pub(crate) core: Rc<Core>,
    /// The part that other threads may touch. [`Runtime::handle`] shares it.
    pub(crate) inbox: Arc<Inbox>,
}

impl Runtime {
    /// A runtime that uses the system's clock.
    ///
    /// # Errors
    /// When the system gives no descriptors for it.
    pub fn new() -> io::Result<Runtime> {
        Runtime::builder().build()
    }

    /// A runtime with other settings; tokio's `Builder::new_current_thread`.
    pub fn builder() -> Builder {
        Builder { virtual_clock: false, max_blocking_threads: 512, thread_keep_alive: Duration::from_secs(10) }
    }

    /// Runs `future`, called main, to its end on this thread, and the spawned tasks beside it: asyncio's `Runner.run`,
    /// tokio's `Runtime::block_on`.
    ///
    /// Main is a task like every other: it has a slot and takes its turn in the same queue. It may borrow, because it
    /// lives on this call's stack, and it is dropped before this returns. Tasks that have not ended stay, and go on in
    /// the next call.
    ///
    /// ```
    /// let runtime = runtime::Runtime::new()?;
    /// let words = ["borrowed", "by", "main"];
    /// assert_eq!(runtime.block_on(async { words.len() }), 3);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Panics
    /// When it is called inside a running loop. When main panics, with the same panic. Under the virtual clock, when
    /// nothing can happen any more: the message lists the tasks.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.block_on_at(future, Location::caller())
    }

    /// As [`block_on`](Runtime::block_on). `at` is the line that is shown as main's.
    #[track_caller]
    pub(crate) fn block_on_at<F: Future>(&self, future: F, at: &'static Location<'static>) -> F::Output {
        let core = &*self.core;
        let _entered = core.enter("block_on");
        let mut main = pin!(future);
        let _seat = Seat::take(core, at);
        let mut output = None;
        let mut poll_main = |cx: &mut Context<'_>| main.as_mut().poll(cx).map(|value| output = Some(value));
        core.run(&mut poll_main);
        trace!(TurnEnd);
        output.expect("the turns go on until main has its output")
    }

    /// Exactly one turn, for stepping by hand and for embedding in another loop.
    ///
    /// It polls the tasks that are ready, each at most once, and checks timers and sockets. A task that a timer or a
    /// socket wakes is polled in the next turn, or in this one if no other task was ready. If no task is ready, the
    /// turn parks until an event, a deadline, a wake or a signal comes, but not longer than `timeout` (`None`: without
    /// a limit). It does so even if there is no task at all. Under the virtual clock, time jumps to the next deadline,
    /// or by `timeout`, instead.
    ///
    /// asyncio's `_run_once`; tokio has no counterpart.
    ///
    /// # Panics
    /// When it is called inside a running loop. Under the virtual clock, as [`block_on`](Runtime::block_on) does.
    ///
    /// ```
    /// use std::time::Duration;
    /// let runtime = runtime::Runtime::new()?;
    /// drop(runtime.spawn(async { println!("polled") }));
    /// assert_eq!(runtime.turn(Some(Duration::ZERO)).polls, 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn turn(&self, timeout: Option<Duration>) -> Turn {
        let _entered = self.core.enter("turn");
        let mut turn = Turn::default();
        self.core.catch_up(&mut turn);
        // A whole frame of a game may pass between two turns by hand. So each turn checks at once what has come.
        self.core.polls_since_check.set(POLLS_BETWEEN_CHECKS);
        let _ = self.core.turn(&mut |_| unreachable!("main has a slot only during block_on"), timeout, &mut turn);
        turn
    }

    /// Spawns a task, which runs in the next [`block_on`](Runtime::block_on) or [`turn`](Runtime::turn): asyncio's
    /// `loop.create_task`, tokio's `LocalSet::spawn_local`. For an example see [`Runtime`].
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.core.spawn(future, Birth { name: None, at: Location::caller() })
    }

    /// Something that can spawn from other threads; tokio's `Runtime::handle`. For an example see [`Handle::spawn`].
    pub fn handle(&self) -> Handle {
        Handle::new(Arc::clone(&self.inbox))
    }
}

impl Drop for Runtime {
    /// Drops what still runs. Nothing of the runtime stays: no task, idle thread, timer or descriptor. In this order:
    ///
    /// 1. Sockets and timers are closed. From here on, code that uses them learns that the loop is gone: a socket gives
    ///    an error, a timer wakes its task at once and panics if it is polled again, and a new task is cancelled.
    /// 2. Idle threads of the blocking pool end. Jobs that have not begun are dropped. A job that runs is not stopped.
    /// 3. The tasks are dropped, in the order of their spawns.
    /// 4. The remote queue is closed. Messages that the loop has not taken are dropped.
    /// 5. The tasks that wait at a socket or a timer that outlives the runtime are woken.
    ///
    /// All of this happens even if a drop panics.
    ///
    /// A drop must not block until another thread has heard of this loop. Example: the drop of a task joins a thread
    /// that awaits a later task of this runtime. Both wait for ever, since the blocked thread is the one that would drop
    /// that later task. It is so in every runtime that drops its tasks one after the other on one thread, tokio's too.
    ///
    /// `std::process::exit` destroys the thread-locals of the thread that calls it. If one of them owns the runtime, and
    /// a task calls `exit`, the runtime is dropped while that task is at poll. The future of this task, or of main, is
    /// in use: it is not dropped. Everything else is dropped as always.
    fn drop(&mut self) {
        // Tasks that are being dropped may ask for the time, wake each other and try to spawn.
        let _entered = context::enter(&self.core);
        self.core.close();
    }
}

/// Main's slot among the tasks, while one `block_on` runs.
struct Seat<'core> {
    core: &'core Core,
    ticket: Ticket,
}

impl Seat<'_> {
    fn take<'core>(core: &'core Core, at: &'static Location<'static>) -> Seat<'core> {
        let (ticket, _) = core.tasks.borrow_mut().insert(Body::Main(at));
        Seat { core, ticket }
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        // Main is still in its slot if it did not end, but a panic left `block_on`.
        let left = self.core.tasks.borrow_mut().remove(self.ticket);
        drop(left.inspect(|_| trace!(TaskEnd { task: self.ticket })));
    }
}

/// Makes a [`Runtime`]; [`Runtime::builder`] gives one. tokio's `runtime::Builder`, with the same method names.
///
/// ```
/// let runtime = runtime::Runtime::builder()
///     .max_blocking_threads(4)
///     .thread_keep_alive(std::time::Duration::from_secs(1))
///     .build()?;
/// assert_eq!(runtime.block_on(async { 42 }), 42);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder makes nothing before build()"]
pub struct Builder {
    /// Time jumps from deadline to deadline.
    virtual_clock: bool,
    /// The most threads of the blocking pool.
    max_blocking_threads: usize,
    /// How long an idle thread of the pool waits for a job.
    thread_keep_alive: Duration,
}

impl Builder {
    /// Time stands still while a task is ready or a blocking job is under way. Then it jumps to the next deadline, and
    /// does not wait for I/O that is not ready yet. So a test of hours runs in milliseconds, and in the same way each
    /// time. tokio's `start_paused`.
    ///
    /// The clock does not wait for other threads and other loops: they have their own time. When nothing can happen any
    /// more in this loop (no task is ready, no timer is armed, no socket is registered, no blocking job is under way),
    /// the loop panics with a list of the tasks. If another thread or another loop will wake it, keep a guard of
    /// [`Handle::outside`] until then.
    ///
    /// ```
    /// use std::time::Duration;
    /// use runtime::{Runtime, time::{now, sleep}};
    ///
    /// Runtime::builder().virtual_clock().build()?.block_on(async {
    ///     let start = now();
    ///     sleep(Duration::from_secs(3_600)).await;
    ///     assert_eq!(now() - start, Duration::from_secs(3_600));
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn virtual_clock(mut self) -> Builder {
        self.virtual_clock = true;
        self
    }

    /// The most threads that the blocking pool may have. The default is 512, as in tokio.
    ///
    /// # Panics
    /// With zero: no blocking job could ever run.
    #[track_caller]
    pub fn max_blocking_threads(mut self, n: usize) -> Builder {
        assert!(n > 0, "max_blocking_threads(0) would leave every blocking job waiting for ever: give it at least 1");
        self.max_blocking_threads = n;
        self
    }

    /// How long an idle thread of the blocking pool waits for the next job before it ends. The default is 10 seconds,
    /// as in tokio.
    pub fn thread_keep_alive(mut self, duration: Duration) -> Builder {
        self.thread_keep_alive = duration;
        self
    }

    /// Makes the runtime.
    ///
    /// # Errors
    /// When the system gives no descriptors (two: epoll's and the bell's), or when 16,384 runtimes are alive.
    pub fn build(self) -> io::Result<Runtime> {
        let (reactor, bell) = Reactor::new()?;
        self.build_on(reactor, bell)
    }

    /// Makes the runtime on this reactor, whose park this bell ends.
    ///
    /// # Errors
    /// When 16,384 runtimes are alive.
    pub(crate) fn build_on(self, reactor: Reactor, bell: mio::Waker) -> io::Result<Runtime> {
        let threads =
            OtherThreads::new(bell, |inbox| Pool::new(self.max_blocking_threads, self.thread_keep_alive, inbox));
        let inbox = threads.inbox();
        let number = remote::register(Arc::clone(&inbox) as _)?;
        let core = Core::new(number, Clock::new(self.virtual_clock), reactor, Box::new(threads));
        Ok(Runtime { core, inbox })
    }
}

/// Makes a runtime, drives `future` to its end, then drops what still runs: `asyncio.run`.
///
/// # Panics
/// When `future` panics, with the same panic. When it is called inside a running loop. When the system gives no
/// descriptors for a runtime; [`Runtime::new`] returns that as an error.
///
/// ```
/// assert_eq!(runtime::block_on(async { 1 + 1 }), 2);
/// ```
#[track_caller]
pub fn block_on<F: Future>(future: F) -> F::Output {
    match Runtime::new() {
        Ok(runtime) => runtime.block_on(future),
        Err(error) => panic!(
            "the system gives no descriptors for an event loop ({error}): close files or raise `ulimit -n`, or use \
             Runtime::new, which returns the error"
        ),
    }
}

/// Starts `future` as a task of the running loop, beside its caller: asyncio's `create_task`, tokio's `spawn_local`.
///
/// The task is queued at once and polled in the next turn. The future need not be `Send`. [`JoinHandle`] says what
/// happens, and in which order, when a task panics, is aborted or is dropped.
///
/// # Panics
/// Outside a runtime.
///
/// ```
/// runtime::block_on(async {
///     let task = runtime::spawn(async { "done" });
///     assert_eq!(task.await.unwrap(), "done");
/// });
/// ```
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    crate::task::Builder::new().spawn(future)
}
