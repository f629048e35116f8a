//! [`Runtime`]: the loop as its users hold it, with its settings, and the free functions [`block_on`] and [`spawn`].

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
/// Tasks live on between two [`block_on`](Runtime::block_on) calls and are dropped with the runtime, in the order of
/// their spawns, whatever other threads send meanwhile. asyncio's `Runner`, tokio's current-thread `Runtime`.
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
    core: Rc<Core>,
    /// What other threads may touch of it: for [`Runtime::handle`].
    pub(crate) inbox: Arc<Inbox>,
}

impl Runtime {
    /// A runtime by the system's clock.
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
    /// lives on this call's stack, and it is dropped before this returns. Tasks that are not done stay and run on in
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
    /// Inside a running loop; with main's panic, if it panics; and under the virtual clock when nothing can happen any
    /// more, with a list of the tasks.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.block_on_at(future, Location::caller())
    }

    /// The same for somebody else's call: whose line is shown as main's.
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
    /// It polls what is ready, each task at most once, and hears of timers and sockets: whom these wake is polled in
    /// the next turn, unless nothing else was ready. With nothing ready it parks until an event, a deadline, a wake, a
    /// signal or `timeout` (`None`: for as long as it takes), even with no task at all. Under the virtual clock time
    /// jumps to the next deadline, or by `timeout`, instead.
    ///
    /// asyncio's `_run_once`; tokio has no counterpart.
    ///
    /// # Panics
    /// Inside a running loop, and like [`block_on`](Runtime::block_on) under the virtual clock.
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
        // Between two turns by hand a whole frame of a game may lie: each of them checks what has come.
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
    /// 1. Sockets and timers are closed. From here on whoever asks for something is told that the loop is gone: a
    ///    socket's error says so, a timer wakes at once and panics if it is awaited on, what is spawned is cancelled.
    /// 2. Idle threads of the blocking pool end; jobs that have not begun are dropped. A job that runs is left alone.
    /// 3. The tasks are dropped, in the order of their spawns.
    /// 4. The remote queue is closed; what other threads have sent and the loop has not seen is dropped.
    /// 5. Whoever waits at a socket or a timer that outlives the runtime is woken.
    ///
    /// A drop that panics keeps nothing of this from happening.
    ///
    /// A drop must not block until another thread has heard of this loop. If a task's drop joins a thread which awaits
    /// a later task of this runtime, both wait for ever: that task would be dropped by the thread that is blocked. So
    /// it is with every runtime that drops its tasks one after the other on one thread; tokio's does so, too.
    fn drop(&mut self) {
        // Tasks that are being dropped may ask for the time, wake each other and try to spawn.
        let _entered = context::enter(&self.core);
        self.core.close();
    }
}

/// Main's place among the tasks, for the time of one `block_on`.
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
        // It is there still when main did not end but was left by a panic.
        let left = self.core.tasks.borrow_mut().remove(self.ticket);
        drop(left.inspect(|_| trace!(TaskEnd { task: self.ticket })));
    }
}

/// Makes a [`Runtime`]; from [`Runtime::builder`]. tokio's `runtime::Builder`, whose names the methods have.
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
    /// Time stands still while a task is ready or a blocking job is under way, then jumps to the next deadline, past
    /// I/O that is not ready yet: tests of hours run in milliseconds, and the same way each time. tokio's
    /// `start_paused`.
    ///
    /// Other threads and other loops are not waited for: they have a time of their own. When nothing can happen any
    /// more in this loop (no task is ready, no timer is armed, no socket is registered, no blocking job is under way),
    /// it panics with a list of the tasks. If somebody outside will wake it, keep a guard of [`Handle::outside`] until
    /// then.
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

    /// How many threads the blocking pool may have; 512 unless told, as in tokio.
    ///
    /// # Panics
    /// With zero: no blocking job could ever run.
    #[track_caller]
    pub fn max_blocking_threads(mut self, n: usize) -> Builder {
        assert!(n > 0, "max_blocking_threads(0) would leave every blocking job waiting for ever: give it at least 1");
        self.max_blocking_threads = n;
        self
    }

    /// How long an idle thread of the blocking pool waits for the next job before it ends; 10 seconds unless told, as
    /// in tokio.
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
/// With `future`'s panic; inside a running loop; and when the system gives no descriptors for a runtime, which
/// [`Runtime::new`] reports as an error.
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
/// It is queued at once and polled in the next turn. It need not be `Send`. What becomes of it when it panics, is
/// aborted or is dropped, and in which order, is told at [`JoinHandle`].
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
