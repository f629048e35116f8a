//! The feature `futures`: the loop's types implement the traits of futures-io and futures-core, so that the combinators
//! of the crate futures work with them.
//!
//! Read before: `io.rs`, `mpsc.rs`, `fs.rs`.

use crate::At;
use crate::circle::budget;
use crate::circle::reactor::Direction;
use crate::fs::Lines;
use crate::io::{Async, DuplexStream};
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

/// The most pieces that one system call takes on Linux, the BSDs and macOS (IOV_MAX). The standard library passes on no
/// more, either. Pieces beyond these are not counted, so a write of all of these is not short.
const PIECES: usize = 1024;

/// Runs `attempt` whenever it may succeed, until it gives something other than `WouldBlock`.
fn retry<T: Source, R>(
    io: &Async<T>,
    direction: Direction,
    cx: &mut Context<'_>,
    mut attempt: impl FnMut() -> io::Result<R>,
) -> Polled<R> {
    budget::spend(cx, |cx| {
        loop {
            ready!(io.poll_ready(direction, None, cx))?;
            match attempt() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    })
}

/// Both a stream and a shared reference to it can be read and written. Most libraries ask for the stream itself.
macro_rules! stream {
    ($($type:ty),*) => {$(
        impl AsyncRead for $type {
            fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Polled<usize> {
                retry(&self.io, Direction::Read, cx, || self.try_read(buffer))
            }
        }

        impl AsyncWrite for $type {
            fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Polled<usize> {
                retry(&self.io, Direction::Write, cx, || self.try_write(bytes))
            }

            /// One system call for several pieces. Written one by one, the last message of rustls, for example, could stay behind.
            fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, pieces: &[IoSlice<'_>]) -> Polled<usize> {
                let pieces = &pieces[..pieces.len().min(PIECES)];
                let bytes = pieces.iter().map(|piece| piece.len()).sum();
                let write = || self.io.try_bytes(Direction::Write, bytes, |mut socket| socket.write_vectored(pieces));
                retry(&self.io, Direction::Write, cx, write)
            }

            fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Polled<()> {
                Poll::Ready(Ok(()))
            }

            fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled<()> {
                // Closed before, and by the peer as well: nothing is left to close. That is a success, as in tokio.
                let is_over = |error: &io::Error| error.kind() == io::ErrorKind::NotConnected;
                let close = || self.shutdown(Shutdown::Write).or_else(|error| if is_over(&error) { Ok(()) } else { Err(error) });
                budget::spend(cx, |_| Poll::Ready(close()))
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
        // A short read means that nothing is left only if the source is a stream of bytes. This one may be another.
        retry(&*self, Direction::Read, cx, || self.try_one_way(Direction::Read, |mut source| source.read(buffer)))
    }
}

impl<T: Source + Unpin> AsyncWrite for Async<T>
where
    for<'a> &'a T: Write,
{
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Polled<usize> {
        retry(&*self, Direction::Write, cx, || self.try_one_way(Direction::Write, |mut source| source.write(bytes)))
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, pieces: &[IoSlice<'_>]) -> Polled<usize> {
        let write = || self.try_one_way(Direction::Write, |mut source| source.write_vectored(pieces));
        retry(&*self, Direction::Write, cx, write)
    }

    /// It tries first and waits only then. Most sources have nothing to flush, and need not wait, even if full.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled<()> {
        budget::spend(cx, |cx| {
            loop {
                match self.get_ref().flush() {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.would_block(Direction::Write),
                    result => return Poll::Ready(result),
                }
                ready!(self.poll_ready(Direction::Write, None, cx))?;
            }
        })
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled<()> {
        self.poll_flush(cx)
    }
}

/// As for a socket: a stream and a shared reference to it.
macro_rules! duplex_stream {
    ($($type:ty),*) => {$(
        impl AsyncRead for $type {
            #[track_caller]
            fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Polled<usize> {
                self.poll_read_at(cx, buffer, At::here())
            }
        }

        impl AsyncWrite for $type {
            #[track_caller]
            fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Polled<usize> {
                self.poll_write_at(cx, bytes, At::here())
            }

            fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Polled<()> {
                Poll::Ready(Ok(()))
            }

            fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled<()> {
                budget::spend(cx, |_| Poll::Ready(self.shutdown(Shutdown::Write)))
            }
        }
    )*};
}

duplex_stream!(&DuplexStream, DuplexStream);

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
