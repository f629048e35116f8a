//! Who has to be woken when a permit comes back or a task goes, and who was; and what is said of a permit too many, or of one
//! that is missing.

use crate::asks::{State, Task};
use crate::permits::{Permits, may_be_woken};
use crate::run::broken;

/// What led to a wake, or should have.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum By {
    Release,
    /// This task was dropped: it was granted a permit.
    GrantedDrop(u32),
    /// This task was dropped: it had none.
    WaiterDrop(u32),
}

impl<P: 'static> Permits<P> {
    /// This task has got a permit, and none is its own.
    pub(crate) fn is_one_too_many(&self, name: u32) {
        if let Some(granted) = self.find(State::Granted) {
            let first = granted.name();
            // In the middle of a wake the grant may be still to come.
            if !self.at_once.get() && self.would_get_one(&granted) {
                let says = format!(
                    "A permit came back, and it is given to task {first}. Task {name} asks, and gets one, too: {} of {} are \
                     out.",
                    self.out() + 2,
                    self.permits
                );
                broken("no more permits than there are", says, None);
            }
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
    pub(crate) fn gets_none(&self, task: &Task<P>, name: u32) {
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

    /// Who was granted a permit is woken, once, and nobody else.
    pub(crate) fn judge_wakes(&self, by: By) {
        let tasks = self.tasks();
        let each = || {
            tasks.iter().flat_map(|task| {
                task.spies.iter().enumerate().map(move |(number, (spy, due))| {
                    let (wakes, due) = (spy.wakes(), due.get());
                    let is_open = number == task.latest.get() && self.is_granted_in_its_poll(task);
                    (task, wakes, if is_open { may_be_woken(due, wakes) } else { due })
                })
            })
        };
        let missed = each().find(|(_, wakes, due)| wakes < due).map(|(task, ..)| task.name());
        if let Some((task, wakes, _)) = each().find(|(_, wakes, due)| wakes > due) {
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
    fn judge_extra(&self, task: &Task<P>, wakes: u64, by: By, missed: Option<u32>) {
        let name = task.name();
        let (rule, says) = match (by, task.state.get(), missed) {
            (By::WaiterDrop(gone), State::Waits, _) if !self.would_get_one(task) => (
                "who is woken has a permit",
                format!(
                    "Task {gone} waited, and had no permit. It is dropped, and task {name} is woken: it has none, either."
                ),
            ),
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
}
