//! The load test against servers that others have written, node's and Python's, and its histograms read by a program
//! that is not its own. What the servers have counted is what it says, for every kind of end.

use crate::process::{Program, run};
use crate::{OK, answer_each, file, serve, url};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use tests::left_out;

/// A server in one of these languages, and where it listens. `None` where the language is not installed.
fn start(language: &str, source: &str) -> Option<(Program, String)> {
    if !has(language) {
        return None;
    }
    let source = format!("{}/programs/{source}", env!("CARGO_MANIFEST_DIR"));
    let mut server = Program::spawn(Command::new(language).arg(source));
    let mut port = String::new();
    BufReader::new(server.child.stdout.take().expect("piped")).read_line(&mut port).expect("the first line");
    Some((server, format!("127.0.0.1:{}", port.trim())))
}

fn has(language: &str) -> bool {
    let there = Command::new(language).arg("--version").output().is_ok_and(|output| output.status.success());
    if !there {
        left_out(&format!("there is no {language}"));
    }
    there
}

/// What the server has counted, by path.
fn counts(address: &str) -> Value {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let request = format!("GET /counts HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it is connected");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("text");
    let (from, to) = (answer.find('{').expect(&answer), answer.rfind('}').expect(&answer));
    serde_json::from_str(&answer[from..=to]).expect(&answer)
}

/// What a request to each path comes to: all are counted, whatever their end.
fn assert_counts(address: &str) {
    for (path, statuses, errors) in [
        ("/ok", json!({"200": 40}), json!({})),
        ("/bad", json!({"500": 40}), json!({})),
        ("/reset", json!({}), json!({"connection reset": 40})),
        ("/gone", json!({}), json!({"connection closed early": 40})),
        ("/half", json!({}), json!({"connection closed early": 40})),
        ("/strange", json!({}), json!({"the answer is no HTTP": 40})),
    ] {
        let arguments = ["-n", "40", "-c", "4", "--no-resend", "--json", &format!("http://{address}{path}")];
        let done = run("load_test", &arguments);
        let json = done.json();
        assert_eq!((&json["statuses"], &json["errors"]), (&statuses, &errors), "{path}: {done:?}");
        assert_eq!(counts(address)[path], 40, "what the server has counted, {path}: {json}");
        assert_eq!(done.code(), i32::from(path != "/ok"), "{path}: {done:?}");
    }
    // They take as long as they may, and no longer.
    let arguments = ["-n", "4", "-c", "4", "-t", "2s", "--json", &format!("http://{address}/late")];
    let json = run("load_test", &arguments).json();
    assert_eq!((&json["statuses"], &json["errors"]), (&json!({}), &json!({"timed out": 4})), "{json}");
    assert_eq!(counts(address)["/late"], 4, "what the server has counted: {json}");
    // Sent again: the server has seen these twice.
    let json = run("load_test", &["-n", "40", "-c", "4", "--json", &format!("http://{address}/third")]).json();
    let again = json["sent_again"].as_u64().expect("a number");
    assert!(again > 0, "{json}");
    assert_eq!((&json["statuses"], &json["errors"]), (&json!({"200": 40}), &json!({})), "{json}");
    assert_eq!(counts(address)["/third"], 40 + again, "what the server has counted: {json}");
}

#[test]
fn a_server_of_node_has_counted_what_the_report_says_for_every_kind_of_end() {
    let Some((_server, address)) = start("node", "server.mjs") else { return };
    assert_counts(&address);
}

#[test]
fn a_server_of_python_has_counted_what_the_report_says_for_every_kind_of_end() {
    let Some((_server, address)) = start("python3", "server.py") else { return };
    assert_counts(&address);
}

#[test]
fn a_program_in_another_language_reads_the_histograms_and_finds_the_same_quantiles() {
    if !has("python3") {
        return;
    }
    let server = serve(|stream| answer_each(stream, |_| OK.to_string()));
    let done = run("load_test", &["-n", "500", "-c", "5", "--json", &url(server), &format!("{}b", url(server))]);
    let reader = format!("{}/programs/histogram.py", env!("CARGO_MANIFEST_DIR"));
    let path = file("histograms.json", &done.stdout);
    let read = Program::spawn(Command::new("python3").args([&reader, &path])).finish();
    assert_eq!((read.code(), read.stderr.as_str()), (0, ""), "{read:?}");
    let targets = done.json()["targets"].as_array().expect("two").clone();
    assert_eq!((targets.len(), read.json().as_array().expect("two").len()), (2, 2));
    for (target, found) in targets.iter().zip(read.json().as_array().expect("two")) {
        assert_eq!((&target["answers"], &found["count"]), (&json!(250), &json!(250)), "{read:?}");
        for name in ["p50", "p75", "p90", "p95", "p99", "max"] {
            let nanoseconds = found[name].as_f64().expect(name);
            assert_eq!(Some(nanoseconds / 1e6), target["latency_ms"][name].as_f64(), "{name}: {done:?} {read:?}");
        }
    }
}
