//! The check of lesson 5: the answer is a test of mailboxes. It has to pass with those that are right, and to fail with each
//! that is wrong.
//!
//! No part of the rung is the exercise.
#![allow(dead_code, unused_imports, unused_variables)]

use course::{Broken, Dice, Judged, Kind, Moment, Outcome, forget, watch};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

#[path = "exercise.rs"]
mod mailboxes;

/// Checks the answer.
pub fn main() {
    course::run(5, program)
}

/// One program: the test, with one mailbox.
fn program(dice: &mut Dice, number: u64, _: f64) -> Judged {
    // First each of them, those that are right before the others. Then dice: who counts the programs learns nothing.
    let all = [&Kind::RIGHT[..], &Kind::WRONG].concat();
    let kind = match all.get(number as usize - 1) {
        Some(kind) => *kind,
        None if dice.one_in(2) => *dice.pick(&Kind::RIGHT),
        None => *dice.pick(&Kind::WRONG),
    };
    let never = Arc::<NeverDone>::default();
    let at_its_end = LooksAtItsEnd(Arc::clone(&never));
    let (outcome, watched) = watch(move || {
        // A panic drops it, too.
        let _at_its_end = at_its_end;
        mailboxes::test(&|| kind.make());
    });
    let is_right = Kind::RIGHT.contains(&kind);
    let comes_back = "a test comes back";
    let broken = match outcome {
        Outcome::Done(()) if is_right => None,
        Outcome::Done(()) => Some(lets_pass(kind, &never)),
        Outcome::Panicked(_) if !is_right => None,
        Outcome::Panicked(text) => {
            watched.run.tell("Panic", 0, "");
            let says = format!("Your test fails with a mailbox that is right. It says: {text}.{}", never.says());
            Some(Broken { rule: "a right mailbox passes", says, missing: None })
        }
        Outcome::Broken(broken) => Some(broken),
        Outcome::Parked => {
            let says =
                "Your test sleeps. There is one thread here, so nothing can happen meanwhile: put, poll and look.";
            Some(Broken { rule: comes_back, says: says.to_owned(), missing: Some("Return") })
        }
        Outcome::Spins => {
            let says = "20 ms of processor time, and your test has done nothing new: it spins. Poll once, and look.";
            Some(Broken { rule: comes_back, says: says.to_owned(), missing: Some("Return") })
        }
    };
    Judged { broken, watched }
}

/// What the test has asked to be done at a copy and at a wake, and was not done before its end.
#[derive(Default)]
struct NeverDone([AtomicBool; 2]);

impl NeverDone {
    fn says(&self) -> String {
        let [copy, wake] = self.0.each_ref().map(|it| it.load(SeqCst));
        let says = |never, says| if never { says } else { "" };
        [
            says(copy, " The act of at_next_copy was never done: no copy came after it."),
            says(wake, " The act of at_next_wake was never done: no wake came after it."),
        ]
        .concat()
    }
}

/// Notes it when the test has ended.
struct LooksAtItsEnd(Arc<NeverDone>);

impl Drop for LooksAtItsEnd {
    fn drop(&mut self) {
        for (moment, never) in [Moment::Clone, Moment::Wake].into_iter().zip(&self.0.0) {
            never.store(forget(moment), SeqCst);
        }
    }
}

/// The test does not fail with a mailbox that is wrong.
fn lets_pass(kind: Kind, never: &NeverDone) -> Broken {
    let (rule, what, tries) = match kind {
        Kind::LosesValues => ("find the lost value", "no value ever comes out of it", "a put, and then a poll"),
        Kind::NeverWakes => ("find the put that wakes nobody", "its put wakes nobody", "is_woken() after the put"),
        Kind::WakesItself => (
            "find the wake without a put",
            "a take that waits wakes its own task. It is polled again at once, and again",
            "!is_woken() after a poll",
        ),
        Kind::LastFirst => ("find the wrong order", "the last value comes out first", "two puts, and then two takes"),
        Kind::KeepsFirstWaker => (
            "find the wake of the wrong task",
            "a take that has moved to another task wakes the first one",
            "a poll, hand_over(), a poll, a put",
        ),
        Kind::OneSlot => ("find the forgotten waiter", "it has room for one waker", "two takes that wait, and a put"),
        Kind::WakesWhenEmpty => (
            "find the second put without a wake",
            "only a put into the empty mailbox wakes",
            "two takes that wait, two puts, and only then the polls",
        ),
        Kind::YoungestFirst => (
            "find the wake out of turn",
            "its put wakes the take that has waited shortest",
            "two takes that wait, and after the first put is_woken() of the one that has waited longest",
        ),
        Kind::ForgetsAtDrop => (
            "find the wake lost at a drop",
            "the wake of a take that is dropped is lost",
            "two takes that wait, one put, and drop_take() of the one that is woken",
        ),
        Kind::LooksFirst => (
            "find the wake lost in a poll",
            "it looks for a value, and keeps the waker later",
            "a put in the middle of the poll: at_next_copy()",
        ),
        Kind::WakesFirst => (
            "find the wake before the value",
            "its put wakes, and stores the value later",
            "a poll in the middle of the wake: at_next_wake()",
        ),
        _ => (
            "find the borrow held in a wake",
            "its put has borrowed the mailbox while it wakes",
            "a poll in the middle of the wake: at_next_wake()",
        ),
    };
    let says = format!(
        "Your test lets a wrong mailbox pass: {what}. Try: {tries}.{} The steps below are the end of your test.",
        never.says()
    );
    Broken { rule, says, missing: Some("a panic of your test") }
}
