//! hyper on the loop: its traits `Read` and `Write` over any stream with the traits of futures.
//!
//! hyper speaks HTTP and leaves everything else to its host: sockets come in through these two traits, and its
//! connections are futures that the host spawns. This file is all that it takes; client and server share it, and it
//! is the same whether bytes go over TCP as they are or through TLS.

use futures_io::{AsyncRead, AsyncWrite};
use hyper::rt::{Read, ReadBufCursor, Write};
use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// Bytes that one read can bring. As much as a quarter of the largest page of the embedded server; a larger buffer
/// measures no faster on loopback.
const BUFFER: usize = 16 * 1024;

/// A stream as hyper wants it.
#[derive(Debug)]
pub struct HttpStream<S> {
    /// The stream: a socket, or TLS over one.
    stream: S,
    /// Where the stream's bytes land before they are copied to hyper's buffer. hyper's own is not initialised, and
    /// to read into it directly takes `unsafe`; the copy costs less than the system call beside it.
    buffer: Box<[u8]>,
    /// How many bytes came in so far. The client keeps a clone: it tells whether an answer had begun when the
    /// connection broke.
    received: Rc<Cell<u64>>,
}

impl<S> HttpStream<S> {
    /// Wraps `stream`.
    pub fn new(stream: S) -> Self {
        Self { stream, buffer: vec![0; BUFFER].into(), received: Rc::default() }
    }

    /// Takes the stream back, from a connection that speaks HTTP no more.
    pub fn into_inner(self) -> S {
        self.stream
    }

    /// The count of the bytes received, still counting when the stream is hyper's.
    pub fn received(&self) -> Rc<Cell<u64>> {
        self.received.clone()
    }
}

impl<S: AsyncRead + Unpin> Read for HttpStream<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, mut cursor: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let Self { stream, buffer, received } = self.get_mut();
        let room = buffer.len().min(cursor.remaining());
        let length = ready!(Pin::new(stream).poll_read(cx, &mut buffer[..room]))?;
        cursor.put_slice(&buffer[..length]);
        received.set(received.get() + length as u64);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> Write for HttpStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}
