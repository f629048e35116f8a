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

/// Jobs that are held at once: more than a thread for each processor, and fewer than the 512 threads of a real pool.
const MANY: usize = 100;

/// A program.
#[derive(Debug, Clone)]
enum Program {
    /// On the loop: the job is over when another task has ticked so often.
    Ticks(u64),
    /// So many jobs: all are held until the last one is over.
    Jobs(usize),
    /// By hand; whether the job panics.
    ByHand(Vec<JobStep>, bool),
}

/// Checks the answer.
pub fn main() {
    course::run(12, program)
}

/// One program.
fn program(dice: &mut Dice, number: u64, size: f64) -> Judged {
    use JobStep::{Drop, End, EndAndPoll, Poll, PollAndEnd, PollInPeace};
    // The smallest are always the same: what they refuse is easy to see. Then come dice.
    let by_hand = |steps: &[JobStep]| Program::ByHand(steps.to_vec(), false);
    let program = match number {
        1 => Program::Ticks(5),
        2 => by_hand(&[Poll(1), End, Poll(1)]),
        3 => by_hand(&[Poll(1), Poll(2), End, Poll(2)]),
        4 => by_hand(&[PollInPeace(1), End, Poll(1)]),
        5 => by_hand(&[PollAndEnd(1), Poll(1)]),
        6 => by_hand(&[Poll(1), EndAndPoll]),
        7 => by_hand(&[End, Poll(1), Poll(1)]),
        8 => by_hand(&[Poll(1), Drop, End]),
        9 => Program::Jobs(2),
        10 => Program::ByHand(vec![Poll(1), End, Poll(1)], true),
        11 => Program::Jobs(MANY),
        _ if dice.one_in(40) => Program::Jobs(2),
        _ if dice.one_in(40) => Program::Ticks(dice.roll(1..=20)),
        _ => Program::ByHand(JobStep::roll(dice, size), dice.one_in(4)),
    };
    let value = dice.next();
    let is_by_hand = !matches!(program, Program::Ticks(_));
    let body = move || match program {
        Program::Ticks(ticks) => on_the_loop(ticks, value),
        Program::Jobs(count) => jobs(count, value),
        Program::ByHand(steps, panics) => ByHand::new(value, panics, spawn).does(&steps),
    };
    Judged::new(watch(body), &(), move |run| sleeps(run, is_by_hand))
        .spinning_says("the loop goes on", "20 ms of processor time, and the poll does not come back.")
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

/// All jobs but the last one are held until that one is over.
fn jobs(count: usize, value: u64) {
    let mut all: Vec<ByHand> = (0..count as u64).map(|number| ByHand::new(value ^ number, false, spawn)).collect();
    let (mut last, mut others) = (all.pop().expect("there is one"), all);
    for (number, other) in others.iter_mut().enumerate() {
        other.beside = number;
        other.poll(1);
    }
    last.beside = others.len();
    last.poll(2);
    last.ends();
    last.poll(2);
    for other in &mut others {
        other.ends();
        other.poll(1);
    }
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
                "The poll sleeps: for the job, for a lock that the job's thread holds, or of its own will. No other task is \
                 polled meanwhile. A poll looks, keeps the waker, and comes back.",
                "PollEnd",
            ),
            (_, Some(_), _) => (
                "the loop goes on",
                "The future is dropped, and the drop sleeps: it waits for the job. Let the job run on.",
                "return",
            ),
            (_, _, Some(_)) if was_woken => (
                "the result is there before the wake",
                "Main was woken and polled, and the poll says Pending: the result was not there yet, or the poll has not given \
                 it. Nobody will wake main again.",
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
