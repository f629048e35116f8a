//! Jobs that an answer runs on other threads: each waits until the check lets it go, so that it ends in the moment that is
//! looked for.

use crate::run::{BETWEEN_LOOKS, Broken, Run, broken};
use crate::spy::{Moment, forget, once_at};
use crate::system::{Look, Thread};
use std::fs;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// So often it is asked whether another thread runs. If none did, nothing can come any more.
const QUIET: u32 = 10;

/// It is asked at each of so many naps, because the answer takes processor time; and not at the first ones.
const NAPS_A_LOOK: u32 = 5;

/// The longest nap.
const LONGEST: u32 = 10;

/// So long it is waited for threads that run. Elsewhere than on Linux nobody can tell.
const LONG: Duration = Duration::from_secs(1);

/// Waits until `is_so`, or until no thread that could make it so is left. Says whether it is so. The wait is the check's own:
/// it is no hang, and no spin.
///
/// # Panics
/// Outside of [`watch`](crate::watch()).
pub fn settles(mut is_so: impl FnMut() -> bool) -> bool {
    let run = Run::current();
    let _still_to_act = run.still_to_act();
    let (mut quiet, begin) = (0, Instant::now());
    for naps in 0_u32.. {
        if is_so() {
            return true;
        }
        if quiet == QUIET || begin.elapsed() >= LONG {
            break;
        }
        run.goes_on();
        thread::sleep(BETWEEN_LOOKS * (1 + naps / LONGEST).min(LONGEST));
        let looks = naps >= LONGEST && naps % NAPS_A_LOOK == 0;
        quiet += u32::from(looks && Look::is_known() && !Thread::another_runs());
    }
    is_so()
}

/// What the calling thread has used: how often it went to sleep by itself, and its processor time. Zero where the system does
/// not tell.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Used {
    pub(crate) sleeps: u64,
    pub(crate) cpu: Duration,
}

impl Used {
    /// Since the thread began.
    pub(crate) fn so_far() -> Used {
        // Not the number of times that it ran: who is stopped, or lets others run, does not sleep.
        let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
        let sleeps = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        let sleeps = sleeps.and_then(|number| number.trim().parse().ok()).unwrap_or_default();
        Used { sleeps, cpu: Thread::current().look().unwrap_or_default().cpu }
    }

    /// Since it had used so much.
    pub(crate) fn since(self, before: Used) -> Used {
        Used { sleeps: self.sleeps - before.sleeps, cpu: self.cpu.saturating_sub(before.cpu) }
    }
}

impl Run {
    /// From now on the steps of the rung's own parts are left out of the story: the answer is about something else.
    pub fn leaves_out_the_rung(&self) {
        self.without_the_rung.store(true, SeqCst);
    }

    /// The check does something by itself: the loop does not spin meanwhile.
    pub(crate) fn goes_on(&self) {
        self.told.fetch_add(1, SeqCst);
    }

    /// A look at the loop, if it sleeps in a poll.
    pub(crate) fn sleeps_in_poll(&self) -> Option<Look> {
        self.look().filter(|look| look.asleep && self.at_poll.load(SeqCst))
    }
}

/// A job, as the check sees it.
#[derive(Debug)]
pub struct Job {
    run: Arc<Run>,
    number: u32,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Where it was begun.
    thread: Option<Thread>,
    may_end: bool,
    is_over: bool,
    /// Its result is dropped.
    lost_its_result: bool,
    /// The first wake of its thread does not come back before the loop has polled.
    is_polled_in_wake: bool,
    has_polled: bool,
}

impl Job {
    /// One that nobody has begun. `number` is for what is told.
    ///
    /// # Panics
    /// Outside of [`watch`](crate::watch()).
    pub fn new(number: u32) -> Arc<Job> {
        Arc::new(Job { run: Run::current(), number, state: Mutex::default(), changed: Condvar::new() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the answer has to run: waits until it may end.
    ///
    /// # Panics
    /// On the loop's thread: that breaks a rule.
    pub fn work(self: &Arc<Job>) {
        let number = self.number;
        if self.run.is_on_loop() {
            self.run.tell_here("Job", number, "begins, on the loop's thread");
            let says = "The job runs on the loop's thread. It waits for what another task does, and that task has no poll \
                        before the job is over: both wait for ever.";
            broken("the job leaves the loop's thread", says, None);
        }
        // What panics here after the job is told to the run, and not to the terminal.
        self.run.enter();
        self.state().thread = Some(Thread::current());
        let state = self.changed.wait_while(self.state(), |state| !state.may_end);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        self.run.tell("JobEnd", number, "on another thread");
        state.is_over = true;
        forget(Moment::Wake);
        if state.is_polled_in_wake {
            let job = Arc::clone(self);
            once_at(Moment::Wake, move || job.waits_for_a_poll());
        }
    }

    /// It may end from now on.
    pub fn may_end(&self) {
        self.state().may_end = true;
        self.changed.notify_all();
    }

    /// It may end from now on, and its wake waits for [`has_polled`](Job::has_polled).
    pub fn may_end_and_be_polled(&self) {
        self.state().is_polled_in_wake = true;
        self.may_end();
    }

    /// The loop has polled.
    pub fn has_polled(&self) {
        self.state().has_polled = true;
    }

    /// Whether a thread has begun it.
    pub fn has_begun(&self) -> bool {
        self.state().thread.is_some()
    }

    /// Whether a thread has begun it, and sleeps in it.
    pub(crate) fn is_held(&self) -> bool {
        let state = self.state();
        state.thread.as_ref().is_some_and(|thread| thread.look().is_none_or(|look| look.asleep))
    }

    /// What it has given is dropped.
    pub(crate) fn has_lost_its_result(&self) {
        self.state().lost_its_result = true;
    }

    /// Whether what it has given is dropped.
    pub(crate) fn result_is_lost(&self) -> bool {
        self.state().lost_its_result
    }

    /// Lets it end, and comes back when its thread has ended, too, or sleeps: then it waits for a lock, and perhaps the
    /// caller of this function holds it.
    pub fn ends(&self) {
        if settles(|| self.has_begun()) {
            self.may_end();
            let mut before = None;
            settles(|| {
                let (is_over, now) = {
                    let state = self.state();
                    (state.is_over, state.thread.as_ref().and_then(Thread::look))
                };
                let sleeps = now.is_none_or(|look| look.asleep) && now == before;
                before = now;
                is_over && sleeps
            });
        }
        self.may_end();
    }

    /// The panic that came on its thread, beside the job's own.
    pub fn panicked(&self) -> Option<String> {
        self.run.panicked()
    }

    /// In the wake: the task may be polled before the wake has come back.
    fn waits_for_a_poll(&self) {
        let mut before = None;
        settles(|| {
            let now = self.run.sleeps_in_poll();
            let is_stuck = now.is_some() && now == before;
            before = now;
            if is_stuck && !self.state().has_polled {
                let says = "The thread of the job has woken the task, and the task was polled at once. The call of wake has \
                            not come back, and the poll sleeps: it waits for a lock that the job's thread holds, or for the \
                            thread's end.";
                let rule = "no poll waits for a wake";
                self.run.note_broken(Broken { rule, says: says.to_owned(), missing: Some("PollEnd") });
            }
            is_stuck || self.state().has_polled || self.run.is_over()
        });
    }
}
