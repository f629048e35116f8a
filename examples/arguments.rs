//! What the command lines of several programs take, counts and times, and what those of the load test take, refused by
//! name when they make no sense; and what they end with.

use crate::out;
use bytes::Bytes;
use hyper::Method;
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

/// The longest time: a day, in seconds.
const LONGEST: f64 = 86_400.0;

/// The units that a time may have, each in seconds. The longer names stand first, as `ms` also ends in `s`.
const UNITS: [(&str, f64); 6] = [("ms", 1e-3), ("us", 1e-6), ("µs", 1e-6), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];

/// Parses how many: 1 or more.
///
/// # Errors
///
/// A sentence that says what a count is.
pub fn count(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("a count is a whole number, 1 or more".to_string()),
        Ok(count) => Ok(count),
    }
}

/// Parses how many may be in flight: from 1 to a million. Each has its place in memory from the beginning.
///
/// # Errors
///
/// A sentence that says so.
pub fn places(text: &str) -> Result<u64, String> {
    match count(text) {
        Ok(places) if places <= 1_000_000 => Ok(places),
        _ => Err("this many is a whole number from 1 to 1000000".to_string()),
    }
}

/// Parses a time from a millisecond to a day: a number of seconds, or a number with its unit.
///
/// ```
/// use examples::arguments::seconds;
/// use std::time::Duration;
///
/// assert_eq!(seconds("30"), Ok(Duration::from_secs(30)));
/// assert_eq!(seconds("1.5m"), Ok(Duration::from_secs(90)));
/// assert_eq!(seconds("500ms"), Ok(Duration::from_millis(500)));
/// ```
///
/// # Errors
///
/// A sentence that says what a time is.
pub fn seconds(text: &str) -> Result<Duration, String> {
    match time(text) {
        Some(seconds) if (1e-3..=LONGEST).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err(format!(
            "a time is a number from 0.001 to {LONGEST} (seconds), or one with its unit: 500ms, 30s, 5m, 1h"
        )),
    }
}

/// A time in seconds, of any length: `0.5`, `500ms`, `30s`.
pub fn time(text: &str) -> Option<f64> {
    let unit = UNITS.iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, *seconds)));
    let (number, seconds) = unit.unwrap_or((text, 1.0));
    number.trim().parse::<f64>().ok().map(|number| number * seconds)
}

/// Parses how many a second.
///
/// # Errors
///
/// A sentence that says what a rate is.
pub fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (1e-3..=1e9).contains(&rate) => Ok(rate),
        _ => Err("a rate is a number from 0.001 to 1000000000 (requests a second)".to_string()),
    }
}

/// Parses a method of HTTP, in small letters or capitals.
///
/// # Errors
///
/// A sentence that lists them.
pub fn method(text: &str) -> Result<Method, String> {
    match text.to_uppercase().parse() {
        Ok(Method::CONNECT) | Err(_) => Err("a method is GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS".to_string()),
        Ok(method) => Ok(method),
    }
}

/// A body: the text itself, or what is in the file behind an `@`.
///
/// # Errors
///
/// The system's, when the file cannot be read.
pub fn body(text: &str) -> Result<Bytes, String> {
    match text.strip_prefix('@') {
        Some(path) => std::fs::read(path).map(Bytes::from).map_err(|error| error.to_string()),
        None => Ok(text.to_string().into()),
    }
}

/// What a program ends with: the status that it came to, or 2 where it could not begin. The error goes to stderr then.
/// It is 1 when stdout did not take all that was printed: [`out`] has said so.
pub fn exit_status(outcome: Result<ExitCode, impl Display>) -> ExitCode {
    match outcome {
        Ok(_) if out::failed() => ExitCode::FAILURE,
        Ok(status) => status,
        Err(error) => {
            // Whoever reads stderr may have left, too.
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::from(2)
        }
    }
}
