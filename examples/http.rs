//! hyper on the loop: its traits `Read` and `Write` over the runtime's TCP stream.
//!
//! hyper speaks HTTP and leaves everything else to its host: sockets come in through these two traits, and its
//! connections are futures that the host spawns. This file is all that it takes; client and server share it.

use hyper::rt::{Read, ReadBufCursor, Write};
use runtime::net::TcpStream;
use std::cell::Cell;
use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// Bytes that one read can bring. As much as a quarter of the largest page of the embedded server; a larger buffer
/// measures no faster on loopback.
const BUFFER: usize = 16 * 1024;

/// A TCP stream as hyper wants it.
#[derive(Debug)]
pub struct HttpStream {
    /// The socket. Its methods take `&self`.
    stream: TcpStream,
    /// Where the socket's bytes land before they are copied to hyper's buffer. hyper's own is not initialised, and
    /// to read into it directly takes `unsafe`; the copy costs less than the system call beside it.
    buffer: Box<[u8]>,
    /// How many bytes came in so far. The client keeps a clone: it tells whether an answer had begun when the
    /// connection broke.
    received: Rc<Cell<u64>>,
}

impl HttpStream {
    /// Wraps `stream` and turns Nagle's algorithm off: a request is one small write, which should leave at once.
    ///
    /// # Errors
    ///
    /// When the socket is broken already.
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; BUFFER].into(), received: Rc::default() })
    }

    /// The count of the bytes received, still counting when the stream is hyper's.
    pub fn received(&self) -> Rc<Cell<u64>> {
        self.received.clone()
    }
}

impl Read for HttpStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, mut cursor: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let Self { stream, buffer, received } = self.get_mut();
        let room = buffer.len().min(cursor.remaining());
        loop {
            ready!(stream.poll_read_ready(cx))?;
            match stream.try_read(&mut buffer[..room]) {
                Ok(length) => {
                    cursor.put_slice(&buffer[..length]);
                    received.set(received.get() + length as u64);
                    return Poll::Ready(Ok(()));
                }
                // The readiness was an old one and is cleared now: ask again, and wait.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl Write for HttpStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(cx))?;
            match self.stream.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.stream.shutdown(Shutdown::Write))
    }
}
