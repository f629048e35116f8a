//! Rung 5: the ticket *is* the waker, and a loop that is awake is not rung for.
//!
//! A waker is a pointer and a table of four functions: clone, wake, wake by reference, drop. Until here the pointer led
//! to an allocation that all clones share and count. But a ticket and the number of its loop fit into 64 bits, so the
//! pointer can be these bits. It points nowhere. To clone such a waker is to copy it; to drop it is to do nothing.
//!
//! ```text
//!   waker.wake() --> is a loop with the ticket's number running on this thread?
//!                      yes: Tasks::push                       straight into the queue
//!                      no:  table::post --> Inbox::post       a message, and a ring if that loop is parked
//! ```
//!
//! The bits name no inbox, so there is a table from the number of a loop to its inbox: the one global of the ladder.
//!
//! To ring costs a system call, and is needed only if the loop is parked. Both sides agree on that by a flag:
//!
//! ```text
//!   the loop                                   another thread
//!   (a) parked = true                          (x) put the message into the inbox
//!   (b) the inbox is empty? then park          (y) parked? then take the flag down and ring
//!   (c) parked = false
//! ```
//!
//! Each side writes first and looks second. So in every order of the four steps (b) sees the message or (y) sees the
//! flag, and no wake is lost. A fence between the two steps of a side forbids the processor to swap them.
//!
//! # What this step buys
//!
//! On rung 4 every poll makes a waker, which is an allocation, and each clone counts with an atomic operation. A program
//! that yields 1,000 times allocates 1,000 times. Here it does not allocate at all.
//!
//! # Where it is in the real crate
//!
//! `runtime/src/circle/wake.rs`, the table and the inbox in `runtime/src/threads/`, the flag in
//! `runtime/src/parts/park.rs`.

/// Names one step of the loop. In a rung it does nothing, and you may skip these lines: the check of a lesson records
/// the steps of your own loop with the same words.
macro_rules! say(($($step:tt)*) => { () });

/// (6) What a waker of this loop is, and the way that a wake takes.
pub mod wake {
    use crossbeam_channel::Sender;
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst, fence};
    use std::task::{RawWaker, RawWakerVTable, Waker};
    use std::thread::Thread;

    /// Which task to poll.
    #[derive(Clone, Copy, PartialEq)]
    pub struct Ticket {
        /// Where the task lives.
        pub slot: u32,
        /// Tells the task from those that lived in the slot before it.
        pub generation: u16,
    }

    impl Ticket {
        /// The waker that carries this ticket of the loop with that number: `| loop 16 | generation 16 | slot 32 |`.
        pub fn waker(self, runtime: u16) -> Waker {
            let bits = u64::from(runtime) << 48 | u64::from(self.generation) << 32 | u64::from(self.slot);
            // SAFETY: `from_raw` asks for a vtable that keeps RawWaker's contract, on any thread. The data pointer is a
            // number and is never dereferenced. Clone copies it; wake and wake_by_ref read it and touch only
            // thread-safe state or the loop of this very thread; drop has nothing to release.
            #[allow(unsafe_code, reason = "the standard library has no safe way to make a waker of a number")]
            unsafe {
                Waker::from_raw(RawWaker::new(std::ptr::without_provenance(bits as usize), &VTABLE))
            }
        }
    }

    /// What a waker does when it is cloned, woken, woken by reference, dropped.
    static VTABLE: RawWakerVTable = RawWakerVTable::new(|data| RawWaker::new(data, &VTABLE), wake, wake, |_| ());

    /// (6) Called by the standard library, when somebody uses a waker, on any thread.
    fn wake(data: *const ()) {
        let bits = data.addr() as u64;
        let (runtime, ticket) = ((bits >> 48) as u16, Ticket { slot: bits as u32, generation: (bits >> 32) as u16 });
        say!(Wake { task: ticket });
        match super::run::current().filter(|core| core.number == runtime) {
            // The loop that runs on this thread is the ticket's own. No `unpark`: the loop is awake, for it has called
            // the code that wakes, and it looks at the queue before it parks.
            Some(core) => core.tasks.borrow_mut().push(ticket),
            None => super::table::post(runtime, ticket),
        }
    }

    /// The part of a loop that other threads may touch.
    pub struct Inbox {
        /// The way in for the tickets of tasks to be polled. The loop has the other end. (It is crossbeam's, because
        /// from rung 5 on the loop asks whether it is empty. The standard library's channel cannot say that.)
        pub messages: Sender<Ticket>,
        /// Set by the loop when it is about to park. Taken down by the loop, or by the sender that rings.
        pub parked: AtomicBool,
        /// The loop's thread.
        pub thread: Thread,
    }

    impl Inbox {
        /// Asks the loop to poll this task. When the loop is gone nobody receives the message, and nothing happens.
        pub fn post(&self, ticket: Ticket) {
            let _ = self.messages.send(ticket); // (x)
            fence(SeqCst);
            // (y) The swap lets one of many senders ring.
            if self.parked.swap(false, SeqCst) {
                self.thread.unpark();
            }
        }
    }
}

/// Which inbox stands behind the number of a loop.
pub mod table {
    use super::wake::{Inbox, Ticket};
    use std::sync::{Arc, RwLock};

    /// The inbox of each loop, by the loop's number. Empty when the loop is gone.
    static TABLE: RwLock<Vec<Option<Arc<Inbox>>>> = RwLock::new(Vec::new());

    /// Gives a new loop its number. Numbers are not used again, so a process can make 65,536 loops.
    pub fn register(inbox: &Arc<Inbox>) -> u16 {
        let mut table = TABLE.write().unwrap();
        table.push(Some(Arc::clone(inbox)));
        let number = u16::try_from(table.len() - 1);
        // Without the lock: a panic under it would leave no loop of the process with a table.
        drop(table);
        number.expect("no more than 65,536 loops can be made in one process")
    }

    /// Takes a loop out of the table.
    pub fn unregister(number: u16) {
        TABLE.write().unwrap()[usize::from(number)] = None;
    }

    /// Posts a ticket to the loop with this number. When the loop is gone there is nobody to be woken.
    pub fn post(number: u16, ticket: Ticket) {
        let inbox = TABLE.read().unwrap()[usize::from(number)].clone();
        inbox.inspect(|inbox| inbox.post(ticket));
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
    use super::wake::{Inbox, Ticket};
    use crossbeam_channel::Receiver;
    use std::sync::atomic::{Ordering::SeqCst, fence};
    use std::task::{Context, Poll};
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
        /// Its number in the table.
        pub number: u16,
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
                self.park();
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
            let waker = ticket.waker(self.number);
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
            if let Body::Main = body { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }

        /// Sleeps until another thread rings, or returns at once when a message is there already.
        fn park(&self) {
            self.inbox.parked.store(true, SeqCst); // (a)
            fence(SeqCst);
            if self.messages.is_empty() {
                say!(Park {});
                thread::park(); // (b)
                say!(Unpark {});
            }
            self.inbox.parked.store(false, SeqCst); // (c)
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
    use super::{table, wake::Inbox};
    use std::{cell::RefCell, pin::pin, rc::Rc, sync::Arc, thread};

    /// While it lives, its loop is the one of this thread. A panic of main drops it, too.
    struct Running(Rc<Core>);

    impl Running {
        fn new() -> Running {
            // The inner loop would park the thread and starve the outer one.
            assert!(run::current().is_none(), "a loop runs on this thread already: spawn the future there");
            let (messages, receiver) = crossbeam_channel::unbounded();
            let inbox = Arc::new(Inbox { messages, parked: false.into(), thread: thread::current() });
            let (number, tasks) = (table::register(&inbox), RefCell::new(Tasks::default()));
            let core = Rc::new(Core { number, tasks, messages: receiver, inbox });
            // Never cleared: when `core` is dropped, `upgrade` gives `None`.
            CURRENT.set(Rc::downgrade(&core));
            Running(core)
        }
    }

    impl Drop for Running {
        /// Drops the tasks that have not ended; then wakers of this loop find nobody.
        fn drop(&mut self) {
            // `RefCell::take` puts empty `Tasks` in their place, and its borrow ends; only then are the old ones
            // dropped. So a task's drop may borrow again.
            drop(self.0.tasks.take());
            table::unregister(self.0.number);
        }
    }

    /// Drives `future` and all tasks that are spawned meanwhile, until `future` is ready.
    pub fn block_on<F: Future>(future: F) -> F::Output {
        let Running(core) = &Running::new();
        core.tasks.borrow_mut().insert(Body::Main);
        let (mut future, mut output) = (pin!(future), None);
        // The loop polls main by this closure. It polls `future`, keeps the value in `output`, and tells the loop only
        // Ready or Pending.
        while core.turn(&mut |cx| future.as_mut().poll(cx).map(|value| output = Some(value))).is_continue() {}
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

/// Two loops on two threads. The second wakes each waker that it is sent.
fn main() {
    let (sender, receiver) = crossbeam_channel::unbounded::<std::task::Waker>();
    let second = std::thread::spawn(|| {
        runtime::block_on(async {
            for waker in receiver {
                println!("  woken by the second loop: {:#018x}", waker.data().addr());
                waker.wake();
            }
        });
    });
    // Sends its waker to the second loop, and is ready when that has used it.
    let trip = |name| {
        let (sender, mut wakes) = (sender.clone(), 0..1);
        std::future::poll_fn(move |cx| {
            println!("{name} is polled");
            if wakes.next().is_none() {
                return std::task::Poll::Ready(());
            }
            let _ = sender.send(cx.waker().clone());
            std::task::Poll::Pending
        })
    };
    runtime::block_on(async {
        runtime::spawn(trip("a task"));
        task::yield_now().await;
        trip("main").await;
    });
    drop(sender);
    second.join().expect("the second loop ends when nothing can be sent any more");
}
