//! `caches`, against Redis: three that it starts itself, and one that `tests/services` has started, behind proxies.

use crate::process::{Program, nobody, run};
use crate::proxy::{Fate, Proxy};
use crate::serve;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tests::{left_out, service};

#[test]
fn a_slow_and_a_dead_server_cost_their_own_keys_and_nobody_else_s() {
    if Command::new("redis-server").arg("--version").output().is_err() {
        return left_out("there is no redis-server");
    }
    let done = run("caches", &["--keys", "3000", "--timeout", "4"]);
    assert_eq!((done.code(), done.stderr.as_str()), (0, ""), "{done:?}");
    let rounds: Vec<Vec<&str>> = done.stdout.split("\n\n").map(|round| round.lines().collect()).collect();
    assert_eq!(rounds.len(), 4, "three, and nothing after the last blank line: {done:?}");
    let whole = "1000 of 1000 keys";
    for (round, expected) in rounds.iter().zip([
        [whole, whole, whole],
        [whole, "no answer within 4s", whole],
        [whole, "no answer within 4s", "Connection refused"],
    ]) {
        for (line, expected) in round[1..].iter().zip(expected) {
            assert!(line.contains(expected), "{expected} is not in {line}: {done:?}");
        }
        // Nobody waits for another.
        assert!(
            round.iter().skip(1).filter(|line| line.contains(whole)).all(|line| !line.ends_with(" 4s")),
            "{done:?}"
        );
    }
    for line in &rounds[0][1..] {
        // Somebody else may listen there by now. It calls itself by its program and its port.
        let port = line.split_whitespace().next().and_then(|it| it.rsplit(':').next()).expect("an address");
        assert!(!redis_servers().any(|it| it.contains(port)), "the one on port {port} was started and is not stopped");
    }
}

/// What each Redis on this machine calls itself.
fn redis_servers() -> impl Iterator<Item = String> {
    let processes = std::fs::read_dir("/proc").expect("Linux lists processes").filter_map(Result::ok);
    let names = processes.filter_map(|process| std::fs::read_to_string(process.path().join("cmdline")).ok());
    names.filter(|name| name.starts_with("redis-server"))
}

#[test]
fn a_port_that_somebody_takes_first_is_given_up_for_another() {
    let Ok(redis) = Command::new("sh").args(["-c", "command -v redis-server"]).output() else { return };
    if !redis.status.success() {
        return left_out("there is no redis-server");
    }
    // The first that is started ends at once, as it does when it does not get its port.
    let folder = format!("{}/one-redis-ends", env!("CARGO_TARGET_TMPDIR"));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("the target folder takes folders");
    let redis = String::from_utf8_lossy(&redis.stdout);
    let script = format!("#!/bin/sh\nmkdir '{folder}/ended' 2>/dev/null && exit 1\nexec {} \"$@\"\n", redis.trim());
    let program = format!("{folder}/redis-server");
    // By a process of its own: a file that a child of another test has still open for writing cannot be run.
    let writes = ["-c", "printf %s \"$1\" >\"$2\" && chmod +x \"$2\"", "sh", &script, &program];
    assert!(Command::new("sh").args(writes).status().expect("there is a sh").success());
    let path = format!("{folder}:{}", std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new(crate::process::binary("caches"));
    let done = Program::spawn(command.args(["--keys", "30", "--timeout", "4"]).env("PATH", path)).finish();
    assert_eq!((done.code(), done.stderr.as_str()), (0, ""), "{done:?}");
    assert!(std::path::Path::new(&folder).join("ended").exists(), "one has ended");
}

#[test]
fn a_server_that_dies_or_freezes_in_the_middle_is_told_from_one_that_is_well() {
    // 20,000 times `+OK\r\n`, and then some of the values.
    const MIDDLE: usize = 140_000;
    let Some(url) = service("GLASSLOOP_REDIS") else { return };
    let real = url.trim_end_matches('/').rsplit_once('@').expect("a login").1.to_string();
    let address: SocketAddr = real.parse().expect("an address");
    let (dying, freezing) = (Proxy::start(address, Fate::Dies, MIDDLE), Proxy::start(address, Fate::Freezes, MIDDLE));
    let through = |proxy: &Proxy| url.replace(&real, &proxy.address().to_string());
    let arguments = [&*url, &through(&dying), &through(&freezing), "--keys", "60000", "--timeout", "8"];
    let done = run("caches", &arguments);
    assert_eq!(done.code(), 1, "{done:?}");
    assert!(done.line(&real).contains("20000 of 20000 keys"), "{done:?}");
    let line = done.line(&dying.address().to_string());
    assert!(line.contains("the server hung up") || line.contains("os error"), "{done:?}");
    assert!(done.line(&freezing.address().to_string()).contains("no answer within 8s"), "{done:?}");
}

#[test]
fn a_server_that_hangs_up_in_the_middle_of_a_reply_is_told() {
    let address = serve(|stream| {
        // A command is heard, and half of an answer is given. An error here is a client that has left: what it says of that
        // is checked below.
        let _ = BufReader::new(&stream).read_line(&mut String::new());
        let _ = (&stream).write_all(b"$5\r\nab");
        // Whoever hangs up on unread bytes resets the connection: they are taken first.
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = std::io::copy(&mut &stream, &mut std::io::sink());
    });
    let done = run("caches", &[&format!("redis://{address}"), "--keys", "1"]);
    assert_eq!(done.code(), 1, "{done:?}");
    assert!(done.line("0 of 1 keys").ends_with("the server hung up midway"), "{done:?}");
}

/// A Redis that has only SET and GET, and a stroke: what comes over its first connection is heard until there were 500
/// commands.
fn one_with_a_stroke() -> SocketAddr {
    let connections = AtomicUsize::new(0);
    let kept = Mutex::new(HashMap::<String, String>::new());
    serve(move |stream| {
        let is_first = connections.fetch_add(1, Ordering::Relaxed) == 0;
        let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
        // `*3`, and for each of so many words its length and the word.
        let words = |head: String| -> usize { head.trim_start_matches('*').parse().expect("an array") };
        let mut commands = 0;
        while let Some(head) = lines.next() {
            let command: Vec<String> = lines.by_ref().take(2 * words(head)).skip(1).step_by(2).collect();
            commands += 1;
            if is_first && commands > 500 {
                continue;
            }
            let mut kept = kept.lock().expect("nobody panics with it");
            let answer = match &command[..] {
                [set, key, value, ..] if set == "SET" => {
                    kept.insert(key.clone(), value.clone());
                    "+OK\r\n".to_string()
                }
                [_, key] => {
                    kept.get(key).map_or("$-1\r\n".to_string(), |value| format!("${}\r\n{value}\r\n", value.len()))
                }
                _ => panic!("{command:?}"),
            };
            let _ = (&stream).write_all(answer.as_bytes());
        }
    })
}

#[test]
fn a_server_that_could_not_be_filled_says_why_keys_are_missing() {
    let address = one_with_a_stroke();
    let done = run("caches", &[&format!("redis://{address}"), "--keys", "1200", "--timeout", "4"]);
    assert_eq!(done.code(), 1, "{done:?}");
    let line = done.line(&address.to_string());
    assert!(line.contains(" 500 of 1200 keys"), "{done:?}");
    assert!(line.ends_with("   not all were kept: no answer within 4s"), "{done:?}");
}

#[test]
fn nobody_there_and_a_wrong_password_are_told_by_address() {
    let (nobody, _kept) = nobody();
    let done = run("caches", &[&format!("redis://{nobody}"), "--keys", "10"]);
    assert_eq!(done.code(), 1, "{done:?}");
    assert!(
        done.line(&nobody.to_string()).ends_with("Connection refused (os error 111); is a Redis there?"),
        "{done:?}"
    );
    if let Some(url) = service("GLASSLOOP_REDIS") {
        let done = run("caches", &[&url.replacen("default:", "default:not", 1), "--keys", "10"]);
        assert_eq!(done.code(), 1, "{done:?}");
        assert!(done.line("0 of 10 keys").contains("WRONGPASS"), "{done:?}");
    }
}

#[test]
fn what_cannot_be_meant_is_refused_before_anything_starts() {
    for (arguments, why) in [
        (["--keys", "0"], "a count is a whole number"),
        (["--timeout", "never"], "a time is a number"),
        (["http://localhost", "--keys=1"], "starts with redis://"),
        (["redis://localhost:0", "--keys=1"], "a port from 1 to 65535"),
        (["redis://:6379", "--keys=1"], "a server is a host"),
    ] {
        let done = run("caches", &arguments);
        assert!(done.stderr.contains(why), "{arguments:?}: {done:?}");
        assert_eq!((done.code(), done.stdout.as_str()), (2, ""), "{arguments:?}");
    }
    let mut command = Command::new(crate::process::binary("caches"));
    let done = Program::spawn(command.env("PATH", "/nowhere")).finish();
    assert!(done.stderr.contains("there is no redis-server here: install it"), "{done:?}");
    assert_eq!(done.code(), 2);
}

/// A Redis of the test's own with these arguments more, behind a process that ends with it. `None` without redis-server.
fn own_redis(more: &[&str]) -> Option<(Program, SocketAddr)> {
    if Command::new("redis-server").arg("--version").output().is_err() {
        left_out("there is no redis-server");
        return None;
    }
    for _ in 0..20 {
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port").port();
        let arguments = ["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", ""].map(str::to_string);
        let mut redis = Program::spawn(Command::new("redis-server").args(arguments).args(more));
        while redis.child.try_wait().expect("it is our child").is_none() {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some((redis, SocketAddr::from(([127, 0, 0, 1], port))));
            }
            std::thread::yield_now();
        }
    }
    panic!("redis-server does not start");
}

#[test]
fn a_redis_that_is_full_is_told_although_it_has_values_of_an_earlier_run() {
    let Some((_redis, address)) = own_redis(&[]) else { return };
    let url = format!("redis://{address}");
    let done = run("caches", &[&url, "--keys", "100", "--timeout", "8"]);
    assert_eq!(done.code(), 0, "{done:?}");
    // From now on it takes nothing more.
    let mut stream = std::net::TcpStream::connect(address).expect("it listens");
    stream.write_all(b"CONFIG SET maxmemory 1\r\n").expect("it is connected");
    let mut said = String::new();
    BufReader::new(&stream).read_line(&mut said).expect("an answer");
    assert_eq!(said, "+OK\r\n");
    let done = run("caches", &[&url, "--keys", "100", "--timeout", "8"]);
    assert_eq!(done.code(), 1, "{done:?}");
    let line = done.line(&address.to_string());
    assert!(line.contains(" 0 of 100 keys") && line.contains("not all were kept: OOM command not allowed"), "{done:?}");
}
