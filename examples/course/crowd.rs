//! Many tasks on one loop: who is ready since when, and so whose turn it is. Nothing of it is taken from what the answer
//! says: the tasks tell their polls, and who wakes them tells the wakes.

use crate::run::{Broken, Run, broken};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Why a task is to be polled: from one moment to another somebody made it ready. Moments are counted, not measured.
#[derive(Debug, Clone, Copy)]
struct Call {
    from: u64,
    /// `None` while the call that makes it ready is under way.
    to: Option<u64>,
    /// When the turn began in which this happened.
    turn_began: u64,
}

/// The first call by each way since the last poll. With none the task waits for a wake. Whichever way is the shortest brings
/// the task into the queue.
type Ready = [Option<Call>; 3];

/// By which way a task becomes ready. An earlier one of these may be a shorter way: what comes by it later may be in
/// the queue sooner, though not by a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum By {
    Spawn,
    /// A wake on the loop's thread.
    Wake,
    /// A wake on another thread.
    Afar,
}

/// What is known of one task.
#[derive(Debug, Default)]
struct Member {
    /// The waker of its last poll. A task that has ended keeps it, as somebody might who was not told of the end.
    waker: Option<Waker>,
    ready: Ready,
    polls: u64,
    /// Wakes since its last poll began, and those that its last poll has answered.
    wakes: u32,
    answered: u32,
    /// The turn in which it was polled last.
    turn: u64,
    is_at_poll: bool,
    has_ended: bool,
    /// The tasks that wait for this one to be polled.
    waiters: Vec<u32>,
    /// It waits so for another one.
    is_waiter: bool,
    /// Another thread will wake it. Nobody else does: of two wakes at one time nobody could tell which poll answers which.
    is_called: bool,
}

/// What is known of all of them.
#[derive(Debug, Default)]
struct State {
    members: Vec<Member>,
    moment: u64,
    /// The turn that runs, from 1, and when it began. 0: nobody tells turns.
    turn: u64,
    began: u64,
    /// The task that was woken last after its end, or in its last poll.
    stale: Option<u32>,
}

impl Member {
    fn is_ready(&self) -> bool {
        self.ready.iter().any(Option::is_some)
    }

    /// When it was made ready first.
    fn ready_since(&self) -> Option<u64> {
        self.ready.iter().flatten().map(|call| call.from).min()
    }
}

impl State {
    fn now(&mut self) -> u64 {
        self.moment += 1;
        self.moment
    }
}

/// The tasks of a program. Task 0 is main.
#[derive(Debug, Default)]
pub struct Crowd {
    state: Mutex<State>,
}

impl Crowd {
    /// Nobody.
    pub fn new() -> Arc<Crowd> {
        Arc::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A task more, which is ready from now on; its number. To be called right before the task is spawned.
    pub fn joins(&self) -> u32 {
        let mut state = self.state();
        let (now, began) = (state.now(), state.began);
        let mut ready = Ready::default();
        ready[By::Spawn as usize] = Some(Call { from: now, to: Some(now), turn_began: began });
        // Who is spawned in a turn belongs to the next one.
        let turn = state.turn;
        state.members.push(Member { ready, turn, ..Member::default() });
        state.members.len() as u32 - 1
    }

    /// Polls `body` as this task: judges that the poll comes when it should, and tells how it ends.
    pub fn poll<T>(&self, task: u32, cx: &mut Context<'_>, body: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        let number = {
            let mut state = self.state();
            let member = &mut state.members[task as usize];
            member.polls += 1;
            member.polls
        };
        Run::current().tell("PollBegin", task, format!("poll {number} of task {task}"));
        self.judge_poll(task);
        let fresh = cx.waker().clone();
        let old = {
            let mut state = self.state();
            let turn = state.turn;
            let member = &mut state.members[task as usize];
            (member.ready, member.is_at_poll, member.turn) = (Ready::default(), true, turn);
            member.is_called = false;
            member.answered = mem::take(&mut member.wakes);
            member.waker.replace(fresh)
        };
        // Foreign code: outside of the lock.
        drop(old);
        let answer = body(cx);
        Run::current().tell_answer(task, &answer);
        let mut state = self.state();
        let member = &mut state.members[task as usize];
        (member.is_at_poll, member.has_ended) = (false, answer.is_ready());
        if answer.is_ready() && member.is_ready() {
            member.ready = Ready::default();
            state.stale = Some(task);
        }
        answer
    }

    /// Whether this poll should come now.
    fn judge_poll(&self, task: u32) {
        let state = self.state();
        let member = &state.members[task as usize];
        let (rule, says) = if member.has_ended {
            ("no poll after Ready", format!("Task {task} was polled again after it had returned Ready."))
        } else if state.members[0].has_ended {
            ("the loop ends with main", format!("Main is ready, and task {task} is polled after it."))
        } else if let (false, 2..) = (member.is_ready(), member.answered) {
            let says = format!(
                "Task {task} was woken {} times before its last poll. One poll answers them all, and here is one more: it \
                 stood in the queue twice.",
                member.answered
            );
            ("a task is queued once", says)
        } else if state.turn > 0 && member.turn == state.turn {
            let how = if member.polls == 1 { "was spawned in this turn" } else { "was polled in this turn before" };
            let mut says = format!("Task {task} {how}. A turn polls what was ready when it began, and that once.");
            if let (false, Some(stale)) = (member.is_ready(), state.stale) {
                says += &format!(
                    " And nobody has woken it since. But the waker of task {stale} was used, which has ended: did pop take its \
                     stale ticket for one of task {task}?"
                );
            }
            ("a turn polls what was ready", says)
        } else if let (false, Some(stale)) = (member.is_ready(), state.stale) {
            let says = format!(
                "Nobody has woken task {task}. But the waker of task {stale} was used, which has ended: did its ticket lead \
                 to task {task}?"
            );
            ("a stale ticket wakes nobody", says)
        } else if !member.is_ready() {
            ("a poll needs a wake", format!("Nobody has woken task {task} since its last poll began."))
        } else if let Some(first) = state.before(task) {
            ("first in, first out", format!("It is the turn of task {first}, which was ready before task {task}."))
        } else {
            return;
        };
        drop(state);
        broken(rule, says, None)
    }

    /// Wakes a task by the waker of its last poll, and tells it. One that has ended is woken, too: that has no effect.
    pub fn wake(&self, task: u32, who: &'static str) {
        let run = Run::current();
        let by = if run.is_on_loop() { By::Wake } else { By::Afar };
        // When the task became ready by this way: by this wake, or by one before it.
        let mut from = None;
        let waker = {
            let mut state = self.state();
            let (now, turn_began) = (state.now(), state.began);
            let member = &mut state.members[task as usize];
            let Some(waker) = member.waker.clone() else { return };
            if member.has_ended {
                state.stale = Some(task);
            } else {
                member.wakes += 1;
                let call = member.ready[by as usize].get_or_insert(Call { from: now, to: None, turn_began });
                from = Some(call.from);
            }
            waker
        };
        run.tell("Wake", task, format!("task {task}, by {who}"));
        run.call(|| waker.wake());
        let mut state = self.state();
        let now = state.now();
        // It may have been polled meanwhile. Then it is not ready, or by a later wake, which may still be under way.
        if let Some(call) = &mut state.members[task as usize].ready[by as usize]
            && Some(call.from) == from
        {
            call.to.get_or_insert(now);
        }
    }

    /// This task will be woken when the other one is polled next. False: that would be never, or is the task itself.
    pub fn waits_for(&self, task: u32, other: u32) -> bool {
        let mut state = self.state();
        let Some(member) = state.members.get_mut(other as usize).filter(|it| !it.has_ended && !it.is_waiter) else {
            return false;
        };
        if task != other {
            member.waiters.push(task);
            state.members[task as usize].is_waiter = true;
        }
        task != other
    }

    /// Another thread will wake this task, and nobody else.
    pub fn is_called(&self, task: u32) {
        self.state().members[task as usize].is_called = true;
    }

    /// Wakes a task, unless another thread will.
    pub fn wake_another(&self, task: u32) {
        let is_called = self.state().members.get(task as usize).is_none_or(|member| member.is_called);
        if !is_called {
            self.wake(task, "a task");
        }
    }

    /// Wakes those who wait for this task to be polled.
    pub fn wake_waiters(&self, task: u32) {
        let waiters = mem::take(&mut self.state().members[task as usize].waiters);
        for waiter in waiters {
            self.state().members[waiter as usize].is_waiter = false;
            self.wake_another(waiter);
        }
    }

    /// Polls of all tasks so far.
    pub fn polls(&self) -> u64 {
        self.state().members.iter().map(|member| member.polls).sum()
    }

    /// Whether a task has ended.
    pub fn has_ended(&self, task: u32) -> bool {
        self.state().members.get(task as usize).is_some_and(|member| member.has_ended)
    }

    /// A turn begins: from here on a task is polled at most once.
    pub fn turn_begins(&self) {
        let mut state = self.state();
        let now = state.now();
        state.turn += 1;
        state.began = now;
    }

    /// A turn has ended: all were polled that were ready when it began.
    pub fn turn_ends(&self) {
        let state = self.state();
        let left = state.left_over();
        drop(state);
        if let Some(task) = left {
            Run::current().tell("TurnEnd", task, format!("without task {task}"));
            let says = format!("Task {task} was ready when the turn began, and the turn has ended without its poll.");
            broken("a turn polls what was ready", says, None);
        }
    }

    /// The loop sleeps, and nobody is left to wake it. What does it sleep through?
    pub fn slept_through(&self) -> Broken {
        let state = self.state();
        let at_poll = state.members.iter().position(|member| member.is_at_poll);
        let ready = state.members.iter().enumerate().filter_map(|(task, it)| Some((it.ready_since()?, task)));
        let (rule, says, missing) = match (at_poll, ready.min()) {
            _ if state.members.first().is_some_and(|main| main.has_ended) => {
                ("the loop ends with main", "Main is ready, and the loop sleeps.".to_owned(), "return")
            }
            (Some(task), _) => (
                "no wake is lost",
                format!("Task {task} is at poll, and wake or spawn does not come back: does it wait for a lock?"),
                "PollEnd",
            ),
            (None, Some((_, task))) if state.members[task].polls == 0 => (
                "the first poll comes by itself",
                format!("Task {task} was never polled, and the loop sleeps. Nobody can wake it: it has no waker yet."),
                "PollBegin",
            ),
            (None, Some((_, task))) => (
                "no wake is lost",
                format!("Task {task} was woken, and the loop sleeps: nobody is left to wake it."),
                "PollBegin",
            ),
            (None, None) => ("no wake is lost", "The loop sleeps.".to_owned(), "Wake"),
        };
        Broken { rule, says, missing: Some(missing) }
    }
}

impl State {
    /// A task that certainly stood in the queue before this one did, and has not been polled since.
    fn before(&self, task: u32) -> Option<u32> {
        let calls = |member: &Member| -> Vec<(usize, Call)> {
            member.ready.iter().enumerate().filter_map(|(by, call)| Some((by, (*call)?))).collect()
        };
        let its = calls(&self.members[task as usize]);
        // When the first call was over, if it certainly led into the queue before the second one did.
        let earlier = |(by, call): (usize, Call), (its_by, its): (usize, Call)| {
            let from = if by <= its_by { its.from } else { its.turn_began };
            call.to.filter(|&to| to < from)
        };
        // By whichever way this one came: the other one had come before by another.
        let first = |member: &Member| {
            let calls = calls(member);
            let each = its.iter().map(|&its| calls.iter().filter_map(|&call| earlier(call, its)).min());
            each.collect::<Option<Vec<u64>>>()?.into_iter().max()
        };
        let others = self.members.iter().enumerate().filter(|(other, _)| *other as u32 != task);
        others.filter_map(|(other, member)| Some((first(member)?, other as u32))).min().map(|(_, other)| other)
    }

    /// A task that was certainly ready when this turn began, and is not polled in it.
    fn left_over(&self) -> Option<u32> {
        let was_ready =
            |member: &Member| member.ready.iter().flatten().filter_map(|call| call.to).any(|to| to < self.began);
        self.members.iter().position(was_ready).map(|task| task as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::Crowd;
    use crate::{Broken, Outcome, Run, meanwhile, watch};
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::{Arc, Barrier, Mutex};
    use std::task::{Context, Poll, Wake, Waker};
    use std::{mem, thread};

    /// Polls these tasks of three, all of which are ready, and then gives the rule that is broken.
    fn rule(polls: &'static [u32], after: fn(&Arc<Crowd>)) -> Option<&'static str> {
        let body = move || {
            let crowd = Crowd::new();
            (0..3).for_each(|_| _ = crowd.joins());
            crowd.turn_begins();
            let cx = &mut Context::from_waker(Waker::noop());
            for &task in polls {
                let _ = crowd.poll(task, cx, |_| Poll::<()>::Pending);
            }
            after(&crowd);
        };
        match watch(body).0 {
            Outcome::Broken(Broken { rule, .. }) => Some(rule),
            Outcome::Done(()) => None,
            other => panic!("{other:?}"),
        }
    }

    /// Task 1 is woken by another thread, task 2, too, and then once more on the loop's thread. The last wake may go straight
    /// into the queue, where the other two come only when the loop looks into its inbox.
    #[test]
    fn a_second_wake_may_take_a_shorter_way() {
        fn wakes(crowd: &Arc<Crowd>) {
            crowd.turn_begins();
            for task in [1, 2] {
                let afar = Arc::clone(crowd);
                meanwhile(move || afar.wake(task, "another thread")).wait();
            }
            crowd.wake(2, "a task");
        }
        fn poll(crowd: &Crowd, tasks: [u32; 2]) {
            crowd.turn_begins();
            let cx = &mut Context::from_waker(Waker::noop());
            tasks.into_iter().for_each(|task| _ = crowd.poll(task, cx, |_| Poll::<()>::Pending));
        }
        crate::run::silence_panics();
        let shorter: fn(&Arc<Crowd>) = |crowd| {
            wakes(crowd);
            poll(crowd, [2, 1]);
        };
        assert_eq!(rule(&[0, 1, 2], shorter), None);
        // Nor is it certain that it does.
        let alike: fn(&Arc<Crowd>) = |crowd| {
            wakes(crowd);
            poll(crowd, [1, 2]);
        };
        assert_eq!(rule(&[0, 1, 2], alike), None);
        let wrong: fn(&Arc<Crowd>) = |crowd| {
            crowd.wake(1, "a task");
            wakes(crowd);
            poll(crowd, [2, 1]);
        };
        assert_eq!(rule(&[0, 1, 2], wrong), Some("first in, first out"));
    }

    #[test]
    fn each_poll_has_its_time() {
        crate::run::silence_panics();
        let ends: fn(&Arc<Crowd>) = |crowd| crowd.turn_ends();
        assert_eq!(rule(&[0, 1, 2], ends), None);
        assert_eq!(rule(&[1], ends), Some("first in, first out"));
        assert_eq!(rule(&[0, 1], ends), Some("a turn polls what was ready"));
        assert_eq!(rule(&[0, 0], ends), Some("a turn polls what was ready"));
        let again: fn(&Arc<Crowd>) = |crowd| {
            crowd.turn_begins();
            let _ = crowd.poll(1, &mut Context::from_waker(Waker::noop()), |_| Poll::<()>::Pending);
        };
        assert_eq!(rule(&[0, 1, 2], again), Some("a poll needs a wake"));
    }

    /// What the next wake of a task does before it has come back.
    #[derive(Default)]
    struct Acts(Mutex<Option<Box<dyn FnOnce() + Send>>>);

    impl Acts {
        fn at_the_next_wake(&self, act: impl FnOnce() + Send + 'static) {
            *self.0.lock().unwrap() = Some(Box::new(act));
        }
    }

    impl Wake for Acts {
        fn wake(self: Arc<Self>) {
            let act = mem::take(&mut *self.0.lock().unwrap());
            act.into_iter().for_each(|act| act());
        }
    }

    /// Task 0 is woken and, before that wake has come back, polled and woken again by another thread. The second wake has
    /// not posted its message yet when the first comes back. So whoever is woken now may be polled first.
    #[test]
    fn the_end_of_a_wake_says_nothing_of_the_next_one() {
        crate::run::silence_panics();
        // Not in `watch`: who waits for a thread there looks like a hang.
        let run = Arc::new(Run::new());
        run.enter();
        run.is_looped_by_this_thread();
        let body = || {
            let crowd = Crowd::new();
            (0..2).for_each(|_| _ = crowd.joins());
            let acts = Arc::<Acts>::default();
            let waker = Waker::from(Arc::clone(&acts));
            let poll = |task| crowd.poll(task, &mut Context::from_waker(&waker), |_| Poll::<()>::Pending);
            (0..2).for_each(|task| _ = poll(task));

            let second = Arc::new(Barrier::new(2));
            let (afar, again, seconds) = (Arc::clone(&crowd), Arc::clone(&acts), Arc::clone(&second));
            let its = waker.clone();
            acts.at_the_next_wake(move || {
                let _ = afar.poll(0, &mut Context::from_waker(&its), |_| Poll::<()>::Pending);
                let under_way = Arc::clone(&seconds);
                again.at_the_next_wake(move || {
                    // It is under way, and waits until it may post.
                    under_way.wait();
                    under_way.wait();
                });
                let run = Run::current();
                thread::spawn(move || {
                    run.enter();
                    afar.wake(0, "another thread");
                });
                seconds.wait();
            });
            crowd.wake(0, "this thread");
            let (run, third) = (Run::current(), Arc::clone(&crowd));
            let other = thread::spawn(move || {
                run.enter();
                third.wake(1, "another thread");
            });
            other.join().unwrap();
            let _ = poll(1);
            second.wait();
        };
        let ended = catch_unwind(AssertUnwindSafe(body));
        assert!(ended.is_ok(), "{:?}", run.broken());
    }
}
