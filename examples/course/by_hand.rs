//! A future that awaits a job, polled by hand, by several tasks in turn. What it should do is known at each step.

use crate::dice::Dice;
use crate::jobs::{Job, settles};
use crate::peace::{Peace, judge_peace};
use crate::produced::{Burst, Produced};
use crate::run::{Run, broken};
use crate::spy::{Moment, Spy, forget, once_at};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// One step of a program in which a future is polled by hand.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum JobStep {
    /// This task polls.
    Poll(u32),
    /// This task polls, and the job ends while the answer makes its copy of the waker.
    PollAndEnd(u32),
    /// The job ends.
    End,
    /// The job ends, and who is woken polls at once, before `wake` has come back.
    EndAndPoll,
    /// This task polls some times, while the job's thread sleeps in its job: no poll has anything to wait for.
    PollInPeace(u32),
    /// The future is dropped.
    Drop,
}

/// The tasks that poll.
const TASKS: u32 = 3;

/// What is said of a wake that does not come.
const NOT_WOKEN: &str = "The job has ended, and the task that awaits it is not woken. No thread runs any more that could wake it. \
                         (Who sleeps first and wakes then does not count: a wake comes at once.)";

impl JobStep {
    /// Any program: polls, and an end somewhere among them.
    pub fn roll(dice: &mut Dice, size: f64) -> Vec<JobStep> {
        let task = |dice: &mut Dice| dice.roll(1..=u64::from(TASKS)) as u32;
        let polls = dice.roll(0..=(size * 4.0).ceil() as u64);
        let mut steps: Vec<JobStep> = (0..polls).map(|_| JobStep::Poll(task(dice))).collect();
        let last = task(dice);
        steps.extend(match dice.roll(1..=6) {
            1 => vec![JobStep::Poll(last), JobStep::Drop, JobStep::End],
            2 => vec![JobStep::PollAndEnd(last), JobStep::Poll(last)],
            3 => vec![JobStep::Poll(last), JobStep::EndAndPoll],
            4 => vec![JobStep::End, JobStep::Poll(last), JobStep::Poll(last)],
            _ => vec![JobStep::Poll(last), JobStep::End, JobStep::Poll(last)],
        });
        steps
    }
}

/// A future of the answer.
pub type Polled = Pin<Box<dyn Future<Output = Produced>>>;

/// A future at work, polled by hand.
#[expect(missing_debug_implementations, reason = "a future has none")]
pub struct ByHand {
    job: Arc<Job>,
    future: Option<Polled>,
    spies: Vec<Spy>,
    value: u64,
    panics: bool,
    polls: u32,
    /// Who polled last, and got Pending.
    latest: Option<u32>,
    may_end: bool,
    /// A poll has said Ready, or has handed on the job's panic.
    is_over: bool,
    /// So many other jobs are held meanwhile.
    pub beside: usize,
}

impl ByHand {
    /// A job with this value, and whether it panics with it; `spawn` is the answer's.
    pub fn new(value: u64, panics: bool, spawn: impl FnOnce(&Arc<Job>, u64, bool) -> Polled) -> ByHand {
        let job = Job::new(0);
        let (future, spies) = (Some(spawn(&job, value, panics)), (1..=TASKS).map(Spy::new).collect());
        let (polls, latest) = (0, None);
        let (may_end, is_over, beside) = (false, false, 0);
        ByHand { job, future, spies, value, panics, polls, latest, may_end, is_over, beside }
    }

    /// Does these steps.
    ///
    /// # Panics
    /// If a step goes wrong: that breaks a rule. So do the other methods.
    pub fn does(&mut self, steps: &[JobStep]) {
        for step in steps {
            match *step {
                JobStep::Poll(task) => self.poll(task),
                JobStep::PollAndEnd(task) => self.poll_and_end(task),
                JobStep::End => self.ends(),
                JobStep::EndAndPoll => self.end_and_poll(),
                JobStep::PollInPeace(task) => self.poll_in_peace(task),
                JobStep::Drop => self.drops(),
            }
            // What was ready must not be polled again.
            if self.is_over {
                break;
            }
        }
    }

    fn wakes(&self, task: u32) -> u64 {
        self.spies[task as usize - 1].wakes()
    }

    fn holders(&self, task: u32) -> usize {
        self.spies[task as usize - 1].holders()
    }

    /// A task with wakes, other than this one.
    fn woken(&self, but: u32) -> Option<u32> {
        (1..=TASKS).find(|&other| other != but && self.wakes(other) > 0)
    }

    /// One poll. False: it said Pending.
    fn ask(&mut self, task: u32) -> bool {
        self.polls += 1;
        let of = if self.beside > 0 { format!(", of job {}", self.beside + 1) } else { String::new() };
        Run::current().tell("PollBegin", task, format!("poll {}, by task {task}{of}", self.polls));
        let waker = self.spies[task as usize - 1].waker();
        let future = self.future.as_mut().expect("it is polled before it is dropped");
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut Context::from_waker(&waker))));
        match polled {
            Ok(answer) => {
                Run::current().tell_answer(task, &answer);
                if let Poll::Ready(value) = answer {
                    value.is(self.value);
                    self.is_over = true;
                }
            }
            Err(payload) => self.panicked(task, payload),
        }
        self.is_over
    }

    /// A poll has panicked. That is right when the job has.
    fn panicked(&mut self, task: u32, payload: Box<dyn Any + Send>) {
        if Run::current().is_refused() || !self.panics || !self.may_end {
            resume_unwind(payload);
        }
        Run::current().tell("PollEnd", task, "a panic");
        if payload.downcast_ref::<Burst>().is_none_or(|burst| burst.0 != self.value) {
            let says = "The job has panicked, and the task that awaits it panics with something else. catch_unwind gives \
                        what the panic carried, and resume_unwind hands it on.";
            broken("the job's panic is its task's", says, None);
        }
        self.is_over = true;
    }

    /// This task polls.
    pub fn poll(&mut self, task: u32) {
        let was_woken = self.latest.is_some_and(|latest| self.wakes(latest) > 0);
        if self.ask(task) {
            return;
        }
        self.latest = Some(task);
        if was_woken {
            let says = format!("Task {task} was woken after the end of the job, and the poll says Pending.");
            broken("the result is there before the wake", says, None)
        }
        if self.may_end {
            return self.is_woken(NOT_WOKEN);
        }
        if let Some(task) = self.woken(0) {
            let says = format!(
                "Task {task} was woken, and the job is not over. It is polled again at once, and again: that is a spin."
            );
            broken("no wake before the end of the job", says, None)
        }
        if self.holders(task) == 0 {
            let says = match (1..=TASKS).find(|&other| self.holders(other) > 0) {
                None => "The poll says Pending, and nobody holds the waker: who is to wake this task?".to_owned(),
                Some(other) => format!(
                    "Task {task} has polled, and what is kept is the waker of task {other}. The future is another's now."
                ),
            };
            broken("Pending keeps the waker of this poll", says, None)
        }
    }

    /// This task polls, and nobody is there for whom a poll could wait.
    fn poll_in_peace(&mut self, task: u32) {
        self.poll(task);
        settles(|| self.job.is_held());
        let poll = |is_told: bool| {
            if is_told {
                return self.poll(task);
            }
            let waker = self.spies[task as usize - 1].waker();
            let future = self.future.as_mut().expect("it is polled before it is dropped");
            // Pending: the job is held, and so the answer has nothing to give.
            let _ = future.as_mut().poll(&mut Context::from_waker(&waker));
        };
        let rule = "the loop goes on";
        let cure = "A poll looks once, keeps the waker, and comes back.";
        judge_peace(task, poll, &Peace { because: "The job is not over", rests: rule, returns: rule, cure });
    }

    /// The job ends, and the task that polled last is woken.
    pub fn ends(&mut self) {
        self.may_end = true;
        if self.future.is_none() {
            self.job.ends();
            if !self.job.has_begun() {
                let says = "The future was dropped before the job had begun, and the job is left out. It was asked for: let it \
                            run.";
                broken("the job runs", says, Some("JobEnd"));
            }
            self.nothing_else_panicked();
            return self.nobody_keeps_the_result();
        }
        self.job.may_end();
        if self.latest.is_some() {
            self.is_woken(NOT_WOKEN);
        }
    }

    /// The task that polled last is woken, and no other. If not, `says` is why.
    fn is_woken(&self, says: &str) {
        let latest = self.latest.expect("a task has polled");
        let is_woken = settles(|| self.wakes(latest) > 0);
        let (rule, says, missing) = match self.woken(latest) {
            None if is_woken => return,
            Some(other) => {
                let says =
                    format!("Task {other} was woken. But task {latest} has polled last: the future is its own now.");
                ("the wake is for who polled last", says, None)
            }
            None if !self.job.has_begun() && self.beside > 0 => {
                let says = match self.beside {
                    1 => "Another job runs, and this one does not begin before that one is over. That one may wait for this \
                          one."
                    .to_owned(),
                    others => format!(
                        "{others} other jobs were spawned before, and none of them is over. This one does not begin before \
                         one of them is. They may wait for this one."
                    ),
                };
                ("a job waits for no other", says, Some("JobEnd"))
            }
            None if !self.job.has_begun() => ("the job runs", "The job was not begun.".to_owned(), Some("JobEnd")),
            None if self.panics => {
                let says = "The job has panicked, and the task that awaits it is not woken: the panic has ended the thread, \
                            and the task waits for ever.";
                ("the job's panic is its task's", says.to_owned(), Some("Wake"))
            }
            None => ("no wake is lost", says.to_owned(), Some("Wake")),
        };
        broken(rule, says, missing)
    }

    /// The job ends while the answer makes its copy of the waker.
    fn poll_and_end(&mut self, task: u32) {
        let job = Arc::clone(&self.job);
        once_at(Moment::Clone, move || job.ends());
        self.may_end = true;
        let is_over = self.ask(task);
        if forget(Moment::Clone) {
            // It has made no copy. So the job ends afterwards.
            self.job.may_end();
        }
        if !is_over {
            self.latest = Some(task);
            self.is_woken(
                "The job ended in the middle of the poll: after the look, before the waker was kept. The poll says Pending, \
                 and nobody is left to wake the task. Look and keep under one lock.",
            );
        }
    }

    /// The job ends, and who is woken polls at once.
    fn end_and_poll(&mut self) {
        self.may_end = true;
        self.job.may_end_and_be_polled();
        self.is_woken(NOT_WOKEN);
        let is_over = self.ask(self.latest.expect("a task has polled before"));
        self.job.has_polled();
        if !is_over {
            let says = "The thread of the job has woken the task first, and put the result there afterwards. The poll came \
                        between the two.";
            broken("the result is there before the wake", says, None);
        }
    }

    fn drops(&mut self) {
        Run::current().tell("Dropped", 0, "nobody waits any more");
        self.future = None;
    }

    /// After a drop nobody will take the result of the job: it is dropped, too.
    fn nobody_keeps_the_result(&self) {
        if !self.panics && !settles(|| self.job.result_is_lost()) {
            let says = "The future is dropped and the job is over, and the result is still there. Nobody can take it any \
                        more, and nobody drops it: its memory is lost.";
            broken("the result goes with the future", says, Some("Dropped"));
        }
    }

    /// After a drop the job ends all the same, and nobody is hurt.
    fn nothing_else_panicked(&self) {
        if let Some(text) = self.job.panicked() {
            let says = format!("The future was dropped before the end of the job. The job's thread panicked: {text}.");
            broken("no panic", says, None);
        }
    }
}

impl Drop for ByHand {
    /// No thread is left behind that waits.
    fn drop(&mut self) {
        self.job.may_end();
    }
}
