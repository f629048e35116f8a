//! Other people's libraries as guests of the loop: each does real work on it, beside other tasks, and no second runtime
//! is started for it.
//!
//! What a library needs of its host is little: sockets with the traits that it knows, somebody who polls its futures,
//! and perhaps a timer.
//!
//! | guest | how it gets its sockets | what it asks of them |
//! | --- | --- | --- |
//! | futures | the feature `futures` of `runtime` | |
//! | hyper | [`examples::http::HttpStream`] over the traits of futures | timers that are `Send`: see `hyper.rs` |
//! | rustls | futures-rustls, over the traits of futures | |
//! | tungstenite | async-tungstenite, over the traits of futures | |
//! | tokio-postgres | tokio-util's `compat`, from the traits of futures to those of tokio | |
//! | redis-protocol | tokio-util's `Framed` over `compat` | |
//!
//! None of these demands that a socket or a task be `Send`, so the sockets of the loop, which are not, will do, and so
//! does `spawn`. What does (redis's own client with its pool, tower's boxed services) is no guest for a loop that lives
//! on one thread. What may leave the thread is listed in the documentation of `runtime`.
//!
//! PostgreSQL and Redis have to be there for their guests: `tests/services run cargo test` starts them.

#[path = "guests/certificates.rs"]
mod certificates;
#[path = "guests/futures.rs"]
mod futures;
#[path = "guests/hyper.rs"]
mod hyper;
#[path = "guests/postgres.rs"]
mod postgres;
#[path = "guests/redis.rs"]
mod redis;
#[path = "guests/tls.rs"]
mod tls;
#[path = "guests/websocket.rs"]
mod websocket;

use runtime::block_on;
use runtime::net::{TcpListener, TcpStream};
use runtime::task::yield_now;
use std::cell::Cell;
use std::future::pending;
use std::io::{self, Write};
use std::rc::Rc;
use tests::{alone, counted};

/// Runs a guest twice: alone, so that the loop parks whenever the guest waits; and beside a neighbour who is ready in
/// every turn. The guest must have let the loop go on at least `waits` times, and each time the neighbour must have come
/// round.
#[track_caller]
fn host(waits: usize, guest: impl AsyncFn()) {
    block_on(guest());
    let (waited, rounds) = block_on(beside_a_neighbour(guest));
    assert!(waited >= waits, "the guest waited {waited} times and should have at least {waits} times");
    assert!(rounds >= waited, "the neighbour came round {rounds} times while the guest waited {waited} times");
}

/// How often the guest waited, and how often its neighbour came round meanwhile.
async fn beside_a_neighbour(guest: impl AsyncFn()) -> (usize, usize) {
    let rounds = Rc::new(Cell::new(0));
    let count = Rc::clone(&rounds);
    let neighbour = runtime::spawn(async move {
        loop {
            count.set(count.get() + 1);
            yield_now().await;
        }
    });
    // The neighbour has its first round before the guest begins: from here on it is in every turn.
    yield_now().await;
    let polls = Cell::new(0);
    counted(&polls, guest()).await;
    neighbour.abort();
    (polls.get() - 1, rounds.get())
}

/// The two ends of a TCP connection.
async fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let client = TcpStream::connect(listener.local_addr().expect("it is bound")).await.expect("somebody listens");
    let (server, _) = listener.accept().await.expect("the connection is there");
    (client, server)
}

/// Where a service is, from the environment. When it is not there, the test that asks is left out, and says so past the
/// harness, which would swallow it.
fn service(variable: &str) -> Option<String> {
    if let Ok(address) = std::env::var(variable) {
        return Some(address);
    }
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    let how = format!("{test}: left out, {variable} is not set; `tests/services run cargo test` runs it");
    assert!(std::env::var_os("GLASSLOOP_REQUIRE_SERVICES").is_none(), "{how}");
    writeln!(io::stderr(), "{how}").expect("stderr takes a line");
    None
}

#[test]
fn guests_bring_neither_a_runtime_nor_a_thread_with_them() {
    alone("guests_bring_neither_a_runtime_nor_a_thread_with_them", || {
        let threads = || std::fs::read_dir("/proc/self/task").expect("Linux lists a process's threads").count();
        let before = threads();
        block_on(async {
            futures::echo().await;
            hyper::keep_alive().await;
            tls::echo().await;
            websocket::echo().await;
            if let Some(client) = postgres::connect().await {
                postgres::count(&client).await;
            }
            if let Some(mut client) = redis::connect().await {
                redis::count(&mut client).await;
            }
            assert!(tokio::runtime::Handle::try_current().is_err(), "this is no runtime of tokio's");
            assert_eq!(threads(), before, "what a guest has started would still be there");
        });
    });
}

#[test]
#[should_panic(expected = "the guest waited 0 times")]
fn a_guest_that_blocks_the_thread_is_found_out() {
    host(1, async || std::thread::yield_now());
}

#[test]
fn a_neighbour_comes_round_each_time_that_the_guest_waits() {
    let guest = async || {
        for _ in 0..7 {
            yield_now().await;
        }
    };
    assert_eq!(block_on(beside_a_neighbour(guest)), (7, 8));
}

/// Runs `future` until it is done, and a task of the guest's own beside it for as long.
async fn with_task<T>(task: impl Future<Output = ()> + 'static, future: impl Future<Output = T>) -> T {
    let task = runtime::spawn(async {
        task.await;
        pending::<()>().await
    });
    let result = future.await;
    task.abort();
    result
}
