//! [`Async`]: anything that mio can watch, on the loop. The sockets in [`net`](crate::net) are thin over it.
//!
//! One helper does it all: try; if the system would block, wait for the reactor's word; try again.

use crate::context;
use crate::reactor::{Direction, Reactor, SourceKey};
use crate::run::Core;
use mio::event::Source;
use std::cell::RefMut;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

/// Puts a mio source (a socket, a pipe) on the loop; tokio's `AsyncFd`.
///
/// Any number of tasks may wait in the async methods. Of those that use the poll functions, the latest of each
/// direction is woken, as in tokio. It is not `Send`: it lives where its loop does.
///
/// A source of your own must leave the loop's other sources alone in `register` and `deregister`: the loop has them open
/// at that moment.
///
/// ```
/// use std::io::{Read, Write};
/// use runtime::io::Async;
///
/// runtime::block_on(async {
///     let (sender, receiver) = mio::unix::pipe::new()?;
///     let (sender, receiver) = (Async::new(sender)?, Async::new(receiver)?);
///     sender.write_with(|mut pipe| pipe.write(b"hello")).await?;
///     let mut buffer = [0; 16];
///     let n = receiver.read_with(|mut pipe| pipe.read(&mut buffer)).await?;
///     assert_eq!(&buffer[..n], b"hello");
///     Ok::<(), std::io::Error>(())
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Async<T: Source> {
    /// What is watched.
    source: T,
    /// Its place in the reactor.
    key: SourceKey,
    /// Whose reactor.
    core: Rc<Core>,
}

impl<T: Source> Async<T> {
    /// Registers `source`, which must be in non-blocking mode, with the running loop.
    ///
    /// # Errors
    /// When the system refuses to watch it.
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub fn new(source: T) -> io::Result<Async<T>> {
        Async::register(source, true)
    }

    /// `ready`: whether a first attempt is worth a system call. A socket that is still connecting says no.
    #[track_caller]
    pub(crate) fn register(mut source: T, ready: bool) -> io::Result<Async<T>> {
        let core = context::current("a socket", Core::share);
        let key = core.reactor.borrow_mut().register(&mut source, ready)?;
        Ok(Async { source, key, core })
    }

    /// The source itself. What it does behind the loop's back, the loop does not know.
    pub fn get_ref(&self) -> &T {
        &self.source
    }

    fn reactor(&self) -> RefMut<'_, Reactor> {
        self.core.reactor.borrow_mut()
    }

    /// Tries `op` once, if the last word was that it may succeed.
    ///
    /// # Errors
    /// `WouldBlock` when it has to wait; else what `op` says.
    pub(crate) fn try_io<R>(&self, direction: Direction, op: impl FnOnce(&T) -> io::Result<R>) -> io::Result<R> {
        if !self.reactor().is_ready(self.key, direction)? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let result = op(&self.source);
        if let Err(error) = &result
            && error.kind() == io::ErrorKind::WouldBlock
        {
            self.reactor().would_block(self.key, direction);
        }
        result
    }

    /// [`try_io`](Async::try_io) for bytes: fewer than `asked` mean that the kernel's buffer is empty, or full.
    pub(crate) fn try_bytes(
        &self,
        direction: Direction,
        asked: usize,
        op: impl FnOnce(&T) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let done = self.try_io(direction, op)?;
        if 0 < done && done < asked {
            self.reactor().was_short(self.key, direction);
        }
        Ok(done)
    }

    /// Tries, and waits while the system would block.
    pub(crate) async fn retry<R>(
        &self,
        direction: Direction,
        mut attempt: impl FnMut(&Async<T>) -> io::Result<R>,
    ) -> io::Result<R> {
        loop {
            match attempt(self) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.ready(direction).await?,
                result => return result,
            }
        }
    }

    /// Runs `op`, which must not block, until it says something else than `WouldBlock`; waits for the source to become
    /// readable in between.
    ///
    /// # Errors
    /// What `op` says, and when the runtime was dropped.
    ///
    /// # Cancel safety
    /// `op` has either run to its end or done nothing.
    pub async fn read_with<R>(&self, mut op: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        self.retry(Direction::Read, |io| io.try_io(Direction::Read, &mut op)).await
    }

    /// As [`read_with`](Async::read_with), for what waits until the source is writable.
    ///
    /// # Errors
    /// What `op` says, and when the runtime was dropped.
    ///
    /// # Cancel safety
    /// `op` has either run to its end or done nothing.
    pub async fn write_with<R>(&self, mut op: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        self.retry(Direction::Write, |io| io.try_io(Direction::Write, &mut op)).await
    }

    /// Waits until a read may succeed, or has something to tell.
    ///
    /// # Errors
    /// When the runtime was dropped.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub async fn readable(&self) -> io::Result<()> {
        self.ready(Direction::Read).await
    }

    /// Waits until a write may succeed, or has something to tell.
    ///
    /// # Errors
    /// When the runtime was dropped.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub async fn writable(&self) -> io::Result<()> {
        self.ready(Direction::Write).await
    }

    pub(crate) fn ready(&self, direction: Direction) -> Ready<'_, T> {
        Ready { io: self, direction, waiter: None }
    }

    /// The poll function under [`readable`](Async::readable), for hand-written futures. Only the latest task of this
    /// direction is woken.
    ///
    /// # Errors
    /// When the runtime was dropped.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_ready(Direction::Read, cx)
    }

    /// The poll function under [`writable`](Async::writable).
    ///
    /// # Errors
    /// When the runtime was dropped.
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_ready(Direction::Write, cx)
    }

    fn poll_ready(&self, direction: Direction, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Foreign code, which may let the event come or drop the runtime: before the look, not after it.
        let fresh = cx.waker().clone();
        if self.reactor().is_ready(self.key, direction)? {
            return Poll::Ready(Ok(()));
        }
        let old = self.reactor().renew_polled(self.key, direction, fresh);
        drop(old);
        Poll::Pending
    }
}

impl<T: Source> Drop for Async<T> {
    fn drop(&mut self) {
        let wakers = self.core.reactor.borrow_mut().deregister(&mut self.source, self.key);
        drop(wakers);
    }
}

/// Waits for one direction of a source: a place in the reactor's line.
pub(crate) struct Ready<'io, T: Source> {
    io: &'io Async<T>,
    direction: Direction,
    /// Its key among the waiters, from the first poll that had to wait.
    waiter: Option<u32>,
}

impl<T: Source> Future for Ready<'_, T> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (io, direction) = (self.io, self.direction);
        // Before the look, as in `poll_ready`.
        let fresh = cx.waker().clone();
        if io.reactor().is_ready(io.key, direction)? {
            return Poll::Ready(Ok(()));
        }
        let old = io.reactor().wait(io.key, direction, &mut self.waiter, fresh);
        drop(old);
        Poll::Pending
    }
}

impl<T: Source> Drop for Ready<'_, T> {
    fn drop(&mut self) {
        if let Some(waiter) = self.waiter {
            let waker = self.io.reactor().leave(self.io.key, self.direction, waiter);
            drop(waker);
        }
    }
}
