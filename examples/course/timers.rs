//! Sleeps on one loop: what a check knows of each, and what it asks of a list of timers. Nothing of it is taken from what
//! the answer says of itself: the check wakes the wakers that it gets, and its tasks count who is woken.

use crate::run::{Run, broken};
use crate::sleeper::{Ear, NEVER, Sleeper, ms};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::task::Waker;

/// What is known of one sleep.
#[derive(Debug)]
struct Nap {
    deadline: u64,
    /// Who awaits it: a place in the list of tasks.
    task: usize,
    /// Its task has polled it, and got Pending.
    waits: bool,
    has_fired: bool,
}

/// All sleeps of a program.
#[derive(Debug)]
pub struct Sleeps {
    tasks: Vec<Arc<Sleeper>>,
    /// In the order in which they were armed. `None`: dropped.
    naps: Vec<Option<Nap>>,
    /// All deadlines, in the same order.
    deadlines: Vec<u64>,
    is_borrowed: fn() -> bool,
    /// See [`Sleeper`].
    fires: Arc<AtomicU64>,
}

impl Sleeps {
    /// None yet. `is_borrowed` tells whether the answer's list is borrowed.
    pub fn new(is_borrowed: fn() -> bool) -> Sleeps {
        let (tasks, naps, deadlines) = (Vec::new(), Vec::new(), Vec::new());
        Sleeps { tasks, naps, deadlines, is_borrowed, fires: Arc::new(AtomicU64::new(NEVER)) }
    }

    /// A new task.
    fn task(&mut self, nap: usize) -> usize {
        let (task, is_borrowed) = (self.tasks.len(), self.is_borrowed);
        let (deadline, fires) = (self.deadlines[nap], Arc::clone(&self.fires));
        let (number, wakes) = (task as u32 + 1, AtomicU64::new(0));
        self.tasks.push(Arc::new(Sleeper { number, wakes, is_borrowed, nap, deadline, fires }));
        task
    }

    /// How many wakers of a task there are.
    fn holders(&self, task: usize) -> usize {
        Arc::strong_count(&self.tasks[task]) - 1
    }

    /// Those that were not dropped.
    fn alive(&self) -> impl Iterator<Item = &Nap> {
        self.naps.iter().flatten()
    }

    fn nap(&self, number: usize) -> &Nap {
        self.naps[number].as_ref().expect("it is not dropped")
    }

    /// The first that is armed: whose deadline comes first, and that was armed first. Its number.
    fn first(&self) -> Option<usize> {
        let armed = self.naps.iter().enumerate();
        let armed =
            armed.filter_map(|(number, nap)| Some((nap.as_ref().filter(|nap| !nap.has_fired)?.deadline, number)));
        armed.min().map(|(_, number)| number)
    }

    /// A task that waits, and whose waker the list has lost.
    fn lost(&self) -> Option<usize> {
        let mut waiting = self.alive().filter(|nap| nap.waits && !nap.has_fired);
        waiting.find(|nap| self.holders(nap.task) == 0).map(|nap| nap.task)
    }

    /// After a Pending: the list has the waker of each task that waits.
    fn keeps_all_wakers(&self, polled: usize) {
        let Some(lost) = self.lost().map(|lost| lost + 1) else { return };
        let says = if lost == polled {
            format!("Task {lost} has said Pending, and the list does not keep its waker: who is to wake it?")
        } else {
            format!(
                "Task {polled} has polled, and the waker of task {lost} is gone: did your waiting find the place of \
                 another timer?"
            )
        };
        broken("the waker of the latest poll", says, None)
    }

    /// A sleep is about to be made, with this deadline.
    pub fn arms(&mut self, deadline: u64) {
        self.deadlines.push(deadline);
        let task = self.task(self.naps.len());
        Run::current().tell("Armed", task as u32, format!("by task {}, until {}", task + 1, ms(deadline)));
        self.naps.push(Some(Nap { deadline, task, waits: false, has_fired: false }));
    }

    /// A new task awaits it from now on.
    pub fn hand_over(&mut self, number: usize) {
        let task = self.task(number);
        if let Some(nap) = &mut self.naps[number] {
            nap.task = task;
        }
    }

    /// A waker of the task that awaits this sleep.
    pub fn waker(&self, number: usize) -> Waker {
        Waker::from(Arc::new(Ear(Arc::clone(&self.tasks[self.nap(number).task]))))
    }

    /// Its task has polled it.
    pub fn polled(&mut self, number: usize, is_ready: bool) {
        let task = self.nap(number).task + 1;
        let answer = if is_ready { "Ready" } else { "Pending" };
        Run::current().tell("Poll", task as u32, format!("by task {task}: {answer}"));
        if let Some(nap) = &mut self.naps[number] {
            nap.waits = !is_ready;
        }
        let nap = self.nap(number);
        let says = match (nap.has_fired, is_ready) {
            (true, true) => return,
            (false, false) => return self.keeps_all_wakers(task),
            (true, false) => {
                "The timer has fired, and the poll says Pending: your waiting still has a place for the waker. Nobody will \
                 wake the task again."
                    .to_owned()
            }
            (false, true) => format!(
                "The timer has not fired, and the poll says Ready. The deadline is {}: your waiting gave None.",
                ms(nap.deadline)
            ),
        };
        broken("Ready when it has fired", says, None)
    }

    /// A sleep is about to be dropped. True: it was not before.
    pub fn drops(&mut self, number: usize) -> bool {
        let nap = self.naps[number].take();
        if let Some(Nap { task, .. }) = nap {
            Run::current().tell("Dropped", task as u32, format!("the sleep of task {}", task + 1));
        }
        nap.is_some()
    }

    /// The sleep that this task, and perhaps others before it, awaited is dropped.
    pub fn dropped(&self, number: usize) {
        let task = self.tasks.iter().rposition(|task| task.nap == number).expect("it was awaited by a task");
        if let Some(lost) = self.lost() {
            let says = format!(
                "The sleep of task {} is dropped, and the waker of task {} is gone: did your release take another timer?",
                task + 1,
                lost + 1
            );
            broken("release takes its own timer", says, None)
        }
        if self.holders(task) > 0 {
            let says = format!(
                "The sleep of task {} is dropped, and a waker of it is still held. release takes the timer out of the list, \
                 and gives its waker back.",
                task + 1
            );
            broken("what is dropped leaves nothing", says, None)
        }
    }

    /// The loop has asked for the next deadline.
    ///
    /// # Panics
    /// If it is another one: that breaks a rule.
    pub fn next_is(&self, next: Option<u64>) {
        let first = self.first().map(|first| (self.nap(first).deadline, self.nap(first).task + 1));
        if next == first.map(|(deadline, _)| deadline) {
            return;
        }
        Run::current().tell("Next", 0, next.map_or("None".to_owned(), ms));
        let said = next.map_or("None".to_owned(), ms);
        let (rule, says) = match (next, first) {
            (None, Some((deadline, task))) => {
                let says = format!(
                    "next gives None: the loop would sleep for ever. But task {task} waits until {}.",
                    ms(deadline)
                );
                ("next is the first deadline", says)
            }
            (Some(next), Some((deadline, task))) if next > deadline => {
                let says = format!("The loop would sleep until {said}. But task {task} waits until {}.", ms(deadline));
                ("next is the first deadline", says)
            }
            _ if self.alive().any(|nap| nap.has_fired && next == Some(nap.deadline)) => {
                let says = format!(
                    "next gives {said}. The timer of that time has fired: the loop would wake up for it again."
                );
                ("a timer fires once", says)
            }
            (Some(next), _) if !self.deadlines.contains(&next) => {
                ("next is the first deadline", format!("next gives {said}. No timer was armed for that time."))
            }
            _ => {
                let says = format!(
                    "next gives {said}. Nobody waits for that time any more: the loop would wake up for nobody."
                );
                ("what is dropped leaves nothing", says)
            }
        };
        broken(rule, says, None)
    }

    /// The loop looks at this time. It fires what is due: `fire` is the answer's.
    pub fn look(&mut self, at: u64, mut fire: impl FnMut() -> Option<Waker>) {
        Run::current().tell("Look", 0, format!("at {}", ms(at)));
        loop {
            let wakes = |desk: &Sleeps| -> Vec<u64> { desk.tasks.iter().map(|task| task.wakes.load(SeqCst)).collect() };
            let before = wakes(self);
            self.fires.store(at, SeqCst);
            let waker = fire();
            self.fires.store(NEVER, SeqCst);
            let Some(waker) = waker else { break };
            waker.wake();
            let woken = wakes(self).iter().zip(&before).position(|(now, before)| now > before);
            self.has_fired(woken, at);
        }
        if let Some(late) = self.first().filter(|&late| self.nap(late).deadline <= at) {
            let Nap { deadline, task, .. } = self.nap(late);
            let says = format!(
                "It is {}, and fire gives None. But task {} is due since {}. All that are due fire at one look.",
                ms(at),
                task + 1,
                ms(*deadline)
            );
            Run::current().tell("Fire", 0, "None");
            broken("what is due fires", says, None)
        }
    }

    /// A timer has fired, and this task was woken. `None`: somebody who has not polled yet.
    fn has_fired(&mut self, woken: Option<usize>, at: u64) {
        let first = self.first().filter(|&first| self.nap(first).deadline <= at);
        if let Some(first) = first
            && woken == Some(self.nap(first).task).filter(|_| self.nap(first).waits)
        {
            self.naps[first].as_mut().expect("it is the first").has_fired = true;
            return;
        }
        if woken.is_none() {
            Run::current().tell("Fire", 0, "a waker that wakes nobody");
        }
        let (rule, says) = match woken {
            None => self.nobody_was_woken(first),
            Some(woken) => self.wrong_one_was_woken(woken, first, at),
        };
        broken(rule, says, None)
    }

    fn nobody_was_woken(&self, first: Option<usize>) -> (&'static str, String) {
        match first {
            Some(first) => {
                let task = self.nap(first).task + 1;
                let says = format!("It is the turn of task {task}, and fire gives a waker that wakes nobody.");
                ("the waker of the latest poll", says)
            }
            None if self.alive().any(|nap| !nap.has_fired && !nap.waits) => {
                ("never early", "fire gives a waker, and no deadline has come.".to_owned())
            }
            None => ("a timer fires once", "fire gives a waker, and all that were due have fired.".to_owned()),
        }
    }

    fn wrong_one_was_woken(&self, woken: usize, first: Option<usize>, at: u64) -> (&'static str, String) {
        let task = woken + 1;
        let Some(nap) = &self.naps[self.tasks[woken].nap] else {
            let says = format!("Task {task} is woken, and it has dropped its sleep before.");
            return ("what is dropped leaves nothing", says);
        };
        if nap.task != woken {
            let says =
                format!("Task {task} is woken. But task {} has polled last: the sleep is its own now.", nap.task + 1);
            return ("the waker of the latest poll", says);
        }
        if nap.has_fired {
            return ("a timer fires once", format!("Task {task} is woken again by a timer that has fired."));
        }
        if nap.deadline > at {
            let says = format!(
                "It is {}, and task {task} is woken. It waits until {}: too early by {}.",
                ms(at),
                ms(nap.deadline),
                ms(nap.deadline - at)
            );
            return ("never early", says);
        }
        let first = self.nap(first.expect("this one is due"));
        if first.deadline == nap.deadline {
            let says = format!(
                "Task {task} is woken before task {}. Both wait until {}, and task {} came first.",
                first.task + 1,
                ms(nap.deadline),
                first.task + 1
            );
            return ("armed first, fired first", says);
        }
        let says = format!(
            "Task {task} waits until {}, and is woken before task {}, which waits until {}.",
            ms(nap.deadline),
            first.task + 1,
            ms(first.deadline)
        );
        ("in the order of the deadlines", says)
    }
}
