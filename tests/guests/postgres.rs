//! tokio-postgres as a guest, against a PostgreSQL that `tests/services` has started. It gets its sockets through
//! tokio-util's `compat` and its connection is driven by a task of the loop.

use crate::{ROUNDS, host, service};
use bytes::Bytes;
use futures::{AsyncRead, AsyncWrite, SinkExt, TryStreamExt};
use gather::{gather, try_gather};
use runtime::io::Async;
use runtime::net::TcpStream;
use runtime::sync::mpsc;
use runtime::{JoinHandle, spawn};
use std::future::poll_fn;
use std::path::Path;
use std::pin::pin;
use tokio_postgres::config::Host;
use tokio_postgres::error::SqlState;
use tokio_postgres::{AsyncMessage, Client, Config, Error, NoTls};
use tokio_util::compat::FuturesAsyncReadCompatExt;

/// Where the server is.
const VARIABLE: &str = "GLASSLOOP_POSTGRES";

/// Whether there is one.
pub(crate) fn is_there() -> bool {
    service(VARIABLE).is_some()
}

/// Hosts a test with a connection of its own, if there is a server.
#[track_caller]
fn host_client(waits: usize, test: impl AsyncFn(Client)) {
    if is_there() {
        host(waits, async || test(connect().await).await);
    }
}

fn config() -> Config {
    service(VARIABLE).expect("it was there a moment ago").parse().expect("a URL")
}

async fn socket(config: &Config) -> TcpStream {
    let [Host::Tcp(host)] = config.get_hosts() else { panic!("{VARIABLE} names one host") };
    TcpStream::connect((host.as_str(), config.get_ports()[0])).await.expect("it listens")
}

/// Logs in over `stream` and drives the connection in a task, which ends with the client.
async fn log_in(
    config: &Config,
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
) -> Result<(Client, JoinHandle<Result<(), Error>>), Error> {
    let (client, connection) = config.connect_raw(stream.compat(), NoTls).await?;
    Ok((client, spawn(connection)))
}

pub(crate) async fn connect() -> Client {
    let config = config();
    let stream = socket(&config).await;
    log_in(&config, stream).await.expect("the password is right").0
}

/// Query after query on one connection.
pub(crate) async fn count(client: Client) {
    let statement = client.prepare("SELECT $1::int8 + 1").await.expect("SQL");
    for number in 0..ROUNDS as i64 {
        assert_eq!(client.query_one(&statement, &[&number]).await.expect("a row").get::<_, i64>(0), number + 1);
    }
}

#[test]
fn query_after_query_is_answered() {
    host_client(ROUNDS, count);
}

#[test]
fn values_come_back_as_they_went() {
    host_client(1, async |client| {
        let sent = ("snowman ☃", -7_i32, 0.5_f64, true, vec![0_u8, 255], None::<String>);
        let row = client
            .query_one(
                "SELECT $1::text, $2::int4, $3::float8, $4::bool, $5::bytea, $6::text",
                &[&sent.0, &sent.1, &sent.2, &sent.3, &sent.4, &sent.5],
            )
            .await
            .expect("a row");
        let came: (&str, i32, f64, bool, Vec<u8>, Option<String>) =
            (row.get(0), row.get(1), row.get(2), row.get(3), row.get(4), row.get(5));
        assert_eq!(came, sent);
    });
}

#[test]
fn a_gather_of_queries_is_pipelined_on_one_connection() {
    host_client(1, async |client| {
        let statement = client.prepare("SELECT $1::int8 * 2, pg_backend_pid()").await.expect("SQL");
        let queries = (0..1000_i64).map(|number| {
            let (client, statement) = (&client, &statement);
            async move {
                let row = client.query_one(statement, &[&number]).await?;
                Ok::<_, Error>((row.get::<_, i64>(0), row.get::<_, i32>(1)))
            }
        });
        let rows = try_gather(queries).await.expect("rows");
        assert!(rows.iter().enumerate().all(|(number, row)| *row == (2 * number as i64, rows[0].1)));
    });
}

#[test]
fn a_transaction_that_is_dropped_leaves_nothing() {
    host_client(1, async |mut client| {
        client.batch_execute("CREATE TEMP TABLE numbers (n int8)").await.expect("SQL");
        for commit in [false, true] {
            let transaction = client.transaction().await.expect("a transaction");
            transaction.execute("INSERT INTO numbers VALUES (1)", &[]).await.expect("SQL");
            match commit {
                true => transaction.commit().await.expect("it is open"),
                false => drop(transaction),
            }
            let rows = client.query_one("SELECT count(*) FROM numbers", &[]).await.expect("a row");
            assert_eq!(rows.get::<_, i64>(0), i64::from(commit));
        }
    });
}

#[test]
fn rows_are_copied_in_and_out() {
    host_client(1, async |client| {
        client.batch_execute("CREATE TEMP TABLE numbers (n int8)").await.expect("SQL");
        let mut sink = pin!(client.copy_in("COPY numbers FROM STDIN").await.expect("SQL"));
        for number in 0..10_000 {
            sink.feed(Bytes::from(format!("{number}\n"))).await.expect("it takes rows");
        }
        assert_eq!(sink.as_mut().finish().await.expect("it takes rows"), 10_000);
        let out = client.copy_out("COPY (SELECT n FROM numbers ORDER BY n DESC) TO STDOUT").await.expect("SQL");
        let rows: Vec<Bytes> = out.try_collect().await.expect("rows");
        let expected: String = (0..10_000).rev().map(|number| format!("{number}\n")).collect();
        assert_eq!(rows.concat(), expected.as_bytes());
    });
}

#[test]
fn an_error_of_one_query_is_its_own() {
    host_client(1, async |client| {
        let error = client.query("SELECT 1 / $1::int4", &[&0]).await.expect_err("a division by zero");
        assert_eq!(error.code(), Some(&SqlState::DIVISION_BY_ZERO));
        let error = client.query("SELEKT", &[]).await.expect_err("no SQL");
        assert_eq!(error.code(), Some(&SqlState::SYNTAX_ERROR));
        assert_eq!(client.query_one("SELECT 1", &[]).await.expect("a row").get::<_, i32>(0), 1);
    });
}

#[test]
fn a_query_that_would_take_an_hour_is_cancelled_from_another_connection() {
    host_client(1, async |client| {
        let cancel = async {
            // The server cancels what is under way, so it has to be under way.
            let watcher = connect().await;
            let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'";
            let id: i32 = client.query_one("SELECT pg_backend_pid()", &[]).await.expect("a row").get(0);
            let sleep = client.query("SELECT pg_sleep(3600)", &[]);
            let cancel = async {
                while watcher.query_one(sleeping, &[&id]).await.expect("a row").get::<_, i64>(0) == 0 {}
                let stream = socket(&config()).await.compat();
                client.cancel_token().cancel_query_raw(stream, NoTls).await.expect("the server listens");
            };
            gather!(sleep, cancel).await.0
        };
        assert_eq!(cancel.await.expect_err("it was cancelled").code(), Some(&SqlState::QUERY_CANCELED));
    });
}

#[test]
fn notifications_arrive_while_nothing_is_asked() {
    host_client(1, async |speaker| {
        let config = config();
        let stream = socket(&config).await.compat();
        let (listener, mut connection) = config.connect_raw(stream, NoTls).await.expect("the password is right");
        let (sender, mut heard) = mpsc::unbounded();
        drop(spawn(async move {
            while let Some(message) = poll_fn(|cx| connection.poll_message(cx)).await {
                if let AsyncMessage::Notification(note) = message.expect("no error") {
                    sender.send(note.payload().to_owned()).expect("the test listens");
                }
            }
        }));
        // Tests run side by side against one server: the channel is named after the connection.
        let id: i32 = listener.query_one("SELECT pg_backend_pid()", &[]).await.expect("a row").get(0);
        listener.batch_execute(&format!("LISTEN channel_{id}")).await.expect("SQL");
        for number in 0..ROUNDS {
            speaker.batch_execute(&format!("NOTIFY channel_{id}, 'note {number}'")).await.expect("SQL");
            assert_eq!(heard.recv().await, Some(format!("note {number}")));
        }
    });
}

#[test]
fn connections_side_by_side_are_sessions_of_their_own() {
    host_client(1, async |_| {
        let ids = gather((0..10).map(|_| async {
            connect().await.query_one("SELECT pg_backend_pid()", &[]).await.expect("a row").get::<_, i32>(0)
        }));
        let mut ids = ids.await;
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 10);
    });
}

#[test]
fn a_wrong_password_is_refused() {
    host_client(1, async |_| {
        let mut config = config();
        let stream = socket(&config).await;
        config.password("not this one");
        let Err(error) = log_in(&config, stream).await else { panic!("the password is wrong") };
        assert_eq!(error.code(), Some(&SqlState::INVALID_PASSWORD));
    });
}

#[test]
fn a_client_that_is_dropped_ends_its_connection() {
    host_client(1, async |_| {
        let config = config();
        let stream = socket(&config).await;
        let (client, connection) = log_in(&config, stream).await.expect("the password is right");
        drop(client);
        connection.await.expect("it ends").expect("no error");
    });
}

#[test]
fn a_unix_socket_will_do_as_well() {
    host_client(ROUNDS, async |client| {
        let row = client.query_one("SHOW unix_socket_directories", &[]).await.expect("a row");
        let config = config();
        let path = Path::new(row.get::<_, &str>(0)).join(format!(".s.PGSQL.{}", config.get_ports()[0]));
        let stream = mio::net::UnixStream::connect(path).expect("it listens");
        let stream = Async::new(stream).expect("mio can watch it");
        let (client, connection) = log_in(&config, stream).await.expect("the password is right");
        count(client).await;
        connection.await.expect("it ends").expect("no error");
    });
}
