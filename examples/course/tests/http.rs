//! Rung 13 as a server: every request has its answer, however the bytes come.
//!
//! The last test sends 40,000 requests with the project's own load test. It needs two release builds, so it is left out
//! unless it is asked for: `cargo test -p course --test http -- --ignored`.
#![allow(dead_code, reason = "the server is a part of its rung")]

#[path = "../lessons/13_server/rung.rs"]
mod rung_13;

use rung_13::{net, runtime, server, time};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

/// Runs `client` beside a server that ends when it is done.
fn with_server(limits: server::Limits, client: impl FnOnce(SocketAddr, &AtomicBool) + Send + 'static) {
    let (send, address) = mpsc::channel();
    let stops = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stops);
    let server = thread::spawn(move || {
        runtime::block_on(async {
            let listener = net::TcpListener::bind(([127, 0, 0, 1], 0).into()).unwrap();
            send.send(listener.local_addr().unwrap()).unwrap();
            let stop = server::Stop::default();
            runtime::spawn(server::listen(listener, Rc::clone(&stop), limits));
            // The two states of the flag: told to stop, and over.
            while Arc::strong_count(&told) > 1 {
                stop.set(told.load(SeqCst));
                time::sleep(Duration::from_millis(1)).await;
            }
        });
    });
    client(address.recv().unwrap(), &stops);
    drop(stops);
    server.join().unwrap();
}

const LIMITS: server::Limits = server::Limits { head: 1_000, idle: Duration::from_secs(60) };

/// Sends the pieces one after the other, and reads to the end.
fn all_answers(address: SocketAddr, pieces: &[&[u8]]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    for piece in pieces {
        stream.write_all(piece).unwrap();
    }
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    answers
}

/// Reads one answer: its head and its body.
fn answer(stream: &mut BufReader<TcpStream>) -> (String, String) {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let before = head.len();
        assert!(stream.read_line(&mut head).unwrap() > 0, "the end comes after {head:?}");
        match &head[before..] {
            "\r\n" => break,
            line => length = line.strip_prefix("Content-Length: ").map_or(length, |it| it.trim().parse().unwrap()),
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    (head, String::from_utf8(body).unwrap())
}

#[test]
fn a_request_may_be_cut_at_every_byte_and_requests_may_come_together() {
    with_server(LIMITS, |address, _| {
        let requests = b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\nGET /none HTTP/1.1\r\nConnection: close\r\n\r\n";
        let whole = all_answers(address, &[requests]);
        assert_eq!(whole.matches("HTTP/1.1 ").count(), 2);
        assert!(whole.contains("200 OK") && whole.contains("Hello, world!\n") && whole.ends_with("no such page\n"));
        for at in 1..requests.len() {
            let (first, second) = requests.split_at(at);
            assert_eq!(all_answers(address, &[first, second]), whole, "cut at byte {at}");
        }
        let bytes: Vec<&[u8]> = requests.chunks(1).collect();
        assert_eq!(all_answers(address, &bytes), whole);
    });
}

#[test]
fn clients_of_http_1_0_are_told_that_the_connection_stays_or_it_is_closed() {
    with_server(LIMITS, |address, _| {
        // What `ab -k` sends.
        let request =
            b"GET /hello HTTP/1.0\r\nConnection: Keep-Alive\r\nHost: a\r\nUser-Agent: ApacheBench/2.3\r\n\r\n";
        let mut stream = BufReader::new(TcpStream::connect(address).unwrap());
        for _ in 0..100 {
            stream.get_mut().write_all(request).unwrap();
            let (head, body) = answer(&mut stream);
            assert!(head.contains("\r\nConnection: keep-alive\r\n"), "{head}");
            assert_eq!(body, "Hello, world!\n");
        }
        // And without `-k`.
        let closed = all_answers(address, &[b"GET /hello HTTP/1.0\r\nHost: a\r\n\r\n"]);
        assert!(closed.contains("\r\nConnection: close\r\n") && closed.ends_with("Hello, world!\n"), "{closed}");
    });
}

#[test]
fn a_head_that_is_too_long_and_a_request_with_a_body_end_the_connection() {
    with_server(LIMITS, |address, _| {
        let long = format!("GET /hello HTTP/1.1\r\nX: {}", "x".repeat(1_000));
        assert!(all_answers(address, &[long.as_bytes()]).starts_with("HTTP/1.1 431 "));
        let post = all_answers(address, &[b"POST /hello HTTP/1.1\r\nContent-Length: 4\r\n\r\nGET "]);
        assert!(post.contains("\r\nConnection: close\r\n") && post.matches("HTTP/1.1 ").count() == 1, "{post}");
    });
}

#[test]
fn an_idle_client_is_let_go() {
    with_server(server::Limits { head: 1_000, idle: Duration::from_millis(1) }, |address, _| {
        assert_eq!(all_answers(address, &[b"GET /hel"]), "");
    });
}

#[test]
fn a_stop_answers_what_was_asked_and_then_closes() {
    with_server(LIMITS, |address, stops| {
        let mut stream = BufReader::new(TcpStream::connect(address).unwrap());
        stream.get_mut().write_all(b"GET /hello HTTP/1.1\r\n\r\n").unwrap();
        answer(&mut stream);
        stops.store(true, SeqCst);
        // How long the server takes to see it is not known: it answers until then, and closes after one more answer.
        let mut answers = 0;
        while stream.get_mut().write_all(b"GET /slow HTTP/1.1\r\n\r\n").is_ok()
            && !stream.fill_buf().is_ok_and(<[u8]>::is_empty)
        {
            if stream.fill_buf().is_err() {
                break;
            }
            assert_eq!(answer(&mut stream).1, "slept for 5 ms\n");
            answers += 1;
        }
        assert!(answers >= 1);
    });
}

#[test]
fn four_thousand_requests_of_forty_clients_are_all_answered() {
    with_server(LIMITS, |address, _| {
        let clients = [(); 40].map(|()| {
            thread::spawn(move || {
                let mut stream = BufReader::new(TcpStream::connect(address).unwrap());
                for number in 0..100 {
                    let path = if number % 10 == 0 { "slow" } else { "hello" };
                    write!(stream.get_mut(), "GET /{path} HTTP/1.1\r\n\r\n").unwrap();
                    let (head, _) = answer(&mut stream);
                    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
                }
            })
        });
        clients.into_iter().for_each(|client| client.join().unwrap());
    });
}

#[test]
#[ignore = "two release builds and some seconds: cargo test -p course --test http -- --ignored"]
fn the_load_test_loses_none_of_forty_thousand_requests() {
    let cargo = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO"));
        command.args(["run", "-q", "--release"]).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
        command
    };
    let mut server = cargo(&["-p", "course", "--example", "rung_13", "--", "127.0.0.1:0"]);
    let mut server = server.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let urls: Vec<&str> = line.split_whitespace().filter(|word| word.starts_with("http://")).collect();
    let arguments = ["-p", "examples", "--no-default-features", "--example", "load_test", "--", "--requests", "40000"];
    let report = cargo(&[&arguments[..], &urls].concat()).output().unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
    let report = String::from_utf8_lossy(&report.stdout).into_owned();
    println!("{report}");
    let says = |name: &str, value: &str| {
        report.lines().any(|line| line.trim_start().starts_with(name) && line.trim_end().ends_with(value))
    };
    assert!(says("statuses", "40,000") && says("errors", "none"), "{report}");
}
