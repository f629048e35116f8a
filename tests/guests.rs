//! Other people's libraries as guests of the loop: each does real work on it, beside other tasks, and no second runtime
//! is started for it.
//!
//! What a library needs of its host is little: sockets with the traits that it knows, somebody who polls its futures,
//! and perhaps a timer.
//!
//! | guest | how it gets its sockets | file |
//! | --- | --- | --- |
//! | futures' extension traits | the feature `futures` of `runtime` | `streams.rs` |
//! | hyper | [`examples::http::HttpStream`], over the traits of futures | `http.rs` |
//! | rustls | futures-rustls, over the traits of futures | `tls.rs` |
//! | tungstenite | async-tungstenite, over the traits of futures | `websocket.rs` |
//! | tokio-postgres | tokio-util's `compat`, from the traits of futures to tokio's | `postgres.rs` |
//! | redis-protocol | tokio-util's `Framed`, over `compat` | `redis.rs` |
//!
//! None of these demands that a socket or a task be `Send`. The loop's are not: they live on one thread, as the
//! documentation of `runtime` says. Where hyper wants a timer that is `Send`, it gets the end of a channel, which is
//! (`http.rs`). A library whose tasks must be `Send`, socket and all, is no guest for this loop.
//!
//! PostgreSQL and Redis have to be there for their guests: `tests/services run cargo test` starts them.

#[path = "guests/certificates.rs"]
mod certificates;
#[path = "guests/http.rs"]
mod http;
#[path = "guests/postgres.rs"]
mod postgres;
#[path = "guests/redis.rs"]
mod redis;
#[path = "guests/streams.rs"]
mod streams;
#[path = "guests/tls.rs"]
mod tls;
#[path = "guests/websocket.rs"]
mod websocket;

use runtime::net::{TcpListener, TcpStream};
use runtime::task::yield_now;
use runtime::{block_on, spawn};
use std::cell::Cell;
use std::rc::Rc;
use tests::{alone, counted, service};

/// How often a guest says something and waits for the answer, where one is as good as many.
const ROUNDS: usize = 50;

/// Runs a guest twice: alone, so that the loop parks whenever the guest waits; and beside a neighbour who is ready in
/// every turn. The guest must have let the loop go on at least `waits` times, and each time the neighbour must have come
/// round.
#[track_caller]
fn host(waits: usize, guest: impl AsyncFn()) {
    block_on(guest());
    let (waited, rounds) = block_on(beside_a_neighbour(guest));
    assert!(waited >= waits, "the guest waited {waited} times, and should have at least {waits} times");
    assert!(rounds >= waited, "the neighbour came round {rounds} times while the guest waited {waited} times");
}

/// How often the guest waited, and how often its neighbour came round.
async fn beside_a_neighbour(guest: impl AsyncFn()) -> (usize, usize) {
    let rounds = Rc::new(Cell::new(0));
    let count = Rc::clone(&rounds);
    let neighbour = spawn(async move {
        loop {
            count.set(count.get() + 1);
            yield_now().await;
        }
    });
    // The neighbour's first round comes before the guest begins; from here on it is in every turn.
    yield_now().await;
    let polls = Cell::new(0);
    counted(&polls, guest()).await;
    neighbour.abort();
    (polls.get() - 1, rounds.get())
}

/// The two ends of a TCP connection: the one that connected, and the one that was accepted.
async fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let client = TcpStream::connect(address).await.expect("somebody listens");
    let (server, peer) = listener.accept().await.expect("somebody has connected");
    assert_eq!(peer, client.local_addr().expect("it is connected"));
    (client, server)
}

#[test]
fn guests_bring_neither_a_thread_nor_a_runtime_with_them() {
    alone("guests_bring_neither_a_thread_nor_a_runtime_with_them", || {
        let threads = || std::fs::read_dir("/proc/self/task").expect("Linux lists a process's threads").count();
        let before = threads();
        block_on(async {
            streams::echo().await;
            http::keep_alive().await;
            tls::echo().await;
            websocket::echo().await;
            if postgres::is_there() {
                postgres::count(postgres::connect().await).await;
            }
            if redis::is_there() {
                redis::count(redis::connect().await).await;
            }
            assert!(tokio::runtime::Handle::try_current().is_err(), "this loop is none of tokio's");
            assert_eq!(threads(), before, "a runtime that was started would still be there");
        });
    });
}

#[test]
#[should_panic(expected = "the guest waited 0 times")]
fn a_guest_that_keeps_the_thread_to_itself_is_found_out() {
    host(1, async || std::thread::yield_now());
}

#[test]
fn the_neighbour_comes_round_each_time_that_the_guest_waits() {
    let guest = async || {
        for _ in 0..7 {
            yield_now().await;
        }
    };
    assert_eq!(block_on(beside_a_neighbour(guest)), (7, 8));
}
