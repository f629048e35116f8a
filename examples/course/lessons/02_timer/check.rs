//! The check of lesson 2: a delay is polled by tasks in turn, and the check says when its alarm rings: before, between and
//! in the polls.
#![allow(dead_code, unused_imports, unused_macros, unused_variables)]

use course::{Broken, Dice, Judged, Moment, Run, Spy, broken, forget, meanwhile, once_at, watch};
use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

// In a check this macro tells the step.
macro_rules! say {
    ($($step:tt)*) => { course::say!($($step)*) };
}

#[path = "exercise.rs"]
mod time;

/// The alarm of the rung, without its thread: it rings when the program says so.
pub mod alarm {
    use super::{ALARMS, Ring};
    use course::Run;

    /// What calls a function later.
    pub struct Alarm;

    impl Alarm {
        /// Calls `ring` in so many milliseconds, on another thread.
        pub fn after(millis: u64, ring: impl FnOnce() + Send + 'static) {
            Run::current().tell_here("Alarm", 0, format!("set for {millis} ms"));
            let ring: Ring = Box::new(ring);
            ALARMS.with_borrow_mut(|alarms| alarms.push((millis, ring)));
        }
    }
}

/// What an alarm calls.
type Ring = Box<dyn FnOnce() + Send>;

/// What is polled in the middle of a wake.
type Polled = Pin<Box<time::Delay>>;

thread_local! {
    /// The alarms that were set.
    static ALARMS: RefCell<Vec<(u64, Ring)>> = const { RefCell::new(Vec::new()) };
    /// The delay, while it waits.
    static DELAY: RefCell<Option<Polled>> = const { RefCell::new(None) };
}

/// One step of a program.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Act {
    /// This task polls the delay.
    Poll(u32),
    /// This task polls it, and the alarm rings while the answer makes its copy of the waker.
    PollAndRing(u32),
    /// The alarm rings.
    Ring,
    /// The alarm rings, and who is woken polls at once, before `wake` has come back.
    RingAndPoll,
    /// The delay is dropped.
    Drop,
}

/// The tasks that poll.
const TASKS: u32 = 3;

/// Checks the answer.
pub fn main() {
    course::run(2, program)
}

/// One program: one delay.
fn program(dice: &mut Dice, number: u64, size: f64) -> Judged {
    use Act::{Drop, Poll, PollAndRing, Ring, RingAndPoll};
    // The smallest are always the same: what they refuse is easy to see. Then come dice.
    let acts = match number {
        1 => vec![Poll(1), Ring, Poll(1)],
        2 => vec![Ring, Poll(1)],
        3 => vec![Poll(1), Poll(2), Ring, Poll(2)],
        4 => vec![Poll(1), Poll(1), Ring, Poll(1)],
        5 => vec![PollAndRing(1), Poll(1)],
        6 => vec![Poll(1), RingAndPoll],
        7 => vec![Poll(1), Drop, Ring],
        _ => roll(dice, size),
    };
    let millis = if number < 8 { 5 } else { dice.roll(1..=1_000) };
    Judged::new(watch(move || drive(millis, &acts)), &(), sleeps).spinning_says(
        "a poll comes back",
        "20 ms of processor time, and nothing comes back: poll and ring look, do one thing, and return.",
    )
}

/// Any program: polls, and an alarm somewhere among them.
fn roll(dice: &mut Dice, size: f64) -> Vec<Act> {
    let polls = dice.roll(0..=(size * 5.0).ceil() as u64);
    let task = |dice: &mut Dice| dice.roll(1..=u64::from(TASKS)) as u32;
    let mut acts: Vec<Act> = (0..polls).map(|_| Act::Poll(task(dice))).collect();
    let last = task(dice);
    acts.extend(match dice.roll(1..=5) {
        1 => vec![Act::Drop, Act::Ring],
        2 => vec![Act::PollAndRing(last), Act::Poll(last)],
        3 => vec![Act::Poll(last), Act::RingAndPoll],
        _ => vec![Act::Ring, Act::Poll(last)],
    });
    acts
}

/// Puts the delay aside, or takes it.
fn delay<T>(change: impl FnOnce(&mut Option<Polled>) -> T) -> T {
    DELAY.with_borrow_mut(change)
}

/// What the check knows of a program at work.
#[derive(Default)]
struct Desk {
    spies: Vec<Spy>,
    ring: Option<Ring>,
    /// Who polled last, and got Pending.
    latest: Option<u32>,
    polls: u32,
    has_rung: bool,
    /// A poll has said Ready.
    is_over: bool,
}

fn drive(millis: u64, acts: &[Act]) {
    let made = Box::pin(time::sleep(millis));
    let ring = the_alarm(millis);
    delay(|place| *place = Some(made));
    let mut desk = Desk { spies: (1..=TASKS).map(Spy::new).collect(), ring: Some(ring), ..Desk::default() };
    for act in acts {
        match *act {
            Act::Poll(task) => desk.poll(task),
            Act::PollAndRing(task) => desk.poll_and_ring(task),
            Act::Ring => desk.rings(),
            Act::RingAndPoll => desk.ring_and_poll(),
            Act::Drop => desk.drops(),
        }
        // What was ready must not be polled again.
        if desk.is_over {
            break;
        }
    }
    desk.drops();
}

/// The one alarm that `sleep` has to set.
fn the_alarm(millis: u64) -> Ring {
    let mut alarms = ALARMS.take();
    let missing = if alarms.is_empty() { Some("Alarm") } else { None };
    let (last, is_one) = (alarms.pop(), alarms.is_empty());
    let says = match last {
        Some((set, ring)) if is_one && set == millis => return ring,
        Some((set, _)) if is_one => format!("sleep({millis}) has set its alarm for {set} ms."),
        Some(_) => format!("sleep({millis}) has set more than one alarm."),
        None => format!("sleep({millis}) has set no alarm. The time counts from this call on."),
    };
    broken("sleep sets one alarm", says, missing)
}

impl Desk {
    fn wakes(&self, task: u32) -> u64 {
        self.spies[task as usize - 1].wakes()
    }

    fn holders(&self, task: u32) -> usize {
        self.spies[task as usize - 1].holders()
    }

    /// A task with wakes, other than this one.
    fn woken(&self, but: u32) -> Option<u32> {
        (1..=TASKS).find(|&other| other != but && self.wakes(other) > 0)
    }

    /// One poll, and nothing judged but that nobody was woken in it.
    fn ask(&mut self, task: u32) -> Poll<()> {
        self.polls += 1;
        Run::current().tell("PollBegin", task, format!("poll {}, by task {task}", self.polls));
        let waker = self.spies[task as usize - 1].waker();
        let mut polled = delay(Option::take).expect("it is polled before it is dropped");
        let answer = polled.as_mut().poll(&mut Context::from_waker(&waker));
        delay(|place| *place = Some(polled));
        answer
    }

    /// The answer to a poll is told.
    fn note(&mut self, task: u32, answer: Poll<()>) {
        Run::current().tell_answer(task, &answer);
        self.is_over = answer.is_ready();
    }

    fn poll(&mut self, task: u32) {
        let answer = self.ask(task);
        if !self.has_rung && self.woken(0).is_some() {
            let says = format!(
                "Task {task} was woken in its poll, and the alarm has not rung. It is polled again at once, and again: \
                 that is a spin."
            );
            broken("no wake before the alarm", says, None);
        }
        self.note(task, answer);
        self.judge(task);
    }

    /// Judges the answer to a poll, before which the alarm has either rung or not.
    fn judge(&mut self, task: u32) {
        let says = match (self.has_rung, self.is_over) {
            (true, true) => return,
            (true, false) => "The alarm has rung, and the poll says Pending.",
            (false, true) => {
                "The alarm has not rung, and the poll says Ready. A poll is no proof of a ring: look at what the alarm has \
                 noted."
            }
            (false, false) => {
                self.keeps(task);
                return self.latest = Some(task);
            }
        };
        broken("Ready when the alarm has rung", says, None)
    }

    /// A Pending keeps the waker of this poll.
    fn keeps(&self, task: u32) {
        if self.holders(task) > 0 {
            return;
        }
        let other = (1..=TASKS).find(|&other| self.holders(other) > 0);
        let says = match other {
            None => "The poll says Pending, and nobody holds the waker: who is to wake this task?".to_owned(),
            Some(other) => format!(
                "Task {task} has polled, and what is kept is the waker of task {other}. The future is another's now: \
                 task {task} would never be woken."
            ),
        };
        broken("Pending keeps the waker of this poll", says, None)
    }

    fn take_ring(&mut self) -> Ring {
        self.has_rung = true;
        self.ring.take().expect("an alarm rings once")
    }

    /// The alarm rings between two polls.
    fn rings(&mut self) {
        let ring = self.take_ring();
        Run::current().tell("Ring", 0, "the time is over");
        ring();
        match (self.latest, self.woken(0)) {
            (Some(latest), _) => self.woke(latest),
            (None, Some(task)) => broken("no wake before a poll", format!("Task {task} was woken for nothing."), None),
            (None, None) => {}
        }
    }

    /// Exactly the task that polled last was woken, once.
    fn woke(&self, latest: u32) {
        // An answer may wake by a thread of its own, which gets a moment.
        let moment = std::time::Duration::from_micros(100);
        (0..200).take_while(|_| self.wakes(latest) == 0).for_each(|_| std::thread::sleep(moment));
        let (wakes, other) = (self.wakes(latest), self.woken(latest));
        let says = match (wakes, other) {
            (1, None) => return,
            (0, None) => format!("The alarm has rung, and task {latest} is not woken: it waits for ever."),
            (0, Some(other)) => {
                format!("Task {other} was woken. But task {latest} has polled last: the future is its own now.")
            }
            (_, Some(other)) => {
                Run::current().tell("Extra", other, format!("task {other} was woken"));
                format!("Task {other} was woken, too. It has given the future away: one poll more, for nothing.")
            }
            (wakes, None) => format!("Task {latest} was woken {wakes} times by one ring."),
        };
        broken("the ring wakes who polled last", says, if (wakes, other) == (0, None) { Some("Wake") } else { None })
    }

    /// The alarm rings on another thread while the answer makes its copy of the waker.
    fn poll_and_ring(&mut self, task: u32) {
        let (ring, begun) = (Rc::new(RefCell::new(self.ring.take())), Rc::new(RefCell::new(None)));
        let (rings, begins) = (Rc::clone(&ring), Rc::clone(&begun));
        once_at(Moment::Clone, move || {
            let ring = rings.take().expect("an alarm rings once");
            Run::current().tell("Ring", 0, "now, on another thread");
            begins.replace(Some(meanwhile(ring)));
        });
        let answer = self.ask(task);
        self.note(task, answer);
        let Some(begun) = begun.take() else {
            // It has made no copy. So the alarm rings afterwards.
            forget(Moment::Clone);
            self.ring = ring.take();
            self.judge(task);
            return self.rings();
        };
        self.has_rung = true;
        begun.wait();
        if !self.is_over && self.wakes(task) == 0 {
            let says = "The alarm rang in the middle of the poll: after the look, before the waker was kept. The poll \
                        says Pending, and nobody is left to wake the task. Look and keep under one lock.";
            broken("no wake is lost", says, Some("Wake"));
        }
    }

    /// The alarm rings, and who is woken polls at once.
    fn ring_and_poll(&mut self) {
        let ring = self.take_ring();
        let task = self.latest.expect("a task has polled before");
        let waker = self.spies[task as usize - 1].waker();
        let answer = Rc::new(RefCell::new(None));
        let answers = Rc::clone(&answer);
        once_at(Moment::Wake, move || {
            Run::current().tell("PollBegin", task, "at once, in wake");
            let mut polled = delay(Option::take).expect("it is not dropped yet");
            let answer = polled.as_mut().poll(&mut Context::from_waker(&waker));
            delay(|place| *place = Some(polled));
            Run::current().tell_answer(task, &answer);
            answers.replace(Some(answer));
        });
        Run::current().tell("Ring", 0, "the time is over");
        ring();
        forget(Moment::Wake);
        let answer = answer.take();
        if answer == Some(Poll::Pending) {
            let says = "The ring has woken the task first, and noted afterwards that it has rung. The poll came between \
                        the two.";
            broken("Ready when the alarm has rung", says, None);
        }
        self.is_over = answer.is_some();
        self.woke(task);
    }

    /// The delay is dropped. Nobody holds a waker of a future that is gone.
    fn drops(&mut self) {
        let Some(dropped) = delay(Option::take) else { return };
        Run::current().tell("Drop", 0, "nobody waits any more");
        let before: Vec<u64> = (1..=TASKS).map(|task| self.wakes(task)).collect();
        drop((dropped, self.latest.take()));
        if let Some(task) = (1..=TASKS).find(|&task| self.holders(task) > 0) {
            let until = if self.has_rung { "" } else { ": by whom? What the alarm shares lives until it rings" };
            let says = format!("The delay is dropped, and a waker of task {task} is still held{until}.");
            broken("what is dropped holds nothing", says, None);
        }
        if let Some(task) = (1..=TASKS).find(|&task| self.wakes(task) > before[task as usize - 1]) {
            let says = format!("The drop of the delay has woken task {task} for nothing. Drop the waker, unused.");
            broken("a drop wakes nobody", says, None);
        }
    }
}

/// The answer sleeps, and nobody is left to wake it. Where?
fn sleeps(run: &Run) -> Broken {
    run.with_events(|events| {
        let last = |name: &str| events.iter().rposition(|event| event.name == name);
        let in_poll = last("PollBegin").is_some() && last("PollBegin") > last("PollEnd");
        let in_wake = in_poll && last("Wake").is_some() && last("Wake") < last("PollBegin");
        let (rule, says, missing) = match (in_wake, in_poll, last("Ring")) {
            (true, ..) => (
                "no lock is held in a wake",
                "The ring has woken the task, and the task was polled at once. The poll waits for the lock that the ring \
                 holds while it calls wake.",
                "PollEnd",
            ),
            (_, true, None) => (
                "a poll does not sleep",
                "The poll sleeps. Nothing else runs on this thread meanwhile. Keep the waker and say Pending.",
                "PollEnd",
            ),
            (_, _, Some(_)) => ("a lock is let go", "The ring waits for a lock that nobody gives back.", "Return"),
            _ => ("sleep comes back at once", "sleep itself sleeps. It makes a future and returns.", "Return"),
        };
        Broken { rule, says: says.to_owned(), missing: Some(missing) }
    })
}
