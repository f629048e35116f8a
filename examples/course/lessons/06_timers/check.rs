//! The check of lesson 6: sleeps are made, polled and dropped. The check is the loop and the clock: it asks for the next
//! deadline, lets the time pass, and fires what is due.
#![allow(dead_code, unused_imports, unused_macros, unused_variables)]

use course::{Broken, Dice, Judged, MS, Run, Sleeps, broken, watch};
use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::thread;
use std::time::Instant;

include!(concat!(env!("OUT_DIR"), "/06_timers/glue.rs"));

#[path = "exercise.rs"]
mod timers;

/// One step of a program. Sleeps are known by the order in which they were made, from 0.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// A sleep of so many nanoseconds is made. A new task will await it.
    Sleep(u64),
    /// Its task polls this one.
    Poll(usize),
    /// A new task takes it over, and polls it.
    HandOver(usize),
    /// It is dropped.
    Drop(usize),
    /// The loop looks at its timers at this time.
    Look(u64),
}

use Step::{Drop, HandOver, Look, Poll, Sleep};

/// An hour: more than 32 bits of nanoseconds.
const HOUR: u64 = 3_600_000 * MS;

/// Checks the answer.
pub fn main() {
    course::run(6, program)
}

/// One program: some sleeps on one loop.
fn program(dice: &mut Dice, number: u64, size: f64) -> Judged {
    // The smallest are always the same: what they refuse is easy to see. Then come dice.
    let steps = match number {
        1 => vec![Sleep(10 * MS), Poll(0), Look(10 * MS), Poll(0)],
        2 => vec![Sleep(20 * MS), Sleep(10 * MS), Poll(0), Poll(1), Look(10 * MS), Look(20 * MS)],
        3 => vec![Sleep(10 * MS), Poll(0), Look(4 * MS), Look(10 * MS - 1), Look(10 * MS), Poll(0)],
        4 => vec![Sleep(10 * MS), Sleep(10 * MS), Poll(0), Poll(1), Look(10 * MS), Poll(0), Poll(1)],
        5 => vec![Sleep(20 * MS), Sleep(10 * MS), Poll(0), Poll(1), Look(35 * MS), Poll(1), Poll(0)],
        6 => vec![Sleep(10 * MS), Sleep(10 * MS), Poll(0), Poll(1), HandOver(1), Look(10 * MS)],
        7 => vec![Sleep(10 * MS), Sleep(20 * MS), Poll(0), Poll(1), Drop(0), Look(20 * MS)],
        8 => vec![Sleep(10 * MS), Sleep(10 * MS), Poll(0), Poll(1), Drop(1), Look(10 * MS), Poll(0)],
        9 => vec![Sleep(10 * MS), Drop(0), Sleep(0), Look(0), Poll(1)],
        10 => return judge(|| keys(&[Arm(10 * MS), Fires(1), Arm(10 * MS), Arm(10 * MS), Released(2), Arm(10 * MS)])),
        // Long, and no whole microsecond.
        11 => vec![Sleep(HOUR + 900), Poll(0), Look(HOUR + 899), Look(HOUR + 900), Poll(0)],
        // One is taken out of the middle.
        12 => (1..=4)
            .map(|tens| Sleep(tens * 10 * MS))
            .chain((0..4).map(Poll))
            .chain([Drop(1), Look(10 * MS), Look(30 * MS), Look(40 * MS)])
            .collect(),
        // The list is empty, and one that has fired is not released.
        13 => return judge(|| keys(&[Arm(10 * MS), Arm(20 * MS), Fires(1), Released(2), Arm(10 * MS)])),
        _ => roll(dice, size),
    };
    judge(move || drive(&steps))
}

fn judge(body: impl FnOnce() + Send + 'static) -> Judged {
    Judged::new(watch(body), &(), |_| sleeps())
        .spinning_says("a call comes back", "20 ms of processor time, and a call of your list does not come back.")
}

/// What happens to a list without sleeps. Tasks have the numbers in which their timers are armed, from 1.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// A new task arms a timer, until this time.
    Arm(u64),
    /// The loop looks at 10 ms: the timer of this task is the first.
    Fires(usize),
    /// The sleep of this task is dropped.
    Released(usize),
}

use Act::{Arm, Fires, Released};

/// Timers that are armed when others have fired and were released: each has a key of its own until it is released. Whoever
/// still has the key of one that has fired would find the timer of another.
fn keys(acts: &[Act]) {
    let run = Run::current();
    let mut timers = timers::Timers::default();
    // By task. `None`: it is released.
    let mut keys: Vec<Option<timers::Key>> = Vec::new();
    for act in acts {
        match *act {
            Arm(deadline) => {
                let key = timers.arm(deadline, Waker::noop().clone());
                let task = keys.len() + 1;
                run.tell("Armed", task as u32 - 1, format!("by task {task}, key {key:?}"));
                if let Some(first) = keys.iter().position(|it| *it == Some(key)) {
                    let first = first + 1;
                    let says = format!(
                        "The timer of task {task} has the key {key:?}, and that of task {first} has it, too: it is not \
                         released. Task {first} finds the timer of another."
                    );
                    broken("no two timers have the same key", says, None);
                }
                keys.push(Some(key));
            }
            Fires(task) => {
                drop(timers.fire(10 * MS));
                run.tell("Fire", task as u32 - 1, format!("the timer of task {task}"));
            }
            Released(task) => {
                let key = keys[task - 1].take();
                drop(key.and_then(|key| timers.release(key)));
                run.tell("Dropped", task as u32 - 1, format!("the sleep of task {task}"));
            }
        }
    }
}

/// Any program. The sleeps have few different lengths, so that many end at one time.
fn roll(dice: &mut Dice, size: f64) -> Vec<Step> {
    let (mut steps, mut deadlines, mut now) = (Vec::new(), Vec::new(), 0);
    for _ in 0..dice.roll(2..=2 + (size * 30.0) as u64) {
        let any = |dice: &mut Dice| dice.roll(0..=deadlines.len() as u64 - 1) as usize;
        let step = match dice.roll(1..=10) {
            4..=6 if !deadlines.is_empty() => Poll(any(dice)),
            7 if !deadlines.is_empty() => HandOver(any(dice)),
            8 if !deadlines.is_empty() => Drop(any(dice)),
            9 | 10 if !deadlines.is_empty() => {
                // At a deadline, right before it, or at some time after it.
                let deadline: u64 = deadlines[any(dice)];
                let to = match dice.roll(1..=4) {
                    1 => deadline.saturating_sub(1),
                    2 => deadline + dice.roll(1..=12 * MS),
                    _ => deadline,
                };
                now = to.max(now);
                Look(now)
            }
            _ => {
                let nanos = 10 * MS * dice.roll(0..=5);
                deadlines.push(now + nanos);
                Sleep(nanos)
            }
        };
        steps.push(step);
    }
    let last = deadlines.iter().copied().max().unwrap_or(0).max(now);
    steps.extend([Look(last)]);
    steps.extend((0..deadlines.len()).map(Poll));
    steps
}

/// The loop that the check plays, with the answer's list in it.
struct Desk {
    core: Rc<run::Core>,
    sleeps: Sleeps,
    /// `None`: dropped, or Ready.
    futures: Vec<Option<Pin<Box<time::Sleep>>>>,
}

fn drive(steps: &[Step]) {
    let (messages, receiver) = crossbeam_channel::unbounded();
    let inbox = Arc::new(wake::Inbox { messages, parked: false.into(), thread: thread::current() });
    let (tasks, timers) = (Default::default(), Default::default());
    let clock = clock::Clock { start: Instant::now(), standing: Cell::new(Some(0)) };
    // Nobody posts to it, so it needs no place in the table.
    let core = Rc::new(run::Core { number: 0, tasks, timers, clock, messages: receiver, inbox });
    run::CURRENT.set(Rc::downgrade(&core));
    let is_borrowed = || run::current().is_some_and(|core| core.timers.try_borrow_mut().is_err());
    let mut desk = Desk { core, sleeps: Sleeps::new(is_borrowed), futures: Vec::new() };
    for step in steps {
        match *step {
            Sleep(nanos) => desk.sleep(nanos),
            Poll(number) => desk.poll(number),
            HandOver(number) => desk.hand_over(number),
            Drop(number) => desk.drops(number),
            Look(at) => desk.look(at),
        }
    }
    (0..desk.futures.len()).for_each(|number| desk.drops(number));
    desk.sleeps.next_is(desk.core.timers.borrow().next());
}

impl Desk {
    fn sleep(&mut self, nanos: u64) {
        self.sleeps.arms(self.core.clock.nanos() + nanos);
        self.futures.push(Some(Box::pin(time::sleep(Duration::from_nanos(nanos)))));
    }

    fn poll(&mut self, number: usize) {
        let Some(future) = &mut self.futures[number] else { return };
        let waker = self.sleeps.waker(number);
        let is_ready = future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
        drop(waker);
        self.sleeps.polled(number, is_ready);
        // What was ready must not be polled again.
        if is_ready {
            self.drops(number);
        }
    }

    fn hand_over(&mut self, number: usize) {
        if self.futures[number].is_some() {
            self.sleeps.hand_over(number);
            self.poll(number);
        }
    }

    fn drops(&mut self, number: usize) {
        let future = self.futures[number].take();
        if self.sleeps.drops(number) {
            drop(future);
            self.sleeps.dropped(number);
        }
    }

    fn look(&mut self, at: u64) {
        let at = at.max(self.core.clock.nanos());
        // The loop asks before it sleeps.
        self.sleeps.next_is(self.core.timers.borrow().next());
        self.core.clock.standing.set(Some(at));
        // The borrow ends before the wake.
        self.sleeps.look(at, || self.core.timers.borrow_mut().fire(at));
    }
}

/// The answer sleeps.
fn sleeps() -> Broken {
    let says = "A call of your list sleeps. The list only says how long; the loop sleeps.";
    Broken { rule: "a call comes back", says: says.to_owned(), missing: Some("return") }
}
