//! The check of lesson 3: tasks that wake themselves and each other, and are woken by other threads; the check calls each
//! turn, and knows who was ready when it began.
#![allow(dead_code, unused_imports, unused_macros, unused_variables)]

use course::Waking::{Asleep, By, InPoll, Twice, Yield};
use course::{Crowd, Dice, Judged, Plan, Spawned, watch};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;

include!(concat!(env!("OUT_DIR"), "/03_queue/glue.rs"));

// The exercise is not as short as it can be.
#[allow(clippy::match_single_binding, clippy::single_match, clippy::never_loop, clippy::while_let_loop)]
#[path = "exercise.rs"]
mod run;

/// Checks the answer.
pub fn main() {
    course::run(3, program)
}

/// One program: main, and the tasks that it spawns.
fn program(dice: &mut Dice, number: u64, size: f64) -> Judged {
    let task = Plan::new;
    // The smallest are always the same: what they refuse is easy to see. Then come dice.
    let plan = match number {
        1 => task(&[]),
        2 => task(&[Asleep]),
        3 => Plan { watches: true, ..task(&[Asleep]) },
        4 => task(&[Yield, Yield, Yield]).spawning([task(&[Yield, Yield]), task(&[Yield, Yield])]),
        5 => task(&[InPoll]).spawning([task(&[Asleep])]),
        6 => task(&[Asleep, Yield]).spawning([task(&[Yield]), task(&[By(0)])]),
        7 => task(&[Yield, Yield, Yield]).spawning([Plan::endless(), task(&[InPoll])]),
        8 => task(&[Yield]).spawning([Plan::endless(), task(&[Asleep])]),
        // Its number still stands in the queue when it has ended, and behind it stands another one.
        9 => task(&[Yield, Yield, Yield]).spawning([task(&[Twice]), task(&[Yield, Yield])]),
        _ => Plan::roll(dice, size, &[Yield, Yield, Yield, By(0), Asleep, InPoll]),
    };
    let crowd = Crowd::new();
    let its = Arc::clone(&crowd);
    Judged::new(watch(move || drive(&its, plan)), &(), |_| crowd.slept_through())
}

/// What `block_on` does, with a word between two turns.
fn drive(crowd: &Arc<Crowd>, plan: Plan) {
    let (messages, receiver) = crossbeam_channel::unbounded();
    let inbox = Arc::new(wake::Inbox { messages, thread: thread::current() });
    let core = Rc::new(run::Core { tasks: Default::default(), messages: receiver, inbox });
    run::CURRENT.set(Rc::downgrade(&core));
    let mut main = pin!(plan.main(crowd, |task: Spawned| runtime::spawn(task)));
    core.tasks.borrow_mut().insert(ready::Body::Main);
    course::drive(crowd, || core.turn(&mut |cx| main.as_mut().poll(cx)));
}
