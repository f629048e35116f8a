//! The check of lesson 11: tasks ask for permits, give them back and ask no more when the check says so, polled by hand.
//! Then jobs on the rung's own loop, by its virtual clock: their time is that of Little's law.
#![allow(dead_code, unused_imports, unused_macros, unused_variables)]
// An answer's permit may have no drop.
#![allow(clippy::drop_non_drop, clippy::forget_non_drop)]

use course::{Broken, Dice, Judged, Moment, Run, Spy, broken, forget, once_at, watch};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

include!(concat!(env!("OUT_DIR"), "/11_semaphore/glue.rs"));

// The exercise is not as short as it can be.
#[allow(clippy::match_bool)]
#[path = "exercise.rs"]
mod semaphore;

/// One step of a program. Tasks are numbered from 1, in the order in which they ask.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// A new task asks for a permit: the first poll of its future.
    Ask,
    /// This task polls again.
    Poll(usize),
    /// From now on another task polls the future of this one.
    Move(usize),
    /// The task gives its permit back. Who is woken does this at once, before `wake` has come back.
    Release(usize, AtOnce),
    /// The task asks no more: its future is dropped.
    Drop(usize),
}

/// What is done in the middle of a wake.
#[derive(Debug, Clone, Copy, PartialEq)]
enum AtOnce {
    Nothing,
    /// The woken task polls.
    Poll,
    /// The woken task asks no more.
    Drop,
    /// A new task asks.
    Ask,
}

/// A program.
#[derive(Debug)]
enum Program {
    /// By hand, with so many permits.
    ByHand(usize, Vec<Act>),
    /// So many jobs on the loop, with so many permits; each takes so many milliseconds.
    Rate(u32, usize, u64),
}

/// So many tasks at most ask in the course of a program.
const TASKS: usize = 9;

/// Checks the answer.
pub fn main() {
    course::run(11, program)
}

/// One program: one semaphore.
fn program(dice: &mut Dice, number: u64, size: f64) -> Judged {
    use Act::{Ask, Drop, Move, Poll, Release};
    use AtOnce::Nothing;
    // The smallest are always the same: what they refuse is easy to see. Then come dice.
    let one = |acts: &[Act]| Program::ByHand(1, acts.to_vec());
    let program = match number {
        1 => one(&[Ask, Ask, Release(1, Nothing), Ask]),
        2 => one(&[Ask, Ask, Ask, Release(1, Nothing), Poll(2), Release(2, Nothing), Poll(3)]),
        3 => one(&[Ask, Ask, Ask, Release(1, Nothing), Drop(2), Poll(3)]),
        4 => one(&[Ask, Ask, Release(1, Nothing), Drop(2), Ask]),
        5 => one(&[Ask, Ask, Ask, Drop(3)]),
        6 => one(&[Ask, Ask, Ask, Drop(2), Release(1, Nothing), Poll(3)]),
        7 => Program::ByHand(
            2,
            vec![Ask, Ask, Ask, Ask, Release(2, Nothing), Release(1, Nothing), Poll(4), Poll(3), Ask],
        ),
        8 => one(&[Ask, Ask, Release(1, AtOnce::Poll), Release(2, Nothing)]),
        9 => one(&[Ask, Ask, Ask, Release(1, AtOnce::Drop), Poll(3)]),
        10 => one(&[Ask, Ask, Release(1, AtOnce::Ask), Poll(2)]),
        11 => one(&[Ask, Ask, Move(2), Poll(2), Release(1, Nothing), Poll(2)]),
        12 => Program::Rate(20, 4, 20),
        _ if dice.one_in(15) => Program::Rate(dice.roll(1..=30) as u32, dice.roll(1..=5) as usize, dice.roll(1..=50)),
        _ => roll(dice, size),
    };
    let body = move || match program {
        Program::ByHand(permits, acts) => by_hand(permits, &acts),
        Program::Rate(jobs, permits, millis) => rate(jobs, permits, millis),
    };
    Judged::new(watch(body), &(), sleeps).spinning_says(
        "a poll comes back",
        "20 ms of processor time, and nothing comes back: acquire and drop look, do one thing, and return.",
    )
}

/// Any program.
fn roll(dice: &mut Dice, size: f64) -> Program {
    let (mut asked, mut acts) = (1, vec![Act::Ask]);
    for _ in 0..dice.roll(1..=(size * 30.0).ceil() as u64) {
        let task = dice.roll(1..=asked as u64) as usize;
        let act = match dice.roll(1..=20) {
            1..=6 if asked < TASKS => Act::Ask,
            1..=8 => Act::Poll(task),
            9 => Act::Move(task),
            10..=12 => Act::Drop(task),
            13 if asked < TASKS => Act::Release(task, AtOnce::Ask),
            14 => Act::Release(task, AtOnce::Drop),
            15 => Act::Release(task, AtOnce::Poll),
            _ => Act::Release(task, AtOnce::Nothing),
        };
        asked += usize::from(matches!(act, Act::Ask | Act::Release(_, AtOnce::Ask)));
        acts.push(act);
    }
    Program::ByHand(dice.roll(1..=3) as usize, acts)
}

/// A future of the answer, and what it gives.
type Asking = Pin<Box<dyn Future<Output = Permit>>>;
type Permit = semaphore::Permit<'static>;

/// How far a task is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    /// It stands in the line.
    Waits,
    /// A permit is its own, and it has not polled since.
    Granted,
    /// It has a permit.
    Has,
    /// It has given its permit back, or asks no more.
    Gone,
}

/// What the check knows of a task that has asked.
struct Task {
    number: u32,
    state: Cell<State>,
    polls: Cell<u32>,
    future: Cell<Option<Asking>>,
    permit: Cell<Option<Permit>>,
    /// Its own wakers, and those of the task to which it gives its future; how often they are to be woken.
    spies: [(Spy, Cell<u64>); 2],
    /// Who polls, and who has polled last: an index of the two.
    poller: Cell<usize>,
    latest: Cell<usize>,
}

impl Task {
    /// The task with this number asks; nobody has polled yet.
    fn new(number: u32, future: Asking) -> Task {
        let spies = [number, number + 20].map(|number| (Spy::new(number), Cell::new(0)));
        let (state, future) = (Cell::new(State::Waits), Cell::new(Some(future)));
        let (polls, poller, latest) = (Cell::new(0), Cell::new(0), Cell::new(0));
        Task { number, state, polls, future, permit: Cell::new(None), spies, poller, latest }
    }

    /// The number of who has polled last.
    fn name(&self) -> u32 {
        self.number + 20 * self.latest.get() as u32
    }
}

/// What led to a wake, or should have.
#[derive(Clone, Copy, PartialEq)]
enum By {
    Release,
    /// This task was dropped: it was granted a permit.
    GrantedDrop(u32),
    /// This task was dropped: it had none.
    WaiterDrop(u32),
}

/// A program at work.
struct Desk {
    semaphore: &'static semaphore::Semaphore,
    permits: usize,
    free: Cell<usize>,
    /// Who is to get the next permits.
    line: RefCell<VecDeque<Rc<Task>>>,
    tasks: RefCell<Vec<Rc<Task>>>,
    /// It is in the middle of a wake.
    at_once: Cell<bool>,
}

fn by_hand(permits: usize, acts: &[Act]) {
    // Futures and permits borrow it. It is small, and the process ends soon.
    let semaphore: &'static semaphore::Semaphore = Box::leak(Box::new(semaphore::Semaphore::new(permits)));
    let free = Cell::new(permits);
    let (line, tasks, at_once) = (RefCell::default(), RefCell::default(), Cell::new(false));
    let desk = Rc::new(Desk { semaphore, permits, free, line, tasks, at_once });
    for act in acts {
        let number = match *act {
            Act::Ask => {
                desk.ask();
                continue;
            }
            Act::Poll(number) | Act::Move(number) | Act::Release(number, _) | Act::Drop(number) => number,
        };
        // Who was to ask at once may not have: nobody was woken.
        let Some(task) = desk.tasks().get(number - 1).cloned() else { continue };
        match *act {
            Act::Ask => {}
            Act::Poll(_) => desk.poll(&task),
            Act::Move(_) => task.poller.set(1 - task.poller.get()),
            Act::Release(_, at_once) => desk.release(&task, at_once),
            Act::Drop(_) => desk.drops(&task),
        }
    }
    desk.ends();
}

impl Desk {
    fn tasks(&self) -> Vec<Rc<Task>> {
        self.tasks.borrow().clone()
    }

    /// So many tasks have a permit, and know it.
    fn out(&self) -> usize {
        self.tasks.borrow().iter().filter(|task| task.state.get() == State::Has).count()
    }

    fn find(&self, state: State) -> Option<Rc<Task>> {
        self.tasks().into_iter().find(|task| task.state.get() == state)
    }

    /// A new task asks.
    fn ask(&self) {
        let semaphore = self.semaphore;
        let number = self.tasks.borrow().len() as u32 + 1;
        let task = Rc::new(Task::new(number, Box::pin(semaphore.acquire())));
        self.tasks.borrow_mut().push(Rc::clone(&task));
        match self.free.get() {
            0 => self.line.borrow_mut().push_back(Rc::clone(&task)),
            free => {
                self.free.set(free - 1);
                task.state.set(State::Granted);
            }
        }
        self.poll(&task);
    }

    /// A task polls its future, if it has one.
    fn poll(&self, task: &Task) {
        let Some(mut future) = task.future.take() else { return };
        task.latest.set(task.poller.get());
        task.polls.set(task.polls.get() + 1);
        let (run, name, spy) = (Run::current(), task.name(), &task.spies[task.latest.get()].0);
        let woken = spy.wakes();
        run.tell("PollBegin", name, format!("poll {}, by task {name}", task.polls.get()));
        let waker = spy.waker();
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut Context::from_waker(&waker))));
        drop(waker);
        let polled = match polled {
            Ok(polled) => polled,
            Err(payload) => {
                // Its drop might panic, too.
                mem::forget(future);
                resume_unwind(payload)
            }
        };
        if spy.wakes() > woken {
            let says = format!(
                "Task {name} was woken in its own poll, and no permit has come back. It is polled again at once, and \
                 again: that is a spin."
            );
            broken("who is woken has a permit", says, None);
        }
        run.tell_answer(name, &polled);
        match (polled, task.state.get()) {
            (Poll::Ready(permit), State::Granted) => {
                task.permit.set(Some(permit));
                task.state.set(State::Has);
            }
            (Poll::Ready(permit), _) => {
                mem::forget(permit);
                self.is_one_too_many(name)
            }
            (Poll::Pending, State::Granted) => self.gets_none(task, name),
            (Poll::Pending, _) => {
                if spy.holders() == 0 {
                    let says = format!("Task {name} waits, and nobody holds the waker of its last poll.");
                    broken("Pending keeps the waker of this poll", says, None);
                }
                task.future.set(Some(future));
            }
        }
    }

    /// This task has got a permit, and none is its own.
    fn is_one_too_many(&self, name: u32) {
        if let Some(granted) = self.find(State::Granted) {
            let first = granted.name();
            let says = format!(
                "A permit came back, and task {first} was woken: it was the first in line. Before it is polled task {name} \
                 takes the permit."
            );
            broken("first come, first served", says, None);
        }
        let (out, permits) = (self.out() + 1, self.permits);
        let says = format!("Task {name} has got a permit, too: {out} of {permits} are out.");
        broken("no more permits than there are", says, None);
    }

    /// A permit is this task's own, and its poll says Pending.
    fn gets_none(&self, task: &Task, name: u32) {
        if task.polls.get() == 1 {
            let others = self.tasks().iter().filter(|other| other.state.get() == State::Granted).count() - 1;
            let lost = self.permits - self.out() - others;
            let (are, s) = if lost == 1 { ("is", "") } else { ("are", "s") };
            let says = format!(
                "Nobody is in line, and {} of {} permits are out. Task {name} asks, and gets none: {lost} permit{s} {are} \
                 nobody's.",
                self.out() + others,
                self.permits
            );
            broken("a permit is somebody's", says, None);
        }
        if self.at_once.get() {
            let says = format!(
                "The wake of task {name} has come, and the task has polled at once. It finds no permit: that is given to \
                 it after the wake."
            );
            broken("the grant comes before the wake", says, None);
        }
        let says = format!("Task {name} was woken, and its poll says Pending: it has no permit.");
        broken("who is woken has a permit", says, None);
    }

    /// A permit comes back: whose is it now?
    fn gives(&self) -> Option<Rc<Task>> {
        let first = self.line.borrow_mut().pop_front();
        match &first {
            None => self.free.set(self.free.get() + 1),
            Some(first) => {
                first.state.set(State::Granted);
                let due = &first.spies[first.latest.get()].1;
                due.set(due.get() + 1);
            }
        }
        first
    }

    /// The task gives its permit back.
    fn release(self: &Rc<Desk>, task: &Task, at_once: AtOnce) {
        let Some(permit) = task.permit.take() else { return };
        Run::current().tell("Release", task.number, format!("by task {}", task.name()));
        task.state.set(State::Gone);
        let first = self.gives();
        if let Some(first) = first.filter(|_| at_once != AtOnce::Nothing) {
            let desk = Rc::clone(self);
            once_at(Moment::Wake, move || {
                desk.at_once.set(true);
                match at_once {
                    AtOnce::Nothing => {}
                    AtOnce::Poll => desk.poll(&first),
                    AtOnce::Drop => desk.drops(&first),
                    AtOnce::Ask => desk.ask(),
                }
                desk.at_once.set(false);
            });
        }
        let released = catch_unwind(AssertUnwindSafe(|| drop(permit)));
        forget(Moment::Wake);
        if let Err(payload) = released {
            if self.at_once.get() && !Run::current().is_refused() {
                let says = "A permit came back, and a waker was called. Before the call was over, a task asked, or was \
                            dropped: that is allowed, and it panicked. Is the line still borrowed while you wake?";
                broken("no borrow while other code runs", says, None);
            }
            resume_unwind(payload);
        }
        self.judge_wakes(By::Release);
    }

    /// The task asks no more.
    fn drops(&self, task: &Rc<Task>) {
        let Some(future) = task.future.take() else { return };
        let name = task.name();
        let by = match task.state.replace(State::Gone) {
            State::Granted => {
                Run::current().tell("Drop", task.number, format!("task {name}, woken and not polled"));
                self.gives();
                By::GrantedDrop(name)
            }
            _ => {
                Run::current().tell("Drop", task.number, format!("task {name} waits no more"));
                self.line.borrow_mut().retain(|other| !Rc::ptr_eq(other, task));
                By::WaiterDrop(name)
            }
        };
        drop(future);
        self.judge_wakes(by);
    }

    /// Who was granted a permit is woken, once, and nobody else.
    fn judge_wakes(&self, by: By) {
        let tasks = self.tasks();
        let each =
            || tasks.iter().flat_map(|task| task.spies.iter().map(move |(spy, due)| (task, spy.wakes(), due.get())));
        let missed = each().find(|(_, wakes, due)| wakes < due).map(|(task, ..)| task.name());
        if let Some((task, wakes, due)) = each().find(|(_, wakes, due)| wakes > due) {
            self.judge_extra(task, wakes, by, missed);
        }
        let Some(missed) = missed else { return };
        let (rule, says) = match by {
            By::GrantedDrop(gone) => (
                "a permit is somebody's",
                format!(
                    "Task {gone} was granted a permit, and is dropped before it is polled. The permit is nobody's now: \
                     task {missed} is the first in line, and waits for ever."
                ),
            ),
            _ => (
                "no wake is lost",
                format!("A permit came back. Task {missed} is the first in line, and it is not woken."),
            ),
        };
        broken(rule, says, Some("Wake"))
    }

    /// This task was woken, and not because it was granted a permit.
    fn judge_extra(&self, task: &Task, wakes: u64, by: By, missed: Option<u32>) {
        let name = task.name();
        let (rule, says) = match (by, task.state.get(), missed) {
            (By::WaiterDrop(gone), ..) => (
                "no more permits than there are",
                format!(
                    "Task {gone} waited, and had no permit. It is dropped, and gives one back all the same: task {name} is \
                     woken, and {} of {} are out.",
                    self.permits + 1,
                    self.permits
                ),
            ),
            (_, State::Gone, _) => (
                "who is gone stands in no line",
                format!("The permit is given to task {name}. It was dropped before, and nobody polls it any more."),
            ),
            (_, State::Waits, Some(first)) => (
                "first come, first served",
                format!("A permit came back, and task {name} is woken. But task {first} is the first in line."),
            ),
            (_, State::Waits, None) => (
                "who is woken has a permit",
                format!("One permit came back, and more than one task is woken: task {name} is woken for nothing."),
            ),
            _ => (
                "who is woken has a permit",
                format!("Task {name} was woken {wakes} times. A permit wakes its task once."),
            ),
        };
        broken(rule, says, None)
    }

    /// The end: all give back what they have. Then all permits are there, and none more.
    fn ends(self: &Rc<Desk>) {
        let all_go = || {
            for task in self.tasks() {
                self.drops(&task);
                self.release(&task, AtOnce::Nothing);
            }
        };
        all_go();
        (0..=self.permits).for_each(|_| self.ask());
        all_go();
        let mut all = self.tasks();
        all.retain(|task| task.spies.iter().any(|(spy, _)| spy.holders() > 0));
        if let Some(task) = all.first() {
            let says = format!("All futures are dropped, and a waker of task {} is still held.", task.number);
            broken("who is gone stands in no line", says, None);
        }
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
        if run.is_refused() || begun.get() == jobs {
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
