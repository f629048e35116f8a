//! [`interval`]: ticks at once, and then after every period. Its timer is one [`Sleep`], which goes on from tick to tick.
//!
//! Read before: `time.rs`.

use super::{Sleep, after, now, sleep};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// Ticks at once, and then after every `period`; tokio's `interval`, asyncio has none. Missed ticks come one right
/// after the other, so that none is lost; [`set_missed_tick_behavior`](Interval::set_missed_tick_behavior) changes
/// that. The time counts as for [`sleep`].
///
/// # Panics
/// With a period of zero.
///
/// ```
/// use std::time::Duration;
/// runtime::block_on(async {
///     let mut ticks = runtime::time::interval(Duration::from_millis(1));
///     let first = ticks.tick().await;
///     let second = ticks.tick().await;
///     assert_eq!(second - first, ticks.period());
/// });
/// ```
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    assert!(!period.is_zero(), "an interval of zero never lets time pass: give it a period above zero");
    Interval { period, sleep: sleep(Duration::ZERO), missed: MissedTickBehavior::Burst }
}

/// A tick that comes later than this counts as missed: the same 5 milliseconds as in tokio. It is not zero, because a
/// busy loop is hardly ever on time to the microsecond.
const MISSED: Duration = Duration::from_millis(5);

/// What happens with missed ticks: those that come more than 5 milliseconds late. tokio's `MissedTickBehavior`.
///
/// A task that ticks every 10 ms works for 25 ms after the tick at 10:
///
/// ```text
///   due      10    20    30    40    50    60
///   Burst    10              35 35    40    50    60     the missed ones one right after the other
///   Delay    10              35           45       55    every period after the late one
///   Skip     10              35       40    50    60     the missed ones never; the next is a multiple of the period
/// ```
///
/// ```
/// use std::time::Duration;
/// use runtime::{Runtime, time::{MissedTickBehavior, interval, now, sleep}};
///
/// Runtime::builder().virtual_clock().build()?.block_on(async {
///     let start = now();
///     let mut ticks = interval(Duration::from_millis(10));
///     ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
///     ticks.tick().await;
///     sleep(Duration::from_millis(35)).await;
///     ticks.tick().await; // the one of 10, late; those of 20 and 30 are left out
///     ticks.tick().await;
///     assert_eq!(now() - start, Duration::from_millis(40));
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissedTickBehavior {
    /// Missed ticks come one right after the other. So none is lost, and the later ones are on time again.
    #[default]
    Burst,
    /// The periods start again at the late tick: the next tick comes one period after it.
    Delay,
    /// Missed ticks are left out. The next tick comes a whole number of periods after the late one was due.
    Skip,
}

impl MissedTickBehavior {
    /// When the next tick is due. The last one was due at `due`, and came later than that by `late`.
    fn next(self, due: Instant, late: Duration, period: Duration) -> Instant {
        let missed = match self {
            _ if late <= MISSED => Duration::ZERO,
            MissedTickBehavior::Burst => Duration::ZERO,
            MissedTickBehavior::Delay => late,
            MissedTickBehavior::Skip => late - Duration::from_nanos((late.as_nanos() % period.as_nanos()) as u64),
        };
        after(due + missed, period)
    }
}

/// The ticks of [`interval`]; tokio's `Interval`, with the same method names.
#[derive(Debug)]
pub struct Interval {
    /// The time between two ticks.
    period: Duration,
    /// The next tick.
    sleep: Sleep,
    /// What happens with missed ticks.
    missed: MissedTickBehavior,
}

impl Interval {
    /// Waits for the next tick and gives the time at which it was due.
    ///
    /// # Panics
    /// Outside a runtime.
    ///
    /// # Cancel safety
    /// Dropping this future loses no tick.
    pub async fn tick(&mut self) -> Instant {
        poll_fn(|cx| self.poll_tick(cx)).await
    }

    /// The poll function under [`tick`](Interval::tick), for hand-written futures and streams.
    ///
    /// ```
    /// let mut ticks = runtime::time::interval(std::time::Duration::from_millis(1));
    /// let due = runtime::block_on(std::future::poll_fn(|cx| ticks.poll_tick(cx)));
    /// assert!(runtime::time::now() >= due);
    /// ```
    ///
    /// # Panics
    /// Outside a runtime.
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        Pin::new(&mut self.sleep).poll(cx).map(|()| {
            let due = self.sleep.deadline;
            let late = match self.missed {
                MissedTickBehavior::Burst => Duration::ZERO,
                _ => now().saturating_duration_since(due),
            };
            self.sleep.go_on_to(self.missed.next(due, late, self.period));
            due
        })
    }

    /// Starts again: the next tick comes one period from now. tokio's `Interval::reset`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use runtime::{Runtime, time::{interval, now, sleep}};
    ///
    /// Runtime::builder().virtual_clock().build()?.block_on(async {
    ///     let mut ticks = interval(Duration::from_secs(10));
    ///     ticks.tick().await;
    ///     sleep(Duration::from_secs(3)).await;
    ///     let start = now();
    ///     ticks.reset();
    ///     assert_eq!(ticks.tick().await - start, Duration::from_secs(10));
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn reset(&mut self) {
        self.sleep.restart(self.period);
    }

    /// What happens with missed ticks; tokio's `missed_tick_behavior`.
    pub fn missed_tick_behavior(&self) -> MissedTickBehavior {
        self.missed
    }

    /// Sets what happens with ticks that are missed from now on; tokio's `set_missed_tick_behavior`. For an example see
    /// [`MissedTickBehavior`].
    pub fn set_missed_tick_behavior(&mut self, behavior: MissedTickBehavior) {
        self.missed = behavior;
    }

    /// The time between two ticks.
    pub fn period(&self) -> Duration {
        self.period
    }
}
