//! A server that a test can kill or freeze: it passes everything on to the real one, until then.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// Stands in front of a server.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// How many bytes the server has said.
    said: usize,
    frozen: bool,
    dead: bool,
    /// Both ends of every connection.
    streams: Vec<TcpStream>,
}

impl Proxy {
    pub(crate) fn start(server: SocketAddr) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared::default());
        let proxy = Proxy { address, shared: Arc::clone(&shared) };
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.expect("a connection");
                let mut state = shared.state.lock().expect("nobody panics with it");
                if state.dead {
                    // Nobody listens any more.
                    return;
                }
                let server = TcpStream::connect(server).expect("the server listens");
                for (from, to, counts) in [(&client, &server, false), (&server, &client, true)] {
                    let (from, to) = (from.try_clone().expect("a socket"), to.try_clone().expect("a socket"));
                    let shared = Arc::clone(&shared);
                    thread::spawn(move || shared.pass(from, to, counts));
                }
                state.streams.extend([client, server]);
            }
        });
        proxy
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns when the server has said so many bytes.
    pub(crate) fn wait_for(&self, bytes: usize) {
        let state = self.shared.state.lock().expect("nobody panics with it");
        let waited = self.shared.changed.wait_timeout_while(state, Duration::from_secs(60), |state| state.said < bytes);
        assert!(!waited.expect("nobody panics with it").1.timed_out(), "the server says too little");
    }

    /// Passes nothing on any more, and keeps every connection open.
    pub(crate) fn freeze(&self) {
        self.shared.state.lock().expect("nobody panics with it").frozen = true;
    }

    /// Ends every connection and listens no more.
    pub(crate) fn die(&self) {
        let mut state = self.shared.state.lock().expect("nobody panics with it");
        state.dead = true;
        for stream in state.streams.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        drop(state);
        // The thread that accepts wakes up to see it.
        let _ = TcpStream::connect(self.address);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.die();
    }
}

impl Shared {
    /// One direction of a connection, to its end.
    fn pass(&self, mut from: TcpStream, mut to: TcpStream, counts: bool) {
        let mut buffer = [0; 4096];
        let mut pass = || -> io::Result<bool> {
            let length = from.read(&mut buffer)?;
            let mut state = self.state.lock().expect("nobody panics with it");
            state.said += if counts { length } else { 0 };
            self.changed.notify_all();
            if !state.frozen {
                drop(state);
                to.write_all(&buffer[..length])?;
            }
            Ok(length > 0)
        };
        while pass().unwrap_or(false) {}
        let _ = to.shutdown(Shutdown::Write);
    }
}
