//! What the load test says at the end: a page to read, or one JSON object.

use crate::tally::Counts;
use crate::url::Url;
use hdrhistogram::Histogram;
use indicatif::{BinaryBytes, HumanCount, HumanFloatCount};
use serde_json::{Value, json};
use std::fmt;
use std::iter;
use std::time::Duration;

/// The quantiles that are shown.
const QUANTILES: [(&str, f64); 5] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];

/// Columns of the longest bar.
const BAR: f64 = 32.0;

/// At most so many targets get a line of their own.
const TARGETS: usize = 20;

/// A run and its counts. `Display` is the page.
#[derive(Debug)]
pub struct Report {
    /// What was asked for, in turn.
    pub urls: Vec<Url>,
    /// Whether these are the endpoints of the embedded server.
    pub embedded: bool,
    /// How many requests there were to be.
    pub requests: u64,
    /// How many could be in flight at once.
    pub concurrency: u64,
    /// How many should leave in a second, in an open loop.
    pub rate: Option<f64>,
    /// Whether a signal ended the run.
    pub interrupted: bool,
    /// What happened.
    pub counts: Counts,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.title(f)?;
        self.answers(f)?;
        self.latency(f)?;
        self.targets(f)?;
        self.little(f)
    }
}

impl Report {
    /// What ran, and how far it came.
    fn title(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.counts;
        let (requests, concurrency) = (HumanCount(self.requests), HumanCount(self.concurrency));
        write!(f, "\n  {requests} requests, ")?;
        match self.rate {
            Some(rate) => write!(f, "{} a second, at most {concurrency} in flight", HumanFloatCount(rate))?,
            None => write!(f, "{concurrency} in flight")?,
        }
        writeln!(f, ", in {}", span(counts.seconds()))?;
        match (self.embedded, self.urls.as_slice()) {
            (true, urls) => writeln!(f, "  {} endpoints of the embedded server", urls.len())?,
            (false, [url]) => writeln!(f, "  {url}")?,
            (false, urls) => writeln!(f, "  {} URLs in turn", urls.len())?,
        }
        if self.interrupted {
            let (landed, dropped) = (HumanCount(counts.landed()), HumanCount(counts.dropped));
            writeln!(f, "  interrupted after {landed} requests; {dropped} in flight were dropped")?;
        }
        if counts.late > 0 {
            let late = HumanCount(counts.late);
            writeln!(f, "  {late} requests left late: raise --concurrency or lower --rate")?;
        }
        Ok(())
    }

    /// Throughput, statuses, errors.
    fn answers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.counts;
        let throughput = HumanCount(counts.throughput().round() as u64).to_string();
        let bytes = BinaryBytes((counts.bytes as f64 / counts.seconds().max(1e-9)) as u64);
        section(f, "throughput", [row("", throughput, format!("requests/s   {bytes}/s"))], "")?;

        let statuses = counts.statuses.iter().map(|(status, &count)| {
            let note = if (200..300).contains(status) { "" } else { "not 2xx" };
            row(status, HumanCount(count), note)
        });
        section(f, "statuses", statuses, "none")?;

        let errors = counts.failures.iter().map(|(failure, &count)| {
            let cure = failure.cure().map_or(String::new(), |cure| format!(": {cure}"));
            row("", HumanCount(count), format!("{failure}{cure}"))
        });
        section(f, "errors", errors, "none")
    }

    /// The quantiles, with bars.
    fn latency(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let latency = self.counts.latency();
        let rows = QUANTILES.iter().filter(|_| !latency.is_empty()).map(|(name, quantile)| {
            let value = latency.value_at_quantile(*quantile);
            row(name, nanoseconds(value), bar(value as f64 / latency.max() as f64))
        });
        section(f, "latency", rows, "no answer came")?;
        match self.rate {
            Some(_) => writeln!(f, "{:28}counted from the time at which each was due", ""),
            None => Ok(()),
        }
    }

    /// A line for each target, if there are several.
    fn targets(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let several = 2..=TARGETS;
        if !several.contains(&self.urls.len()) {
            return Ok(());
        }
        let name = |url: &Url| if self.embedded { url.path.to_string() } else { url.to_string() };
        let width = self.urls.iter().map(|url| name(url).len()).max().unwrap_or_default();
        let head = ["answers", "p50", "p99", "max"].map(|head| format!("{head:>10}")).concat();
        let rows = self.urls.iter().zip(&self.counts.latencies).map(|(url, latency)| {
            let times = [0.5, 0.99, 1.0].map(|quantile| match latency.value_at_quantile(quantile) {
                0 => format!("{:>10}", "-"),
                value => format!("{:>10}", nanoseconds(value)),
            });
            let answers = HumanCount(latency.len()).to_string();
            format!("{:width$}{answers:>10}{}", name(url), times.concat())
        });
        section(f, "by target", iter::once(format!("{:width$}{head}", "")).chain(rows), "")
    }

    /// Little's law: what is in a system is what flows through it times how long that stays.
    fn little(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.counts;
        let (flow, time) = (counts.throughput(), counts.mean_time());
        let product = format!("{}/s × {}", HumanCount(flow.round() as u64), span(time));
        let rows = [
            row("L", format!("{:.2}", counts.mean_in_flight()), "in flight on average, counted"),
            row("λ × W", format!("{:.2}", flow * time), product),
        ];
        section(f, "Little's law", rows, "")
    }

    /// The same as one JSON object. Times are in milliseconds unless the name says otherwise.
    pub fn json(&self) -> Value {
        let counts = &self.counts;
        let statuses = counts.statuses.iter().map(|(status, &count)| (status.to_string(), count.into()));
        let errors = counts.failures.iter().map(|(kind, &count)| (kind.to_string(), count.into()));
        let targets = self.urls.iter().zip(&counts.latencies);
        let (throughput, mean_time) = (counts.throughput(), counts.mean_time());
        json!({
            "requests": self.requests,
            "concurrency": self.concurrency,
            "rate": self.rate,
            "interrupted": self.interrupted,
            "completed": counts.landed(),
            "dropped": counts.dropped,
            "late": counts.late,
            "seconds": counts.seconds(),
            "requests_per_second": throughput,
            "bytes": counts.bytes,
            "statuses": Value::Object(statuses.collect()),
            "errors": Value::Object(errors.collect()),
            "latency_ms": latency_json(&counts.latency()),
            "targets": targets.map(|(url, latency)| json!({
                "url": url.to_string(),
                "answers": latency.len(),
                "latency_ms": latency_json(latency),
            })).collect::<Vec<_>>(),
            "littles_law": {
                "mean_in_flight": counts.mean_in_flight(),
                "throughput_times_mean_time": throughput * mean_time,
                "mean_time_ms": mean_time * 1e3,
            },
        })
    }
}

/// The quantiles in milliseconds, or null without an answer.
fn latency_json(latency: &Histogram<u64>) -> Value {
    if latency.is_empty() {
        return Value::Null;
    }
    let quantiles = QUANTILES
        .iter()
        .map(|(name, quantile)| (name.to_string(), json!(latency.value_at_quantile(*quantile) as f64 / 1e6)));
    let mean = ("mean".to_string(), json!(latency.mean() / 1e6));
    Value::Object(iter::once(mean).chain(quantiles).collect())
}

/// A blank line, and rows of which the first has the label; `none` if there are none.
fn section(f: &mut fmt::Formatter<'_>, label: &str, rows: impl IntoIterator<Item = String>, none: &str) -> fmt::Result {
    let mut rows = rows.into_iter();
    let first = rows.next().unwrap_or_else(|| none.to_string());
    writeln!(f, "\n  {label:14}{first}")?;
    rows.try_for_each(|row| writeln!(f, "  {:14}{row}", ""))
}

/// A key, a number that ends in the same column in every row, and what there is to say about it.
fn row(key: impl ToString, number: impl ToString, note: impl fmt::Display) -> String {
    let row = format!("{:5}{:>10}   {note}", key.to_string(), number.to_string());
    row.trim_end().to_string()
}

/// A bar of this part of the full width, in eighths of a column.
fn bar(part: f64) -> String {
    let eighths = (part * BAR * 8.0).round() as usize;
    let rest = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8];
    "█".repeat(eighths / 8) + rest
}

/// A time in nanoseconds for people: three digits and a unit.
fn nanoseconds(nanoseconds: u64) -> String {
    span(Duration::from_nanos(nanoseconds).as_secs_f64())
}

/// A time in seconds for people: three digits and a unit.
fn span(seconds: f64) -> String {
    let (number, unit) = match seconds {
        _ if seconds < 1e-3 => (seconds * 1e6, "µs"),
        _ if seconds < 1.0 => (seconds * 1e3, "ms"),
        _ => (seconds, "s"),
    };
    let decimals = if number < 10.0 { 2 } else { usize::from(number < 100.0) };
    format!("{number:.decimals$} {unit}")
}
