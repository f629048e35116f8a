//! The loop's clock: the system's, or a virtual one that stands still until the loop lets it jump.
//!
//! The timers count nanoseconds since the loop's beginning, in 64 bits: 584 years.
//!
//! Read before: nothing.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// How far away "never" is. It stands for deadlines that the clock cannot express. Thirty years, as in tokio, leave
/// room to add further durations without an overflow.
pub(crate) const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

thread_local! {
    /// The time of the blocking job that runs on this thread, when its loop has a virtual clock.
    static JOB_TIME: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// The time where no loop runs: the system's. In a blocking job of a loop with a virtual clock it is the loop's time,
/// which stands still until the job has ended.
pub(crate) fn now_outside() -> Instant {
    JOB_TIME.get().unwrap_or_else(Instant::now)
}

/// Calls `job`, which must not panic. While it runs, [`now_outside`] gives `time`; with `None`, the system's time.
pub(crate) fn job_at<R>(time: Option<Instant>, job: impl FnOnce() -> R) -> R {
    JOB_TIME.set(time);
    let result = job();
    JOB_TIME.set(None);
    result
}

/// One loop's clock.
pub(crate) struct Clock {
    /// When time began.
    start: Instant,
    /// The virtual time, which only the loop lets jump; `None` if the loop uses the system's clock.
    pub(crate) standing: Cell<Option<u64>>,
}

impl Clock {
    pub(crate) fn new(is_virtual: bool) -> Clock {
        Clock { start: Instant::now(), standing: Cell::new(is_virtual.then_some(0)) }
    }

    /// The time as the timers count it.
    pub(crate) fn nanos(&self) -> u64 {
        self.standing.get().unwrap_or_else(|| self.count(Instant::now()))
    }

    /// An instant as the timers count it.
    pub(crate) fn count(&self, instant: Instant) -> u64 {
        nanos(instant.saturating_duration_since(self.start))
    }

    /// The time.
    pub(crate) fn now(&self) -> Instant {
        self.standing.get().map_or_else(Instant::now, |nanos| self.start + Duration::from_nanos(nanos))
    }
}

/// A duration as the timers count it.
pub(crate) fn nanos(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(duration.subsec_nanos()))
}
