//! The check of lesson 0: a machine is polled by hand, with naps of any length, and each nap and each line tells what
//! becomes of it. What has to come is what the compiler's own machine does.
#![allow(dead_code, unused_imports, unused_macros)]

use course::{Broken, Dice, Judged, Run, broken, watch};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

// In a check this macro tells the step.
macro_rules! say {
    ($($step:tt)*) => { course::say!($($step)*) };
}

// The exercise has arms with one pattern on the way.
#[allow(clippy::match_single_binding, clippy::single_match, clippy::never_loop)]
#[path = "exercise.rs"]
mod by_hand;

/// The lines of the body, in order.
const LINES: [&str; 3] = ["the body begins", "after the first nap", "after the second nap"];

/// Arguments for the body. The output is their length.
const NAMES: [&str; 5] = ["Al", "Ben", "Cleo", "Diana", "Edward"];

/// The most polls at which a nap is pending.
const MOST: u64 = 4;

/// What the check knows of the machine at work.
#[derive(Default)]
struct Desk {
    name: &'static str,
    /// How often the naps to come are pending.
    pendings: VecDeque<u64>,
    /// The naps that were made, and those that are not dropped yet.
    made: usize,
    alive: usize,
    /// The naps that have said Ready.
    over: usize,
    /// The lines that were told.
    told: usize,
    /// The nap that has said Pending in this poll.
    pending: Option<usize>,
    /// The waker of this poll.
    waker: Option<Waker>,
}

thread_local! {
    static DESK: RefCell<Desk> = RefCell::default();
}

/// Changes what the check knows. No call of the answer's is made meanwhile.
fn desk<T>(change: impl FnOnce(&mut Desk) -> T) -> T {
    DESK.with_borrow_mut(change)
}

/// A future that is pending as often as the program says.
pub struct Nap {
    /// 1 or 2.
    number: usize,
    left: u64,
    is_over: bool,
}

impl Default for Nap {
    fn default() -> Nap {
        let (number, left) = desk(|desk| {
            desk.made += 1;
            desk.alive += 1;
            (desk.made, desk.pendings.pop_front())
        });
        Run::current().tell_here("Nap", 0, format!("nap {number} is made"));
        let Some(left) = left else {
            broken(
                "a nap begins once",
                "The body has two naps, and a third one was made: the nap before is lost.",
                None,
            )
        };
        Nap { number, left, is_over: false }
    }
}

impl Future for Nap {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let number = self.number;
        let (pending, waker) = desk(|desk| (desk.pending, desk.waker.clone()));
        let is_pending = self.left > 0;
        let answer = if is_pending { "Pending" } else { "Ready" };
        Run::current().tell_here("ChildPoll", 0, format!("nap {number}: {answer}"));
        if self.is_over {
            broken("no poll after Ready", format!("Nap {number} was polled again after it had said Ready."), None);
        }
        if pending == Some(number) {
            let says = format!(
                "Nap {number} has said Pending, and in the same poll it was asked again. Who asks in a loop keeps the \
                 thread, and nothing else can run on it."
            );
            broken("a pending nap is asked once a poll", says, None);
        }
        if waker.is_some_and(|waker| !waker.will_wake(cx.waker())) {
            let says = format!(
                "Nap {number} was polled with another waker than the machine: whoever ends the nap does not wake the \
                 machine's task."
            );
            broken("the nap gets the waker of the poll", says, None);
        }
        if is_pending {
            self.left -= 1;
            cx.waker().wake_by_ref();
            desk(|desk| desk.pending = Some(number));
            return Poll::Pending;
        }
        self.is_over = true;
        desk(|desk| desk.over += 1);
        Poll::Ready(())
    }
}

impl Drop for Nap {
    fn drop(&mut self) {
        // After a broken rule nobody counts any more.
        let _ = DESK.try_with(|desk| desk.try_borrow_mut().map(|mut desk| desk.alive -= 1));
    }
}

/// The body of the machine tells a line.
fn tell(name: &str, what: &str) {
    Run::current().tell_here("Line", 0, what.to_owned());
    let (expected, told, over) = desk(|desk| {
        desk.told += 1;
        (desk.name, desk.told - 1, desk.over)
    });
    match LINES.iter().position(|line| *line == what) {
        None => broken("each line once, in order", format!("The body has no line \"{what}\"."), None),
        Some(index) if index < told => {
            let says = format!("The body told \"{what}\" for the second time: it does not keep where it stands.");
            broken("each line once, in order", says, None)
        }
        Some(index) if index > told => {
            broken("each line once, in order", format!("The line \"{}\" was left out.", LINES[told]), None)
        }
        Some(index) if index > over => {
            let says = format!("The body goes on with \"{what}\", and nap {index} has not said Ready.");
            broken("an await waits for Ready", says, None)
        }
        Some(_) if name != expected => {
            broken("the variables are kept", format!("The name was {expected}, and now it is {name}."), None)
        }
        Some(_) => {}
    }
}

/// A waker that only counts. It is not equal to another one.
#[derive(Default)]
struct Counts(AtomicUsize);

impl Wake for Counts {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// The place of a machine, in words.
fn place(machine: &by_hand::TwoNaps) -> &'static str {
    match machine {
        by_hand::TwoNaps::Start { .. } => "Start",
        by_hand::TwoNaps::FirstNap { .. } => "FirstNap",
        by_hand::TwoNaps::SecondNap { .. } => "SecondNap",
        by_hand::TwoNaps::Done => "Done",
    }
}

/// Checks the answer.
pub fn main() {
    course::run(0, program)
}

/// One program: one machine, from its start to its end.
fn program(dice: &mut Dice, number: u64, size: f64) -> Judged {
    let most = (size * MOST as f64).ceil() as u64;
    // The smallest are always the same.
    let pendings = match number {
        1 => [0, 0],
        2 => [1, 0],
        3 => [0, 1],
        4 => [2, 2],
        _ => [dice.roll(0..=most), dice.roll(0..=most)],
    };
    let name = *dice.pick(&NAMES);
    let outcome = watch(move || {
        desk(|desk| *desk = Desk { name, pendings: pendings.into(), ..Desk::default() });
        drive(name);
    });
    Judged::new(outcome, &(), sleeps).spinning_says(
        "a poll comes back",
        "20 ms of processor time, and the poll does not come back: the thread can do nothing else meanwhile.",
    )
}

/// Polls a machine to its end, and once more.
fn drive(name: &'static str) {
    let run = Run::current();
    let mut machine = pin!(by_hand::TwoNaps::Start { name });
    for poll in 1.. {
        let counts = Arc::<Counts>::default();
        let waker = Waker::from(Arc::clone(&counts));
        desk(|desk| (desk.pending, desk.waker) = (None, Some(waker.clone())));
        run.tell("PollBegin", 0, format!("poll {poll}"));
        let polled = machine.as_mut().poll(&mut Context::from_waker(&waker));
        run.tell_answer(0, &polled);
        let (told, pending) = desk(|desk| (desk.told, desk.pending));
        // A nap that says Pending has used it once.
        if counts.0.load(SeqCst) > usize::from(pending.is_some()) {
            let says = "The machine has used the waker itself. So it is polled at once, and again, whether its nap is over or \
                        not: on a loop that is a spin. Whoever ends the nap wakes.";
            broken("the machine wakes nobody", says, None);
        }
        match polled {
            Poll::Pending => goes_on(place(&machine), told, pending),
            Poll::Ready(_) if told < LINES.len() => {
                let says = format!("The machine is ready, and the body has not told \"{}\".", LINES[told]);
                broken("each line once, in order", says, None);
            }
            Poll::Ready(letters) if letters != name.len() => {
                let says = format!("The output is {letters}; {name} has {} letters.", name.len());
                broken("the variables are kept", says, None);
            }
            Poll::Ready(_) => break,
        }
    }
    let (stands, alive) = (place(&machine), desk(|desk| desk.alive));
    if stands != "Done" || alive > 0 {
        run.tell("Place", 0, stands);
        let says =
            format!("The machine is ready and stands in {stands}. What it awaited is over: naps still held: {alive}.");
        broken("what is over is gone", says, None);
    }
    let again = || machine.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    run.tell("PollBegin", 0, "after Ready");
    if catch_unwind(AssertUnwindSafe(again)).is_ok() {
        run.tell("PollEnd", 0, "no panic");
        let says = "The machine was polled again after it was ready. That is a mistake of whoever polls: panic, as the \
                    compiler's machines do. An answer would hide it.";
        broken("no poll after Ready", says, None);
    }
}

/// The machine has said Pending.
fn goes_on(stands: &'static str, told: usize, pending: Option<usize>) {
    let Some(number) = pending else {
        let says = "The machine says Pending, and no nap has said so in this poll: what does it wait for? A poll goes on as \
                    far as it can.";
        broken("Pending needs a reason", says, None)
    };
    let expected = if number == 1 { "FirstNap" } else { "SecondNap" };
    if stands != expected || told != number {
        Run::current().tell("Place", 0, stands);
        let says = format!("The body waits for nap {number}. It should stand in {expected}, and stands in {stands}.");
        broken("it stands where it stopped", says, None);
    }
}

/// A poll that sleeps.
fn sleeps(_: &Run) -> Broken {
    let says = "The poll sleeps. Nothing else can run on this thread then, not even what ends the nap. Say Pending.";
    Broken { rule: "a poll does not sleep", says: says.to_owned(), missing: Some("PollEnd") }
}
