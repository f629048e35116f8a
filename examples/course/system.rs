//! What the system knows about a thread: does it sleep, how often did it run, how much processor time did it take.

use std::fs;
use std::sync::OnceLock;
use std::time::Duration;

/// A thread, by its number in the system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Thread {
    /// Its folder below `/proc`. `None` elsewhere than on Linux.
    folder: Option<String>,
}

/// One look at a thread. Two equal looks at a sleeping thread: it slept all the time between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Look {
    /// It waits for somebody.
    pub asleep: bool,
    /// How often it began to run.
    pub runs: u64,
    /// Its processor time.
    pub cpu: Duration,
}

impl Look {
    /// Whether this system tells anything about threads. Linux does.
    pub fn is_known() -> bool {
        static KNOWN: OnceLock<bool> = OnceLock::new();
        *KNOWN.get_or_init(|| Thread::current().look().is_some())
    }
}

impl Thread {
    /// The calling thread.
    pub(crate) fn current() -> Thread {
        let link = fs::read_link("/proc/thread-self").ok();
        Thread { folder: link.map(|link| format!("/proc/{}", link.display())) }
    }

    /// Whether a thread of this process other than the calling one runs, or waits for a processor.
    pub(crate) fn another_runs() -> bool {
        let this = Thread::current().folder.unwrap_or_default();
        let folders = fs::read_dir("/proc/self/task").into_iter().flatten().flatten().map(|entry| entry.file_name());
        let others =
            folders.filter_map(|name| name.into_string().ok()).filter(|name| !this.ends_with(&format!("/{name}")));
        let others = others.map(|name| Thread { folder: Some(format!("/proc/self/task/{name}")) });
        others.filter_map(|other| other.look()).any(|look| !look.asleep)
    }

    /// A look at it. `None`: it has ended, or the system does not tell.
    pub(crate) fn look(&self) -> Option<Look> {
        let folder = self.folder.as_ref()?;
        let stat = fs::read_to_string(format!("{folder}/stat")).ok()?;
        // The name, in brackets, may hold anything; the state is the first word after it.
        let state = stat.rsplit_once(") ")?.1.chars().next()?;
        let schedstat = fs::read_to_string(format!("{folder}/schedstat")).ok()?;
        // Processor time in nanoseconds, time in the run queue, number of times it ran.
        let mut numbers = schedstat.split_whitespace().map(str::parse::<u64>);
        let cpu = Duration::from_nanos(numbers.next()?.ok()?);
        let runs = numbers.nth(1)?.ok()?;
        Some(Look { asleep: state == 'S', runs, cpu })
    }
}
