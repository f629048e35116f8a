//! [`Async`] puts anything that mio can watch on the loop. The sockets in [`net`](crate::net) are thin layers over it.
//!
//! All async methods are one future, `Retry`: it tries; if the system would block, it waits for an event and tries
//! again, and so on until it is done.
//!
//! Read before: `reactor.rs`, `budget.rs`.

mod duplex;

pub use duplex::{DuplexStream, duplex};

use crate::At;
use crate::circle::budget;
use crate::circle::context;
use crate::circle::core::Core;
use crate::circle::reactor::{Direction, Own, Reactor, SourceKey};
use crate::parts::line::WaiterKey;
use mio::event::Source;
use std::cell::RefMut;
use std::error::Error;
use std::fmt;
use std::io;
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// Puts a mio source (a socket, a pipe) on the loop; tokio's `AsyncFd`, asyncio's `add_reader` and `add_writer`.
///
/// Any number of tasks may wait in the async methods. Of the tasks that use the poll functions, only the latest of each
/// direction is woken, as in tokio. An `Async` is not `Send`: it stays on the thread of its loop.
///
/// If you write a source of your own, its `register` and `deregister` must not use other sources of the loop: the loop
/// has borrowed its reactor at that moment.
///
/// A fresh source counts as ready in both directions, because the system reports only changes: the first attempt finds
/// out what is there already. tokio waits for the first event instead. A source that counts as ready when its runtime
/// is dropped stays ready until an attempt would block. From then on, every attempt is an error.
///
/// ```
/// use std::io::{ErrorKind, Read, Write};
/// use mio::Interest;
/// use runtime::io::Async;
///
/// runtime::block_on(async {
///     let (sender, receiver) = mio::unix::pipe::new()?;
///     let (sender, receiver) = (Async::new(sender)?, Async::new(receiver)?);
///     sender.write_with(|mut pipe| pipe.write(b"hello")).await?;
///     let mut buffer = [0; 16];
///     let n = receiver.read_with(|mut pipe| pipe.read(&mut buffer)).await?;
///     assert_eq!(&buffer[..n], b"hello");
///
///     // By hand: ready says only that an attempt is worth it, and the attempt goes through `try_io`. It tells the
///     // loop when there was nothing; without it, `readable` would be ready for ever.
///     sender.write_with(|mut pipe| pipe.write(b"again")).await?;
///     let n = loop {
///         receiver.readable().await?; // in a future of your own: poll_readable
///         match receiver.try_io(Interest::READABLE, |mut pipe| pipe.read(&mut buffer)) {
///             Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
///             done => break done?,
///         }
///     };
///     assert_eq!(&buffer[..n], b"again");
///     Ok::<(), std::io::Error>(())
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Async<T: Source> {
    /// What is watched.
    source: T,
    /// Its key in the reactor.
    key: SourceKey,
    /// The loop whose reactor watches it.
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

    /// `ready` says whether a first attempt is worth a system call. It is false for a socket that is still connecting.
    #[track_caller]
    pub(crate) fn register(mut source: T, ready: bool) -> io::Result<Async<T>> {
        let core = context::current("a socket", Core::share);
        explore!(refuse_source(std::any::type_name::<T>()));
        let key = core.reactor.borrow_mut().register(&mut source, ready)?;
        Ok(Async { source, key, core })
    }

    /// The source itself; tokio's `AsyncFd::get_ref`. The loop does not see what you do with it. Make an attempt that
    /// may say `WouldBlock` in [`try_io`](Async::try_io), which tells the loop.
    pub fn get_ref(&self) -> &T {
        &self.source
    }

    fn reactor(&self) -> RefMut<'_, Reactor> {
        self.core.reactor.borrow_mut()
    }

    /// Tries `op` once, without waiting, if the source counts as ready for `interest`. If `op` says `WouldBlock`, the
    /// source no longer counts as ready, and [`readable`](Async::readable) or [`writable`](Async::writable) waits for
    /// the next event. tokio's `AsyncFd::try_io`.
    ///
    /// `op` must not block. It may say `WouldBlock` only when the source was not ready; otherwise no event comes, and
    /// the task waits for ever. With both interests, `op` is tried when one direction counts as ready, and its
    /// `WouldBlock` counts for both.
    ///
    /// # Errors
    /// `WouldBlock` when the source is not ready. `InvalidInput` for an interest that is neither reading nor writing.
    /// An error when the source does not count as ready and its runtime was dropped. Else the error of `op`. For an
    /// example see [`Async`].
    pub fn try_io<R>(&self, interest: mio::Interest, op: impl FnOnce(&T) -> io::Result<R>) -> io::Result<R> {
        match (interest.is_readable(), interest.is_writable()) {
            (true, false) => self.try_one_way(Direction::Read, op),
            (false, true) => self.try_one_way(Direction::Write, op),
            (true, true) => {
                let may_read = matches!(self.reactor().is_ready(self.key, Direction::Read), Ok(true));
                let (first, second) =
                    if may_read { (Direction::Read, Direction::Write) } else { (Direction::Write, Direction::Read) };
                self.try_one_way(first, op).inspect_err(|error| {
                    if error.kind() == io::ErrorKind::WouldBlock {
                        self.would_block(second);
                    }
                })
            }
            (false, false) => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the loop watches for reading and for writing only: ask with Interest::READABLE or Interest::WRITABLE",
            )),
        }
    }

    /// [`try_io`](Async::try_io) in one direction.
    pub(crate) fn try_one_way<R>(&self, direction: Direction, op: impl FnOnce(&T) -> io::Result<R>) -> io::Result<R> {
        if !self.reactor().is_ready(self.key, direction)? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        op(&self.source).inspect_err(|error| {
            if error.kind() == io::ErrorKind::WouldBlock {
                self.would_block(direction);
            }
        })
    }

    /// An attempt would have blocked: the next one is worth it only after an event.
    pub(crate) fn would_block(&self, direction: Direction) {
        self.reactor().would_block(self.key, direction);
    }

    /// [`try_one_way`](Async::try_one_way) for bytes. If fewer than `asked` were read or written, the kernel's buffer
    /// is empty, or full.
    pub(crate) fn try_bytes(
        &self,
        direction: Direction,
        asked: usize,
        op: impl FnOnce(&T) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let done = self.try_one_way(direction, op)?;
        if 0 < done && done < asked {
            self.reactor().was_short(self.key, direction);
        }
        Ok(done)
    }

    /// Tries, and waits while the system would block. If the attempt gives `None`, a part is done, and more is to do.
    #[track_caller]
    pub(crate) fn retry<R, A>(&self, direction: Direction, attempt: A) -> Retry<'_, T, A>
    where
        A: FnMut(&Async<T>) -> io::Result<Option<R>>,
    {
        Retry { io: self, direction, waiter: None, attempt, at: At::here() }
    }

    /// Runs `op`, which must not block, until it gives something other than `WouldBlock`. Between two attempts it waits
    /// until the source is readable. tokio's `AsyncFd::async_io`.
    ///
    /// # Errors
    /// The error of `op`; and an error when the runtime was dropped.
    ///
    /// # Cancel safety
    /// `op` has either run to its end or done nothing.
    #[track_caller]
    pub fn read_with<R>(&self, mut op: impl FnMut(&T) -> io::Result<R>) -> impl Future<Output = io::Result<R>> {
        self.retry(Direction::Read, move |io| io.try_one_way(Direction::Read, &mut op).map(Some))
    }

    /// As [`read_with`](Async::read_with), but it waits until the source is writable.
    ///
    /// # Errors
    /// The error of `op`; and an error when the runtime was dropped.
    ///
    /// # Cancel safety
    /// `op` has either run to its end or done nothing.
    #[track_caller]
    pub fn write_with<R>(&self, mut op: impl FnMut(&T) -> io::Result<R>) -> impl Future<Output = io::Result<R>> {
        self.retry(Direction::Write, move |io| io.try_one_way(Direction::Write, &mut op).map(Some))
    }

    /// Waits until a read may succeed or fail; tokio's `AsyncFd::readable`.
    ///
    /// # Errors
    /// When the runtime was dropped.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    #[track_caller]
    pub fn readable(&self) -> impl Future<Output = io::Result<()>> {
        self.read_with(|_| Ok(()))
    }

    /// Waits until a write may succeed or fail; tokio's `AsyncFd::writable`.
    ///
    /// # Errors
    /// When the runtime was dropped.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    #[track_caller]
    pub fn writable(&self) -> impl Future<Output = io::Result<()>> {
        self.write_with(|_| Ok(()))
    }

    /// The poll function under [`readable`](Async::readable), for hand-written futures; tokio's
    /// `AsyncFd::poll_read_ready`. Only the latest task of this direction is woken.
    ///
    /// # Errors
    /// When the runtime was dropped.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        budget::spend(cx, |cx| self.poll_ready(Direction::Read, None, cx))
    }

    /// The poll function under [`writable`](Async::writable); tokio's `AsyncFd::poll_write_ready`.
    ///
    /// # Errors
    /// When the runtime was dropped.
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        budget::spend(cx, |cx| self.poll_ready(Direction::Write, None, cx))
    }

    /// Waits until an attempt may succeed. It takes no budget: the attempt takes it.
    pub(crate) fn poll_ready(&self, direction: Direction, own: Own<'_>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // To clone a waker is foreign code. It may make the source ready, or drop the runtime. So it comes before the
        // look at the reactor.
        let fresh = cx.waker().clone();
        if self.reactor().is_ready(self.key, direction)? {
            return Poll::Ready(Ok(()));
        }
        let old = self.reactor().wait(self.key, direction, own, fresh);
        drop(old);
        Poll::Pending
    }
}

/// For calls that neither mio nor this crate has, such as `setsockopt`.
#[cfg(unix)]
impl<T: Source + AsFd> AsFd for Async<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.source.as_fd()
    }
}

impl<T: Source> Drop for Async<T> {
    fn drop(&mut self) {
        let wakers = self.core.reactor.borrow_mut().deregister(&mut self.source, self.key);
        drop(wakers);
    }
}

/// The future of every async method. An async function would hold its arguments twice while it waits; with this struct,
/// a task that reads is a third smaller.
#[must_use = "futures do nothing unless awaited"]
pub(crate) struct Retry<'io, T: Source, A> {
    io: &'io Async<T>,
    direction: Direction,
    /// Its waiter in the reactor's line, from the first poll that had to wait.
    waiter: Option<WaiterKey>,
    /// What is tried. It calls [`Async::try_one_way`], which makes no system call while the source is not ready.
    attempt: A,
    /// Who waits, for the trace.
    at: At,
}

// The attempt is called, never pinned.
impl<T: Source, A> Unpin for Retry<'_, T, A> {}

impl<T: Source, R, A: FnMut(&Async<T>) -> io::Result<Option<R>>> Future for Retry<'_, T, A> {
    type Output = io::Result<R>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<R>> {
        let Retry { io, direction, ref mut waiter, ref mut attempt, at } = *self;
        loop {
            ready!(budget::poll_left(cx));
            match attempt(io) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(io.poll_ready(direction, Some((waiter, at)), cx)).inspect_err(|_| budget::take())?;
                }
                result => {
                    // Each part takes budget. So does an error: if errors come again and again, the other tasks must
                    // still get their turns.
                    budget::take();
                    if let Some(done) = result? {
                        return Poll::Ready(Ok(done));
                    }
                }
            }
        }
    }
}

impl<T: Source, A> Drop for Retry<'_, T, A> {
    fn drop(&mut self) {
        if let Some(waiter) = self.waiter {
            let waker = self.io.reactor().leave(self.io.key, self.direction, waiter);
            drop(waker);
        }
    }
}

/// An error that names what it is about, such as a path. The original error is its source, so that the system's error
/// number is not lost: an [`io::Error`] cannot have both a text and a number.
pub(crate) fn about(what: impl fmt::Display, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), About { what: what.to_string(), error })
}

#[derive(Debug)]
struct About {
    what: String,
    error: io::Error,
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.error)
    }
}

impl Error for About {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}
