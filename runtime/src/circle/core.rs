//! The state of one loop, and what the leaves, the wakers and the other threads ask of it. The loop itself is in
//! `run.rs`.
//!
//! Read before: `ready.rs`, `timers.rs`, `reactor.rs`.
//! Grew from rung 3 (`Core`) of the ladder in `examples/course`.

use crate::Reason;
use crate::circle::context::{self, Entered};
use crate::circle::join::{JoinHandle, Target};
use crate::circle::reactor::Reactor;
use crate::circle::ready::{Body, Slot, Tasks, Wait};
use crate::circle::remote::{self, Threads};
use crate::circle::result::{JoinCell, JoinError, Owed, Settle};
use crate::circle::task::{Birth, Run, Task};
use crate::circle::ticket::{MAX_TASKS, Ticket};
use crate::circle::timers::Timers;
use crate::circle::wake::{wake_all, wake_one};
use crate::parts::clock::Clock;
use crate::parts::foreign::quiet_drop;
use crate::parts::shrink::Slots;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::ops::ControlFlow;
use std::rc::{Rc, Weak};
use std::task::Waker;

/// The state of one loop. Everything is in cells, and no cell stays open while user code runs.
pub(crate) struct Core {
    /// This core itself, for what has to keep it alive: sockets, armed timers.
    this: Weak<Core>,
    /// Its number in the process-wide table; the first bits of its tickets.
    pub(crate) number: u16,

    /// (1, 2) The tasks and the ready queue.
    pub(crate) tasks: RefCell<Tasks>,
    /// (4) The sockets.
    pub(crate) reactor: RefCell<Reactor>,
    /// (5) The timers.
    pub(crate) timers: RefCell<Timers>,
    /// The other threads: the remote queue and the blocking pool.
    pub(crate) threads: Box<dyn Threads>,
    /// The places of the results of blocking jobs, by the keys of the jobs, until the loop has heard of their ends.
    /// While there is one, virtual time stands still.
    pub(crate) owed: RefCell<Slots<Rc<dyn Owed>>>,

    /// The clock that the timers follow.
    pub(crate) clock: Clock,

    /// The task at poll, or the last one that was.
    pub(crate) current: Cell<Ticket>,
    /// Polls and aborts since the last check. A poll that spends its whole budget makes the next check due.
    pub(crate) polls_since_check: Cell<u32>,
    /// A buffer for wakers that are collected before they are woken, each with what it is woken for.
    pub(crate) woken: Cell<Vec<(Waker, Reason)>>,
    /// The runtime is being dropped: nothing new is spawned.
    closed: Cell<bool>,
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "loop {}", self.number)
    }
}

impl Core {
    /// A loop with this number in the table, whose tasks begin with this serial number.
    pub(crate) fn new(
        (number, next_serial): (u16, u64),
        clock: Clock,
        reactor: Reactor,
        threads: Box<dyn Threads>,
    ) -> Rc<Core> {
        Rc::new_cyclic(|this| Core {
            this: Weak::clone(this),
            number,
            tasks: RefCell::new(Tasks::new(number, next_serial)),
            reactor: RefCell::new(reactor),
            timers: RefCell::new(Timers::new()),
            threads,
            owed: RefCell::new(Slots::new()),
            clock,
            current: Cell::new(Ticket::NONE),
            polls_since_check: Cell::new(0),
            woken: Cell::new(Vec::new()),
            closed: Cell::new(false),
        })
    }

    /// (1) Makes a task of `future` and queues it.
    pub(crate) fn spawn<F>(&self, future: F, birth: Birth) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let task = Rc::new(Task::new(future, JoinCell::new(), birth));
        let (ticket, serial) = self.insert(Rc::clone(&task) as _);
        JoinHandle::new(task, Target::Task(ticket, serial))
    }

    /// Gives a task its slot, or, while the runtime is being dropped, ends it at once.
    pub(crate) fn insert(&self, task: Rc<dyn Run>) -> (Ticket, u64) {
        if self.closed.get() {
            task.cancel();
            return self.tasks.borrow_mut().next_ticket(MAX_TASKS);
        }
        self.tasks.borrow_mut().insert(Body::Task(task))
    }

    /// The loop has heard of the end of a blocking job, which gave a `T`: (6) the joiner is woken.
    pub(crate) fn job_ended<T: 'static>(&self, job: usize, result: Result<T, JoinError>) {
        let owed: Rc<dyn Any> = self.owed.borrow_mut().remove(job);
        let cell = owed.downcast::<JoinCell<T>>().expect("the place was made with its job");
        cell.settle(result);
        cell.take_joiner().into_iter().for_each(wake_one);
        quiet_drop(cell);
    }

    /// (5) Arms a timer. On a loop that is being dropped the time does not go on, so the waker is woken at once.
    #[inline]
    pub(crate) fn arm(&self, deadline: u64, waker: Waker) -> u32 {
        if self.closed.get() { self.arm_nothing(waker) } else { self.timers.borrow_mut().arm(deadline, waker) }
    }

    #[cold]
    fn arm_nothing(&self, waker: Waker) -> u32 {
        let key = self.timers.borrow_mut().fired();
        wake_one(waker);
        key
    }

    /// Whether the runtime is being dropped.
    pub(crate) fn is_closing(&self) -> bool {
        self.closed.get()
    }

    /// Notes what the task at poll waits for.
    pub(crate) fn note_wait(&self, wait: Wait) {
        self.tasks.borrow_mut().note_wait(self.current.get(), wait);
    }

    pub(crate) fn share(&self) -> Rc<Core> {
        self.this.upgrade().expect("whoever holds a reference to a core keeps it alive")
    }

    /// Makes this the running loop of the thread.
    #[track_caller]
    pub(crate) fn enter(&self, what: &str) -> Entered<'_> {
        assert!(
            context::with(|_| ()).is_none(),
            "{what} inside a running event loop would stop that loop: spawn the future and await its handle instead"
        );
        context::enter(self)
    }

    /// The end of a task: the slot is free, (6) the joiner is woken. A result that nobody waits for is dropped here.
    pub(crate) fn end(&self, ticket: Ticket, body: Body) -> ControlFlow<()> {
        let slot = self.tasks.borrow_mut().remove(ticket);
        let _end = trace!(scope TaskEnd { task: ticket });
        drop(slot);
        let Body::Task(task) = body else { return ControlFlow::Break(()) };
        task.take_joiner().into_iter().for_each(wake_one);
        quiet_drop(task);
        ControlFlow::Continue(())
    }

    /// The runtime is being dropped. What is dropped here belongs to the program, and its drops may use the loop. So
    /// sockets and timers are closed first: no task can begin to wait there for something that will not come.
    pub(crate) fn close(&self) {
        self.closed.set(true);
        self.reactor.borrow_mut().close();
        self.timers.borrow_mut().close();
        self.threads.close_pool();
        for (_, owed) in self.owed.take().into_items() {
            owed.cancel().into_iter().for_each(wake_one);
            quiet_drop(owed);
        }
        let tasks = self.tasks.borrow_mut().clear();
        for Slot { ticket, body, .. } in tasks {
            let Body::Task(task) = body else { continue };
            let _cancelled = trace!(below scope TaskCancelled { task: ticket });
            task.cancel();
            let _ = self.end(ticket, Body::Task(task));
        }
        // From here on messages come back to their senders; those that came before are dropped like the tasks.
        self.threads.close_queue();
        let timers = self.timers.borrow_mut().clear();
        let mut woken = timers.into_iter().map(|waker| (waker, Reason::unknown())).collect();
        self.reactor.borrow_mut().clear(&mut woken);
        wake_all(&mut woken);
        // Last: another runtime may get the number then, and this loop, while it runs, would take that one's wakes.
        remote::unregister(self.number, self.tasks.borrow().next_serial);
    }
}
