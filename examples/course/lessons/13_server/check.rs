//! The check of lesson 13: a scripted client sends requests in any pieces, stays, leaves, is silent or sends too much, and the
//! server may be told to stop. All that by a virtual clock. Then some clients at once, over sockets of the system.
#![allow(dead_code, unused_imports, unused_macros, unused_variables)]

use course::{Answer, Broken, Client, Connection, Dice, FAR_TOO_LONG, Judged, Request, Run, Then, Wants, broken};
use course::{is_answer, watch};
use rung::{runtime, task, time};
use std::future::poll_fn;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

/// The rung, whose loop and clock the answer gets.
mod rung {
    include!(concat!(env!("OUT_DIR"), "/13_server/glue.rs"));
}

// In a check this macro tells the step.
macro_rules! say {
    ($($step:tt)*) => { course::say!($($step)*) };
}

// The exercise is not as short as it can be.
#[allow(clippy::drain_collect, clippy::never_loop)]
#[path = "exercise.rs"]
mod server;

/// TCP as the answer sees it: a scripted client, or a socket of the system.
pub mod net {
    use super::{Connection, rung, task};
    use std::future::{pending, poll_fn};
    use std::io::{Read, Result, Write};
    use std::rc::Rc;

    /// Nobody connects to it: each program has its connections already.
    pub struct TcpListener;

    impl TcpListener {
        /// Waits for the next connection.
        pub async fn accept(&mut self) -> Result<TcpStream> {
            pending().await
        }
    }

    /// A connection.
    pub enum TcpStream {
        /// Its client is scripted.
        Scripted(Scripted),
        /// Its client has the other socket.
        #[cfg(unix)]
        OfTheSystem(rung::io::Watched<mio::net::UnixStream>),
    }

    /// The server's end.
    pub struct Scripted(pub Rc<Connection>);

    impl Drop for Scripted {
        fn drop(&mut self) {
            self.0.is_dropped();
        }
    }

    impl TcpStream {
        /// Reads what is there, or waits for it; 0 is the end.
        pub async fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
            match self {
                TcpStream::Scripted(Scripted(connection)) => poll_fn(|cx| connection.poll_read(cx, buffer)).await,
                #[cfg(unix)]
                TcpStream::OfTheSystem(socket) => socket.retry(rung::reactor::READ, |socket| socket.read(buffer)).await,
            }
        }

        /// Writes everything.
        pub async fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
            match self {
                TcpStream::Scripted(Scripted(connection)) => {
                    connection.says_write(bytes);
                    let (first, second) = bytes.split_at(bytes.len() / 2);
                    connection.write(first)?;
                    // The system has no more room for now.
                    task::yield_now().await;
                    connection.write(second)
                }
                #[cfg(unix)]
                TcpStream::OfTheSystem(socket) => {
                    let mut bytes = bytes;
                    while !bytes.is_empty() {
                        let written = socket.retry(rung::reactor::WRITE, |socket| socket.write(bytes)).await?;
                        bytes = &bytes[written..];
                    }
                    Ok(())
                }
            }
        }
    }
}

/// How long it takes to answer `/slow`.
const SLOW: Duration = Duration::from_millis(5);
const MS: Duration = Duration::from_millis(1);

/// The program with four clients of 250 requests.
const LOAD: u64 = 19;

/// Checks the answer.
pub fn main() {
    course::run(13, program)
}

/// One program: one client, or some.
fn program(dice: &mut Dice, number: u64, size: f64) -> Judged {
    // The smallest are always the same: what they refuse is easy to see. Then come dice.
    let client = Client::small(number).unwrap_or_else(|| Client::roll(dice, size));
    let is_of_the_system = cfg!(unix) && (number == LOAD || number > LOAD && dice.one_in(100));
    let (clients, requests, seed) = (dice.roll(1..=4), dice.roll(20..=100), dice.next());
    let (clients, requests) = if number == LOAD { (4, 250) } else { (clients, requests) };
    let body = move || match is_of_the_system {
        #[cfg(unix)]
        true => under_load(clients as usize, requests as usize, seed),
        _ => scripted(client),
    };
    Judged::new(watch(body), &(), sleeps).spinning_says(
        "serve waits asleep",
        "20 ms of processor time without a read or a write. Between two bytes serve waits in an await, and the loop runs \
         others.",
    )
}

/// A client at work.
struct Desk {
    client: Client,
    connection: Rc<Connection>,
    /// When the last byte was sent.
    last: Instant,
    handle: Pin<Box<rung::join::JoinHandle<std::io::Result<()>>>>,
}

fn scripted(client: Client) {
    Run::current().leaves_out_the_rung();
    runtime::Runtime::virtual_clock().block_on(async {
        let (connection, stop) = (Connection::new(client.head), server::Stop::default());
        let limits = server::Limits { head: client.head, idle: client.idle };
        let stream = net::TcpStream::Scripted(net::Scripted(Rc::clone(&connection)));
        let handle = Box::pin(runtime::spawn(server::serve(stream, Rc::clone(&stop), limits)));
        let mut desk = Desk { client, connection, last: time::now(), handle };
        let (pieces, begin) = (desk.client.pieces.clone(), time::now());
        for (number, piece) in pieces.iter().enumerate() {
            if number > 0 && desk.client.waits > 0 {
                time::sleep(MS * desk.client.waits as u32).await;
                // Before the limit of silence an end has another reason.
                let may_be_timed = time::now() >= begin + desk.client.idle;
                if may_be_timed && desk.connection.is_closed() && !desk.may_be_let_go() {
                    desk.panics().await;
                    desk.client.judge_early_end(&desk.connection, number);
                }
            }
            desk.sends(piece);
        }
        let expected = desk.client.expected();
        let slow = desk.client.requests[..expected].iter().filter(|request| request.asks.ends_with("/slow")).count();
        time::sleep(SLOW * slow as u32 + MS).await;
        desk.panics_if_closed().await;
        desk.client.judge(&desk.connection, desk.may_be_let_go());
        if desk.client.requests[expected - 1].wants.stays() && !desk.connection.is_closed() {
            desk.then(stop).await;
        }
        desk.panics().await;
    });
}

impl Desk {
    fn sends(&mut self, piece: &[u8]) {
        self.last = time::now();
        self.connection.sends(piece);
    }

    /// A panic of serve is told.
    async fn panics(&mut self) {
        let ended = poll_fn(|cx| Poll::Ready(self.handle.as_mut().poll(cx))).await;
        if let Poll::Ready(Err(rung::join::JoinError::Panicked(payload))) = ended {
            resume_unwind(payload);
        }
    }

    /// Whether the client was silent for so long that it may be let go.
    fn may_be_let_go(&self) -> bool {
        time::now() >= self.last + self.client.idle
    }

    async fn panics_if_closed(&mut self) {
        if self.connection.is_closed() {
            self.panics().await;
        }
    }

    /// What comes after the answers.
    async fn then(&mut self, stop: server::Stop) {
        if matches!(self.client.then, Then::Silent(true) | Then::Leaves(true)) {
            self.sends(b"GET /hel");
        }
        match self.client.then {
            Then::Silent(_) => self.is_silent().await,
            Then::Leaves(_) => self.leaves(None).await,
            Then::Resets => self.leaves(Some(std::io::ErrorKind::ConnectionReset)).await,
            Then::SendsOn(more) => self.sends_on(more).await,
            Then::StopsInAHead => self.stops_in_a_head(stop).await,
            Then::Stops(more) => self.stops(stop, more).await,
        }
    }

    /// The client sends nothing more.
    async fn is_silent(&mut self) {
        let idle = self.client.idle;
        let (answered, until) = (time::now(), self.last + idle);
        time::sleep((until - MS).saturating_duration_since(answered)).await;
        if self.connection.is_closed() && !self.may_be_let_go() {
            self.panics().await;
            let silent = time::now() - self.last;
            let says = format!(
                "The connection is closed, and the client was silent for less than {idle:?}: at most {silent:?}."
            );
            broken("a silent client is let go", says, None);
        }
        Run::current().tell("Time", 0, format!("{idle:?} without a byte"));
        // From the last byte, or from the answer on; and who looks now and then may come a little later.
        time::sleep((answered + idle).saturating_duration_since(time::now()) + idle / 10 + MS * 20).await;
        self.client.judge_silence(&self.connection);
    }

    async fn leaves(&mut self, error: Option<std::io::ErrorKind>) {
        self.connection.leaves(error);
        time::sleep(MS).await;
        self.client.judge_leave(&self.connection);
    }

    /// The client sends a head that does not end.
    async fn sends_on(&mut self, more: usize) {
        let before = self.connection.answers().0.len();
        self.sends(b"GET /hello HTTP/1.1\r\n");
        // Far too much comes in pieces that fill a buffer, a little too much in small ones.
        let piece = if more == FAR_TOO_LONG { 4_000 } else { 200 };
        for _ in 0..(self.client.head + more) / piece {
            self.sends(&[b"X: ".to_vec(), vec![b'x'; piece - 5], b"\r\n".to_vec()].concat());
        }
        time::sleep(MS).await;
        self.panics_if_closed().await;
        self.client.judge_too_long(&self.connection, before);
    }

    /// The server is told to stop when it has read half of a head.
    async fn stops_in_a_head(&mut self, stop: server::Stop) {
        let before = self.connection.answers().0.len();
        self.sends(b"GET /hello HT");
        time::sleep(MS).await;
        Run::current().tell("Stop", 0, "the server is to stop");
        stop.set(true);
        self.sends(b"TP/1.1\r\nHost: a\r\n\r\n");
        time::sleep(MS * 2).await;
        self.panics_if_closed().await;
        self.client.judge_stop_in_a_head(&self.connection, before);
    }

    /// The server is told to stop while it answers. Perhaps three more requests come: one lies in the same piece, and two
    /// nobody has read.
    async fn stops(&mut self, stop: server::Stop, more: bool) {
        let before = self.connection.answers().0.len();
        let (slow, hello) = (Request::new("/slow", Wants::Stay), Request::new("/hello", Wants::Stay));
        let behind = if more { &*hello.text } else { "" };
        self.sends([&slow.text, behind].concat().as_bytes());
        time::sleep(MS).await;
        Run::current().tell("Stop", 0, "the server is to stop");
        stop.set(true);
        if more {
            (0..2).for_each(|_| self.sends(hello.text.as_bytes()));
        }
        time::sleep(SLOW + MS * 2).await;
        self.panics_if_closed().await;
        self.client.judge_stop(&self.connection, before, if more { 4 } else { 1 });
    }
}

/// Some clients at once, over sockets of the system: each request is answered.
#[cfg(unix)]
fn under_load(clients: usize, requests: usize, seed: u64) {
    use rung::io::Watched;
    use std::io::{Read, Write};
    let run = Run::current();
    run.leaves_out_the_rung();
    run.tell("Clients", 0, format!("{clients}, with {requests} requests each"));
    // By the system's clock, on which nobody is silent for so long.
    let limits = server::Limits { head: 1_000, idle: Duration::from_secs(3_600) };
    runtime::block_on(async {
        let clients = (0..clients).map(async |number| {
            let (ours, theirs) = mio::net::UnixStream::pair().expect("the system has sockets");
            let stream = net::TcpStream::OfTheSystem(Watched::new(theirs).expect("a socket can be watched"));
            let server = runtime::spawn(server::serve(stream, server::Stop::default(), limits));
            let mut socket = Watched::new(ours).expect("a socket can be watched");
            let mut dice = Dice::of(seed, number as u64);
            let (mut left, mut read, mut buffer) = (requests, Vec::new(), [0; 2_048]);
            while left > 0 {
                let batch = left.min(dice.roll(1..=10) as usize);
                left -= batch;
                let paths: Vec<&str> = (0..batch).map(|_| *dice.pick(&["/hello", "/none"])).collect();
                let batch: Vec<Request> = paths.into_iter().map(|path| Request::new(path, Wants::Stay)).collect();
                let text: String = batch.iter().map(|request| &*request.text).collect();
                let mut bytes = text.as_bytes();
                while !bytes.is_empty() {
                    let most = bytes.len().min(dice.roll(1..=200) as usize);
                    let written = socket.retry(rung::reactor::WRITE, |it| it.write(&bytes[..most])).await;
                    bytes = &bytes[written.expect("the server is there")..];
                    task::yield_now().await;
                }
                for at in 0..batch.len() {
                    let answer = loop {
                        if let Some(answer) = Answer::take(&mut read, false) {
                            break answer;
                        }
                        match socket.retry(rung::reactor::READ, |it| it.read(&mut buffer)).await {
                            Ok(length @ 1..) => read.extend_from_slice(&buffer[..length]),
                            _gone => {
                                let says = "A client has asked, and the connection is closed without an answer.";
                                broken("each request has its answer", says, Some("Write"))
                            }
                        }
                    };
                    is_answer(&batch, at, &answer, false);
                }
                Run::current().tell("Answers", number as u32, format!("{} for client {number}", batch.len()));
            }
            drop(socket);
            if let Err(rung::join::JoinError::Panicked(payload)) = server.await {
                resume_unwind(payload);
            }
        });
        rung::gather::gather(clients).await;
    });
}

/// The answer sleeps, and nobody is left to wake it. Where?
fn sleeps(run: &Run) -> Broken {
    let is_under_load = run.with_events(|events| events.iter().any(|event| event.name == "Clients"));
    let (rule, says) = if is_under_load {
        (
            "each request has its answer",
            "Some clients have sent requests and wait for the answers, or for the end. The loop sleeps.",
        )
    } else {
        ("serve waits asleep", "A poll of serve sleeps, and with it the whole loop: every other client waits.")
    };
    Broken { rule, says: says.to_owned(), missing: Some("Write") }
}
