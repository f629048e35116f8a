//! The load test tells the truth, and has what users of other load testers expect. Whatever it says is compared with what
//! the server has counted.

use crate::nginx::Nginx;
use crate::process::{Done, PATIENCE, Program, binary, run};
use crate::{Authority, OK, answer_each, file, read_request, serve, tls, url};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use socket2::SockRef;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;
use tests::left_out;

/// A server that answers all requests well, and counts them.
fn counting() -> (SocketAddr, Arc<AtomicU64>) {
    let asked = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&asked);
    let server = serve(move |stream| {
        answer_each(stream, |_| {
            count.fetch_add(1, Ordering::Relaxed);
            OK.to_string()
        });
    });
    (server, asked)
}

/// A server that resets every tenth request of a connection, and counts all.
fn resetting() -> (SocketAddr, Arc<AtomicU64>) {
    let asked = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&asked);
    let server = serve(move |mut stream| {
        for number in 1.. {
            if read_request(&mut stream).is_none() {
                return;
            }
            count.fetch_add(1, Ordering::Relaxed);
            if number % 10 == 0 {
                SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("it is a socket");
                return;
            }
            stream.write_all(OK.as_bytes()).expect("the client waits for it");
        }
    });
    (server, asked)
}

fn number(json: &Value, name: &str) -> u64 {
    json[name].as_u64().unwrap_or_else(|| panic!("{name}: {json}"))
}

#[test]
fn what_is_sent_again_is_counted_and_shown() {
    let (server, asked) = resetting();
    let done = run("load_test", &["-n", "100", "-c", "2", "--json", &url(server)]);
    let json = done.json();
    let again = number(&json, "sent_again");
    assert!(again > 0, "{json}");
    assert_eq!(
        number(&json, "completed") + again,
        asked.load(Ordering::Relaxed),
        "what the server has counted: {json}"
    );
    assert_eq!((done.code(), &json["statuses"]), (0, &json!({"200": 100})), "{json}");
    let done = run("load_test", &["-n", "100", "-c", "1", &url(server)]);
    done.says("  11 requests were sent again: their connection broke without an answer\n");
}

#[test]
fn nothing_is_sent_again_when_the_flag_or_the_method_forbids_it() {
    for arguments in [["--no-resend", "--json"], ["-mpost", "--json"]] {
        let (server, asked) = resetting();
        let done = run("load_test", &["-n", "100", "-c", "1", arguments[0], arguments[1], &url(server)]);
        let json = done.json();
        assert_eq!(json["errors"], json!({"connection reset": 10}), "{arguments:?}");
        assert_eq!((number(&json, "sent_again"), number(&json, "answers")), (0, 90), "{json}");
        assert_eq!(asked.load(Ordering::Relaxed), 100, "what the server has counted: {json}");
        assert_eq!(done.code(), 1);
    }
}

#[test]
fn throughput_is_of_answers_and_failures_have_a_line_of_their_own() {
    // Three of four are sent away without an answer.
    let asked = AtomicU64::new(0);
    let server = serve(move |mut stream| {
        while read_request(&mut stream).is_some() {
            if !asked.fetch_add(1, Ordering::Relaxed).is_multiple_of(4) {
                return;
            }
            stream.write_all(OK.as_bytes()).expect("the client waits for it");
        }
    });
    let arguments = ["-n", "80", "-c", "1", "--no-keepalive"];
    let json = run("load_test", &[&arguments[..], &["--json", &url(server)]].concat()).json();
    let seconds = json["seconds"].as_f64().expect("a number");
    let rate = json["requests_per_second"].as_f64().expect("a number");
    assert!((rate * seconds - 20.0).abs() < 1e-6, "{json}");
    assert_eq!((number(&json, "answers"), number(&json, "failed"), number(&json, "completed")), (20, 60, 80));
    let done = run("load_test", &[&arguments[..], &[&url(server)]].concat());
    done.line("failures/s, which are none of these");
    done.says("of answers; 75.00 % of the requests have none and are left out,\n");
    done.says("0.00 % because they took longer than --timeout\n");
}

#[test]
fn percentiles_say_that_they_leave_timeouts_out_and_conditions_do_not() {
    let asked = AtomicU64::new(0);
    let server = serve(move |mut stream| {
        while read_request(&mut stream).is_some() {
            if asked.fetch_add(1, Ordering::Relaxed) % 4 != 3 {
                stream.write_all(OK.as_bytes()).expect("the client waits for it");
            }
        }
    });
    let arguments = ["-n", "20", "-c", "1", "-t", "500ms", "--fail-if", "p99>1h", "--fail-if", "errors>50%"];
    let done = run("load_test", &[&arguments[..], &[&url(server)]].concat());
    done.says("5   timed out: raise --timeout");
    done.says("of answers; 25.00 % of the requests have none and are left out,\n");
    done.says("25.00 % because they took longer than --timeout\n");
    assert_eq!(done.code(), 1, "{done:?}");
    assert!(done.stderr.ends_with("failed: p99>1h: it was no answer in time\n"), "{done:?}");
}

#[test]
fn limits_of_the_library_are_called_by_their_name() {
    let many = (0..300).map(|number| format!("x-{number}: 1\r\n")).collect::<String>();
    let long = format!("x: {}\r\n", "y".repeat(1_000_000));
    for headers in [many, long] {
        let count = Arc::new(AtomicU64::new(0));
        let asked = Arc::clone(&count);
        let server = serve(move |stream| {
            answer_each(stream, |_| {
                count.fetch_add(1, Ordering::Relaxed);
                format!("HTTP/1.1 200 OK\r\n{headers}content-length: 2\r\n\r\nok")
            });
        });
        let done = run("load_test", &["-n", "2", &url(server)]);
        done.says(
            "2   the head of the answer is too large: a limit of the HTTP library here (hyper: 100 headers, 400 KiB)",
        );
        assert_eq!(done.code(), 1);
        assert_eq!(asked.load(Ordering::Relaxed), 2, "what the server has counted");
    }
}

#[test]
fn method_body_and_headers_are_those_that_were_asked_for() {
    let (sender, requests) = mpsc::channel();
    let server = serve(move |mut stream: TcpStream| {
        while let Some(head) = read_request(&mut stream) {
            let length = head.split("content-length: ").nth(1).map_or("0", |rest| rest.split('\r').next().unwrap());
            let mut body = vec![0; length.parse().expect("a length")];
            stream.read_exact(&mut body).expect("the body comes");
            sender.send((head, String::from_utf8(body).unwrap())).expect("the test listens");
            stream.write_all(OK.as_bytes()).expect("the client waits for it");
        }
    });
    let body = file("body.json", "{\"in\": \"a file\"}");
    let at = format!("@{body}");
    for (arguments, first, expected) in [
        (vec!["-d", "hello"], "POST / ", "hello"),
        (vec!["-m", "PUT", "-d", &at, "-H", "content-type: application/json"], "PUT / ", "{\"in\": \"a file\"}"),
        (vec!["-m", "delete"], "DELETE / ", ""),
        (vec![], "GET / ", ""),
    ] {
        let done = run("load_test", &[&arguments[..], &["-n", "1", "-c", "1", &url(server)]].concat());
        assert_eq!(done.code(), 0, "{done:?}");
        let (head, body) = requests.recv_timeout(PATIENCE).expect("a request");
        assert!(head.starts_with(first), "{head}");
        assert_eq!(body, expected, "{head}");
        assert_eq!(head.contains("content-type: application/json\r\n"), arguments.contains(&"-H"), "{head}");
    }
    // As wrk and k6 have it: it is done, and said.
    let done = run("load_test", &["-d", "30s", "-n", "1", "-c", "1", &url(server)]);
    assert_eq!(done.stderr, "note: -d is the body of every request; how long to send them is said with -z\n");
    assert_eq!((done.code(), requests.recv_timeout(PATIENCE).expect("a request").1), (0, "30s".to_string()));
    for arguments in [["-m", "CONNECT"], ["-m", "a b"], ["-d", "@/no/such/file"], ["-z", "soon"], ["--loops", "101"]] {
        let done = run("load_test", &[&arguments[..], &[&url(server)]].concat());
        assert_eq!((done.code(), done.stdout.as_str()), (2, ""), "{arguments:?}: {done:?}");
    }
    assert!(requests.try_recv().is_err(), "nothing was sent");
}

#[test]
fn without_keepalive_every_request_has_a_connection_of_its_own() {
    let connections = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&connections);
    let server = serve(move |stream| {
        count.fetch_add(1, Ordering::Relaxed);
        answer_each(stream, |request| {
            assert!(request.contains("connection: close\r\n"), "{request}");
            OK.to_string()
        });
    });
    let done = run("load_test", &["-n", "20", "-c", "3", "--no-keepalive", &url(server)]);
    assert_eq!(done.code(), 0, "{done:?}");
    assert_eq!(connections.load(Ordering::Relaxed), 21, "one to see that it listens, and one for each");
}

#[test]
fn a_duration_ends_the_run_and_a_warm_up_is_not_counted() {
    let (server, asked) = counting();
    let json = run("load_test", &["-z", "500ms", "--warm-up", "300ms", "-c", "2", "--json", &url(server)]).json();
    let (counted, before) = (number(&json, "completed"), number(&json, "warm_up_requests"));
    assert!(counted > 0 && before > 0 && json["requests"].is_null(), "{json}");
    assert_eq!(counted + before, asked.load(Ordering::Relaxed), "what the server has counted");
    assert!(json["seconds"].as_f64().expect("a number") > 0.4, "{json}");
    // In an open loop the number is known.
    let (server, asked) = counting();
    let done = run("load_test", &["-z", "500ms", "-q", "100", &url(server)]);
    done.says("\n  50 requests, 100 a second, ");
    assert_eq!((done.code(), asked.load(Ordering::Relaxed)), (0, 50), "{done:?}");
}

#[test]
fn loops_share_out_the_requests_and_report_together() {
    let (server, asked) = counting();
    let done = run("load_test", &["-n", "100", "-c", "7", "--loops", "3", "--json", &url(server)]);
    let json = done.json();
    assert_eq!((done.code(), number(&json, "completed")), (0, 100), "{json}");
    assert_eq!(number(&json["targets"][0], "answers"), 100, "the latencies of all");
    assert_eq!(asked.load(Ordering::Relaxed), 100, "what the server has counted");
}

#[test]
fn conditions_fail_a_run_and_say_which_and_what_it_was() {
    let (server, _) = counting();
    let conditions = ["--fail-if", "p50>1h", "--fail-if", "rate<1000000000", "--fail-if", "errors>0"];
    let done = run("load_test", &[&conditions[..], &["-n", "10", &url(server)]].concat());
    assert_eq!(done.code(), 1, "{done:?}");
    assert!(done.stderr.starts_with("failed: rate<1000000000: it was "), "{done:?}");
    assert_eq!(done.stderr.lines().count(), 1, "{done:?}");
    let done = run("load_test", &["--fail-if", "p50>1h", "-n", "10", &url(server)]);
    assert_eq!((done.code(), done.stderr.as_str()), (0, ""), "{done:?}");
    // A bad status fails a run, unless there is a condition that says how many may be.
    let bad = serve(|stream| answer_each(stream, |_| "HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n".to_string()));
    assert_eq!(run("load_test", &["-n", "4", "--fail-if", "p50>1h", &url(bad)]).code(), 1);
    assert_eq!(run("load_test", &["-n", "4", "--fail-if", "not-2xx>4", &url(bad)]).code(), 0);
    let done = run("load_test", &["--fail-if", "p99>fast", &url(bad)]);
    assert!(done.stderr.contains("a latency has a unit"), "{done:?}");
    assert_eq!((done.code(), done.stdout.as_str()), (2, ""));
}

#[test]
fn two_processes_are_merged_into_one_report() {
    let (server, asked) = counting();
    let url = url(server);
    let programs = ["60", "40"].map(|n| Program::start("load_test", &["-n", n, "-c", "5", "--json", &url]));
    let runs = programs.map(Program::finish);
    let names = ["a.json", "b.json"].map(|name| format!("merged-{name}"));
    let files = [file(&names[0], &runs[0].stdout), file(&names[1], &runs[1].stdout)];
    let done = run("load_test", &["merge", &files[0], &files[1], "--json"]);
    let json = done.json();
    assert_eq!((done.code(), number(&json, "completed"), number(&json, "concurrency")), (0, 100, 10), "{json}");
    assert_eq!(asked.load(Ordering::Relaxed), 100, "what the server has counted");
    let of = |json: &Value, name: &str| json["latency_ms"][name].as_f64().expect(name);
    let max = runs.iter().map(|run| of(&run.json(), "max")).fold(0.0, f64::max);
    assert_eq!(of(&json, "max"), max);
    assert!(json["targets"][0]["histogram"].as_str().expect("text").starts_with("HISTFAAA"), "{json}");
    let done = run("load_test", &["merge", &files[0], &files[1], "--fail-if", "p50<1h"]);
    done.says("\n  100 requests, 10 in flight, in ");
    done.says("\n  2 runs at the same time, merged\n");
    assert_eq!(done.code(), 1, "{done:?}");
    let done = run("load_test", &["merge", &files[0], &file("merged-c.json", "{}")]);
    assert!(done.stderr.contains("merged-c.json: no \"targets\" in it: it is made by `load_test --json`"), "{done:?}");
    assert_eq!((done.code(), done.stdout.as_str()), (2, ""));
}

#[test]
fn a_server_that_stalls_for_a_second_is_felt_by_all_that_were_due_then() {
    let (asked, stall) = (AtomicU64::new(0), Mutex::new(()));
    let server = serve(move |stream| {
        answer_each(stream, |_| {
            let turn = stall.lock().expect("nobody panics with it");
            if asked.fetch_add(1, Ordering::Relaxed) == 50 {
                thread::sleep(Duration::from_secs(1));
            }
            drop(turn);
            OK.to_string()
        });
    });
    let json = run("load_test", &["-n", "200", "-q", "100", "-c", "150", "--json", &url(server)]).json();
    // Of two seconds one was lost: of those who were due within it, half waited for more than half of it.
    let quantile = |name: &str| json["latency_ms"][name].as_f64().expect(name);
    assert!(quantile("p75") > 400.0 && quantile("max") > 900.0, "{json}");
    assert_eq!(number(&json, "completed"), 200);
}

/// A certificate and its key, as `openssl req -x509` makes them with these arguments more. `None` without openssl.
fn by_openssl(name: &str, more: &[&str]) -> Option<(String, Arc<ServerConfig>)> {
    let path = |kind: &str| format!("{}/openssl-{name}-{kind}.pem", env!("CARGO_TARGET_TMPDIR"));
    let (key, certificate) = (path("key"), path("certificate"));
    let usual = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", &key, "-out", &certificate];
    match Command::new("openssl").args(usual).args(more).output() {
        Err(_) => {
            left_out("there is no openssl");
            return None;
        }
        Ok(output) => assert!(output.status.success(), "{output:?}"),
    }
    let shown = CertificateDer::from_pem_file(&certificate).expect("a certificate");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring speaks every version")
        .with_no_client_auth()
        .with_single_cert(vec![shown], PrivateKeyDer::from_pem_file(&key).expect("a key"))
        .expect("they belong together");
    Some((certificate, Arc::new(config)))
}

#[test]
fn a_certificate_that_openssl_has_made_is_accepted_with_ca_and_refused_in_words_without() {
    // By its common name, as `-subj` makes it, and by an alternative name.
    for (name, more, host) in [
        ("common", vec!["-subj", "/CN=localhost"], "localhost"),
        ("other", vec!["-subj", "/CN=me", "-addext", "subjectAltName=IP:127.0.0.1"], "127.0.0.1"),
    ] {
        let Some((ca, config)) = by_openssl(name, &more) else { return };
        let server = serve(move |stream| answer_each(tls(config.clone(), stream), |_| OK.to_string()));
        let target = format!("https://{host}:{}/", server.port());
        let done = run("load_test", &["-n", "4", "--ca", &ca, &target]);
        done.says("statuses      200           4\n");
        assert_eq!(done.code(), 0, "{done:?}");
        let done = run("load_test", &["-n", "4", "-k", &target]);
        assert_eq!(done.code(), 0, "{done:?}");
        let done = run("load_test", &["-n", "4", &target]);
        assert!(
            done.stderr.contains(
                "certificate not trusted: signed by itself, as `openssl req -x509` makes them: --ca FILE with this \
                 certificate trusts it, --insecure anybody"
            ),
            "{done:?}"
        );
        assert_eq!((done.code(), done.stdout.as_str()), (2, ""));
    }
    let Some((ca, config)) = by_openssl("strange", &["-subj", "/CN=elsewhere"]) else { return };
    let server = serve(move |stream| answer_each(tls(config.clone(), stream), |_| OK.to_string()));
    let done = run("load_test", &["--ca", &ca, &format!("https://localhost:{}/", server.port())]);
    assert!(done.stderr.contains("certificate not trusted: it names no host (no subjectAltName)"), "{done:?}");
    assert_eq!(done.code(), 2);
}

#[test]
fn nginx_has_counted_as_many_although_it_closes_connections_as_it_likes() {
    let server = "keepalive_requests 7; location / { return 200 'ok'; }";
    let Some(nginx) = Nginx::start("counts", "", server) else { return };
    let done = run("load_test", &["-n", "500", "-c", "5", "--json", &url(nginx.address)]);
    let json = done.json();
    assert_eq!((done.code(), &json["statuses"]), (0, &json!({"200": 500})), "{json}");
    assert_eq!(nginx.end().len() as u64, 500 + number(&json, "sent_again"), "{json}");
}

/// The lines that are drawn at a terminal of so many columns, without the codes for colours and places. A bar is drawn as one
/// text: its lines are filled up with blanks, so that the terminal begins a new one by itself. A line that is too long would
/// go on where the next one should begin.
fn frames(columns: usize, done: &Done) -> Vec<String> {
    let mut frames = Vec::new();
    for line in done.stdout.split(['\r', '\n']) {
        let mut pieces = line.split('\u{1b}');
        let mut text = pieces.next().unwrap_or_default().to_string();
        // A code is a bracket, numbers, and a letter.
        pieces.for_each(|piece| text.push_str(piece.split_once(char::is_alphabetic).map_or("", |(_, rest)| rest)));
        if text.contains(['━', '╸']) || text.contains(" errors, p50 ") {
            let letters: Vec<char> = text.chars().collect();
            for line in letters.chunks(columns).map(|line| line.iter().collect::<String>()) {
                let begins = line.starts_with("  ") && !line.starts_with("   ");
                assert!(begins || line.trim().is_empty(), "longer than {columns} columns: {text:?}");
                frames.push(line);
            }
        }
    }
    frames
}

#[test]
fn at_a_terminal_of_sixty_columns_and_more_the_view_has_rate_errors_and_latency_and_fits() {
    if Command::new("script").arg("--version").output().is_err() {
        return left_out("there is no `script` (util-linux)");
    }
    // Every other request is sent away without an answer.
    let asked = AtomicU64::new(0);
    let server = serve(move |mut stream| {
        while read_request(&mut stream).is_some() && asked.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
            stream.write_all(OK.as_bytes()).expect("the client waits for it");
        }
    });
    let views = [60, 120].map(|columns| {
        ["--warm-up 4s -z 500ms -c 20 --no-resend", "-n 100000000 -c 20 --no-resend"].map(|arguments| {
            let (program, url) = (binary("load_test"), url(server));
            // Until Ctrl-C: so many requests take longer than anybody waits.
            let program = format!("timeout --foreground -s INT 5 {} {arguments} {url}", program.display());
            let mut script = Command::new("script");
            let command = format!("stty cols {columns} rows 20; exec {program}");
            (columns, Program::spawn(script.args(["-qec", &command, "/dev/null"]).env("TERM", "xterm")))
        })
    });
    for (columns, program) in views.into_iter().flatten() {
        let done = program.finish();
        let frames = frames(columns, &done);
        let view = frames.iter().rfind(|line| line.contains("/s, ") && line.contains(" errors, p50 ")).expect("a view");
        assert!(view.contains(['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']), "{view:?}");
        assert!(!view.contains(" 0 errors"), "{view:?}");
        let warming = frames.iter().any(|line| line.starts_with("  warm-up, "));
        let counting = frames.iter().any(|line| line.contains(" of 100,000,000"));
        assert!(warming != counting, "{done:?}");
    }
}

#[test]
fn a_host_is_found_where_resolve_says_and_keeps_its_name() {
    let (sender, heads) = mpsc::channel();
    let server = serve(move |stream| {
        answer_each(stream, |head| {
            sender.send(head.to_string()).expect("the test listens");
            OK.to_string()
        });
    });
    let (port, resolve) = (server.port(), format!("shop.example:{}:127.0.0.1", server.port()));
    let target = format!("http://shop.example:{port}/");
    let done = run("load_test", &["-n", "1", "--resolve", &resolve, &target]);
    assert_eq!(done.code(), 0, "{done:?}");
    let head = heads.recv_timeout(PATIENCE).expect("a request");
    assert!(head.contains(&format!("host: shop.example:{port}\r\n")), "{head}");
    done.says(&format!("  {target}\n"));
    // Whom the certificate must name is the host as well.
    let authority = Authority::new("resolved");
    let (config, ca) = (authority.server("shop.example"), file("resolved.pem", &authority.pem()));
    let secure = serve(move |stream| answer_each(tls(config.clone(), stream), |_| OK.to_string()));
    let resolve = format!("shop.example:{}:127.0.0.1", secure.port());
    let target = format!("https://shop.example:{}/", secure.port());
    let done = run("load_test", &["-n", "1", "--ca", &ca, "--resolve", &resolve, &target]);
    assert_eq!(done.code(), 0, "{done:?}");
    // One that is for nobody is a mistake.
    let done = run("load_test", &["--resolve", "shop.example:1:127.0.0.1", &target]);
    assert!(done.stderr.contains("--resolve shop.example:1: there is no URL with this host and port"), "{done:?}");
    assert_eq!((done.code(), done.stdout.as_str()), (2, ""));
}

#[test]
fn the_time_line_has_a_row_for_each_second_and_adds_up_to_the_report() {
    let (server, _) = resetting();
    let path = format!("{}/timeline.csv", env!("CARGO_TARGET_TMPDIR"));
    let arguments = ["-z", "1200ms", "-c", "4", "--loops", "2", "--no-resend", "--json", "--timeline", &path];
    let json = run("load_test", &[&arguments[..], &[&url(server)]].concat()).json();
    let text = std::fs::read_to_string(&path).expect("it was written");
    let (head, rows) = text.split_once('\n').expect("a line");
    assert_eq!(head, "second,answers,failures,mean_ms,p50_ms,p99_ms,max_ms");
    let rows = rows.lines().map(|row| row.split(',').map(|it| it.parse().expect(row)).collect::<Vec<f64>>());
    let rows: Vec<Vec<f64>> = rows.collect();
    let sum = |column: usize| rows.iter().map(|row| row[column]).sum::<f64>() as u64;
    assert_eq!((sum(1), sum(2)), (number(&json, "answers"), number(&json, "failed")), "{text}{json}");
    assert!(sum(2) > 0 && rows.len() >= 2, "{text}");
    for (second, row) in rows.iter().enumerate() {
        assert_eq!((row[0], row.len()), (second as f64, 7), "{text}");
        assert!(row[4..].is_sorted(), "{text}");
    }
    // A full disk is told, and the report comes all the same.
    let done = run("load_test", &["-n", "2", "--timeline", "/dev/full", &url(server)]);
    assert_eq!(done.stderr, "error: --timeline /dev/full: No space left on device (os error 28)\n");
    done.says("\n  2 requests, ");
    assert_eq!(done.code(), 1);
    let (server, asked) = counting();
    let done = run("load_test", &["--timeline", "/no/such/folder/it.csv", &url(server)]);
    assert!(done.stderr.starts_with("error: --timeline /no/such/folder/it.csv: No such file"), "{done:?}");
    assert_eq!((done.code(), asked.load(Ordering::Relaxed)), (2, 0));
}

#[test]
fn without_a_terminal_a_plain_line_says_how_it_goes() {
    let (server, _) = counting();
    let done = run("load_test", &["-z", "5500ms", "-q", "20", &url(server)]);
    assert_eq!(done.code(), 0, "{done:?}");
    let line = done.stderr.lines().next().expect("a line after five seconds");
    assert!(line.contains(" s: ") && line.contains(" requests/s, 0 errors, p50 ") && line.contains(", p99 "), "{line}");
    assert!(!done.stderr.contains(['━', '▁', '█', '\u{1b}', '\r']), "{done:?}");
}

#[test]
fn too_many_open_files_are_no_throughput_and_the_server_has_counted_the_answers() {
    let (server, asked) = counting();
    let script = format!("ulimit -n 24; exec {:?} -c 50 -n 50 --json {}", binary("load_test"), url(server));
    let json = Program::spawn(Command::new("sh").args(["-c", &script])).finish().json();
    let (answers, failed) = (number(&json, "answers"), number(&json, "failed"));
    assert!(failed > 0 && answers + failed == 50, "{json}");
    assert_eq!(json["errors"], json!({"too many open files": failed}), "{json}");
    assert_eq!(answers, asked.load(Ordering::Relaxed), "what the server has counted: {json}");
    let of = |name: &str| json[name].as_f64().expect(name);
    assert!((of("requests_per_second") * of("seconds") - answers as f64).abs() < 1e-6, "{json}");
}
