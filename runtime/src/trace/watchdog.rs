//! The watchdog of [`page`](super::page()): a thread that sees when the loop hangs, or is stuck in a poll, and leaves
//! the page.

use super::kind::Kind;
use super::log::{Doing, Events};
use super::page::Recording;
use super::record_if;
use crate::circle::core::Core;
use crate::circle::ready::Tasks;
use crate::circle::remote::{Errand, Message};
use crate::runtime::Runtime;
use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The environment variable for another patience, in seconds.
const PATIENCE: &str = "GLASSLOOP_PATIENCE";

/// So long the watchdog waits before it says something. A thread that answers after half of that is no hang.
const THREE_SECONDS: Duration = Duration::from_secs(3);

/// Runs until it is dropped.
pub(super) struct Watchdog {
    /// Tells the thread to end.
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    /// Begins to watch. Without a thread for it nobody watches, and the page is written at the end.
    pub(super) fn start(page: Arc<Recording>, runtime: &Runtime) -> Watchdog {
        let (patience, inbox) = (patience(), Arc::clone(&runtime.inbox));
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let watch = move || {
            let mut told = None;
            loop {
                // It may end early: then there is nothing new to see.
                thread::park_timeout(patience / 16);
                if stopped.load(Relaxed) {
                    return;
                }
                let doing = page.log.lock().doing;
                match doing {
                    Doing::Poll(seq, since) if since.elapsed() >= patience && told != Some(seq) => {
                        told = Some(seq);
                        page.write_now(&long_poll(&page, seq, patience));
                    }
                    Doing::Stuck(seq, since) if since.elapsed() >= patience && told != Some(seq) => {
                        told = Some(seq);
                        let report = move |core: &Core| report_hang(core, patience);
                        inbox.post(Message::Run(Errand::Hang, Box::new(report)));
                    }
                    _ => {}
                }
            }
        };
        let thread = thread::Builder::new().name("glassloop-watchdog".into()).spawn(watch);
        Watchdog { stop, thread: thread.ok() }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.stop.store(true, Relaxed);
            thread.thread().unpark();
            _ = thread.join();
        }
    }
}

/// How long the watchdog waits.
fn patience() -> Duration {
    let told = env::var(PATIENCE).ok().and_then(|seconds| seconds.trim().parse().ok());
    let told = told.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    told.filter(|patience| !patience.is_zero()).unwrap_or(THREE_SECONDS)
}

/// Who has been at poll for so long.
fn long_poll(page: &Recording, seq: u64, patience: Duration) -> String {
    let who = who(&page.log.lock(), seq);
    format!("one poll of {who} has taken {patience:?}, and nobody else has been polled")
}

/// What the loop does at this moment, for a page that is written in the middle.
pub(super) fn doing(events: &Events) -> String {
    let last = events.len().checked_sub(1).and_then(|seq| events.get(seq));
    match (events.doing, last.map(|event| &event.kind)) {
        (Doing::Poll(seq, _), _) => format!("in a poll of {}", who(events, seq)),
        (Doing::Stuck(..), _) => "while the loop sleeps, and nothing that it knows of can wake it".to_owned(),
        (Doing::Busy, Some(Kind::Park { .. })) => "while the loop sleeps".to_owned(),
        (Doing::Busy, _) => "between two polls".to_owned(),
    }
}

/// The name and the birth of the task whose poll this event begins.
fn who(events: &Events, seq: u64) -> String {
    let task =
        events.get(seq).and_then(|event| if let Kind::PollBegin { task } = event.kind { Some(task) } else { None });
    let born = events.iter().find_map(|event| match &event.kind {
        Kind::Spawn { task: it, name, .. } if Some(*it) == task => Some((name.clone(), event.program)),
        _ => None,
    });
    let (name, at) = born.unwrap_or_default();
    let who = name.map_or_else(|| format!("task {}", task.map_or(0, |task| task.0)), |name| name.to_string());
    let at = at.map_or(String::new(), |at| format!(" ({at})"));
    format!("{who}{at}")
}

/// Whether a loop that sleeps can be woken by nothing that it knows of.
pub(super) fn is_stuck(core: &Core) -> bool {
    core.clock.standing.get().is_none()
        && core.timers.borrow().next().is_none()
        && core.reactor.borrow().is_empty()
        && core.owed.borrow().is_empty()
        && !core.threads.is_somebody_outside()
}

impl Tasks {
    /// Whether a ticket stands in the queue.
    pub(crate) fn has_ready(&self) -> bool {
        self.next < self.batch.len() || !self.arrived.is_empty()
    }
}

/// On the loop's thread: the panic with the list of tasks, unless something has come meanwhile.
fn report_hang(core: &Core, patience: Duration) {
    if !is_stuck(core) || core.tasks.borrow().has_ready() || core.threads.waiting() > 0 {
        return;
    }
    record_if(file!(), line!(), None, Kind::quiescent);
    let list = core.tasks.borrow().list();
    panic!(
        "nothing can happen any more: for {patience:?} no task was ready, no timer was armed, no socket was registered, no \
         blocking job was under way and no message has come ({PATIENCE} sets how many seconds are waited). Look for a \
         wake-up that never comes in:{list}"
    );
}
