//! The check of lesson 14: a benchmark on machines with a flaw, on which every round takes as long as the check has
//! written down; and who keeps main waiting in the program that hangs, by all that has happened there.
//! No part of the rung is the exercise.
#![allow(dead_code, unused_imports, unused_macros, unused_variables)]

use course::{Broken, Dice, Flaw, Judged, Machine, Run, broken, watch};

include!(concat!(env!("OUT_DIR"), "/14_benchmark/glue.rs"));

#[path = "exercise.rs"]
mod answer;

/// The hints tell how this day ends.
const DAY_OF_THE_HINT: u64 = 7;

/// Checks the answer.
pub fn main() {
    course::run(14, program)
}

/// One program.
fn program(dice: &mut Dice, number: u64, _size: f64) -> Judged {
    use Flaw::{Debug, Drifts, OddRounds, Scatters};
    // The smallest are always the same: what they refuse is easy to see. Then come dice.
    let machine = match number {
        1 => Some(Machine::new(dice, 1.0, Drifts(0.05))),
        2 => Some(Machine::new(dice, 0.5, OddRounds(false, 20.0))),
        3 => Some(Machine::new(dice, 2.0, Debug)),
        4 => Some(Machine::new(dice, 2.0, OddRounds(true, 0.05))),
        5 => Some(Machine::new(dice, 3.0, OddRounds(true, 20.0))),
        6 => Some(Machine::new(dice, 0.3, OddRounds(false, 0.05))),
        7 => Some(Machine::new(dice, 0.3, Drifts(0.02))),
        8 => Some(Machine::new(dice, 1.0, Scatters)),
        // Who comes so far has a benchmark.
        9 => None,
        _ => Some(Machine::roll(dice)),
    };
    let body = move || match machine {
        Some(mut machine) => {
            let figure = answer::compare(&mut machine);
            machine.judge(figure);
        }
        None => judge_culprit(),
    };
    Judged::new(watch(body), &(), sleeps)
        .spinning_says("a benchmark comes to an end", "20 ms of processor time, and no round: it does not come back.")
}

/// Lives through the day in the office, and compares.
fn judge_culprit() {
    let office = Office::new(answer::SEED);
    let runtime = rung::runtime::Runtime::virtual_clock();
    // A second of the office's clock: a hundred rounds of Fay's.
    let ends = runtime.block_on(rung::time::timeout(Duration::from_secs(1), day(Rc::clone(&office))));
    assert!(ends.is_err(), "the day ends");
    let steps = office.steps.borrow().clone();
    let (name, line) = answer::culprit();
    Run::current().tell("Culprit", 0, format!("{name}, hang.rs:{line}"));
    let (culprit, right) = culprit(&steps);
    if name != NAMES[culprit] {
        broken("it names who keeps main waiting", why_not(&steps, name), None);
    }
    if line != right {
        let says = format!(
            "It is {name}, and {name} does not wait in line {line}. glass tasks shows the way to the place: take the last \
             line of hang.rs on it."
        );
        broken("it names the line of the .await", says, None);
    }
    if answer::SEED == DAY_OF_THE_HINT {
        let says = "It is right, and it stands in the hints. Take another day: any number but 7.";
        broken("the day is your own", says, None);
    }
}

/// By what has happened: who waits for a letter that was brought, and was not woken; and in which line.
fn culprit(steps: &[Step]) -> (usize, u32) {
    let unread = |who: usize| {
        let last = |step: fn(usize) -> Step| steps.iter().rposition(|it| *it == step(who));
        last(Step::Brought) > last(Step::Read)
    };
    let who = (0..NAMES.len()).find(|&who| unread(who)).expect("a letter is lost every day");
    let lines = steps.iter().rev().filter_map(|step| match step {
        Step::Waits(of, line) if *of == who => Some(*line),
        _ => None,
    });
    (who, { lines }.next().expect("who is brought a letter waits for it"))
}

/// Why it is not the one who was named.
fn why_not(steps: &[Step], name: &str) -> String {
    let whom = |first: Option<usize>| {
        steps.iter().rev().find_map(|step| match *step {
            Step::WaitsForEnd(of, other) if of == first => Some((other, "the end of")),
            Step::WaitsForDesk(of, other) if Some(of) == first => Some((other, "the desk of")),
            _ => None,
        })
    };
    let waits = |name: &str, first| {
        let (other, what) = whom(first).expect("it waits");
        format!("{name} waits for {what} {}. For whom does {} wait?", NAMES[other], NAMES[other])
    };
    match (name, NAMES.iter().position(|it| *it == name)) {
        ("main", _) => waits(name, None),
        ("fay", _) => "fay runs on: her timer wakes her, every 10 ms. Who waits, and is not woken?".to_owned(),
        ("gus", _) => {
            "gus waits, and that is right: no letter comes for him. And main does not wait for gus. Begin with \
                       main: for whom does it wait?"
                .to_owned()
        }
        (_, Some(who)) if steps.contains(&Step::Ended(who)) => format!("{name} has ended. Nobody waits for {name}."),
        (_, Some(who)) => waits(name, Some(who)),
        _ => format!("Nobody has the name \"{name}\" there. The tasks have the names of their functions in hang.rs."),
    }
}

/// The answer sleeps.
fn sleeps(_: &Run) -> Broken {
    let says = "The benchmark sleeps, and nobody is left to wake it.".to_owned();
    Broken { rule: "a benchmark comes to an end", says, missing: Some("Figure") }
}
