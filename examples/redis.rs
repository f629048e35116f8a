//! Redis for the program `caches`: where one is, commands and replies over a connection, and one of our own to start.

use futures_util::{SinkExt, StreamExt};
use redis_protocol::codec::Resp2;
use redis_protocol::error::{RedisProtocolError, RedisProtocolErrorKind};
use redis_protocol::resp2::types::{BytesFrame as Frame, Resp2Frame};
use runtime::net::TcpStream;
use runtime::time::{now, sleep, timeout};
use std::fmt::Display;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::time::Duration;
use tokio_util::codec::Framed;
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt};

/// How many ports are tried for a Redis that is started.
const PORTS: usize = 20;

/// Where a Redis is, and the words to log in with.
#[derive(Debug, Clone)]
pub struct Server {
    /// Host and port.
    pub address: String,
    login: Vec<String>,
}

impl FromStr for Server {
    type Err = String;

    fn from_str(url: &str) -> Result<Server, String> {
        let rest = url.strip_prefix("redis://").ok_or("a URL of Redis starts with redis://")?.trim_end_matches('/');
        let (login, host) = rest.rsplit_once('@').unwrap_or(("", rest));
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => (name, port),
            _ => (host, "6379"),
        };
        if name.is_empty() || !port.parse().is_ok_and(|port: u16| port > 0) {
            return Err("a server is a host, or a host and a port from 1 to 65535: redis://localhost:6379".to_string());
        }
        let login = login.split(':').filter(|word| !word.is_empty()).map(str::to_string).collect();
        Ok(Server { address: format!("{name}:{port}"), login })
    }
}

/// A connection: commands go in, replies come out.
pub type Client = Framed<Compat<TcpStream>, Resp2>;

impl Server {
    /// Connects, and logs in where the URL says how.
    ///
    /// # Errors
    ///
    /// Why there is no connection, in words.
    pub async fn connect(&self) -> Result<Client, String> {
        let stream = TcpStream::connect(self.address.as_str()).await;
        let stream = stream.map_err(|error| format!("{error}; is a Redis there?"))?;
        let mut client = Framed::new(stream.compat(), Resp2::default());
        if !self.login.is_empty() {
            call(&mut client, [command([&["AUTH".to_string()], &self.login[..]].concat())]).await?;
        }
        Ok(client)
    }
}

/// A command, as Redis wants it: an array of strings.
pub fn command(words: impl IntoIterator<Item: AsRef<[u8]>>) -> Frame {
    Frame::Array(words.into_iter().map(|word| Frame::BulkString(word.as_ref().to_vec().into())).collect())
}

/// An error in its words.
fn told(error: impl Display) -> String {
    error.to_string()
}

/// An error of the codec, or of the system where that is inside it.
fn broken(error: RedisProtocolError) -> String {
    match error.kind() {
        // The codec's own, not the system's: the end came, and bytes were left over.
        RedisProtocolErrorKind::IO(error) if error.raw_os_error().is_none() => told("the server hung up midway"),
        RedisProtocolErrorKind::IO(error) => told(error),
        _ => told(error),
    }
}

/// Sends some commands and waits for their replies; an error among them is an error.
///
/// # Errors
///
/// The first error among the replies, or why there is none.
pub async fn call(client: &mut Client, commands: impl IntoIterator<Item = Frame>) -> Result<Vec<Frame>, String> {
    let mut replies = Vec::new();
    for command in commands {
        client.feed(command).await.map_err(broken)?;
        replies.push(Frame::Null);
    }
    SinkExt::<Frame>::flush(client).await.map_err(broken)?;
    for place in &mut replies {
        match client.next().await.ok_or("the server hung up")?.map_err(broken)? {
            Frame::Error(error) => return Err(error.to_string()),
            reply => *place = reply,
        }
    }
    Ok(replies)
}

/// A Redis of our own. It is killed when this is dropped.
#[derive(Debug)]
pub struct Local {
    /// Where it is.
    pub server: Server,
    process: Child,
}

impl Local {
    /// Starts it on a port that was free a moment ago. If somebody else has it now, Redis ends, and another is tried.
    ///
    /// # Errors
    ///
    /// When it cannot be started, in words.
    pub async fn start() -> Result<Local, String> {
        for _ in 0..PORTS {
            let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).map_err(told)?;
            let port = address.port().to_string();
            let mut redis = Command::new("redis-server");
            redis.args(["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "no"]);
            let process = redis.stdout(Stdio::null()).spawn().map_err(|error| match error.kind() {
                ErrorKind::NotFound => told("there is no redis-server here: install it, or name servers of yours"),
                _ => format!("redis-server: {error}"),
            })?;
            let mut local = Local { server: Server { address: address.to_string(), login: Vec::new() }, process };
            let end = now() + Duration::from_secs(30);
            while now() < end && local.process.try_wait().is_ok_and(|ended| ended.is_none()) {
                if timeout(Duration::from_secs(1), local.answers()).await == Ok(Ok(true)) {
                    return Ok(local);
                }
                sleep(Duration::from_millis(5)).await;
            }
        }
        Err(format!("redis-server was started on {PORTS} ports, and answers on none"))
    }

    /// Whether the one that answers at the port is this process.
    async fn answers(&self) -> Result<bool, String> {
        let info = call(&mut self.server.connect().await?, [command(["INFO", "server"])]).await?;
        Ok(info[0].as_str().is_some_and(|info| info.contains(&format!("process_id:{}\r\n", self.process.id()))))
    }
}

impl Local {
    /// Kills it.
    pub fn kill(&mut self) {
        // Nothing happens if it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.kill();
    }
}
