//! The ready queue against a model: any sequence of spawns, wakes, aborts and ends, from inside polls and from outside
//! the loop, polls the same tasks in the same order, turn by turn.

use proptest::prelude::*;
use runtime::{AbortHandle, Runtime, spawn};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;
use tests::{Log, OnDrop, counts};

/// What a poll does, or somebody outside. The numbers choose among all tasks that ever were.
#[derive(Clone, Debug)]
enum Act {
    Spawn,
    Wake(usize),
    Abort(usize),
    /// The poll is the task's last. Outside it means nothing.
    End,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        1 => Just(Act::Spawn),
        6 => any::<usize>().prop_map(Act::Wake),
        1 => any::<usize>().prop_map(Act::Abort),
        1 => Just(Act::End),
    ]
}

/// What is done in one go: a few things, and now and then so many of one kind that the loop looks around in the middle
/// of a turn, or that a turn cannot poll them all.
fn acts(few: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Act>> {
    let many = 100..1_500_usize;
    prop_oneof![
        40 => prop::collection::vec(act(), few),
        1 => many.clone().prop_map(|n| vec![Act::Spawn; n]),
        2 => (any::<u32>(), many).prop_map(|(first, n)| (0..n).map(|n| Act::Wake(first as usize + n)).collect()),
    ]
}

/// What a turn polls at most.
const BUDGET: usize = 1_024;

// The model.

/// What comes from outside the loop.
#[derive(Clone, Copy)]
enum Message {
    Wake(usize),
    Abort(usize),
}

/// A task in the model.
#[derive(Default)]
struct Modelled {
    polled: bool,
    queued: bool,
    aborted: bool,
    ended: bool,
}

/// First in, first out, at most one entry a task.
#[derive(Default)]
struct Model {
    tasks: Vec<Modelled>,
    queue: VecDeque<usize>,
    messages: VecDeque<Message>,
    log: Vec<String>,
}

impl Model {
    fn spawn(&mut self) {
        self.queue.push_back(self.tasks.len());
        self.tasks.push(Modelled { queued: true, ..Modelled::default() });
    }

    fn push(&mut self, n: usize) {
        let task = &mut self.tasks[n];
        if !task.queued && !task.ended {
            task.queued = true;
            self.queue.push_back(n);
        }
    }

    fn abort(&mut self, n: usize) {
        self.tasks[n].aborted = true;
        self.push(n);
    }

    /// Whom an act means. A task that was never polled has no waker yet.
    fn target(&self, act: &Act) -> Option<usize> {
        match act {
            Act::Wake(n) => Some(n % self.tasks.len()).filter(|&n| self.tasks[n].polled),
            Act::Abort(n) => Some(n % self.tasks.len()),
            Act::Spawn | Act::End => None,
        }
    }

    fn outside(&mut self, act: &Act) {
        match (act, self.target(act)) {
            (Act::Spawn, _) => self.spawn(),
            // One message for a task, until it is taken.
            (Act::Wake(_), Some(n)) if self.messages.iter().any(|it| matches!(it, Message::Wake(m) if *m == n)) => {}
            (Act::Wake(_), Some(n)) => self.messages.push_back(Message::Wake(n)),
            (Act::Abort(_), Some(n)) => self.messages.push_back(Message::Abort(n)),
            _ => {}
        }
    }

    fn end(&mut self, n: usize) {
        self.tasks[n].ended = true;
        self.log.push(format!("{n} dropped"));
    }

    fn poll(&mut self, n: usize, script: &mut impl Iterator<Item = Vec<Act>>) {
        self.log.push(format!("{n} polled"));
        self.tasks[n].polled = true;
        let acts = script.next().unwrap_or_default();
        for act in &acts {
            match (act, self.target(act)) {
                (Act::Spawn, _) => self.spawn(),
                (Act::Wake(_), Some(n)) => self.push(n),
                (Act::Abort(_), Some(n)) => self.abort(n),
                _ => {}
            }
        }
        if acts.iter().any(|act| matches!(act, Act::End)) {
            self.end(n);
        }
    }

    /// Takes the messages and gives their number.
    fn receive(&mut self) -> usize {
        let messages = std::mem::take(&mut self.messages);
        for message in &messages {
            match *message {
                Message::Wake(n) => self.push(n),
                Message::Abort(n) => self.abort(n),
            }
        }
        messages.len()
    }

    /// What the turn counts: polls, fired timers, events, remote wakes.
    fn turn(&mut self, script: &mut impl Iterator<Item = Vec<Act>>) -> [usize; 4] {
        // What was done while the loop did not run comes first.
        let mut counted = [0, 0, 0, self.receive()];
        let (mut batch, mut budget) = (self.queue.len(), BUDGET);
        while batch > 0 && budget > 0 {
            let n = self.queue.pop_front().unwrap();
            batch -= 1;
            let task = &mut self.tasks[n];
            // A task that was woken in its last poll has left an entry behind.
            if task.ended {
                continue;
            }
            budget -= 1;
            task.queued = false;
            if task.aborted {
                self.end(n);
            } else {
                counted[0] += 1;
                self.poll(n, script);
            }
        }
        counted
    }
}

// The real thing.

/// What the tasks share.
struct World {
    wakers: Vec<Option<Waker>>,
    aborts: Vec<AbortHandle>,
    script: std::vec::IntoIter<Vec<Act>>,
}

#[derive(Clone)]
struct Shared(Rc<RefCell<World>>, Log);

impl Shared {
    fn target(&self, n: usize) -> usize {
        n % self.0.borrow().aborts.len()
    }

    /// The future of the next task.
    fn task(&self) -> impl Future<Output = ()> + 'static {
        let n = self.0.borrow().wakers.len();
        self.0.borrow_mut().wakers.push(None);
        let (shared, log) = (self.clone(), self.1.clone());
        let guard = OnDrop::new(move || log.add(format!("{n} dropped")));
        poll_fn(move |cx| {
            let _ = &guard;
            shared.1.add(format!("{n} polled"));
            shared.0.borrow_mut().wakers[n] = Some(cx.waker().clone());
            let acts = shared.0.borrow_mut().script.next().unwrap_or_default();
            for act in &acts {
                match act {
                    Act::Spawn => {
                        let task = spawn(shared.task()).abort_handle();
                        shared.0.borrow_mut().aborts.push(task);
                    }
                    other => shared.wake_or_abort(other),
                }
            }
            if acts.iter().any(|act| matches!(act, Act::End)) { Poll::Ready(()) } else { Poll::Pending }
        })
    }

    fn wake_or_abort(&self, act: &Act) {
        match *act {
            Act::Wake(n) => {
                let waker = self.0.borrow().wakers[self.target(n)].clone();
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
            Act::Abort(n) => {
                let abort = self.0.borrow().aborts[self.target(n)].clone();
                abort.abort();
            }
            Act::Spawn | Act::End => {}
        }
    }

    fn outside(&self, runtime: &Runtime, act: &Act) {
        match act {
            Act::Spawn => {
                let task = runtime.spawn(self.task()).abort_handle();
                self.0.borrow_mut().aborts.push(task);
            }
            other => self.wake_or_abort(other),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_spawns_wakes_aborts_and_ends_polls_whom_a_plain_queue_says(
        polls in prop::collection::vec(acts(0..5), 0..400),
        steps in prop::collection::vec(acts(0..6), 1..40),
    ) {
        let runtime = Runtime::new().unwrap();
        let world = World { wakers: Vec::new(), aborts: Vec::new(), script: polls.clone().into_iter() };
        let shared = Shared(Rc::new(RefCell::new(world)), Log::new());
        let (mut model, mut script) = (Model::default(), polls.into_iter());
        // There is always one to choose.
        shared.outside(&runtime, &Act::Spawn);
        model.outside(&Act::Spawn);
        for step in steps {
            for act in &step {
                shared.outside(&runtime, act);
                model.outside(act);
            }
            let counted = counts(runtime.turn(Some(Duration::ZERO)));
            let expected = model.turn(&mut script);
            prop_assert_eq!(shared.1.take(), std::mem::take(&mut model.log));
            prop_assert_eq!(counted, expected);
        }
        let alive = (0..model.tasks.len()).filter(|&n| !model.tasks[n].ended);
        let mut alive: Vec<String> = alive.map(|n| format!("{n} dropped")).collect();
        drop(runtime);
        let mut dropped = shared.1.take();
        alive.sort();
        dropped.sort();
        prop_assert_eq!(dropped, alive);
    }
}
