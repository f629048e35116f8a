//! What the command lines of several programs take, counts and times, refused by name when they make no sense; and what
//! they end with.

use std::fmt::Display;
use std::process::ExitCode;
use std::time::Duration;

/// The longest time: a day, in seconds.
const LONGEST: f64 = 86_400.0;

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

/// Parses a time in seconds, from a millisecond to a day.
///
/// # Errors
///
/// A sentence that says what a time is.
pub fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) if (1e-3..=LONGEST).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err(format!("a time is a number from 0.001 to {LONGEST} (seconds)")),
    }
}

/// What a program ends with: the status that it came to, or 2 where it could not begin. The error goes to stderr then.
pub fn exit_status(outcome: Result<ExitCode, impl Display>) -> ExitCode {
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::from(2)
    })
}
