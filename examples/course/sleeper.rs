//! A task that awaits a sleep, and its wakers. Whoever uses one looks at what the answer's list of timers does meanwhile.

use crate::run::{Run, broken};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::task::Wake;
use std::thread;

/// Nanoseconds of a millisecond.
pub const MS: u64 = 1_000_000;

/// An hour.
const HOUR: u64 = 3_600_000 * MS;

/// A time as one reads it.
pub(crate) fn ms(nanos: u64) -> String {
    let ms = |nanos: u64| format!("{} ms", nanos as f64 / MS as f64);
    match (nanos / HOUR, nanos % HOUR) {
        (0, _) => ms(nanos),
        (hours, 0) => format!("{hours} h"),
        (hours, rest) => format!("{hours} h + {}", ms(rest)),
    }
}

/// A task that awaits a sleep.
#[derive(Debug)]
pub(crate) struct Sleeper {
    pub(crate) number: u32,
    pub(crate) wakes: AtomicU64,
    /// Whether the list of timers is borrowed.
    pub(crate) is_borrowed: fn() -> bool,
    /// Which sleep it awaits, or did.
    pub(crate) nap: usize,
    /// The deadline of that sleep.
    pub(crate) deadline: u64,
    /// While the loop calls `fire`: at what time.
    pub(crate) fires: Arc<AtomicU64>,
}

/// Nobody calls `fire`.
pub(crate) const NEVER: u64 = u64::MAX;

/// One waker of a task. Whoever wakes it or drops it runs the code of others: it looks at the list then.
pub(crate) struct Ear(pub(crate) Arc<Sleeper>);

impl Wake for Ear {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let task = self.0.number;
        Run::current().tell("Wake", task, format!("task {task}"));
        self.0.wakes.fetch_add(1, SeqCst);
        self.0.is_used("used");
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.0.is_used("dropped");
    }
}

impl Sleeper {
    /// One of its wakers is used: nobody may have borrowed the list meanwhile.
    fn is_used(&self, how: &str) {
        if (self.is_borrowed)() && !thread::panicking() {
            let now = self.fires.load(SeqCst);
            // A wake was told. And what was right before it is not what is wrong.
            if how == "dropped" {
                Run::current().tell("WakerDrop", self.number, format!("a waker of task {}", self.number));
            }
            if how == "dropped" && now < self.deadline {
                let says = format!(
                    "It is {}, and fire has taken out the timer of task {}, which waits until {}. It has dropped its waker, \
                     too: that may run any code, and the list is still borrowed.",
                    ms(now),
                    self.number,
                    ms(self.deadline)
                );
                broken("no waker is used in the list", says, None)
            }
            let says = format!(
                "A method of your list has {how} the waker of task {}. That may run any code, which may make a sleep or \
                 drop one, and the list is still borrowed. Return the waker: the caller uses it.",
                self.number
            );
            broken("no waker is used in the list", says, None)
        }
    }
}
