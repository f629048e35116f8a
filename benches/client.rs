//! The load on the servers: a raw mio loop on another core, with one message under way on each connection.
//!
//! It is the same for every contestant and lives as long as the contestant's runtime: connections are made once, and
//! each round sends its messages over them.

use crate::affinity::Core;
use crossbeam_channel::{Receiver, Sender, unbounded};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;

/// What is sent, and what has to come back.
#[derive(Debug, Clone)]
pub struct Talk {
    /// One request, which fits into the socket's buffer.
    pub request: Vec<u8>,
    /// How an answer begins.
    pub head: Vec<u8>,
    /// How it ends, and how long it is: fixed when the first answer has come.
    pub tail: Vec<u8>,
}

/// The loop's side of the client's thread.
#[derive(Debug)]
pub struct Client {
    rounds: Sender<(u64, Signal)>,
    /// The server's ends of the connections.
    pub accepted: Vec<std::net::TcpStream>,
}

/// Tells the server's thread that a round is over.
pub type Signal = Box<dyn FnOnce() + Send>;

impl Client {
    /// Starts the thread and makes the connections.
    ///
    /// # Panics
    /// When the system gives no sockets.
    pub fn new(connections: usize, talk: Talk) -> Client {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("the system gives a socket");
        let address = listener.local_addr().expect("it is bound");
        let client = Client::of(address, Core::Other, connections, talk);
        let accept = |_| {
            let (stream, _) = listener.accept().expect("the client connects");
            stream.set_nonblocking(true).and_then(|()| stream.set_nodelay(true)).expect("it is a socket");
            stream
        };
        Client { accepted: (0..connections).map(accept).collect(), ..client }
    }

    /// Starts the thread on this core; it makes the connections to a server that accepts them itself.
    pub fn of(address: SocketAddr, core: Core, connections: usize, talk: Talk) -> Client {
        let (rounds, orders) = unbounded();
        thread::spawn(move || {
            core.stay();
            work(address, connections, &talk, &orders).expect("the server is alive");
        });
        Client { rounds, accepted: Vec::new() }
    }

    /// Has each connection exchange so many messages, then signals.
    ///
    /// # Panics
    /// When the client has panicked, because of a wrong answer.
    pub fn round(&self, messages: u64, signal: Signal) {
        self.rounds.send((messages, signal)).expect("no answer was wrong");
    }
}

/// One of the client's connections.
struct Connection {
    stream: TcpStream,
    /// Answers that this round still waits for.
    left: u64,
}

fn work(address: SocketAddr, connections: usize, talk: &Talk, orders: &Receiver<(u64, Signal)>) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1_024);
    let mut open = Vec::new();
    for token in 0..connections {
        let stream = std::net::TcpStream::connect(address)?;
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let mut stream = TcpStream::from_std(stream);
        poll.registry().register(&mut stream, Token(token), Interest::READABLE)?;
        open.push(Connection { stream, left: 0 });
    }
    let mut buffer = vec![0; 64 * 1_024];
    let mut length = None;
    for (messages, signal) in orders {
        for connection in &mut open {
            connection.left = messages;
            connection.stream.write_all(&talk.request)?;
        }
        let mut busy = open.len();
        while busy > 0 {
            poll.poll(&mut events, None)?;
            for event in &events {
                let connection = &mut open[event.token().0];
                // On the loopback what was written at once arrives at once.
                let answer = match connection.stream.read(&mut buffer) {
                    Ok(bytes) => &buffer[..bytes],
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                    Err(error) => return Err(error),
                };
                assert!(answer.starts_with(&talk.head) && answer.ends_with(&talk.tail), "a wrong answer");
                assert_eq!(*length.get_or_insert(answer.len()), answer.len(), "all answers are of one length");
                connection.left -= 1;
                if connection.left > 0 {
                    connection.stream.write_all(&talk.request)?;
                } else {
                    busy -= 1;
                }
            }
        }
        signal();
    }
    Ok(())
}
