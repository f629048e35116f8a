//! A run: what happens while one program of a check is under way. Probes, helpers of other threads and the watcher
//! write into it; the verdict is read from it.

use crate::event::{Event, Place};
use crate::scope;
use crate::system::{Look, Thread};
use std::backtrace::Backtrace;
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::panic;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

/// Events that a run keeps: the first few, and then the last ones. A message shows the first two and the last few; an
/// answer that tells its steps for ever fills no memory.
const KEPT: usize = 256;
const KEPT_FROM_THE_BEGINNING: usize = 16;

/// Two looks at a sleeping thread are so far apart.
pub(crate) const BETWEEN_LOOKS: Duration = Duration::from_micros(100);

/// A rule that an answer broke.
#[derive(Debug, Clone, PartialEq)]
pub struct Broken {
    /// The rule, in a few words that do not change.
    pub rule: &'static str,
    /// What happened, in one or two sentences.
    pub says: String,
    /// The event that should have come next. `None`: the last event should not have come.
    pub missing: Option<&'static str>,
}

/// With this, [`broken`] leaves the loop of an answer.
struct Leave;

/// What happens in one program.
#[derive(Debug)]
pub struct Run {
    state: Mutex<State>,
    /// The thread that runs the answer's loop.
    thread: OnceLock<(Thread, thread::Thread)>,
    /// Actions of other threads that are still to come.
    afar: AtomicUsize,
    /// Events that the probes told. The answer cannot forge it.
    pub(crate) told: AtomicU64,
    /// A probe is at poll.
    pub(crate) at_poll: AtomicBool,
    /// The program is over.
    over: AtomicBool,
    /// The watcher has found out that the loop sleeps, with nobody left to wake it.
    pub(crate) hangs: AtomicBool,
    /// No probes: what is said is all that there is.
    pub(crate) has_no_probes: bool,
    /// Looks at the queue of a loop without probes.
    pub(crate) look: Option<crate::record::LookAtQueue>,
    began: Instant,
    /// What the rung's own parts say is left out.
    pub(crate) without_the_rung: AtomicBool,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) events: VecDeque<Event>,
    next: u64,
    turn: u64,
    /// Of a loop without probes nothing is left out.
    keeps_all: bool,
    broken: Option<Broken>,
    panicked: Option<String>,
    /// Other threads that are inside the answer's `wake`.
    callers: Vec<Thread>,
    /// All other threads that acted. Some may not have ended yet.
    helpers: Vec<Thread>,
}

impl State {
    /// Adds an event; its number.
    pub(crate) fn push(&mut self, event: Event) -> u64 {
        // What a probe sees after a rule was broken, as in the drops while the loop is left, is no part of the story.
        if self.broken.is_some() {
            return self.next;
        }
        self.next += 1;
        if self.events.len() == KEPT && !self.keeps_all {
            self.events.remove(KEPT_FROM_THE_BEGINNING);
        }
        let number = self.next;
        self.events.push_back(Event { number, turn: self.turn, ..event });
        number
    }

    /// The loop is about to park, and has parked since its last poll. What ended that sleep? If it was a token of a
    /// stranger, that was told. If it was the token of a wake, nobody has told it.
    pub(crate) fn tell_what_ended_the_park(&mut self, at: Duration) {
        let from = self.events.iter().rposition(|event| event.name == "PollBegin").unwrap_or(0);
        let count = |is: fn(&Event) -> bool| self.events.range(from..).filter(|event| is(event)).count();
        let parks = count(|event| event.name == "Park");
        let tokens = count(|event| event.name == "Token" && !event.note.starts_with("taken"));
        let is_at_park = self.events.iter().rfind(|event| !matches!(event.name, "Wake" | "Token"));
        let is_at_park = is_at_park.is_some_and(|event| event.name == "Park");
        let told = count(|event| event.name == "Token" && event.note.starts_with("the wake's"));
        if is_at_park && tokens < parks && told < count(|event| event.name == "Wake") {
            let note = Cow::Borrowed("the wake's: it ends the sleep");
            self.push(Event { note, at, ..Event::new("Token", Place::Nowhere) });
        }
    }
}

thread_local! {
    /// The run that this thread belongs to.
    static CURRENT: RefCell<Option<Arc<Run>>> = const { RefCell::new(None) };
}

impl Run {
    pub(crate) fn new() -> Run {
        Run {
            state: Mutex::default(),
            thread: OnceLock::new(),
            afar: AtomicUsize::new(0),
            told: AtomicU64::new(0),
            at_poll: AtomicBool::new(false),
            over: AtomicBool::new(false),
            hangs: AtomicBool::new(false),
            has_no_probes: false,
            look: None,
            began: Instant::now(),
            without_the_rung: AtomicBool::new(false),
        }
    }

    /// A run of a loop without probes: what it says is all that is known.
    pub(crate) fn without_probes(look: crate::record::LookAtQueue) -> Run {
        let state = Mutex::new(State { keeps_all: true, ..State::default() });
        Run { state, has_no_probes: true, look: Some(look), ..Run::new() }
    }

    /// The run of this thread, if it belongs to one.
    pub(crate) fn of_this_thread() -> Option<Arc<Run>> {
        CURRENT.try_with(|run| run.borrow().clone()).ok().flatten()
    }

    /// The run of this thread.
    ///
    /// # Panics
    /// Outside of [`watch`](crate::watch()).
    pub fn current() -> Arc<Run> {
        CURRENT.with_borrow(|run| run.clone()).expect("probes live inside `watch`")
    }

    /// This thread belongs to the run from now on.
    pub(crate) fn enter(self: &Arc<Run>) {
        CURRENT.set(Some(Arc::clone(self)));
    }

    /// This thread runs the answer's loop.
    pub(crate) fn is_looped_by_this_thread(&self) {
        let _ = self.thread.set((Thread::current(), thread::current()));
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A probe tells a step that the answer has called for: the message shows its line.
    #[track_caller]
    pub fn tell_here(&self, name: &'static str, task: u32, note: impl Into<Cow<'static, str>>) {
        let place = Place::Stack(Box::new(Backtrace::force_capture()));
        self.push(Event { task: Some(task), note: note.into(), ..Event::new(name, place) });
        self.told.fetch_add(1, SeqCst);
    }

    /// A probe tells a step.
    #[track_caller]
    pub fn tell(&self, name: &'static str, task: u32, note: impl Into<Cow<'static, str>>) {
        // Only in a poll is the answer on the stack.
        let place = match name.starts_with("Poll") {
            true => Place::Stack(Box::new(Backtrace::force_capture())),
            false => Place::Nowhere,
        };
        match name {
            "PollBegin" => self.at_poll.store(true, SeqCst),
            "PollEnd" => self.at_poll.store(false, SeqCst),
            _ => {}
        }
        let said_at = if name == "PollBegin" { scope::said_before() } else { None };
        let number = self.push(Event { task: Some(task), note: note.into(), said_at, ..Event::new(name, place) });
        match name {
            "PollBegin" => scope::poll_begins(number),
            "PollEnd" => scope::poll_ends(),
            "Wake" => scope::wakes(number),
            _ => {}
        }
        self.told.fetch_add(1, SeqCst);
    }

    /// A probe tells how a poll has ended.
    #[track_caller]
    pub fn tell_answer<T>(&self, task: u32, answer: &Poll<T>) {
        self.tell("PollEnd", task, if answer.is_ready() { "Ready" } else { "Pending" });
    }

    fn push(&self, event: Event) -> u64 {
        let mut state = self.state();
        state.push(Event { at: self.began.elapsed(), ..event })
    }

    /// The check calls a turn: the events from here on belong to it.
    pub fn turn_begins(&self) {
        self.state().turn += 1;
    }

    /// When it began.
    pub(crate) fn began(&self) -> Instant {
        self.began
    }

    /// Calls `f` with the events so far.
    pub fn with_events<T>(&self, f: impl FnOnce(&VecDeque<Event>) -> T) -> T {
        f(&self.state().events)
    }

    /// The events since the last poll of any task began, that one included; all if there was none.
    pub fn since_last_poll<T>(&self, f: impl FnOnce(&[&Event]) -> T) -> T {
        self.with_events(|events| {
            let from = events.iter().rposition(|event| event.name == "PollBegin").unwrap_or(0);
            f(&events.range(from..).collect::<Vec<_>>())
        })
    }

    /// Notes that a rule is broken. The first one counts.
    pub fn note_broken(&self, broken: Broken) {
        self.state().broken.get_or_insert(broken);
    }

    /// Whether a rule is broken already.
    pub fn is_refused(&self) -> bool {
        self.state().broken.is_some()
    }

    pub(crate) fn broken(&self) -> Option<Broken> {
        self.state().broken.clone()
    }

    pub(crate) fn note_panic(&self, message: String) {
        self.state().panicked.get_or_insert(message);
    }

    pub(crate) fn panicked(&self) -> Option<String> {
        self.state().panicked.clone()
    }

    pub(crate) fn outstanding(&self) -> usize {
        self.afar.load(SeqCst)
    }

    /// As long as it lives, somebody is still to act: a loop that sleeps is no hang.
    pub(crate) fn still_to_act(&self) -> impl Drop + '_ {
        self.afar.fetch_add(1, SeqCst);
        StillToAct(self)
    }

    pub(crate) fn end(&self) {
        self.over.store(true, SeqCst);
    }

    /// The program has ended, or is judged already.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(SeqCst) || self.state().broken.is_some()
    }

    /// What the system says about the thread of the loop. `None`: it says nothing, or the thread has ended.
    pub(crate) fn look(&self) -> Option<Look> {
        self.thread.get()?.0.look()
    }

    /// Whether this is the thread that runs the answer's loop.
    pub(crate) fn is_on_loop(&self) -> bool {
        self.thread.get().is_some_and(|(_, thread)| thread.id() == thread::current().id())
    }

    /// Another thread calls into the answer: if the call does not come back, the watcher shall see it.
    pub(crate) fn call(&self, wake: impl FnOnce()) {
        // What the answer says in this call belongs to the wake that was told last.
        let _inside = scope::of_the_wake();
        if self.is_on_loop() {
            return wake();
        }
        let this = Thread::current();
        self.state().callers.push(this.clone());
        wake();
        self.state().callers.retain(|caller| *caller != this);
    }

    /// Looks at the loop, and, if actions are still to come and all of them are inside the answer, at those.
    pub(crate) fn looks(&self) -> Vec<Option<Look>> {
        let outstanding = self.outstanding();
        let callers = self.state().callers.clone();
        let stuck = if callers.len() == outstanding { callers } else { Vec::new() };
        std::iter::once(self.look()).chain(stuck.iter().map(Thread::look)).collect()
    }

    /// Runs `act` on another thread that belongs to this run.
    pub(crate) fn helper(self: &Arc<Run>, act: impl FnOnce() + Send + 'static) {
        let run = Arc::clone(self);
        thread::spawn(move || {
            run.enter();
            run.state().helpers.push(Thread::current());
            act();
        });
    }

    /// Whether a thread that acted for this run is still running. It has nothing to do any more than to end, but that may
    /// hold a lock of the allocator, on a machine that is busy for long.
    pub(crate) fn a_helper_runs(&self) -> bool {
        let helpers = self.state().helpers.clone();
        helpers.iter().filter_map(Thread::look).any(|look| !look.asleep)
    }

    /// Gives the loop's thread a token that means nothing.
    pub fn stray_token(&self) {
        if let Some((_, thread)) = self.thread.get() {
            thread.unpark();
        }
    }

    /// Waits until the loop sleeps outside of a poll. `None`: the program is over before.
    pub fn wait_for_sleep(&self) -> Option<Look> {
        let mut before = None;
        while !self.is_over() {
            let now = self.look().filter(|look| look.asleep && !self.at_poll.load(SeqCst));
            if now.is_some() && now == before {
                return now;
            }
            // Elsewhere than on Linux nobody can tell: whoever waits for sleep waits for a moment.
            if !Look::is_known() {
                thread::sleep(Duration::from_millis(1));
                return Some(Look::default());
            }
            before = now;
            thread::sleep(BETWEEN_LOOKS);
        }
        None
    }
}

/// See [`Run::still_to_act`].
struct StillToAct<'a>(&'a Run);

impl Drop for StillToAct<'_> {
    fn drop(&mut self) {
        self.0.afar.fetch_sub(1, SeqCst);
    }
}

/// An action of another thread that is still to come: until it has ended, a loop that sleeps is no hang.
///
/// There is no handle to join it by. Whoever joined would sleep until the *thread* has ended, which is later than the
/// action, and would be taken for a hang in between. To wait for an action, let it send a message.
///
/// # Panics
/// Outside of [`watch`](crate::watch()).
pub fn from_afar(act: impl FnOnce() + Send + 'static) {
    let run = Run::current();
    run.afar.fetch_add(1, SeqCst);
    let of = Arc::clone(&run);
    of.helper(move || {
        // An answer's `wake` may panic.
        let acted = panic::catch_unwind(panic::AssertUnwindSafe(act));
        if acted.is_err() && run.broken().is_none() {
            let says = run.panicked().unwrap_or_default();
            run.tell("Panic", 0, "in wake");
            run.note_broken(Broken { rule: "no panic", says: format!("wake panicked: {says}."), missing: None });
        }
        run.afar.fetch_sub(1, SeqCst);
    });
}

/// A rule is broken: notes it, and leaves whatever loop the answer is in, by a panic.
///
/// # Panics
/// Always.
pub fn broken(rule: &'static str, says: impl fmt::Display, missing: Option<&'static str>) -> ! {
    Run::current().note_broken(Broken { rule, says: says.to_string(), missing });
    panic::panic_any(Leave)
}

/// From now on a panic inside a run prints nothing: its message goes into the report. A backtrace would take so much
/// processor time that the watcher would call it a spin.
pub(crate) fn silence_panics() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| match Run::of_this_thread() {
        Some(_) if info.payload().is::<Leave>() => {}
        Some(run) => {
            let payload = info.payload();
            let text = payload.downcast_ref::<&str>().copied();
            let text = text.or(payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no text)");
            let place = info.location().map(|at| format!(" ({}:{})", crate::event::file_name(at.file()), at.line()));
            run.note_panic(format!("\"{text}\"{}", place.unwrap_or_default()));
        }
        None => usual(info),
    }));
}

#[cfg(test)]
mod tests {
    use super::Run;
    use crate::said::said;
    use std::sync::Arc;

    /// The names of what is told.
    fn names(run: &Run) -> Vec<&'static str> {
        run.with_events(|events| events.iter().map(|event| event.name).collect())
    }

    #[test]
    fn what_ends_a_park_is_seen_before_the_next_one() {
        let run = Arc::new(Run::new());
        run.enter();
        let park = || said("Park", "exercise.rs", 33, Vec::new());
        // A wake in the poll leaves a token, which ends the first park. The second has none.
        run.tell("PollBegin", 0, "poll 1");
        run.tell("Wake", 0, "another thread");
        run.tell("PollEnd", 0, "Pending");
        (0..3).for_each(|_| park());
        assert_eq!(names(&run), ["PollBegin", "Wake", "PollEnd", "Park", "Token", "Park", "Park"]);
        // The token of a stranger was told.
        run.tell("PollBegin", 0, "poll 2");
        park();
        run.tell("Token", 0, "unpark, by a stranger");
        park();
        assert_eq!(names(&run)[7..], ["PollBegin", "Park", "Token", "Park"]);
    }

    #[test]
    fn a_run_keeps_how_it_began_and_what_came_last() {
        let run = Arc::new(Run::new());
        run.enter();
        run.tell("PollBegin", 0, "poll 1");
        (0..10_000).for_each(|_| said("Look", "exercise.rs", 33, Vec::new()));
        run.with_events(|events| {
            assert_eq!(events.len(), super::KEPT);
            assert_eq!((events[0].name, events[0].number), ("PollBegin", 1));
            assert_eq!(events.back().unwrap().number, 10_001);
        });
    }
}
