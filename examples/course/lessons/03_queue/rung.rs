//! Rung 3: many futures on one thread. Each is a *task*: a future of which the loop has charge.
//!
//! `spawn` gives a future to the loop and returns at once. The loop keeps two lists: all tasks, and the queue of the
//! tasks that are ready. A task that waits is in the first and not in the second. So a task that waits costs no time.
//! (Of a task *ready* means: to be polled. The poll may well say Pending; only the answer `Ready` is the end.)
//!
//! ```text
//!        spawn (1)                  +----------- wake (6), by way of the inbox ----------+
//!           |                       v                                                    |
//!           +--------------> ready queue (2) --pop--> poll (3) --Pending--> waits for whatever it waits for
//!                                                        |
//!     nothing ready? the thread sleeps                   +--Ready--> the task is gone
//! ```
//!
//! The numbers are the same on all rungs: spawn (1), queue (2), poll (3), wake (6). (4) and (5) come with sockets and
//! timers.
//!
//! One pass through the queue is a *turn*. A turn polls what was ready when it began, in that order. Who becomes ready
//! meanwhile is polled in the next turn. So a task that is always ready cannot keep the others from their polls.
//!
//! A waker may be used on any thread, but the lists belong to the loop's thread alone. So a wake does not touch them: it
//! posts the number of its task to the *inbox*, and the loop empties the inbox at the beginning of each turn.
//!
//! The future of `block_on` is called *main*. It has the number 0, and takes its place in the queue like every task.
//! When its poll answers `Ready` the loop ends, and what still runs is dropped.
//!
//! # What this step buys
//!
//! Rung 2 drives one future. To do two things it can only do one after the other: a first thing that never ends starves
//! the second. Here both are tasks, and each is polled in every turn.
//!
//! # Where it is in the real crate
//!
//! `runtime/src/circle/run.rs` (the loop), `ready.rs` (the lists), `wake.rs` (the inbox), `task.rs`.

/// Names one step of the loop. In a rung it does nothing, and you may skip these lines: the check of a lesson records
/// the steps of your own loop with the same words.
macro_rules! say(($($step:tt)*) => { () });

/// (6) What a waker of this loop is, and the way that a wake takes.
pub mod wake {
    use crossbeam_channel::Sender;
    use std::{sync::Arc, task::Wake, thread::Thread};

    /// What a waker of this loop points to: the number of a task, and the inbox of its loop.
    pub struct TaskWaker {
        pub task: usize,
        pub inbox: Arc<Inbox>,
    }

    impl Wake for TaskWaker {
        /// (6) Called by the standard library, when somebody uses a waker, on any thread.
        fn wake(self: Arc<Self>) {
            say!(Wake { task: self.task });
            self.inbox.post(self.task);
        }
    }

    /// The part of a loop that other threads may touch.
    pub struct Inbox {
        /// The way in for the numbers of tasks to be polled. The loop has the other end. (It is crossbeam's, because
        /// from rung 5 on the loop asks whether it is empty. The standard library's channel cannot say that.)
        pub messages: Sender<usize>,
        /// The loop's thread, which may be asleep.
        pub thread: Thread,
    }

    impl Inbox {
        /// Asks the loop to poll this task. When the loop is gone nobody receives the message, and at most its thread
        /// wakes up once for nothing.
        pub fn post(&self, task: usize) {
            // The message first: the loop looks for it when it wakes up. An `unpark` that comes while the loop is awake
            // is remembered, so the next `park` returns at once and the loop looks again. This does what the flag of
            // rung 1 did: a message in the inbox stays there, whoever used up the `unpark`.
            let _ = self.messages.send(task);
            self.thread.unpark();
        }
    }
}

/// (2) All tasks, and the queue of those that are ready.
pub mod ready {
    use std::{collections::VecDeque, pin::Pin};

    /// A task that the loop can poll.
    pub enum Body {
        /// The future of `block_on`, which stays with `block_on`: it may borrow, and its output may have any type, so
        /// it does not fit into a list with the others.
        Main,
        /// A spawned future. In a box it has a place of its own, which it never leaves: that is what `Pin` asks for.
        Task(Pin<Box<dyn Future<Output = ()>>>),
    }

    /// All tasks of a loop, and the queue of those that are ready.
    #[derive(Default)]
    pub struct Tasks {
        /// By number. A place is empty while its task is polled, and for ever after its task has ended.
        pub all: Vec<Option<Body>>,
        /// Who is to be polled, first in, first out.
        pub queue: VecDeque<usize>,
    }

    impl Tasks {
        /// (1) Gives a new task the next number, and its first place in the queue.
        pub fn insert(&mut self, body: Body) {
            say!(Spawn { task: self.all.len() });
            self.all.push(Some(body));
            self.push(self.all.len() - 1);
        }

        /// (2) Puts a task at the end of the queue.
        pub fn push(&mut self, task: usize) {
            say!(Push { task: task });
            self.queue.push_back(task);
        }

        /// (2) Takes the next task out of the queue, and its body out of its place.
        pub fn pop(&mut self) -> Option<(usize, Body)> {
            let task = self.queue.pop_front()?;
            // `None` when the place is empty: the task has ended, and somebody woke it before.
            let body = self.all[task].take()?;
            say!(Pop { task: task });
            Some((task, body))
        }
    }
}

/// The loop itself.
pub mod run {
    use super::ready::{Body, Tasks};
    use super::wake::{Inbox, TaskWaker};
    use crossbeam_channel::Receiver;
    use std::task::{Context, Poll, Waker};
    use std::{cell::RefCell, ops::ControlFlow, rc::Rc, rc::Weak, sync::Arc, thread};

    thread_local! {
        /// The loop that runs on this thread. `Weak`: it does not keep the loop alive.
        pub static CURRENT: RefCell<Weak<Core>> = const { RefCell::new(Weak::new()) };
    }

    /// The loop that runs on this thread, if there is one.
    pub fn current() -> Option<Rc<Core>> {
        CURRENT.with_borrow(Weak::upgrade)
    }

    /// The closure by which the loop polls main. `block_on` makes one for each turn; it writes main's output into a
    /// variable of `block_on`.
    pub type PollMain<'a> = dyn FnMut(&mut Context<'_>) -> Poll<()> + 'a;

    /// The state of one loop. The tasks are in a `RefCell`, never borrowed while code of others runs (a poll, a drop):
    /// it may spawn and wake.
    pub struct Core {
        pub tasks: RefCell<Tasks>,
        /// The loop's end of the inbox.
        pub messages: Receiver<usize>,
        pub inbox: Arc<Inbox>,
    }

    impl Core {
        /// One turn: `block_on` calls it again and again. It breaks when main is done.
        pub fn turn(&self, main: &mut PollMain<'_>) -> ControlFlow<()> {
            say!(TurnBegin {});
            self.receive();
            while self.tasks.borrow().queue.is_empty() {
                say!(Park {});
                thread::park();
                say!(Unpark {});
                self.receive();
            }
            // Only so many as are ready now; whoever is woken from here on belongs to the next turn.
            let ready = self.tasks.borrow().queue.len();
            for _ in 0..ready {
                let Some((task, body)) = self.tasks.borrow_mut().pop() else { continue };
                // The `?` ends the turn when main is done.
                self.poll(task, body, main)?;
            }
            say!(TurnEnd {});
            ControlFlow::Continue(())
        }

        /// (3) Polls one task, and puts it back if it is pending.
        fn poll(&self, task: usize, mut body: Body, main: &mut PollMain<'_>) -> ControlFlow<()> {
            // A new waker for each poll: an allocation, which rung 5 does without.
            let waker = Waker::from(Arc::new(TaskWaker { task, inbox: Arc::clone(&self.inbox) }));
            // A `Context` only carries the waker of this poll to the future, which takes it out by `cx.waker()`.
            let cx = &mut Context::from_waker(&waker);
            say!(PollBegin { task: task });
            let polled = match &mut body {
                Body::Main => main(cx),
                // `poll` uses up the pin that it is given; `as_mut` lends one for this poll.
                Body::Task(future) => future.as_mut().poll(cx),
            };
            say!(PollEnd { task: task, ready: polled.is_ready() });
            if polled.is_pending() {
                self.tasks.borrow_mut().all[task] = Some(body);
                return ControlFlow::Continue(());
            }
            say!(TaskEnd { task: task });
            if let Body::Main = body { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }

        /// Moves what has come to the inbox into the queue, in the order in which it came.
        fn receive(&self) {
            self.messages.try_iter().for_each(|task| self.tasks.borrow_mut().push(task));
        }
    }
}

/// What a program calls.
pub mod runtime {
    use super::ready::{Body, Tasks};
    use super::run::{self, CURRENT, Core};
    use super::wake::Inbox;
    use std::{cell::RefCell, pin::pin, rc::Rc, sync::Arc, thread};

    /// Drives `future` and all tasks that are spawned meanwhile, until `future` is ready.
    pub fn block_on<F: Future>(future: F) -> F::Output {
        // The inner loop would park the thread and starve the outer one.
        assert!(run::current().is_none(), "a loop runs on this thread already: spawn the future there");
        // Without a bound, because a wake must not wait.
        let (messages, receiver) = crossbeam_channel::unbounded();
        let inbox = Arc::new(Inbox { messages, thread: thread::current() });
        let core = Rc::new(Core { tasks: RefCell::new(Tasks::default()), messages: receiver, inbox });
        // Never cleared: when `core` is dropped, `upgrade` gives `None`.
        CURRENT.set(Rc::downgrade(&core));
        core.tasks.borrow_mut().insert(Body::Main);
        let (mut future, mut output) = (pin!(future), None);
        // The loop polls main by this closure. It polls `future`, keeps the value in `output`, and tells the loop only
        // Ready or Pending.
        while core.turn(&mut |cx| future.as_mut().poll(cx).map(|value| output = Some(value))).is_continue() {}
        // Drops the tasks that have not ended. `core` is still alive, so `current()` finds it: a task may wake others
        // and spawn when it is dropped. What it spawns then is never polled. `RefCell::take` puts empty `Tasks` in
        // their place, and its borrow ends; only then are the old ones dropped. So a task's drop may borrow again.
        drop(core.tasks.take());
        output.expect("the turns end when main has given its output")
    }

    /// (1) Makes a task of `future`. It is polled for the first time in the next turn. `'static`, because the task may
    /// outlive whoever spawns it; not `Send`, because it never leaves this thread.
    pub fn spawn(future: impl Future<Output = ()> + 'static) {
        let core = run::current().expect("spawn needs a running loop: call it inside block_on");
        core.tasks.borrow_mut().insert(Body::Task(Box::pin(future)));
    }
}

/// What a task can do without waiting for anything.
pub mod task {
    use std::{future::poll_fn, mem, task::Poll};

    /// Lets the tasks that stand in the queue be polled first: Pending once, with the wake already done.
    pub async fn yield_now() {
        let mut yielded = false;
        poll_fn(|cx| {
            if mem::replace(&mut yielded, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

/// First a main that another thread wakes. No task is ready meanwhile, so the loop parks (if the thread is not faster),
/// and the wake comes by way of the inbox. (The second poll starts a thread, too. That is one wake too many, and it
/// does nothing.) Then main and three tasks, each polled once in every turn: the tasks from turn 2 on, for main spawns
/// them in turn 1.
fn main() {
    let mut wakes = 0..1;
    runtime::block_on(std::future::poll_fn(|cx| {
        let waker = cx.waker().clone();
        std::thread::spawn(|| waker.wake());
        if wakes.next().is_some() { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
    }));
    runtime::block_on(async {
        for name in ["Anna", "Ben", "Cleo"] {
            runtime::spawn(async move {
                for poll in 1.. {
                    println!("  {name}, poll {poll}");
                    task::yield_now().await;
                }
            });
        }
        for poll in 1..=3 {
            println!("main, poll {poll}");
            task::yield_now().await;
        }
    });
}
