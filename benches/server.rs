//! What the servers under test have in common: their connections stay from round to round, and a round is over when the
//! client says so.

use crate::case::{Case, Clock, Role, Round};
use crate::client::{Client, Talk};
use crate::executor::{Remote, Sockets};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token, Waker};
use std::io::{ErrorKind, Read, Write};
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How much a server reads at once.
pub(crate) const BUFFER: usize = 16 * 1_024;

/// A server's load.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) connections: usize,
    /// In one round, over all connections together.
    pub(crate) messages: u64,
    pub(crate) talk: Talk,
}

impl Load {
    /// What a round really sends.
    pub(crate) fn times(&self) -> u64 {
        self.each() * self.connections as u64
    }

    fn each(&self) -> u64 {
        self.messages / self.connections as u64
    }
}

/// Adds a contestant: a task for each connection.
pub(crate) fn serve<E: Sockets + Remote, F>(case: Case, load: &Load, handle: fn(E::Stream) -> F) -> Case
where
    F: Future<Output = ()> + 'static,
{
    serve_as::<E, F>(case, E::NAME, E::ROLE, load, handle)
}

/// Adds a contestant under another name and on another side than its executor's.
pub(crate) fn serve_as<E: Sockets + Remote, F>(
    case: Case,
    name: &'static str,
    role: Role,
    load: &Load,
    handle: fn(E::Stream) -> F,
) -> Case
where
    F: Future<Output = ()> + 'static,
{
    let (load, clock) = (load.clone(), case.clock);
    case.entry(name, role, move || server::<E, F>(&load, clock, handle))
}

fn server<E: Sockets + Remote, F>(load: &Load, clock: Clock, handle: fn(E::Stream) -> F) -> Round
where
    F: Future<Output = ()> + 'static,
{
    let mut client = Client::new(load.connections, load.talk.clone());
    let executor = E::new();
    let accepted = mem::take(&mut client.accepted);
    executor.run(clock, move || async move {
        for stream in accepted {
            drop(E::spawn(handle(E::stream(stream))));
        }
    });
    let (messages, client) = (load.each(), Arc::new(client));
    Box::new(move || {
        let client = Arc::clone(&client);
        executor.run(clock, move || async move {
            let (done, mut is_done) = E::unbounded();
            client.round(messages, Box::new(move || E::post(&done, ())));
            E::take(&mut is_done).await.expect("no answer was wrong");
        })
    })
}

/// Adds the limit: a loop over mio's events that answers each read with one write.
pub(crate) fn raw_loop(case: Case, load: &Load, answer: fn(&[u8]) -> &[u8]) -> Case {
    let (load, clock) = (load.clone(), case.clock);
    case.entry("a raw mio loop", Role::Limit, move || raw(&load, clock, answer))
}

fn raw(load: &Load, clock: Clock, answer: fn(&[u8]) -> &[u8]) -> Round {
    let mut client = Client::new(load.connections, load.talk.clone());
    let mut poll = Poll::new().expect("the system gives a descriptor");
    let mut events = Events::with_capacity(1_024);
    let waker = Arc::new(Waker::new(poll.registry(), Token(usize::MAX)).expect("the system gives a descriptor"));
    let accepted = mem::take(&mut client.accepted);
    let mut streams: Vec<TcpStream> = accepted.into_iter().map(TcpStream::from_std).collect();
    for (token, stream) in streams.iter_mut().enumerate() {
        poll.registry().register(stream, Token(token), Interest::READABLE).expect("it is a socket");
    }
    let mut buffer = vec![0; BUFFER];
    let messages = load.each();
    Box::new(move || {
        let done = Arc::new(AtomicBool::new(false));
        let (bell, is_done) = (Arc::clone(&waker), Arc::clone(&done));
        let signal = Box::new(move || {
            is_done.store(true, Ordering::Release);
            bell.wake().expect("the poll lives");
        });
        clock.time(|| {
            client.round(messages, signal);
            while !done.load(Ordering::Acquire) {
                poll.poll(&mut events, None).expect("the system polls");
                for event in events.iter().filter(|event| event.token() != Token(usize::MAX)) {
                    let stream = &mut streams[event.token().0];
                    match stream.read(&mut buffer) {
                        Ok(bytes) => stream.write_all(answer(&buffer[..bytes])).expect("the client is alive"),
                        Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                    }
                }
            }
        })
    })
}
