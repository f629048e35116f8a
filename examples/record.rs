//! A run as a JSON object, and back: what was measured on many machines becomes one report.
//!
//! The latencies of every target travel in HdrHistogram's own form, version 2, compressed, in base64: the libraries of
//! the other languages read it, too. So the percentiles of many runs are those of all their requests, and not an average
//! of percentiles, which would mean nothing.

use crate::report::{QUANTILES, Report};
use crate::tally::Counts;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use serde_json::{Map, Value, json};
use std::iter;

/// The run as one JSON object. Times are in milliseconds unless the name says otherwise.
pub fn json(report: &Report) -> Value {
    let counts = &report.counts;
    let statuses = counts.statuses.iter().map(|(status, &count)| (status.to_string(), count.into()));
    let errors = counts.failures.iter().map(|(kind, &count)| (kind.to_string(), count.into()));
    let targets = report.urls.iter().zip(&counts.latencies);
    json!({
        "requests": report.requests,
        "concurrency": report.concurrency,
        "rate": report.rate,
        "embedded": report.embedded,
        "interrupted": report.interrupted,
        "completed": counts.landed(),
        "answers": counts.answers(),
        "failed": counts.failed(),
        "timed_out": counts.timed_out(),
        "dropped": counts.dropped,
        "sent_again": counts.resent,
        "late": counts.late,
        "late_without_place": counts.late_without_place,
        "warm_up_requests": counts.warm_up,
        "busy": counts.busy,
        "seconds": counts.seconds,
        "requests_per_second": counts.throughput(),
        "bytes": counts.bytes,
        "statuses": Value::Object(statuses.collect()),
        "errors": Value::Object(errors.collect()),
        "broken_conditions": report.broken.iter().map(|(condition, _)| condition).collect::<Vec<_>>(),
        "latency_ms": latency(&counts.latency()),
        "targets": targets.map(|(url, times)| json!({
            "url": url,
            "answers": times.len(),
            "latency_ms": latency(times),
            "histogram": histogram(times),
        })).collect::<Vec<_>>(),
        "littles_law": {
            "mean_in_flight": counts.mean_in_flight(),
            "throughput_times_mean_time": counts.flow() * counts.mean_time(),
            "mean_time_ms": counts.mean_time() * 1e3,
            "landed_per_second": counts.flow(),
        },
    })
}

/// Mean, standard deviation and the quantiles in milliseconds, or null without an answer.
fn latency(times: &Histogram<u64>) -> Value {
    if times.is_empty() {
        return Value::Null;
    }
    let quantiles = QUANTILES.iter().map(|(name, quantile)| (*name, times.value_at_quantile(*quantile) as f64));
    let all = [("mean", times.mean()), ("sd", times.stdev())].into_iter().chain(quantiles);
    Value::Object(all.map(|(name, value)| (name.to_string(), json!(value / 1e6))).collect())
}

/// A histogram of nanoseconds in HdrHistogram's form, in base64.
fn histogram(times: &Histogram<u64>) -> String {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new().serialize(times, &mut bytes).expect("a vector takes everything");
    STANDARD.encode(bytes)
}

/// The run that a JSON object tells of.
///
/// # Errors
///
/// A sentence that names the field that is missing, or is no such thing.
pub fn report(json: &Value) -> Result<Report, String> {
    let missing = |name: &str| format!("no {name:?} in it: it is made by `load_test --json`");
    let number = |of: &Value, name: &str| of[name].as_f64().ok_or_else(|| missing(name));
    let count = |name: &str| json[name].as_u64().ok_or_else(|| missing(name));
    let object = |name: &str| json[name].as_object().ok_or_else(|| missing(name));
    let each = |map: &Map<String, Value>| -> Vec<(String, u64)> {
        map.iter().map(|(key, count)| (key.clone(), count.as_u64().unwrap_or(0))).collect()
    };
    let targets = json["targets"].as_array().ok_or_else(|| missing("targets"))?;
    let mut urls = Vec::new();
    let mut counts = Counts::new(0);
    for target in targets {
        urls.push(target["url"].as_str().ok_or_else(|| missing("url"))?.to_string());
        let text = target["histogram"].as_str().ok_or_else(|| missing("histogram"))?;
        let bytes = STANDARD.decode(text).map_err(|error| format!("\"histogram\": {error}"))?;
        let times = Deserializer::new().deserialize::<u64, _>(&mut &bytes[..]);
        let mut all = Counts::new(1).latencies.remove(0);
        all.add(times.map_err(|error| format!("\"histogram\": {error}"))?).map_err(|error| error.to_string())?;
        counts.latencies.push(all);
    }
    for (status, n) in each(object("statuses")?) {
        counts.statuses.insert(status.parse().map_err(|_| format!("{status:?} is no status"))?, n);
    }
    counts.failures.extend(each(object("errors")?).into_iter().map(|(kind, n)| (kind.as_str().into(), n)));
    counts.seconds = number(json, "seconds")?;
    counts.busy = number(json, "busy")?;
    counts.bytes = count("bytes")?;
    counts.dropped = count("dropped")?;
    counts.resent = count("sent_again")?;
    counts.late = count("late")?;
    counts.late_without_place = count("late_without_place")?;
    counts.warm_up = count("warm_up_requests")?;
    let law = &json["littles_law"];
    counts.area = number(law, "mean_in_flight")? * counts.seconds;
    counts.time_in_flight = number(law, "mean_time_ms")? / 1e3 * counts.landed() as f64;
    Ok(Report {
        urls,
        embedded: json["embedded"].as_bool().unwrap_or(false),
        requests: json["requests"].as_u64(),
        concurrency: count("concurrency")?,
        rate: json["rate"].as_f64(),
        interrupted: json["interrupted"].as_bool().unwrap_or(false),
        runs: 1,
        broken: Vec::new(),
        counts,
    })
}

/// One report of many runs that ran at the same time. `None` without a run.
pub fn merge(reports: impl IntoIterator<Item = Report>) -> Option<Report> {
    let mut reports = reports.into_iter();
    let mut all = reports.next()?;
    for other in reports {
        let places: Vec<usize> = other.urls.iter().map(|url| place(&mut all, url)).collect();
        all.counts.add(&other.counts, &places);
        all.requests = all.requests.zip(other.requests).map(|(one, other)| one + other);
        all.concurrency += other.concurrency;
        all.rate = all.rate.zip(other.rate).map(|(one, other)| one + other);
        all.embedded &= other.embedded;
        all.interrupted |= other.interrupted;
        all.runs += other.runs;
    }
    Some(all)
}

/// Which target of the report has this URL; a new one if none has.
fn place(report: &mut Report, url: &str) -> usize {
    report.urls.iter().position(|known| known == url).unwrap_or_else(|| {
        report.urls.push(url.to_string());
        report.counts.latencies.extend(iter::once(Counts::new(1).latencies.remove(0)));
        report.urls.len() - 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Failure;

    fn run(url: &str, latencies: &[u64]) -> Report {
        let mut counts = Counts::new(1);
        latencies.iter().for_each(|latency| counts.latencies[0].record(*latency).unwrap());
        counts.statuses.insert(200, latencies.len() as u64);
        counts.failures.insert(Failure::TimedOut, 1);
        counts.failures.insert(Failure::BadCertificate("it has expired".to_string()), 2);
        counts.failures.insert(Failure::Other("bad luck".to_string()), 3);
        (counts.seconds, counts.area, counts.time_in_flight) = (2.0, 3.0, 4.0);
        let urls = vec![url.to_string()];
        Report {
            urls,
            embedded: false,
            requests: Some(10),
            concurrency: 5,
            rate: None,
            interrupted: false,
            runs: 1,
            broken: Vec::new(),
            counts,
        }
    }

    #[test]
    fn what_was_written_is_read_again() {
        let before = run("http://one/", &[1_000, 2_000_000, 3_000_000_000]);
        let after = report(&json(&before)).unwrap();
        assert_eq!(after.counts.latencies[0].len(), 3);
        for quantile in [0.1, 0.5, 1.0] {
            let value = |report: &Report| report.counts.latencies[0].value_at_quantile(quantile);
            assert_eq!(value(&after), value(&before));
        }
        assert_eq!(after.counts.failures, before.counts.failures);
        assert_eq!((after.counts.area, after.counts.time_in_flight), (3.0, 4.0));
        // The same counts may take a longer array.
        let all_but_histograms = |report: &Report| {
            let mut json = json(report);
            json["targets"][0].as_object_mut().unwrap().remove("histogram").unwrap();
            json
        };
        assert_eq!(all_but_histograms(&after), all_but_histograms(&before));
    }

    #[test]
    fn the_quantiles_of_two_runs_are_those_of_all_their_requests() {
        let (fast, slow) = (run("http://one/", &[1_000; 98]), run("http://one/", &[1_000_000; 2]));
        let both = merge([fast, slow]).unwrap();
        assert_eq!((both.urls.len(), both.counts.latencies.len(), both.runs), (1, 1, 2));
        let latency = both.counts.latency();
        assert!(latency.value_at_quantile(0.98) < 2_000 && latency.value_at_quantile(0.99) > 900_000);
        let apart = merge([run("http://one/", &[1]), run("http://other/", &[1])]).unwrap();
        assert_eq!((apart.urls.len(), apart.counts.latencies.len(), apart.requests), (2, 2, Some(20)));
        assert!(merge([]).is_none());
    }

    #[test]
    fn what_is_no_run_is_refused_by_the_field_that_it_lacks() {
        let whole = json(&run("http://one/", &[1]));
        for field in ["targets", "statuses", "errors", "seconds", "bytes", "concurrency"] {
            let mut part = whole.clone();
            part.as_object_mut().unwrap().remove(field);
            assert!(report(&part).unwrap_err().contains(field), "{field}");
        }
        let mut odd = whole.clone();
        odd["targets"][0]["histogram"] = json!("AAAA");
        assert!(report(&odd).unwrap_err().contains("histogram"));
    }
}
