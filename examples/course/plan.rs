//! Programs of many tasks: what each task does, poll by poll, and how it is woken.

use crate::crowd::Crowd;
use crate::dice::Dice;
use crate::meanwhile::meanwhile;
use crate::probe::naps;
use crate::run::{Run, broken, from_afar};
use std::future::poll_fn;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

/// The most tasks that main spawns, and the most steps of a task.
const TASKS: f64 = 8.0;
const STEPS: u64 = 5;

/// Turns in which nobody is polled may come: after a token that means nothing. So many in a row, and the loop spins.
const EMPTY_TURNS: u32 = 50;

/// How a task that says Pending is woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By itself, in its poll: it yields.
    Yield,
    /// By itself, twice.
    Twice,
    /// By itself, after it has woken the task with this number, which may wait, be ready, or have ended.
    Wakes(u32),
    /// By the task with this number, when that one is polled.
    By(u32),
    /// By another thread, when the loop sleeps. Beside a task that never sleeps, at any time.
    Asleep,
    /// By another thread, before its poll is over.
    InPoll,
}

/// What a task does: one step a poll. Then it is ready.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The steps.
    pub steps: Vec<Way>,
    /// The tasks that it spawns in its first poll.
    pub spawns: Vec<Plan>,
    /// It never ends: it yields for ever.
    pub is_endless: bool,
    /// It wakes itself in its last poll, too: its ticket stands in the queue when it has ended.
    pub is_late: bool,
    /// Before another thread wakes it, that one watches how the loop sleeps. Nobody else may wake the loop meanwhile.
    pub watches: bool,
}

/// A task's future, for `spawn`.
pub type Spawned = Pin<Box<dyn Future<Output = ()>>>;

impl Plan {
    /// A task with these steps.
    pub fn new(steps: &[Way]) -> Plan {
        Plan { steps: steps.to_vec(), ..Plan::default() }
    }

    /// A task that yields for ever.
    pub fn endless() -> Plan {
        Plan { is_endless: true, ..Plan::default() }
    }

    /// The same task, which spawns these.
    #[must_use]
    pub fn spawning(self, spawns: impl Into<Vec<Plan>>) -> Plan {
        Plan { spawns: spawns.into(), ..self }
    }

    /// Main of any program, in which tasks are woken in these ways. The numbers in the ways are rolled anew.
    pub fn roll(dice: &mut Dice, size: f64, ways: &[Way]) -> Plan {
        let tasks = dice.roll(0..=(size * TASKS).ceil() as u64);
        let plan = |dice: &mut Dice| {
            let way = |dice: &mut Dice| match *dice.pick(ways) {
                Way::By(_) => Way::By(dice.roll(0..=tasks) as u32),
                Way::Wakes(_) => Way::Wakes(dice.roll(0..=tasks) as u32),
                way => way,
            };
            let steps = (0..dice.roll(0..=STEPS)).map(|_| way(dice)).collect();
            Plan { steps, ..Plan::default() }
        };
        let mut spawned: Vec<Plan> = (0..tasks).map(|_| plan(dice)).collect();
        for first in &mut spawned {
            if dice.one_in(4) {
                first.spawns = vec![plan(dice)];
            }
        }
        if dice.one_in(5) {
            spawned.push(Plan::endless());
        }
        plan(dice).spawning(spawned)
    }

    /// The future that does what this plan of main says, in this crowd. `spawn` is the answer's.
    pub fn main(self, crowd: &Arc<Crowd>, spawn: fn(Spawned)) -> impl Future<Output = ()> + use<> {
        let is_restless = self.spawns.iter().any(|plan| plan.is_endless);
        self.future(crowd, spawn, is_restless)
    }

    fn future(mut self, crowd: &Arc<Crowd>, spawn: fn(Spawned), is_restless: bool) -> impl Future<Output = ()> + use<> {
        let (task, crowd) = (crowd.joins(), Arc::clone(crowd));
        let mut steps = self.steps.into_iter();
        poll_fn(move |cx| {
            crowd.poll(task, cx, |_| {
                for plan in self.spawns.drain(..) {
                    spawn(Box::pin(plan.future(&crowd, spawn, is_restless)));
                }
                crowd.wake_waiters(task);
                let way = if self.is_endless { Some(Way::Yield) } else { steps.next() };
                let Some(way) = way else {
                    if self.is_late {
                        crowd.wake(task, "itself");
                    }
                    return Poll::Ready(());
                };
                wait(way, task, &crowd, is_restless, self.watches);
                Poll::Pending
            })
        })
    }
}

/// Sees to it that the task is woken.
fn wait(way: Way, task: u32, crowd: &Arc<Crowd>, is_restless: bool, watches: bool) {
    let afar = Arc::clone(crowd);
    match way {
        Way::By(other) if crowd.waits_for(task, other) => {}
        Way::Yield | Way::By(_) => crowd.wake(task, "itself"),
        Way::Twice => (0..2).for_each(|_| crowd.wake(task, "itself")),
        Way::Wakes(other) => {
            crowd.wake_another(other);
            crowd.wake(task, "itself");
        }
        Way::Asleep => {
            crowd.is_called(task);
            from_afar(move || {
                let run = Run::current();
                let is_asleep = |look| !(watches && naps(&run, task, look));
                if is_restless || run.wait_for_sleep().is_some_and(is_asleep) {
                    afar.wake(task, "another thread");
                }
            });
        }
        Way::InPoll => meanwhile(move || afar.wake(task, "another thread")).wait(),
    }
}

/// Calls one turn after the other until main has ended, and judges each turn as a whole.
pub fn drive(crowd: &Crowd, mut turn: impl FnMut() -> ControlFlow<()>) {
    let mut empty = 0;
    loop {
        let before = crowd.polls();
        crowd.turn_begins();
        let answer = turn();
        let is_over = crowd.has_ended(0);
        if answer.is_break() != is_over {
            Run::current().tell("TurnEnd", 0, if is_over { "Continue" } else { "Break" });
            let is = if is_over { "ready, and turn does not say Break" } else { "pending, and turn says Break" };
            broken("the loop ends with main", format!("Main is {is}."), None);
        }
        if is_over {
            return;
        }
        crowd.turn_ends();
        empty = if crowd.polls() == before { empty + 1 } else { 0 };
        if empty == EMPTY_TURNS {
            let says =
                "Nobody is ready, and turn comes back again and again: it spins. It has to sleep until somebody is.";
            broken("wait asleep", says, Some("a sleep"));
        }
    }
}
