//! Protocols over bytes that come in pieces: the HTTP server of the course, word for word, on this loop and a stream in
//! memory, in every order and with every short read and write within a bound; and `fs::lines`, word for word, with a task
//! in the place of its blocking job.
#![cfg(feature = "explore")]

use runtime::explore::{Explored, explorer};
use runtime::io::{DuplexStream, duplex};
use runtime::spawn;
use runtime::sync::mpsc;
use runtime::task::yield_now;
use runtime::time::sleep;
use runtime::time::timeout;
use std::cell::RefCell;
use std::net::Shutdown;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

// What `fs.rs` of the runtime finds beside it there. The explorer refuses the blocking pool, so a job is a task here.
macro_rules! explore(($($call:tt)*) => { () });

#[allow(dead_code, unreachable_pub, reason = "a public module there")]
#[path = "../runtime/src/fs.rs"]
mod fs;

mod circle {
    pub(crate) mod budget {
        pub(crate) fn spend<R>(
            cx: &mut std::task::Context<'_>,
            poll: impl FnOnce(&mut std::task::Context<'_>) -> std::task::Poll<R>,
        ) -> std::task::Poll<R> {
            poll(cx)
        }
    }

    pub(crate) mod context {
        pub(crate) fn current(_what: &str, f: impl FnOnce(&())) {
            f(&());
        }
    }
}

mod io {
    pub(crate) fn about(what: impl std::fmt::Display, error: std::io::Error) -> std::io::Error {
        std::io::Error::new(error.kind(), format!("{what}: {error}"))
    }
}

mod parts {
    pub(crate) mod shrink {
        /// Memory that is given back changes no order, so here none is.
        pub(crate) trait Shrink {
            fn give_back(&mut self) {}
        }

        impl Shrink for Vec<u8> {}
    }
}

mod task {
    pub(crate) fn spawn_blocking<T: 'static>(job: impl FnOnce() -> T + 'static) -> crate::JoinHandle<T> {
        crate::JoinHandle(runtime::spawn(async { job() }).into())
    }
}

/// The handle of a job.
#[derive(Debug)]
struct JoinHandle<T>(RefCell<runtime::JoinHandle<T>>);

impl<T> JoinHandle<T> {
    fn poll_end(&self, cx: &mut Context<'_>) -> Poll<Result<T, runtime::JoinError>> {
        Pin::new(&mut *self.0.borrow_mut()).poll(cx)
    }
}

/// What the module `server` of the course's rung 13 finds beside it there: sockets, `spawn`, time. Here they are this
/// runtime's, and a stream in memory for the socket. The module is cut out of the rung by `build.rs`.
#[allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    unused_mut,
    reason = "as in the rung, where a socket is read mutably"
)]
mod rung_13 {
    include!(concat!(env!("OUT_DIR"), "/rung_13_server.rs"));

    pub mod net {
        use runtime::io::DuplexStream;
        use runtime::sync::mpsc;

        pub use runtime::io::DuplexStream as TcpStream;

        /// Gives the streams that are sent to it, and fails when there are no more.
        pub struct TcpListener(pub mpsc::Receiver<DuplexStream>);

        impl TcpListener {
            pub async fn accept(&mut self) -> std::io::Result<TcpStream> {
                self.0.recv().await.ok_or_else(|| std::io::ErrorKind::NotConnected.into())
            }
        }
    }

    pub mod runtime {
        pub use ::runtime::spawn;
    }

    pub mod time {
        pub use ::runtime::time::{sleep, timeout};
    }
}
use rung_13::net::TcpListener;
use rung_13::server::{Limits, Stop, listen, serve};

const LIMITS: Limits = Limits { head: 60, idle: Duration::from_secs(60) };

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 14\r\nConnection: keep-alive\r\n\r\nHello, world!\n";
const NONE: &str = "HTTP/1.1 404 Not Found\r\nContent-Length: 13\r\nConnection: close\r\n\r\nno such page\n";

/// Reads to the end of the file.
async fn all_of(stream: &DuplexStream) -> String {
    let (mut text, mut bytes) = (Vec::new(), [0; 128]);
    while let Ok(n @ 1..) = stream.read(&mut bytes).await {
        text.extend_from_slice(&bytes[..n]);
    }
    String::from_utf8(text).unwrap()
}

fn serving(stream: DuplexStream, stop: &Stop) -> runtime::JoinHandle<std::io::Result<()>> {
    spawn(serve(stream, Rc::clone(stop), LIMITS))
}

#[track_caller]
fn held(explored: &Explored, at_least: usize) {
    assert!(explored.failure.is_none() && explored.complete, "{explored}");
    assert!(explored.schedules >= at_least, "{explored}");
    println!("{explored}");
}

#[test]
fn requests_may_be_cut_at_every_byte_and_come_together() {
    // The streams hold a whole answer, so that the cuts are those that are chosen.
    let program = |requests: &'static str, expected: String| async move {
        let (client, server) = duplex(256);
        let server = serving(server, &Stop::default());
        client.write_all(requests.as_bytes()).await.unwrap();
        assert!(all_of(&client).await == expected, "other answers");
        server.await.unwrap().unwrap();
    };
    let two = "GET /hello HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nConnection: close\r\n\r\n";
    // Each byte of the requests is a place to cut, once as it is written and once as it is read; and each of the answers.
    let cuts = 2 * two.len() + HELLO.len() + NONE.len();
    held(&explorer().overtakings(1).run(|| program(two, [HELLO, NONE].concat())), cuts);
    let one = "GET / HTTP/1.0\r\n\r\n";
    held(&explorer().overtakings(2).run(|| program(one, NONE.to_owned())), one.len() * one.len());
}

#[test]
fn one_read_for_one_request_is_found_out() {
    let naive = |stream: DuplexStream| async move {
        let mut bytes = [0; 128];
        while let Ok(n @ 1..) = stream.read(&mut bytes).await {
            let is_whole = bytes[..n].ends_with(b"\r\n\r\n");
            let answer = if is_whole { "HTTP/1.1 200 OK\r\n\r\n" } else { "HTTP/1.1 400 Bad Request\r\n\r\n" };
            drop(stream.write_all(answer.as_bytes()).await);
        }
    };
    let failure = explorer().run(|| async move {
        let (client, server) = duplex(256);
        drop(spawn(naive(server)));
        client.write_all(b"GET /hello HTTP/1.1\r\n\r\n").await.unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert!(all_of(&client).await == "HTTP/1.1 200 OK\r\n\r\n", "another answer");
    });
    let failure = failure.failure.expect("half a request is one read");
    // The loop's own order and 22 short writes hold: the server reads when all is written. The first short read fails.
    assert_eq!(failure.run, 24, "{failure}");
    let message = &failure.message;
    let is_named = message.contains("choose(23) at protocols.rs:") && message.contains(" gives 1: 1 of 23 bytes.");
    assert!(is_named, "the short read is named: {failure}");
}

#[test]
fn whoever_sends_no_end_or_nothing_is_sent_away() {
    // More than a head may have.
    held(
        &explorer().overtakings(1).run(|| async {
            let (client, server) = duplex(256);
            let server = serving(server, &Stop::default());
            client.write_all(&[b'x'; 64]).await.unwrap();
            assert_eq!(all_of(&client).await, "HTTP/1.1 431 Too Large\r\nConnection: close\r\n\r\n");
            server.await.unwrap().unwrap();
        }),
        64,
    );
    // Half a head, and then nothing for a minute.
    held(
        &explorer().overtakings(2).time_passes().run(|| async {
            let (client, server) = duplex(256);
            let server = serving(server, &Stop::default());
            client.write_all(b"GET /").await.unwrap();
            assert_eq!(all_of(&client).await, "");
            server.await.unwrap().unwrap();
        }),
        5,
    );
}

#[test]
fn a_server_that_stops_answers_what_was_asked() {
    let program = || async {
        let (client, server) = duplex(256);
        let stop = Stop::default();
        let server = serving(server, &stop);
        // At every point, also while the answer sleeps.
        drop(spawn(async move {
            sleep(Duration::from_millis(5)).await;
            stop.set(true);
        }));
        client.write_all(b"GET /slow HTTP/1.1\r\n\r\n").await.unwrap();
        let mut bytes = [0; 128];
        let n = client.read(&mut bytes).await.unwrap();
        assert!(bytes[..n].starts_with(b"H"), "the answer comes");
        client.shutdown(Shutdown::Write).unwrap();
        drop(all_of(&client).await);
        server.await.unwrap().unwrap();
    };
    held(&explorer().overtakings(1).run(program), 40);
}

#[test]
fn a_server_that_stops_answers_what_lies_behind_or_says_that_it_closes() {
    let program = || async {
        let (client, server) = duplex(256);
        let stop = Stop::default();
        let server = serving(server, &stop);
        // At every point, also in the middle of the first answer, with the second request read already.
        drop(spawn(async move {
            yield_now().await;
            stop.set(true);
        }));
        client.write_all(b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n").await.unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let answers = all_of(&client).await;
        server.await.unwrap().unwrap();
        let last = answers.rsplit("HTTP/1.1").next().unwrap();
        let is_told = last.contains("\r\nConnection: close\r\n");
        assert!(answers.matches("no such page\n").count() == 2 || is_told, "{answers}");
    };
    held(&explorer().overtakings(1).run(program), 40);
}

#[test]
fn a_connection_that_is_aborted_leaves_no_client_and_no_other_connection_waiting() {
    let program = || async {
        let (connect, connections) = mpsc::channel(2);
        let listener = spawn(listen(TcpListener(connections), Stop::default(), LIMITS));
        let clients = [(); 2].map(|()| {
            let (client, server) = duplex(256);
            connect.try_send(server).unwrap();
            spawn(async move {
                client.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
                all_of(&client).await
            })
        });
        let [first, second] = clients;
        let abort = first.abort_handle();
        drop(spawn(async move {
            yield_now().await;
            abort.abort();
        }));
        let first = first.await.unwrap_or_default();
        assert!(NONE.starts_with(&first), "{first:?}");
        assert!(second.await.unwrap() == NONE, "the other client has its answer");
        listener.abort();
    };
    held(&explorer().overtakings(1).run(program), 40);
}

#[test]
fn lines_come_once_and_in_order_whenever_their_reader_gives_up_and_asks_again() {
    // Longer than a chunk, so that a line is read in several jobs.
    let (long, longer) = ("a".repeat(70_000), "d".repeat(140_000));
    let expected = [long.as_str(), "bc", "", longer.as_str(), "the end"];
    let path = std::env::temp_dir().join(format!("glassloop-explored-lines-{}", std::process::id()));
    std::fs::write(&path, expected.join("\n")).unwrap();
    let read = |path: std::path::PathBuf| async move {
        let (mut lines, mut read) = (fs::lines(path), Vec::new());
        loop {
            // Time passes: this may give up at every point.
            match timeout(Duration::from_secs(1), lines.next()).await {
                Ok(Some(line)) => read.push(line.unwrap()),
                Ok(None) => return read,
                Err(_elapsed) => {}
            }
        }
    };
    let whole = explorer().overtakings(2).time_passes().run(|| async {
        let read = spawn(read(path.clone())).await.unwrap();
        assert!(read == expected, "{} lines", read.len());
    });
    held(&whole, 20);
    // An abort of the reader at every point. The job that is under way ends by itself.
    let aborted = explorer().run(|| async {
        let reader = spawn(read(path.clone()));
        let abort = reader.abort_handle();
        drop(spawn(async move { abort.abort() }));
        drop(reader.await);
        assert!(read(path.clone()).await == expected);
    });
    held(&aborted, 3);
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_read_that_is_given_up_and_asked_for_again_waits_once() {
    struct Nobody;
    impl Wake for Nobody {
        fn wake(self: Arc<Self>) {}
    }
    let (near, _far) = duplex(1);
    let nobody = Arc::new(Nobody);
    let waker = Waker::from(Arc::clone(&nobody));
    let cx = &mut Context::from_waker(&waker);
    runtime::block_on(async {
        near.write_all(b"x").await.unwrap();
        for _ in 0..100 {
            assert!(pin!(near.read(&mut [0])).poll(cx).is_pending());
            assert!(pin!(near.write(b"y")).poll(cx).is_pending());
        }
    });
    assert_eq!(Arc::strong_count(&nobody), 4, "its own, the waker, and one for each direction");
}
