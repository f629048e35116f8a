//! The same 1,000 waits by threads, by a pool of threads, and by `gather`: time, threads and memory of each.
//!
//! ```text
//! $ cargo run --release --example threads
//! $ cargo run --release --example threads -- --waits 10000 --seconds 1
//! ```
//!
//! Each way runs in a process of its own, since a process never gives memory back as it was. What this shows is the
//! price of waiting, and that alone: nothing is computed, and a wait is a timer instead of a server. A pool is not slow,
//! it is narrow: a gather with the pool's limit takes as long. What threads can do and one loop cannot is compute side
//! by side (see the program cpu).

use clap::{Parser, ValueEnum};
use examples::arguments::{count, exit_status, seconds};
use examples::memory;
use gather::gather;
use runtime::block_on;
use runtime::time::sleep;
use std::io;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Many waits by threads, by a pool of threads, and by gather.
#[derive(Debug, Parser)]
#[command(
    name = "threads",
    after_help = "Exit status: 0 if every way got to its end, 1 if not, 2 if it could not begin"
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
    thread::scope(|scope| (0..threads).try_for_each(|_| thread::Builder::new().spawn_scoped(scope, &work).map(drop)))?;
    Ok(threads)
}

/// Waits in this way, and prints its line.
fn measure(way: Way, options: &Options) -> io::Result<()> {
    let start = Instant::now();
    let threads = way.wait(options)?;
    let megabytes = |bytes: Option<u64>| format!("{} MB", bytes.unwrap_or(0).div_ceil(1_000_000));
    let (used, reserved) = (megabytes(memory::peak()), megabytes(memory::reserved()));
    println!("  {:22}{:>10.1?}{threads:>10}{used:>12}{reserved:>12}", way.title(), start.elapsed());
    Ok(())
}

fn threads(options: &Options) -> io::Result<ExitCode> {
    if let Some(way) = options.only {
        return measure(way, options).map(|()| ExitCode::SUCCESS);
    }
    println!("  {} waits of {:?}\n", options.waits, options.seconds);
    println!("  {:22}{:>10}{:>10}{:>12}{:>12}", "", "time", "threads", "memory", "reserved");
    let mut good = true;
    for way in Way::value_variants() {
        let name = way.to_possible_value().expect("none is hidden").get_name().to_string();
        let again = std::env::args_os().skip(1);
        let child = Command::new(std::env::current_exe()?).args(again).args(["--only", &name]).status()?;
        if !child.success() {
            println!("  {:22}    failed: {child}", way.title());
            good = false;
        }
    }
    Ok(ExitCode::from(u8::from(!good)))
}

fn main() -> ExitCode {
    exit_status(threads(&Options::parse()))
}
