//! The check of lesson 9: children that end and fail when the check says so. The check polls the gather by hand, and sees when
//! each child is dropped.
#![allow(dead_code, unused_imports, unused_macros, unused_variables)]

use course::{Child, ChildStep, Dice, Form, Judged, Parent, sleeps_in_a_gather, watch};

include!(concat!(env!("OUT_DIR"), "/09_cancel/glue.rs"));

// The exercise is not as short as it can be.
#[allow(unused_mut)]
#[path = "exercise.rs"]
mod gather;

/// So many children at most.
const CHILDREN: u64 = 9;

/// What the answer gives: ten times the number of each child, or of the one that has failed first.
type Outcome = Result<Vec<u32>, u32>;

/// Checks the answer.
pub fn main() {
    course::run(9, program)
}

/// One program: a gather, and what happens to its children.
fn program(dice: &mut Dice, number: u64, size: f64) -> Judged {
    use ChildStep::{Drop, End, Fail, Poll, PollInPeace, Wake, Yield};
    // The smallest are always the same: what they refuse is easy to see. Then come dice.
    let (children, steps) = match number {
        1 => (2, vec![Poll(1), Fail(1), Poll(1)]),
        2 => (3, vec![Poll(1), Fail(3), Fail(1), Poll(1)]),
        3 => (2, vec![Poll(1), End(1), Poll(1), End(2), Poll(1)]),
        4 => (3, vec![Poll(1), End(2), Poll(1), Wake(2), Poll(1), Fail(1), Poll(1)]),
        5 => (3, vec![Poll(1), End(3), Poll(1), End(1), End(2), Poll(1)]),
        6 => (5, vec![Poll(1), Fail(3), Poll(1)]),
        7 => (3, vec![Poll(1), Poll(2), Yield(1), Fail(2), Poll(2)]),
        8 => (3, vec![Poll(1), End(2), Poll(1), Drop]),
        9 => (2, vec![Fail(1), Poll(1)]),
        10 => (2, vec![Fail(2), Poll(1)]),
        11 => (0, vec![Poll(1)]),
        12 => (2, vec![Poll(1), PollInPeace(1), Fail(2), Poll(1)]),
        _ => {
            let children = dice.roll(0..=CHILDREN) as u32;
            (children, Parent::<Result<u32, u32>, Outcome>::roll(dice, children, size, true))
        }
    };
    Judged::new(watch(move || Parent::new(children, form()).does(&steps)), &(), sleeps_in_a_gather)
        .spinning_says("a poll comes back", "20 ms of processor time, and the poll does not come back.")
}

/// A child gives ten times its number: as a value, or as an error.
fn form() -> Form<Result<u32, u32>, Outcome> {
    Form {
        gather: |children: Vec<Child<Result<u32, u32>>>| Box::pin(gather::try_gather(children)),
        value: |child, fails| if fails { Err(child * 10) } else { Ok(child * 10) },
        result: |children, failed| match failed {
            Some(child) => Err(child * 10),
            None => Ok((1..=children).map(|child| child * 10).collect()),
        },
        drops: true,
    }
}
