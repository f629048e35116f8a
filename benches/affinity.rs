//! Which core a thread runs on, for every contestant and in every round the same.
//!
//! To wake a thread on another core takes the machine longer than everything a runtime does about it, above all on a
//! virtual machine. So what a runtime costs between threads is measured with both on one core; the other core is shown.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::cell::Cell;
use std::sync::OnceLock;

thread_local! {
    /// Where this thread was told to stay.
    static STAYS: Cell<Option<Core>> = const { Cell::new(None) };
}

/// Where a thread runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Core {
    /// On the core of the loop.
    Loops,
    /// On another, if there is one.
    Other,
    /// Wherever the system likes.
    Any,
}

impl Core {
    /// Keeps this thread there, and those that it will start. A system that does not pin threads measures all the same,
    /// with more noise.
    pub fn stay(self) {
        let cores = allowed();
        let cores = match self {
            Core::Loops => &cores[..1.min(cores.len())],
            Core::Other => &cores[cores.len().saturating_sub(1)..],
            Core::Any => cores,
        };
        let mut set = CpuSet::new();
        cores.iter().for_each(|&cpu| set.set(cpu));
        _ = sched_setaffinity(None, &set);
    }
}

impl Core {
    /// The same for a thread that hears of it with every job: only the first time is a call into the system.
    pub fn stay_from_now_on(self) {
        if STAYS.replace(Some(self)) != Some(self) {
            self.stay();
        }
    }
}

/// How many cores this process may use.
pub fn cores() -> usize {
    allowed().len()
}

/// Which ones, as it was started.
fn allowed() -> &'static [usize] {
    static ALLOWED: OnceLock<Vec<usize>> = OnceLock::new();
    ALLOWED.get_or_init(|| {
        let set = sched_getaffinity(None).unwrap_or_default();
        (0..CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect()
    })
}
