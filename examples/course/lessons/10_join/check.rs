//! The check of lesson 10: tasks that return, panic and are aborted when the check says so, on the rung's own loop, and
//! joiners that poll their handles.
#![allow(dead_code, unused_imports, unused_macros, unused_variables)]

use course::{
    Act, Broken, ByHandle, Dice, End, JOINERS, Judged, Moment, Outcome, Run, Spy, Watched, Work, broken, forget,
    is_of_a_task, once_at, watch,
};
use std::cell::RefCell;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::task::{Context, Poll, Waker};

include!(concat!(env!("OUT_DIR"), "/10_join/glue.rs"));

// The exercise is not as short as it can be.
#[allow(clippy::match_single_binding, clippy::single_match)]
#[path = "exercise.rs"]
mod join;

/// Checks the answer.
pub fn main() {
    course::run(10, program)
}

/// One program: a loop and its tasks.
fn program(dice: &mut Dice, number: u64, size: f64) -> Judged {
    use Act::{Abort, Drop, Join, Panic, Return, Spawn, Turn, Wake};
    // The smallest are always the same: what they refuse is easy to see. Then come dice.
    let acts = match number {
        1 => vec![Spawn, Join(1, 11), Return(1), Turn],
        2 => vec![Spawn, Return(1), Turn, Join(1, 11)],
        3 => vec![Spawn, Join(1, 11), Join(1, 12), Wake(1), Turn, Return(1), Turn],
        4 => vec![Spawn, Spawn, Join(1, 11), Join(2, 12), Panic(1), Turn, Return(2), Turn],
        5 => vec![Spawn, Turn, Join(1, 11), Abort(1), Turn],
        6 => vec![Spawn, Turn, Abort(1), Return(1), Turn, Join(1, 11)],
        7 => vec![Spawn, Turn, Drop(1), Turn, Return(1), Turn],
        8 => vec![Spawn, Return(1), Turn, Spawn, Turn, Abort(1), Turn, Join(1, 11), Return(2), Turn, Join(2, 11)],
        9 => vec![Spawn, Join(1, 11), Abort(1), Abort(1), Turn],
        10 => vec![Spawn, Turn, Join(1, 11)],
        11 => return judged(watch(aborts_and_polls_at_once)),
        12 => vec![Spawn, Spawn, Join(2, 11), Panic(2), Turn],
        _ => Act::roll(dice, size),
    };
    judged(watch(move || drive(&acts)))
}

fn judged(watched: (Outcome<()>, Watched)) -> Judged {
    Judged::new(watched, &(), sleeps).spinning_says(
        "a poll comes back",
        "20 ms of processor time, and nothing comes back: poll and abort look, do one thing, and return.",
    )
}

/// One task, polled by hand: who is woken by its abort polls it before `wake` has come back.
fn aborts_and_polls_at_once() {
    let (run, state, spy) = (Run::current(), Rc::new(State::new(1)), Spy::new(1));
    let cell = Rc::new(join::JoinCell { result: None.into(), joiner: None.into(), aborted: false.into() });
    let settle = join::Settle { cell: Rc::clone(&cell), result: Some(Err(join::JoinError::Cancelled)) };
    let future: Pin<Box<dyn Future<Output = ()>>> = Box::pin(join::settled(settle, Work(Rc::clone(&state))));
    let task = Rc::new(RefCell::new(Some(future)));
    let handle = join::JoinHandle { cell, task: spy.waker() };
    let (polled, waker) = (Rc::clone(&task), spy.waker());
    let poll = move || {
        let Some(mut future) = polled.take() else { return };
        if future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            *polled.borrow_mut() = Some(future);
        }
    };
    poll();
    once_at(Moment::Wake, poll);
    run.tell("Abort", 1, "task 1");
    handle.abort();
    forget(Moment::Wake);
    if !state.is_dropped.get() && spy.wakes() > 0 {
        let says = "The abort has woken task 1, and the task is polled at once, before `wake` has come back. The flag is not \
                    up yet: the task says Pending again, and nobody wakes it any more.";
        broken("the flag comes before the wake", says, Some("Dropped"));
    }
    // To wake nobody is found out on the loop.
    drop(task.take());
}

/// What a joiner is told.
fn end(result: Result<u32, join::JoinError>) -> End {
    match result {
        Ok(value) => End::Value(value),
        Err(join::JoinError::Cancelled) => End::Cancelled,
        Err(join::JoinError::Panicked(payload)) if is_of_a_task(&*payload) => End::Panicked,
        Err(join::JoinError::Panicked(_)) => End::AnotherPanic,
    }
}

/// What the check knows of a task.
type State = course::Ending<Pin<Box<join::JoinHandle<u32>>>>;

fn drive(acts: &[Act]) {
    let desk = Rc::new(Desk::default());
    let runtime = runtime::Runtime::virtual_clock();
    let driven = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            for act in acts {
                desk.act(*act).await;
            }
        });
    }));
    if let Err(payload) = driven {
        if is_of_a_task(&*payload) {
            Run::current().tell("Panic", 0, "out of block_on");
            let says = "A task has panicked, and its panic has gone through the loop. All other tasks are gone with it. \
                        Its joiner alone should hear of it.";
            broken("a panic is its task's result", says, None);
        }
        resume_unwind(payload);
    }
    // Whoever has not ended is dropped with the loop, and its joiner hears of it.
    Run::current().tell("Drop", 0, "the loop, and its tasks");
    desk.listens();
    drop(runtime);
    desk.judge();
    for task in desk.tasks() {
        desk.join(&task, *JOINERS.start());
    }
}

/// A program at work.
#[derive(Default)]
struct Desk {
    tasks: RefCell<Vec<Rc<State>>>,
}

impl Desk {
    fn tasks(&self) -> Vec<Rc<State>> {
        self.tasks.borrow().clone()
    }

    async fn act(self: &Rc<Desk>, act: Act) {
        let run = Run::current();
        let task = |number: usize| Rc::clone(&self.tasks.borrow()[number - 1]);
        match act {
            Act::Spawn => self.spawn(),
            Act::Join(of, joiner) => self.join(&task(of), joiner),
            Act::Return(of) => self.wakes(&task(of), Some(End::Value(of as u32 * 10))),
            Act::Panic(of) => self.wakes(&task(of), Some(End::Panicked)),
            Act::Wake(of) => self.wakes(&task(of), None),
            Act::Abort(of) => self.abort(&task(of)),
            Act::Drop(of) => {
                let task = task(of);
                run.tell("Drop", task.number, format!("the handle of task {of}"));
                task.joiner.set(None);
                drop(task.handle.take());
                task.goes_on();
            }
            Act::Turn => {
                self.listens();
                task::yield_now().await;
                self.judge();
            }
        }
    }

    fn spawn(&self) {
        let number = self.tasks.borrow().len() as u32 + 1;
        let state = Rc::new(State::new(number));
        Run::current().tell("Spawn", number, format!("task {number}"));
        let mut handle = runtime::spawn(Work(Rc::clone(&state)));
        let is_woken = Arc::clone(&state.is_woken_by_handle);
        handle.task = Waker::from(Arc::new(ByHandle { task: handle.task.clone(), is_woken }));
        *state.handle.borrow_mut() = Some(Box::pin(handle));
        self.tasks.borrow_mut().push(state);
    }

    fn wakes(&self, task: &State, next: Option<End>) {
        if task.end.get().is_none() && next.is_some() {
            task.next.set(next);
        }
        // Before its first poll it has no waker, and stands in the queue.
        task.waker.take().into_iter().for_each(Waker::wake);
    }

    /// Before the loop runs: who is woken polls its handle at once, before `wake` has come back.
    fn listens(self: &Rc<Desk>) {
        let desk = Rc::clone(self);
        once_at(Moment::Wake, move || {
            // Of a task that was never polled the guard is dropped first, and nothing is held.
            let has_ended =
                |task: &&Rc<State>| task.polls.get() > 0 && (task.end.get().is_some() || task.is_aborted.get());
            let alive = desk.tasks().into_iter().find(|task| {
                !task.is_dropped.get() && task.joiner.get().is_some_and(|joiner| task.spy(joiner).wakes() > 0)
            });
            if let Some(task) = alive.as_ref().filter(has_ended) {
                let says = format!(
                    "The end of task {} has woken its joiner, and the task's future is still there. It keeps what it \
                     holds, and the joiner may wait for that: a lock, a permit.",
                    task.number
                );
                let rule = "first the drop, then the wake";
                Run::current().note_broken(Broken { rule, says, missing: Some("Dropped") });
                return;
            }
            // Of all that are not over yet, the one that has ended.
            let ended = desk.tasks().into_iter().find(|task| task.is_dropped.get() && task.joiner.get().is_some());
            let Some(task) = ended else { return };
            let Some(mut handle) = task.handle.take() else { return };
            let joiner = task.joiner.get().expect("looked at above");
            Run::current().tell("Join", task.number, format!("joiner {joiner} looks at once"));
            // A look at what is in the cell.
            let result = handle.cell.result.take();
            let was_there = result.is_some();
            handle.cell.result.set(result);
            let polled = handle.as_mut().poll(&mut Context::from_waker(Waker::noop())).map(end);
            if polled.is_pending() && was_there {
                let says = format!(
                    "The end of task {} has woken its joiner. The result is in the cell, and the poll of the handle says \
                     Pending.",
                    task.number
                );
                Run::current().note_broken(Broken { rule: "the joiner gets the result", says, missing: None });
            } else if polled.is_pending() {
                let says = format!(
                    "The end of task {} has woken its joiner, and the joiner finds no result. It says Pending again, \
                     and nobody wakes it any more.",
                    task.number
                );
                let rule = "the result comes before the wake";
                Run::current().note_broken(Broken { rule, says, missing: None });
            }
            task.told.set(Some(polled));
            drop(handle);
        });
    }

    /// A joiner polls a handle.
    fn join(&self, task: &Rc<State>, joiner: u32) {
        let Some(mut handle) = task.handle.take() else { return };
        let (run, spy, number) = (Run::current(), task.spy(joiner), task.number);
        let woken = spy.wakes();
        run.tell("PollBegin", number, format!("of handle {number}, by joiner {joiner}"));
        let waker = spy.waker();
        let polled = handle.as_mut().poll(&mut Context::from_waker(&waker)).map(end);
        drop(waker);
        run.tell_answer(number, &polled);
        // After an abort the end may be still to come.
        let end = task.end.get().filter(|_| task.is_dropped.get());
        if spy.wakes() > woken {
            let says = format!("Joiner {joiner} was woken in its own poll, and task {number} has not ended: a spin.");
            broken("no wake before the end", says, None);
        }
        let says = match (polled, end) {
            (Poll::Ready(told), Some(end)) if told == end => return,
            (Poll::Ready(told), Some(end)) => {
                format!("Task {number} has ended with {}, and its joiner is told: {}.", end.words(), told.words())
            }
            (Poll::Ready(told), None) => {
                format!("Task {number} has not ended, and its joiner is told: {}.", told.words())
            }
            (Poll::Pending, Some(end)) => {
                format!("Task {number} has ended with {}, and its handle says Pending.", end.words())
            }
            (Poll::Pending, None) => {
                if spy.holders() == 0 {
                    let says = format!("The handle says Pending, and nobody holds the waker of joiner {joiner}.");
                    broken("Pending keeps the waker of this poll", says, None);
                }
                task.joiner.set(Some(joiner));
                *task.handle.borrow_mut() = Some(handle);
                return;
            }
        };
        broken("the joiner gets the result", says, None)
    }

    fn abort(&self, task: &State) {
        let handle = task.handle.borrow();
        let Some(handle) = &*handle else { return };
        Run::current().tell("Abort", task.number, format!("task {}", task.number));
        let was_over = task.is_dropped.get();
        if task.end.get().is_none() {
            task.is_aborted.set(true);
        }
        let joiner = task.joiner.get().map(|joiner| (joiner, task.spy(joiner).wakes()));
        handle.abort();
        if let Some((joiner, _)) = joiner.filter(|&(joiner, wakes)| task.spy(joiner).wakes() > wakes) {
            let says = format!(
                "The abort of task {} has woken joiner {joiner}, and the task has not ended. Its joiner is woken by the end.",
                task.number
            );
            broken("no wake before the end", says, None);
        }
        if task.is_dropped.get() && !was_over {
            let says = format!(
                "abort has dropped task {} itself. If a task aborts itself, its future is dropped in the middle of its \
                 own poll.",
                task.number
            );
            broken("abort only asks", says, None);
        }
    }

    /// After a turn: each end was told, and nobody has ended who should not.
    fn judge(&self) {
        forget(Moment::Wake);
        let is_over = run::current().is_none();
        for task in self.tasks() {
            if !is_over {
                task.goes_on();
            }
            task.judge_turn(is_over);
            let (Some(joiner), true) = (task.joiner.get(), task.is_dropped.get()) else { continue };
            task.joiner.set(None);
            task.judge_wakes(joiner);
            let told = task.told.take();
            // Several may end in one turn; one of the joiners polled at once, and the others poll now.
            let is_gone = task.handle.borrow().is_none();
            if is_gone {
                let end = task.end.get().expect("a task that is dropped has ended");
                if told == Some(Poll::Ready(end)) {
                    continue;
                }
                let told = told.map(|told| if let Poll::Ready(told) = told { told.words() } else { "Pending".into() });
                let says = format!(
                    "Task {} has ended with {}, and its joiner is told: {}.",
                    task.number,
                    end.words(),
                    told.unwrap_or_default()
                );
                broken("the joiner gets the result", says, None);
            }
            self.join(&task, joiner);
        }
    }
}

/// The answer sleeps, and nobody is left to wake it.
fn sleeps(_: &Run) -> Broken {
    let says = "The loop sleeps, or a poll does. Nobody is left to wake it.".to_owned();
    Broken { rule: "a task goes on", says, missing: Some("PollEnd") }
}
