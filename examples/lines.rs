//! `gather_streams` over many log files, all together larger than what it needs of memory by any factor you like.
//!
//! ```text
//! $ cargo run --release --example lines                               # 8 files of its own, 400 MB
//! $ cargo run --release --example lines -- --megabytes 20000          # as much as your disk has room for
//! $ cargo run --release --example lines -- /var/log/one /var/log/two  # yours: lines like 2026-11-21T06:15:14Z WARN …
//! ```
//!
//! `gather_streams` keeps every item of every stream, so the items must be few. Here a stream of lines becomes a stream
//! of hours: a line is counted and forgotten, and an item comes when the hour in the log is over. The files are read in
//! chunks on the blocking pool, side by side; the loop counts while the pool reads.

use clap::Parser;
use examples::arguments::{count, exit_status};
use examples::memory;
use examples::progress::byte_bar;
use examples::stop::{signal, until};
use futures_core::Stream;
use gather::gather_streams;
use indicatif::{HumanCount, ProgressBar};
use runtime::block_on;
use runtime::fs::{self, Lines};
use runtime::task::spawn_blocking;
use runtime::time::now;
use std::collections::BTreeMap;
use std::fs::{File, create_dir_all, remove_dir_all};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::ExitCode;
use std::task::{Context, Poll, ready};

/// What a line can say after its time.
const LEVELS: [&str; 4] = ["DEBUG", "INFO", "WARN", "ERROR"];

/// How long the part of a line is that names the hour: `2026-11-21T06`.
const HOUR: usize = 13;

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
    /// How many lines and bytes there were.
    read: [u64; 2],
    bar: ProgressBar,
}

impl Hours {
    fn of(path: &Path, bar: &ProgressBar) -> Hours {
        let (hour, counts, read) = Default::default();
        Hours { path: path.to_owned(), lines: fs::lines(path), hour, counts, read, bar: bar.clone() }
    }

    /// The hour that is over, if there was anything in it.
    fn over(&mut self, next: String) -> Option<Item> {
        let (hour, counts) = (std::mem::replace(&mut self.hour, next), std::mem::take(&mut self.counts));
        (counts != [0; 5]).then_some(Ok((hour, counts)))
    }

    fn tell(&mut self) {
        self.bar.inc(std::mem::take(&mut self.read)[1]);
    }
}

impl Stream for Hours {
    type Item = Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        loop {
            let line = match ready!(self.lines.poll_next_line(cx)) {
                Some(Ok(line)) => line,
                // Not UTF-8: a line of no level. The next one follows.
                Some(Err(error)) if error.kind() == io::ErrorKind::InvalidData => String::new(),
                Some(Err(error)) => {
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
            self.read = [self.read[0] + 1, self.read[1] + line.len() as u64 + 1];
            if self.read[0] == STEP {
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

/// Writes a log of about so many bytes: a day, from midnight to midnight. Runs on the blocking pool.
fn write(path: &Path, bytes: u64, bar: &ProgressBar) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    let (mut random, mut written) = (fastrand::Rng::with_seed(7), 0);
    while written < bytes {
        let second = written * 86_400 / bytes;
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        // Half of them are DEBUG, a quarter INFO, and so on.
        let level = LEVELS[(random.u8(..).trailing_ones() as usize).min(LEVELS.len() - 1)];
        let (user, took) = (random.u32(..100_000), random.u32(..5_000));
        let line = format!(
            "2026-11-21T{hour:02}:{minute:02}:{second:02}Z {level} request by user {user} was answered in {took} µs\n"
        );
        file.write_all(line.as_bytes())?;
        written += line.len() as u64;
        bar.inc(line.len() as u64);
    }
    file.flush()
}

/// The program's own files. They go when this is dropped.
struct Folder(PathBuf);

impl Folder {
    async fn fill(options: &Options) -> Result<(Folder, Vec<PathBuf>), String> {
        let folder = Folder(options.folder.join(format!("glassloop-lines-{}", std::process::id())));
        let cure = "; name a --folder that may be written to, and has room for --megabytes";
        create_dir_all(&folder.0).map_err(|error| format!("{}: {error}{cure}", folder.0.display()))?;
        let paths: Vec<_> = (1..=options.count).map(|number| folder.0.join(format!("{number}.log"))).collect();
        let each = options.megabytes.saturating_mul(1_000_000) / options.count;
        let bar = byte_bar(each * options.count);
        let jobs = paths.iter().cloned().map(|path| {
            let bar = bar.clone();
            spawn_blocking(move || {
                write(&path, each, &bar).map_err(|error| format!("{}: {error}{cure}", path.display()))
            })
        });
        let written = gather::try_gather(jobs.map(async |job| job.await.map_err(|error| error.to_string())?)).await;
        bar.finish_and_clear();
        written.map(|_| (folder, paths))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Jobs of the pool run on and may make a file while this one removes: as long as one does, once more. Without
        // the folder they make none.
        while remove_dir_all(&self.0).is_err_and(|error| error.kind() == io::ErrorKind::DirectoryNotEmpty) {}
    }
}

async fn lines(mut options: Options) -> Result<ExitCode, String> {
    let mut own = None;
    if options.files.is_empty() {
        let (folder, files) = Folder::fill(&options).await?;
        (own, options.files) = (Some(folder), files);
    }
    let bytes = options.files.iter().filter_map(|path| path.metadata().ok()).map(|file| file.len()).sum();
    let (bar, start) = (byte_bar(bytes), now());
    let files = gather_streams(options.files.iter().map(|path| Hours::of(path, &bar))).await;
    bar.finish_and_clear();
    let took = now() - start;
    drop(own);

    let items: Vec<_> = files.iter().flatten().flatten().collect();
    let errors: Vec<_> = files.iter().flatten().filter_map(|item| item.as_ref().err()).collect();
    errors.iter().for_each(|error| eprintln!("error: {error}"));
    if errors.len() == files.len() {
        return Ok(ExitCode::FAILURE);
    }
    let mut hours = BTreeMap::<&str, [u64; 5]>::new();
    for (hour, counts) in &items {
        let sums = hours.entry(hour).or_default();
        sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
    }
    // Whoever reads it may have left, as `head` does: no reason to fail.
    let say = |line: String| drop(writeln!(io::stdout(), "{line}"));
    let row = |hour: &str, counts: &[u64; 5]| {
        say(format!("  {hour:HOUR$}{}", counts.map(|count| format!("{:>13}", HumanCount(count).to_string())).concat()));
    };
    say(format!(
        "  {:HOUR$}{}",
        "hour",
        ["DEBUG", "INFO", "WARN", "ERROR", "other"].map(|it| format!("{it:>13}")).concat()
    ));
    hours.iter().for_each(|(hour, counts)| row(hour, counts));
    row("all", &hours.values().fold([0; 5], |sums, counts| std::array::from_fn(|level| sums[level] + counts[level])));
    let all: u64 = hours.values().flatten().sum();
    let speed = bytes as f64 / 1e6 / took.as_secs_f64();
    say(format!(
        "\n  {} lines in {} files, {} MB in {took:.1?}: {speed:.0} MB/s",
        HumanCount(all),
        files.len(),
        bytes / 1_000_000
    ));
    say(format!(
        "  {} items were kept, and {} MB was the most memory",
        items.len(),
        memory::peak().unwrap_or(0).div_ceil(1_000_000)
    ));
    Ok(ExitCode::from(u8::from(!errors.is_empty())))
}

/// Ctrl-C and SIGTERM drop the work, and with it the program's own files.
async fn until_stopped(options: Options) -> Result<ExitCode, String> {
    let stop = signal().map_err(|error| format!("Ctrl-C cannot be handled: {error}"))?;
    until(lines(options), stop).await.unwrap_or_else(|status| Ok(ExitCode::from(status)))
}

fn main() -> ExitCode {
    exit_status(block_on(until_stopped(Options::parse())))
}
