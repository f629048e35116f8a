//! What happens to the requests: every departure and every landing is counted here, and nothing else is kept, so a
//! billion requests take no more memory than a thousand.

use crate::client::Answer;
use crate::failure::Failure;
use hdrhistogram::Histogram;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Digits of a latency that are kept: 1.23 ms.
pub const DIGITS: u8 = 3;

/// A request of an open loop that leaves later than this after its time was late. The clock of the loop counts in
/// milliseconds, so one or two of them say nothing.
const LATE: Duration = Duration::from_millis(10);

/// Counts for the requests of one loop to be written to by those in flight. Clones count together.
#[derive(Debug, Clone)]
pub struct Tally {
    open: Rc<RefCell<Open>>,
}

/// The counts while requests are under way.
#[derive(Debug)]
struct Open {
    counts: Counts,
    recent: Recent,
    /// When the first request could leave.
    start: Instant,
    /// When the number in flight last changed.
    end: Instant,
    /// How many are in flight.
    in_flight: u32,
}

/// What was counted, by one loop or by many that ran at the same time.
#[derive(Debug, Clone, PartialEq)]
pub struct Counts {
    /// How long it took, until the last request landed or was dropped.
    pub seconds: f64,
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
    /// Requests that were sent once more, because their connection broke without an answer.
    pub resent: u64,
    /// Requests of an open loop that left too late.
    pub late: u64,
    /// Those of them that were late because all places were taken.
    pub late_without_place: u64,
    /// Requests before the counting began.
    pub warm_up: u64,
    /// The part of the time in which the busiest loop had work for its core. 0 where the system does not tell.
    pub busy: f64,
    /// The times in flight of all requests that landed, added up, in seconds. Little's W comes from it.
    pub time_in_flight: f64,
    /// The number in flight, integrated over time (in requests times seconds). Little's L comes from it.
    pub area: f64,
}

/// What has landed since somebody last asked.
#[derive(Debug)]
pub struct Recent {
    /// How many answers.
    pub answers: u64,
    /// How many failures.
    pub failures: u64,
    /// The latencies of the answers, in nanoseconds.
    pub latency: Histogram<u64>,
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
        Self { open: Rc::new(RefCell::new(Open::new(targets))) }
    }

    /// Forgets all but the number of what was counted, and starts the clock again. Nothing may be in flight.
    pub fn restart(&self) {
        let mut open = self.open.borrow_mut();
        let warm_up = open.counts.landed() + open.counts.dropped;
        *open = Open::new(open.counts.latencies.len());
        open.counts.warm_up = warm_up;
    }

    /// A request leaves. `due` is when it should have left, if it had a time, and `came` when it had a place.
    pub fn depart(&self, due: Option<Instant>, came: Instant) -> Flight<'_> {
        let departed = Instant::now();
        let mut open = self.open.borrow_mut();
        if due.is_some_and(|due| departed - due > LATE) {
            open.counts.late += 1;
            open.counts.late_without_place += u64::from(due.is_some_and(|due| came > due));
        }
        open.change(|in_flight| in_flight + 1);
        Flight { tally: self, departed, landed: false }
    }

    /// What has landed since the last call.
    pub fn recent(&self) -> Recent {
        std::mem::take(&mut self.open.borrow_mut().recent)
    }

    /// What was counted. `resent` and `busy` are for others to fill in.
    pub fn counts(&self) -> Counts {
        let open = self.open.borrow();
        Counts { seconds: (open.end - open.start).as_secs_f64(), ..open.counts.clone() }
    }
}

impl Open {
    fn new(targets: usize) -> Self {
        let start = Instant::now();
        Self { counts: Counts::new(targets), recent: Recent::default(), start, end: start, in_flight: 0 }
    }

    /// The number in flight changes: the time since the last change counts with the old number. The clock is read
    /// here and not shared with the latencies: L must not be made of the same measurements as W.
    fn change(&mut self, change: impl FnOnce(u32) -> u32) {
        let now = Instant::now();
        self.counts.area += f64::from(self.in_flight) * (now - self.end).as_secs_f64();
        self.end = now;
        self.in_flight = change(self.in_flight);
    }
}

impl Flight<'_> {
    /// The request to the target with this number came to its end. Its latency counts from `since` on: from its due
    /// time if it had one, so that a server which stalls cannot slow down the clock that it is measured with.
    pub fn land(mut self, target: usize, since: Option<Instant>, outcome: Result<Answer, Failure>) {
        let now = Instant::now();
        self.landed = true;
        let mut open = self.tally.open.borrow_mut();
        let Open { counts, recent, .. } = &mut *open;
        counts.time_in_flight += (now - self.departed).as_secs_f64();
        match outcome {
            Ok(answer) => {
                let latency = (now - since.unwrap_or(self.departed)).as_nanos() as u64;
                counts.latencies[target].record(latency).expect("the histogram grows");
                recent.latency.record(latency).expect("the histogram grows");
                recent.answers += 1;
                *counts.statuses.entry(answer.status.as_u16()).or_default() += 1;
                counts.bytes += answer.length;
            }
            Err(failure) => {
                recent.failures += 1;
                *counts.failures.entry(failure).or_default() += 1;
            }
        }
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let mut open = self.tally.open.borrow_mut();
        open.counts.dropped += u64::from(!self.landed);
        open.change(|in_flight| in_flight - 1);
    }
}

impl Default for Recent {
    fn default() -> Self {
        // Two digits are enough for a picture.
        Self { answers: 0, failures: 0, latency: Histogram::new(2).expect("a histogram takes 0 to 5 digits") }
    }
}

impl Recent {
    /// Adds what another loop has seen, or what came later.
    pub fn add(&mut self, other: &Recent) {
        self.answers += other.answers;
        self.failures += other.failures;
        self.latency.add(&other.latency).expect("the histogram grows");
    }
}

impl Counts {
    /// Nothing, for so many targets.
    pub fn new(targets: usize) -> Self {
        let histogram = Histogram::new(DIGITS).expect("a histogram takes 0 to 5 digits");
        Self {
            seconds: 0.0,
            statuses: BTreeMap::new(),
            failures: BTreeMap::new(),
            latencies: vec![histogram; targets],
            bytes: 0,
            dropped: 0,
            resent: 0,
            late: 0,
            late_without_place: 0,
            warm_up: 0,
            busy: 0.0,
            time_in_flight: 0.0,
            area: 0.0,
        }
    }

    /// Adds what another loop, or another machine, has counted at the same time. Its target number `n` is number
    /// `places[n]` here.
    pub fn add(&mut self, other: &Counts, places: &[usize]) {
        for (latencies, place) in other.latencies.iter().zip(places) {
            self.latencies[*place].add(latencies).expect("the histogram grows");
        }
        other.statuses.iter().for_each(|(status, count)| *self.statuses.entry(*status).or_default() += count);
        other.failures.iter().for_each(|(kind, count)| *self.failures.entry(kind.clone()).or_default() += count);
        self.seconds = self.seconds.max(other.seconds);
        self.busy = self.busy.max(other.busy);
        self.bytes += other.bytes;
        self.dropped += other.dropped;
        self.resent += other.resent;
        self.late += other.late;
        self.late_without_place += other.late_without_place;
        self.warm_up += other.warm_up;
        self.time_in_flight += other.time_in_flight;
        self.area += other.area;
    }

    /// How many requests came to an end, good or bad.
    pub fn landed(&self) -> u64 {
        self.answers() + self.failed()
    }

    /// How many answers came.
    pub fn answers(&self) -> u64 {
        self.statuses.values().sum()
    }

    /// How many requests have no answer.
    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    /// How many of those have waited for it as long as they may.
    pub fn timed_out(&self) -> u64 {
        self.failures.get(&Failure::TimedOut).copied().unwrap_or(0)
    }

    /// How many answers are not 2xx.
    pub fn not_2xx(&self) -> u64 {
        self.statuses.iter().filter(|(status, _)| !(200..300).contains(*status)).map(|(_, count)| count).sum()
    }

    /// Whether every answer was 2xx and no request failed.
    pub fn all_good(&self) -> bool {
        self.failures.is_empty() && self.not_2xx() == 0
    }

    /// The latencies of all targets together.
    pub fn latency(&self) -> Histogram<u64> {
        let mut all = Histogram::new(DIGITS).expect("a histogram takes 0 to 5 digits");
        for latencies in &self.latencies {
            all.add(latencies).expect("the histogram grows");
        }
        all
    }

    /// Answers, for each second.
    pub fn throughput(&self) -> f64 {
        ratio(self.answers() as f64, self.seconds)
    }

    /// Requests that came to an end, good or bad, for each second: Little's λ.
    pub fn flow(&self) -> f64 {
        ratio(self.landed() as f64, self.seconds)
    }

    /// The mean number of requests in flight: Little's L.
    pub fn mean_in_flight(&self) -> f64 {
        ratio(self.area, self.seconds)
    }

    /// The mean time of a request in flight, in seconds: Little's W.
    pub fn mean_time(&self) -> f64 {
        ratio(self.time_in_flight, self.landed() as f64)
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
        tally.depart(None, Instant::now()).land(0, None, answer(200));
        tally.depart(None, Instant::now()).land(1, None, answer(200));
        tally.depart(None, Instant::now()).land(1, None, answer(503));
        tally.depart(None, Instant::now()).land(1, None, Err(Failure::Reset));
        drop(tally.depart(None, Instant::now()));
        let counts = tally.counts();
        assert_eq!(counts.statuses, BTreeMap::from([(200, 2), (503, 1)]));
        assert_eq!(counts.failures, BTreeMap::from([(Failure::Reset, 1)]));
        assert_eq!((counts.landed(), counts.answers(), counts.dropped), (4, 3, 1));
        assert_eq!((counts.bytes, tally.open.borrow().in_flight), (30, 0));
        let of_target = |number: usize| counts.latencies[number].len();
        assert_eq!((of_target(0), of_target(1), counts.latency().len()), (1, 2, 3));
        assert!(!counts.all_good());
    }

    #[test]
    fn the_latency_of_a_request_with_a_due_time_counts_from_there() {
        let tally = Tally::new(1);
        let due = Instant::now() - Duration::from_secs(5);
        tally.depart(Some(due), Instant::now()).land(0, Some(due), answer(200));
        let counts = tally.counts();
        assert_eq!((counts.late, counts.late_without_place), (1, 1));
        assert!(counts.latency().max() >= 4_990_000_000);
        assert!(counts.mean_time() < 5.0, "in flight only since it left");
        assert!(counts.all_good());
    }

    #[test]
    fn one_that_had_its_place_in_time_is_late_for_another_reason() {
        let tally = Tally::new(1);
        let due = Instant::now() - Duration::from_secs(5);
        tally.depart(Some(due), due - Duration::from_secs(1)).land(0, Some(due), answer(200));
        let counts = tally.counts();
        assert_eq!((counts.late, counts.late_without_place), (1, 0));
    }

    #[test]
    fn throughput_is_of_answers_and_little_s_law_is_of_all_that_landed() {
        let tally = Tally::new(1);
        tally.depart(None, Instant::now()).land(0, None, answer(200));
        (0..9).for_each(|_| tally.depart(None, Instant::now()).land(0, None, Err(Failure::Refused)));
        let counts = Counts { seconds: 2.0, ..tally.counts() };
        assert_eq!((counts.throughput(), counts.flow()), (0.5, 5.0));
    }

    #[test]
    fn what_two_have_counted_is_the_sum_in_the_longer_of_their_times() {
        let (mut one, mut other) = (Counts::new(2), Counts::new(1));
        (one.seconds, other.seconds) = (2.0, 3.0);
        one.latencies[1].record(5).unwrap();
        other.latencies[0].record(7).unwrap();
        one.statuses.insert(200, 1);
        other.statuses.insert(200, 1);
        other.failures.insert(Failure::Reset, 4);
        one.add(&other, &[1]);
        assert_eq!((one.seconds, one.answers(), one.failed()), (3.0, 2, 4));
        assert_eq!((one.latencies[0].len(), one.latencies[1].len()), (0, 2));
    }

    #[test]
    fn what_comes_before_a_restart_is_only_a_number() {
        let tally = Tally::new(1);
        tally.depart(None, Instant::now()).land(0, None, answer(500));
        tally.restart();
        assert_eq!((tally.counts().landed(), tally.counts().warm_up, tally.counts().latencies.len()), (0, 1, 1));
    }

    #[test]
    fn nothing_measured_is_zero_and_not_nan() {
        let counts = Tally::new(1).counts();
        assert_eq!((counts.throughput(), counts.mean_in_flight(), counts.mean_time()), (0.0, 0.0, 0.0));
    }
}
