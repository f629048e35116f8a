//! CPU-bound work beside I/O: what stops the loop, and what does not. A tick that should come every 10 ms is the witness.
//!
//! ```text
//! $ cargo run --release -p examples --example cpu                    # 8 jobs of some 100 ms, three ways
//! $ cargo run --release -p examples --example cpu -- --crash 2       # two of the worker processes die of their jobs
//! ```
//!
//! On the loop, a job stops everything else until it is done: the tick is late by as much. On the blocking pool it runs
//! on another thread, and in a worker process in another memory, too: what dies there dies alone. The workers are this
//! same program. A job goes to them as a line through one pipe, and the answer comes back through another; both pipes
//! are on the loop.

use clap::Parser;
use examples::arguments::{count, exit_status};
use examples::out::complain;
use examples::progress::progress_bar;
use examples::say;
use examples::stop::or_signal;
use gather::gather;
use indicatif::ProgressBar;
use mio::unix::pipe::{Receiver, Sender};
use runtime::io::Async;
use runtime::sync::Semaphore;
use runtime::task::{spawn_blocking, yield_now};
use runtime::time::{interval, now, sleep};
use runtime::{block_on, spawn};
use std::cell::{Cell, RefCell};
use std::io::{self, BufRead, Read, Write};
use std::process::{Child, Command, ExitCode, Stdio};
use std::rc::Rc;
use std::time::Duration;

/// How often the tick should come.
const TICK: Duration = Duration::from_millis(10);

/// CPU-bound work beside I/O, three ways.
#[derive(Debug, Parser)]
#[command(
    name = "cpu",
    after_help = "Exit status: 0 if every way gave every answer, 1 if not, 2 if it could not begin, 130 after Ctrl-C, 143 \
                  after SIGTERM"
)]
struct Options {
    /// How many jobs
    #[arg(long, value_name = "N", default_value = "8", value_parser = count)]
    jobs: u64,
    /// How much work each is: it counts the primes below this number
    #[arg(long, value_name = "N", default_value = "400000", value_parser = count)]
    below: u64,
    /// How many threads, and how many processes, at most
    #[arg(long, value_name = "N", default_value = "2", value_parser = count)]
    workers: u64,
    /// How many jobs kill the process that they are done in first
    #[arg(long, value_name = "N", default_value = "0")]
    crash: u64,
    /// How many kill the next one, too: they are reported
    #[arg(long, value_name = "N", default_value = "0")]
    poison: u64,
    /// How many hang the process that they are done in first, until somebody kills it
    #[arg(long, value_name = "N", default_value = "0")]
    hang: u64,
    /// Be a worker: read jobs and write answers
    #[arg(long, hide = true)]
    worker: bool,
}

/// What a worker is given instead of a job to die of, and to hang at.
const DIE: &str = "die";
const HANG: &str = "hang";

/// Counts the primes below `below`, slowly: it tries all divisors.
fn primes(below: u64) -> u64 {
    let is_prime =
        |n: &u64| (2..).take_while(|divisor| divisor * divisor <= *n).all(|divisor| !n.is_multiple_of(divisor));
    (2..below).filter(is_prime).count() as u64
}

/// The worker's side: a line is a job, and the answer is a line. It dies of a line that is no job, or hangs. It ends with
/// whoever gives the jobs, without a word.
fn work() -> io::Result<()> {
    for line in io::stdin().lock().lines() {
        let Ok(line) = line else { return Ok(()) };
        match line.parse() {
            Ok(below) => {
                if writeln!(io::stdout(), "{}", primes(below)).is_err() {
                    return Ok(());
                }
            }
            Err(_) if line == HANG => loop {
                std::thread::park();
            },
            Err(_) => std::process::exit(1),
        }
    }
    Ok(())
}

/// A worker process and the two pipes to it.
struct Worker {
    process: Child,
    jobs: Async<Sender>,
    answers: Async<Receiver>,
}

impl Worker {
    fn start() -> io::Result<Worker> {
        let mut worker = Command::new(std::env::current_exe()?);
        worker.arg("--worker").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = worker.spawn()?;
        let jobs = Sender::from(process.stdin.take().expect("it is piped"));
        let answers = Receiver::from(process.stdout.take().expect("it is piped"));
        jobs.set_nonblocking(true)?;
        answers.set_nonblocking(true)?;
        Ok(Worker { process, jobs: Async::new(jobs)?, answers: Async::new(answers)? })
    }

    /// Does a job.
    async fn ask(&self, job: &str) -> io::Result<u64> {
        let mut rest = job.as_bytes();
        while !rest.is_empty() {
            let written = self.jobs.write_with(|mut pipe| pipe.write(rest)).await?;
            rest = &rest[written..];
        }
        let (mut answer, mut buffer) = (String::new(), [0; 32]);
        while !answer.ends_with('\n') {
            match self.answers.read_with(|mut pipe| pipe.read(&mut buffer)).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                length => answer.push_str(&String::from_utf8_lossy(&buffer[..length])),
            }
        }
        answer.trim().parse().map_err(|_| io::Error::other(format!("the worker says {answer:?}")))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It has nothing to lose, and if it is dead already, nothing happens.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Some workers, and a line for those who need one.
struct Workers {
    places: Semaphore,
    idle: RefCell<Vec<Worker>>,
    died: Cell<u64>,
    /// How many jobs were given to another one.
    again: Cell<u64>,
}

impl Workers {
    /// Does a job, once more if its worker dies. `harms` is what the first and the second are given instead of it.
    async fn ask(&self, number: u64, below: u64, harms: [Option<&str>; 2]) -> Result<u64, String> {
        let _place = self.places.acquire().await;
        for (attempt, harm) in (0..).zip(harms) {
            self.again.set(self.again.get() + attempt);
            let idle = self.idle.borrow_mut().pop();
            let worker = idle.map_or_else(Worker::start, Ok);
            let worker = worker.map_err(|error| format!("job {number}: no process to do it in: {error}"))?;
            let job = harm.map_or_else(|| format!("{below}\n"), |harm| format!("{harm}\n"));
            if let Ok(answer) = worker.ask(&job).await {
                self.idle.borrow_mut().push(worker);
                return Ok(answer);
            }
            self.died.set(self.died.get() + 1);
        }
        Err(format!("job {number}: its worker process died, and so did the next one: is there memory enough for it?"))
    }
}

/// Does the work beside a tick, and says how late that was. Gives the answers.
async fn measure<T>(title: &str, bar: &ProgressBar, work: impl Future<Output = T>) -> T {
    let (late, ticks) = (Rc::new(Cell::new(Duration::ZERO)), Rc::new(Cell::new(0)));
    let (worst, count) = (Rc::clone(&late), Rc::clone(&ticks));
    let witness = spawn(async move {
        let mut ticks = interval(TICK);
        loop {
            // The tick says when it was due.
            let due = ticks.tick().await;
            worst.set(worst.get().max(now() - due));
            count.set(count.get() + 1);
        }
    });
    yield_now().await;
    // The first tick is due at once.
    let (start, before) = (now(), ticks.get());
    let answers = work.await;
    let (took, ticks) = (now() - start, ticks.get() - before);
    // Those that should have come meanwhile come now.
    sleep(TICK).await;
    witness.abort();
    let line = format!("  {title:22}{took:>10.0?}   {ticks:4} ticks meanwhile, the latest was {:.1?} late", late.get());
    bar.suspend(|| say!("{line}"));
    answers
}

async fn cpu(options: Options) -> io::Result<ExitCode> {
    let (below, workers) = (options.below, options.workers as usize);
    say!("  {} jobs: count the primes below {below}\n", options.jobs);
    let (jobs, bar) = (|| 0..options.jobs, progress_bar(3 * options.jobs, "jobs"));
    let done = |_| bar.inc(1);
    let on_the_loop = gather(jobs().map(async |_| primes(below))).on_progress(done);
    let on_the_loop = measure("on the loop", &bar, on_the_loop).await;
    let on_the_pool = gather(jobs().map(async |_| spawn_blocking(move || primes(below)).await));
    let on_the_pool = measure("on the blocking pool", &bar, on_the_pool.limit(workers).on_progress(done)).await;
    let (idle, died, again) = Default::default();
    let workers = Workers { places: Semaphore::new(workers), idle, died, again };
    let dies = |number| (number < options.poison).then_some(DIE);
    let harms = |number| {
        let hangs = (number < options.hang).then_some(HANG);
        [hangs.or((number < options.crash.max(options.poison)).then_some(DIE)), dies(number)]
    };
    let in_processes = gather(jobs().map(|number| workers.ask(number, below, harms(number)))).on_progress(done);
    let in_processes = measure("in worker processes", &bar, in_processes).await;
    bar.finish_and_clear();
    let (died, again) = (workers.died.get(), workers.again.get());
    if died > 0 {
        say!("\n  {died} worker processes died, and {again} jobs were given to another");
    }
    let pool = on_the_pool.iter().zip(&on_the_loop).all(|(one, other)| one.as_ref().ok() == Some(other));
    let processes = in_processes.iter().zip(&on_the_loop).all(|(one, other)| one.as_ref().ok() == Some(other));
    say!("\n  the answer: {} primes, {}", on_the_loop[0], if pool && processes { "three times" } else { "not always" });
    in_processes
        .iter()
        .filter_map(|answer| answer.as_ref().err())
        .for_each(|error| complain(format_args!("error: {error}")));
    Ok(ExitCode::from(u8::from(!pool || !processes)))
}

fn main() -> ExitCode {
    let options = Options::parse();
    if options.worker {
        return exit_status(work().map(|()| ExitCode::SUCCESS));
    }
    exit_status(block_on(or_signal(cpu(options))))
}
