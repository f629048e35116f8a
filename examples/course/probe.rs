//! Probes: futures that follow a script and count. They see each poll and make each wake, so no answer can forge what
//! they know.

use crate::dice::Dice;
use crate::run::{BETWEEN_LOOKS, Broken, Run, broken, from_afar};
use crate::system::Look;
use crate::watch::SPIN;
use std::hint;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

/// A loop that naps wakes up again and again with nobody calling. So often, and it is called a nap.
const NAPS: u64 = 3;

/// For so many looks a probe watches the sleep of a loop, when it watches for naps.
const LOOKS_FOR_NAPS: u32 = 40;

/// How a probe that said Pending is woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// In its own poll.
    InPoll,
    /// Twice, in its own poll.
    Twice,
    /// By another thread, before its poll is over.
    BeforePollEnds,
    /// By another thread, when the system says that the loop sleeps.
    Asleep,
    /// By another thread, at any time.
    AnyTime,
    /// In its own poll; then the polled code parks, and so takes the token that `unpark` gave to the thread.
    TokenTaken,
}

/// All ways.
pub const WAYS: [Way; 6] = [Way::InPoll, Way::Twice, Way::BeforePollEnds, Way::Asleep, Way::AnyTime, Way::TokenTaken];

/// One Pending of a probe.
#[derive(Debug, Clone)]
pub struct Step {
    /// How it is woken afterwards.
    pub way: Way,
    /// The thread of the loop gets a token that means nothing.
    pub stray: bool,
    /// The probe watches how the loop sleeps before it wakes it.
    pub watches: bool,
    /// How long a thread that wakes at any time is busy before.
    pub delay: Duration,
}

/// What a probe does: one step a poll; then it is ready.
#[derive(Debug, Clone)]
pub struct Script {
    /// The steps.
    pub steps: Vec<Step>,
}

impl Script {
    /// A script with up to `most` steps.
    pub fn roll(dice: &mut Dice, most: u64) -> Script {
        let steps = (0..dice.roll(0..=most)).map(|_| Step {
            way: *dice.pick(&WAYS),
            stray: dice.one_in(3),
            watches: dice.one_in(30),
            delay: Duration::from_nanos(dice.roll(0..=200_000)),
        });
        Script { steps: steps.collect() }
    }
}

/// A future that follows a [`Script`] and then returns a value. It breaks off the program by [`broken`] when it is
/// polled without a wake, or after it was ready.
#[derive(Debug)]
pub struct Probe<T> {
    task: u32,
    steps: std::vec::IntoIter<Step>,
    /// `None`: it is done.
    value: Option<T>,
    polls: u64,
    /// Wakes since the last poll began.
    wakes: Arc<AtomicU64>,
}

impl<T> Probe<T> {
    /// A probe that follows `script` and returns `value`. `task` is its number in what is told.
    pub fn new(task: u32, script: Script, value: T) -> Probe<T> {
        Probe { task, steps: script.steps.into_iter(), value: Some(value), polls: 0, wakes: Arc::default() }
    }
}

impl<T: Unpin> Future for Probe<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let run = Run::current();
        let task = self.task;
        self.polls += 1;
        let polls = self.polls;
        run.tell("PollBegin", task, format!("poll {polls}"));
        if self.value.is_none() {
            broken("no poll after Ready", "The future was polled again after it had returned Ready.", None);
        }
        if self.wakes.swap(0, SeqCst) == 0 && polls > 1 {
            let says =
                format!("Poll {polls} came without a wake: nobody has called wake since poll {} began.", polls - 1);
            broken("a poll needs a wake", says, None);
        }
        let Some(step) = self.steps.next() else {
            run.tell("PollEnd", task, "Ready");
            return Poll::Ready(self.value.take().expect("looked at above"));
        };
        let call = Call { task, waker: cx.waker().clone(), wakes: Arc::clone(&self.wakes) };
        step.act(&run, call);
        run.tell("PollEnd", task, "Pending");
        Poll::Pending
    }
}

/// What it takes to wake a probe.
struct Call {
    task: u32,
    waker: Waker,
    wakes: Arc<AtomicU64>,
}

impl Call {
    /// Counted and told first: a poll that it leads to finds it.
    fn wake_by_ref(&self, who: &'static str) {
        self.wakes.fetch_add(1, SeqCst);
        let run = Run::current();
        run.tell("Wake", self.task, who);
        run.call(|| self.waker.wake_by_ref());
    }

    fn wake(self, who: &'static str) {
        self.wakes.fetch_add(1, SeqCst);
        let run = Run::current();
        run.tell("Wake", self.task, who);
        run.call(|| self.waker.wake());
    }
}

impl Step {
    /// Does what the script says, and sees to it that the waker is used.
    fn act(self, run: &Run, call: Call) {
        let Step { way, stray, watches, delay } = self;
        let task = call.task;
        match way {
            Way::InPoll => call.wake("in its own poll"),
            Way::Twice => {
                call.wake_by_ref("in its own poll");
                call.wake("in its own poll");
            }
            Way::BeforePollEnds => {
                // Not by a channel: that would park, and could take the token that is meant for the loop.
                let over = Arc::new(Over::default());
                let helpers = Arc::clone(&over);
                from_afar(move || {
                    // Also when it panics, which is told.
                    let _is_over = Ends(helpers);
                    call.wake("another thread");
                });
                over.wait();
            }
            Way::TokenTaken => {
                call.wake("in its own poll");
                // With a token of our own in its place, `park` comes back in any case. Then there is none.
                thread::current().unpark();
                thread::park();
                run.tell("Token", task, "taken by the polled code");
                return;
            }
            Way::Asleep => {
                from_afar(move || wake_a_sleeper(call, stray, watches));
                return;
            }
            Way::AnyTime => {
                from_afar(move || {
                    let until = Instant::now() + delay;
                    while Instant::now() < until {
                        hint::spin_loop();
                    }
                    call.wake("another thread");
                });
            }
        }
        if stray {
            run.tell("Token", task, "unpark, by a stranger");
            run.stray_token();
        }
    }
}

/// Whether an action of another thread is over.
#[derive(Default)]
struct Over {
    is_over: Mutex<bool>,
    changed: Condvar,
}

impl Over {
    fn wait(&self) {
        let mut is_over = self.is_over.lock().unwrap_or_else(PoisonError::into_inner);
        while !*is_over {
            is_over = self.changed.wait(is_over).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Says so when it is dropped.
struct Ends(Arc<Over>);

impl Drop for Ends {
    fn drop(&mut self) {
        *self.0.is_over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.changed.notify_one();
    }
}

/// Watches a loop that sleeps, and that nobody calls. True: it wakes up again and again, and that is noted as broken.
pub fn naps(run: &Run, task: u32, before: Look) -> bool {
    let looks = std::iter::from_fn(|| {
        thread::sleep(BETWEEN_LOOKS);
        if run.is_over() { None } else { run.look() }
    });
    let Some(times) = wakes_up(before, looks) else { return false };
    run.tell("Nap", task, "nobody has called");
    let says = format!(
        "The thread woke up {times} times while nobody called it: it naps and looks. Sleep until somebody calls."
    );
    run.note_broken(Broken { rule: "wait asleep", says, missing: None });
    true
}

/// How often a thread woke up in these looks, if that is more than once or twice. Only looks at a thread that sleeps count:
/// on a busy machine one that has woken up may wait for a processor for long, and it naps all the same.
fn wakes_up(before: Look, looks: impl Iterator<Item = Look>) -> Option<u64> {
    let mut asleep = 0;
    for now in looks {
        if now.runs >= before.runs + NAPS && now.cpu < before.cpu + SPIN {
            return Some(now.runs - before.runs);
        }
        asleep += u32::from(now.asleep);
        if asleep == LOOKS_FOR_NAPS {
            break;
        }
    }
    None
}

/// Wakes a loop when it sleeps; before that, looks whether it sleeps well.
fn wake_a_sleeper(call: Call, stray: bool, watches: bool) {
    let run = Run::current();
    let Some(mut before) = run.wait_for_sleep() else { return };
    if stray {
        run.tell("Token", call.task, "unpark, by a stranger");
        run.stray_token();
        let Some(again) = run.wait_for_sleep() else { return };
        before = again;
    }
    if watches && naps(&run, call.task, before) {
        return;
    }
    call.wake("another thread, the loop asleep");
}

/// A waker for leaves: counts how often it was woken, and tells whether somebody still holds it.
///
/// ```
/// use course::CountingWaker;
///
/// let counter = CountingWaker::new();
/// let waker = counter.waker();
/// waker.wake_by_ref();
/// assert_eq!((counter.wakes(), counter.holders()), (1, 1));
/// drop(waker);
/// assert_eq!(counter.holders(), 0);
/// ```
#[derive(Debug, Default)]
pub struct CountingWaker {
    count: Arc<Count>,
}

#[derive(Debug, Default)]
struct Count(AtomicU64);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl CountingWaker {
    /// One that nobody has woken.
    pub fn new() -> CountingWaker {
        CountingWaker::default()
    }

    /// A waker that counts here.
    pub fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.count))
    }

    /// How often one of its wakers was woken.
    pub fn wakes(&self) -> u64 {
        self.count.0.load(SeqCst)
    }

    /// How many wakers of it exist.
    pub fn holders(&self) -> usize {
        Arc::strong_count(&self.count) - 1
    }
}

#[cfg(test)]
mod tests {
    use super::{LOOKS_FOR_NAPS, Look, wakes_up};

    #[test]
    fn a_nap_is_found_out_on_a_busy_machine() {
        let look = |asleep, runs| Look { asleep, runs, ..Look::default() };
        // It sleeps for ten looks, and then waits for a processor for a hundred.
        let nap = |runs| (0..110).map(move |number| look(number < 10, runs));
        assert_eq!(wakes_up(look(true, 1), (1..=100).flat_map(nap)), Some(3));
        let mut looks = 0;
        let sleeps = std::iter::repeat_with(|| look(true, 1)).inspect(|_| looks += 1);
        assert_eq!(wakes_up(look(true, 1), sleeps), None);
        assert_eq!(looks, LOOKS_FOR_NAPS);
    }
}
