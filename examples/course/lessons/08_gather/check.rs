//! The check of lesson 8: children that say Pending, wake themselves and end when the check says so. The check polls the
//! gather by hand, as three tasks that have it one after the other.
#![allow(dead_code, unused_imports, unused_macros, unused_variables)]

use course::{Child, ChildStep, Dice, Form, Judged, Moment, Outcome, Parent, Run, Watched, sleeps_in_a_gather, watch};

include!(concat!(env!("OUT_DIR"), "/08_gather/glue.rs"));

// The exercise is not as short as it can be.
#[allow(unused_mut, clippy::needless_range_loop)]
#[path = "exercise.rs"]
mod gather;

/// So many children at most.
const CHILDREN: u64 = 12;

/// Checks the answer.
pub fn main() {
    course::run(8, program)
}

/// One program: a gather, and what happens to its children.
fn program(dice: &mut Dice, number: u64, size: f64) -> Judged {
    use ChildStep::{Drop, End, EndAndPoll, Poll, PollAndAt, PollAndEnd, PollInPeace, Wake, WakeAndAt, Yield};
    // The smallest are always the same: what they refuse is easy to see. Then come dice.
    let (children, steps) = match number {
        1 => (2, vec![Poll(1), End(1), Poll(1), End(2), Poll(1)]),
        2 => (2, vec![Poll(1), Wake(1), Wake(1), Poll(1), Wake(1), Poll(1)]),
        3 => (2, vec![Poll(1), Yield(1), Poll(1), Poll(1), End(1), Poll(1)]),
        4 => (2, vec![Poll(1), Poll(2), End(2), Poll(2), End(1), Poll(2)]),
        5 => (3, vec![Poll(1), End(3), Poll(1), End(1), Poll(1), End(2), Poll(1)]),
        6 => (0, vec![Poll(1)]),
        7 => (2, vec![Poll(1), EndAndPoll(2), End(1), Poll(1)]),
        8 => (2, vec![Poll(1), PollAndEnd(1, 2), Poll(1), End(1), Poll(1)]),
        9 => (8, vec![Poll(1), End(7), Poll(1)]),
        10 => (2, vec![Poll(1), End(1), Poll(1), Wake(1), Poll(1), End(2), Poll(1)]),
        11 => (3, vec![Poll(1), Drop]),
        // A waker is code of others.
        12 => (2, vec![Poll(1), End(1), PollAndAt(1, Moment::Clone, 2), Poll(1)]),
        13 => (2, vec![Poll(1), Poll(2), PollAndAt(1, Moment::Drop, 2), End(1), Poll(1)]),
        14 => (2, vec![Poll(1), WakeAndAt(1, Moment::Clone, 2), Poll(1), End(1), Poll(1)]),
        15 => return judged(watch(two_at_a_time)),
        16 => (200, vec![Poll(1), End(200), Poll(1), End(1), End(130), Poll(1)]),
        17 => (2, vec![Poll(1), PollInPeace(1), End(1), Poll(1), PollInPeace(1)]),
        _ => {
            let children = dice.roll(0..=CHILDREN) as u32;
            (children, Parent::<u32, Vec<u32>>::roll(dice, children, size, false))
        }
    };
    judged(watch(move || Parent::new(children, form()).does(&steps)))
}

fn judged(watched: (Outcome<()>, Watched)) -> Judged {
    Judged::new(watched, &(), sleeps_in_a_gather)
        .spinning_says("a poll comes back", "20 ms of processor time, and the poll does not come back.")
}

/// Two gathers side by side: what is woken in one is not polled by the other.
fn two_at_a_time() {
    use ChildStep::{End, Poll};
    let [one, other] = [2, 2].map(|children| Parent::new(children, form()));
    one.goes_on(&[Poll(1)]);
    Run::current().tell("Gather", 0, "another one is made");
    other.goes_on(&[Poll(2)]);
    Run::current().tell("Gather", 0, "the first one again");
    one.goes_on(&[End(2)]);
    Run::current().tell("Gather", 0, "the other one again");
    other.goes_on(&[End(1), Poll(2)]);
    Run::current().tell("Gather", 0, "the first one again");
    one.does(&[Poll(1), End(1), Poll(1)]);
}

/// A child gives ten times its number.
fn form() -> Form<u32, Vec<u32>> {
    Form {
        gather: |children: Vec<Child<u32>>| Box::pin(gather::gather(children)),
        value: |child, _| child * 10,
        result: |children, _| (1..=children).map(|child| child * 10).collect(),
        drops: false,
    }
}
