//! A semaphore of an answer, polled by hand: whose each permit is is known at each step, and so is who has to be woken.

use crate::asks::{Ask, Asking, AtOnce, State, Task};
use crate::granted::By;
use crate::run::{Run, broken};
use crate::spy::{Moment, forget, once_at};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

/// A semaphore of the answer, and the tasks that ask it.
pub struct Permits<P> {
    /// The answer's `acquire`.
    acquire: Box<dyn Fn() -> Asking<P>>,
    pub(crate) permits: usize,
    free: Cell<usize>,
    /// Who is to get the next permits.
    line: RefCell<VecDeque<Rc<Task<P>>>>,
    tasks: RefCell<Vec<Rc<Task<P>>>>,
    /// It is in the middle of a wake.
    pub(crate) at_once: Cell<bool>,
    /// The task that polls, and whether a permit has become its own meanwhile.
    at_poll: Cell<(u32, bool)>,
    /// What a waker's copy or drop leads to.
    then: Cell<Option<Moment>>,
}

impl<P: 'static> fmt::Debug for Permits<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permits").field("permits", &self.permits).field("free", &self.free).finish_non_exhaustive()
    }
}

impl<P: 'static> Permits<P> {
    /// Does these steps with a semaphore of so many permits, and judges each.
    ///
    /// # Panics
    /// If a step goes wrong: that breaks a rule.
    pub fn drive(permits: usize, acquire: impl Fn() -> Pin<Box<dyn Future<Output = P>>> + 'static, steps: &[Ask]) {
        let (acquire, free) = (Box::new(acquire), Cell::new(permits));
        let (line, tasks, at_once, then) = (RefCell::default(), RefCell::default(), Cell::new(false), Cell::new(None));
        let at_poll = Cell::default();
        let desk = Rc::new(Permits { acquire, permits, free, line, tasks, at_once, at_poll, then });
        let driven = catch_unwind(AssertUnwindSafe(|| {
            for step in steps {
                desk.does(*step);
                if !matches!(step, Ask::ReleaseAt(..)) {
                    forget(Moment::Clone);
                    forget(Moment::Drop);
                }
            }
            desk.ends();
        }));
        if let Err(payload) = driven {
            // The drop of a future or of a permit might panic, too, and that would end the process without a word.
            mem::forget(desk);
            resume_unwind(payload);
        }
    }

    /// One step.
    fn does(self: &Rc<Permits<P>>, step: Ask) {
        let number = match step {
            Ask::New => return self.ask(),
            Ask::Poll(number) | Ask::Move(number) | Ask::Release(number, _) | Ask::Drop(number) => number,
            Ask::ReleaseAt(_, number) => number,
        };
        // Who was to ask at once may not have: nobody was woken.
        let Some(task) = self.tasks().get(number - 1).cloned() else { return };
        match step {
            Ask::New => {}
            Ask::ReleaseAt(moment, _) => self.releases_at(moment, task),
            Ask::Poll(_) => self.poll(&task),
            Ask::Move(_) => task.poller.set(1 - task.poller.get()),
            Ask::Release(_, at_once) => self.release(&task, at_once),
            Ask::Drop(_) => self.drops(&task),
        }
    }

    pub(crate) fn tasks(&self) -> Vec<Rc<Task<P>>> {
        self.tasks.borrow().clone()
    }

    /// So many tasks have a permit, and know it.
    pub(crate) fn out(&self) -> usize {
        self.tasks.borrow().iter().filter(|task| task.state.get() == State::Has).count()
    }

    pub(crate) fn find(&self, state: State) -> Option<Rc<Task<P>>> {
        self.tasks().into_iter().find(|task| task.state.get() == state)
    }

    /// A new task asks.
    fn ask(&self) {
        let number = self.tasks.borrow().len() as u32 + 1;
        let task = Rc::new(Task::new(number, (self.acquire)()));
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
    fn poll(&self, task: &Task<P>) {
        let Some(mut future) = task.future.take() else { return };
        task.latest.set(task.poller.get());
        task.polls.set(task.polls.get() + 1);
        let (run, name, spy) = (Run::current(), task.name(), &task.spies[task.latest.get()].0);
        let woken = spy.wakes();
        run.tell("PollBegin", name, format!("poll {}, by task {name}", task.polls.get()));
        let waker = spy.waker();
        self.at_poll.set((task.number, false));
        let due = &task.spies[task.latest.get()].1;
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut Context::from_waker(&waker))));
        // The check's own waker: nothing happens at its drop.
        forget(Moment::Drop);
        drop(waker);
        let (_, is_granted_meanwhile) = self.at_poll.take();
        if is_granted_meanwhile {
            due.set(may_be_woken(due.get(), spy.wakes()));
        }
        let polled = match polled {
            Ok(polled) => polled,
            Err(payload) => {
                // Its drop might panic, too.
                mem::forget(future);
                resume_unwind(payload)
            }
        };
        if spy.wakes() > woken && !is_granted_meanwhile {
            let says = format!(
                "Task {name} was woken in its own poll, and no permit has come back. It is polled again at once, and \
                 again: that is a spin."
            );
            broken("who is woken has a permit", says, None);
        }
        run.tell_answer(name, &polled);
        if polled.is_pending() {
            // Before a rule is said to be broken: where the story ends, its drop might panic.
            task.future.set(Some(future));
        }
        match (polled, task.state.get()) {
            (Poll::Ready(permit), State::Granted) => {
                task.permit.set(Some(permit));
                task.state.set(State::Has);
            }
            (Poll::Ready(permit), _) => {
                mem::forget(permit);
                self.is_one_too_many(name)
            }
            // It has looked before. It is judged when it polls again.
            (Poll::Pending, State::Granted) if is_granted_meanwhile => {}
            (Poll::Pending, State::Granted) => self.gets_none(task, name),
            (Poll::Pending, _) => {
                if spy.holders() == 0 {
                    let says = format!("Task {name} waits, and nobody holds the waker of its last poll.");
                    broken("Pending keeps the waker of this poll", says, None);
                }
            }
        }
    }

    /// Whether this task would get a permit if it polled now. Nobody is told: it is for the reason of a refusal.
    pub(crate) fn would_get_one(&self, task: &Task<P>) -> bool {
        let Some(mut future) = task.future.take() else { return false };
        let waker = task.spies[task.latest.get()].0.waker();
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut Context::from_waker(&waker))));
        mem::forget((future, waker));
        polled.is_ok_and(|polled| polled.map(mem::forget).is_ready())
    }

    /// The task that polls was granted a permit in the middle of its poll.
    pub(crate) fn is_granted_in_its_poll(&self, task: &Task<P>) -> bool {
        self.at_poll.get() == (task.number, true)
    }

    /// A permit comes back: whose is it now?
    fn gives(&self) -> Option<Rc<Task<P>>> {
        let first = self.line.borrow_mut().pop_front();
        match &first {
            None => self.free.set(self.free.get() + 1),
            Some(first) => {
                first.state.set(State::Granted);
                if self.at_poll.get().0 == first.number {
                    // Its waker may not be kept yet, and it may look afterwards.
                    self.at_poll.set((first.number, true));
                    return Some(Rc::clone(first));
                }
                let due = &first.spies[first.latest.get()].1;
                due.set(due.get() + 1);
            }
        }
        first
    }

    /// The task gives its permit back.
    fn release(self: &Rc<Permits<P>>, task: &Task<P>, at_once: AtOnce) {
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
            let then = self.then.get().filter(|_| !Run::current().is_refused());
            if let Some(moment) = then {
                let (what, verb) = if moment == Moment::Clone { ("copied", "copy") } else { ("dropped", "drop") };
                let says = format!(
                    "A waker is {what}, and that gives the permit of task {} back: a waker is code of others. The drop of \
                     the permit has panicked. Is the line, or the place of a waker, still borrowed while you {verb} a \
                     waker? Or do you rely on it that who is in line has a waker already?",
                    task.number
                );
                broken("no borrow while other code runs", says, None);
            }
            if self.at_once.get() && !Run::current().is_refused() {
                let says = "A permit came back, and a waker was called. Before the call was over, a task asked, or was \
                            dropped: that is allowed, and it panicked. Is the line still borrowed while you wake?";
                broken("no borrow while other code runs", says, None);
            }
            let is_borrowed =
                |text: &String| ["already borrowed", "already mutably borrowed"].iter().any(|it| text.contains(it));
            if let Some(text) = Run::current().panicked().filter(is_borrowed) {
                let says = format!(
                    "Task {} gives its permit back, and the drop of the permit panics: {text}. Is a borrow of the line still \
                     held by a task that waits? A variable that holds a borrow, and lives over an `.await`, holds it as long \
                     as the task waits.",
                    task.number
                );
                broken("no borrow while other code runs", says, None);
            }
            resume_unwind(payload);
        }
        self.judge_wakes(By::Release);
    }

    /// At this moment of the next waker the task gives its permit back.
    fn releases_at(self: &Rc<Permits<P>>, moment: Moment, task: Rc<Task<P>>) {
        let desk = Rc::clone(self);
        once_at(moment, move || {
            desk.then.set(Some(moment));
            desk.release(&task, AtOnce::Nothing);
            desk.then.set(None);
        });
    }

    /// The task asks no more.
    fn drops(&self, task: &Rc<Task<P>>) {
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

    /// The end: all give back what they have. Then all permits are there, and none more.
    fn ends(self: &Rc<Permits<P>>) {
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
            let says = format!(
                "All futures and permits are gone, and a waker of task {} is still held. Either it stands in a line, or \
                 what holds it is leaked: by `mem::forget`, or by two `Rc` that hold each other.",
                task.number
            );
            broken("who is gone leaves nothing behind", says, None);
        }
    }
}

/// How often a task is to be woken that is granted a permit in the middle of its poll: it may be woken once for it, or not,
/// if its waker is not kept yet. So many wakes were due, and so many came.
pub(crate) fn may_be_woken(due: u64, wakes: u64) -> u64 {
    wakes.clamp(due, due + 1)
}
