//! The check of lesson 4: tasks that wake themselves twice, each other, and those that have ended; and slots that are used
//! again.
#![allow(dead_code, unused_imports, unused_macros, unused_variables)]

use course::Waking::{Asleep, By, InPoll, Twice, Wakes, Yield};
use course::{Broken, Crowd, Dice, Judged, Outcome, Plan, Run, SPIN, Spawned, Watched, broken, watch};
use std::collections::BTreeSet;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;

include!(concat!(env!("OUT_DIR"), "/04_tickets/glue.rs"));

// The exercise is not as short as it can be.
#[allow(clippy::question_mark, clippy::manual_map)]
#[path = "exercise.rs"]
mod ready;

/// Tasks that live and end, one after the other, in one program.
const LIVES: u32 = 100;

/// Checks the answer.
pub fn main() {
    course::run(4, program)
}

/// One program: main, and the tasks that it spawns.
fn program(dice: &mut Dice, number: u64, size: f64) -> Judged {
    let task = Plan::new;
    let late = || Plan { is_late: true, ..task(&[]) };
    // The smallest are always the same: what they refuse is easy to see. Then come dice.
    let plan = match number {
        1 => task(&[]),
        2 => task(&[Yield]),
        3 => task(&[Twice, Asleep]),
        4 => task(&[Yield, Yield, Yield]).spawning([task(&[Twice, Yield, Yield])]),
        5 => task(&[Wakes(1), Wakes(1), Yield]).spawning([task(&[Asleep])]),
        // Task 1 ends, task 3 is spawned into its slot and waits, and main uses the waker of task 1.
        6 => task(&[Yield, Yield, Wakes(1), Yield, By(3)])
            .spawning([task(&[]), task(&[Yield]).spawning([task(&[Asleep])])]),
        7 => return judge(watch(lives), |_| sleeps()),
        8 => task(&[Yield, Yield, Yield]).spawning([late()]),
        9 => task(&[Yield, Wakes(1), Yield, Yield]).spawning([task(&[Yield, Asleep]), task(&[Yield, Yield])]),
        10 => task(&[InPoll, Asleep]).spawning([task(&[Twice, Asleep]), task(&[By(0), InPoll])]),
        // The ticket of task 1 is stale and stands in the queue, when task 3 is spawned into its slot.
        11 => task(&[Yield, Yield, Yield]).spawning([late(), task(&[Yield]).spawning([task(&[By(0)])])]),
        _ => {
            let mut plan = Plan::roll(dice, size, &[Yield, Yield, Twice, Wakes(0), By(0), Asleep, InPoll]);
            plan.spawns.iter_mut().for_each(|spawned| spawned.is_late = dice.one_in(4));
            plan
        }
    };
    let crowd = Crowd::new();
    let its = Arc::clone(&crowd);
    judge(watch(move || drive(&its, plan)), |_| crowd.slept_through())
}

/// Judges what was watched. The loop is the check's: if it spins, a call of the answer's does not come back.
fn judge(watched: (Outcome<()>, Watched), hangs: impl FnOnce(&Run) -> Broken) -> Judged {
    let spins = matches!(watched.0, Outcome::Spins);
    let mut judged = Judged::new(watched, &(), hangs);
    if spins {
        let is_at_poll = judged.watched.run.with_events(|events| {
            let last = |name: &str| events.iter().rposition(|event| event.name == name);
            last("PollBegin") > last("PollEnd")
        });
        let (calls, missing) =
            if is_at_poll { ("push or insert", "PollEnd") } else { ("pop, put_back, remove or push", "Return") };
        let says =
            format!("{} ms of processor time, and a call does not come back. It is one of {calls}.", SPIN.as_millis());
        judged.broken = Some(Broken { rule: "a call comes back", says, missing: Some(missing) });
    }
    judged
}

/// One task after the other: each gets the slot of the one before, and another ticket. Every second one wakes itself in its
/// last poll.
fn lives() {
    let mut tasks = ready::Tasks::default();
    let mut tickets = BTreeSet::new();
    let tell = |name, life: u32, note: String| Run::current().tell(name, life, note);
    for life in 1..=LIVES {
        tasks.insert(ready::Body::Task(Box::pin(std::future::ready(()))));
        tell("Spawn", life, format!("task {life}"));
        let Some((ticket, _)) = tasks.pop() else {
            broken(
                "the first poll comes by itself",
                format!("Task {life} is new, and pop does not give it."),
                Some("Pop"),
            )
        };
        tell("Pop", life, format!("task {life}, slot {}, generation {}", ticket.slot, ticket.generation));
        if !tickets.insert((ticket.slot, ticket.generation)) {
            broken("a ticket is for one task", "An earlier task has had the same ticket.", None);
        }
        if ticket.slot > 0 {
            let late = if life % 2 == 1 { " (The last one had woken itself in its last poll.)" } else { "" };
            let says = format!(
                "All tasks before task {life} have ended, and it lives in slot {}: the slots of the others are not free.{late}",
                ticket.slot
            );
            broken("a slot is used again", says, None);
        }
        let is_late = life % 2 == 0;
        if is_late {
            tell("Wake", life, format!("task {life}, by itself"));
            tasks.push(ticket);
        }
        tasks.remove(ticket);
        tell("TaskEnd", life, format!("task {life}"));
        if tasks.pop().is_some() {
            tell("Pop", life, "a task".to_owned());
            broken("a poll needs a wake", "All tasks have ended, and pop gives one.", None);
        }
        // The first lives show whether a slot is used again.
        if life > 2 {
            tell("Wake", life, format!("task {life}, which has ended"));
            tasks.push(ticket);
            if !tasks.queue.is_empty() {
                let says = format!(
                    "Task {life} has ended. Then its waker is used, and push puts its ticket into the queue. Nobody is there \
                     to be polled: each such wake costs an entry, and a loop that sleeps wakes up for it."
                );
                broken("a stale ticket stays out", says, None);
            }
        }
    }
}

/// No line of `lives` waits.
fn sleeps() -> Broken {
    let says = "Tasks are inserted, popped and removed here, and one of these calls does not come back.".to_owned();
    Broken { rule: "a call comes back", says, missing: Some("Return") }
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
