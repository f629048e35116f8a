//! Sockets, thin over [`Async`](crate::io::Async).

mod addr;
mod tcp;

pub use addr::{ToSocketAddrs, lookup_host};
pub use tcp::{TcpListener, TcpStream};
