//! `pool`, against a PostgreSQL that `tests/services` has started.

use crate::process::{Done, Program, nobody, run};
use crate::proxy::{Fate, Proxy};
use runtime::net::TcpStream;
use runtime::{block_on, spawn};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tests::service;
use tokio_postgres::config::Host;
use tokio_postgres::{Client, Config, NoTls};
use tokio_util::compat::FuturesAsyncReadCompatExt;

/// The URL of the server, if there is one, and the right to use it: it has a hundred connections for all tests together.
pub(crate) fn server() -> Option<(String, MutexGuard<'static, ()>)> {
    static ONE_BY_ONE: Mutex<()> = Mutex::new(());
    let url = service("GLASSLOOP_POSTGRES")?;
    Some((url, ONE_BY_ONE.lock().unwrap_or_else(PoisonError::into_inner)))
}

fn address(url: &str) -> SocketAddr {
    let config: Config = url.parse().expect("a URL");
    let [Host::Tcp(host)] = config.get_hosts() else { panic!("one host") };
    format!("{host}:{}", config.get_ports()[0]).parse().expect("an address")
}

/// Does something with a connection of its own.
fn with_client<T>(url: &str, body: impl AsyncFnOnce(Client) -> T) -> T {
    block_on(async {
        let stream = TcpStream::connect(address(url)).await.expect("it listens");
        let config: Config = url.parse().expect("a URL");
        let (client, connection) = config.connect_raw(stream.compat(), NoTls).await.expect("the password is right");
        drop(spawn(connection));
        body(client).await
    })
}

/// The number at the start of the line with this label.
#[track_caller]
fn number(done: &Done, label: &str) -> u64 {
    let line = done.stdout.lines().find_map(|line| line.trim_start().strip_prefix(label));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.unwrap_or_else(|| panic!("no number after {label:?}: {done:?}"))
}

/// Runs the program as a user to whom the server refuses one connection more than so many.
fn run_within(limit: usize, url: &str, arguments: &[&str]) -> Done {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let user = format!("limited_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    with_client(url, async |client| {
        let role = format!("CREATE ROLE {user} LOGIN PASSWORD 'secret' CONNECTION LIMIT {limit}");
        client.batch_execute(&role).await.expect("we may");
    });
    let own = format!("postgres://{user}:secret@{}/postgres", address(url));
    let done = run("pool", &[&[&*own], arguments].concat());
    with_client(url, async |client| {
        // One that was called off says so before it has done with it.
        let still = "SELECT count(*) FROM pg_stat_activity WHERE usename = $1 AND state = 'active'";
        let begun = Instant::now();
        while client.query_one(still, &[&user]).await.expect("a row").get::<_, i64>(0) > 0 {
            let patience = Duration::from_secs(60);
            assert!(begun.elapsed() < patience, "queries that run on, with nobody to hear the answer: {done:?}");
        }
        let drop = format!("DROP ROLE {user}");
        client.batch_execute(&drop).await.expect("it owns nothing");
    });
    done
}

#[test]
fn five_hundred_queries_never_use_more_than_twenty_connections() {
    let Some((url, _turn)) = server() else { return };
    let done = run_within(20, &url, &[]);
    assert_eq!((done.code(), done.stderr.as_str()), (0, ""), "{done:?}");
    assert_eq!((number(&done, "answered"), number(&done, "failed"), number(&done, "connections")), (500, 0, 20));
    done.says("20 opened in all");
    done.says("served in the order in which they came");
    done.says("rollback           100   in all accounts, as before; inside the transaction it was 250\n");
}

#[test]
fn a_query_that_takes_too_long_is_called_off_and_gives_its_connection_back() {
    let Some((url, _turn)) = server() else { return };
    // One more than there are connections: each has a query called off, and is used again.
    let done = run_within(4, &url, &["--connections", "4", "--queries", "12", "--stall", "5", "--timeout", "5"]);
    assert_eq!(done.code(), 1, "{done:?}");
    assert_eq!((number(&done, "answered"), number(&done, "failed"), number(&done, "connections")), (7, 5, 4));
    done.says("4 opened in all");
    assert_eq!(done.stdout.matches(": no answer within 5s\n").count(), 5, "{done:?}");
}

#[test]
fn a_query_whose_connection_dies_is_asked_again_over_a_new_one() {
    let Some((url, _turn)) = server() else { return };
    let done = run("pool", &[&url, "--kill", "25"]);
    assert_eq!(done.code(), 0, "{done:?}");
    assert_eq!((number(&done, "answered"), number(&done, "failed"), number(&done, "connections")), (500, 0, 20));
    done.says("25 asked twice");
    done.says("45 opened in all");
    done.says("served in the order in which they came");
}

#[test]
fn a_query_that_kills_its_connection_every_time_is_reported_and_the_others_are_answered() {
    let Some((url, _turn)) = server() else { return };
    let done = run("pool", &[&url, "--queries", "100", "--poison", "4"]);
    assert_eq!(done.code(), 1, "{done:?}");
    assert_eq!((number(&done, "answered"), number(&done, "failed")), (96, 4));
    assert!(number(&done, "connections") <= 20, "{done:?}");
    for query in [24, 49, 74, 99] {
        let why = "failed twice: FATAL: terminating connection due to administrator command";
        done.says(&format!("query {query}: {why}\n"));
    }
}

#[test]
fn no_query_is_lost_when_all_connections_die_at_once() {
    let Some((url, _turn)) = server() else { return };
    // All take an hour, and are asked again when their connection has died: then they do not.
    let program = Program::start("pool", &[&url, "--queries", "20", "--stall", "20", "--timeout", "200"]);
    let name = format!("glassloop pool {}", program.child.id());
    with_client(&url, async |client| {
        let asleep = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND wait_event = 'PgSleep'";
        while client.query_one(asleep, &[&name]).await.expect("a row").get::<_, i64>(0) < 20 {}
        let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = $1";
        assert_eq!(client.query_one(kill, &[&name]).await.expect("a row").get::<_, i64>(0), 20);
    });
    let done = program.finish();
    assert_eq!(done.code(), 0, "{done:?}");
    assert_eq!((number(&done, "answered"), number(&done, "failed"), number(&done, "connections")), (20, 0, 20));
    done.says("20 asked twice");
    done.says("40 opened in all");
}

#[test]
fn a_server_that_dies_in_the_middle_fails_the_queries_that_are_left_and_hangs_none() {
    let Some((url, _turn)) = server() else { return };
    let proxy = Proxy::start(address(&url), Fate::Dies, 40_000);
    let done = run("pool", &[&url.replace(&address(&url).to_string(), &proxy.address().to_string())]);
    assert_eq!(done.code(), 1, "{done:?}");
    let (answered, failed) = (number(&done, "answered"), number(&done, "failed"));
    assert!(answered > 0 && failed > 0 && answered + failed == 500, "{done:?}");
    done.says("failed twice: ");
}

#[test]
fn a_server_that_stops_answering_is_given_up_on() {
    let Some((url, _turn)) = server() else { return };
    // Each connection says more than a hundred bytes when it is opened.
    let proxy = Proxy::start(address(&url), Fate::Freezes, 20_000);
    let through = url.replace(&address(&url).to_string(), &proxy.address().to_string());
    let done = run("pool", &[&through, "--queries", "100", "--connections", "50", "--timeout", "3"]);
    assert_eq!(done.code(), 1, "{done:?}");
    let (answered, failed) = (number(&done, "answered"), number(&done, "failed"));
    assert!(failed > 0 && answered + failed == 100, "{done:?}");
    done.says("no answer within 3s");
}

#[test]
fn something_else_that_listens_there_is_told_with_the_whole_chain_and_the_cure() {
    let rude = crate::serve(|mut stream| {
        // The first bytes are heard, so that hanging up is no reset.
        let _ = std::io::Read::read(&mut stream, &mut [0; 64]);
        let _ = std::io::Write::write_all(&mut stream, b"220 mail.example.com\r\n");
    });
    let done = run("pool", &[&format!("postgres://me:secret@{rude}/x")]);
    assert_eq!((done.code(), done.stdout.as_str()), (2, ""), "{done:?}");
    assert!(done.stderr.starts_with("error: "), "{done:?}");
    assert!(done.stderr.matches(": ").count() >= 2 && done.stderr.ends_with("; is PostgreSQL there?\n"), "{done:?}");
}

#[test]
fn what_cannot_be_meant_is_refused_with_the_cure() {
    let (nobody, _kept) = nobody();
    for (arguments, why) in [
        (vec!["nonsense"], "error: invalid connection string: unexpected EOF; name one (postgres://"),
        (vec!["--connections", "0"], "a count is a whole number"),
        (vec!["--timeout", "soon"], "a time is a number"),
        (vec![&*format!("postgres://{nobody}/x")], "Connection refused (os error 111); is PostgreSQL there?"),
        (vec!["postgres:///x?host=/run"], "no host to connect to by TCP"),
        (vec![], "`tests/services run`"),
    ] {
        let mut command = std::process::Command::new(crate::process::binary("pool"));
        let done = Program::spawn(command.args(&arguments).env_remove("GLASSLOOP_POSTGRES")).finish();
        assert!(done.stderr.contains(why), "{arguments:?}: {done:?}");
        assert_eq!((done.code(), done.stdout.as_str()), (2, ""), "{arguments:?}");
    }
    if let Some((url, _turn)) = server() {
        // Down to the last cause, and what to do about it.
        let at = address(&url);
        for (url, why) in [
            (format!("postgres://glassloop@{at}/postgres"), "password missing; put it into the URL: postgres://user:"),
            (format!("{url}?sslmode=require"), "this program speaks no TLS"),
        ] {
            let done = run("pool", &[&url]);
            assert!(done.stderr.contains(why), "{done:?}");
            assert_eq!((done.code(), done.stdout.as_str()), (2, ""));
        }
        let done = run("pool", &[&url.replacen("glassloop:", "glassloop:not", 1)]);
        assert!(done.stderr.contains("password authentication failed"), "{done:?}");
        assert_eq!((done.code(), done.stdout.as_str()), (2, ""));
    }
}
