//! A gather that a check polls by hand: for up to three tasks that have it one after the other, and with wakes of its children
//! between the polls and inside of them.

use crate::children::{Child, Next, Shared, State};
use crate::dice::Dice;
use crate::meanwhile::meanwhile;
use crate::peace::{Peace, judge_peace};
use crate::run::{Run, broken};
use crate::spy::{Moment, Spy, forget, once_at};
use std::cell::{Cell, RefCell};
use std::fmt::{self, Debug};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

/// What is told of a wake in the middle of something.
pub(crate) const COPIED: &str = "copied";
pub(crate) const DROPPED: &str = "dropped";

/// So many tasks poll a gather, one after the other.
pub(crate) const TASKS: u32 = 3;

/// One step of a program. Children and tasks have numbers from 1.
#[derive(Debug, Clone, Copy)]
pub enum ChildStep {
    /// This task polls the gather.
    Poll(u32),
    /// This task polls the gather some times, and no child is woken: no poll has anything to wait for.
    PollInPeace(u32),
    /// A child is woken for nothing: it will say Pending.
    Wake(usize),
    /// A child is woken. In its next poll it wakes itself, and says Pending.
    Yield(usize),
    /// A child is woken, and ends in its next poll.
    End(usize),
    /// A child is woken, and fails in its next poll.
    Fail(usize),
    /// This task polls the gather. While the gather copies the task's waker, a child is woken on another thread; it ends in
    /// its next poll.
    PollAndEnd(u32, usize),
    /// This task polls the gather. At this moment of a task's waker a child is woken, on the same thread; it ends in its next
    /// poll.
    PollAndAt(u32, Moment, usize),
    /// A child is woken for nothing. At this moment of the task's waker another child is woken, on the same thread; it ends in
    /// its next poll.
    WakeAndAt(usize, Moment, usize),
    /// A child is woken and will end, and the task polls the gather at once, before `wake` has come back.
    EndAndPoll(usize),
    /// The gather is dropped.
    Drop,
}

/// A gather that is polled, and not over.
type Gathering<R> = Pin<Box<dyn Future<Output = R>>>;

/// What the answer is called for, and what it has to give.
pub struct Form<T: 'static, R> {
    /// Calls the answer.
    pub gather: fn(Vec<Child<T>>) -> Gathering<R>,
    /// What the child with this number gives; true: it fails.
    pub value: fn(u32, bool) -> T,
    /// What the answer has to give for so many children; the number of the child that has failed, if one has.
    pub result: fn(u32, Option<u32>) -> R,
    /// Whether it is judged, too, when children are dropped.
    pub drops: bool,
}

impl<T, R> Debug for Form<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Form").finish_non_exhaustive()
    }
}

/// A gather, its children, and the tasks that poll it.
pub struct Parent<T: 'static, R> {
    pub(crate) form: Form<T, R>,
    pub(crate) children: Vec<Rc<State<T>>>,
    pub(crate) shared: Rc<Shared>,
    spies: Vec<Spy>,
    /// `None`: it is dropped, or Ready, or at poll.
    pub(crate) future: RefCell<Option<Gathering<R>>>,
    /// Who polled last, and how often it had been woken before.
    pub(crate) latest: Cell<Option<(u32, u64)>>,
}

impl<T, R> Debug for Parent<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parent").field("children", &self.children.len()).finish_non_exhaustive()
    }
}

impl<T: 'static, R: PartialEq + Debug + 'static> Parent<T, R> {
    /// A gather of so many children.
    ///
    /// # Panics
    /// Outside of [`watch`](crate::watch()).
    pub fn new(children: u32, form: Form<T, R>) -> Rc<Parent<T, R>> {
        let shared = Rc::<Shared>::default();
        let children: Vec<_> = (1..=children).map(|number| State::new(number, &shared)).collect();
        let futures = children.iter().map(|state| Child(Rc::clone(state))).collect();
        let future = RefCell::new(Some((form.gather)(futures)));
        let spies = (1..=TASKS).map(Spy::new).collect();
        Rc::new(Parent { form, children, shared, spies, future, latest: Cell::default() })
    }

    /// Does all steps; then lets every child end, and drops what is left.
    pub fn does(self: &Rc<Self>, steps: &[ChildStep]) {
        self.goes_on(steps);
        self.drops();
    }

    /// Does these steps, and the gather stays as it is.
    ///
    /// # Panics
    /// If a step goes wrong: that breaks a rule.
    pub fn goes_on(self: &Rc<Self>, steps: &[ChildStep]) {
        for step in steps {
            match *step {
                ChildStep::Poll(task) => {
                    self.poll(task, "");
                    self.judge_wakes();
                }
                ChildStep::PollInPeace(task) => self.polls_in_peace(task),
                ChildStep::Wake(child) => self.wakes(child, None),
                ChildStep::Yield(child) => self.wakes(child, Some(Next::Yield)),
                ChildStep::End(child) => self.wakes(child, Some(self.ends(child, false))),
                ChildStep::Fail(child) => self.wakes(child, Some(self.ends(child, true))),
                ChildStep::PollAndEnd(task, child) => self.poll_and_end(task, child),
                ChildStep::EndAndPoll(child) => self.end_and_poll(child),
                ChildStep::PollAndAt(task, moment, child) => {
                    self.ends_at(moment, child);
                    self.poll(task, "");
                    forget(moment);
                    self.judge_wakes();
                }
                ChildStep::WakeAndAt(child, moment, other) => {
                    self.ends_at(moment, other);
                    self.wakes(child, None);
                    forget(moment);
                }
                ChildStep::Drop => self.drops(),
            }
        }
    }

    /// Any program of so many children, which ends them all.
    pub fn roll(dice: &mut Dice, children: u32, size: f64, fails: bool) -> Vec<ChildStep> {
        let mut steps = vec![ChildStep::Poll(1)];
        let (mut task, count) = (1, children as usize);
        if count == 0 {
            return steps;
        }
        for _ in 0..dice.roll(0..=(size * 30.0).ceil() as u64) {
            let child = dice.roll(1..=count as u64) as usize;
            // Mostly the same task polls again.
            if dice.one_in(5) {
                task = dice.roll(1..=u64::from(TASKS)) as u32;
            }
            steps.push(match dice.roll(1..=16) {
                1..=3 => ChildStep::Wake(child),
                4..=5 => ChildStep::Yield(child),
                6..=7 => ChildStep::End(child),
                8 if fails => ChildStep::Fail(child),
                9 => ChildStep::PollAndEnd(task, child),
                10 => ChildStep::EndAndPoll(child),
                11 if dice.one_in(6) => ChildStep::Drop,
                _ => ChildStep::Poll(task),
            });
        }
        steps.extend((1..=count).map(ChildStep::End));
        // One poll for those that yield first.
        steps.extend([ChildStep::Poll(task), ChildStep::Poll(task)]);
        steps.extend((1..=count).map(ChildStep::End).chain([ChildStep::Poll(task)]));
        steps
    }

    /// The wakers of this task.
    pub(crate) fn spy(&self, task: u32) -> &Spy {
        &self.spies[task as usize - 1]
    }

    /// The child with this number.
    pub(crate) fn child(&self, number: usize) -> &State<T> {
        &self.children[number - 1]
    }

    fn ends(&self, child: usize, fails: bool) -> Next<T> {
        Next::Value((self.form.value)(child as u32, fails), fails)
    }

    /// What a child does in its next poll. What it is to do already, if that is its end, stays.
    fn is_to(&self, child: &State<T>, next: Option<Next<T>>) {
        let mut place = child.next.borrow_mut();
        if !matches!(*place, Some(Next::Value(..))) && next.is_some() {
            *place = next;
        }
    }

    /// A child is woken by the waker of its last poll. One that has ended is woken, too: that has no effect.
    fn wakes(self: &Rc<Self>, child: usize, next: Option<Next<T>>) {
        let child = self.child(child);
        self.is_to(child, next);
        // Before its first poll it has no waker, and will be polled.
        let Some(waker) = child.waker.borrow().clone() else { return };
        let what = if child.has_ended.get() { ", which has ended" } else { "" };
        Run::current().tell("WakeChild", self.shared.task.get(), format!("child {}{what}", child.number));
        child.counts_a_wake(false);
        waker.wake();
        self.judge_wakes();
    }

    /// One poll by this task; `how` is told.
    fn poll(self: &Rc<Self>, task: u32, how: &str) {
        let Some(mut future) = self.future.take() else { return };
        let (run, spy, shared) = (Run::current(), self.spy(task), &self.shared);
        shared.polls.set(shared.polls.get() + 1);
        shared.task.set(task);
        let is_same = self.latest.get().is_some_and(|(latest, _)| latest == task);
        self.latest.set(Some((task, spy.wakes())));
        let copies = spy.copies();
        let before: Vec<u32> = self.children.iter().filter(|it| it.is_woken()).map(|it| it.number).collect();
        run.tell("PollBegin", task, format!("poll {}, by task {task}{how}", shared.polls.get()));
        let waker = spy.waker();
        let answer = future.as_mut().poll(&mut Context::from_waker(&waker));
        drop(waker);
        run.tell_answer(task, &answer);
        let copies = spy.copies() - copies;
        match answer {
            Poll::Ready(result) => {
                self.judge_ready(&result);
                shared.is_over.set(true);
            }
            Poll::Pending => {
                self.judge_pending(&before);
                if is_same {
                    self.judge_copies(copies);
                }
                *self.future.borrow_mut() = Some(future);
            }
        }
    }

    /// The task polls, and no child is woken.
    fn polls_in_peace(self: &Rc<Self>, task: u32) {
        let poll = |is_told: bool| {
            if is_told {
                self.poll(task, "");
                return self.judge_wakes();
            }
            let Some(mut future) = self.future.take() else { return };
            match future.as_mut().poll(&mut Context::from_waker(&self.spy(task).waker())) {
                Poll::Ready(result) => self.judge_ready(&result),
                Poll::Pending => *self.future.borrow_mut() = Some(future),
            }
        };
        let (rests, returns) = ("a poll does not sleep", "a poll comes back");
        let cure = "A poll does what there is to do, and comes back.";
        judge_peace(task, poll, &Peace { because: "No child was woken", rests, returns, cure });
    }

    /// A child is woken on another thread, while the gather copies the waker of its task.
    fn poll_and_end(self: &Rc<Self>, task: u32, number: usize) {
        let (child, begun) = (self.child(number), Rc::new(RefCell::new(None)));
        let Some(waker) = child.waker.borrow().clone().filter(|_| !child.has_ended.get()) else {
            self.poll(task, "");
            return self.judge_wakes();
        };
        let (begins, parent) = (Rc::clone(&begun), Rc::clone(self));
        once_at(Moment::Clone, move || {
            let child = parent.child(number);
            parent.is_to(child, Some(parent.ends(number, false)));
            Run::current().tell("WakeChild", task, format!("child {number}, on another thread"));
            child.counts_a_wake(true);
            *begins.borrow_mut() = Some(meanwhile(move || waker.wake()));
        });
        self.poll(task, "");
        forget(Moment::Clone);
        let begun = begun.take();
        begun.inspect(|begun| begun.wait());
        self.judge_wakes();
    }

    /// At the next such moment of a waker a child is woken, and will end.
    fn ends_at(self: &Rc<Self>, moment: Moment, number: usize) {
        let parent = Rc::clone(self);
        let what = if moment == Moment::Clone { COPIED } else { DROPPED };
        once_at(moment, move || {
            let child = parent.child(number);
            let Some(waker) = child.waker.borrow().clone().filter(|_| !child.has_ended.get()) else { return };
            parent.is_to(child, Some(parent.ends(number, false)));
            let task = parent.shared.task.get();
            Run::current().tell("WakeChild", task, format!("child {number}: a waker is {what}"));
            child.counts_a_wake(true);
            waker.wake();
        });
    }

    /// A child is woken, and who is woken by that polls at once.
    fn end_and_poll(self: &Rc<Self>, child: usize) {
        let (task, parent) = (self.shared.task.get(), Rc::clone(self));
        if task == 0 || self.child(child).has_ended.get() {
            return;
        }
        once_at(Moment::Wake, move || parent.poll(task, ", in wake"));
        self.wakes(child, Some(self.ends(child, false)));
        forget(Moment::Wake);
    }

    /// The gather is dropped, and its children with it.
    fn drops(&self) {
        let Some(future) = self.future.take() else { return };
        Run::current().tell("Drop", self.shared.task.get(), "the gather");
        drop(future);
        if let Some(alive) = self.children.iter().find(|child| !child.is_dropped.get()) {
            let says = format!("The gather is dropped, and the future of child {} is still there.", alive.number);
            broken("dropped with the gather", says, Some("Dropped"));
        }
    }
}
