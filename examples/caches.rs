//! Many keys over several cache servers at once: `gather` over `zip(servers, keys)`, with a timeout for each server.
//!
//! ```text
//! $ cargo run --release -p examples --features caches --example caches            # starts three Redis of its own, and harms two
//! $ cargo run --release -p examples --features caches --example caches -- redis://10.0.0.1 redis://me:secret@10.0.0.2:6380
//! ```
//!
//! Debian's package for the first is redis-server. A server that is slow or dead costs its own keys, and nobody else
//! waits for it: the answers of the others are there all the same. On servers of yours the keys begin with `glassloop:`
//! and expire after a minute.

use clap::Parser;
use examples::arguments::{count, exit_status, seconds};
use examples::progress::progress_bar;
use examples::redis::{Local, Server, call, command};
use examples::say;
use examples::stop::or_signal;
use gather::gather;
use indicatif::ProgressBar;
use redis_protocol::resp2::types::Resp2Frame;
use runtime::block_on;
use runtime::time::{now, timeout};
use std::iter::zip;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

/// So many commands are sent before their replies are read.
const BATCH: usize = 500;

/// Many keys over several cache servers at once.
#[derive(Debug, Parser)]
#[command(
    name = "caches",
    after_help = "Exit status: 0 if all that should answer did, 1 if not, 2 if it could not begin, 130 after Ctrl-C, 143 \
                  after SIGTERM"
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

/// The keys of a server, and what is kept under them.
struct Values {
    keys: Vec<String>,
    /// Different in every run: what an earlier one has left under a key does not count.
    run: u128,
}

impl Values {
    fn value(&self, key: &str) -> Vec<u8> {
        format!("the value of {key} in run {}", self.run).into_bytes()
    }

    /// Keeps a value under each key, for a minute.
    async fn fill(&self, server: &Server) -> Result<(), String> {
        let set = |key: &String| command([&b"SET"[..], key.as_bytes(), &self.value(key), b"EX", b"60"]);
        let mut client = server.connect().await?;
        for keys in self.keys.chunks(BATCH) {
            call(&mut client, keys.iter().map(set)).await?;
        }
        Ok(())
    }

    /// Counts the keys that have their value.
    async fn ask(&self, server: &Server, bar: &ProgressBar) -> Result<usize, String> {
        let (mut client, mut found) = (server.connect().await?, 0);
        for keys in self.keys.chunks(BATCH) {
            let replies = call(&mut client, keys.iter().map(|key| command([b"GET", key.as_bytes()]))).await?;
            found += zip(keys, &replies).filter(|(key, reply)| reply.as_bytes() == Some(&self.value(key))).count();
            bar.inc(keys.len() as u64);
        }
        Ok(found)
    }
}

/// What is done with a server, and how it ends when that takes too long.
async fn within<T>(limit: Duration, work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    timeout(limit, work).await.unwrap_or_else(|_| Err(format!("no answer within {limit:?}")))
}

/// Whether a server took all its keys, the server, and what it was given.
type Share = (Result<(), String>, Server, Values);

/// Asks all servers at once, prints what came of it, and says how many found all their keys.
async fn round(title: &str, shares: &[Share], limit: Duration) -> usize {
    let bar = progress_bar(shares.iter().map(|(_, _, values)| values.keys.len() as u64).sum(), "keys");
    let start = now();
    let ask = async |(_, server, values): &Share| (within(limit, values.ask(server, &bar)).await, now() - start);
    let answers = gather(shares.iter().map(ask)).await;
    bar.finish_and_clear();
    say!("  {title}, in {:.0?}", now() - start);
    for ((filled, server, Values { keys, .. }), (answer, took)) in zip(shares, &answers) {
        let (found, note) = match (answer, filled) {
            (Ok(found), Err(why)) => (*found, format!("not all were kept: {why}")),
            (Ok(found), _) => (*found, String::new()),
            (Err(error), _) => (0, error.clone()),
        };
        let line = format!("    {:22}{found:>8} of {} keys{took:>10.0?}   {note}", server.address, keys.len());
        say!("{}", line.trim_end());
    }
    say!();
    let whole =
        |(answer, _): &(_, _), (filled, _, Values { keys, .. }): &Share| filled.is_ok() && *answer == Ok(keys.len());
    zip(&answers, shares).filter(|(answer, share)| whole(answer, share)).count()
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
    let run = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |time| time.as_nanos());
    let filled = async |(server, keys): (Server, Vec<_>)| {
        let values = Values { keys, run };
        (within(limit, values.fill(&server)).await, server, values)
    };
    let shares = gather(zip(servers, keys).map(filled)).await;
    let mut good = round("as they are", &shares, limit).await == shares.len();
    if let [_, slow, dead] = &mut own[..] {
        call(&mut slow.server.connect().await?, [command(["CLIENT", "PAUSE", "60000"])]).await?;
        good &= round("the second is paused", &shares, limit).await == 2;
        dead.kill();
        good &= round("and the third is killed", &shares, limit).await == 1;
    }
    Ok(ExitCode::from(u8::from(!good)))
}

fn main() -> ExitCode {
    exit_status(block_on(or_signal(caches(Options::parse()))))
}
