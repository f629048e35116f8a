//! What can be given as an address. A literal address is known at once. A name is looked up on the blocking pool,
//! because a look-up would stop the loop.
//!
//! Read before: `task.rs`.

use crate::circle::budget;
use crate::io::about;
use crate::task::{consume_budget, spawn_blocking};
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// What [`TcpStream::connect`](crate::net::TcpStream::connect) and similar functions take as an address: socket
/// addresses, `(ip, port)`, `"127.0.0.1:80"`, `"host:80"`, `("host", 80)`, and the same with a `String`. Other crates
/// cannot implement it.
///
/// ```
/// use std::net::{Ipv6Addr, SocketAddrV6};
/// use runtime::net::lookup_host;
///
/// runtime::block_on(async {
///     let host = String::from("127.0.0.1");
///     assert_eq!(lookup_host((host, 80)).await?.next(), Some(([127, 0, 0, 1], 80).into()));
///     let address = SocketAddrV6::new(Ipv6Addr::LOCALHOST, 80, 0, 0);
///     assert_eq!(lookup_host(address).await?.next(), Some(address.into()));
///     Ok::<(), std::io::Error>(())
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait ToSocketAddrs: sealed::Sealed {}

mod sealed {
    pub trait Sealed {
        fn destination(&self) -> super::Destination;
    }
}

/// What is known of an address without a look-up.
#[derive(Debug)]
pub enum Destination {
    Known(Vec<SocketAddr>),
    Name(String),
}

/// The addresses that `destination` stands for.
pub(crate) async fn resolve(destination: impl ToSocketAddrs) -> io::Result<Vec<SocketAddr>> {
    let name = match destination.destination() {
        Destination::Known(addresses) => return Ok(addresses),
        Destination::Name(name) => name,
    };
    explore!(refuse("lookup_host", "to look up a name needs the blocking pool, as a socket needs the system"));
    let lookup = spawn_blocking(move || match std::net::ToSocketAddrs::to_socket_addrs(&name) {
        Ok(found) => Ok(found.collect()),
        Err(error) => Err(about(format_args!("cannot look up \"{name}\""), error)),
    });
    lookup.await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// Looks up a host's addresses, on the blocking pool; asyncio's `getaddrinfo`, tokio's `lookup_host`.
///
/// # Errors
/// When the name does not resolve, or has no port.
///
/// # Panics
/// When it has to look up a name outside a runtime.
///
/// # Cancel safety
/// Dropping it does not stop the look-up, which ends by itself.
///
/// ```
/// runtime::block_on(async {
///     let mut found = runtime::net::lookup_host("127.0.0.1:80").await?;
///     assert_eq!(found.next(), Some(([127, 0, 0, 1], 80).into()));
///     Ok::<(), std::io::Error>(())
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn lookup_host(host: impl ToSocketAddrs) -> io::Result<impl Iterator<Item = SocketAddr>> {
    consume_budget().await; // For an address that is known: then nothing below waits.
    Ok(resolve(host).await?.into_iter())
}

/// Tries one address after the other and gives the first success, or the last error.
///
/// An error takes from the budget. It may come before a leaf is asked: with no descriptor left, there is no socket to wait
/// for. A task that tries again and again has to let those run that will close something. So this asks for budget before
/// the first attempt: an attempt after the pause is worth more than one before it.
pub(crate) async fn first_of<T>(
    destination: impl ToSocketAddrs,
    mut attempt: impl AsyncFnMut(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    let mut last = io::Error::new(io::ErrorKind::InvalidInput, "there is no socket address to try");
    let addresses = resolve(destination).await?;
    poll_fn(budget::poll_left).await;
    for address in addresses {
        match attempt(address).await {
            Ok(done) => return Ok(done),
            Err(error) => last = error,
        }
    }
    budget::take();
    Err(last)
}

/// As [`first_of`], for attempts that never wait. No leaf takes budget for their success, so this does.
pub(crate) async fn first_at_once<T>(
    destination: impl ToSocketAddrs,
    mut attempt: impl FnMut(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    first_of(destination, async |address| attempt(address).inspect(|_| budget::take())).await
}

/// Implements the trait for what needs no look-up.
macro_rules! known {
    ($($type:ty, $self:ident => $addresses:expr;)*) => {$(
        impl sealed::Sealed for $type {
            fn destination(&self) -> Destination {
                let $self = self;
                Destination::Known($addresses)
            }
        }
    )*};
}

known! {
    SocketAddr, it => vec![*it];
    SocketAddrV4, it => vec![(*it).into()];
    SocketAddrV6, it => vec![(*it).into()];
    (IpAddr, u16), it => vec![(*it).into()];
    (Ipv4Addr, u16), it => vec![(*it).into()];
    (Ipv6Addr, u16), it => vec![(*it).into()];
    [SocketAddr], it => it.to_vec();
}

impl sealed::Sealed for str {
    fn destination(&self) -> Destination {
        self.parse().map_or_else(|_| Destination::Name(self.to_owned()), |address| Destination::Known(vec![address]))
    }
}

impl sealed::Sealed for String {
    fn destination(&self) -> Destination {
        self.as_str().destination()
    }
}

impl sealed::Sealed for (&str, u16) {
    fn destination(&self) -> Destination {
        let known = |address: IpAddr| Destination::Known(vec![(address, self.1).into()]);
        self.0.parse().map_or_else(|_| Destination::Name(format!("{}:{}", self.0, self.1)), known)
    }
}

impl sealed::Sealed for (String, u16) {
    fn destination(&self) -> Destination {
        (self.0.as_str(), self.1).destination()
    }
}

impl<T: sealed::Sealed + ?Sized> ToSocketAddrs for T {}

impl<T: sealed::Sealed + ?Sized> sealed::Sealed for &T {
    fn destination(&self) -> Destination {
        (**self).destination()
    }
}
