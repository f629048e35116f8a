//! `web`: the same Router on this loop and on tokio's, asked by the same client.

use crate::process::{Program, run};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// Starts it, and gives its address.
fn start(arguments: &[&str]) -> (Program, String) {
    let mut program = Program::start("web", &[&["127.0.0.1:0"], arguments].concat());
    let mut line = String::new();
    BufReader::new(program.child.stdout.take().expect("piped")).read_line(&mut line).expect("the first line");
    let address = line.trim().strip_prefix("listening at http://").expect(&line).to_string();
    (program, address)
}

/// Asks for a path over a connection of its own, and gives the whole answer.
fn ask(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it is connected");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("text");
    answer
}

/// Status and body, as JSON.
fn json(answer: &str) -> (u16, Value) {
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect(answer);
    let body = answer.split("\r\n\r\n").nth(1).expect(answer);
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

#[test]
fn the_same_router_answers_the_same_on_this_loop_and_on_tokio_s() {
    for arguments in [&[][..], &["--tokio"]] {
        let (_program, address) = start(arguments);
        for (path, expected) in [
            ("/", (200, json!({"asked": 1}))),
            ("/", (200, json!({"asked": 2}))),
            ("/hello/Ada", (200, json!({"hello": "Ada"}))),
            ("/wait/20", (200, json!({"waited_ms": 20}))),
            ("/three", (200, json!([10, 20, 30]))),
            ("/wait/long", (400, Value::Null)),
            ("/nowhere", (404, Value::Null)),
        ] {
            assert_eq!(json(&ask(&address, path)), expected, "{path} {arguments:?}");
        }
        let done = run("load_test", &["-n", "200", "-c", "20", "--json", &format!("http://{address}/three")]);
        assert_eq!((done.code(), &done.json()["statuses"]), (0, &json!({"200": 200})), "{arguments:?}: {done:?}");
    }
}

#[test]
fn at_sigterm_requests_under_way_get_their_answer_and_nobody_else_is_let_in() {
    let (mut program, address) = start(&[]);
    let mut under_way = TcpStream::connect(&address).expect("it listens");
    let mut idle = TcpStream::connect(&address).expect("it listens");
    // Both are accepted: this one was after them.
    ask(&address, "/");
    under_way.write_all(b"GET /wait/1500 HTTP/1.1\r\nhost: x\r\n\r\n").expect("it is connected");
    // It has been heard: it came before this one.
    ask(&address, "/");
    tests::send_signal("TERM", program.child.id());
    // Who asks for nothing is sent away at once.
    assert_eq!(idle.read(&mut [0; 8]).expect("an orderly end"), 0);
    assert!(TcpStream::connect(&address).is_err(), "nobody listens any more");
    let mut answer = String::new();
    under_way.read_to_string(&mut answer).expect("an answer, and the end");
    assert_eq!(json(&answer), (200, json!({"waited_ms": 1500})));
    assert_eq!(program.child.wait().expect("it is our child").code(), Some(0));
}
