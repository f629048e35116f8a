//! What the load test says at the end, as a page to read. [`record`](crate::record) has the same as JSON.

use crate::tally::Counts;
use indicatif::{BinaryBytes, HumanCount, HumanFloatCount};
use std::fmt;
use std::iter;
use std::time::Duration;

/// The quantiles that are shown.
pub const QUANTILES: [(&str, f64); 7] =
    [("p50", 0.5), ("p75", 0.75), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];

/// A loop that has work for so much of its time has no room for more.
const FULL: f64 = 0.9;

/// Columns of the longest bar.
const BAR: f64 = 32.0;

/// At most so many targets get a line of their own.
const TARGETS: usize = 20;

/// A run and its counts. `Display` is the page.
#[derive(Debug)]
pub struct Report {
    /// What was asked for, in turn.
    pub urls: Vec<String>,
    /// Whether these are the endpoints of the embedded server.
    pub embedded: bool,
    /// How many requests there were to be. `None`: as many as the time had room for.
    pub requests: Option<u64>,
    /// How many could be in flight at once.
    pub concurrency: u64,
    /// How many should leave in a second, in an open loop.
    pub rate: Option<f64>,
    /// Whether a signal ended the run.
    pub interrupted: bool,
    /// How many runs these are, merged.
    pub runs: u64,
    /// The conditions under which the run has failed and that came true, each with what was measured.
    pub broken: Vec<(String, String)>,
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
        let (requests, concurrency) = (HumanCount(self.sent()), HumanCount(self.concurrency));
        write!(f, "\n  {requests} requests, ")?;
        match self.rate {
            Some(rate) => write!(f, "{} a second, at most {concurrency} in flight", HumanFloatCount(rate))?,
            None => write!(f, "{concurrency} in flight")?,
        }
        writeln!(f, ", in {}", span(counts.seconds))?;
        match (self.embedded, self.urls.as_slice()) {
            (true, urls) => writeln!(f, "  {} endpoints of the embedded server", urls.len())?,
            (false, [url]) => writeln!(f, "  {url}")?,
            (false, urls) => writeln!(f, "  {} URLs in turn", urls.len())?,
        }
        if self.runs > 1 {
            writeln!(f, "  {} runs at the same time, merged", self.runs)?;
        }
        if counts.warm_up > 0 {
            writeln!(f, "  {} requests before, to warm up, are not counted", HumanCount(counts.warm_up))?;
        }
        if self.interrupted {
            let (landed, dropped) = (HumanCount(counts.landed()), HumanCount(counts.dropped));
            writeln!(f, "  interrupted after {landed} requests; {dropped} in flight were dropped")?;
        }
        if counts.resent > 0 {
            let resent = HumanCount(counts.resent);
            writeln!(f, "  {resent} requests were sent again: their connection broke without an answer")?;
        }
        if counts.late > 0 {
            writeln!(f, "  {} requests left late: {}", HumanCount(counts.late), self.lateness())?;
        }
        Ok(())
    }

    /// How many requests there were, or were to be.
    fn sent(&self) -> u64 {
        self.requests.unwrap_or(self.counts.landed() + self.counts.dropped)
    }

    /// Why requests left late, and what helps.
    fn lateness(&self) -> &'static str {
        let counts = &self.counts;
        if counts.busy > FULL {
            "this program's core was busy all the time: --loops takes more of them, or lower --rate"
        } else if 2 * counts.late_without_place > counts.late {
            "raise --concurrency or lower --rate"
        } else {
            "this machine was held up, or has other work"
        }
    }

    /// Throughput, statuses, errors.
    fn answers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.counts;
        let throughput = HumanCount(counts.throughput().round() as u64).to_string();
        let bytes = BinaryBytes((counts.bytes as f64 / counts.seconds.max(1e-9)) as u64);
        let failed = HumanCount((counts.flow() - counts.throughput()).round() as u64).to_string();
        let failed = (counts.failed() > 0).then(|| row("", failed, "failures/s, which are none of these"));
        let rows = iter::once(row("", throughput, format!("requests/s   {bytes}/s"))).chain(failed);
        section(f, "throughput", rows, "")?;

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
        let (counts, latency) = (&self.counts, self.counts.latency());
        let spread = [("mean", latency.mean()), ("sd", latency.stdev())];
        let spread = spread.map(|(name, value)| row(name, span(value / 1e9), ""));
        let quantiles = QUANTILES.iter().map(|(name, quantile)| {
            let value = latency.value_at_quantile(*quantile);
            row(name, nanoseconds(value), bar(value as f64 / latency.max() as f64))
        });
        let rows = spread.into_iter().chain(quantiles).filter(|_| !latency.is_empty());
        section(f, "latency", rows, "no answer came")?;
        if counts.failed() > 0 && !latency.is_empty() {
            let share = |part: u64| format!("{:.2} %", 100.0 * part as f64 / counts.landed() as f64);
            let (failed, late) = (share(counts.failed()), share(counts.timed_out()));
            writeln!(f, "{:28}of answers; {failed} of the requests have none and are left out,", "")?;
            writeln!(f, "{:28}{late} because they took longer than --timeout", "")?;
        }
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
        let path = |url: &str| url.splitn(4, '/').nth(3).map_or(url.to_string(), |path| format!("/{path}"));
        let name = |url: &String| if self.embedded { path(url) } else { url.clone() };
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
        let (flow, time) = (counts.flow(), counts.mean_time());
        let product = format!("{}/s × {}", HumanCount(flow.round() as u64), span(time));
        let rows = [
            row("L", format!("{:.2}", counts.mean_in_flight()), "in flight on average, counted"),
            row("λ × W", format!("{:.2}", flow * time), product),
        ];
        section(f, "Little's law", rows, "")
    }
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
pub fn nanoseconds(nanoseconds: u64) -> String {
    span(Duration::from_nanos(nanoseconds).as_secs_f64())
}

/// A time in seconds for people: three digits and a unit.
pub fn span(seconds: f64) -> String {
    let (number, unit) = match seconds {
        _ if seconds < 1e-3 => (seconds * 1e6, "µs"),
        _ if seconds < 1.0 => (seconds * 1e3, "ms"),
        _ => (seconds, "s"),
    };
    let decimals = if number < 10.0 { 2 } else { usize::from(number < 100.0) };
    format!("{number:.decimals$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of so many requests that left late.
    fn advice(late: u64, late_without_place: u64, busy: f64) -> String {
        let counts = Counts { late, late_without_place, busy, ..Counts::new(1) };
        let (urls, broken) = (vec!["http://one/".to_string()], Vec::new());
        let report = Report {
            urls,
            embedded: false,
            requests: Some(10),
            concurrency: 5,
            rate: Some(10.0),
            interrupted: false,
            runs: 1,
            broken,
            counts,
        };
        report.to_string().lines().find(|line| line.contains("left late")).unwrap_or_default().to_string()
    }

    #[test]
    fn what_left_late_is_told_with_what_helps_and_with_nothing_else() {
        assert_eq!(advice(0, 0, 1.0), "");
        assert_eq!(advice(9, 9, 0.3), "  9 requests left late: raise --concurrency or lower --rate");
        assert_eq!(advice(9, 0, 0.3), "  9 requests left late: this machine was held up, or has other work");
        // More places are no help to a core that has no time.
        let busy = "  9 requests left late: this program's core was busy all the time: --loops takes more of them, or lower --rate";
        assert_eq!(advice(9, 9, 0.99), busy);
    }
}
