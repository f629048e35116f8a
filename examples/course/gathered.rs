//! What a gather has to have done after each poll, and after each wake of a child.

use crate::parent::{COPIED, DROPPED, Parent, TASKS};
use crate::run::{Broken, Run, broken};
use std::fmt::Debug;

/// Copies of the task's waker that a poll may make for each child that it polls, and beside them. One in all is enough.
const COPIES_A_CHILD: u64 = 2;
const SPARE_COPIES: u64 = 2;

impl<T: 'static, R: PartialEq + Debug + 'static> Parent<T, R> {
    /// The gather says Ready.
    pub(crate) fn judge_ready(&self, result: &R) {
        let (failed, count) = (self.shared.failed.get(), self.children.len() as u32);
        let alive = self.children.iter().find(|child| !child.has_ended.get());
        if let (Some(alive), None) = (alive, failed) {
            let says = format!("Child {} has not ended, and the gather says Ready.", alive.number);
            broken("Ready when all have ended", says, None);
        }
        let right = (self.form.result)(count, failed);
        if *result != right {
            let (rule, says) = match failed {
                Some(failed) => (
                    "the first error is the result",
                    format!("The gather gives {result:?}. Child {failed} has failed first: it should be {right:?}."),
                ),
                None => (
                    "outputs in the order of the input",
                    format!("The gather gives {result:?}. In the order of the input it is {right:?}."),
                ),
            };
            broken(rule, says, None);
        }
        self.judge_drops();
    }

    /// When the gather says Ready, nobody is left; what has ended is dropped before the others, who come by place.
    fn judge_drops(&self) {
        if !self.form.drops {
            return;
        }
        if let Some(alive) = self.children.iter().find(|child| !child.is_dropped.get()) {
            let says = format!(
                "The gather says Ready, and the future of child {} is still there. It keeps what it holds: a timer, a \
                 lock, a socket.",
                alive.number
            );
            broken("dropped before the gather is Ready", says, Some("Dropped"));
        }
        let dropped = self.shared.dropped.borrow();
        let cancelled = dropped.iter().copied().filter(|&number| !self.child(number as usize).has_ended.get());
        if !cancelled.clone().is_sorted() {
            let order: Vec<String> = cancelled.map(|number| number.to_string()).collect();
            let says = format!("The children are dropped in the order {}.", order.join(", "));
            broken("dropped in the order of the input", says, None);
        }
    }

    /// The gather says Pending: these were woken before.
    pub(crate) fn judge_pending(&self, before: &[u32]) {
        let shared = &self.shared;
        let (task, woken) = self.latest.get().expect("it was polled");
        if let Some(failed) = shared.failed.get() {
            let says = format!("Child {failed} has failed, and the gather says Pending: it waits for the others.");
            broken("the first error ends it", says, None);
        }
        let left = before.iter().find(|&&number| self.child(number as usize).polled_in.get() != shared.polls.get());
        if let Some(&left) = left {
            let (rule, says) = match self.child(left as usize).polls.get() {
                0 => (
                    "the first poll polls all",
                    format!("Child {left} was never polled. It has no waker yet, so nobody can wake it."),
                ),
                _ => (
                    "a woken child is polled",
                    format!("Child {left} was woken, and the next poll of the task has not polled it."),
                ),
            };
            broken(rule, says, Some("ChildPoll"));
        }
        if let Some(gone) = self.children.iter().find(|child| child.is_dropped.get() && !child.has_ended.get()) {
            let says = format!(
                "Child {} has said Pending, and its future is dropped. Nobody can poll it any more, so the gather is never \
                 Ready.",
                gone.number
            );
            broken("who has not ended is kept", says, None);
        }
        if self.children.iter().all(|child| child.has_ended.get()) {
            broken("Ready when all have ended", "All children have ended, and the gather says Pending.", None);
        }
        if self.form.drops
            && let Some(kept) = self.children.iter().find(|child| child.has_ended.get() && !child.is_dropped.get())
        {
            let says = format!(
                "Child {} has ended, and its future is still there. What it holds nobody else can get, and another child \
                 may wait for it.",
                kept.number
            );
            broken("what has ended is dropped", says, Some("Dropped"));
        }
        let spy = self.spy(task);
        // Asked in this order: another thread that has used the waker may have dropped it then.
        let holders = spy.holders();
        let is_woken = spy.wakes() > woken;
        if is_woken && !self.children.iter().any(|child| child.is_woken() || child.may_come_again.get()) {
            let says = format!(
                "Task {task} was woken in its poll, and none of its children was. It is polled again at once, and again: \
                 that is a spin."
            );
            broken("no wake for nothing", says, None);
        }
        if !is_woken && holders == 0 {
            let other = (1..=TASKS).find(|&other| self.spy(other).holders() > 0);
            let says = match other {
                None => "The gather says Pending, and nobody holds the task's waker: who is to wake it?".to_owned(),
                Some(other) => format!(
                    "Task {task} has polled, and what is kept is the waker of task {other}. The gather is another's now: \
                     task {task} would never be woken."
                ),
            };
            broken("Pending keeps the waker of this poll", says, None);
        }
    }

    /// The same task has polled again, and so many copies of its waker were made: not one for each place.
    pub(crate) fn judge_copies(&self, copies: u64) {
        let polled = self.children.iter().filter(|it| it.polled_in.get() == self.shared.polls.get()).count();
        if copies <= polled as u64 * COPIES_A_CHILD + SPARE_COPIES {
            return;
        }
        let says = format!(
            "This poll has polled {polled} child{} of {}, and has copied the task's waker {copies} times. It goes through all \
             places.",
            if polled == 1 { "" } else { "ren" },
            self.children.len()
        );
        broken("a poll looks at the woken alone", says, None)
    }

    /// Who has a child that was woken is woken.
    pub(crate) fn judge_wakes(&self) {
        let Some((task, woken)) = self.latest.get().filter(|_| self.future.borrow().is_some()) else { return };
        let Some(child) = self.children.iter().find(|child| child.is_woken()) else { return };
        if self.spy(task).wakes() > woken {
            return;
        }
        let says = format!(
            "Child {} was woken, and task {task}, which has polled last, was not. It waits for ever.",
            child.number
        );
        broken("no wake is lost", says, Some("Wake"))
    }
}

/// A gather sleeps, and nobody is left to wake it. Where?
pub fn sleeps_in_a_gather(run: &Run) -> Broken {
    run.with_events(|events| {
        let last = |name: &str| events.iter().rposition(|event| event.name == name);
        let (begin, child, wake) = (last("PollBegin"), last("ChildPoll"), last("WakeChild"));
        let in_poll = begin.is_some() && begin > last("PollEnd");
        let in_wake = in_poll && begin.is_some_and(|begin| events[begin].note.contains("in wake"));
        let in_child = in_poll && child > begin && wake > child;
        let is_noted = |moment: &&&str| wake.is_some_and(|wake| events[wake].note.ends_with(**moment));
        if let Some(moment) = [COPIED, DROPPED].iter().find(is_noted) {
            let says = format!(
                "The task's waker is {moment}, and that wakes a child: a waker is code of others. The wake sleeps, and does \
                 not come back. Does it wait for a lock that is held here?"
            );
            return Broken { rule: "no lock while other code runs", says, missing: Some("Return") };
        }
        let (rule, says, missing) = match (in_wake, in_child, in_poll) {
            (true, ..) => (
                "no lock is held in a wake",
                "A wake of a child has woken the task, and the task polls at once. The poll sleeps. Does it wait for a lock \
                 that is held while the task is woken?",
                "PollEnd",
            ),
            (_, true, _) => (
                "no lock is held in a child's poll",
                "A child wakes itself in its own poll. The wake sleeps, and does not come back. Does it wait for a lock that \
                 the gather holds while it polls?",
                "PollEnd",
            ),
            (_, _, true) => (
                "a poll does not sleep",
                "The poll sleeps, and nobody else is at work. Does it wait for a lock? Then it holds that lock itself: in \
                 `for x in take(&mut set.lock()..)` the lock is held until the loop's end.",
                "PollEnd",
            ),
            _ => ("a wake comes back", "The wake of a child sleeps.", "Return"),
        };
        Broken { rule, says: says.to_owned(), missing: Some(missing) }
    })
}
