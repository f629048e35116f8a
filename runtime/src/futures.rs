//! The feature `futures`: the traits of futures-io and futures-core on what the loop has, so that their combinators work.

use crate::circle::reactor::Direction;
use crate::fs::Lines;
use crate::io::Async;
use crate::net::TcpStream;
use crate::parts::share::Reach;
use crate::sync::mpsc::Receiver;
use crate::time::Interval;
use futures_core::Stream;
use futures_io::{AsyncRead, AsyncWrite};
use mio::event::Source;
use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

/// What the poll functions of I/O return.
type Polled<T> = Poll<io::Result<T>>;

/// Tries `attempt` for as long as `is_ready` says that it may succeed.
fn retry<R>(mut is_ready: impl FnMut() -> Polled<()>, mut attempt: impl FnMut() -> io::Result<R>) -> Polled<R> {
    loop {
        ready!(is_ready())?;
        match attempt() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return Poll::Ready(result),
        }
    }
}

/// A stream can be read and written through a shared reference, and as a whole, which is what most libraries ask for.
macro_rules! stream {
    ($($type:ty),*) => {$(
        impl AsyncRead for $type {
            fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Polled<usize> {
                retry(|| self.poll_read_ready(cx), || self.try_read(buffer))
            }
        }

        impl AsyncWrite for $type {
            fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Polled<usize> {
                retry(|| self.poll_write_ready(cx), || self.try_write(bytes))
            }

            /// One system call for several pieces: of what rustls has to say, its last words may be only the second.
            fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, pieces: &[IoSlice<'_>]) -> Polled<usize> {
                let bytes = pieces.iter().map(|piece| piece.len()).sum();
                let write = || self.io.try_bytes(Direction::Write, bytes, |mut socket| socket.write_vectored(pieces));
                retry(|| self.poll_write_ready(cx), write)
            }

            fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Polled<()> {
                Poll::Ready(Ok(()))
            }

            fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Polled<()> {
                // Closed before, and by the peer as well: nothing is left to end, and tokio says so, too.
                let is_over = |error: &io::Error| error.kind() == io::ErrorKind::NotConnected;
                Poll::Ready(self.shutdown(Shutdown::Write).or_else(|error| if is_over(&error) { Ok(()) } else { Err(error) }))
            }
        }
    )*};
}

stream!(&TcpStream, TcpStream);

impl<T: Source + Unpin> AsyncRead for Async<T>
where
    for<'a> &'a T: Read,
{
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Polled<usize> {
        // Whether a short read says that nothing is left, only a stream of bytes knows: of these sources, who can tell?
        retry(|| self.poll_readable(cx), || self.try_io(Direction::Read, |mut source| source.read(buffer)))
    }
}

impl<T: Source + Unpin> AsyncWrite for Async<T>
where
    for<'a> &'a T: Write,
{
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Polled<usize> {
        retry(|| self.poll_writable(cx), || self.try_io(Direction::Write, |mut source| source.write(bytes)))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled<()> {
        retry(|| self.poll_writable(cx), || self.try_io(Direction::Write, |mut source| source.flush()))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled<()> {
        self.poll_flush(cx)
    }
}

impl<T, R: Reach> Stream for Receiver<T, R> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.poll_recv(cx)
    }
}

impl Stream for Interval {
    type Item = Instant;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Instant>> {
        self.poll_tick(cx).map(Some)
    }
}

impl Stream for Lines {
    type Item = io::Result<String>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<String>>> {
        self.poll_next_line(cx)
    }
}
