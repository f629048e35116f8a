//! The watcher: runs a body on a thread of its own and says how it ended. A hang is diagnosed, not waited for.
//!
//! The watcher asks the system for the state of the thread. A loop *hangs* if its thread sleeps, slept all the time
//! between several looks, and no action of another thread is still to come ([`from_afar`](crate::from_afar)). A loop
//! *spins* if it takes processor time and none of the probes has anything to tell.

use crate::run::{BETWEEN_LOOKS, Broken, Run};
use crate::system::{Look, Thread};
use std::backtrace::Backtrace;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// A loop that slept for so long, with nobody left to wake it, hangs. Longer than a nap of the usual 1 ms, so that an
/// answer that naps is not taken for one that hangs.
const HANG: Duration = Duration::from_millis(2);

/// The same for a loop whose wakes are still under way and sleep, too: in a lock of the answer, or, on a machine that
/// is busy for long, in a lock of the allocator.
const STUCK: Duration = Duration::from_millis(100);

/// The same while any other thread of the process runs, as one of an earlier program may that has not ended yet: it may hold
/// a lock of the allocator. One that an answer has started may run for ever, so this has an end.
const BESIDE_OTHERS: Duration = Duration::from_secs(1);

/// Processor time without an event, after which a loop spins.
pub const SPIN: Duration = Duration::from_millis(20);

/// As much of it as the watcher believes between two looks. A machine that is itself a guest may be stopped by its host
/// while the loop is on the processor, and then counts the time of the stop as the loop's: up to 35 ms at once were seen, and
/// on a machine with much to do one stop after the other.
const SPIN_A_LOOK: Duration = Duration::from_millis(1);

/// Where the system does not tell the state of a thread: silence of this length is a hang.
const SILENCE: Duration = Duration::from_secs(1);

/// How a body ended.
#[derive(Debug)]
pub enum Outcome<R> {
    /// It returned.
    Done(R),
    /// It broke a rule that a probe holds.
    Broken(Broken),
    /// It panicked, with this message.
    Panicked(String),
    /// It sleeps, and nobody is left to wake it.
    Parked,
    /// It took [`SPIN`] of processor time without an event.
    Spins,
}

/// Runs `body` on a thread of its own, says how it ended, and returns what happened. The thread of a body that hangs or
/// spins is left alone: the process should end soon.
///
/// ```
/// use course::{Outcome, watch};
///
/// assert!(matches!(watch(|| 1 + 1).0, Outcome::Done(2)));
/// # #[cfg(target_os = "linux")]
/// assert!(matches!(watch(|| loop { std::thread::park() }).0, Outcome::<()>::Parked));
/// ```
///
/// # Panics
/// If the system has no thread left.
pub fn watch<R: Send + 'static>(body: impl FnOnce() -> R + Send + 'static) -> (Outcome<R>, Watched) {
    // The first look at a stack reads the tables of the whole program, and may take as long as a spin. It is not the
    // answer's: so it is taken before.
    static WARM: Once = Once::new();
    WARM.call_once(|| drop(Backtrace::force_capture()));
    let run = Arc::new(Run::new());
    let ended = Arc::new(Mutex::new(None));
    let watcher = thread::current();
    let (inside, result) = (Arc::clone(&run), Arc::clone(&ended));
    thread::spawn(move || {
        inside.enter();
        inside.is_looped_by_this_thread();
        let returned = panic::catch_unwind(AssertUnwindSafe(body));
        let cpu = Thread::current().look().unwrap_or_default().cpu;
        inside.end();
        *result.lock().unwrap_or_else(PoisonError::into_inner) = Some((returned, cpu));
        watcher.unpark();
    });

    let mut quiet = Quiet::new();
    loop {
        thread::park_timeout(BETWEEN_LOOKS);
        let returned = ended.lock().unwrap_or_else(PoisonError::into_inner).take();
        let ended_with = returned.as_ref().map(|(_, cpu)| *cpu);
        let outcome = match (run.broken(), returned) {
            (Some(broken), _) => Outcome::Broken(broken),
            (None, Some((Ok(value), _))) => Outcome::Done(value),
            (None, Some((Err(_), _))) => Outcome::Panicked(run.panicked().unwrap_or_default()),
            (None, None) => match quiet.look(&run) {
                Some(Ended::Parked) => {
                    run.hangs.store(true, SeqCst);
                    Outcome::Parked
                }
                Some(Ended::Spins) => Outcome::Spins,
                None => continue,
            },
        };
        run.end();
        return (outcome, Watched { run, cpu: ended_with.unwrap_or(quiet.cpu) });
    }
}

/// What is known of a body that was watched.
#[derive(Debug)]
pub struct Watched {
    /// What happened.
    pub run: Arc<Run>,
    /// The processor time of its thread.
    pub cpu: Duration,
}

/// How a loop can end without coming back.
enum Ended {
    Parked,
    Spins,
}

/// What the watcher remembers between two looks.
struct Quiet {
    /// Events when one last came, and when that was seen.
    told: u64,
    since: Instant,
    /// The loop's processor time at the last look.
    cpu: Duration,
    /// As much of it as is believed, since then.
    spent: Duration,
    /// The first looks of a row of equal ones at threads that sleep, and when it was.
    asleep: Option<(Vec<Option<Look>>, Instant)>,
}

impl Quiet {
    fn new() -> Quiet {
        let since = Instant::now();
        Quiet { told: 0, since, cpu: Duration::ZERO, spent: Duration::ZERO, asleep: None }
    }

    /// Takes note of the loop's processor time. True: it spins.
    fn spins(&mut self, cpu: Duration) -> bool {
        self.spent += cpu.saturating_sub(self.cpu).min(SPIN_A_LOOK);
        self.cpu = cpu;
        self.spent >= SPIN
    }

    fn look(&mut self, run: &Run) -> Option<Ended> {
        // Asked first: if the count stays the same, nothing came between this line and the same line of the next look.
        let told = run.told.load(SeqCst);
        // Asked before the loop is looked at: what a helper did before it ended, that look shows.
        let a_helper_runs = run.a_helper_runs();
        // What is still to come may be stuck in the answer itself; otherwise it will come.
        let outstanding = run.outstanding();
        let looks = run.looks();
        let will_come = outstanding > 0 && looks.len() == 1;
        let look = looks[0];
        if told != self.told {
            let cpu = look.map_or(self.cpu, |look| look.cpu);
            *self = Quiet { told, cpu, ..Quiet::new() };
            return None;
        }
        let Some(look) = look else {
            let is_silent = !Look::is_known() && self.since.elapsed() >= SILENCE;
            return is_silent.then_some(Ended::Parked);
        };
        if self.spins(look.cpu) {
            return Some(Ended::Spins);
        }
        let all_asleep = looks.iter().flatten().filter(|look| look.asleep).count() == looks.len();
        match &self.asleep {
            _ if will_come || !all_asleep => self.asleep = None,
            Some((before, when)) if *before == looks => {
                let hang = if outstanding > 0 { STUCK } else { HANG };
                let slept = when.elapsed();
                let is_alone = || !Thread::another_runs() || slept >= BESIDE_OTHERS;
                // Looked at once more: whoever ran may have woken the loop before that was asked.
                let hangs = slept >= hang && !a_helper_runs && is_alone() && run.looks() == looks;
                return hangs.then_some(Ended::Parked);
            }
            _ => self.asleep = Some((looks, Instant::now())),
        }
        None
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::{Outcome, Quiet, SPIN, watch};
    use crate::from_afar;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
    use std::thread;

    #[test]
    fn a_loop_that_nobody_will_wake_hangs() {
        assert!(matches!(watch(thread::park).0, Outcome::Parked));
    }

    #[test]
    fn a_loop_that_never_ends_spins() {
        #[expect(clippy::empty_loop, reason = "this is what is tested")]
        let (outcome, watched) = watch(|| loop {});
        assert!(matches!(outcome, Outcome::<()>::Spins));
        assert!(watched.cpu >= super::SPIN);
    }

    #[test]
    fn a_jump_of_the_processor_time_is_no_spin() {
        let mut quiet = Quiet::new();
        assert!(!quiet.spins(SPIN * 100), "a machine that was stopped");
        assert!(!quiet.spins(SPIN * 100 + SPIN / 2));
        let stops = (1..=12).map(|stop| SPIN * 101 + SPIN / 8 * stop);
        assert!(!stops.into_iter().any(|cpu| quiet.spins(cpu)), "a machine that is stopped again and again");
        let mut quiet = Quiet::new();
        let looks = (1..=1_000).map(|look| SPIN * 101 + SPIN / 100 * look);
        assert!(looks.into_iter().any(|cpu| quiet.spins(cpu)), "time that goes on and on");
    }

    #[test]
    fn a_wake_that_is_still_to_come_is_waited_for() {
        let body = || {
            let this = thread::current();
            from_afar(move || {
                crate::Run::current().wait_for_sleep();
                // Several times what a hang takes, in which nobody may call it a hang.
                thread::sleep(super::HANG * 5);
                this.unpark();
            });
            thread::park();
        };
        assert!(matches!(watch(body).0, Outcome::Done(())));
    }

    #[test]
    fn a_wake_that_never_comes_back_is_a_hang() {
        let body = || {
            from_afar(|| crate::Run::current().call(thread::park));
            thread::park();
        };
        assert!(matches!(watch(body).0, Outcome::Parked));
    }

    #[test]
    fn a_helper_that_has_acted_and_has_not_ended_is_waited_for() {
        let body = || {
            let (tell, hear) = std::sync::mpsc::channel();
            let begun = Arc::new(AtomicBool::new(false));
            let begins = Arc::clone(&begun);
            crate::Run::current().helper(move || {
                begins.store(true, SeqCst);
                let begin = std::time::Instant::now();
                while begin.elapsed() < super::HANG * 5 {}
                tell.send(()).unwrap();
            });
            // It naps: to ask on and on would be a spin, where other processes keep the helper from its first step.
            while !begun.load(SeqCst) {
                thread::sleep(super::HANG / 20);
            }
            hear.recv().unwrap();
        };
        assert!(matches!(watch(body).0, Outcome::Done(())));
    }

    #[test]
    fn a_thread_of_another_program_that_has_not_ended_is_waited_for() {
        let body = || {
            let (tell, hear) = std::sync::mpsc::channel();
            // It belongs to no run, and holds what the loop waits for.
            thread::spawn(move || {
                let begin = std::time::Instant::now();
                while begin.elapsed() < super::HANG * 20 {}
                tell.send(()).unwrap();
            });
            hear.recv().unwrap();
        };
        assert!(matches!(watch(body).0, Outcome::Done(())));
    }

    #[test]
    fn a_panic_is_told() {
        crate::run::silence_panics();
        let (outcome, _) = watch(|| panic!("no more tea"));
        assert!(matches!(outcome, Outcome::<()>::Panicked(text) if text.contains("no more tea")));
    }
}
