//! [`duplex`]: two ends of a stream of bytes in memory, for tests and for the explorer.
//!
//! Read before: `io.rs`.

use crate::At;
use crate::circle::budget;
use crate::parts::shrink::Shrink;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::Shutdown;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Two ends of one stream in memory: what is written to the one is read from the other. Up to `capacity` bytes are on
/// their way in each direction; then a write waits. tokio's `io::duplex`.
///
/// Both ends stay on one thread. When an end is dropped, the other one reads what is left and then the end of file, and
/// its writes fail with `BrokenPipe`.
///
/// Under an explorer (feature `explore`) a read may give fewer bytes than there are, and a write may take fewer than there
/// is room for: every number is a choice, and all of them is the one that costs nothing.
///
/// ```
/// use runtime::{io::duplex, spawn};
///
/// runtime::block_on(async {
///     let (near, far) = duplex(4);
///     let writer = spawn(async move { near.write_all(b"hello, there").await });
///     let mut bytes = [0; 12];
///     far.read_exact(&mut bytes).await?;
///     assert_eq!(&bytes, b"hello, there");
///     writer.await.unwrap()?;
///     assert_eq!(far.read(&mut bytes).await?, 0, "the writer is gone");
///     Ok::<(), std::io::Error>(())
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Panics
/// With a capacity of zero: no byte could ever be written.
#[track_caller]
pub fn duplex(capacity: usize) -> (DuplexStream, DuplexStream) {
    assert!(capacity > 0, "duplex(0) would let no byte through: give it room for at least 1");
    let pipe = || Rc::new(RefCell::new(Pipe { capacity, ..Pipe::default() }));
    let (there, back) = (pipe(), pipe());
    let near = DuplexStream { incoming: Rc::clone(&back), outgoing: Rc::clone(&there) };
    (near, DuplexStream { incoming: there, outgoing: back })
}

/// One end of a stream in memory; from [`duplex`]. Its methods are those of a [`TcpStream`](crate::net::TcpStream).
pub struct DuplexStream {
    /// What is read here.
    incoming: Rc<RefCell<Pipe>>,
    /// What is written here.
    outgoing: Rc<RefCell<Pipe>>,
}

/// One direction.
#[derive(Default)]
struct Pipe {
    /// The bytes on their way.
    bytes: VecDeque<u8>,
    /// How many there may be.
    capacity: usize,
    /// No more will be written.
    is_ended: bool,
    /// Nobody will read any more.
    is_unread: bool,
    /// The tasks that wait for bytes or an end, and those that wait for room or an end, each once. All are woken at each
    /// change: who finds nothing waits again.
    readers: Vec<Waker>,
    writers: Vec<Waker>,
}

impl Pipe {
    /// Takes bytes out; `None` when there is none yet. A pipe that is ended gives 0 at last.
    fn read(&mut self, buffer: &mut [u8], _at: At) -> Option<usize> {
        let most = self.bytes.len().min(buffer.len());
        if most == 0 && !(self.is_ended || self.is_unread || buffer.is_empty()) {
            return None;
        }
        let n = explore!(most, short(_at));
        for (place, byte) in buffer.iter_mut().zip(self.bytes.drain(..n)) {
            *place = byte;
        }
        self.bytes.give_back();
        Some(n)
    }

    /// Puts bytes in; `None` when there is no room.
    fn write(&mut self, bytes: &[u8], _at: At) -> Option<io::Result<usize>> {
        if self.is_unread || self.is_ended {
            return Some(Err(io::Error::new(
                io::ErrorKind::BrokenPipe,
                "the other end of the duplex stream does not read",
            )));
        }
        let most = (self.capacity - self.bytes.len()).min(bytes.len());
        if most == 0 && !bytes.is_empty() {
            return None;
        }
        let n = explore!(most, short(_at));
        self.bytes.extend(&bytes[..n]);
        Some(Ok(n))
    }
}

/// Adds a task to a list, unless it stands there. Gives its waker back then, to be dropped outside of every borrow.
fn wait(list: &mut Vec<Waker>, waker: Waker) -> Option<Waker> {
    if list.iter().any(|waiting| waiting.will_wake(&waker)) {
        return Some(waker);
    }
    list.push(waker);
    None
}

/// Wakes a list of tasks, outside of every borrow.
fn wake_all(pipe: &RefCell<Pipe>, list: fn(&mut Pipe) -> &mut Vec<Waker>) {
    let woken = std::mem::take(list(&mut pipe.borrow_mut()));
    woken.into_iter().for_each(Waker::wake);
}

impl DuplexStream {
    /// Reads what is there into `buffer`, at least one byte; 0 is the end of file. tokio's `read`.
    ///
    /// # Errors
    /// None so far: the type is that of a socket.
    ///
    /// # Cancel safety
    /// Dropping it loses no byte.
    #[track_caller]
    pub fn read(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> {
        let at = At::here();
        poll_fn(move |cx| self.poll_read_at(cx, buffer, at))
    }

    /// Writes as many of `bytes` as there is room for, at least one. tokio's `write`.
    ///
    /// # Errors
    /// `BrokenPipe` when the other end is gone, or this one was shut down for writing.
    ///
    /// # Cancel safety
    /// Dropping it before it is ready writes nothing.
    #[track_caller]
    pub fn write(&self, bytes: &[u8]) -> impl Future<Output = io::Result<usize>> {
        let at = At::here();
        poll_fn(move |cx| self.poll_write_at(cx, bytes, at))
    }

    /// Fills `buffer`. tokio's `read_exact`.
    ///
    /// # Errors
    /// `UnexpectedEof` when the end of file comes before.
    ///
    /// # Cancel safety
    /// Dropping it loses what it has read so far.
    #[track_caller]
    pub fn read_exact(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<()>> {
        let (at, mut filled) = (At::here(), 0);
        poll_fn(move |cx| {
            if buffer.is_empty() {
                return budget::spend(cx, |_| Poll::Ready(Ok(())));
            }
            while filled < buffer.len() {
                match std::task::ready!(self.poll_read_at(cx, &mut buffer[filled..], at))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                    n => filled += n,
                }
            }
            Poll::Ready(Ok(()))
        })
    }

    /// Writes all of `bytes`. tokio's `write_all`.
    ///
    /// # Errors
    /// As for [`write`](DuplexStream::write).
    ///
    /// # Cancel safety
    /// Dropping it leaves an unknown part written.
    #[track_caller]
    pub fn write_all(&self, bytes: &[u8]) -> impl Future<Output = io::Result<()>> {
        let (at, mut written) = (At::here(), 0);
        poll_fn(move |cx| {
            if bytes.is_empty() {
                return budget::spend(cx, |_| Poll::Ready(Ok(())));
            }
            while written < bytes.len() {
                written += std::task::ready!(self.poll_write_at(cx, &bytes[written..], at))?;
            }
            Poll::Ready(Ok(()))
        })
    }

    /// Ends one direction or both, as [`TcpStream::shutdown`](crate::net::TcpStream::shutdown) does: who writes no more
    /// lets the other end read the end of file.
    ///
    /// # Errors
    /// None so far: the type is that of a socket.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        if how != Shutdown::Read {
            self.outgoing.borrow_mut().is_ended = true;
            wake_all(&self.outgoing, |pipe| &mut pipe.readers);
            wake_all(&self.outgoing, |pipe| &mut pipe.writers);
        }
        if how != Shutdown::Write {
            let unread = {
                let mut pipe = self.incoming.borrow_mut();
                pipe.is_unread = true;
                std::mem::take(&mut pipe.bytes)
            };
            drop(unread);
            wake_all(&self.incoming, |pipe| &mut pipe.readers);
            wake_all(&self.incoming, |pipe| &mut pipe.writers);
        }
        Ok(())
    }

    pub(crate) fn poll_read_at(&self, cx: &mut Context<'_>, buffer: &mut [u8], at: At) -> Poll<io::Result<usize>> {
        budget::spend(cx, |cx| {
            // Cloned before the borrow: that may be foreign code.
            let waker = cx.waker().clone();
            let mut pipe = self.incoming.borrow_mut();
            let Some(n) = pipe.read(buffer, at) else {
                let spare = wait(&mut pipe.readers, waker);
                drop(pipe);
                drop(spare);
                trace!(Waits { what: "bytes of a duplex stream" } at at);
                return Poll::Pending;
            };
            drop(pipe);
            wake_all(&self.incoming, |pipe| &mut pipe.writers);
            Poll::Ready(Ok(n))
        })
    }

    pub(crate) fn poll_write_at(&self, cx: &mut Context<'_>, bytes: &[u8], at: At) -> Poll<io::Result<usize>> {
        budget::spend(cx, |cx| {
            let waker = cx.waker().clone();
            let mut pipe = self.outgoing.borrow_mut();
            let Some(written) = pipe.write(bytes, at) else {
                let spare = wait(&mut pipe.writers, waker);
                drop(pipe);
                drop(spare);
                trace!(Waits { what: "room in a duplex stream" } at at);
                return Poll::Pending;
            };
            drop(pipe);
            wake_all(&self.outgoing, |pipe| &mut pipe.readers);
            Poll::Ready(written)
        })
    }
}

impl Drop for DuplexStream {
    fn drop(&mut self) {
        // It has no errors.
        _ = self.shutdown(Shutdown::Both);
    }
}

impl fmt::Debug for DuplexStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (incoming, outgoing) = (self.incoming.borrow().bytes.len(), self.outgoing.borrow().bytes.len());
        f.debug_struct("DuplexStream").field("incoming", &incoming).field("outgoing", &outgoing).finish()
    }
}
