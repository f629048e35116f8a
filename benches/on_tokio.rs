//! tokio under test: its current-thread runtime, with `spawn` and with a `LocalSet`, and its multi-thread runtime with one
//! worker.

use crate::case::{Clock, Role};
use crate::executor::{Blocking, Channels, Executor, Listens, Remote, Semaphores, Sockets, Timers};
use hyper_util::rt::TokioIo;
use pin_project_lite::pin_project;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, SemaphorePermit, mpsc, oneshot};
use tokio::task::{self, JoinHandle, LocalSet};
use tokio::time;

/// A runtime of tokio's, in one of three ways to spawn.
#[derive(Debug)]
pub struct Tokio<W> {
    runtime: Runtime,
    set: LocalSet,
    way: PhantomData<W>,
}

/// `tokio::spawn`: onto the runtime.
#[derive(Debug)]
pub enum Spawn {}

/// `tokio::task::spawn_local`: onto a `LocalSet`.
#[derive(Debug)]
pub enum Local {}

/// `tokio::spawn` onto the one worker of a multi-thread runtime.
#[derive(Debug)]
pub enum Worker {}

/// What differs between the three.
pub trait Way: Sized + 'static {
    /// The column's name.
    const NAME: &'static str;
    /// The kind of runtime.
    fn builder() -> Builder {
        Builder::new_current_thread()
    }
    /// Drives what `make` makes to its end, where the tasks run.
    fn run<F: Future<Output = ()> + 'static>(
        tokio: &Tokio<Self>,
        clock: Clock,
        make: impl FnOnce() -> F + 'static,
    ) -> f64 {
        clock.time(|| Self::block_on(tokio, make()))
    }
    /// Drives `future`.
    fn block_on<F: Future>(tokio: &Tokio<Self>, future: F) -> F::Output;
    /// Starts a task.
    fn spawn<F>(future: F) -> JoinHandle<OneThread<F::Output>>
    where
        F: Future + 'static,
        F::Output: 'static;
}

impl Way for Spawn {
    const NAME: &'static str = "tokio";

    fn block_on<F: Future>(tokio: &Tokio<Self>, future: F) -> F::Output {
        tokio.runtime.block_on(future)
    }

    fn spawn<F>(future: F) -> JoinHandle<OneThread<F::Output>>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        task::spawn(OneThread { inner: future })
    }
}

impl Way for Local {
    const NAME: &'static str = "tokio LocalSet";

    fn block_on<F: Future>(tokio: &Tokio<Self>, future: F) -> F::Output {
        tokio.set.block_on(&tokio.runtime, future)
    }

    fn spawn<F>(future: F) -> JoinHandle<OneThread<F::Output>>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        task::spawn_local(OneThread { inner: future })
    }
}

impl Way for Worker {
    const NAME: &'static str = "tokio, 1 worker";

    fn builder() -> Builder {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1);
        builder
    }

    /// As a task of the worker: there it is made, there its tasks are spawned, and the worker's time is what is read.
    fn run<F: Future<Output = ()> + 'static>(
        tokio: &Tokio<Self>,
        clock: Clock,
        make: impl FnOnce() -> F + 'static,
    ) -> f64 {
        let timed = async move {
            let start = clock.now();
            make().await;
            (clock.now() - start).as_nanos() as f64
        };
        tokio.runtime.block_on(async { Spawn::spawn(timed).await.expect("no task panics").inner })
    }

    fn block_on<F: Future>(tokio: &Tokio<Self>, future: F) -> F::Output {
        tokio.runtime.block_on(future)
    }

    fn spawn<F>(future: F) -> JoinHandle<OneThread<F::Output>>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        Spawn::spawn(future)
    }
}

pin_project! {
    /// A future, or what it gives, that does not leave its thread: so that one body, which may hold an `Rc` for
    /// glassloop's sake, serves `tokio::spawn` too, which asks for `Send`.
    #[derive(Debug)]
    pub struct OneThread<T> {
        #[pin]
        inner: T,
    }
}

// SAFETY: nothing of the kind is ever moved to another thread. Tasks of a current-thread runtime are polled by the
// thread that calls `block_on` and dropped there or where the runtime is dropped; each benchmark makes its runtime,
// blocks on it and drops it on one thread, and hands `OneThread` to nothing but `Way::spawn` in this private way. With
// `Worker` one future goes to the only worker before its first poll, while the thread that made it waits for its end; it
// carries a body that nobody else has, and makes there whatever stays on a thread. All other tasks are spawned by it, so
// they are born, polled and dropped on the worker. What is left of them when the runtime is dropped, the connections of a
// server, may be dropped anywhere: tokio's sockets are `Send`.
#[allow(unsafe_code)]
unsafe impl<T> Send for OneThread<T> {}

impl<F: Future> Future for OneThread<F> {
    type Output = OneThread<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let inner = ready!(self.project().inner.poll(cx));
        Poll::Ready(OneThread { inner })
    }
}

impl<W: Way> Tokio<W> {
    /// Without a reactor: cheaper to park, but not able to open a socket. Shown beside the whole.
    pub fn without_io() -> Tokio<W> {
        Tokio::with(Builder::new_current_thread().enable_time())
    }

    fn with(builder: &mut Builder) -> Tokio<W> {
        let runtime = builder.build().expect("the system gives descriptors");
        Tokio { runtime, set: LocalSet::new(), way: PhantomData }
    }
}

impl<W: Way> Executor for Tokio<W> {
    const NAME: &'static str = W::NAME;
    const ROLE: Role = Role::Tokio;
    type Handle<T: 'static> = JoinHandle<OneThread<T>>;

    fn new() -> Tokio<W> {
        Tokio::with(W::builder().enable_all())
    }

    fn run<F: Future<Output = ()> + 'static>(&self, clock: Clock, make: impl FnOnce() -> F + 'static) -> f64 {
        W::run(self, clock, make)
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        W::block_on(self, future)
    }

    fn spawn<F>(future: F) -> Self::Handle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        W::spawn(future)
    }

    async fn join<T: 'static>(handle: Self::Handle<T>) -> T {
        handle.await.expect("no task panics").inner
    }

    fn yield_now() -> impl Future<Output = ()> {
        task::yield_now()
    }
}

impl<W: Way> Channels for Tokio<W> {
    type Sender<T: 'static> = mpsc::Sender<T>;
    type Receiver<T: 'static> = mpsc::Receiver<T>;
    type OneSender<T: 'static> = oneshot::Sender<T>;
    type OneReceiver<T: 'static> = oneshot::Receiver<T>;

    fn channel<T: 'static>(capacity: usize) -> (mpsc::Sender<T>, mpsc::Receiver<T>) {
        mpsc::channel(capacity)
    }

    async fn send<T: 'static>(sender: &mpsc::Sender<T>, value: T) {
        assert!(sender.send(value).await.is_ok());
    }

    fn recv<T: 'static>(receiver: &mut mpsc::Receiver<T>) -> impl Future<Output = Option<T>> {
        receiver.recv()
    }

    fn oneshot<T: 'static>() -> (oneshot::Sender<T>, oneshot::Receiver<T>) {
        oneshot::channel()
    }

    fn send_one<T: 'static>(sender: oneshot::Sender<T>, value: T) {
        assert!(sender.send(value).is_ok());
    }

    async fn recv_one<T: 'static>(receiver: oneshot::Receiver<T>) -> T {
        receiver.await.expect("the value is sent")
    }
}

impl<W: Way> Remote for Tokio<W> {
    type Sender<T: Send + 'static> = mpsc::UnboundedSender<T>;
    type Receiver<T: Send + 'static> = mpsc::UnboundedReceiver<T>;

    fn unbounded<T: Send + 'static>() -> (mpsc::UnboundedSender<T>, mpsc::UnboundedReceiver<T>) {
        mpsc::unbounded_channel()
    }

    fn post<T: Send + 'static>(sender: &mpsc::UnboundedSender<T>, value: T) {
        assert!(sender.send(value).is_ok());
    }

    fn take<T: Send + 'static>(receiver: &mut mpsc::UnboundedReceiver<T>) -> impl Future<Output = Option<T>> {
        receiver.recv()
    }
}

impl<W: Way> Blocking for Tokio<W> {
    async fn run_blocking<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> T {
        task::spawn_blocking(job).await.expect("no job panics")
    }
}

impl<W: Way> Semaphores for Tokio<W> {
    type Semaphore = Semaphore;
    type Permit<'a> = SemaphorePermit<'a>;

    fn semaphore(permits: usize) -> Semaphore {
        Semaphore::new(permits)
    }

    async fn acquire(semaphore: &Semaphore) -> SemaphorePermit<'_> {
        semaphore.acquire().await.expect("never closed")
    }
}

impl<W: Way> Timers for Tokio<W> {
    fn paused() -> Tokio<W> {
        Tokio::with(Builder::new_current_thread().enable_all().start_paused(true))
    }

    fn now() -> Instant {
        time::Instant::now().into_std()
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> {
        time::sleep(duration)
    }

    async fn timeout<F: Future>(duration: Duration, future: F) -> Option<F::Output> {
        time::timeout(duration, future).await.ok()
    }
}

impl<W: Way> Sockets for Tokio<W> {
    type Stream = TcpStream;
    type Http = TokioIo<TcpStream>;

    fn stream(stream: std::net::TcpStream) -> TcpStream {
        TcpStream::from_std(stream).expect("the runtime takes it")
    }

    async fn read(stream: &mut TcpStream, buffer: &mut [u8]) -> usize {
        stream.read(buffer).await.expect("the client is alive")
    }

    async fn write_all(stream: &mut TcpStream, bytes: &[u8]) {
        stream.write_all(bytes).await.expect("the client is alive");
    }

    fn http(stream: TcpStream) -> TokioIo<TcpStream> {
        TokioIo::new(stream)
    }
}

impl<W: Way> Listens for Tokio<W> {
    type Listener = TcpListener;

    fn listener(listener: std::net::TcpListener) -> TcpListener {
        TcpListener::from_std(listener).expect("the runtime takes it")
    }

    async fn accept(listener: &TcpListener) -> TcpStream {
        listener.accept().await.expect("the client connects").0
    }
}
