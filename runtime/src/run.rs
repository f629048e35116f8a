//! The loop: one [`turn`](Core::turn) is one pass through the circle, and `block_on` is turns until its future is done.
//! Only this file polls tasks.

use crate::blocking::Pool;
use crate::clock::{Clock, nanos};
use crate::context::{self, Entered};
use crate::join::{JoinCell, JoinHandle, Target};
use crate::reactor::Reactor;
use crate::ready::{Body, Popped, Tasks};
use crate::report::Wait;
use crate::runtime::{Builder, Turn};
use crate::task::{Birth, Run, Task};
use crate::timers::Timers;
use crate::wake::{self, Inbox, Message, Ticket, quiet_drop, wake_all, wake_one};
use crate::{At, table};
use crossbeam_channel::Receiver;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::io;
use std::mem::ManuallyDrop;
use std::ops::ControlFlow;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// While tasks are ready, the clock, the remote queue and the reactor are asked once in so many polls. tokio's
/// `event_interval`; Go's scheduler, where the number comes from, asks its global queue as often.
pub(crate) const POLLS_BETWEEN_LOOKS: u32 = 61;

/// A turn runs what was ready when it began, up to this many polls: so that an embedding loop gets its turn, too.
const TURN_BUDGET: usize = 1024;

/// Messages taken from the remote queue at one look, so that a flood from another thread does not stop the tasks.
const MESSAGES_PER_LOOK: usize = 1024;

/// The state of one loop. Everything is in cells, and no cell stays open while user code runs.
pub(crate) struct Core {
    /// Itself, for what has to keep it: sockets, armed timers.
    this: Weak<Core>,
    /// Its number in the process-wide table; the first bits of its tickets.
    pub(crate) number: u16,

    /// (1, 2) The tasks and the ready queue.
    pub(crate) tasks: RefCell<Tasks>,
    /// (4) The sockets.
    pub(crate) reactor: RefCell<Reactor>,
    /// (5) The timers.
    pub(crate) timers: RefCell<Timers>,
    /// The remote queue's end, until the runtime is dropped.
    pub(crate) messages: RefCell<Option<Receiver<Message>>>,
    /// The part of this loop that other threads touch.
    pub(crate) inbox: Arc<Inbox>,

    /// The clock that the timers follow.
    pub(crate) clock: Clock,

    /// The task at poll, or the last one that was.
    current: Cell<Ticket>,
    /// Polls and aborts since the loop last looked around.
    pub(crate) polls_since_look: Cell<u32>,
    /// A buffer for wakers that are collected before they are woken.
    woken: Cell<Vec<Waker>>,

    /// The blocking pool.
    pub(crate) pool: Pool,
    /// The runtime is being dropped: nothing new is spawned.
    closed: Cell<bool>,
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "loop {}", self.number)
    }
}

/// How main is polled: its output stays with `block_on`.
pub(crate) type PollMain<'a> = dyn FnMut(&mut Context<'_>) -> Poll<()> + 'a;

impl Core {
    /// A loop with these settings, and its number in the process-wide table.
    pub(crate) fn new(settings: Builder) -> io::Result<Rc<Core>> {
        let (reactor, bell) = Reactor::new()?;
        let (inbox, messages) = Inbox::new(bell);
        let inbox = Arc::new(inbox);
        let (number, first_count) = table::register(&inbox)?;
        Ok(Rc::new_cyclic(|this| Core {
            this: Weak::clone(this),
            number,
            tasks: RefCell::new(Tasks::new(number, first_count)),
            reactor: RefCell::new(reactor),
            timers: RefCell::new(Timers::new()),
            messages: RefCell::new(Some(messages)),
            inbox,
            clock: Clock::new(settings.virtual_clock),
            current: Cell::new(Ticket::NONE),
            polls_since_look: Cell::new(0),
            woken: Cell::new(Vec::new()),
            pool: Pool::new(settings.max_blocking_threads, settings.thread_keep_alive),
            closed: Cell::new(false),
        }))
    }

    /// Turns until main is done.
    pub(crate) fn run(&self, main: &mut PollMain<'_>, turn: &mut Turn) {
        while self.turn(main, None, turn).is_continue() {}
    }

    /// One turn: at most one pass through the circle. It ends early when main is done.
    #[inline]
    pub(crate) fn turn(&self, main: &mut PollMain<'_>, limit: Option<Duration>, turn: &mut Turn) -> ControlFlow<()> {
        trace!(TurnBegin);

        // Nothing ready: (4) and (5) have to bring something; park until they do.
        if !self.tasks.borrow_mut().ready() {
            self.wait(limit, turn);
            self.tasks.borrow_mut().ready(); // Whoever was woken meanwhile is this turn's batch.
        }

        // (2) What is ready now is polled, in order; what gets ready meanwhile belongs to the next turn.
        for _ in 0..TURN_BUDGET {
            if self.polls_since_look.get() >= POLLS_BETWEEN_LOOKS {
                self.look(Some(Duration::ZERO), turn);
            }
            let Some(popped) = self.tasks.borrow_mut().pop() else { break };
            self.poll(popped, main, turn)?;
        }
        trace!(TurnEnd);
        ControlFlow::Continue(())
    }

    /// (3) Polls one task, and ends it when it is ready. Breaks when it was main and main is done.
    #[inline]
    fn poll(&self, popped: Popped, main: &mut PollMain<'_>, turn: &mut Turn) -> ControlFlow<()> {
        let Popped { ticket, body, aborted } = popped;
        trace!(Pop { task: ticket });
        // An abort counts as well: a chain of them shall not keep the loop from looking around either.
        self.polls_since_look.set(self.polls_since_look.get() + 1);
        if let Body::Task(task) = &body
            && aborted
        {
            task.cancel();
            return self.end(ticket, body);
        }
        turn.polls += 1;
        self.current.set(ticket);
        trace!(PollBegin { task: ticket });
        // A ticket has nothing to release, so its waker need not be dropped.
        let waker = ManuallyDrop::new(ticket.waker());
        let cx = &mut Context::from_waker(&waker);
        let polled = match &body {
            Body::Task(task) => task.poll(cx),
            Body::Main(_) => main(cx),
        };
        trace!(PollEnd { task: ticket, ready: polled.is_ready() });
        if polled.is_pending() {
            return ControlFlow::Continue(());
        }
        self.end(ticket, body)
    }

    /// The end of a task: the slot is free, (6) the joiner is woken. A result that nobody waits for is dropped here.
    fn end(&self, ticket: Ticket, body: Body) -> ControlFlow<()> {
        let slot = self.tasks.borrow_mut().remove(ticket);
        drop(slot);
        trace!(TaskEnd { task: ticket, how: ticket });
        let Body::Task(task) = body else { return ControlFlow::Break(()) };
        task.take_joiner().into_iter().for_each(wake_one);
        quiet_drop(task);
        ControlFlow::Continue(())
    }

    /// Nothing is ready. By the system's clock: look, and park there. By the virtual clock: jump to the next deadline,
    /// unless a blocking job is under way or the system has I/O for us this instant.
    fn wait(&self, limit: Option<Duration>, turn: &mut Turn) {
        let Some(now) = self.clock.standing.get() else { return self.look(limit, turn) };
        self.look(Some(Duration::ZERO), turn);
        if self.tasks.borrow_mut().ready() || self.has_messages() {
            return;
        }
        let next = self.timers.borrow().next();
        let limited = limit.map(|limit| now.saturating_add(nanos(limit.min(crate::time::FAR))));
        match next.into_iter().chain(limited).min() {
            _ if self.pool.is_busy() => self.look(limit, turn),
            Some(next) => {
                trace!(Jump { to: next.max(now) });
                self.clock.standing.set(Some(next.max(now)));
                self.fire(turn);
            }
            None if !self.reactor.borrow().is_empty() => self.look(None, turn),
            None => self.report_quiescence(),
        }
    }

    /// Asks everything outside of the ready queue: the remote queue, (5) the timers, (4) the reactor. Parks there for up
    /// to `limit` if nothing is ready, and under the virtual clock for as long as it takes.
    fn look(&self, limit: Option<Duration>, turn: &mut Turn) {
        self.polls_since_look.set(0);
        let before = *turn;
        self.receive(turn);
        self.fire(turn);
        // A message or a timer that fired was waited for, though its waker may be no task's: whoever turns the loop wants
        // to know. In the middle of a turn nobody parks, and `ready`, which begins the next batch, is not asked.
        let parks = limit != Some(Duration::ZERO) && *turn == before && !self.tasks.borrow_mut().ready();
        if parks {
            self.park(limit, turn);
            self.receive(turn);
            self.fire(turn);
        } else if !self.reactor.borrow().is_empty() {
            self.react(Some(Duration::ZERO), turn);
        }
    }

    /// Parks until an event, a ring, the next deadline or `limit`.
    fn park(&self, limit: Option<Duration>, turn: &mut Turn) {
        // Announced first and looked at second: see `Parking`.
        let is_late = self.inbox.parking.announce(|| self.has_messages());
        let next = self.timers.borrow().next().filter(|_| self.clock.standing.get().is_none());
        let until_next = next.map(|next| Duration::from_nanos(next.saturating_sub(self.clock.nanos())));
        let timeout = if is_late { Some(Duration::ZERO) } else { until_next.into_iter().chain(limit).min() };
        trace!(Park { timeout: timeout, deadline: until_next, limit: limit });
        self.react(timeout, turn);
        trace!(Unpark);
        self.inbox.parking.leave();
    }

    /// (4) Takes events from the system, for up to `timeout`, and (6) wakes whom they concern.
    fn react(&self, timeout: Option<Duration>, turn: &mut Turn) {
        let mut woken = self.woken.take();
        turn.events += self.reactor.borrow_mut().park(timeout, &mut woken);
        wake_all(&mut woken);
        self.woken.set(woken);
    }

    /// (5) Fires the timers whose deadline has come, in order, and (6) wakes whom they concern.
    fn fire(&self, turn: &mut Turn) {
        let Some(_) = self.timers.borrow().next() else { return };
        let now = self.clock.nanos();
        let mut woken = self.woken.take();
        let mut timers = self.timers.borrow_mut();
        while let Some((_key, waker)) = timers.fire(now) {
            turn.fired_timers += 1;
            trace!(TimerFired { timer: _key, wakes: std::slice::from_ref(&waker) });
            woken.push(waker);
        }
        drop(timers);
        wake_all(&mut woken);
        self.woken.set(woken);
    }

    /// Whether another thread has sent something that was not taken yet.
    fn has_messages(&self) -> bool {
        self.messages.borrow().as_ref().is_some_and(|messages| !messages.is_empty())
    }

    /// Takes all that was sent before the loop begins to run: an abort from between two calls comes before the poll that
    /// it shall prevent.
    pub(crate) fn catch_up(&self, turn: &mut Turn) {
        let waiting = self.messages.borrow().as_ref().map_or(0, Receiver::len);
        (0..waiting.div_ceil(MESSAGES_PER_LOOK)).for_each(|_| self.receive(turn));
    }

    /// Takes what other threads have sent, and what this one did while the loop was not running.
    fn receive(&self, turn: &mut Turn) {
        for _ in 0..MESSAGES_PER_LOOK {
            // Asked first: it is five times cheaper than to try, and there is nothing most of the time.
            if !self.has_messages() {
                return;
            }
            let message = self.messages.borrow().as_ref().and_then(|messages| messages.try_recv().ok());
            let Some(message) = message else { return };
            turn.remote_wakes += 1;
            trace!(@taken(&message));
            match message {
                Message::Wake(ticket) => self.tasks.borrow_mut().push(ticket),
                Message::Abort(ticket, count) => self.tasks.borrow_mut().abort(ticket, count),
                Message::Spawn(spawn) => spawn(self),
                Message::JobEnded(job, result) => self.pool.job_ended(job, result),
            }
        }
    }

    /// The virtual clock has nowhere to jump to: every task waits for another one, for ever.
    #[cold]
    fn report_quiescence(&self) -> ! {
        trace!(Quiescent);
        let list = self.tasks.borrow().list();
        panic!(
            "nothing can happen any more: no task is ready, no timer is armed, no socket is registered and no blocking \
             job is under way. Look for a wake-up that never comes in:{list}"
        );
    }

    // What the leaves and the wakers call.

    /// (1) Makes a task of `future` and queues it.
    pub(crate) fn spawn<F>(&self, future: F, birth: Birth) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let task = Rc::new(Task::new(future, JoinCell::new(), birth));
        let (ticket, count) = self.insert(Rc::clone(&task) as _);
        JoinHandle::here(task, Target::Task(ticket, count))
    }

    /// Gives a task its slot, or, while the runtime is being dropped, ends it at once.
    pub(crate) fn insert(&self, task: Rc<dyn Run>) -> (Ticket, u64) {
        if self.closed.get() {
            task.cancel();
            return self.tasks.borrow_mut().number(wake::MAX_TASKS);
        }
        self.tasks.borrow_mut().insert(Body::Task(task))
    }

    /// Notes what the task at poll waits for.
    pub(crate) fn note_wait(&self, wait: Wait, _at: Option<At>) {
        trace!(Waits { what: wait } at _at);
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

    /// The runtime is being dropped.
    pub(crate) fn close(&self) {
        self.closed.set(true);
        self.pool.close();
        let tasks = self.tasks.borrow_mut().clear();
        for (ticket, body) in tasks {
            let Body::Task(task) = body else { continue };
            trace!(TaskCancelled { task: ticket });
            task.cancel();
            let _ = self.end(ticket, Body::Task(task));
        }
        // From here on, messages come back to their senders; those that came before are dropped like the tasks.
        self.inbox.close();
        let messages = self.messages.take();
        messages.iter().flat_map(Receiver::try_iter).for_each(quiet_drop);
        quiet_drop(messages);
        let mut woken = Vec::new();
        self.reactor.borrow_mut().close(&mut woken);
        woken.append(&mut self.timers.borrow_mut().clear());
        wake_all(&mut woken);
        // Last: while this is the current loop, wakes of its number are taken for its own.
        table::unregister(self.number, self.tasks.borrow().next_count);
    }
}
