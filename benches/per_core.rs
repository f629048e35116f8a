//! One loop per core: a server on two loops, each on a thread and a core of its own, with a listener of its own at the
//! same port (`SO_REUSEPORT`), and nothing shared. Against it tokio's multi-thread runtime with two workers, which share
//! one listener and steal each other's tasks.
//!
//! Two clients, one on each core, have half of the connections each. They stand on the cores of the servers, so the
//! throughput is that of servers and clients together, for everybody alike.

use crate::affinity::Core;
use crate::case::{Case, Clock, Role, Round};
use crate::client::{Client, Talk};
use crate::executor::Listens;
use crate::{Ours, Tokio, echo, http};
use crossbeam_channel::{Receiver, Sender, unbounded};
use socket2::{Domain, Protocol, Socket, Type};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};

/// Where the loops, the workers and the clients are.
const CORES: [Core; 2] = [Core::Loops, Core::Other];
/// Over all connections, and half of them from each client.
const CONNECTIONS: usize = 64;
/// Messages of a round.
const MESSAGES: u64 = 12_800;

pub(crate) fn cases() -> Vec<Case> {
    let case = |name: &str, clock, each| {
        let (what, at_least) = match clock {
            Clock::Wall => ("throughput", Some(1.0)),
            _ => ("processor time with the clients'", None),
        };
        let case = Case::new("one_loop_per_core", format!("{name} on 2 cores, {what}"), MESSAGES, each).by(clock);
        at_least.into_iter().fold(case, Case::target_to_tokio)
    };
    let mut cases = Vec::new();
    for clock in [Clock::Wall, Clock::Process] {
        let echo_case = case("echo, 64 × 64 B", clock, "message");
        let echo_case = echo_case
            .entry("glassloop", Role::Ours, move || loops::<Ours, _>(clock, echo::talk(64), echo::echo_all::<Ours>))
            .entry("tokio, 2 workers", Role::Tokio, move || workers(clock, echo::talk(64), echo::echo_all::<Tokio>))
            .entry("tokio, 2 runtimes", Role::Shown, move || {
                loops::<Tokio, _>(clock, echo::talk(64), echo::echo_all::<Tokio>)
            });
        let http_case = case("hyper, 64 connections", clock, "request");
        let http_case = http_case
            .entry("glassloop", Role::Ours, move || loops::<Ours, _>(clock, http::talk(), http::answer_all::<Ours>))
            .entry("tokio, 2 workers", Role::Tokio, move || workers(clock, http::talk(), http::answer_all::<Tokio>))
            .entry("tokio, 2 runtimes", Role::Shown, move || {
                loops::<Tokio, _>(clock, http::talk(), http::answer_all::<Tokio>)
            });
        cases.extend([echo_case, http_case]);
    }
    cases
}

/// A listener that lets others listen at its port.
fn listener(port: u16) -> TcpListener {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).expect("the system gives a socket");
    socket.set_reuse_port(true).and_then(|()| socket.set_nonblocking(true)).expect("it is a socket");
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], port)).into()).expect("the port is ours");
    socket.listen(1_024).expect("it is bound");
    socket.into()
}

/// The two clients, and their rounds.
struct Clients {
    clients: Vec<Client>,
    ended: (Sender<()>, Receiver<()>),
}

impl Clients {
    fn new(address: SocketAddr, talk: &Talk) -> Clients {
        let client = |core| Client::of(address, core, CONNECTIONS / CORES.len(), talk.clone());
        Clients { clients: CORES.map(client).into(), ended: unbounded() }
    }

    fn round(&self) {
        for client in &self.clients {
            let ended = self.ended.0.clone();
            // Nobody waits for a round of a contestant that is gone.
            client.round(MESSAGES / CONNECTIONS as u64, Box::new(move || _ = ended.send(())));
        }
        self.clients.iter().for_each(|_| self.ended.1.recv().expect("no answer was wrong"));
    }
}

/// The threads of the loops; they end with this.
struct Loops {
    stops: Vec<Box<dyn FnOnce() + Send>>,
    threads: Vec<JoinHandle<()>>,
}

impl Drop for Loops {
    fn drop(&mut self) {
        self.stops.drain(..).for_each(|stop| stop());
        for thread in self.threads.drain(..) {
            thread.join().expect("no loop panics");
        }
    }
}

/// A loop on each core.
fn loops<E: Listens, F: Future<Output = ()> + 'static>(clock: Clock, talk: Talk, handle: fn(E::Stream) -> F) -> Round {
    let first = listener(0);
    let address = first.local_addr().expect("it is bound");
    let second = listener(address.port());
    let mut loops = Loops { stops: Vec::new(), threads: Vec::new() };
    for (core, listener) in CORES.into_iter().zip([first, second]) {
        let (say, said) = unbounded::<Box<dyn FnOnce() + Send>>();
        loops.threads.push(thread::spawn(move || {
            core.stay();
            E::new().block_on(async {
                let (stop, mut stopped) = E::unbounded::<()>();
                say.send(Box::new(move || E::post(&stop, ()))).expect("it is waited for");
                let listener = E::listener(listener);
                drop(E::spawn(async move {
                    loop {
                        drop(E::spawn(handle(E::accept(&listener).await)));
                    }
                }));
                E::take(&mut stopped).await;
            });
        }));
        loops.stops.push(said.recv().expect("the loop runs"));
    }
    // In this order they go: first the clients' connections, then the loops.
    let clients = Clients::new(address, &talk);
    Box::new(move || {
        _ = &loops;
        clock.time(|| clients.round())
    })
}

/// tokio's runtime with a worker on each core.
fn workers<F: Future<Output = ()> + Send + 'static>(clock: Clock, talk: Talk, handle: fn(TcpStream) -> F) -> Round {
    let listener = listener(0);
    let address = listener.local_addr().expect("it is bound");
    let started = AtomicUsize::new(0);
    let pin = move || CORES[started.fetch_add(1, Ordering::Relaxed) % CORES.len()].stay();
    let runtime: Runtime = Builder::new_multi_thread()
        .worker_threads(CORES.len())
        .enable_all()
        .on_thread_start(pin)
        .build()
        .expect("the system gives descriptors");
    runtime.spawn(async move {
        let listener = tokio::net::TcpListener::from_std(listener).expect("the runtime takes it");
        loop {
            let (stream, _) = listener.accept().await.expect("the client connects");
            drop(tokio::spawn(handle(stream)));
        }
    });
    let clients = Clients::new(address, &talk);
    Box::new(move || {
        _ = &runtime;
        clock.time(|| clients.round())
    })
}
