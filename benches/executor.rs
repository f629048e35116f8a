//! What every contestant can do, so that each benchmark has one body: the traits that the bodies are generic over.
//!
//! [`Executor`] is enough to spawn and to yield. The others stand for a part of a runtime each; who lacks the part
//! does not implement the trait and stays out of the case.

use crate::case::{Clock, Role};
use std::time::Duration;

/// A single-threaded executor.
pub trait Executor: Sized + 'static {
    /// Its column in the tables.
    const NAME: &'static str;
    /// Which side it is on.
    const ROLE: Role;

    /// The handle of a spawned task.
    type Handle<T: 'static>: 'static;

    /// A fresh one, by the system's clock.
    fn new() -> Self;
    /// Drives `future`, and what it spawns, on this thread.
    fn block_on<F: Future>(&self, future: F) -> F::Output;
    /// Drives what `make` makes to its end, where the tasks run, and gives the time that it took by `clock`.
    fn run<F: Future<Output = ()> + 'static>(&self, clock: Clock, make: impl FnOnce() -> F + 'static) -> f64 {
        clock.time(|| self.block_on(make()))
    }
    /// Starts a task beside the running one.
    fn spawn<F>(future: F) -> Self::Handle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static;
    /// Awaits a task.
    fn join<T: 'static>(handle: Self::Handle<T>) -> impl Future<Output = T>;
    /// Lets the others have a turn.
    fn yield_now() -> impl Future<Output = ()>;
}

/// Channels that go with the executor.
pub trait Channels: Executor {
    /// The sending end of a bounded channel.
    type Sender<T: 'static>: 'static;
    /// The receiving end of it.
    type Receiver<T: 'static>: 'static;
    /// The sending end of a channel for one value.
    type OneSender<T: 'static>: 'static;
    /// The receiving end of it.
    type OneReceiver<T: 'static>: 'static;

    /// A channel with room for `capacity` values.
    fn channel<T: 'static>(capacity: usize) -> (Self::Sender<T>, Self::Receiver<T>);
    /// Sends when there is room.
    fn send<T: 'static>(sender: &Self::Sender<T>, value: T) -> impl Future<Output = ()>;
    /// Receives; `None` when every sender is gone.
    fn recv<T: 'static>(receiver: &mut Self::Receiver<T>) -> impl Future<Output = Option<T>>;
    /// A channel for one value.
    fn oneshot<T: 'static>() -> (Self::OneSender<T>, Self::OneReceiver<T>);
    /// Sends the one value.
    fn send_one<T: 'static>(sender: Self::OneSender<T>, value: T);
    /// Receives it.
    fn recv_one<T: 'static>(receiver: Self::OneReceiver<T>) -> impl Future<Output = T>;
}

/// An unbounded channel into the loop, for senders on other threads.
pub trait Remote: Executor {
    /// The sending end, which travels.
    type Sender<T: Send + 'static>: Send + 'static;
    /// The receiving end, on the loop.
    type Receiver<T: Send + 'static>: 'static;

    /// A channel with room for everything.
    fn unbounded<T: Send + 'static>() -> (Self::Sender<T>, Self::Receiver<T>);
    /// Sends at once.
    fn post<T: Send + 'static>(sender: &Self::Sender<T>, value: T);
    /// Receives; `None` when every sender is gone.
    fn take<T: Send + 'static>(receiver: &mut Self::Receiver<T>) -> impl Future<Output = Option<T>>;
}

/// A pool of threads for blocking jobs.
pub trait Blocking: Executor {
    /// Runs `job` on the pool and gives its result.
    fn run_blocking<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> impl Future<Output = T>;
}

/// A semaphore that goes with the executor.
pub trait Semaphores: Executor {
    /// The semaphore.
    type Semaphore: 'static;
    /// What is given back when it is dropped.
    type Permit<'a>;

    /// One with `permits` permits.
    fn semaphore(permits: usize) -> Self::Semaphore;
    /// Waits for a permit.
    fn acquire(semaphore: &Self::Semaphore) -> impl Future<Output = Self::Permit<'_>>;
}

/// Timers, and a clock that stands still until nothing is ready.
pub trait Timers: Executor {
    /// An executor whose clock jumps from deadline to deadline.
    fn paused() -> Self;
    /// The clock's time.
    fn now() -> std::time::Instant;
    /// Waits.
    fn sleep(duration: Duration) -> impl Future<Output = ()>;
    /// Waits for `future`, but not longer than `duration`.
    fn timeout<F: Future>(duration: Duration, future: F) -> impl Future<Output = Option<F::Output>>;
}

/// TCP sockets that go with the executor.
pub trait Sockets: Executor {
    /// A connection.
    type Stream: 'static;
    /// The same, as hyper wants it.
    type Http: hyper::rt::Read + hyper::rt::Write + Unpin + 'static;

    /// Takes over what the standard library has accepted; it does not block already.
    fn stream(stream: std::net::TcpStream) -> Self::Stream;
    /// Reads what is there, or waits for it; 0 at the end.
    fn read(stream: &mut Self::Stream, buffer: &mut [u8]) -> impl Future<Output = usize>;
    /// Writes everything.
    fn write_all(stream: &mut Self::Stream, bytes: &[u8]) -> impl Future<Output = ()>;
    /// Hands it to hyper.
    fn http(stream: Self::Stream) -> Self::Http;
}

/// A server that takes connections itself.
pub trait Listens: Sockets + Remote {
    /// Where they come.
    type Listener: 'static;

    /// Takes over a listener of the standard library; it does not block already.
    fn listener(listener: std::net::TcpListener) -> Self::Listener;
    /// The next connection.
    fn accept(listener: &Self::Listener) -> impl Future<Output = Self::Stream>;
}
