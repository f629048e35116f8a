//! A load test for HTTP servers: 10,000 requests, 100 in flight, and a report.
//!
//! ```text
//! $ cargo run --release -p examples --example load_test                                   # six endpoints of its own
//! $ cargo run --release -p examples --example load_test -- https://127.0.0.1:8443/        # your server
//! $ cargo run --release -p examples --example load_test -- -z 30s -c 50 --fail-if 'p99>50ms' http://127.0.0.1:8080/
//! $ cargo run --release -p examples --example load_test -- --help
//! ```
//!
//! The run is one expression, in `fire.rs`: `gather` over an iterator of requests, which `.limit` starts as places come
//! free. The requests borrow what they share; nothing is spawned for them, and dropping the gather, as Ctrl-C does,
//! calls all of them off.

use bytes::Bytes;
use clap::{Parser, Subcommand};
use examples::arguments::{body, count, exit_status, method, places, rate, seconds};
use examples::client::{Ask, Target};
use examples::fail_if::Condition;
use examples::fire::{Job, fire};
use examples::out::{complain, print};
use examples::record;
use examples::report::Report;
use examples::server::{ENDPOINTS, Server};
use examples::timeline::Timeline;
use examples::tls::{Trust, connector};
use examples::url::{Header, Resolve, Url};
use hyper::Method;
use runtime::block_on;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// What the program ends with.
const EXITS: &str = "\
Exit status:
  0    every answer was 2xx
  1    an answer was not 2xx, a request failed, or a condition of --fail-if came true
  2    refused before any request went out: the arguments, or a server that is not there
  130  Ctrl-C, and every answer until then was 2xx; 143 the same with SIGTERM

Ctrl-C and SIGTERM: no new requests, those in flight are dropped, the report shows the rest.
A time is a number of seconds, or has a unit: 500ms, 30s, 5m.
HTTP/1.1 only: there is no HTTP/2 here. Redirects are answers like any other, and are not followed.";

/// Open files that are not connections in flight: the loops' own, stdin to stderr, and connections just being closed.
const SPARE_FILES: u64 = 32;

/// How many requests are sent, if nobody says how many or how long.
const REQUESTS: u64 = 10_000;

/// A load test for HTTP servers.
#[derive(Debug, Parser)]
#[command(name = "load_test", version, after_help = EXITS, args_conflicts_with_subcommands = true)]
#[command(subcommand_negates_reqs = true)]
struct Options {
    #[command(subcommand)]
    merge: Option<Command>,
    /// What to test, in turn: http[s]://host[:port][/path]. Without any: six endpoints of an embedded server
    #[arg(value_name = "URL")]
    urls: Vec<Url>,
    /// How many requests to send [default: 10000, or as many as --duration has time for]
    #[arg(short = 'n', long, value_name = "N", allow_negative_numbers = true, value_parser = count)]
    requests: Option<u64>,
    /// How long to send requests; those in flight then are waited for
    #[arg(short = 'z', long, value_name = "TIME", allow_negative_numbers = true, value_parser = seconds)]
    duration: Option<Duration>,
    /// How long to send requests before, which are not counted
    #[arg(long, value_name = "TIME", allow_negative_numbers = true, value_parser = seconds)]
    warm_up: Option<Duration>,
    /// How many may be in flight at once
    #[arg(short, long, value_name = "N", default_value = "100", allow_negative_numbers = true)]
    #[arg(value_parser = places)]
    concurrency: u64,
    /// How many to send in a second, whatever comes back (open loop): latency then counts from when each was due
    #[arg(short = 'q', long, value_name = "PER SECOND", allow_negative_numbers = true, value_parser = rate)]
    rate: Option<f64>,
    /// How long an answer may take
    #[arg(short, long, value_name = "TIME", default_value = "30", allow_negative_numbers = true)]
    #[arg(value_parser = seconds)]
    timeout: Duration,
    /// How many loops, each on a thread of its own; they share out the requests and the places
    #[arg(long, value_name = "N", default_value = "1", value_parser = count)]
    loops: u64,
    /// The method [default: GET, or POST with a body]
    #[arg(short, long, value_parser = method)]
    method: Option<Method>,
    /// A body for every request; @FILE is what is in the file
    #[arg(short = 'd', long, value_name = "TEXT", value_parser = body)]
    body: Option<Bytes>,
    /// A header for every request; may be repeated
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<Header>,
    /// A connection for every request
    #[arg(long, alias = "disable-keepalive")]
    no_keepalive: bool,
    /// Never send a request again whose connection broke without an answer: it failed
    #[arg(long)]
    no_resend: bool,
    /// An address to use for a host, whatever the resolver says; may be repeated
    #[arg(long, value_name = "HOST:PORT:ADDRESS")]
    resolve: Vec<Resolve>,
    /// For https: a file (PEM) with certificates to trust, besides the authorities that browsers trust
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// For https: trust everybody
    #[arg(short = 'k', long)]
    insecure: bool,
    /// Fail when this is so: p99>50ms, mean>10ms, errors>1%, not-2xx>0, rate<1000 …; may be repeated. A condition on
    /// errors or not-2xx stands for the rule that none may be
    #[arg(long, value_name = "CONDITION")]
    fail_if: Vec<Condition>,
    /// Write a row for each second into this file, as CSV
    #[arg(long, value_name = "FILE")]
    timeline: Option<PathBuf>,
    /// Print one JSON object instead of the report
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// One report of many runs that ran at the same time, on this machine or on others
    Merge {
        /// What `load_test --json` has printed, a file for each run
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Fail when this is so, as in a run
        #[arg(long, value_name = "CONDITION")]
        fail_if: Vec<Condition>,
        /// Print one JSON object instead of the report
        #[arg(long)]
        json: bool,
    },
}

/// Raises the limit of open files as far as the run needs and the system lets us.
///
/// The embedded server takes its descriptors from the same limit. It must have enough of them: a connection that it
/// cannot accept is open for the client, and waits.
fn provide_files(options: &Options) -> Result<(), String> {
    let in_flight = options.concurrency.min(options.requests.unwrap_or(u64::MAX));
    let ends = if options.urls.is_empty() { 2 } else { 1 };
    let needed = in_flight.saturating_mul(ends).saturating_add(SPARE_FILES).saturating_add(8 * options.loops);
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

/// Finds the servers and runs the test; an error is one that came before the first request. The second value is the
/// status that a signal asks for.
async fn load_test(mut options: Options) -> Result<(Report, Option<u8>), String> {
    if options.requests.is_none() && options.duration.is_none() {
        options.requests = Some(REQUESTS);
    }
    // wrk and k6 take the duration with -d.
    let is_time =
        |body: &Bytes| str::from_utf8(body).is_ok_and(|it| it.ends_with(char::is_alphabetic) && seconds(it).is_ok());
    if options.duration.is_none() && options.body.as_ref().is_some_and(is_time) {
        complain(format_args!("note: -d is the body of every request; how long to send them is said with -z"));
    }
    if options.loops > options.concurrency {
        return Err(format!("--loops {} needs a --concurrency of {0} at least: a place for each", options.loops));
    }
    options.resolve.iter().try_for_each(|resolve| resolve.apply(&mut options.urls))?;
    provide_files(&options)?;
    let tls = connector(Trust { ca: options.ca.as_deref(), anybody: options.insecure })?;
    let mut server = None;
    if options.urls.is_empty() {
        let started = Server::start().map_err(|error| format!("the embedded server: {error}"))?;
        let address = server.insert(started).address();
        let urls = ENDPOINTS.map(|path| format!("http://{address}{path}").parse());
        options.urls = urls.into_iter().collect::<Result<_, _>>()?;
    }
    let usual = if options.body.is_some() { Method::POST } else { Method::GET };
    let ask = Ask {
        method: options.method.unwrap_or(usual),
        headers: options.headers,
        body: options.body.unwrap_or_default(),
        keep_alive: !options.no_keepalive,
        resend: !options.no_resend,
    };
    let Options { requests, duration, warm_up, concurrency, rate, timeout, loops, urls, .. } = options;
    let targets = Target::find(urls.clone(), &ask, &tls).await?;
    let timeline = options.timeline.as_deref().map(Timeline::create).transpose()?;
    let names = urls.iter().map(Url::to_string).collect();
    let job = Job { urls, ask, tls, requests, duration, warm_up, concurrency, rate, timeout, loops };
    let (counts, interrupted) = fire(&job, targets, timeline).await?;
    let report = Report {
        urls: names,
        embedded: server.is_some(),
        requests,
        concurrency,
        rate,
        interrupted: interrupted.is_some(),
        runs: 1,
        broken: Vec::new(),
        counts,
    };
    Ok((report, interrupted))
}

/// Reads the reports of many runs as one.
fn merge(files: &[PathBuf]) -> Result<Report, String> {
    let read = |path: &PathBuf| {
        let named = |error: &dyn std::fmt::Display| format!("{}: {error}", Path::display(path));
        let text = std::fs::read_to_string(path).map_err(|error| named(&error))?;
        let json = serde_json::from_str(&text).map_err(|error| named(&error))?;
        record::report(&json).map_err(|problem| named(&problem))
    };
    let reports = files.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    record::merge(reports).ok_or_else(|| "no run to merge".to_string())
}

/// Prints the report and says what the program ends with.
fn finish(mut report: Report, interrupted: Option<u8>, fail_if: &[Condition], json: bool) -> ExitCode {
    let broken = |it: &Condition| it.broken(&report.counts).map(|measured| (it.to_string(), measured));
    report.broken = fail_if.iter().filter_map(broken).collect();
    let text = if json { format!("{}\n", record::json(&report)) } else { report.to_string() };
    print(format_args!("{text}"));
    for (condition, measured) in &report.broken {
        complain(format_args!("failed: {condition}: it was {measured}"));
    }
    let errors = report.counts.failed() > 0 && !fail_if.iter().any(Condition::is_about_errors);
    let statuses = report.counts.not_2xx() > 0 && !fail_if.iter().any(Condition::is_about_statuses);
    let failed = errors || statuses || !report.broken.is_empty();
    ExitCode::from(if failed { 1 } else { interrupted.unwrap_or(0) })
}

fn main() -> ExitCode {
    let mut options = Options::parse();
    exit_status(match options.merge.take() {
        Some(Command::Merge { files, fail_if, json }) => {
            merge(&files).map(|report| finish(report, None, &fail_if, json))
        }
        None => {
            let (fail_if, json) = (std::mem::take(&mut options.fail_if), options.json);
            let run = block_on(load_test(options));
            run.map(|(report, interrupted)| finish(report, interrupted, &fail_if, json))
        }
    })
}
