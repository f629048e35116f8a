//! Little's law, measured: what is in a system is what flows through it times how long it stays there, L = λ × W.
//!
//! ```text
//! $ cargo run --example little
//! limit         L    λ per s      W ms      λ × W
//!     1      1.00       49.5     20.20       1.00
//!     2      2.00       98.8     20.20       2.00
//!     4      3.99      197.3     20.20       3.99
//!     8      7.92      392.2     20.20       7.92
//!    16     15.78      392.2     40.25      15.78
//!    32     31.33      392.2     79.89      31.33
//!    64     61.63      392.2    157.14      61.63
//! ```
//!
//! A service with eight workers, and 1,000 calls to it through `.limit(n)`: L is what the limit sets. Up to eight each
//! call more in flight is one more that is served, and λ grows with L. Above it λ has met its bound, and the law leaves
//! only one way out: W grows, all of it waiting in line. So a good limit is the knee of the curve, λ × W of the service
//! alone; a larger one buys nothing but a longer wait. Time is virtual, so the numbers are exact and come at once.
//!
//! L is counted in time, how many are in flight at each moment, and W call by call. Over a run that begins and ends with
//! nothing in flight both add up the same time, which is why the law holds whatever the service does.

use clap::Parser;
use examples::arguments::exit_status;
use examples::say;
use gather::gather;
use runtime::Runtime;
use runtime::sync::Semaphore;
use runtime::time::{now, sleep};
use std::cell::RefCell;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use std::{env, fs, io};

/// The limits that are tried.
const LIMITS: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];
/// How many calls the service can serve at once.
const WORKERS: usize = 8;
/// How many calls are made at each limit.
const CALLS: usize = 1_000;
/// A call is served in up to so many milliseconds, half of it on average.
const LONGEST: u64 = 40;

/// What is in flight, added up over time.
struct Meter {
    in_flight: isize,
    since: Instant,
    /// Calls in flight times the seconds that they were.
    area: f64,
}

impl Meter {
    /// A call comes, or goes.
    fn now_in_flight(&mut self, change: isize) {
        self.area += self.in_flight as f64 * (now() - self.since).as_secs_f64();
        self.since = now();
        self.in_flight += change;
    }
}

/// What was measured at one limit.
struct Point {
    limit: usize,
    /// In flight on average: L.
    in_flight: f64,
    /// Calls that came back, per second: λ.
    flow: f64,
    /// How long one took on average, in seconds: W.
    time: f64,
}

async fn measure(limit: usize) -> Point {
    let (start, service) = (now(), Semaphore::new(WORKERS));
    let meter = RefCell::new(Meter { in_flight: 0, since: start, area: 0.0 });
    let mut random = fastrand::Rng::with_seed(1);
    let calls = (0..CALLS).map(|_| {
        let (service, meter, work) = (&service, &meter, Duration::from_millis(random.u64(1..=LONGEST)));
        async move {
            let called = now();
            meter.borrow_mut().now_in_flight(1);
            let worker = service.acquire().await;
            sleep(work).await;
            drop(worker);
            meter.borrow_mut().now_in_flight(-1);
            (now() - called).as_secs_f64()
        }
    });
    let times = gather(calls).limit(limit).await;
    let whole = (now() - start).as_secs_f64();
    let (flow, time) = (CALLS as f64 / whole, times.iter().sum::<f64>() / CALLS as f64);
    Point { limit, in_flight: meter.into_inner().area / whole, flow, time }
}

/// The points beside the law, both axes logarithmic: a hand-drawn SVG.
fn plot(points: &[Point]) -> String {
    let at = |value: f64| 60.0 + 55.0 * value.log2();
    let mut svg = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 480 480\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <title>Little's law: L measured, beside λ × W</title>\n<rect width=\"480\" height=\"480\" fill=\"#fff\"/>\n\
         <path d=\"M60 420 420 60\" stroke=\"#8b949e\" stroke-dasharray=\"4 4\"/>\n\
         <path d=\"M60 420V40M60 420H440\" stroke=\"#1f2328\" fill=\"none\"/>\n\
         <text x=\"360\" y=\"460\">λ × W, calls</text>\n<text x=\"12\" y=\"28\">L, calls in flight, counted</text>\n\
         <text x=\"400\" y=\"125\" fill=\"#57606a\">the law</text>\n",
    );
    for point in points {
        let (x, y) = (at(point.flow * point.time), 480.0 - at(point.in_flight));
        _ = writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5\" fill=\"#2f81f7\"/>");
        let (limit, flow, ms) = (point.limit, point.flow, point.time * 1_000.0);
        let (x, y, anchor) = if x < 240.0 { (x + 8.0, y + 17.0, "start") } else { (x - 10.0, y - 3.0, "end") };
        _ = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{limit}: {flow:.0}/s × {ms:.0} ms</text>"
        );
    }
    svg + "</svg>\n"
}

/// Little's law, measured at seven limits and drawn beside the law.
#[derive(Debug, Parser)]
#[command(name = "little")]
struct Options {
    /// Where to draw it, as SVG [default: little.svg in the folder for temporary files]
    svg: Option<PathBuf>,
}

fn main() -> ExitCode {
    let path = Options::parse().svg.unwrap_or_else(|| env::temp_dir().join("little.svg"));
    // Asked for before anything is measured: a file that cannot be written is told at once.
    let drawn = canvas(&path).and_then(little);
    exit_status(match drawn {
        Ok(()) => {
            say!("drawn: {}", path.display());
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            Err(format!("cannot draw {}: {error}; name a file in a folder that may be written to", path.display()))
        }
    })
}

/// The file to draw in: a new one, or a drawing that is there. Any other file is somebody's, and stays as it is.
fn canvas(path: &Path) -> io::Result<fs::File> {
    match fs::read(path) {
        Ok(bytes) if !bytes.is_empty() && !bytes.starts_with(b"<svg ") => {
            Err(io::Error::new(io::ErrorKind::AlreadyExists, "it is there and no drawing, so it is not overwritten"))
        }
        _ => fs::File::create(path),
    }
}

fn little(mut svg: fs::File) -> io::Result<()> {
    say!("limit         L    λ per s      W ms      λ × W");
    let mut points = Vec::new();
    for limit in LIMITS {
        let runtime = Runtime::builder().virtual_clock().build()?;
        let point = runtime.block_on(measure(limit));
        let Point { in_flight, flow, time, .. } = &point;
        say!("{limit:>5} {in_flight:>9.2} {flow:>10.1} {:>9.2} {:>10.2}", time * 1_000.0, flow * time);
        points.push(point);
    }
    svg.write_all(plot(&points).as_bytes())
}
