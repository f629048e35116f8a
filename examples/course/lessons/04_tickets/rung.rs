//! Rung 4: a wake names its task by a *ticket*, and a task stands in the queue once.
//!
//! A ticket is a slot and a generation: where the task lives, and a running number that tells it from those that lived
//! there before. When a task ends, its slot is free for the next one, which gets another generation. A waker that is
//! used too late still has the old ticket. (For example: rung 2's alarm has taken the waker out, and before it calls it
//! the task ends and its slot is given away.) The slot is empty or has another ticket; `push` compares, and refuses.
//!
//! ```text
//!                                                  | push (2), by spawn (1)
//!              push (2), by wake (6)               v       pop (2), by the loop only
//!   (waiting) ---------------------------------> queued (once!) -----------------> at poll (3) --Ready--> remove
//!       ^                                           ^                                |   |
//!       |                                           +----- push: woken in its poll --+   |
//!       +-------------------------- Pending, and not woken in its poll ------------------+
//! ```
//!
//! The numbers are the same on all rungs: spawn (1), queue (2), poll (3), wake (6). (4) and (5) come with sockets and
//! timers.
//!
//! Each slot has a flag, `queued`: its ticket stands in the queue. A push sets it and does nothing when it is set. The
//! pop clears it, *before* the poll. So a wake during the poll queues the task again: what the task waits for may have
//! come after the poll had looked, so it must be polled once more to see it.
//!
//! A wake on the loop's own thread is the usual one (tasks that wake each other; from rung 6 on timers, too). Now it
//! goes straight into the queue. Only a wake from another thread, or of a loop that is not the one running here (its
//! waker was kept from an earlier `block_on`), goes through the inbox.
//!
//! # What this step buys
//!
//! On rung 3 every wake is an entry in the queue. A task that wakes itself twice in each poll has two entries, then
//! four, then eight: after 30 turns the loop drowns in polls that nobody needs. Here a task has one entry. (The inbox
//! may hold a ticket many times; the push refuses the second.) `main` shows it: on rung 3 the same program does not
//! come to its end. On rung 3 every ended task also keeps its place for ever. Here there are as many slots as the most
//! tasks that lived at one time.
//!
//! # Where it is in the real crate
//!
//! `runtime/src/circle/ready.rs` and `wake.rs`.

/// Names one step of the loop. In a rung it does nothing, and you may skip these lines: the check of a lesson records
/// the steps of your own loop with the same words.
macro_rules! say(($($step:tt)*) => { () });

/// (6) What a waker of this loop is, and the way that a wake takes.
pub mod wake {
    use crossbeam_channel::Sender;
    use std::{sync::Arc, task::Wake, thread::Thread};

    /// Which task to poll. (The numbers are narrow because from rung 5 on a ticket and the number of its loop have to fit
    /// into one pointer.)
    #[derive(Clone, Copy, PartialEq)]
    pub struct Ticket {
        /// Where the task lives.
        pub slot: u32,
        /// Tells the task from those that lived in the slot before it.
        pub generation: u16,
    }

    /// What a waker of this loop points to: the ticket of a task, and the inbox of its loop.
    pub struct TaskWaker {
        pub ticket: Ticket,
        pub inbox: Arc<Inbox>,
    }

    impl Wake for TaskWaker {
        /// (6) Called by the standard library, when somebody uses a waker, on any thread.
        fn wake(self: Arc<Self>) {
            say!(Wake { task: self.ticket });
            match super::run::current().filter(|core| Arc::ptr_eq(&core.inbox, &self.inbox)) {
                // The loop that runs on this thread is the ticket's own. No `unpark`: the loop is awake, for it has
                // called the code that wakes, and it looks at the queue before it parks.
                Some(core) => core.tasks.borrow_mut().push(self.ticket),
                // On a thread without this loop: in this file, the one that `main` starts.
                None => self.inbox.post(self.ticket),
            }
        }
    }

    /// The part of a loop that other threads may touch.
    pub struct Inbox {
        /// The way in for the tickets of tasks to be polled. The loop has the other end. (It is crossbeam's, because
        /// from rung 5 on the loop asks whether it is empty. The standard library's channel cannot say that.)
        pub messages: Sender<Ticket>,
        /// The loop's thread, which may be asleep.
        pub thread: Thread,
    }

    impl Inbox {
        /// Asks the loop to poll this task. When the loop is gone nobody receives the message, and at most its thread
        /// wakes up once for nothing.
        pub fn post(&self, ticket: Ticket) {
            // The message first: the loop looks for it when it wakes up. An `unpark` that comes while the loop is awake
            // is remembered, so the next `park` returns at once and the loop looks again. This does what the flag of
            // rung 1 did: a message in the inbox stays there, whoever used up the `unpark`.
            let _ = self.messages.send(ticket);
            self.thread.unpark();
        }
    }
}

/// (2) All tasks, and the queue of those that are ready.
pub mod ready {
    use super::wake::Ticket;
    use slab::Slab;
    use std::{collections::VecDeque, pin::Pin};

    /// A task that the loop can poll.
    pub enum Body {
        /// The future of `block_on`, which stays with `block_on`: it may borrow, and its output may have any type, so
        /// it does not fit into a list with the others.
        Main,
        /// A spawned future. In a box it has a place of its own, which it never leaves: that is what `Pin` asks for.
        Task(Pin<Box<dyn Future<Output = ()>>>),
    }

    /// Where one task lives.
    struct Slot {
        /// The ticket of the task that lives here. A ticket that differs belongs to a task that has ended: it is *stale*.
        ticket: Ticket,
        /// Whether the ticket stands in the queue.
        queued: bool,
        /// `None` while the task is polled: then the loop has it in hand.
        body: Option<Body>,
    }

    /// All tasks of a loop, and the queue of those that are ready.
    #[derive(Default)]
    pub struct Tasks {
        /// A slab is a vector that remembers its free places: `vacant_key` names the one that the next `insert` takes, and
        /// `remove` makes one free.
        slots: Slab<Slot>,
        /// Who is to be polled, first in, first out.
        pub queue: VecDeque<Ticket>,
        /// The generation of the next task: a running number, one count for all slots.
        next: u16,
    }

    impl Tasks {
        /// (1) Gives a new task a free slot, a ticket for it, and its first place in the queue. Called by `spawn`, and by
        /// `block_on` for main.
        pub fn insert(&mut self, body: Body) {
            let ticket = Ticket { slot: self.slots.vacant_key() as u32, generation: self.next };
            // After the last number the first comes again. A waker that was kept through 65,536 tasks may then wake the
            // wrong one: a poll without reason, after which a future says Pending again.
            self.next = self.next.wrapping_add(1);
            say!(Spawn { task: ticket, slot: ticket.slot, generation: ticket.generation });
            self.slots.insert(Slot { ticket, queued: false, body: Some(body) });
            self.push(ticket);
        }

        /// The slot of this ticket. `None` when its task has ended: then the slot is empty, or has another ticket.
        fn slot(&mut self, ticket: Ticket) -> Option<&mut Slot> {
            self.slots.get_mut(ticket.slot as usize).filter(|slot| slot.ticket == ticket)
        }

        /// (2) Puts a task at the end of the queue, unless it stands there already or has ended. Called by
        /// `insert`, by a wake, and by the loop for the wakes that came to the inbox.
        pub fn push(&mut self, ticket: Ticket) {
            let Some(slot) = self.slot(ticket).filter(|slot| !slot.queued) else {
                // It is queued already, or its task has ended.
                say!(PushRefused { task: ticket, stale: self.slot(ticket).is_none() });
                return;
            };
            slot.queued = true;
            say!(Push { task: ticket });
            self.queue.push_back(ticket);
        }

        /// (2) Takes the next task out of the queue, and its body out of its slot. Called by the loop, which polls the
        /// body. So neither list is borrowed during the poll, in which the task may spawn others and wake them.
        pub fn pop(&mut self) -> Option<(Ticket, Body)> {
            let ticket = self.queue.pop_front()?;
            // `None` when the ticket is stale: its task was woken in its last poll, and has ended since.
            let slot = self.slot(ticket)?;
            slot.queued = false;
            say!(Pop { task: ticket });
            // The body is there: it is away only while the task is polled, and nothing is popped then.
            slot.body.take().map(|body| (ticket, body))
        }

        /// Puts the body of a pending task back into its slot. Called by the loop, after the poll.
        pub fn put_back(&mut self, ticket: Ticket, body: Body) {
            self.slot(ticket).expect("a task keeps its slot until it ends").body = Some(body);
        }

        /// Frees the slot of a task that has ended. Called by the loop, after the last poll.
        pub fn remove(&mut self, ticket: Ticket) {
            self.slots.remove(ticket.slot as usize);
        }
    }
}

/// The loop itself.
pub mod run {
    use super::ready::{Body, Tasks};
    use super::wake::{Inbox, TaskWaker, Ticket};
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
        pub messages: Receiver<Ticket>,
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
                let Some((ticket, body)) = self.tasks.borrow_mut().pop() else { continue };
                // The `?` ends the turn when main is done.
                self.poll(ticket, body, main)?;
            }
            say!(TurnEnd {});
            ControlFlow::Continue(())
        }

        /// (3) Polls one task, and puts it back if it is pending.
        fn poll(&self, ticket: Ticket, mut body: Body, main: &mut PollMain<'_>) -> ControlFlow<()> {
            // A new waker for each poll: an allocation, which rung 5 does without.
            let waker = Waker::from(Arc::new(TaskWaker { ticket, inbox: Arc::clone(&self.inbox) }));
            // A `Context` only carries the waker of this poll to the future, which takes it out by `cx.waker()`.
            let cx = &mut Context::from_waker(&waker);
            say!(PollBegin { task: ticket });
            let polled = match &mut body {
                Body::Main => main(cx),
                // `poll` uses up the pin that it is given; `as_mut` lends one for this poll.
                Body::Task(future) => future.as_mut().poll(cx),
            };
            say!(PollEnd { task: ticket, ready: polled.is_ready() });
            if polled.is_pending() {
                self.tasks.borrow_mut().put_back(ticket, body);
                return ControlFlow::Continue(());
            }
            self.tasks.borrow_mut().remove(ticket);
            say!(TaskEnd { task: ticket });
            // `body` is dropped when this function returns. No list is borrowed then: its drop may spawn and wake.
            if let Body::Main = body { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }

        /// Moves what has come to the inbox into the queue, in the order in which it came.
        fn receive(&self) {
            self.messages.try_iter().for_each(|ticket| self.tasks.borrow_mut().push(ticket));
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
/// does nothing.) Then a task that wakes itself twice in each poll, beside a main that yields 40 times. The task never
/// ends, so it is dropped with the loop.
fn main() {
    thread_local!(static POLLS: std::cell::Cell<u32> = const { std::cell::Cell::new(0) });
    let mut wakes = 0..1;
    runtime::block_on(std::future::poll_fn(|cx| {
        let waker = cx.waker().clone();
        std::thread::spawn(|| waker.wake());
        if wakes.next().is_some() { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
    }));
    runtime::block_on(async {
        runtime::spawn(std::future::poll_fn(|cx| {
            POLLS.set(POLLS.get() + 1);
            (0..2).for_each(|_| cx.waker().wake_by_ref());
            std::task::Poll::Pending
        }));
        for _ in 0..40 {
            task::yield_now().await;
        }
    });
    println!("main yields 40 times: a task that wakes itself twice in each poll was polled {} times", POLLS.get());
}
