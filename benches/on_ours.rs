//! glassloop under test.

use crate::case::Role;
use crate::executor::{Blocking, Channels, Executor, Listens, Remote, Semaphores, Sockets, Timers};
use crate::on_hyper::HttpStream;
use runtime::net::{TcpListener, TcpStream};
use runtime::sync::{Permit, Semaphore, mpsc, oneshot};
use runtime::{JoinHandle, Runtime, task, time};
use std::time::{Duration, Instant};

/// glassloop's runtime.
#[derive(Debug)]
pub struct Ours(Runtime);

impl Executor for Ours {
    const NAME: &'static str = "glassloop";
    const ROLE: Role = Role::Ours;
    type Handle<T: 'static> = JoinHandle<T>;

    fn new() -> Ours {
        Ours(Runtime::new().expect("the system gives descriptors"))
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.0.block_on(future)
    }

    fn spawn<F>(future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        runtime::spawn(future)
    }

    async fn join<T: 'static>(handle: JoinHandle<T>) -> T {
        handle.await.expect("no task panics")
    }

    fn yield_now() -> impl Future<Output = ()> {
        task::yield_now()
    }
}

impl Channels for Ours {
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

impl Remote for Ours {
    type Sender<T: Send + 'static> = mpsc::UnboundedSender<T>;
    type Receiver<T: Send + 'static> = mpsc::Receiver<T>;

    fn unbounded<T: Send + 'static>() -> (mpsc::UnboundedSender<T>, mpsc::Receiver<T>) {
        mpsc::unbounded()
    }

    fn post<T: Send + 'static>(sender: &mpsc::UnboundedSender<T>, value: T) {
        assert!(sender.send(value).is_ok());
    }

    fn take<T: Send + 'static>(receiver: &mut mpsc::Receiver<T>) -> impl Future<Output = Option<T>> {
        receiver.recv()
    }
}

impl Blocking for Ours {
    async fn run_blocking<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> T {
        task::spawn_blocking(job).await.expect("no job panics")
    }
}

impl Semaphores for Ours {
    type Semaphore = Semaphore;
    type Permit<'a> = Permit<'a>;

    fn semaphore(permits: usize) -> Semaphore {
        Semaphore::new(permits)
    }

    fn acquire(semaphore: &Semaphore) -> impl Future<Output = Permit<'_>> {
        semaphore.acquire()
    }
}

impl Timers for Ours {
    fn paused() -> Ours {
        Ours(Runtime::builder().virtual_clock().build().expect("the system gives descriptors"))
    }

    fn now() -> Instant {
        time::now()
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> {
        time::sleep(duration)
    }

    async fn timeout<F: Future>(duration: Duration, future: F) -> Option<F::Output> {
        time::timeout(duration, future).await.ok()
    }
}

impl Sockets for Ours {
    type Stream = TcpStream;
    type Http = HttpStream;

    fn stream(stream: std::net::TcpStream) -> TcpStream {
        TcpStream::from_std(stream).expect("the loop takes it")
    }

    async fn read(stream: &mut TcpStream, buffer: &mut [u8]) -> usize {
        stream.read(buffer).await.expect("the client is alive")
    }

    async fn write_all(stream: &mut TcpStream, bytes: &[u8]) {
        stream.write_all(bytes).await.expect("the client is alive");
    }

    fn http(stream: TcpStream) -> HttpStream {
        HttpStream::new(stream)
    }
}

impl Listens for Ours {
    type Listener = TcpListener;

    fn listener(listener: std::net::TcpListener) -> TcpListener {
        TcpListener::from_std(listener).expect("the loop takes it")
    }

    async fn accept(listener: &TcpListener) -> TcpStream {
        listener.accept().await.expect("the client connects").0
    }
}
