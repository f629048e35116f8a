//! The children of a gather: futures that end when a check says so.

use crate::run::{Run, broken};
use std::cell::{Cell, RefCell};
use std::fmt::{self, Debug};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// What a child does in its next poll, instead of Pending.
pub(crate) enum Next<T> {
    Yield,
    Value(T, bool),
}

/// What all children of a gather know.
#[derive(Default)]
pub(crate) struct Shared {
    /// How often the gather was polled, and by which task last.
    pub(crate) polls: Cell<u32>,
    pub(crate) task: Cell<u32>,
    /// The child that has failed.
    pub(crate) failed: Cell<Option<u32>>,
    /// The children whose futures are dropped, in this order.
    pub(crate) dropped: RefCell<Vec<u32>>,
    pub(crate) is_over: Cell<bool>,
}

/// What the check knows of one child.
pub(crate) struct State<T> {
    pub(crate) number: u32,
    pub(crate) shared: Rc<Shared>,
    pub(crate) polls: Cell<u32>,
    /// The poll of the gather in which it was polled last.
    pub(crate) polled_in: Cell<u32>,
    /// Wakes since its last poll began. The first poll needs none.
    pub(crate) wakes: Cell<u32>,
    /// Wakes that its last poll has answered.
    pub(crate) answered: Cell<u32>,
    /// A wake came in the poll of the gather that polled it last, and before its own poll. The gather may have taken it for
    /// that poll, or for the next one.
    pub(crate) may_come_again: Cell<bool>,
    /// The last wake came in this poll of the gather.
    pub(crate) woken_in: Cell<Option<u32>>,
    pub(crate) next: RefCell<Option<Next<T>>>,
    /// The waker of its last poll, kept for ever.
    pub(crate) waker: RefCell<Option<Waker>>,
    pub(crate) has_ended: Cell<bool>,
    pub(crate) is_dropped: Cell<bool>,
}

impl<T> State<T> {
    /// A child that has not begun.
    pub(crate) fn new(number: u32, shared: &Rc<Shared>) -> Rc<State<T>> {
        Rc::new(State {
            number,
            shared: Rc::clone(shared),
            polls: Cell::default(),
            polled_in: Cell::default(),
            wakes: Cell::default(),
            answered: Cell::default(),
            may_come_again: Cell::default(),
            woken_in: Cell::default(),
            next: RefCell::default(),
            waker: RefCell::default(),
            has_ended: Cell::default(),
            is_dropped: Cell::default(),
        })
    }

    /// Whether a poll has to come.
    pub(crate) fn is_woken(&self) -> bool {
        !self.has_ended.get() && !self.is_dropped.get() && (self.polls.get() == 0 || self.wakes.get() > 0)
    }

    /// It is about to be woken.
    pub(crate) fn counts_a_wake(&self, in_poll: bool) {
        self.wakes.set(self.wakes.get() + 1);
        self.woken_in.set(in_poll.then(|| self.shared.polls.get()));
    }

    /// Whether this poll should come now.
    fn judge_poll(&self) {
        let (number, polls) = (self.number, self.shared.polls.get());
        let (rule, says) = if self.has_ended.get() {
            ("no poll after Ready", format!("Child {number} was polled again after it had returned Ready."))
        } else if let Some(failed) = self.shared.failed.get() {
            let says = format!(
                "Child {failed} has failed, and child {number} is polled after it. Nobody wants its result any more."
            );
            ("nobody is polled after the error", says)
        } else if self.polls.get() == 0
            || self.polled_in.get() < polls && (self.wakes.get() > 0 || self.may_come_again.get())
        {
            return;
        } else if self.polled_in.get() == polls && self.wakes.get() > 0 {
            let says = format!(
                "Child {number} was woken in its own poll, and is polled again before the poll of the task is over. A child \
                 that always does that would let no other task have a poll."
            );
            ("woken in a poll, polled in the next", says)
        } else if self.polled_in.get() == polls && self.answered.get() > 1 {
            let says = format!(
                "Child {number} was woken {} times before its poll. One poll answers them all, and here is one more: it \
                 stands in the list twice.",
                self.answered.get()
            );
            ("two wakes are one poll", says)
        } else {
            let says = format!("Child {number} is polled, and nobody has woken it since its last poll.");
            ("a child is polled when it was woken", says)
        };
        broken(rule, says, None)
    }
}

/// The future of a child. The check sees its polls and its drop.
pub struct Child<T>(pub(crate) Rc<State<T>>);

impl<T> Debug for Child<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Child").field(&self.0.number).finish()
    }
}

impl<T> Future for Child<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let Child(state) = &*self;
        let (run, shared, number) = (Run::current(), &state.shared, state.number);
        let task = shared.task.get();
        run.tell_here("ChildPoll", task, format!("poll {} of child {number}", state.polls.get() + 1));
        state.judge_poll();
        state.polls.set(state.polls.get() + 1);
        state.may_come_again.set(state.woken_in.take() == Some(shared.polls.get()));
        state.polled_in.set(shared.polls.get());
        state.answered.set(state.wakes.take());
        let old = state.waker.replace(Some(cx.waker().clone()));
        drop(old);
        let next = state.next.take();
        match next {
            None => Poll::Pending,
            Some(Next::Yield) => {
                run.tell("WakeChild", task, format!("child {number}, in its own poll"));
                state.counts_a_wake(false);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Next::Value(value, fails)) => {
                run.tell("ChildEnd", task, format!("child {number} {}", if fails { "fails" } else { "is ready" }));
                state.has_ended.set(true);
                if fails {
                    shared.failed.set(Some(number));
                }
                Poll::Ready(value)
            }
        }
    }
}

impl<T> Drop for Child<T> {
    fn drop(&mut self) {
        let Child(state) = self;
        Run::current().tell("Dropped", state.shared.task.get(), format!("the future of child {}", state.number));
        state.is_dropped.set(true);
        state.shared.dropped.borrow_mut().push(state.number);
    }
}
