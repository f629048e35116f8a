//! A load test for HTTP servers: 10,000 requests, 100 in flight, and a report.
//!
//! ```text
//! $ cargo run --release --example load_test                                   # six endpoints of its own
//! $ cargo run --release --example load_test -- https://127.0.0.1:8443/        # your server
//! $ cargo run --release --example load_test -- --help
//! ```
//!
//! The run is one expression: [`gather`] over an iterator of requests, which `.limit` starts as places come free and
//! `.on_progress` follows. The requests borrow what they share; nothing is spawned for them, and dropping the gather,
//! as Ctrl-C does, calls all of them off.

use clap::Parser;
use examples::arguments::{count, exit_status, seconds};
use examples::client::Target;
use examples::failure::Failure;
use examples::progress::progress_bar;
use examples::report::Report;
use examples::server::{ENDPOINTS, Server};
use examples::stop::{signal, until};
use examples::tally::{Counts, Tally};
use examples::tls;
use examples::url::{Header, Url};
use gather::gather;
use runtime::block_on;
use runtime::time::{sleep_until, timeout};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// What the program ends with.
const EXITS: &str = "\
Exit status:
  0    every answer was 2xx
  1    an answer was not 2xx, or a request failed
  2    refused before any request went out: the arguments, or a server that is not there
  130  Ctrl-C, and every answer until then was 2xx; 143 the same with SIGTERM

Ctrl-C and SIGTERM: no new requests, those in flight are dropped, the report shows the rest.";

/// Open files that are not connections in flight: the loops' own, stdin to stderr, and connections just being closed.
const SPARE_FILES: u64 = 32;

/// A load test for HTTP servers.
#[derive(Debug, Parser)]
#[command(name = "load_test", after_help = EXITS)]
struct Options {
    /// What to test, in turn: http[s]://host[:port][/path]. Without any: six endpoints of an embedded server
    #[arg(value_name = "URL")]
    urls: Vec<Url>,
    /// How many requests to send
    #[arg(long, value_name = "N", default_value = "10000", allow_negative_numbers = true)]
    #[arg(value_parser = count)]
    requests: u64,
    /// How many may be in flight at once
    #[arg(long, value_name = "N", default_value = "100", allow_negative_numbers = true)]
    #[arg(value_parser = count)]
    concurrency: u64,
    /// How many to send in a second, whatever comes back (open loop): latency then counts from when each was due
    #[arg(long, value_name = "PER SECOND", allow_negative_numbers = true, value_parser = rate)]
    rate: Option<f64>,
    /// How long an answer may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "30", allow_negative_numbers = true)]
    #[arg(value_parser = seconds)]
    timeout: Duration,
    /// A header for every request; may be repeated
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<Header>,
    /// For https: a file (PEM) with certificates of authorities to trust, besides those that browsers trust
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Print one JSON object instead of the report
    #[arg(long)]
    json: bool,
}

/// Parses `--rate`.
fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (1e-3..=1e9).contains(&rate) => Ok(rate),
        _ => Err("a rate is a number from 0.001 to 1000000000 (requests a second)".to_string()),
    }
}

/// What the requests share.
struct Run {
    targets: Vec<Target>,
    rate: Option<f64>,
    timeout: Duration,
    start: Instant,
    tally: Tally,
}

impl Run {
    /// One request: waits until it is due, if it has a time, and is in flight until its answer has been read.
    async fn request(&self, number: u64) {
        let due = self.rate.map(|rate| self.start + Duration::from_secs_f64(number as f64 / rate));
        if let Some(due) = due {
            sleep_until(due).await;
        }
        let target = number as usize % self.targets.len();
        let flight = self.tally.depart(due);
        let outcome = timeout(self.timeout, self.targets[target].get()).await;
        flight.land(target, due, outcome.unwrap_or(Err(Failure::TimedOut)));
    }
}

/// Runs the requests to their end, or to Ctrl-C: then the second value is the status that it asks for.
async fn fire(options: &Options, targets: Vec<Target>) -> Result<(Counts, Option<u8>), String> {
    let interrupt = signal().map_err(|error| format!("Ctrl-C cannot be handled: {error}"))?;
    let bar = progress_bar(options.requests, "requests");
    let tally = Tally::new(targets.len());
    let Options { rate, timeout, .. } = *options;
    let run = Run { targets, rate, timeout, start: Instant::now(), tally };

    let requests = gather((0..options.requests).map(|number| run.request(number)))
        .limit(options.concurrency.min(options.requests) as usize)
        .on_progress(|progress| bar.set_position(progress.completed as u64));
    let finished = until(requests, interrupt).await;

    bar.finish_and_clear();
    Ok((run.tally.into_counts(), finished.err()))
}

/// Raises the limit of open files as far as the run needs and the system lets us.
///
/// The embedded server takes its descriptors from the same limit. It must have enough of them: a connection that it
/// cannot accept is open for the client, and waits.
fn provide_files(options: &Options) -> Result<(), String> {
    let in_flight = options.concurrency.min(options.requests);
    let ends = if options.urls.is_empty() { 2 } else { 1 };
    let needed = in_flight.saturating_mul(ends).saturating_add(SPARE_FILES);
    match rlimit::increase_nofile_limit(needed) {
        Ok(limit) if limit < needed && options.urls.is_empty() => Err(format!(
            "--concurrency {} on the embedded server takes {needed} open files, and {limit} are \
             allowed: lower it or raise `ulimit -n`",
            options.concurrency
        )),
        // Against another server, the requests that find none left are counted.
        _ => Ok(()),
    }
}

/// Finds the servers, runs the test, prints the report; an error is one that came before the first request.
async fn load_test(mut options: Options) -> Result<ExitCode, String> {
    provide_files(&options)?;
    let tls = tls::connector(options.ca.as_deref())?;
    let mut server = None;
    if options.urls.is_empty() {
        let started = Server::start().map_err(|error| format!("the embedded server: {error}"))?;
        let address = server.insert(started).address();
        let urls = ENDPOINTS.map(|path| format!("http://{address}{path}").parse());
        options.urls = urls.into_iter().collect::<Result<_, _>>()?;
    }
    let targets = Target::find(options.urls.clone(), &options.headers, &tls).await?;
    let (counts, interrupted) = fire(&options, targets).await?;
    let report = Report {
        urls: options.urls,
        embedded: server.is_some(),
        requests: options.requests,
        concurrency: options.concurrency,
        rate: options.rate,
        interrupted: interrupted.is_some(),
        counts,
    };
    let text = if options.json { format!("{}\n", report.json()) } else { report.to_string() };
    // Whoever reads it may have left, as `head` does: no reason to fail.
    let _ = io::stdout().write_all(text.as_bytes());
    Ok(match (interrupted, report.counts.all_good()) {
        (Some(status), true) => ExitCode::from(status),
        (_, all_good) => ExitCode::from(u8::from(!all_good)),
    })
}

fn main() -> ExitCode {
    exit_status(block_on(load_test(Options::parse())))
}
