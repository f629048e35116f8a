//! The example programs, run as a student runs them: as processes, against servers that behave and servers that do
//! not.
//!
//! `cargo test` builds the examples along with the tests. Where it did not (`cargo test -p tests`), the first test
//! that misses one builds all of them.

#![cfg(unix)]

#[path = "guests/certificates.rs"]
mod certificates;
#[path = "programs/beside.rs"]
mod beside;
#[path = "programs/caches.rs"]
mod caches;
#[path = "programs/claims.rs"]
mod claims;
#[path = "programs/commands.rs"]
mod commands;
#[path = "programs/cpu.rs"]
mod cpu;
#[path = "programs/debugger.rs"]
mod debugger;
#[path = "programs/fd_limit.rs"]
mod fd_limit;
#[path = "programs/load_test.rs"]
mod load_test;
#[path = "programs/manners.rs"]
mod manners;
#[path = "programs/web.rs"]
mod web;
#[path = "programs/lines.rs"]
mod lines;
#[path = "programs/little.rs"]
mod little;
#[path = "programs/nginx.rs"]
mod nginx;
#[path = "programs/pool.rs"]
mod pool;
#[path = "programs/process.rs"]
mod process;
#[path = "programs/proxy.rs"]
mod proxy;
#[path = "programs/real.rs"]
mod real;
#[path = "programs/rosetta.rs"]
mod rosetta;
#[path = "programs/scrape.rs"]
mod scrape;
#[path = "programs/step.rs"]
mod step;
#[path = "programs/terminal.rs"]
mod terminal;
#[path = "programs/threads.rs"]
mod threads;

use certificates::Authority;
use process::{PATIENCE, Program, assert_prints, binary, nobody, run};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

// The small programs.

#[test]
fn hello_greets_both_in_either_order() {
    let done = run("hello", &[]);
    let mut lines: Vec<&str> = done.stdout.lines().collect();
    let last = lines.pop().expect("three lines");
    assert!(last.starts_with("Both greeted within "), "{last}");
    lines.sort_unstable();
    let [ada, grace] = lines[..] else { panic!("two greetings: {lines:?}") };
    assert!(ada.starts_with("Hello, Ada! (after ") && grace.starts_with("Hello, Grace! (after "));
    assert!(done.status.success());
}

#[test]
fn order_prints_completion_order_and_result_order() {
    assert_prints(
        "order",
        "cat is there after 10 s\n\
         dog is there after 20 s\n\
         snail is there after 86400 s\n\
         input order: snail, cat, dog\n\
         result order: snail, cat, dog\n",
    );
}

#[test]
fn divide_has_the_failure_as_a_value_and_as_the_result() {
    assert_prints(
        "divide",
        "gather: every division gets an answer\n\
         \x20 12 / 3 = 4\n\
         \x20 7 / 0 fails\n\
         \x20 9 / 2 = 4\n\
         gather: 1 of 3 failed, number 1\n\
         try_gather: 7 / 0 fails, the other two are dropped\n",
    );
}

#[test]
fn timeout_drops_the_children_that_still_wait() {
    assert_prints(
        "timeout",
        "toast: ready\n\
         soup: ready\n\
         roast: dropped while it cooked\n\
         cake: dropped while it baked\n\
         20 minutes are over, and nobody cooks on\n",
    );
}

#[test]
fn echo_server_echoes_to_two_at_once_and_survives_a_reset() {
    let mut program = Program::start("echo_server", &["127.0.0.1:0"]);
    let mut output = BufReader::new(program.child.stdout.take().expect("piped"));
    let mut line = String::new();
    output.read_line(&mut line).expect("the first line");
    let address: SocketAddr = line.trim().strip_prefix("listening at ").expect(&line).parse().expect(&line);

    let connect = || TcpStream::connect(address).expect("the server listens");
    // Dropped with an echo unread: the server sees a reset.
    let mut rude = connect();
    rude.write_all(b"rude").expect("it is connected");
    rude.peek(&mut [0]).expect("the echo");
    drop(rude);

    let (ada, grace) = (connect(), connect());
    for (mut stream, word) in [(&ada, b"ada"), (&grace, b"hop"), (&ada, b"ADA")] {
        stream.write_all(word).expect("it is connected");
        let mut echo = [0; 3];
        stream.read_exact(&mut echo).expect("the echo");
        assert_eq!(&echo, word);
    }
    ada.shutdown(std::net::Shutdown::Write).expect("it is connected");
    assert_eq!((&ada).read(&mut [0; 8]).expect("an orderly end"), 0);
}

#[test]
fn echo_server_sends_away_whom_it_has_no_descriptor_for_and_serves_the_others() {
    let script = "ulimit -n 16; exec \"$0\" 127.0.0.1:0";
    let mut program = Program::spawn(Command::new("sh").args(["-c", script]).arg(binary("echo_server")));
    let mut line = String::new();
    BufReader::new(program.child.stdout.take().expect("piped")).read_line(&mut line).expect("the first line");
    let address: SocketAddr = line.trim().strip_prefix("listening at ").expect(&line).parse().expect(&line);
    let mut served = Vec::new();
    let sent_away = loop {
        let mut stream = TcpStream::connect(address).expect("the server listens");
        let mut echo = [0; 3];
        // An error is a reset: it was sent away with what it said unread.
        if stream.write_all(b"ada").is_err() || stream.read_exact(&mut echo).is_err() {
            break stream;
        }
        served.push(stream);
        assert!(served.len() < 16, "it has no more descriptors than that");
    };
    drop(sent_away);
    for mut stream in &served {
        let mut echo = [0; 3];
        stream.write_all(b"hop").and_then(|()| stream.read_exact(&mut echo)).expect("it is still served");
        assert_eq!(&echo, b"hop");
    }
    // Who leaves makes room for another, as soon as the server has heard of it.
    let gone = served.pop().expect("some are served");
    gone.shutdown(std::net::Shutdown::Write).expect("it is connected");
    assert_eq!((&gone).read(&mut [0; 8]).expect("an orderly end"), 0);
    loop {
        let mut stream = TcpStream::connect(address).expect("the server listens");
        let mut echo = [0; 3];
        if stream.write_all(b"new").is_ok() && stream.read_exact(&mut echo).is_ok() {
            assert_eq!(&echo, b"new");
            break;
        }
    }
}

// The programs that people came for: one file each in `programs/`, and what all of them do.

#[test]
fn every_program_helps() {
    for name in [
        "load_test",
        "serve",
        "web",
        "pool",
        "caches",
        "scrape",
        "lines",
        "claims",
        "cpu",
        "threads",
        "fd_limit",
        "rosetta",
        "step",
        "little",
        "echo_server",
    ] {
        let done = run(name, &["--help"]);
        assert_eq!((done.code(), done.stderr.as_str()), (0, ""), "{name}: {done:?}");
        done.says(&format!("Usage: {name} "));
        let done = run(name, &["--nonsense"]);
        assert_eq!((done.code(), done.stdout.as_str()), (2, ""), "{name}: {done:?}");
        assert!(done.stderr.contains("unexpected argument '--nonsense'"), "{name}: {done:?}");
    }
}

#[test]
fn serve_serves_the_endpoints_to_whoever_asks() {
    let mut program = Program::start("serve", &["127.0.0.1:0"]);
    let mut line = String::new();
    BufReader::new(program.child.stdout.take().expect("piped")).read_line(&mut line).expect("the first line");
    let address = line.trim().strip_prefix("listening at ").expect(&line);
    let done = run("load_test", &[&format!("{address}/hello"), "--requests", "30", "--json"]);
    assert_eq!((done.code(), &done.json()["statuses"]), (0, &serde_json::json!({"200": 30})), "{done:?}");
    // The port is taken now.
    let again = run("serve", &[address.trim_start_matches("http://")]);
    assert!(again.stderr.contains("in use"), "{again:?}");
    assert_eq!(again.code(), 2);
    for name in ["serve", "echo_server"] {
        let done = run(name, &["nonsense"]);
        assert!(done.stderr.starts_with("error: nonsense: "), "{done:?}");
        assert!(done.stderr.ends_with("a port that is free: 127.0.0.1:0 finds one\n"), "{done:?}");
        assert_eq!((done.code(), done.stdout.as_str()), (2, ""), "{done:?}");
    }
}

#[test]
fn serve_with_loops_takes_connections_on_all_of_them_at_one_port() {
    let mut program = Program::start("serve", &["127.0.0.1:0", "--loops", "3"]);
    let mut line = String::new();
    BufReader::new(program.child.stdout.take().expect("piped")).read_line(&mut line).expect("the first line");
    let address = line.trim().strip_prefix("listening at ").expect(&line);
    // With a connection for each request, the system has many to share out.
    let arguments = ["-n", "300", "-c", "20", "--no-keepalive", "--json"];
    let done = run("load_test", &[&arguments[..], &[&format!("{address}/hello")]].concat());
    assert_eq!((done.code(), &done.json()["statuses"]), (0, &serde_json::json!({"200": 300})), "{done:?}");
    // Whoever has had no connection has used no time since it was started: it waits in its first turn.
    let threads = std::fs::read_dir(format!("/proc/{}/task", program.child.id())).expect("Linux lists threads");
    let switches = threads.map(|thread| {
        let status = std::fs::read_to_string(thread.expect("a thread").path().join("status")).expect("it lives");
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).expect("a count");
        line.trim().parse::<u64>().expect("a count")
    });
    let switches: Vec<u64> = switches.collect();
    assert_eq!(switches.len(), 3, "{switches:?}");
    assert!(switches.iter().all(|count| *count > 10), "a loop that was woken for nobody: {switches:?}");
}

// The load test against its own server.

#[test]
fn load_test_without_arguments_reports_on_its_own_server() {
    let done = run("load_test", &[]);
    assert_eq!(done.code(), 0, "{done:?}");
    // No bar without a terminal: where it takes longer than some seconds, plain lines.
    for line in done.stderr.lines() {
        let is_plain = line.contains(" s: ") && line.contains(" requests/s, 0 errors, p50 ");
        assert!(is_plain && !line.contains(['━', '\u{1b}']), "{line}");
    }
    done.says("\n  10,000 requests, 100 in flight, in ");
    done.says("\n  6 endpoints of the embedded server\n");
    done.says("\n  statuses      200       8,334\n                204       1,666\n");
    done.says("\n  errors        none\n");
    // Every label, in this order.
    let labels: Vec<&str> = done.stdout.lines().filter_map(|line| line.get(2..16).map(str::trim)).collect();
    let labels: Vec<&str> = labels.into_iter().filter(|label| !label.is_empty()).skip(2).collect();
    assert_eq!(labels, ["throughput", "statuses", "errors", "latency", "by target", "Little's law"]);
    done.line("requests/s   ");
    let rows = |section: &str| -> Vec<String> {
        let rows = done.stdout.split(&format!("\n  {section:14}")).nth(1).expect(section);
        let rows = rows.split("\n\n").next().expect("the first").lines();
        rows.map(|row| row.split_whitespace().next().expect("a word").to_string()).collect()
    };
    assert_eq!(rows("latency"), ["mean", "sd", "p50", "p75", "p90", "p95", "p99", "p99.9", "max"]);
    let targets = ["answers", "/hello", "/json", "/slow?ms=5", "/big", "/echo", "/status/204"];
    assert_eq!(rows("by target"), targets);
    assert_eq!(rows("Little's law"), ["L", "λ"]);
    done.line("λ × W");
}

#[test]
fn load_test_prints_one_json_object() {
    let done = run("load_test", &["--requests", "60", "--concurrency", "7", "--json"]);
    assert_eq!(done.code(), 0, "{done:?}");
    let json = done.json();
    assert_eq!(json["completed"], 60);
    assert_eq!(json["statuses"], serde_json::json!({"200": 50, "204": 10}));
    assert_eq!(json["errors"], serde_json::json!({}));
    assert_eq!(json["targets"].as_array().map(Vec::len), Some(6));
    assert!(["mean", "sd"].iter().all(|name| json["latency_ms"][name].as_f64().is_some()), "{json}");
    let latency =
        ["p50", "p75", "p90", "p95", "p99", "p99.9", "max"].map(|name| json["latency_ms"][name].as_f64().expect(name));
    assert!(latency.is_sorted() && latency[0] > 0.0, "{latency:?}");
}

#[test]
fn little_s_law_holds_between_what_is_counted_and_what_is_measured() {
    const PAUSE: Duration = Duration::from_millis(50);
    let server = serve(|stream| {
        answer_each(stream, |_| {
            thread::sleep(PAUSE);
            OK.to_string()
        });
    });
    let json = run("load_test", &["--requests", "40", "--concurrency", "8", "--json", &url(server)]).json();
    let number = |value: &serde_json::Value| value.as_f64().expect("a number");
    let law = |name: &str| number(&json["littles_law"][name]);
    let (seconds, flow) = (number(&json["seconds"]), number(&json["requests_per_second"]));
    let (counted, product) = (law("mean_in_flight"), law("throughput_times_mean_time"));
    // λ × W is what it says it is.
    assert!((flow * seconds / 40.0 - 1.0).abs() < 1e-9, "{json}");
    assert!((flow * law("mean_time_ms") / 1e3 / product - 1.0).abs() < 1e-9, "{json}");
    // L is counted on its own: 40 requests stay for a pause at least, and never more than 8 at once.
    assert!(counted * seconds >= 40.0 * PAUSE.as_secs_f64() && counted <= 8.0, "{json}");
    // The two differ by what passes between two readings of the clock, twice a request: microseconds beside 50 ms, or as
    // long as the machine held the program up there. Then a request took as much longer.
    let held_up = number(&json["latency_ms"]["max"]) / 1e3 - PAUSE.as_secs_f64();
    assert!((counted - product).abs() * seconds < 0.05 * 40.0 * PAUSE.as_secs_f64() + 8.0 * held_up, "{json}");
}

#[test]
fn an_open_loop_takes_its_time_and_counts_latency_from_when_each_was_due() {
    let server = serve(|stream| {
        answer_each(stream, |_| {
            thread::sleep(Duration::from_millis(20));
            OK.to_string()
        });
    });
    let arguments = ["--rate", "1000", "--concurrency", "1", "--requests", "10", "--json"];
    let json = run("load_test", &[&arguments[..], &[&url(server)]].concat()).json();
    // The last one is due after 9 ms and gets its answer after 200: it has waited for a place, and the wait counts.
    assert!(json["latency_ms"]["max"].as_f64().expect("a number") > 190.0, "{json}");
    assert!(json["late"].as_u64().expect("a number") > 0, "{json}");

    let told = run("load_test", &["--rate", "1000", "--concurrency", "1", "--requests", "10", &url(server)]);
    told.says("requests left late: raise --concurrency or lower --rate\n");

    let json = run("load_test", &["--rate", "500", "--requests", "30", "--json"]).json();
    assert!(json["seconds"].as_f64().expect("a number") > 29.0 / 500.0, "{json}");
}

// Servers that do as they should.

#[test]
fn headers_are_sent_and_the_defaults_give_way() {
    let (sender, requests) = mpsc::channel();
    let server = serve(move |stream| {
        answer_each(stream, |request| {
            sender.send(request.to_string()).expect("the test listens");
            OK.to_string()
        });
    });
    let headers = ["--header", "X-One: 1", "--header", "user-agent: me", "--requests", "1"];
    let target = format!("http://{server}/a?b");
    let done = run("load_test", &[&headers[..], &[&target]].concat());
    assert_eq!(done.code(), 0, "{done:?}");
    let request = requests.recv_timeout(PATIENCE).expect("a request");
    assert!(request.starts_with("GET /a?b HTTP/1.1\r\n"), "{request}");
    for header in ["x-one: 1", "user-agent: me", &format!("host: {server}")] {
        assert_eq!(request.matches(&format!("\r\n{header}\r\n")).count(), 1, "{header}: {request}");
    }
    assert_eq!(request.matches("user-agent").count(), 1, "{request}");
}

#[test]
fn a_connection_is_used_again() {
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    let server = serve(move |stream| {
        count.fetch_add(1, Ordering::Relaxed);
        answer_each(stream, |_| OK.to_string());
    });
    let done = run("load_test", &["--requests", "20", "--concurrency", "1", &url(server)]);
    assert_eq!(done.code(), 0, "{done:?}");
    assert_eq!(connections.load(Ordering::Relaxed), 2, "one to see that it listens, one to use");
}

#[test]
fn a_server_that_hangs_up_between_requests_costs_no_error() {
    let server = serve(|mut stream| {
        if read_request(&mut stream).is_some() {
            stream.write_all(OK.as_bytes()).expect("the client waits for it");
        }
    });
    let done = run("load_test", &["--requests", "50", "--concurrency", "3", "--json", &url(server)]);
    assert_eq!(done.json()["statuses"], serde_json::json!({"200": 50}));
    assert_eq!(done.code(), 0, "{done:?}");
}

// Servers that do not.

#[test]
fn an_answer_that_is_late_is_a_timeout() {
    let server = serve(|mut stream| while read_request(&mut stream).is_some() {});
    let done = run("load_test", &["--requests", "3", "--timeout", "0.05", &url(server)]);
    done.says("3   timed out: raise --timeout");
    done.says("no answer came");
    assert_eq!(done.code(), 1, "{done:?}");
}

#[test]
fn a_body_that_stops_halfway_is_a_timeout() {
    let server = serve(|stream| {
        answer_each(stream, |_| "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf".to_string());
    });
    let done = run("load_test", &["--requests", "2", "--timeout", "0.05", &url(server)]);
    done.says("2   timed out");
    assert_eq!(done.code(), 1, "{done:?}");
}

#[test]
fn a_connection_closed_before_the_answer_is_counted() {
    let server = serve(|mut stream| drop(read_request(&mut stream)));
    let done = run("load_test", &["--requests", "5", &url(server)]);
    done.says("5   connection closed early: the server hung up");
    assert_eq!(done.code(), 1, "{done:?}");
}

#[test]
fn a_connection_closed_inside_the_body_is_counted() {
    let server = serve(|mut stream| {
        if read_request(&mut stream).is_some() {
            let half = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf";
            stream.write_all(half).expect("the client waits for it");
        }
    });
    let done = run("load_test", &["--requests", "5", &url(server)]);
    done.says("5   connection closed early");
    assert_eq!(done.code(), 1, "{done:?}");
}

#[test]
fn a_reset_connection_is_counted() {
    // A socket closed with bytes unread resets its connection.
    let server = serve(|stream| drop(stream.peek(&mut [0])));
    let done = run("load_test", &["--requests", "5", &url(server)]);
    done.says("5   connection reset");
    assert_eq!(done.code(), 1, "{done:?}");
}

#[test]
fn an_answer_that_has_begun_is_not_asked_for_again() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let server = serve(move |mut stream| {
        while read_request(&mut stream).is_some() {
            let first = count.fetch_add(1, Ordering::Relaxed) == 0;
            let answer = if first { OK } else { "HTTP/1.1 2" };
            stream.write_all(answer.as_bytes()).expect("the client waits for it");
            if !first {
                return;
            }
        }
    });
    let arguments = ["--requests", "2", "--concurrency", "1", "--json", &url(server)];
    let json = run("load_test", &arguments).json();
    assert_eq!(json["statuses"], serde_json::json!({"200": 1}));
    assert_eq!(json["errors"], serde_json::json!({"connection closed early": 1}));
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[test]
fn an_answer_that_is_no_http_is_counted() {
    let server = serve(|stream| answer_each(stream, |_| "220 mail.example.com\r\n\r\n".to_string()));
    let done = run("load_test", &["--requests", "2", &url(server)]);
    done.says("2   the answer is no HTTP");
    assert_eq!(done.code(), 1, "{done:?}");
}

#[test]
fn an_answer_that_is_not_2xx_fails_the_run() {
    let server = serve(|stream| {
        answer_each(stream, |_| "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n".to_string());
    });
    let done = run("load_test", &["--requests", "4", &url(server)]);
    done.says("500           4   not 2xx");
    assert_eq!(done.code(), 1, "{done:?}");
}

#[test]
fn a_server_that_dies_in_the_middle_leaves_errors_and_no_hang() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let server = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        let (mut probe, _) = listener.accept().expect("the probe");
        assert!(read_request(&mut probe).is_none());
        let (mut stream, _) = listener.accept().expect("the one connection");
        for _ in 0..5 {
            read_request(&mut stream).expect("a request");
            stream.write_all(OK.as_bytes()).expect("the client waits for it");
        }
        // Nobody listens before the open connection ends.
        drop(listener);
    });
    let arguments = ["--requests", "20", "--concurrency", "1", "--json", &url(server)];
    let done = run("load_test", &arguments);
    assert_eq!(done.json()["statuses"], serde_json::json!({"200": 5}));
    // Refused. Others only if another test is between fork and exec just now: its child has the listener, too, and ends
    // what nobody accepted.
    let errors = done.json()["errors"].clone();
    let kinds = ["connection refused", "connection reset", "connection closed early"];
    let count = |kind: &str| errors.get(kind).and_then(serde_json::Value::as_u64).unwrap_or(0);
    assert_eq!(kinds.map(count).iter().sum::<u64>(), 15, "{errors}");
    assert_eq!(done.code(), 1, "{done:?}");
}

#[test]
fn too_many_open_files_come_with_the_cure() {
    let server = serve(|stream| answer_each(stream, |_| OK.to_string()));
    let script = format!("ulimit -n 24; exec {:?} --concurrency 50 --requests 50 {}", binary("load_test"), url(server));
    let mut shell = Command::new("sh");
    let done = Program::spawn(shell.args(["-c", &script])).finish();
    done.says("too many open files: lower --concurrency or raise `ulimit -n`");
    assert_eq!(done.code(), 1, "{done:?}");
}

#[test]
fn a_signal_drops_what_is_in_flight_and_reports_the_rest() {
    const BAD: &str = "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n";
    for (signal, answer, status, code) in [
        ("INT", OK, "200          10\n", 130),
        ("TERM", OK, "200          10\n", 143),
        ("INT", BAD, "500          10   not 2xx\n", 1),
    ] {
        let (sender, asked) = mpsc::channel();
        let requests = AtomicUsize::new(0);
        let server = serve(move |mut stream| {
            while read_request(&mut stream).is_some() {
                // Ten get their answer, and the others wait for it.
                if requests.fetch_add(1, Ordering::Relaxed) < 10 {
                    stream.write_all(answer.as_bytes()).expect("the client waits for it");
                } else {
                    sender.send(()).expect("the test listens");
                }
            }
        });
        let program = Program::start("load_test", &["--concurrency", "4", &url(server)]);
        // When four wait, all others have come back: it is one that lands which makes room for another.
        for _ in 0..4 {
            asked.recv_timeout(PATIENCE).expect("a request is in flight");
        }
        tests::send_signal(signal, program.child.id());
        let done = program.finish();
        done.says("interrupted after 10 requests; 4 in flight were dropped\n");
        done.says(&format!("statuses      {status}"));
        done.says("\n  latency       mean ");
        done.line("                p50 ");
        assert_eq!(done.code(), code, "{done:?}");
    }
}

// Over TLS.

#[test]
fn https_with_the_authority_s_certificate_is_like_http() {
    let authority = Authority::new("ours");
    let file = file("ours.pem", &authority.pem());
    let config = authority.server("127.0.0.1");
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    let server = serve(move |stream| {
        count.fetch_add(1, Ordering::Relaxed);
        answer_each(tls(config.clone(), stream), |request| {
            assert!(request.starts_with("GET /a HTTP/1.1\r\n"), "{request}");
            OK.to_string()
        });
    });
    let arguments = ["--requests", "20", "--concurrency", "1", "--ca", &file];
    let done = run("load_test", &[&arguments[..], &[&format!("https://{server}/a")]].concat());
    done.says(&format!("https://{server}/a\n"));
    done.says("statuses      200          20\n");
    done.says("errors        none");
    assert_eq!(done.code(), 0, "{done:?}");
    assert_eq!(connections.load(Ordering::Relaxed), 2, "one to see that it listens, one to use");
}

#[test]
fn a_certificate_that_is_not_trusted_is_refused_before_any_request() {
    let (ours, strangers) = (Authority::new("ours"), Authority::new("strangers"));
    let file = file("refusing.pem", &ours.pem());
    for (config, why) in [
        (strangers.server("127.0.0.1"), "signed by an authority that is unknown here: --ca FILE trusts"),
        (ours.server("example.com"), "it is for example.com: "),
        (ours.expired_server("127.0.0.1"), "it has expired: "),
    ] {
        let (sender, asked) = mpsc::channel();
        let server = serve(move |stream| sender.send(read_request(&mut tls(config.clone(), stream))).unwrap());
        let done = run("load_test", &["--ca", &file, &format!("https://{server}/")]);
        let expected = format!("error: https://{server}/: {server}: certificate not trusted: {why}");
        assert!(done.stderr.starts_with(&expected), "{done:?}");
        assert_eq!((done.code(), done.stdout.as_str()), (2, ""), "{done:?}");
        assert_eq!(asked.recv_timeout(PATIENCE).expect("the probe"), None, "the probe sends nothing");
    }
}

#[test]
fn without_ca_only_the_authorities_of_the_web_are_trusted() {
    let config = Authority::new("ours").server("127.0.0.1");
    let server = serve(move |stream| answer_each(tls(config.clone(), stream), |_| OK.to_string()));
    let done = run("load_test", &[&format!("https://{server}/")]);
    assert!(done.stderr.contains("certificate not trusted: signed by an authority that is unknown here"), "{done:?}");
    assert_eq!((done.code(), done.stdout.as_str()), (2, ""), "{done:?}");
}

#[test]
fn a_certificate_that_changes_for_the_worse_in_the_middle_is_counted() {
    let (ours, strangers) = (Authority::new("ours"), Authority::new("strangers"));
    let file = file("changing.pem", &ours.pem());
    let configs = [ours.server("127.0.0.1"), strangers.server("127.0.0.1")];
    let connections = AtomicUsize::new(0);
    let server = serve(move |stream| {
        let number = connections.fetch_add(1, Ordering::Relaxed);
        answer_each(tls(configs[number.min(1)].clone(), stream), |_| OK.to_string());
    });
    let done = run("load_test", &["--requests", "5", "--ca", &file, &format!("https://{server}/")]);
    done.says("5   certificate not trusted: signed by an authority that is unknown here: --ca FILE");
    assert_eq!(done.code(), 1, "{done:?}");
}

#[test]
fn https_and_http_at_each_other_s_ports_say_so() {
    let plain = serve(|mut stream| stream.write_all(b"220 mail.example.com\r\n").expect("the client waits for it"));
    let done = run("load_test", &[&format!("https://{plain}/")]);
    assert!(done.stderr.contains("the answer is no TLS: is this the server's port for https?"), "{done:?}");
    assert_eq!((done.code(), done.stdout.as_str()), (2, ""), "{done:?}");

    let config = Authority::new("ours").server("127.0.0.1");
    let secure = serve(move |stream| answer_each(tls(config.clone(), stream), |_| OK.to_string()));
    let done = run("load_test", &["--requests", "2", &url(secure)]);
    done.says("2   the answer is no HTTP: is this the server's port for plain http?");
    assert_eq!(done.code(), 1, "{done:?}");
}

#[test]
fn an_answer_without_length_that_ends_without_a_goodbye_is_cut_off() {
    let authority = Authority::new("ours");
    let file = file("goodbye.pem", &authority.pem());
    let config = authority.server("127.0.0.1");
    for (says_goodbye, expected) in [(true, "200           1\n"), (false, "1   connection closed early")] {
        let config = config.clone();
        let server = serve(move |stream| {
            let mut stream = tls(config.clone(), stream);
            if read_request(&mut stream).is_some() {
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nto the end").expect("the client waits for it");
                if says_goodbye {
                    stream.conn.send_close_notify();
                    stream.flush().expect("the client waits for it");
                }
            }
        });
        run("load_test", &["--requests", "1", "--ca", &file, &format!("https://{server}/")]).says(expected);
    }
}

// Refused before anything goes out.

#[test]
fn what_cannot_be_meant_is_refused_by_name_before_any_request() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("it is a socket");
    let server = url(listener.local_addr().expect("it is bound"));
    for (arguments, named) in [
        (["--concurrency", "0"], "--concurrency"),
        (["--concurrency", "many"], "--concurrency"),
        (["--concurrency", "1000001"], "--concurrency"),
        (["--requests", "0"], "--requests"),
        (["--requests", "-1"], "--requests"),
        (["--requests", "1.5"], "--requests"),
        (["--rate", "0"], "--rate"),
        (["--rate", "NaN"], "--rate"),
        (["--rate", "inf"], "--rate"),
        (["--rate", "-1"], "--rate"),
        (["--timeout", "0"], "--timeout"),
        (["--timeout", "-1"], "--timeout"),
        (["--timeout", "NaN"], "--timeout"),
        (["--timeout", "soon"], "--timeout"),
        (["--header", "no colon"], "--header"),
        (["--header", "two words: 1"], "--header"),
        (["--header", "X: a\u{7f}b"], "--header"),
        (["--header", ": nameless"], "--header"),
        (["http://ho st/", "--json"], "http://ho st/"),
        (["127.0.0.1:80", "--json"], "127.0.0.1:80"),
        (["ftp://example.com/", "--json"], "ftp:// is not supported"),
        (["http://127.0.0.1:99999/", "--json"], "http://127.0.0.1:99999/"),
        (["--ca", "/no/such/file"], "--ca /no/such/file"),
        (["--ca", "/dev/null"], "--ca /dev/null: no certificate"),
    ] {
        let done = run("load_test", &[&server, arguments[0], arguments[1]]);
        assert!(done.stderr.contains(named), "{arguments:?}: {done:?}");
        assert_eq!((done.code(), done.stdout.as_str()), (2, ""), "{arguments:?}");
    }
    let nobody = listener.accept().expect_err("nobody has connected");
    assert_eq!(nobody.kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn a_closed_port_is_refused_by_its_address() {
    let (closed, _kept) = nobody();
    // The server that is there must not be asked either.
    let (sender, asked) = mpsc::channel();
    let server = serve(move |mut stream| sender.send(read_request(&mut stream).is_some()).unwrap());
    let done = run("load_test", &[&url(server), &url(closed)]);
    assert!(done.stderr.contains(&format!("nothing listens at {closed}")), "{done:?}");
    assert_eq!((done.code(), done.stdout.as_str()), (2, ""), "{done:?}");
    assert!(!asked.recv_timeout(PATIENCE).expect("the probe"), "the probe sends nothing");
}

// Servers.

/// An answer that leaves the connection open.
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A server on a free port that gives every connection to `handle`, each in a thread of its own.
fn serve(handle: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let handle = Arc::new(handle);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, handle) = (stream.expect("a connection"), handle.clone());
            thread::spawn(move || handle(stream));
        }
    });
    address
}

/// The server's end of TLS over `stream`. It shakes hands when it is read.
fn tls(config: Arc<ServerConfig>, stream: TcpStream) -> StreamOwned<ServerConnection, TcpStream> {
    StreamOwned::new(ServerConnection::new(config).expect("the configuration is complete"), stream)
}

/// A file for a program to read; returns its path.
fn file(name: &str, content: &str) -> String {
    let path = format!("{}/{name}", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(&path, content).expect("the target folder takes files");
    path
}

/// Answers request after request until the client leaves.
fn answer_each(mut stream: impl Read + Write, answer: impl Fn(&str) -> String) {
    while let Some(request) = read_request(&mut stream) {
        if stream.write_all(answer(&request).as_bytes()).is_err() {
            return;
        }
    }
}

/// The head of a request, up to its blank line; `None` when the client has left.
fn read_request(stream: &mut impl Read) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return None,
        }
    }
    Some(String::from_utf8(head).expect("a head is text"))
}

/// The URL of the server at `address`.
fn url(address: SocketAddr) -> String {
    format!("http://{address}/")
}
