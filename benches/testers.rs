//! A whole program: the load test of `examples` as a client, beside wrk, oha and hey where they are installed, all against
//! the same server, `serve`.
//!
//! Each is a process that stands on one core, and the server is on the other. What counts is the processor time of the
//! client for a request, shown as the requests that a second of one core is enough for.

use crate::affinity::Core;
use crate::case::{Case, Role, Round, Unit};
use serde_json::Value;
use std::error::Error;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::{env, fs, thread};

/// Requests under way at once.
const CONNECTIONS: &str = "64";
/// Between two ticks of the system's counts of processor time, in nanoseconds.
const TICK: f64 = 1e7;
/// What is built before it is measured.
const PROGRAMS: [&str; 2] = ["load_test", "serve"];

/// How a tester is called, and how the number of requests is found in what it prints.
#[derive(Clone, Copy)]
struct Tester {
    name: &'static str,
    role: Role,
    arguments: &'static [&'static str],
    requests: fn(&str) -> Option<f64>,
}

const TESTERS: [Tester; 4] = [
    Tester {
        name: "load_test",
        role: Role::Ours,
        arguments: &["-z", "1s", "-c", CONNECTIONS, "--json"],
        requests: |said| {
            let run: Value = serde_json::from_str(said).ok()?;
            run["answers"].as_f64().filter(|_| run["failed"].as_u64() == Some(0))
        },
    },
    Tester {
        name: "oha",
        role: Role::Peer,
        arguments: &["-z", "1s", "-c", CONNECTIONS, "--no-tui", "--output-format", "json"],
        requests: |said| {
            let run: Value = serde_json::from_str(said).ok()?;
            Some(run["summary"]["requestsPerSec"].as_f64()? * run["summary"]["total"].as_f64()?)
        },
    },
    Tester {
        name: "hey",
        role: Role::Shown,
        arguments: &["-z", "1s", "-c", CONNECTIONS, "-cpus", "1"],
        requests: |said| Some(after(said, "Requests/sec:")? * after(said, "Total:")?),
    },
    Tester {
        name: "wrk",
        role: Role::Limit,
        arguments: &["-d", "1s", "-c", CONNECTIONS, "-t", "1"],
        requests: |said| before(said, " requests in"),
    },
];

pub(crate) fn cases() -> Vec<Case> {
    let name = "load_test as a client of /hello, 64 connections";
    let case = Case::new("client", name, 1, "request").slow().note(
        "Requests that a second of one core is enough for, from the processor time of the client alone. Here wrk stands for \
         the limit: it is written in C, on one thread, and reads only the necessary part of each answer.",
    );
    let mut case = case.why(
        "Three fifths of the time are the system's: a request is one `sendto`, one `recvfrom` and a twentieth of an \
         `epoll_wait`, and none of them is in vain. The rest is 19,000 instructions: hyper with its parser, its header maps \
         and its channels has 8,100, malloc and copies, most of them for these, 4,700, the loop with its timer and the gather \
         2,600, load_test's own code and its histograms 1,800. wrk looks for the end of the answer and allocates nothing. The \
         target is some 2,500 instructions away. 1,100 of them are malloc's: glibc's keeps seven pieces of a size at hand, and \
         64 requests that come and go together need more (`GLIBC_TUNABLES=glibc.malloc.tcache_count=127` saves them).",
    );
    case.unit = Unit::Rate;
    for tester in TESTERS.into_iter().filter(|tester| tester.role == Role::Ours || is_installed(tester.name)) {
        case = match tester.role {
            Role::Peer => case.target(1.2),
            Role::Limit => case.target_to_limit(0.85),
            _ => case,
        };
        case = case.entry(tester.name, tester.role, move || tester.round());
    }
    vec![case]
}

fn is_installed(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

impl Tester {
    /// A server of its own, and a run of the tester for each round.
    fn round(self) -> Round {
        let server = Server::new().expect("the server is built and starts");
        let program = if self.role == Role::Ours { built("load_test") } else { self.name.into() };
        Box::new(move || {
            let start = children();
            let mut command = Command::new(&program);
            let output = command.args(self.arguments).arg(&server.url).output().expect("it is installed");
            let time = children() - start;
            let said = String::from_utf8_lossy(&output.stdout);
            let requests = (self.requests)(&said).filter(|&requests| requests > 0.0);
            let requests = requests.unwrap_or_else(|| {
                panic!("{}: {said}{}", self.name, String::from_utf8_lossy(&output.stderr));
            });
            time / requests
        })
    }
}

/// The server, on the other core, as long as this lives.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    fn new() -> Result<Server, Box<dyn Error>> {
        build()?;
        // A process stands where the thread stands that starts it.
        let start = || {
            Core::Other.stay();
            Command::new(built("serve")).arg("127.0.0.1:0").stdout(Stdio::piped()).spawn()
        };
        let mut process = thread::spawn(start).join().expect("it does not panic")?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().ok_or("its output is asked for")?).read_line(&mut line)?;
        let url = line.trim().strip_prefix("listening at ").ok_or("the server says where it listens")?;
        Ok(Server { url: format!("{url}/hello"), process })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

/// Where cargo puts a program of `examples`.
fn built(program: &str) -> PathBuf {
    let us = env::current_exe().unwrap_or_default();
    us.ancestors().nth(1).unwrap_or(&us).join("examples").join(program)
}

/// Builds the programs of `examples` that are measured: nothing to do when they are there already.
///
/// # Errors
/// When they do not build.
pub fn build() -> Result<(), Box<dyn Error>> {
    let mut command = Command::new("cargo");
    command.args(["build", "--quiet", "--release", "--offline", "-p", "examples"]);
    command.args(PROGRAMS.iter().flat_map(|program| ["--example", program]));
    let status = command.current_dir(env!("CARGO_MANIFEST_DIR")).status()?;
    if status.success() { Ok(()) } else { Err("the programs of examples do not build".into()) }
}

/// The processor time of all children that have ended, in nanoseconds: the system counts it in ticks.
fn children() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("the system has a /proc");
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    // The sixteenth and the seventeenth of all, of which two stand before the bracket.
    fields.skip(13).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() * TICK
}

/// The number that stands after these words.
fn after(text: &str, words: &str) -> Option<f64> {
    text.split(words).nth(1)?.split_whitespace().next()?.parse().ok()
}

/// The number that stands before these words.
fn before(text: &str, words: &str) -> Option<f64> {
    text.split(words).next()?.split_whitespace().last()?.parse().ok()
}
