//! UDP: [`UdpSocket`].
//!
//! Read before: `io.rs`, `addr.rs`.

use crate::circle::reactor::Direction;
use crate::io::Async;
use crate::net::ToSocketAddrs;
use crate::net::addr::{first_at_once, first_of};
use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};

/// Sends and receives datagrams; tokio's `UdpSocket`, with the same method names, and asyncio's
/// `create_datagram_endpoint`.
///
/// Every method takes `&self`, so one task may receive while another sends.
///
/// ```
/// use runtime::{block_on, net::UdpSocket};
///
/// block_on(async {
///     let (one, other) = (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
///     one.send_to(b"hello", other.local_addr()?).await?;
///     let mut buffer = [0; 16];
///     let (n, from) = other.recv_from(&mut buffer).await?;
///     assert_eq!((&buffer[..n], from), (&b"hello"[..], one.local_addr()?));
///
///     // With one peer chosen, nobody else is heard:
///     other.connect(from).await?;
///     one.connect(other.local_addr()?).await?;
///     other.send(b"hello yourself").await?;
///     assert_eq!(one.recv(&mut buffer).await?, 14);
///
///     // Without waiting in the call itself:
///     one.writable().await?;
///     assert_eq!(one.try_send(b"bye")?, 3);
///     let n = loop {
///         other.readable().await?;
///         match other.try_recv(&mut buffer) {
///             Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
///             done => break done?,
///         }
///     };
///     assert_eq!(&buffer[..n], b"bye");
///     Ok::<(), std::io::Error>(())
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct UdpSocket {
    io: Async<mio::net::UdpSocket>,
}

impl UdpSocket {
    /// A socket at the first address that works. Port 0 lets the system choose one.
    ///
    /// # Errors
    /// The system's: the address is in use, or does not belong to this machine.
    ///
    /// # Panics
    /// When it is polled outside a runtime.
    ///
    /// # Cancel safety
    /// If it is dropped before it is done, nothing is bound. The look-up of a name ends by itself.
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<UdpSocket> {
        first_at_once(address, |address| Ok(UdpSocket { io: Async::new(mio::net::UdpSocket::bind(address)?)? })).await
    }

    /// Chooses the one peer of [`send`](UdpSocket::send) and [`recv`](UdpSocket::recv).
    ///
    /// # Errors
    /// The system's.
    ///
    /// # Panics
    /// When it has to look up a name outside a runtime.
    ///
    /// # Cancel safety
    /// If it is dropped before it is done, no peer is chosen.
    pub async fn connect(&self, address: impl ToSocketAddrs) -> io::Result<()> {
        first_at_once(address, |address| self.io.get_ref().connect(address)).await
    }

    /// Sends one datagram to the chosen peer.
    ///
    /// # Errors
    /// The system's: no peer was chosen, the datagram is too long, or an earlier one was refused.
    ///
    /// # Cancel safety
    /// If it is dropped before it is done, nothing was sent.
    #[track_caller]
    pub fn send(&self, datagram: &[u8]) -> impl Future<Output = io::Result<usize>> {
        self.io.write_with(move |socket| socket.send(datagram))
    }

    /// Sends one datagram to `address`. If that stands for several addresses, to the first one that works.
    ///
    /// # Errors
    /// The system's.
    ///
    /// # Panics
    /// When it has to look up a name outside a runtime.
    ///
    /// # Cancel safety
    /// If it is dropped before it is done, nothing was sent.
    pub async fn send_to(&self, datagram: &[u8], address: impl ToSocketAddrs) -> io::Result<usize> {
        first_of(address, async |address| self.io.write_with(|socket| socket.send_to(datagram, address)).await).await
    }

    /// Receives one datagram from the chosen peer; what does not fit into `buffer` is lost.
    ///
    /// # Errors
    /// The system's.
    ///
    /// # Cancel safety
    /// Dropping it loses no datagram.
    #[track_caller]
    pub fn recv(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> {
        self.io.read_with(|socket| socket.recv(buffer))
    }

    /// Receives one datagram and tells from whom; what does not fit into `buffer` is lost.
    ///
    /// # Errors
    /// The system's.
    ///
    /// # Cancel safety
    /// Dropping it loses no datagram.
    #[track_caller]
    pub fn recv_from(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<(usize, SocketAddr)>> {
        self.io.read_with(|socket| socket.recv_from(buffer))
    }

    /// Waits until a receive may succeed or fail. Then try, and wait again if nothing was there after all:
    ///
    /// ```
    /// use runtime::{block_on, net::UdpSocket};
    /// use std::io::{self, ErrorKind};
    ///
    /// block_on(async {
    ///     let (one, other) = (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
    ///     one.writable().await?;
    ///     one.try_send_to(b"hello", other.local_addr()?)?;
    ///     let mut buffer = [0; 16];
    ///     let (n, from) = loop {
    ///         other.readable().await?;
    ///         match other.try_recv_from(&mut buffer) {
    ///             Err(error) if error.kind() == ErrorKind::WouldBlock => continue, // wait again
    ///             received => break received?,
    ///         }
    ///     };
    ///     assert_eq!((&buffer[..n], from), (&b"hello"[..], one.local_addr()?));
    ///     Ok::<(), io::Error>(())
    /// })?;
    /// # Ok::<(), io::Error>(())
    /// ```
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

    /// Waits until a send may succeed or fail.
    /// [`readable`](UdpSocket::readable) has an example.
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

    /// Sends one datagram to the chosen peer, without waiting.
    /// [`readable`](UdpSocket::readable) has an example.
    ///
    /// # Errors
    /// `WouldBlock` when there is no room for it; else as [`send`](UdpSocket::send).
    pub fn try_send(&self, datagram: &[u8]) -> io::Result<usize> {
        self.io.try_one_way(Direction::Write, |socket| socket.send(datagram))
    }

    /// Sends one datagram to `address`, without waiting, and therefore without looking a name up.
    /// [`readable`](UdpSocket::readable) has an example.
    ///
    /// # Errors
    /// `WouldBlock` when there is no room for it; else the system's.
    pub fn try_send_to(&self, datagram: &[u8], address: SocketAddr) -> io::Result<usize> {
        self.io.try_one_way(Direction::Write, |socket| socket.send_to(datagram, address))
    }

    /// Receives one datagram from the chosen peer, without waiting; what does not fit into `buffer` is lost.
    /// [`readable`](UdpSocket::readable) has an example.
    ///
    /// # Errors
    /// `WouldBlock` when none is there; else the system's.
    pub fn try_recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.io.try_one_way(Direction::Read, |socket| socket.recv(buffer))
    }

    /// Receives one datagram and tells from whom, without waiting; what does not fit into `buffer` is lost.
    /// [`readable`](UdpSocket::readable) has an example.
    ///
    /// # Errors
    /// `WouldBlock` when none is there; else the system's.
    pub fn try_recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.io.try_one_way(Direction::Read, |socket| socket.recv_from(buffer))
    }

    /// The address of this end.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.get_ref().local_addr()
    }

    /// Takes over a socket of the standard library and makes it non-blocking.
    ///
    /// ```
    /// use runtime::{block_on, net::UdpSocket};
    /// let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
    /// let address = socket.local_addr()?;
    /// block_on(async {
    ///     assert_eq!(UdpSocket::from_std(socket)?.local_addr()?, address);
    ///     Ok::<(), std::io::Error>(())
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the system refuses to watch it.
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub fn from_std(socket: std::net::UdpSocket) -> io::Result<UdpSocket> {
        socket.set_nonblocking(true)?;
        Ok(UdpSocket { io: Async::new(mio::net::UdpSocket::from_std(socket))? })
    }
}

/// For calls that this crate does not have, such as `setsockopt`; as tokio's.
#[cfg(unix)]
impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}
