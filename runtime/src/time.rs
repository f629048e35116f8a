//! Time: [`sleep`], [`timeout`], [`interval`] and [`now`], the leaves on the timers (5).

use crate::At;
use crate::circle::context;
use crate::circle::core::Core;
use crate::parts::clock::FAR;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// The time: the running loop's, which the virtual clock may hold still; outside of a loop the system's.
///
/// asyncio's `loop.time()`, tokio's `time::Instant::now()`.
///
/// ```
/// use runtime::time::now;
/// let start = now();
/// assert!(now() >= start);
/// ```
pub fn now() -> Instant {
    context::with(|core| core.clock.now()).unwrap_or_else(Instant::now)
}

/// The time `duration` after `start`; thirty years for durations that the clock cannot express.
fn after(start: Instant, duration: Duration) -> Instant {
    start.checked_add(duration).unwrap_or_else(|| start + FAR)
}

/// Waits for `duration`: asyncio's and tokio's `sleep`.
///
/// Never early; late by up to a millisecond, because that is mio's grain. Any duration will do: zero is ready at the
/// first poll, [`Duration::MAX`] never, which is thirty years: a virtual clock that has nowhere else to jump gets there.
///
/// # Panics
/// When it is polled outside a runtime.
///
/// # Cancel safety
/// Dropping it disarms the timer and loses nothing else.
///
/// ```
/// use std::time::Duration;
/// runtime::block_on(async {
///     runtime::time::sleep(Duration::from_millis(1)).await;
/// });
/// ```
#[track_caller]
pub fn sleep(duration: Duration) -> Sleep {
    sleep_until(after(now(), duration))
}

/// Waits until `deadline`: asyncio's `call_at`, tokio's `sleep_until`. What is said of [`sleep`] holds for it, too.
///
/// ```
/// use std::time::Duration;
/// use runtime::time::{now, sleep_until};
/// runtime::block_on(async {
///     let deadline = now() + Duration::from_millis(1);
///     let sleep = sleep_until(deadline);
///     assert_eq!(sleep.deadline(), deadline);
///     sleep.await;
///     assert!(now() >= deadline);
/// });
/// ```
#[track_caller]
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep { deadline, armed: None, _at: At::here() }
}

/// The future of [`sleep`] and [`sleep_until`].
#[must_use = "futures do nothing unless awaited"]
#[derive(Debug)]
pub struct Sleep {
    /// When it is over.
    deadline: Instant,
    /// Its timer, from the first poll that had to wait.
    armed: Option<Armed>,
    /// Who sleeps, for the trace.
    _at: At,
}

/// A key into a runtime's timers, given back on drop.
#[derive(Debug)]
struct Armed {
    /// The runtime, which may not be the current one when this is dropped.
    core: Rc<Core>,
    key: u32,
}

impl Drop for Armed {
    fn drop(&mut self) {
        let waker = self.core.timers.borrow_mut().release(self.key);
        trace!(TimerDropped { timer: self.key });
        drop(waker);
    }
}

impl Sleep {
    /// When it is over; tokio's `Sleep::deadline`.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // Armed here: it stays. Armed on another runtime, which may never turn again, it moves to the one that polls.
        if let Some(armed) = &self.armed
            && context::with(|core| std::ptr::eq(core, &*armed.core)) == Some(true)
        {
            let fresh = cx.waker().clone();
            let mut timers = armed.core.timers.borrow_mut();
            let Some(place) = timers.waiting(armed.key) else { return Poll::Ready(()) };
            let old = std::mem::replace(place, fresh);
            drop(timers);
            drop(old);
            return Poll::Pending;
        }
        self.armed = None;
        let core = context::current("a timer", Core::share);
        let deadline = core.clock.count(self.deadline);
        if deadline <= core.clock.nanos() {
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        let key = core.timers.borrow_mut().arm(deadline, waker);
        trace!(TimerArmed { timer: key, deadline: deadline } at self._at);
        self.armed = Some(Armed { core, key });
        Poll::Pending
    }
}

/// Gives `future` at most `duration`, counted from this call; asyncio's `wait_for`, tokio's `timeout`.
///
/// The future is polled first: one that is ready in time wins, even with a duration of zero.
///
/// # Errors
/// [`Elapsed`] when the time is over; `future` has been dropped by then.
///
/// # Panics
/// When it is polled outside a runtime.
///
/// # Cancel safety
/// Dropping it drops `future`.
///
/// ```
/// use std::time::Duration;
/// use runtime::time::{sleep, timeout};
/// runtime::block_on(async {
///     let late = timeout(Duration::from_millis(1), sleep(Duration::from_secs(60))).await;
///     assert!(late.is_err());
/// });
/// ```
#[track_caller]
pub fn timeout<F: Future>(duration: Duration, future: F) -> impl Future<Output = Result<F::Output, Elapsed>> {
    let sleep = sleep_until(after(now(), duration));
    async move {
        let mut future = pin!(future);
        let mut sleep = pin!(sleep);
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(value) => Poll::Ready(Ok(value)),
            Poll::Pending => sleep.as_mut().poll(cx).map(|()| Err(Elapsed(()))),
        })
        .await
    }
}

/// The time of a [`timeout`] is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed(());

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the deadline has passed")
    }
}

impl std::error::Error for Elapsed {}

impl From<Elapsed> for std::io::Error {
    fn from(elapsed: Elapsed) -> std::io::Error {
        std::io::Error::new(std::io::ErrorKind::TimedOut, elapsed)
    }
}

/// Ticks at once, then every `period`; tokio's `interval`, asyncio has none. Ticks that were missed come one right after
/// the other, so that none is lost.
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
    Interval { period, sleep: sleep_until(now()) }
}

/// The clock of [`interval`]; tokio's `Interval`, whose names the methods have.
#[derive(Debug)]
pub struct Interval {
    /// The time between two ticks.
    period: Duration,
    /// The next tick.
    sleep: Sleep,
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
        let due = self.sleep.deadline();
        Pin::new(&mut self.sleep).poll(cx).map(|()| {
            self.sleep = Sleep { deadline: after(due, self.period), armed: None, _at: self.sleep._at };
            due
        })
    }

    /// The time between two ticks.
    pub fn period(&self) -> Duration {
        self.period
    }
}
