//! The check of lesson 12: a job is held until the check lets it end: after a poll, in the middle of one, or while another
//! task ticks. The check polls by hand, but for the programs with a ticker: they run on the loop of the rung.
#![allow(dead_code, unused_imports, unused_macros, unused_variables)]

use course::{Broken, ByHand, Dice, Job, JobStep, Judged, Polled, Produced, Run, broken, watch};
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

include!(concat!(env!("OUT_DIR"), "/12_blocking/glue.rs"));

#[path = "exercise.rs"]
mod blocking;

/// A program.
#[derive(Debug, Clone)]
enum Program {
    /// On the loop: the job is over when another task has ticked so often.
    Ticks(u64),
    /// Two jobs: the first one is held until the second one is over.
    TwoJobs,
    /// By hand; whether the job panics.
    ByHand(Vec<JobStep>, bool),
}

/// Checks the answer.
pub fn main() {
    course::run(12, program)
}

/// One program.
fn program(dice: &mut Dice, number: u64, size: f64) -> Judged {
    use JobStep::{Drop, End, EndAndPoll, Poll, PollAndEnd};
    // The smallest are always the same: what they refuse is easy to see. Then come dice.
    let by_hand = |steps: &[JobStep]| Program::ByHand(steps.to_vec(), false);
    let program = match number {
        1 => Program::Ticks(5),
        2 => by_hand(&[Poll(1), End, Poll(1)]),
        3 => by_hand(&[Poll(1), Poll(2), End, Poll(2)]),
        4 => by_hand(&[PollAndEnd(1), Poll(1)]),
        5 => by_hand(&[Poll(1), EndAndPoll]),
        6 => by_hand(&[End, Poll(1), Poll(1)]),
        7 => by_hand(&[Poll(1), Drop, End]),
        8 => Program::TwoJobs,
        9 => Program::ByHand(vec![Poll(1), End, Poll(1)], true),
        _ if dice.one_in(40) => Program::TwoJobs,
        _ if dice.one_in(40) => Program::Ticks(dice.roll(1..=20)),
        _ => Program::ByHand(JobStep::roll(dice, size), dice.one_in(4)),
    };
    let value = dice.next();
    let is_by_hand = !matches!(program, Program::Ticks(_));
    let body = move || match program {
        Program::Ticks(ticks) => on_the_loop(ticks, value),
        Program::TwoJobs => two_jobs(value),
        Program::ByHand(steps, panics) => ByHand::new(value, panics, spawn).does(&steps),
    };
    Judged::new(watch(body), &(), move |run| sleeps(run, is_by_hand))
        .spinning_says("a poll comes back", "20 ms of processor time, and the poll does not come back.")
}

/// The answer's future of a job that gives this value, or panics with it.
fn spawn(job: &Arc<Job>, value: u64, panics: bool) -> Polled {
    let job = Arc::clone(job);
    Box::pin(blocking::spawn_blocking(move || Produced::of(&job, value, panics)))
}

/// Main's waker, as the answer gets it.
struct Bell {
    main: Waker,
    is_woken: AtomicBool,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_woken.store(true, SeqCst);
        self.main.wake_by_ref();
    }
}

/// Main waits for the job, and the job for a task that ticks.
fn on_the_loop(ticks: u64, value: u64) {
    Run::current().leaves_out_the_rung();
    let job = Job::new(0);
    runtime::block_on(async {
        let ticks_for = Arc::clone(&job);
        runtime::spawn(async move {
            for tick in 1..=ticks {
                Run::current().tell("Tick", 1, format!("tick {tick} of task 1"));
                task::yield_now().await;
            }
            ticks_for.may_end();
        });
        let (mut future, mut polls) = (spawn(&job, value, false), 0);
        let got = poll_fn(|cx| {
            polls += 1;
            Run::current().tell("PollBegin", 0, format!("poll {polls}, by main"));
            let bell = Arc::new(Bell { main: cx.waker().clone(), is_woken: false.into() });
            let waker = Waker::from(Arc::clone(&bell));
            let answer = future.as_mut().poll(&mut Context::from_waker(&waker));
            drop(waker);
            Run::current().tell_answer(0, &answer);
            // Asked in this order: who has used the waker may have dropped it then.
            if answer.is_pending() && Arc::strong_count(&bell) == 1 && !bell.is_woken.load(SeqCst) {
                let says = "The poll says Pending, and nobody holds the waker: who is to wake main?";
                broken("Pending keeps the waker of this poll", says, None)
            }
            answer
        });
        got.await.is(value);
    });
}

/// The first job is not over before the second one is.
fn two_jobs(value: u64) {
    let (mut first, mut second) = (ByHand::new(value, false, spawn), ByHand::new(value ^ 1, false, spawn));
    first.poll(1);
    second.poll(2);
    second.is_beside_another = true;
    second.ends();
    second.poll(2);
    first.ends();
    first.poll(1);
}

/// The answer sleeps, and nobody is left to wake it. Where?
fn sleeps(run: &Run, is_by_hand: bool) -> Broken {
    run.with_events(|events| {
        let last = |name: &str| events.iter().rposition(|event| event.name == name);
        let in_poll = last("PollBegin").is_some() && last("PollBegin") > last("PollEnd");
        // On the loop, who polls again was woken.
        let was_woken = !is_by_hand && events.iter().filter(|event| event.name == "PollBegin").count() > 1;
        let (rule, says, missing) = match (in_poll, last("Dropped"), last("JobEnd")) {
            (true, ..) => (
                "the loop goes on",
                "The poll sleeps: it waits for the job. No other task is polled meanwhile. Say Pending.",
                "PollEnd",
            ),
            (_, Some(_), _) => (
                "the loop goes on",
                "The future is dropped, and the drop sleeps: it waits for the job. Let the job run on.",
                "return",
            ),
            (_, _, Some(_)) if was_woken => (
                "the result is there before the wake",
                "Main was woken and polled, and the result was not there yet. Nobody will wake main again.",
                "Wake",
            ),
            (_, _, Some(_)) => {
                ("no wake is lost", "The job has ended, and main is not woken: the loop sleeps for ever.", "Wake")
            }
            _ if is_by_hand => ("the loop goes on", "A call sleeps.", "return"),
            _ => ("the job runs", "The loop sleeps, and nobody has begun the job.", "JobEnd"),
        };
        Broken { rule, says: says.to_owned(), missing: Some(missing) }
    })
}
