//! The search: one schedule after another, in the order of their overtakings.
//!
//! A run follows its schedule to the end of that, then the loop's own order. Each step after that with more than one
//! choice gives further schedules: the same, and one choice more. Each such choice costs one, so a plain queue has the
//! schedules in the order of their costs: those with none, then all with one, then all with two. Every schedule comes
//! once. A schedule in the queue is one pair and the number of the schedule that it adds it to.

use super::hooks::{self, is_explored};
use super::panics::{self, Keeping, text_of};
use super::run::{Open, RUN, Run, Stop, Stopped};
use super::schedule::{Deviation, Schedule};
use super::story;
use super::{Explored, Failure, WhatIf, Which};
use crate::Runtime;
use crate::circle::context;
use crate::circle::reactor::Reactor;
use crate::trace::{EXPLORER, Event, Recorder, set_watched_by};
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::atomic::Ordering;

/// The bounds of a search, and what may happen in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Options {
    pub(super) overtakings: usize,
    pub(super) spurious_wakes: usize,
    pub(super) time_passes: bool,
    pub(super) schedules: usize,
    pub(super) steps: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options { overtakings: 3, spurious_wakes: 0, time_passes: false, schedules: 100_000, steps: 1_000 }
    }
}

/// A schedule that is to be run: the schedule of `parent`, and one choice more.
#[derive(Debug, Clone, Copy)]
struct Node {
    parent: u32,
    step: u32,
    choice: u32,
    /// What the step must look like: as in the run of the parent.
    hash: u64,
}

/// How a run came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Held,
    /// Main panicked: the text, and where. When the text holds that of a task's panic, as that of an `unwrap` of its handle
    /// does: which task in words, and where that one panicked.
    Panic(String, Option<(String, u32)>, Option<(String, Option<(String, u32)>)>),
    /// A task did: the text, where, and which task in words.
    TaskPanic(String, Option<(String, u32)>, String),
    Stopped(Stop),
}

/// Runs a program once.
pub(super) struct Runner<P> {
    program: P,
    options: Options,
    pub(super) fault: Option<WhatIf>,
    /// The run that was last, with its buffers.
    pub(super) run: Run,
    /// What the system has given for the run before: nothing is registered there and nothing was rung. To ask for it anew
    /// would take as long as a small run.
    spare: Option<(mio::Poll, mio::Waker)>,
    _keeping: Keeping,
}

impl<P: Fn(&Runtime)> Runner<P> {
    /// # Panics
    /// Where no explorer can be.
    #[track_caller]
    pub(super) fn new(program: P, options: Options) -> Runner<P> {
        assert!(
            !is_explored(),
            "an explorer inside the program of another one: explore the inner program by itself, beside the outer one"
        );
        assert!(
            context::with(|_| ()).is_none(),
            "an explorer inside a running event loop would stop that loop: call it outside of block_on, as you would call \
             block_on itself"
        );
        Runner { program, options, fault: None, run: Run::default(), spare: None, _keeping: Keeping::start() }
    }

    /// Runs the program under a schedule.
    pub(super) fn run(&mut self, plan: &[Deviation], expected: Option<u64>, is_told: bool) -> Outcome {
        let builder = Runtime::builder().virtual_clock();
        let runtime = match self.spare.take() {
            Some((poll, bell)) => builder.build_on(Reactor::on(poll), bell),
            None => builder.build(),
        };
        let runtime =
            runtime.unwrap_or_else(|error| panic!("the explorer needs an event loop for each schedule: {error}"));
        let mut run = std::mem::take(&mut self.run);
        run.begin(self.options, plan, expected, is_told);
        (run.number, run.fault) = (runtime.core.number, self.fault);
        panics::forget();
        hooks::drive(&runtime.core);
        RUN.set(Some(run));
        set_watched_by(EXPLORER, true);
        let result = catch_unwind(AssertUnwindSafe(|| (self.program)(&runtime)));
        set_watched_by(EXPLORER, false);
        self.run = RUN.take().expect("it was put there");
        // What is left is dropped here, as by `block_on`. Nothing is chosen there any more.
        let poll = runtime.core.reactor.borrow_mut().poll.take();
        self.spare = poll.zip(runtime.inbox.bell.lock().take());
        drop(runtime);
        if let Some(stop) = self.run.stop.take() {
            return Outcome::Stopped(stop);
        }
        match result {
            Err(payload) if payload.is::<Stopped>() => Outcome::Stopped(Stop::Hang),
            Err(payload) => {
                let text = text_of(&*payload).to_owned();
                let place = panics::place_of(&text);
                crate::parts::foreign::drop_payload(payload);
                // Main may have passed it on as it is: then the place is that of the task already.
                let passed_on = self
                    .run
                    .panics
                    .iter()
                    .find(|panic| !panic.text.is_empty() && text != panic.text && text.contains(&panic.text));
                let of_task =
                    passed_on.map(|panic| (story::who(panic.name.as_deref(), panic.at), panics::place_of(&panic.text)));
                Outcome::Panic(text, place, of_task)
            }
            Ok(()) => match self.run.panics.iter().find(|panic| !panic.taken.load(Ordering::Relaxed)) {
                Some(panic) => {
                    let who = story::who(panic.name.as_deref(), panic.at);
                    Outcome::TaskPanic(panic.text.clone(), panics::place_of(&panic.text), who)
                }
                None => Outcome::Held,
            },
        }
    }

    /// The same, recorded.
    pub(super) fn recorded(&mut self, plan: &[Deviation]) -> (Outcome, Recorder) {
        let recorder = Recorder::start();
        let outcome = self.run(plan, None, true);
        (outcome, recorder)
    }

    /// Every schedule within the bounds, until one fails.
    pub(super) fn search(&mut self) -> Explored {
        let most = self.options.schedules;
        let mut nodes = vec![Node { parent: 0, step: 0, choice: 0, hash: 0 }];
        let (mut is_capped, mut is_bounded) = (most == 0, false);
        let mut plan = Vec::new();
        let mut done = 0;
        while done < nodes.len().min(most) {
            let node = nodes[done];
            plan_of(&nodes, done, &mut plan);
            let outcome = self.run(&plan, (done > 0).then_some(node.hash), false);
            done += 1;
            let outcome = match outcome {
                Outcome::Held if self.run.planned < plan.len() => {
                    Outcome::Stopped(Stop::Differs { step: plan[self.run.planned].step })
                }
                outcome => outcome,
            };
            if outcome != Outcome::Held {
                let parent = &plan[..plan.len().saturating_sub(1)].to_vec();
                let failure = self.failure(&outcome, &plan, done, Some(parent));
                return Explored { schedules: done, complete: false, failure: Some(failure), of: Which::All };
            }
            is_bounded |= self.run.is_bounded;
            for &Open { step, choices, hash } in &self.run.open {
                for choice in 1..choices {
                    is_capped |= nodes.len() >= most;
                    if nodes.len() < most {
                        nodes.push(Node { parent: done as u32 - 1, step, choice, hash });
                    }
                }
            }
        }
        let of = if is_bounded { Which::Bounded(self.options.overtakings) } else { Which::All };
        Explored { schedules: done, complete: !is_capped, failure: None, of }
    }

    /// One schedule, that somebody gives.
    pub(super) fn replay(&mut self, schedule: &Schedule) -> Explored {
        // What could have been chosen elsewhere is not asked for.
        self.options.overtakings = 0;
        let mut outcome = self.run(&schedule.0, None, false);
        if outcome == Outcome::Held && self.run.planned < schedule.0.len() {
            let Deviation { step, choice } = schedule.0[self.run.planned];
            outcome = Outcome::Stopped(Stop::Misfit { step, choice, of: 0 });
        }
        let failure = (outcome != Outcome::Held).then(|| self.failure(&outcome, &schedule.0, 1, None));
        Explored { schedules: 1, complete: failure.is_none(), failure, of: Which::Given }
    }

    /// Puts a failure into words. `parent` is the schedule that led to this one, when it was found by a search.
    fn failure(
        &mut self,
        outcome: &Outcome,
        plan: &[Deviation],
        run: usize,
        parent: Option<&Vec<Deviation>>,
    ) -> Failure {
        let (again, recorder) = self.recorded(plan);
        let mut again = again;
        if again == Outcome::Held && self.run.planned < plan.len() && parent.is_none() {
            let Deviation { step, choice } = plan[self.run.planned];
            again = Outcome::Stopped(Stop::Misfit { step, choice, of: 0 });
        }
        let told = self.run.story.take().unwrap_or_default();
        let is_unlike = matches!(outcome, Outcome::Stopped(Stop::Differs { .. }))
            || parent.is_some() && matches!(outcome, Outcome::Stopped(Stop::Misfit { .. }))
            || again != *outcome;
        let events = recorder.events();
        let steps = self.options.steps;
        let message = if is_unlike {
            story::of_unlike(self.first_difference(plan, parent))
        } else {
            let failed = story::Failed { outcome, told: &told, events: &events, steps };
            failed.message(&Schedule(plan.to_vec()), run, parent.is_some())
        };
        Failure {
            message,
            schedule: Schedule(plan.to_vec()),
            run,
            options: self.options,
            first: told.told.first().map(|it| it.seq),
        }
    }

    /// Where a program that does not do the same twice differs first, if it does so once more: at which step, and what
    /// could be chosen there in the one run and in the other.
    fn first_difference(
        &mut self,
        plan: &[Deviation],
        parent: Option<&Vec<Deviation>>,
    ) -> Option<(usize, String, String)> {
        let parent = parent.cloned().unwrap_or_else(|| plan.to_vec());
        let common = plan.last().map_or(usize::MAX, |last| last.step as usize + 1);
        for _ in 0..16 {
            let mut steps = [&parent[..], plan].map(|plan| {
                self.run(plan, None, true);
                self.run.story.take().unwrap_or_default().steps
            });
            let longest = steps[0].len().max(steps[1].len()).min(common);
            steps.iter_mut().for_each(|steps| steps.resize(longest, String::new()));
            let [one, other] = steps;
            let differs = one.into_iter().zip(other).enumerate().find(|(_, (one, other))| one != other);
            if let Some((step, (one, other))) = differs {
                return Some((step, one, other));
            }
        }
        None
    }
}

/// The schedule of a node.
fn plan_of(nodes: &[Node], index: usize, plan: &mut Vec<Deviation>) {
    plan.clear();
    let mut index = index;
    while index > 0 {
        let Node { parent, step, choice, .. } = nodes[index];
        plan.push(Deviation { step, choice });
        index = parent as usize;
    }
    plan.reverse();
}

/// The events of a run under a schedule, for a page, and the number of the first at which it leaves the loop's own order.
#[track_caller]
pub(super) fn record(program: impl Fn(&Runtime), options: Options, schedule: &Schedule) -> (Recorder, Option<u64>) {
    let mut runner = Runner::new(program, options);
    let (_, recorder) = runner.recorded(&schedule.0);
    let told = runner.run.story.take().unwrap_or_default();
    (recorder, told.told.first().map(|it| it.seq))
}

/// The program of somebody's `explore`, as what is done with a new runtime.
pub(super) fn on_runtime<F: Future<Output = ()>>(
    program: impl Fn() -> F,
    at: &'static Location<'static>,
) -> impl Fn(&Runtime) {
    move |runtime| runtime.block_on_at(program(), at)
}

/// The number of the first event in which two traces differ.
pub(super) fn first_that_differs(usual: &[Event], faulty: &[Event]) -> Option<u64> {
    let common = usual.iter().zip(faulty).position(|(one, other)| one != other);
    let shorter = usual.len().min(faulty.len());
    common.or((usual.len() != faulty.len()).then_some(shorter)).map(|at| at as u64)
}
