//! `gather_streams` over many log files, all together larger than what it needs of memory by any factor you like.
//!
//! ```text
//! $ cargo run --release -p examples --example lines                               # 8 files of its own, 400 MB
//! $ cargo run --release -p examples --example lines -- --megabytes 20000          # as much as your disk has room for
//! $ cargo run --release -p examples --example lines -- /var/log/one /var/log/two  # yours: lines like 2026-11-21T06:15:14Z WARN …
//! ```
//!
//! `gather_streams` keeps every item of every stream, so the items must be few. Here a stream of lines becomes a stream
//! of hours: a line is counted and forgotten, and an item comes when the hour in the log is over. The files are read in
//! chunks on the blocking pool, side by side; the loop counts while the pool reads.

use clap::Parser;
use examples::arguments::{count, exit_status};
use examples::logs::{Folder, LEVELS};
use examples::memory;
use examples::out::complain;
use examples::progress::byte_bar;
use examples::say;
use examples::stop::or_signal;
use futures_core::Stream;
use gather::gather_streams;
use indicatif::{HumanCount, ProgressBar};
use runtime::block_on;
use runtime::fs::{self, Lines};
use runtime::time::now;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::ExitCode;
use std::rc::Rc;
use std::string::FromUtf8Error;
use std::task::{Context, Poll, ready};

/// How long the part of a line is that names the hour: `2026-11-21T06`.
const HOUR: usize = 13;

/// The longest line that is read, in bytes. Without a bound, a file that is one line would come into memory whole.
const LONGEST: usize = 1_000_000;

/// The bar is told after so many lines.
const STEP: u64 = 4096;

/// Counts the lines of log files by hour and level, in constant memory.
#[derive(Debug, Parser)]
#[command(
    name = "lines",
    after_help = "Exit status: 0 if all files were read, 1 if not, 2 if it could not begin, 130 after Ctrl-C, 143 after \
                  SIGTERM"
)]
struct Options {
    /// Log files. Without any: it makes its own, and removes them afterwards
    files: Vec<PathBuf>,
    /// How large its own are, all together
    #[arg(long, value_name = "MB", default_value = "400", value_parser = count)]
    megabytes: u64,
    /// How many they are
    #[arg(long, value_name = "N", default_value = "8", value_parser = clap::value_parser!(u64).range(1..=1000))]
    count: u64,
    /// Where to put them
    #[arg(long, value_name = "FOLDER", default_value_os_t = std::env::temp_dir())]
    folder: PathBuf,
}

/// An hour of one file: the lines of each level, and those of none. Or why there is no more of that file.
type Item = Result<(String, [u64; 5]), String>;

/// The hours of a log file.
struct Hours {
    path: PathBuf,
    lines: Lines,
    /// The hour that has begun.
    hour: String,
    counts: [u64; 5],
    /// How many lines there were since the sum was told of them.
    untold: u64,
    /// How many bytes the sum knows of.
    told: u64,
    sum: Rc<Sum>,
    bar: ProgressBar,
}

/// What was read of all files.
#[derive(Default)]
struct Sum {
    bytes: Cell<u64>,
    /// Lines that are longer than they may be. Nothing is known of them.
    too_long: Cell<u64>,
}

impl Hours {
    fn of(path: &Path, sum: &Rc<Sum>, bar: &ProgressBar) -> Hours {
        let ((hour, counts), lines) = (Default::default(), fs::lines(path).max_line(LONGEST));
        let (path, sum, bar) = (path.to_owned(), Rc::clone(sum), bar.clone());
        Hours { path, lines, hour, counts, untold: 0, told: 0, sum, bar }
    }

    /// The hour that is over, if there was anything in it.
    fn over(&mut self, next: String) -> Option<Item> {
        let (hour, counts) = (std::mem::replace(&mut self.hour, next), std::mem::take(&mut self.counts));
        (counts != [0; 5]).then_some(Ok((hour, counts)))
    }

    fn tell(&mut self) {
        let bytes = self.lines.position() - self.told;
        (self.untold, self.told) = (0, self.lines.position());
        self.sum.bytes.set(self.sum.bytes.get() + bytes);
        self.bar.inc(bytes);
    }
}

impl Stream for Hours {
    type Item = Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        loop {
            let line = match ready!(self.lines.poll_next_line(cx)) {
                Some(Ok(line)) => line,
                // Not UTF-8, or too long. The next one follows.
                Some(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
                    let bytes = error.into_inner().and_then(|inner| inner.downcast::<FromUtf8Error>().ok());
                    match bytes {
                        // Most of it can be read all the same.
                        Some(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
                        None => {
                            self.sum.too_long.set(self.sum.too_long.get() + 1);
                            continue;
                        }
                    }
                }
                Some(Err(error)) => {
                    self.tell();
                    let (path, cure, error) = (self.path.display(), cure(error.kind()), error.to_string());
                    // One that cannot be opened is named already.
                    let named = format!("{path}: ");
                    let error = error.strip_prefix(&named).unwrap_or(&error);
                    return Poll::Ready(Some(Err(format!("{named}{error}{cure}"))));
                }
                None => {
                    self.tell();
                    return Poll::Ready(self.over(String::new()));
                }
            };
            self.untold += 1;
            if self.untold == STEP {
                self.tell();
            }
            let hour = line.get(..HOUR).filter(|hour| hour.as_bytes()[10] == b'T' && *hour != self.hour);
            let over = hour.map(str::to_string).and_then(|hour| self.over(hour));
            let level = line.split(' ').nth(1).and_then(|word| LEVELS.iter().position(|level| *level == word));
            self.counts[level.unwrap_or(LEVELS.len())] += 1;
            if over.is_some() {
                return Poll::Ready(over);
            }
        }
    }
}

/// What to do about a file that cannot be read.
fn cure(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::NotFound => "; name files that are there, or none to have some made",
        io::ErrorKind::IsADirectory => "; name the files in it",
        io::ErrorKind::PermissionDenied => "; run it as somebody who may read it",
        _ => "",
    }
}

async fn lines(mut options: Options) -> Result<ExitCode, String> {
    let mut own = None;
    if options.files.is_empty() {
        let (folder, files) = Folder::fill(&options.folder, options.megabytes, options.count).await?;
        (own, options.files) = (Some(folder), files);
    }
    let bytes = options.files.iter().filter_map(|path| path.metadata().ok()).map(|file| file.len()).sum();
    let (bar, start, sum) = (byte_bar(bytes), now(), Rc::new(Sum::default()));
    let files = gather_streams(options.files.iter().map(|path| Hours::of(path, &sum, &bar))).await;
    bar.finish_and_clear();
    let took = now() - start;
    drop(own);

    let items: Vec<_> = files.iter().flatten().flatten().collect();
    let errors: Vec<_> = files.iter().flatten().filter_map(|item| item.as_ref().err()).collect();
    errors.iter().for_each(|error| complain(format_args!("error: {error}")));
    if errors.len() == files.len() {
        return Ok(ExitCode::FAILURE);
    }
    let mut hours = BTreeMap::<&str, [u64; 5]>::new();
    for (hour, counts) in &items {
        let sums = hours.entry(hour).or_default();
        sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
    }
    let row = |hour: &str, counts: &[u64; 5]| {
        say!("  {hour:HOUR$}{}", counts.map(|count| format!("{:>13}", HumanCount(count).to_string())).concat());
    };
    let head = ["DEBUG", "INFO", "WARN", "ERROR", "other"].map(|it| format!("{it:>13}")).concat();
    say!("  {:HOUR$}{head}", "hour");
    hours.iter().for_each(|(hour, counts)| row(hour, counts));
    row("all", &hours.values().fold([0; 5], |sums, counts| std::array::from_fn(|level| sums[level] + counts[level])));
    let all: u64 = hours.values().flatten().sum();
    // What was read, and not what the system said beforehand: a file may grow and shrink meanwhile, and a pipe has no size.
    let megabytes = sum.bytes.get() as f64 / 1e6;
    let (lines, speed) = (HumanCount(all), megabytes / took.as_secs_f64());
    say!("\n  {lines} lines in {} files, {megabytes:.0} MB in {took:.1?}: {speed:.0} MB/s", files.len());
    if sum.too_long.get() > 0 {
        say!("  {} more lines are longer than {LONGEST} bytes, and were left out", sum.too_long.get());
    }
    let memory = memory::peak().unwrap_or(0).div_ceil(1_000_000);
    say!("  {} items were kept, and {memory} MB was the most memory", items.len());
    Ok(ExitCode::from(u8::from(!errors.is_empty())))
}

fn main() -> ExitCode {
    exit_status(block_on(or_signal(lines(Options::parse()))))
}
