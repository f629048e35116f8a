//! The same 1,000 waits by threads, by a pool of threads, and by `gather`: time, threads and memory of each.
//!
//! ```text
//! $ cargo run --release -p examples --example threads
//! $ cargo run --release -p examples --example threads -- --waits 10000 --seconds 1
//! ```
//!
//! Each way runs in a process of its own, since a process never gives memory back as it was. What this shows is the
//! price of waiting, and that alone: nothing is computed, and a wait is a timer instead of a server. A pool is not slow,
//! it is narrow: a gather with the pool's limit takes as long. What threads can do and one loop cannot is compute side
//! by side (see the program cpu).

use clap::{Parser, ValueEnum};
use examples::arguments::{count, exit_status, seconds};
use examples::memory;
use examples::out::print;
use examples::process::output;
use examples::progress::progress_bar;
use examples::say;
use examples::stop::or_signal;
use gather::gather;
use runtime::block_on;
use runtime::time::sleep;
use std::io;
use std::process::{Command, ExitCode, Output};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Many waits by threads, by a pool of threads, and by gather.
#[derive(Debug, Parser)]
#[command(
    name = "threads",
    after_help = "Exit status: 0 if every way got to its end, 1 if not, 2 if it could not begin, 130 after Ctrl-C, 143 after \
                  SIGTERM"
)]
struct Options {
    /// How many waits
    #[arg(long, value_name = "N", default_value = "1000", value_parser = count)]
    waits: u64,
    /// How long each is
    #[arg(long, value_name = "SECONDS", default_value = "0.1", value_parser = seconds)]
    seconds: Duration,
    /// How many threads the pool has
    #[arg(long, value_name = "N", default_value = "100", value_parser = count)]
    pool: u64,
    /// Only this way, and only its line
    #[arg(long, value_name = "WAY")]
    only: Option<Way>,
}

/// What to do when there is no room for another thread.
const CURE: &str = "ask for fewer --waits, or raise `ulimit -u` and `ulimit -v`";

/// How to wait.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Way {
    /// A thread for each
    Threads,
    /// A pool of threads that take one after the other
    Pool,
    /// One loop
    Gather,
    /// One loop, and as many at once as the pool has threads
    Limited,
}

impl Way {
    /// Waits, and gives how many threads that took besides the first.
    fn wait(self, options: &Options) -> io::Result<u64> {
        let waits = || (0..options.waits).map(|_| sleep(options.seconds));
        match self {
            Way::Threads => by_threads(options.waits, || thread::sleep(options.seconds)),
            Way::Pool => {
                let taken = AtomicU64::new(0);
                by_threads(options.pool.min(options.waits), || {
                    while taken.fetch_add(1, Ordering::Relaxed) < options.waits {
                        thread::sleep(options.seconds);
                    }
                })
            }
            Way::Gather => {
                block_on(gather(waits()));
                Ok(0)
            }
            Way::Limited => {
                block_on(gather(waits()).limit(options.pool as usize));
                Ok(0)
            }
        }
    }

    fn title(self) -> &'static str {
        match self {
            Way::Threads => "a thread for each",
            Way::Pool => "a pool of threads",
            Way::Gather => "gather",
            Way::Limited => "gather, pool's limit",
        }
    }
}

/// So many threads do the work.
fn by_threads(threads: u64, work: impl Fn() + Sync) -> io::Result<u64> {
    thread::scope(|scope| {
        (0..threads).try_for_each(|number| {
            let started = thread::Builder::new().spawn_scoped(scope, &work).map(drop);
            started.map_err(|error| io::Error::other(format!("{error} after {number} threads: {CURE}")))
        })
    })?;
    Ok(threads)
}

/// Waits in this way, and prints its line.
fn measure(way: Way, options: &Options) -> io::Result<()> {
    let start = Instant::now();
    let threads = way.wait(options)?;
    let megabytes = |bytes: Option<u64>| format!("{} MB", bytes.unwrap_or(0).div_ceil(1_000_000));
    let (used, reserved) = (megabytes(memory::peak()), megabytes(memory::reserved()));
    say!("  {:22}{:>10.1?}{threads:>10}{used:>12}{reserved:>12}", way.title(), start.elapsed());
    Ok(())
}

async fn threads(options: &Options) -> io::Result<ExitCode> {
    say!("  {} waits of {:?}\n", options.waits, options.seconds);
    say!("  {:22}{:>10}{:>10}{:>12}{:>12}", "", "time", "threads", "memory", "reserved");
    let (ways, mut good) = (Way::value_variants(), true);
    let bar = progress_bar(ways.len() as u64, "ways");
    for way in ways {
        let name = way.to_possible_value().expect("none is hidden").get_name().to_string();
        let mut child = Command::new(std::env::current_exe()?);
        child.args(std::env::args_os().skip(1)).args(["--only", &name]);
        let Output { status, stdout, stderr } = output(child).await?;
        let (row, error) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        bar.suspend(|| match status.success() {
            true => print(format_args!("{row}")),
            false => say!("  {:22}    failed: {}", way.title(), error.trim().trim_start_matches("error: ")),
        });
        bar.inc(1);
        good &= status.success();
    }
    bar.finish_and_clear();
    Ok(ExitCode::from(u8::from(!good)))
}

fn main() -> ExitCode {
    let options = Options::parse();
    match options.only {
        // By whatever loop it may start itself.
        Some(way) => exit_status(measure(way, &options).map(|()| ExitCode::SUCCESS)),
        None => exit_status(block_on(or_signal(threads(&options)))),
    }
}
