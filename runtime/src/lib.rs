//! A single-threaded event loop and task runtime, written to be read.
//!
//! ```
//! use std::time::Duration;
//! use runtime::{block_on, spawn, time::sleep};
//!
//! let sum = block_on(async {
//!     let slow = spawn(async {
//!         sleep(Duration::from_millis(5)).await;
//!         40
//!     });
//!     let fast = spawn(async { 2 });
//!     slow.await.unwrap() + fast.await.unwrap()
//! });
//! assert_eq!(sum, 42);
//! ```
//!
//! # The calls, and what they match
//!
//! | asyncio | tokio | here |
//! | --- | --- | --- |
//! | `asyncio.run(main())` | `Runtime::block_on` | [`block_on(main())`](block_on) |
//! | `create_task(f)` | `task::spawn_local(f)` | [`spawn(f)`](spawn()) |
//! | `await task` | `handle.await` | [`JoinHandle`] |
//! | `task.cancel()` | `handle.abort()` | [`JoinHandle::abort`] |
//! | `run_coroutine_threadsafe(f, loop)` | `Handle::spawn(f)` | [`Handle::spawn`] |
//! | `sleep(0)` | `task::yield_now()` | [`task::yield_now`] |
//! | `to_thread(f)` | `task::spawn_blocking(f)` | [`task::spawn_blocking`] |
//! | `sleep(s)`, `wait_for(f, s)` | `time::sleep`, `time::timeout` | [`time::sleep`], [`time::timeout`] |
//! | `loop.time()` | `time::Instant::now()` | [`time::now`] |
//! | `Semaphore`, `Queue`, `Future` | `sync::{Semaphore, mpsc, oneshot}` | the same names in [`sync`] |
//! | `open_connection`, `start_server` | `net::{TcpStream, TcpListener}` | the same names in [`net`] |
//! | `add_reader`, `add_writer` | `io::unix::AsyncFd` | [`io::Async`] |
//! | `loop._run_once()` | | [`Runtime::turn`] |
//! | tests with a fake clock | `start_paused` | [`Builder::virtual_clock`] |
//!
//! | module | what it is for |
//! | --- | --- |
//! | [`task`] | yield, names and numbers of tasks, blocking jobs |
//! | [`time`] | sleeps, timeouts, intervals, and the time by the loop's clock |
//! | [`net`], [`io`] | TCP, UDP, the look-up of names; anything that mio can watch |
//! | [`sync`] | a semaphore and channels |
//! | [`fs`] | the lines of a file |
//! | `explore` | with the feature `explore`: every schedule of a small program, and faults on purpose |
//! | `trace` | with the feature `trace`: every step of the loop as an event, and a page to step through them |
//!
//! `gather` is a crate of its own.
//!
//! # The circle
//!
//! ```text
//!         spawn (1)                +-------------- wake (6) <--------------+
//!            |                     v                                       |
//!            +------------> ready queue (2) --pop--> poll (3) --Pending--> waits in reactor (4)
//!                                  ^                    |                  or timers (5)
//!    other threads: remote queue --+                    +--Ready--> result kept for the
//!                                                                   JoinHandle, joiner woken
//!    nothing ready? park in mio until an event, the next deadline or an unpark
//! ```
//!
//! The folders are the architecture. `circle/` is the loop, `parts/` is what the loop is made of, and `threads/` is
//! what other threads may touch. The public modules are thin layers over them. Read the files in the order of the `mod`
//! lines below. In `circle/run.rs`, the statements of the loop have the numbers of the picture.
//!
//! # What is Send
//!
//! Everything that belongs to the loop stays on one thread, and the types say so. [`Runtime`], [`JoinHandle`], the
//! sockets in [`net`], [`io::Async`], the timers in [`time`] and [`fs::Lines`] are not `Send`. [`sync::Semaphore`] may
//! move to another thread, but two threads cannot share it. These may be used on other threads: [`Handle`],
//! [`AbortHandle`], [`JoinError`], every [`std::task::Waker`] that the loop hands out, and both ends of the channels in
//! [`sync`], unless they are local. The compiler refuses everything else:
//!
//! ```compile_fail
//! runtime::block_on(async {
//!     let handle = runtime::spawn(async {});
//!     std::thread::spawn(move || drop(handle)); // a JoinHandle stays on the thread of its loop
//! });
//! ```
//!
//! ```compile_fail
//! runtime::block_on(async {
//!     let listener = runtime::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
//!     std::thread::spawn(move || drop(listener)); // and so does a socket
//! });
//! ```
//!
//! So a library works on this loop only if it does not ask for `Send` where it takes a socket or an executor. Most
//! libraries do not ask for it: the project's tests run hyper, rustls, tokio-postgres and WebSockets. A future that
//! another thread sends to the loop, with [`Handle::spawn`], must be `Send`. So it cannot hold a timer or a socket
//! while it waits. Instead it spawns a task of the loop, and that task holds the timer or the socket:
//!
//! ```
//! use runtime::{Runtime, spawn, sync::oneshot, time::sleep};
//!
//! let runtime = Runtime::new()?;
//! let handle = runtime.handle();
//! let asker = std::thread::spawn(move || {
//!     runtime::block_on(handle.spawn(async {
//!         let (tell, told) = oneshot::channel();
//!         drop(spawn(async {
//!             sleep(std::time::Duration::from_millis(1)).await;
//!             let _ = tell.send("slept");
//!         }));
//!         told.await
//!     }))
//! });
//! while !asker.is_finished() {
//!     runtime.turn(Some(std::time::Duration::from_millis(1)));
//! }
//! assert_eq!(asker.join().unwrap().unwrap(), Ok("slept"));
//! # Ok::<(), std::io::Error>(())
//! ```

// What gdb shows of a loop: a debug build carries it along.
#![debugger_visualizer(gdb_script_file = "../debugger/gdb.py")]

#[cfg(not(target_pointer_width = "64"))]
compile_error!("a ticket needs the 64 bits of a pointer (see circle/ticket.rs): 32-bit targets are not supported");

// The macro first: every file below uses it.
#[macro_use]
#[path = "trace/macros.rs"]
mod macros;
pub use macros::{At, Mark, Reason, Scope};
pub(crate) use macros::{ChannelMark, Identity, PanicMark, PermitMark, holders};

// The circle: what a student reads. The parts it is made of. What other threads may touch.
mod circle;
mod parts;
mod threads;

// The public modules: thin over the circle.
mod runtime;
pub mod task;
pub mod time;
pub mod io;
pub mod net;
pub mod sync;
pub mod fs;
#[cfg(feature = "futures")]
mod futures;

// What the loop does, told as events.
#[cfg(feature = "trace")]
pub mod trace;

// Every schedule of a small program.
#[cfg(feature = "explore")]
pub mod explore;

pub use circle::join::{AbortHandle, JoinHandle};
pub use circle::result::JoinError;
pub use circle::run::Turn;
pub use runtime::{Builder, Runtime, block_on, spawn};
pub use threads::handle::{Handle, Outside};
