//! Sockets: thin layers over [`Async`](crate::io::Async).

mod addr;
mod tcp;
mod udp;

pub use addr::{ToSocketAddrs, lookup_host};
pub use tcp::{TcpListener, TcpStream};
pub use udp::UdpSocket;
