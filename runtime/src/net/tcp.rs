//! TCP: [`TcpListener`] and [`TcpStream`].
//!
//! Read before: `io.rs`, `addr.rs`.

use crate::circle::reactor::Direction;
use crate::io::Async;
use crate::net::ToSocketAddrs;
use crate::net::addr::{first_at_once, first_of};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
use std::task::{Context, Poll};

/// Accepts TCP connections; tokio's `TcpListener`, with the same method names, and asyncio's `start_server`. For an
/// example see [`TcpStream`].
#[derive(Debug)]
pub struct TcpListener {
    io: Async<mio::net::TcpListener>,
}

impl TcpListener {
    /// Listens at the first address that works. Port 0 lets the system choose one.
    ///
    /// # Errors
    /// The system's: the address is in use, or does not belong to this machine.
    ///
    /// # Panics
    /// When it is polled outside a runtime.
    ///
    /// # Cancel safety
    /// If it is dropped before it is done, nothing listens. The look-up of a name ends by itself.
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<TcpListener> {
        first_at_once(address, |address| Ok(TcpListener { io: Async::new(mio::net::TcpListener::bind(address)?)? }))
            .await
    }

    /// Takes the next connection. Any number of tasks may wait for one.
    ///
    /// # Errors
    /// The system's. Most of them concern one connection only. Out of descriptors ("too many open files") is an error
    /// like any other: the listener can still be used, and the connection waits for the next call. An error takes
    /// budget, too. So a server that only tries again still lets other tasks run, and these may close descriptors.
    ///
    /// # Panics
    /// When it is polled outside a runtime and a connection is there: the connection must be put on a loop.
    ///
    /// # Cancel safety
    /// Dropping it loses no connection.
    #[track_caller]
    pub fn accept(&self) -> impl Future<Output = io::Result<(TcpStream, SocketAddr)>> {
        self.io.read_with(|listener| {
            let (stream, peer) = listener.accept()?;
            Ok((TcpStream { io: Async::new(stream)? }, peer))
        })
    }

    /// The address at which it listens.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.get_ref().local_addr()
    }

    /// Takes over a listener of the standard library and makes it non-blocking.
    ///
    /// # Errors
    /// When the system refuses to watch it.
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<TcpListener> {
        listener.set_nonblocking(true)?;
        Ok(TcpListener { io: Async::new(mio::net::TcpListener::from_std(listener))? })
    }
}

/// For calls that this crate does not have, such as `setsockopt`; as tokio's.
#[cfg(unix)]
impl AsFd for TcpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}

/// A TCP connection; tokio's `TcpStream`, with the same method names, and asyncio's reader and writer in one.
///
/// Every method takes `&self`, so one task may read while another writes.
///
/// TCP's urgent data is not supported: the system stops a read before an urgent byte, and no event reports the bytes
/// behind it until more bytes come.
///
/// ```
/// use runtime::{block_on, spawn, net::{TcpListener, TcpStream}};
///
/// block_on(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let address = listener.local_addr()?;
///     let server = spawn(async move {
///         let (stream, _) = listener.accept().await?;
///         stream.write_all(b"hello").await
///     });
///     let stream = TcpStream::connect(address).await?;
///     let mut greeting = [0; 5];
///     stream.read_exact(&mut greeting).await?;
///     assert_eq!(&greeting, b"hello");
///     server.await.unwrap()
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// A connection that was made without the loop, the end of a stream, and attempts that do not wait:
///
/// ```
/// use std::{io::ErrorKind, net::Shutdown};
/// use runtime::net::TcpStream;
///
/// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// # let near = std::net::TcpStream::connect(listener.local_addr()?)?;
/// # let (far, _) = listener.accept()?;
/// runtime::block_on(async {
///     let (near, far) = (TcpStream::from_std(near)?, TcpStream::from_std(far)?);
///     near.set_nodelay(true)?;
///     assert_eq!(near.peer_addr()?, far.local_addr()?);
///     near.writable().await?;
///     assert_eq!(near.try_write(b"hello")?, 5);
///     let mut buffer = [0; 16];
///     let n = loop {
///         far.readable().await?; // in a future of your own: poll_read_ready
///         match far.try_read(&mut buffer) {
///             Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
///             done => break done?,
///         }
///     };
///     assert_eq!(&buffer[..n], b"hello");
///     assert_eq!(near.write(b", and good bye").await?, 14);
///     near.shutdown(Shutdown::Write)?;
///     while far.read(&mut buffer).await? > 0 {}
///     Ok::<(), std::io::Error>(())
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct TcpStream {
    pub(crate) io: Async<mio::net::TcpStream>,
}

impl TcpStream {
    /// Connects to the first address that answers. A name is looked up first, on the blocking pool; a literal address
    /// needs no look-up.
    ///
    /// # Errors
    /// The system's, for the last address that was tried. Out of descriptors ("too many open files") is an error like any
    /// other. An error takes budget: a task that tries again and again lets the others run, and these may close
    /// descriptors.
    ///
    /// # Panics
    /// When it is polled outside a runtime.
    ///
    /// # Cancel safety
    /// Dropping it closes the socket.
    pub async fn connect(address: impl ToSocketAddrs) -> io::Result<TcpStream> {
        first_of(address, TcpStream::connect_one).await
    }

    async fn connect_one(address: SocketAddr) -> io::Result<TcpStream> {
        let io = Async::register(mio::net::TcpStream::connect(address)?, false)?;
        // What mio's documentation of `connect` asks for: wait for writable, look for an error, ask for the peer.
        io.writable().await?;
        io.write_with(|socket| match socket.take_error()? {
            Some(error) => Err(error),
            None => match socket.peer_addr() {
                Err(error) if error.kind() == io::ErrorKind::NotConnected => Err(io::ErrorKind::WouldBlock.into()),
                other => other,
            },
        })
        .await?;
        Ok(TcpStream { io })
    }

    /// Reads the bytes that are there into `buffer` and gives their number. Waits if there are none. Zero is the end of
    /// the stream, unless `buffer` has no room.
    ///
    /// # Errors
    /// The system's.
    ///
    /// # Cancel safety
    /// Dropping it loses no byte.
    #[track_caller]
    pub fn read(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> {
        self.io.retry(Direction::Read, |io| read(io, buffer).map(Some))
    }

    /// Writes as many of `bytes` as the system takes, and gives their number. Waits if it takes none.
    ///
    /// # Errors
    /// The system's.
    ///
    /// # Cancel safety
    /// If it is dropped before it is done, nothing was written.
    #[track_caller]
    pub fn write(&self, bytes: &[u8]) -> impl Future<Output = io::Result<usize>> {
        self.io.retry(Direction::Write, move |io| write(io, bytes).map(Some))
    }

    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// The system's. After an error it is not known how many bytes were written.
    ///
    /// # Cancel safety
    /// If it is dropped before it is done, a part may have been written.
    #[track_caller]
    pub fn write_all(&self, mut bytes: &[u8]) -> impl Future<Output = io::Result<()>> {
        self.io.retry(Direction::Write, move |io| {
            if !bytes.is_empty() {
                match write(io, bytes)? {
                    0 => return Err(io::ErrorKind::WriteZero.into()),
                    n => bytes = &bytes[n..],
                }
            }
            Ok(bytes.is_empty().then_some(()))
        })
    }

    /// Fills `buffer`.
    ///
    /// # Errors
    /// `UnexpectedEof` when the end comes first; else the system's.
    ///
    /// # Cancel safety
    /// If it is dropped before it is done, a part may have been read.
    #[track_caller]
    pub fn read_exact(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<()>> {
        let mut filled = 0;
        self.io.retry(Direction::Read, move |io| {
            if filled < buffer.len() {
                match read(io, &mut buffer[filled..])? {
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    n => filled += n,
                }
            }
            Ok((filled == buffer.len()).then_some(()))
        })
    }

    /// Waits until a read may succeed or fail.
    ///
    /// # Errors
    /// When the runtime was dropped.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    #[track_caller]
    pub fn readable(&self) -> impl Future<Output = io::Result<()>> {
        self.io.readable()
    }

    /// Waits until a write may succeed or fail.
    ///
    /// # Errors
    /// When the runtime was dropped.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    #[track_caller]
    pub fn writable(&self) -> impl Future<Output = io::Result<()>> {
        self.io.writable()
    }

    /// Reads what is there, without waiting.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there; else the system's.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        read(&self.io, buffer)
    }

    /// Writes what the system takes, without waiting.
    ///
    /// # Errors
    /// `WouldBlock` when it takes nothing; else the system's.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        write(&self.io, bytes)
    }

    /// The poll function under [`readable`](TcpStream::readable), for hand-written futures. When it is ready, call
    /// `try_read`; on `WouldBlock`, call this again. Only the latest task that calls it is woken.
    ///
    /// # Errors
    /// When the runtime was dropped.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.poll_readable(cx)
    }

    /// The poll function under [`writable`](TcpStream::writable). When it is ready, call `try_write`; on `WouldBlock`,
    /// call this again.
    ///
    /// # Errors
    /// When the runtime was dropped.
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.poll_writable(cx)
    }

    /// Closes one direction, or both. If the writing direction is closed, the peer reads the end. As in the standard
    /// library; tokio's closes the writing direction only.
    ///
    /// # Errors
    /// The system's.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.io.get_ref().shutdown(how)
    }

    /// Whether small writes go out at once (true) or are collected first (Nagle's algorithm).
    ///
    /// # Errors
    /// The system's.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.io.get_ref().set_nodelay(nodelay)
    }

    /// The address of the peer.
    ///
    /// # Errors
    /// The system's.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io.get_ref().peer_addr()
    }

    /// The address of this end.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.get_ref().local_addr()
    }

    /// Takes over a connection of the standard library and makes it non-blocking.
    ///
    /// # Errors
    /// When the system refuses to watch it.
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<TcpStream> {
        stream.set_nonblocking(true)?;
        Ok(TcpStream { io: Async::new(mio::net::TcpStream::from_std(stream))? })
    }
}

/// For calls that this crate does not have, such as `setsockopt`; as tokio's.
#[cfg(unix)]
impl AsFd for TcpStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}

/// One attempt. It is no method of [`TcpStream`], because the futures hold only the [`Async`] in it.
fn read(io: &Async<mio::net::TcpStream>, buffer: &mut [u8]) -> io::Result<usize> {
    io.try_bytes(Direction::Read, buffer.len(), |mut socket| socket.read(buffer))
}

fn write(io: &Async<mio::net::TcpStream>, bytes: &[u8]) -> io::Result<usize> {
    io.try_bytes(Direction::Write, bytes.len(), |mut socket| socket.write(bytes))
}
