//! Conditions for CI: `--fail-if 'p99>50ms'`.

use crate::arguments::time;
use crate::report::span;
use crate::tally::Counts;
use std::fmt;
use std::str::FromStr;

/// A condition under which a run has failed.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    metric: Metric,
    relation: Relation,
    bound: Bound,
    /// As it was written.
    text: String,
}

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Metric {
    /// A latency. Requests that timed out count as slower than all that have an answer.
    Quantile(f64),
    Mean,
    Deviation,
    /// Requests without an answer.
    Errors,
    /// Answers that are not 2xx.
    Not2xx,
    /// Requests that were sent once more.
    Resent,
    /// Requests of an open loop that left late.
    Late,
    /// Answers a second.
    Rate,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Relation {
    More,
    AtLeast,
    Less,
    AtMost,
}

/// What it is compared with.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Bound {
    Seconds(f64),
    Number(f64),
    /// Of all requests.
    Percent(f64),
}

impl FromStr for Condition {
    type Err = String;

    /// Parses a name, one of `>`, `>=`, `<`, `<=`, and a value.
    fn from_str(text: &str) -> Result<Self, String> {
        let shape = "a condition is a name, > or <, and a value: p99>50ms, errors>1%, rate<1000";
        let at = text.find(['<', '>']).ok_or(shape)?;
        let (name, rest) = (text[..at].trim(), &text[at..]);
        let relations =
            [(">=", Relation::AtLeast), ("<=", Relation::AtMost), (">", Relation::More), ("<", Relation::Less)];
        let found = relations.into_iter().find_map(|(sign, relation)| Some((rest.strip_prefix(sign)?, relation)));
        let (value, relation) = found.ok_or(shape)?;
        let quantile = name.strip_prefix('p').and_then(|it| it.parse().ok()).filter(|it| (0.0..=100.0).contains(it));
        let metric = match (name, quantile) {
            (_, Some(percent)) => Metric::Quantile(percent / 100.0),
            ("max", _) => Metric::Quantile(1.0),
            ("mean", _) => Metric::Mean,
            ("sd", _) => Metric::Deviation,
            ("errors", _) => Metric::Errors,
            ("not-2xx", _) => Metric::Not2xx,
            ("resent", _) => Metric::Resent,
            ("late", _) => Metric::Late,
            ("rate", _) => Metric::Rate,
            _ => {
                let names = "p50, p99.9, max, mean, sd, errors, not-2xx, resent, late, rate";
                return Err(format!("{name:?} is not measured; these are: {names}"));
            }
        };
        let value = value.trim();
        let is_bound = |number: &f64| number.is_finite() && *number >= 0.0;
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(is_bound);
        let bound = match metric {
            // A latency without a unit would be in seconds for some and in milliseconds for others.
            Metric::Quantile(_) | Metric::Mean | Metric::Deviation if number(value).is_none() => {
                time(value).filter(is_bound).map(Bound::Seconds).ok_or("a latency has a unit: 50ms, 1.5s")?
            }
            Metric::Quantile(_) | Metric::Mean | Metric::Deviation => return Err("a latency has a unit: 50ms".into()),
            Metric::Rate => number(value).map(Bound::Number).ok_or("a rate is a number of answers a second")?,
            _ => match value.strip_suffix('%') {
                Some(percent) => number(percent).map(Bound::Percent).ok_or("a share is a number and %: 1%")?,
                None => number(value).map(Bound::Number).ok_or("a count is a number, or a share: 10, 1%")?,
            },
        };
        Ok(Self { metric, relation, bound, text: text.to_string() })
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Condition {
    /// Whether requests without an answer fail the run only as this condition says.
    pub fn is_about_errors(&self) -> bool {
        self.metric == Metric::Errors
    }

    /// Whether answers that are not 2xx fail the run only as this condition says.
    pub fn is_about_statuses(&self) -> bool {
        self.metric == Metric::Not2xx
    }

    /// Says what was measured, if it is what must not be.
    pub fn broken(&self, counts: &Counts) -> Option<String> {
        let measured = self.measured(counts);
        let (value, bound) = match self.bound {
            Bound::Seconds(bound) | Bound::Number(bound) => (measured, bound),
            Bound::Percent(bound) => (100.0 * measured / counts.landed().max(1) as f64, bound),
        };
        let broken = match self.relation {
            Relation::More => value > bound,
            Relation::AtLeast => value >= bound,
            Relation::Less => value < bound,
            Relation::AtMost => value <= bound,
        };
        let words = match self.bound {
            Bound::Seconds(_) if value.is_infinite() => "no answer in time".to_string(),
            Bound::Seconds(_) => span(value),
            Bound::Number(_) => format!("{value:.0}"),
            Bound::Percent(_) => format!("{value:.2}%"),
        };
        broken.then_some(words)
    }

    /// What the counts say: seconds, or how many.
    fn measured(&self, counts: &Counts) -> f64 {
        let latency = counts.latency();
        let seconds = |nanoseconds: f64| if latency.is_empty() { f64::INFINITY } else { nanoseconds / 1e9 };
        match self.metric {
            Metric::Quantile(quantile) => {
                // The place in the line of all that were waited for. Behind the answers stand those that timed out.
                let all = latency.len() + counts.timed_out();
                let place = ((quantile * all as f64).ceil() as u64).max(1);
                if place > latency.len() {
                    return f64::INFINITY;
                }
                seconds(latency.value_at_quantile(place as f64 / latency.len() as f64) as f64)
            }
            Metric::Mean => seconds(latency.mean()),
            Metric::Deviation => seconds(latency.stdev()),
            Metric::Errors => counts.failed() as f64,
            Metric::Not2xx => counts.not_2xx() as f64,
            Metric::Resent => counts.resent as f64,
            Metric::Late => counts.late as f64,
            Metric::Rate => counts.throughput(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Failure;

    /// 99 answers after 10 ms and one after 100, and as many timeouts.
    fn counts(timeouts: u64) -> Counts {
        let mut counts = Counts::new(1);
        counts.latencies[0].record_n(10_000_000, 99).unwrap();
        counts.latencies[0].record(100_000_000).unwrap();
        counts.statuses.extend([(200, 90), (500, 10)]);
        counts.failures.extend((timeouts > 0).then_some((Failure::TimedOut, timeouts)));
        counts.seconds = 2.0;
        counts
    }

    #[test]
    fn a_condition_is_broken_by_what_was_measured_and_says_it() {
        for (text, timeouts, expected) in [
            ("p99>50ms", 0, None),
            ("p99.5 > 50ms", 0, Some("100 ms")),
            ("max>=100ms", 0, Some("100 ms")),
            ("p50<1s", 0, Some("10.0 ms")),
            ("p99>50ms", 1, Some("100 ms")),
            ("p99>50ms", 5, Some("no answer in time")),
            ("mean>11ms", 0, None),
            ("sd>1ms", 0, Some("8.95 ms")),
            ("errors>0", 0, None),
            ("errors>1%", 5, Some("4.76%")),
            ("errors>=5", 5, Some("5")),
            ("not-2xx>5%", 0, Some("10.00%")),
            ("rate<51", 0, Some("50")),
            ("rate<50", 0, None),
        ] {
            let condition: Condition = text.parse().expect(text);
            assert_eq!(condition.broken(&counts(timeouts)).as_deref(), expected, "{text} with {timeouts} timeouts");
        }
    }

    #[test]
    fn without_an_answer_every_latency_is_too_long() {
        let none = Counts::new(1);
        for text in ["p50>1h", "max>1h", "mean>1h"] {
            assert!(text.parse::<Condition>().unwrap().broken(&none).is_some(), "{text}");
        }
    }

    #[test]
    fn what_is_no_condition_is_refused() {
        for (text, why) in [
            ("p99", "a condition is"),
            ("p101>1ms", "is not measured"),
            ("speed>1", "is not measured"),
            ("p99>50", "a latency has a unit"),
            ("p99>fast", "a latency has a unit"),
            ("rate<10%", "a rate is a number"),
            ("errors>many", "a count is"),
            // They would never come true.
            ("p99>infms", "a latency has a unit"),
            ("rate<inf", "a rate is a number"),
            ("errors>1e999", "a count is"),
        ] {
            let error = text.parse::<Condition>().expect_err(text);
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
