//! The check of lesson 11: tasks ask for permits, give them back and ask no more when the check says so, polled by hand.
//! Then jobs on the rung's own loop, by its virtual clock: their time is that of Little's law.
#![allow(dead_code, unused_imports, unused_macros, unused_variables)]

use course::{Ask, AtOnce, Broken, Dice, Judged, Moment, Permits, Run, Spy, broken, watch};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::task::Context;

include!(concat!(env!("OUT_DIR"), "/11_semaphore/glue.rs"));

// The exercise is not as short as it can be.
#[allow(clippy::match_bool)]
#[path = "exercise.rs"]
mod semaphore;

/// A program.
#[derive(Debug)]
enum Program {
    /// By hand, with so many permits.
    ByHand(usize, Vec<Ask>),
    /// So many jobs on the loop, with so many permits; each takes so many milliseconds.
    Rate(u32, usize, u64),
    /// Two semaphores.
    Two,
}

/// Checks the answer.
pub fn main() {
    course::run(11, program)
}

/// One program: one semaphore.
fn program(dice: &mut Dice, number: u64, size: f64) -> Judged {
    use Ask::{Drop, Move, New, Poll, Release, ReleaseAt};
    use AtOnce::Nothing;
    // The smallest are always the same: what they refuse is easy to see. Then come dice.
    let one = |acts: &[Ask]| Program::ByHand(1, acts.to_vec());
    let program = match number {
        1 => one(&[New, New, Release(1, Nothing), New]),
        2 => one(&[New, New, New, Release(1, Nothing), Poll(2), Release(2, Nothing), Poll(3)]),
        3 => one(&[New, New, New, Release(1, Nothing), Drop(2), Poll(3)]),
        4 => one(&[New, New, Release(1, Nothing), Drop(2), New]),
        5 => one(&[New, New, New, Drop(3)]),
        6 => one(&[New, New, New, Drop(2), Release(1, Nothing), Poll(3)]),
        7 => Program::ByHand(
            2,
            vec![New, New, New, New, Release(2, Nothing), Release(1, Nothing), Poll(4), Poll(3), New],
        ),
        8 => one(&[New, New, Release(1, AtOnce::Poll), Release(2, Nothing)]),
        9 => one(&[New, New, New, Release(1, AtOnce::Drop), Poll(3)]),
        10 => one(&[New, New, Release(1, AtOnce::Ask), Poll(2)]),
        11 => one(&[New, New, Move(2), Poll(2), Release(1, Nothing), Poll(2)]),
        12 => Program::Rate(20, 4, 20),
        // A waker is code of others.
        13 => one(&[New, New, ReleaseAt(Moment::Clone, 1), New, Poll(2)]),
        14 => one(&[New, New, New, ReleaseAt(Moment::Drop, 1), Drop(3), Poll(2)]),
        15 => one(&[New, ReleaseAt(Moment::Clone, 1), New, Poll(2)]),
        16 => Program::ByHand(6, vec![New; 6]),
        17 => Program::Rate(600, 300, 10),
        18 => Program::Two,
        // The waker of an earlier poll is dropped, and that gives a permit to who polls.
        19 => one(&[New, New, Move(2), ReleaseAt(Moment::Drop, 1), Poll(2), Poll(2)]),
        _ if dice.one_in(15) => Program::Rate(dice.roll(1..=30) as u32, dice.roll(1..=5) as usize, dice.roll(1..=50)),
        _ => {
            let (permits, steps) = Ask::roll(dice, size);
            Program::ByHand(permits, steps)
        }
    };
    let body = move || match program {
        Program::ByHand(permits, steps) => by_hand(permits, &steps),
        Program::Rate(jobs, permits, millis) => rate(jobs, permits, millis),
        Program::Two => two_semaphores(),
    };
    Judged::new(watch(body), &(), sleeps).spinning_says(
        "a poll comes back",
        "20 ms of processor time, and nothing comes back: acquire and drop look, do one thing, and return.",
    )
}

fn by_hand(permits: usize, steps: &[Ask]) {
    // Futures and permits borrow it. It is small, and the process ends soon.
    let semaphore: &'static semaphore::Semaphore = Box::leak(Box::new(semaphore::Semaphore::new(permits)));
    Permits::<semaphore::Permit<'static>>::drive(permits, move || Box::pin(semaphore.acquire()), steps);
}

/// Two semaphores with one permit each. At each somebody waits, and the permit of the second one comes back.
fn two_semaphores() {
    let run = Run::current();
    let (one, other) = (semaphore::Semaphore::new(1), semaphore::Semaphore::new(1));
    let spies = [1, 2, 3, 4].map(Spy::new);
    let asks = [one.acquire(), other.acquire(), one.acquire(), other.acquire()];
    let mut asks = asks.map(|ask| Some(Box::pin(ask)));
    let mut permits = Vec::new();
    for (place, ask) in asks.iter_mut().enumerate() {
        let (task, which) = (place as u32 + 1, if place % 2 == 0 { "first" } else { "second" });
        run.tell("PollBegin", task, format!("task {task} asks the {which} semaphore"));
        let polled =
            ask.as_mut().expect("not polled yet").as_mut().poll(&mut Context::from_waker(&spies[place].waker()));
        run.tell_answer(task, &polled);
        let is_right = polled.is_ready() == (place < 2);
        if let std::task::Poll::Ready(permit) = polled {
            *ask = None;
            permits.push(permit);
        }
        if !is_right {
            let says = format!(
                "There are two semaphores with one permit each. Task {task} asks the {which} one, and its poll says {}.",
                if place < 2 { "Pending" } else { "Ready" }
            );
            broken("each semaphore has its own line", says, None);
        }
    }
    run.tell("Release", 2, "by task 2, at the second one");
    drop(permits.pop());
    if spies[2].wakes() > 0 || spies[3].wakes() != 1 {
        let says = "A permit of the second semaphore came back, and task 4 is the first in its line. Task 4 alone has to be \
                    woken, once.";
        broken("each semaphore has its own line", says, None);
    }
}

/// So many jobs, each of which takes so long, on the loop of the rung.
fn rate(jobs: u32, permits: usize, millis: u64) {
    let run = Run::current();
    run.leaves_out_the_rung();
    run.tell("Jobs", 0, format!("{jobs} of {millis} ms, {permits} permits"));
    let (begun, at_work) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let (begins, works) = (Rc::clone(&begun), Rc::clone(&at_work));
    let takes = Duration::from_millis(millis);
    let runtime = runtime::Runtime::virtual_clock();
    let took = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            let (start, semaphore) = (time::now(), semaphore::Semaphore::new(permits));
            let jobs = (1..=jobs).map(async |job| {
                let _permit = semaphore.acquire().await;
                Run::current().tell("Job", job, format!("job {job} begins"));
                begins.set(begins.get() + 1);
                works.set(works.get() + 1);
                if works.get() > permits {
                    let says = format!("{} jobs are at work, and there are {permits} permits.", works.get());
                    broken("no more permits than there are", says, None);
                }
                time::sleep(takes).await;
                works.set(works.get() - 1);
            });
            gather::gather(jobs).await;
            time::now() - start
        })
    }));
    let took = took.unwrap_or_else(|payload| {
        // The loop itself panics when nothing can happen any more.
        let text = payload.downcast_ref::<String>().map(String::as_str).or(payload.downcast_ref::<&str>().copied());
        let is_the_loop = text.is_some_and(|text| text.starts_with("nothing can happen any more"));
        if run.is_refused() || begun.get() == jobs || !is_the_loop {
            resume_unwind(payload);
        }
        let says = format!(
            "{} of {jobs} jobs have begun, {} are at work, and the loop has nothing to do: the others wait for ever.",
            begun.get(),
            at_work.get()
        );
        broken("a permit is somebody's", says, None)
    });
    let right = takes * jobs.div_ceil(permits as u32);
    if took != right {
        let says = format!(
            "{jobs} jobs of {millis} ms, {permits} at a time, take {right:?}. They took {took:?}: were fewer at work than \
             there are permits?"
        );
        broken("as many at work as there are permits", says, None);
    }
}

/// The answer sleeps, and nobody is left to wake it.
fn sleeps(_: &Run) -> Broken {
    let says = "A poll sleeps, or a drop. Nothing else runs on this thread meanwhile.".to_owned();
    Broken { rule: "a poll comes back", says, missing: Some("PollEnd") }
}
