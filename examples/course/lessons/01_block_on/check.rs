//! The check of lesson 1: a future that is woken in six ways, with stray tokens between.
#![allow(dead_code, unused_imports, unused_macros)]

use course::{Broken, Dice, Judged, Probe, Run, Script, Step, Way, watch};
use std::rc::Rc;
use std::time::Duration;

include!(concat!(env!("OUT_DIR"), "/01_block_on/glue.rs"));

// The exercise has one arm until its first task is done.
#[allow(clippy::match_single_binding, clippy::single_match)]
#[path = "exercise.rs"]
mod run;

/// The most Pendings of a program.
const MOST: f64 = 8.0;

/// Checks the answer.
pub fn main() {
    course::run(1, program)
}

/// One program: one future, one loop.
fn program(dice: &mut Dice, number: u64, size: f64) -> Judged {
    // The smallest are always the same: what they refuse is easy to see. Then come dice.
    let one = |way, stray, watches| Script { steps: vec![Step { way, stray, watches, delay: Duration::ZERO }] };
    let script = match number {
        1 => Script { steps: Vec::new() },
        2 => one(Way::Asleep, false, false),
        3 => one(Way::Asleep, false, true),
        4 => one(Way::BeforePollEnds, false, false),
        5 => one(Way::Asleep, true, false),
        6 => one(Way::TokenTaken, false, false),
        _ => Script::roll(dice, (size * MOST).ceil() as u64),
    };
    let value = dice.next();
    let body = move || {
        // A future that borrows, and that cannot be sent to another thread: `block_on` has to take any.
        let output = Rc::new(value);
        **run::block_on(Probe::new(0, script, &output))
    };
    Judged::new(watch(body), &value, sleeps_through)
}

/// The loop sleeps, and nobody is left to wake it. What did it sleep through?
fn sleeps_through(run: &Run) -> Broken {
    run.since_last_poll(|events| {
        let find = |name: &str| events.iter().position(|event| event.name == name);
        let (wake, end) = (find("Wake"), find("PollEnd"));
        let (rule, says, missing) = match (find("PollBegin"), wake, end) {
            (None, _, _) => (
                "the first poll comes by itself",
                "The loop sleeps, and has not polled the future at all. Nobody can wake it: the future has no waker yet.",
                "PollBegin",
            ),
            (_, Some(_), None) => (
                "no wake is lost",
                "wake was called during the poll, and it does not come back: does it wait for a lock that the loop holds?",
                "PollEnd",
            ),
            (_, _, Some(end)) if events[end].note == "Ready" => (
                "the output is the future's",
                "The future is ready, and the loop sleeps: block_on does not return.",
                "return",
            ),
            (_, Some(_), Some(_)) if events.iter().any(|event| event.note == "taken by the polled code") => (
                "no wake is lost",
                "The future was woken in its own poll. Then the polled code took the thread's token, and the loop sleeps. \
                 Is there a flag, and is it up after the poll?",
                "PollBegin",
            ),
            (_, Some(wake), Some(end)) if wake < end => (
                "no wake is lost",
                "The future was woken before the poll was over, and the loop sleeps: nobody is left to wake it. Does a line \
                 after the poll take the flag down?",
                "PollBegin",
            ),
            (_, Some(_), Some(_)) => (
                "no wake is lost",
                "The future was woken after the poll, and the loop sleeps on: nobody is left to wake it. Does wake do \
                 all that the loop waits for, and in the order that it needs?",
                "PollBegin",
            ),
            // The check always wakes: what is missing is the check's own.
            (_, None, _) => ("no wake is lost", "The loop sleeps.", "Wake"),
        };
        Broken { rule, says: says.to_owned(), missing: Some(missing) }
    })
}
