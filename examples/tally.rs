//! What happens to the requests: every departure and every landing is counted here, and nothing else is kept, so a
//! billion requests take no more memory than a thousand.

use crate::client::Answer;
use crate::failure::Failure;
use hdrhistogram::Histogram;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Digits of a latency that are kept: 1.23 ms.
const DIGITS: u8 = 3;

/// A request of an open loop that leaves later than this after its time was late: all places were taken. The clock
/// of the loop counts in milliseconds, so one or two of them say nothing.
const LATE: Duration = Duration::from_millis(10);

/// Counts for the requests to be written to by those in flight. They share it by reference.
#[derive(Debug)]
pub struct Tally {
    counts: RefCell<Counts>,
}

/// What was counted.
#[derive(Debug, Clone)]
pub struct Counts {
    /// When the first request could leave.
    pub start: Instant,
    /// When the last request landed or was dropped.
    pub end: Instant,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Failures by kind.
    pub failures: BTreeMap<Failure, u64>,
    /// Latencies of the answers of each target, in nanoseconds.
    pub latencies: Vec<Histogram<u64>>,
    /// Lengths of all bodies together.
    pub bytes: u64,
    /// Requests that were dropped in flight.
    pub dropped: u64,
    /// Requests of an open loop that left too late.
    pub late: u64,
    /// The times in flight of all requests that landed, added up. Little's W comes from it.
    pub time_in_flight: Duration,
    /// The number in flight, integrated over time (in requests times seconds). Little's L comes from it.
    pub area: f64,
    /// How many are in flight.
    in_flight: u32,
}

/// A request in flight. It counts as dropped unless it lands.
#[derive(Debug)]
#[must_use]
pub struct Flight<'a> {
    tally: &'a Tally,
    departed: Instant,
    landed: bool,
}

impl Tally {
    /// Starts the clock, for requests to so many targets.
    pub fn new(targets: usize) -> Self {
        let histogram = Histogram::new(DIGITS).expect("a histogram takes 0 to 5 digits");
        let start = Instant::now();
        let counts = Counts {
            start,
            end: start,
            statuses: BTreeMap::new(),
            failures: BTreeMap::new(),
            latencies: vec![histogram; targets],
            bytes: 0,
            dropped: 0,
            late: 0,
            time_in_flight: Duration::ZERO,
            area: 0.0,
            in_flight: 0,
        };
        Self { counts: RefCell::new(counts) }
    }

    /// A request leaves. `due` is when it should have left, if it had a time.
    pub fn depart(&self, due: Option<Instant>) -> Flight<'_> {
        let departed = Instant::now();
        let mut counts = self.counts.borrow_mut();
        counts.late += u64::from(due.is_some_and(|due| departed - due > LATE));
        counts.change(|in_flight| in_flight + 1);
        Flight { tally: self, departed, landed: false }
    }

    /// What was counted.
    pub fn into_counts(self) -> Counts {
        self.counts.into_inner()
    }
}

impl Flight<'_> {
    /// The request to the target with this number came to its end. Its latency counts from `since` on: from its due
    /// time if it had one, so that a server which stalls cannot slow down the clock that it is measured with.
    pub fn land(mut self, target: usize, since: Option<Instant>, outcome: Result<Answer, Failure>) {
        let now = Instant::now();
        self.landed = true;
        let mut counts = self.tally.counts.borrow_mut();
        counts.time_in_flight += now - self.departed;
        match outcome {
            Ok(answer) => {
                let latency = (now - since.unwrap_or(self.departed)).as_nanos() as u64;
                counts.latencies[target].record(latency).expect("the histogram grows");
                *counts.statuses.entry(answer.status.as_u16()).or_default() += 1;
                counts.bytes += answer.length;
            }
            Err(failure) => *counts.failures.entry(failure).or_default() += 1,
        }
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let mut counts = self.tally.counts.borrow_mut();
        counts.dropped += u64::from(!self.landed);
        counts.change(|in_flight| in_flight - 1);
    }
}

impl Counts {
    /// The number in flight changes: the time since the last change counts with the old number. The clock is read
    /// here and not shared with the latencies: L must not be made of the same measurements as W.
    fn change(&mut self, change: impl FnOnce(u32) -> u32) {
        let now = Instant::now();
        self.area += f64::from(self.in_flight) * (now - self.end).as_secs_f64();
        self.end = now;
        self.in_flight = change(self.in_flight);
    }

    /// How long it took, in seconds.
    pub fn seconds(&self) -> f64 {
        (self.end - self.start).as_secs_f64()
    }

    /// How many requests came to an end, good or bad.
    pub fn landed(&self) -> u64 {
        self.answers() + self.failures.values().sum::<u64>()
    }

    /// How many answers came.
    pub fn answers(&self) -> u64 {
        self.statuses.values().sum()
    }

    /// Whether every answer was 2xx and no request failed.
    pub fn all_good(&self) -> bool {
        self.failures.is_empty() && self.statuses.keys().all(|status| (200..300).contains(status))
    }

    /// The latencies of all targets together.
    pub fn latency(&self) -> Histogram<u64> {
        let mut all = Histogram::new(DIGITS).expect("a histogram takes 0 to 5 digits");
        for latencies in &self.latencies {
            all.add(latencies).expect("the histogram grows");
        }
        all
    }

    /// Requests that came to an end, for each second: Little's λ.
    pub fn throughput(&self) -> f64 {
        ratio(self.landed() as f64, self.seconds())
    }

    /// The mean number of requests in flight: Little's L.
    pub fn mean_in_flight(&self) -> f64 {
        ratio(self.area, self.seconds())
    }

    /// The mean time of a request in flight, in seconds: Little's W.
    pub fn mean_time(&self) -> f64 {
        ratio(self.time_in_flight.as_secs_f64(), self.landed() as f64)
    }
}

/// A quotient that is 0 when nothing was measured.
fn ratio(a: f64, b: f64) -> f64 {
    if b > 0.0 { a / b } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::StatusCode;

    fn answer(status: u16) -> Result<Answer, Failure> {
        Ok(Answer { status: StatusCode::from_u16(status).unwrap(), length: 10 })
    }

    #[test]
    fn landings_are_counted_by_status_and_kind_and_the_rest_as_dropped() {
        let tally = Tally::new(2);
        tally.depart(None).land(0, None, answer(200));
        tally.depart(None).land(1, None, answer(200));
        tally.depart(None).land(1, None, answer(503));
        tally.depart(None).land(1, None, Err(Failure::Reset));
        drop(tally.depart(None));
        let counts = tally.into_counts();
        assert_eq!(counts.statuses, BTreeMap::from([(200, 2), (503, 1)]));
        assert_eq!(counts.failures, BTreeMap::from([(Failure::Reset, 1)]));
        assert_eq!((counts.landed(), counts.answers(), counts.dropped), (4, 3, 1));
        assert_eq!((counts.bytes, counts.in_flight), (30, 0));
        let of_target = |number: usize| counts.latencies[number].len();
        assert_eq!((of_target(0), of_target(1), counts.latency().len()), (1, 2, 3));
        assert!(!counts.all_good());
    }

    #[test]
    fn the_latency_of_a_request_with_a_due_time_counts_from_there() {
        let tally = Tally::new(1);
        let due = Instant::now() - Duration::from_secs(5);
        tally.depart(Some(due)).land(0, Some(due), answer(200));
        let counts = tally.into_counts();
        assert_eq!(counts.late, 1);
        assert!(counts.latency().max() >= 4_990_000_000);
        assert!(counts.mean_time() < 5.0, "in flight only since it left");
        assert!(counts.all_good());
    }

    #[test]
    fn nothing_measured_is_zero_and_not_nan() {
        let counts = Tally::new(1).into_counts();
        assert_eq!((counts.throughput(), counts.mean_in_flight(), counts.mean_time()), (0.0, 0.0, 0.0));
    }
}
