//! Rung 13 of the course under test: the whole loop in one file of less than 800 lines.
//!
//! It is shown beside the peers, and not counted among them: what it leaves out, and what that costs, stands in the
//! course's README.

#[path = "../examples/course/lessons/13_server/rung.rs"]
#[allow(missing_docs, missing_debug_implementations, unreachable_pub, reason = "a program in one file")]
#[allow(clippy::new_without_default, reason = "the same")]
mod rung;

use crate::case::Role;
use crate::executor::{Executor, Remote, Sockets, Timers};
use hyper::rt::{Read, ReadBufCursor, Write};
use rung::join::JoinHandle;
use rung::net::TcpStream;
use rung::reactor::WRITE;
use rung::runtime::Runtime;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::Shutdown;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

pub(crate) use rung::gather::gather;

/// Rung 13's runtime.
pub struct Rung(Runtime);

impl std::fmt::Debug for Rung {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rung")
    }
}

impl Executor for Rung {
    const NAME: &'static str = "rung 13";
    const ROLE: Role = Role::Shown;
    type Handle<T: 'static> = JoinHandle<T>;

    fn new() -> Rung {
        Rung(Runtime::new())
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.0.block_on(future)
    }

    fn spawn<F>(future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        rung::runtime::spawn(future)
    }

    async fn join<T: 'static>(handle: JoinHandle<T>) -> T {
        handle.await.unwrap_or_else(|_| panic!("no task panics"))
    }

    fn yield_now() -> impl Future<Output = ()> {
        rung::task::yield_now()
    }
}

/// What was sent and who waits for it. The course has no channels; a server's round needs one to hear of its end.
type Channel<T> = Arc<Mutex<(VecDeque<T>, Option<Waker>)>>;

impl Remote for Rung {
    type Sender<T: Send + 'static> = Channel<T>;
    type Receiver<T: Send + 'static> = Channel<T>;

    fn unbounded<T: Send + 'static>() -> (Channel<T>, Channel<T>) {
        let channel = Channel::default();
        (Arc::clone(&channel), channel)
    }

    fn post<T: Send + 'static>(sender: &Channel<T>, value: T) {
        let mut channel = sender.lock().expect("nobody panics");
        channel.0.push_back(value);
        let waker = channel.1.take();
        drop(channel);
        waker.into_iter().for_each(Waker::wake);
    }

    fn take<T: Send + 'static>(receiver: &mut Channel<T>) -> impl Future<Output = Option<T>> {
        poll_fn(|cx| {
            let mut channel = receiver.lock().expect("nobody panics");
            if let Some(value) = channel.0.pop_front() {
                return Poll::Ready(Some(value));
            }
            channel.1 = Some(cx.waker().clone());
            if Arc::strong_count(receiver) == 1 { Poll::Ready(None) } else { Poll::Pending }
        })
    }
}

impl Timers for Rung {
    fn paused() -> Rung {
        Rung(Runtime::virtual_clock())
    }

    fn now() -> Instant {
        rung::time::now()
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> {
        rung::time::sleep(duration)
    }

    async fn timeout<F: Future>(duration: Duration, future: F) -> Option<F::Output> {
        rung::time::timeout(duration, future).await.ok()
    }
}

impl Sockets for Rung {
    type Stream = TcpStream;
    type Http = HttpStream;

    fn stream(stream: std::net::TcpStream) -> TcpStream {
        TcpStream(rung::io::Watched::new(mio::net::TcpStream::from_std(stream)).expect("the loop takes it"))
    }

    async fn read(stream: &mut TcpStream, buffer: &mut [u8]) -> usize {
        stream.read(buffer).await.expect("the client is alive")
    }

    async fn write_all(stream: &mut TcpStream, bytes: &[u8]) {
        stream.write_all(bytes).await.expect("the client is alive");
    }

    fn http(stream: TcpStream) -> HttpStream {
        HttpStream { stream, buffer: vec![0; 8 * 1024].into() }
    }
}

/// A TCP stream as hyper wants it. A read of rung 13 keeps nothing between two polls, so each poll makes a new one.
pub struct HttpStream {
    stream: TcpStream,
    /// As in `on_hyper.rs`.
    buffer: Box<[u8]>,
}

impl std::fmt::Debug for HttpStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HttpStream")
    }
}

impl Read for HttpStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, mut cursor: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let HttpStream { stream, buffer } = self.get_mut();
        let room = buffer.len().min(cursor.remaining());
        let polled = pin!(stream.read(&mut buffer[..room])).poll(cx);
        polled.map_ok(|length| cursor.put_slice(&buffer[..length]))
    }
}

impl Write for HttpStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let stream = &mut self.get_mut().stream.0;
        pin!(stream.retry(WRITE, |stream| io::Write::write(stream, bytes))).poll(cx)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.stream.0.source.shutdown(Shutdown::Write))
    }
}
