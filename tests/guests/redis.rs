//! redis-protocol as a guest, against a Redis that `tests/services` has started: tokio-util's `Framed` puts its codec on
//! a socket of the loop, and the client is a `Sink` of commands and a `Stream` of replies.

use crate::{ROUNDS, host, service};
use futures::stream::iter;
use futures::{SinkExt, StreamExt};
use gather::gather;
use redis_protocol::codec::Resp2;
use redis_protocol::resp2::types::{BytesFrame as Frame, Resp2Frame};
use runtime::net::TcpStream;
use tokio_util::codec::Framed;
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt};

/// Where the server is.
const VARIABLE: &str = "GLASSLOOP_REDIS";

/// A connection that is logged in.
type Client = Framed<Compat<TcpStream>, Resp2>;

/// Whether there is a server.
pub(crate) fn is_there() -> bool {
    service(VARIABLE).is_some()
}

/// Hosts a test with a connection of its own, if there is a server. What the test keeps there goes under a prefix of its
/// own.
#[track_caller]
fn host_client(waits: usize, test: impl AsyncFn(Client)) {
    if is_there() {
        host(waits, async || test(connect().await).await);
    }
}

pub(crate) async fn connect() -> Client {
    let url = service(VARIABLE).expect("it was there a moment ago");
    let rest = url.strip_prefix("redis://").expect("a URL of Redis").trim_end_matches('/');
    let (login, address) = rest.split_once('@').expect("a login");
    let (user, password) = login.split_once(':').expect("a user and a password");
    let stream = TcpStream::connect(address).await.expect("it listens");
    let mut client = Framed::new(stream.compat(), Resp2::default());
    assert_eq!(call(&mut client, &["AUTH", user, password]).await, ok());
    client
}

/// A command, as an array of strings.
fn command(words: &[&str]) -> Frame {
    Frame::Array(words.iter().map(bulk).collect())
}

fn bulk(text: impl AsRef<[u8]>) -> Frame {
    Frame::BulkString(text.as_ref().to_vec().into())
}

fn ok() -> Frame {
    Frame::SimpleString("OK".into())
}

async fn reply(client: &mut Client) -> Frame {
    client.next().await.expect("no end").expect("RESP")
}

/// Sends a command and waits for its reply.
async fn call(client: &mut Client, words: &[&str]) -> Frame {
    client.send(command(words)).await.expect("somebody reads");
    reply(client).await
}

/// A key that no other test and no other client has.
async fn key(client: &mut Client, name: &str) -> String {
    let Frame::Integer(id) = call(client, &["CLIENT", "ID"]).await else { panic!("a client has a number") };
    format!("{name}:{id}")
}

/// Command after command on one connection.
pub(crate) async fn count(mut client: Client) {
    let key = key(&mut client, "count").await;
    for number in 1..=ROUNDS as i64 {
        assert_eq!(call(&mut client, &["INCR", &key]).await, Frame::Integer(number));
    }
}

#[test]
fn command_after_command_is_answered() {
    host_client(ROUNDS, count);
}

#[test]
fn values_come_back_as_they_went() {
    host_client(1, async |mut client| {
        let key = key(&mut client, "values").await;
        assert_eq!(call(&mut client, &["GET", &key]).await, Frame::Null);
        assert_eq!(call(&mut client, &["SET", &key, "snowman ☃\r\n"]).await, ok());
        assert_eq!(call(&mut client, &["GET", &key]).await, bulk("snowman ☃\r\n"));
        let large = "x".repeat(4 << 20);
        assert_eq!(call(&mut client, &["SET", &key, &large]).await, ok());
        assert!(call(&mut client, &["GET", &key]).await == bulk(large));
    });
}

#[test]
fn commands_are_pipelined_and_their_replies_keep_the_order() {
    host_client(1, async |mut client| {
        let key = key(&mut client, "pipeline").await;
        let commands = (0..1000).map(|_| Ok(command(&["RPUSH", &key, "x"])));
        client.send_all(&mut iter(commands)).await.expect("somebody reads");
        for number in 1..=1000 {
            assert_eq!(reply(&mut client).await, Frame::Integer(number));
        }
    });
}

#[test]
fn a_transaction_is_one_reply() {
    host_client(1, async |mut client| {
        let key = key(&mut client, "transaction").await;
        assert_eq!(call(&mut client, &["MULTI"]).await, ok());
        for _ in 0..2 {
            assert_eq!(call(&mut client, &["INCR", &key]).await, Frame::SimpleString("QUEUED".into()));
        }
        assert_eq!(call(&mut client, &["EXEC"]).await, Frame::Array(vec![Frame::Integer(1), Frame::Integer(2)]));
    });
}

#[test]
fn an_error_of_one_command_is_its_own() {
    host_client(1, async |mut client| {
        let Frame::Error(error) = call(&mut client, &["NONSENSE"]).await else { panic!("there is no such command") };
        assert!(error.starts_with("ERR unknown command"), "{error}");
        assert_eq!(call(&mut client, &["PING"]).await, Frame::SimpleString("PONG".into()));
    });
}

#[test]
fn what_is_published_reaches_who_subscribed() {
    host_client(ROUNDS, async |mut publisher| {
        let channel = key(&mut publisher, "channel").await;
        let mut subscriber = connect().await;
        let subscribed = vec![bulk("subscribe"), bulk(&channel), Frame::Integer(1)];
        assert_eq!(call(&mut subscriber, &["SUBSCRIBE", &channel]).await, Frame::Array(subscribed));
        for number in 0..ROUNDS {
            let said = format!("message {number}");
            assert_eq!(call(&mut publisher, &["PUBLISH", &channel, &said]).await, Frame::Integer(1));
            let heard = vec![bulk("message"), bulk(&channel), bulk(&said)];
            assert_eq!(reply(&mut subscriber).await, Frame::Array(heard));
        }
    });
}

#[test]
fn a_command_that_waits_keeps_its_connection_and_not_the_loop() {
    host_client(1, async |mut pusher| {
        let list = key(&mut pusher, "list").await;
        let mut popper = connect().await;
        let Frame::Integer(id) = call(&mut popper, &["CLIENT", "ID"]).await else { panic!("a client has a number") };
        let pop = async { call(&mut popper, &["BLPOP", &list, "0"]).await };
        let push = async {
            // The server marks who waits: the push shall come after that.
            let about = ["CLIENT", "LIST", "ID", &id.to_string()];
            while !call(&mut pusher, &about).await.as_str().expect("text").contains("flags=b") {}
            call(&mut pusher, &["RPUSH", &list, "at last"]).await
        };
        let (popped, pushed) = gather!(pop, push).await;
        assert_eq!(popped, Frame::Array(vec![bulk(&list), bulk("at last")]));
        assert_eq!(pushed, Frame::Integer(1));
    });
}

#[test]
fn a_wrong_password_is_refused() {
    host_client(1, async |mut client| {
        let Frame::Error(error) = call(&mut client, &["AUTH", "not this one"]).await else { panic!("it is wrong") };
        assert!(error.starts_with("WRONGPASS"), "{error}");
    });
}
