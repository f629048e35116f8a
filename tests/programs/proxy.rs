//! A server that dies or freezes in the middle: a proxy that passes everything on to the real one, until then.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What happens to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It ends every connection and listens no more.
    Dies,
    /// It says nothing any more, and keeps every connection open.
    Freezes,
}

/// Stands in front of a server.
pub(crate) struct Proxy {
    address: SocketAddr,
}

struct State {
    fate: Fate,
    /// How many bytes the server may say before.
    left: usize,
    /// Both ends of every connection.
    streams: Vec<TcpStream>,
}

impl Proxy {
    /// A proxy for `server`, whose fate comes when the server has said so many bytes.
    pub(crate) fn start(server: SocketAddr, fate: Fate, after: usize) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let state = Arc::new(Mutex::new(State { fate, left: after, streams: Vec::new() }));
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.expect("a connection");
                let server = TcpStream::connect(server).expect("the server listens");
                // Before anything passes: who dies knows all connections.
                let mut now = state.lock().expect("nobody panics with it");
                if now.is_dead() {
                    // The listener goes with this thread.
                    return;
                }
                now.streams.extend([&client, &server].map(|stream| stream.try_clone().expect("a socket")));
                drop(now);
                for (from, to, is_server) in [(&client, &server, false), (&server, &client, true)] {
                    let (from, to) = (from.try_clone().expect("a socket"), to.try_clone().expect("a socket"));
                    let state = Arc::clone(&state);
                    thread::spawn(move || while pass(&state, &from, &to, is_server).unwrap_or(false) {});
                }
            }
        });
        Proxy { address }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl State {
    fn is_dead(&self) -> bool {
        self.left == 0 && self.fate == Fate::Dies
    }
}

/// Passes on what comes next; false at the end.
fn pass(state: &Mutex<State>, mut from: &TcpStream, mut to: &TcpStream, is_server: bool) -> io::Result<bool> {
    let mut buffer = [0; 4096];
    let length = from.read(&mut buffer)?;
    let mut state = state.lock().expect("nobody panics with it");
    let before = state.left;
    if is_server {
        state.left = before.saturating_sub(length);
    }
    match state.left {
        0 if before > 0 && state.fate == Fate::Dies => {
            for stream in state.streams.drain(..) {
                let _ = stream.shutdown(Shutdown::Both);
            }
            // The thread that accepts wakes up to see it.
            let listener = to.local_addr()?;
            drop(state);
            let _ = TcpStream::connect(listener);
            Ok(false)
        }
        0 => {
            // A client that has left: the real server need not stay for it.
            if length == 0 && !is_server {
                to.shutdown(Shutdown::Write)?;
            }
            Ok(length > 0)
        }
        _ => {
            drop(state);
            to.write_all(&buffer[..length])?;
            if length == 0 {
                to.shutdown(Shutdown::Write)?;
            }
            Ok(length > 0)
        }
    }
}
