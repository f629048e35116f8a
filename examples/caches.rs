//! Many keys over several cache servers at once: `gather` over `zip(servers, keys)`, with a timeout for each server.
//!
//! ```text
//! $ cargo run --release --features caches --example caches            # starts three Redis of its own, and harms two
//! $ cargo run --release --features caches --example caches -- redis://10.0.0.1 redis://me:secret@10.0.0.2:6380
//! ```
//!
//! Debian's package for the first is redis-server. A server that is slow or dead costs its own keys, and nobody else
//! waits for it: the answers of the others are there all the same. On servers of yours the keys begin with `glassloop:`
//! and expire after a minute.

use clap::Parser;
use examples::arguments::{count, exit_status, seconds};
use examples::progress::progress_bar;
use futures_util::{SinkExt, StreamExt};
use gather::gather;
use indicatif::ProgressBar;
use redis_protocol::codec::Resp2;
use redis_protocol::error::{RedisProtocolError, RedisProtocolErrorKind};
use redis_protocol::resp2::types::{BytesFrame as Frame, Resp2Frame};
use runtime::block_on;
use runtime::net::TcpStream;
use runtime::time::{now, sleep, timeout};
use std::fmt::Display;
use std::io::ErrorKind;
use std::iter::zip;
use std::net::TcpListener;
use std::process::{Child, Command, ExitCode, Stdio};
use std::str::FromStr;
use std::time::Duration;
use tokio_util::codec::Framed;
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt};

/// So many commands are sent before their replies are read.
const BATCH: usize = 500;

/// How many ports are tried for a Redis that is started.
const PORTS: usize = 20;

/// Many keys over several cache servers at once.
#[derive(Debug, Parser)]
#[command(
    name = "caches",
    after_help = "Exit status: 0 if all that should answer did, 1 if not, 2 if it could not begin"
)]
struct Options {
    /// redis://[[user:]password@]host[:port], one for each server. Without any: three of its own
    servers: Vec<Server>,
    /// How many keys, on all servers together
    #[arg(long, value_name = "N", default_value = "30000", value_parser = count)]
    keys: u64,
    /// How long each server may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "0.5", value_parser = seconds)]
    timeout: Duration,
}

/// Where a Redis is, and the words to log in with.
#[derive(Debug, Clone)]
struct Server {
    address: String,
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
type Client = Framed<Compat<TcpStream>, Resp2>;

impl Server {
    async fn connect(&self) -> Result<Client, String> {
        let stream = TcpStream::connect(self.address.as_str()).await;
        let stream = stream.map_err(|error| format!("{error}; is a Redis there?"))?;
        let mut client = Framed::new(stream.compat(), Resp2::default());
        if !self.login.is_empty() {
            call(&mut client, [command([&["AUTH".to_string()], &self.login[..]].concat())]).await?;
        }
        Ok(client)
    }

    /// Keeps a value under each key, for a minute.
    async fn fill(&self, keys: &[String]) -> Result<(), String> {
        let set = |key: &String| command([&b"SET"[..], key.as_bytes(), &value(key), b"EX", b"60"]);
        let mut client = self.connect().await?;
        for keys in keys.chunks(BATCH) {
            call(&mut client, keys.iter().map(set)).await?;
        }
        Ok(())
    }

    /// Counts the keys that have their value.
    async fn ask(&self, keys: &[String], bar: &ProgressBar) -> Result<usize, String> {
        let (mut client, mut found) = (self.connect().await?, 0);
        for keys in keys.chunks(BATCH) {
            let replies = call(&mut client, keys.iter().map(|key| command([b"GET", key.as_bytes()]))).await?;
            found += zip(keys, &replies).filter(|(key, reply)| reply.as_bytes() == Some(&value(key))).count();
            bar.inc(keys.len() as u64);
        }
        Ok(found)
    }
}

fn value(key: &str) -> Vec<u8> {
    format!("the value of {key}").into_bytes()
}

/// A command, as Redis wants it: an array of strings.
fn command(words: impl IntoIterator<Item: AsRef<[u8]>>) -> Frame {
    Frame::Array(words.into_iter().map(|word| Frame::BulkString(word.as_ref().to_vec().into())).collect())
}

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
async fn call(client: &mut Client, commands: impl IntoIterator<Item = Frame>) -> Result<Vec<Frame>, String> {
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
struct Local {
    server: Server,
    process: Child,
}

impl Local {
    /// Starts it on a port that was free a moment ago. If somebody else has it now, Redis ends, and another is tried.
    async fn start() -> Result<Local, String> {
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

impl Drop for Local {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What is done with a server, and how it ends when that takes too long.
async fn within<T>(limit: Duration, work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    timeout(limit, work).await.unwrap_or_else(|_| Err(format!("no answer within {limit:?}")))
}

/// Whether a server took all its keys, the server, and the keys.
type Share = (Result<(), String>, Server, Vec<String>);

/// Asks all servers at once, prints what came of it, and says how many found all their keys.
async fn round(title: &str, shares: &[Share], limit: Duration) -> usize {
    let bar = progress_bar(shares.iter().map(|(_, _, keys)| keys.len() as u64).sum(), "keys");
    let start = now();
    let ask = async |(_, server, keys): &Share| (within(limit, server.ask(keys, &bar)).await, now() - start);
    let answers = gather(shares.iter().map(ask)).await;
    bar.finish_and_clear();
    println!("  {title}, in {:.0?}", now() - start);
    for ((filled, server, keys), (answer, took)) in zip(shares, &answers) {
        let (found, note) = match (answer, filled) {
            (Ok(found), Err(why)) if *found < keys.len() => (*found, format!("not all were kept: {why}")),
            (Ok(found), _) => (*found, String::new()),
            (Err(error), _) => (0, error.clone()),
        };
        let line = format!("    {:22}{found:>8} of {} keys{took:>10.0?}   {note}", server.address, keys.len());
        println!("{}", line.trim_end());
    }
    println!();
    zip(&answers, shares).filter(|((answer, _), (_, _, keys))| *answer == Ok(keys.len())).count()
}

async fn caches(options: Options) -> Result<ExitCode, String> {
    let (mut own, mut servers, limit) = (Vec::new(), options.servers, options.timeout);
    if servers.is_empty() {
        own = gather((0..3).map(|_| Local::start())).await.into_iter().collect::<Result<_, _>>()?;
        servers = own.iter().map(|local| local.server.clone()).collect();
    }
    let mut keys = vec![Vec::new(); servers.len()];
    for number in 0..options.keys {
        keys[number as usize % servers.len()].push(format!("glassloop:{number}"));
    }
    let filled = async |(server, keys): (Server, Vec<_>)| (within(limit, server.fill(&keys)).await, server, keys);
    let shares = gather(zip(servers, keys).map(filled)).await;
    let mut good = round("as they are", &shares, limit).await == shares.len();
    if let [_, slow, dead] = &mut own[..] {
        call(&mut slow.server.connect().await?, [command(["CLIENT", "PAUSE", "60000"])]).await?;
        good &= round("the second is paused", &shares, limit).await == 2;
        dead.process.kill().and_then(|()| dead.process.wait()).map_err(told)?;
        good &= round("and the third is killed", &shares, limit).await == 1;
    }
    Ok(ExitCode::from(u8::from(!good)))
}

fn main() -> ExitCode {
    exit_status(block_on(caches(Options::parse())))
}
