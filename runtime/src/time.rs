//! Time: [`sleep`], [`timeout`], [`interval`](interval()) and [`now`], the leaves that wait for timers (5).
//!
//! Read before: `timers.rs`, `context.rs`.

mod interval;

pub use interval::{Interval, MissedTickBehavior, interval};

use crate::At;
use crate::circle::budget;
use crate::circle::context;
use crate::circle::core::Core;
use crate::parts::clock::{FAR, nanos, now_outside};
use std::fmt;
use std::future::{Future, IntoFuture};
use std::mem;
use std::pin::Pin;
use std::ptr;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

/// The time by the clock of the running loop, which may be a virtual one. Outside of a loop it is the system's time.
///
/// asyncio's `loop.time()`, tokio's `time::Instant::now()`. In a job of the blocking pool it is the time of the job's
/// loop: a virtual clock stands still until the job has ended.
///
/// ```
/// use runtime::time::now;
/// let start = now();
/// assert!(now() >= start);
/// ```
pub fn now() -> Instant {
    context::with(|core| core.clock.now()).unwrap_or_else(now_outside)
}

/// The panic message of a timer that can never fire.
const CLOSING: &str = "a timer was polled on an event loop that is being dropped, whose time has stopped: await it in \
                       a task, or in another loop, and not in a drop";

/// The time `duration` after `start`. If the clock cannot express it, thirty years after `start`.
fn after(start: Instant, duration: Duration) -> Instant {
    start.checked_add(duration).unwrap_or_else(|| start + FAR)
}

/// Waits for `duration`: asyncio's and tokio's `sleep`.
///
/// The time counts from this call, by the clock of the running loop. A sleep that is made outside of any loop
/// (`block_on(sleep(duration))`) counts from its first poll, by the clock of the loop that polls it. If a sleep moves
/// to another loop, the time that is left counts by the clock of that loop. So a sleep is never too short by the clock
/// of the loop that polls it.
///
/// A sleep is never early. It may be late by up to a millisecond, because mio waits for whole milliseconds. Any
/// duration is allowed. Zero is ready at the first poll. [`Duration::MAX`] means never: its deadline is thirty years
/// away, and only a virtual clock that has no other deadline to jump to gets there. A loop's time ends 584 years after
/// its beginning. From there on a virtual clock stands still, and every sleep is ready at its first poll.
///
/// # Panics
/// When it is polled outside a runtime. Also when it is awaited on a loop that is being dropped, because the time of
/// that loop has stopped. Only code in a drop can do so. The first poll there wakes its task at once, and the next one
/// panics. So code that polls only once, to see whether the time is over, does not panic.
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
#[inline]
#[track_caller]
pub fn sleep(duration: Duration) -> Sleep {
    Sleep::new(duration, At::here())
}

/// Waits until `deadline`: asyncio's `call_at`, tokio's `sleep_until`. The deadline is compared with the clock of the
/// loop that polls. Everything else is as for [`sleep`].
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
    Sleep { deadline, timer: Timer::Instant, _at: At::here() }
}

/// The future of [`sleep`] and [`sleep_until`].
#[must_use = "futures do nothing unless awaited"]
#[derive(Debug)]
pub struct Sleep {
    /// The deadline, once the time has begun to count.
    deadline: Instant,
    /// How the time counts.
    timer: Timer,
    /// Who sleeps, for the trace.
    _at: At,
}

/// How the time of a [`Sleep`] counts.
///
/// ```text
///   sleep, outside of any loop --> Unbegun --first poll--+
///   sleep, inside a loop --------------------------------+--> Relative --+-- poll --> Armed
///   sleep_until, reset -----------------------------------> Instant -----+             |
///                          ^                                                           |
///                          +------- a poll in another loop, reset, the next tick ------+
/// ```
#[derive(Debug)]
enum Timer {
    /// The deadline was given as an instant. It is compared with the clock of any loop.
    Instant,
    /// Made outside of any loop: this many nanoseconds, counted from the first poll.
    Unbegun(u64),
    /// The deadline counts by the clock of this loop.
    Relative(Rc<Core>),
    /// A timer is armed in this loop, which may not be the current one. [`Sleep::disarm`] gives the key back.
    /// `is_relative` says whether the deadline counts by the clock of this loop.
    Armed { core: Rc<Core>, key: u32, is_relative: bool },
}

impl Sleep {
    #[inline]
    fn new(duration: Duration, _at: At) -> Sleep {
        let inside = context::with(|core| Sleep {
            deadline: after(core.clock.now(), duration),
            timer: Timer::Relative(core.share()),
            _at,
        });
        inside.unwrap_or_else(|| Sleep::new_outside(duration, _at))
    }

    #[cold]
    fn new_outside(duration: Duration, _at: At) -> Sleep {
        let start = Instant::now();
        let deadline = after(start, duration);
        Sleep { deadline, timer: Timer::Unbegun(nanos(deadline - start)), _at }
    }

    /// The instant at which it is over; tokio's `Sleep::deadline`. A sleep that was made outside of any loop, and never
    /// polled, gives the deadline that a poll now would set.
    pub fn deadline(&self) -> Instant {
        match self.timer {
            Timer::Unbegun(nanos) => after(now(), Duration::from_nanos(nanos)),
            _ => self.deadline,
        }
    }

    /// Sets another deadline, whether the old one has passed or not; tokio's `Sleep::reset`. A task that waits for it
    /// is woken at the new deadline, and need not poll again before that.
    ///
    /// ```
    /// use std::{pin::pin, time::Duration};
    /// use runtime::time::{now, sleep};
    ///
    /// runtime::block_on(async {
    ///     let mut idle = pin!(sleep(Duration::from_secs(60)));
    ///     let deadline = now() + Duration::from_millis(1);
    ///     idle.as_mut().reset(deadline);
    ///     assert_eq!(idle.deadline(), deadline);
    ///     idle.as_mut().await;
    ///     assert!(now() >= deadline);
    /// });
    /// ```
    pub fn reset(self: Pin<&mut Self>, deadline: Instant) {
        self.get_mut().rearm(deadline, false);
    }

    /// Starts again: `duration` from now, by the same clock.
    fn restart(&mut self, duration: Duration) {
        match &self.timer {
            Timer::Armed { core, .. } => {
                let deadline = after(core.clock.now(), duration);
                self.rearm(deadline, true);
            }
            _ => *self = Sleep::new(duration, self._at),
        }
    }

    /// Sets a deadline. A timer that has not fired is armed again, with the same waker.
    fn rearm(&mut self, deadline: Instant, is_relative: bool) {
        let waits = |core: &Rc<Core>, key| core.timers.borrow_mut().waiting(key).is_some();
        let waiting = match &self.timer {
            Timer::Armed { core, key, .. } => waits(core, *key).then(|| Rc::clone(core)),
            _ => None,
        };
        let waker = self.disarm(deadline, is_relative);
        if let (Some(core), Some(waker)) = (waiting, waker) {
            let deadline = core.clock.count(deadline);
            let key = core.arm(deadline, waker);
            trace!(TimerArmed { timer: key, deadline: deadline } at self._at);
            self.timer = Timer::Armed { core, key, is_relative };
        }
    }

    /// Sets a deadline, and arms no timer for it. Gives the waker of the old timer, for the caller to drop.
    fn disarm(&mut self, deadline: Instant, is_relative: bool) -> Option<Waker> {
        self.deadline = deadline;
        match mem::replace(&mut self.timer, Timer::Instant) {
            Timer::Armed { core, key, .. } => {
                let waker = release(&core, key);
                if is_relative {
                    self.timer = Timer::Relative(core);
                }
                Some(waker)
            }
            Timer::Relative(core) if is_relative => {
                self.timer = Timer::Relative(core);
                None
            }
            _ => None,
        }
    }

    /// Sets the next deadline, by the same clock. The next poll arms a timer for it.
    fn go_on_to(&mut self, deadline: Instant) {
        let is_relative = !matches!(self.timer, Timer::Instant | Timer::Armed { is_relative: false, .. });
        drop(self.disarm(deadline, is_relative));
    }

    /// Moves it to the loop `here`, if it is not there.
    #[inline]
    fn come_to(&mut self, here: &Core) {
        match &self.timer {
            Timer::Instant => {}
            Timer::Relative(core) if ptr::eq(here, &**core) => {}
            _ => self.move_to(here),
        }
    }

    /// Moves it to the loop `here`. From now on, what is left of a duration counts by the clock of `here`.
    #[cold]
    fn move_to(&mut self, here: &Core) {
        let left = match &self.timer {
            Timer::Instant => return,
            Timer::Armed { is_relative: false, .. } => {
                drop(self.disarm(self.deadline, false));
                return;
            }
            Timer::Unbegun(nanos) => Duration::from_nanos(*nanos),
            Timer::Relative(core) | Timer::Armed { core, .. } => {
                self.deadline.saturating_duration_since(core.clock.now())
            }
        };
        drop(self.disarm(after(here.clock.now(), left), false));
        self.timer = Timer::Relative(here.share());
    }
}

impl Drop for Sleep {
    #[inline]
    fn drop(&mut self) {
        if let Timer::Armed { core, key, .. } = &self.timer {
            drop(release(core, *key));
        }
    }
}

/// Gives the key of a timer back to its loop. Gives the timer's waker to the caller, to be dropped.
fn release(core: &Core, key: u32) -> Waker {
    let waker = core.timers.borrow_mut().release(key);
    trace!(TimerDropped { timer: key });
    waker
}

impl Sleep {
    /// Polls without taking budget: a timeout must end also when the budget of the poll is spent.
    #[inline]
    fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // A timer that is armed in this loop stays. A timer of another loop moves here: that loop may never turn again.
        if let Timer::Armed { core, key, .. } = &self.timer
            && context::with(|here| ptr::eq(here, &**core)) == Some(true)
        {
            let fresh = cx.waker().clone();
            let mut timers = core.timers.borrow_mut();
            let Some(place) = timers.waiting(*key) else {
                drop(timers);
                // It has fired, or its loop is being dropped.
                assert!(!core.is_closing() || core.clock.count(self.deadline) <= core.clock.nanos(), "{CLOSING}");
                return Poll::Ready(());
            };
            let old = mem::replace(place, fresh);
            drop(timers);
            drop(old);
            return Poll::Pending;
        }
        context::current("a timer", |here| {
            self.come_to(here);
            let deadline = here.clock.count(self.deadline);
            if deadline <= here.clock.nanos() {
                return Poll::Ready(());
            }
            // To clone a waker is foreign code, which may panic. So it comes before anything is taken from its place.
            self.arm(here, deadline, cx.waker().clone());
            Poll::Pending
        })
    }

    /// Arms a timer in the loop `here`.
    #[inline]
    fn arm(&mut self, here: &Core, deadline: u64, waker: Waker) {
        let key = here.arm(deadline, waker);
        trace!(TimerArmed { timer: key, deadline: deadline } at self._at);
        let (core, is_relative) = match mem::replace(&mut self.timer, Timer::Instant) {
            Timer::Relative(core) => (core, true),
            _ => (here.share(), false),
        };
        self.timer = Timer::Armed { core, key, is_relative };
    }

    /// Takes budget for a timeout that is over at its first poll. With none left it is armed, although its time is over:
    /// its next poll asks for none, and finds that it is over.
    #[cold]
    fn spend_at_once(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let spent = budget::spend(cx, |_| Poll::Ready(()));
        if spent.is_pending() {
            let waker = cx.waker().clone();
            context::current("a timer", |here| self.arm(here, here.clock.count(self.deadline), waker));
        }
        spent
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        budget::spend(cx, |cx| self.poll_due(cx))
    }
}

/// Lets `future` take at most `duration`, which counts from this call, as for [`sleep`]. asyncio's `wait_for`, tokio's
/// `timeout`.
///
/// Every poll polls the future first. So a future that is ready wins, even with a duration of zero.
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
pub fn timeout<F: IntoFuture>(duration: Duration, future: F) -> Timeout<F::IntoFuture> {
    Timeout { future: Some(future.into_future()), sleep: sleep(duration) }
}

/// The future of [`timeout`]; tokio's `Timeout`. It holds its future only once; an async function would hold it twice.
///
/// # Panics
/// When it is polled again after it was ready.
#[must_use = "futures do nothing unless awaited"]
pub struct Timeout<F> {
    /// `None` once it is over.
    future: Option<F>,
    sleep: Sleep,
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: `get_unchecked_mut` and `new_unchecked` ask that the future is not moved until it is dropped. Only
        // this pin reaches it, and passes it on as a pin; `set` drops it in its place. There is no other method and no
        // `Drop`, and a `Timeout` is `Unpin` only if its future is. The sleep is `Unpin` and may be moved.
        #[allow(unsafe_code, reason = "the projection from a timeout to its future")]
        let (mut future, sleep) = unsafe {
            let this = self.get_unchecked_mut();
            (Pin::new_unchecked(&mut this.future), &mut this.sleep)
        };
        let running = future.as_mut().as_pin_mut();
        let running = running.expect("a Timeout was polled after it was ready: await it once");
        let result = match running.poll(cx) {
            Poll::Ready(value) => Ok(value),
            Poll::Pending => {
                // The end takes budget: a task that tries again and again, and gives no time, has to let the others run.
                // But a timeout that has waited comes also when none is left.
                let has_waited = matches!(sleep.timer, Timer::Armed { .. });
                ready!(sleep.poll_due(cx));
                if !has_waited {
                    ready!(sleep.spend_at_once(cx));
                } else {
                    budget::take(); // It may be the last, or one more.
                }
                Err(Elapsed(()))
            }
        };
        future.set(None);
        Poll::Ready(result)
    }
}

impl<F> fmt::Debug for Timeout<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeout").field("sleep", &self.sleep).finish_non_exhaustive()
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
