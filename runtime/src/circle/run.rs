//! The loop: one [`turn`](Core::turn) is one pass through the circle, and `block_on` is turns until its future is done.
//! Only this file polls tasks. The numbers are those of the picture in the crate's documentation: spawn (1), ready
//! queue (2), poll (3), reactor (4), timers (5), wake (6), which leads back to (2).
//!
//! ```text
//!   turn --+-- wait, if nothing is ready --+-- wait_in_real_time -----+-- park (4)
//!          |                               +-- wait_in_virtual_time --+-- jump
//!          +-- check, once in 61 polls ----+-- take_messages
//!          |                               +-- fire_due (5)
//!          |                               +-- ask_system (4)
//!          +-- pop (2), poll (3) ------------- end: join
//! ```
//!
//! Read before: `ready.rs`, `timers.rs`, `reactor.rs`, `core.rs`.
//! Grew from rung 3 (the turn) of the ladder in `examples/course`.

use crate::circle::budget;
use crate::circle::core::Core;
use crate::circle::ready::{Body, Popped};
use crate::circle::remote::Message;
use crate::circle::wake::wake_all;
use crate::parts::clock::{FAR, nanos};
use std::mem::ManuallyDrop;
use std::ops::ControlFlow;
use std::task::{Context, Poll};
use std::time::Duration;

/// While tasks are ready, the clock, the remote queue and the reactor are asked once in this many polls. It is tokio's
/// `event_interval`; Go's scheduler, where the number comes from, asks its global queue as often.
pub(crate) const POLLS_BETWEEN_CHECKS: u32 = 61;

/// At most this many polls in a turn, so that a program that calls `turn` from a loop of its own (a game, a GUI) is not
/// held up. What is left is polled in the next turn.
const TURN_BUDGET: usize = 1024;

/// Messages taken from the remote queue in one go, so that a flood from another thread does not stop the tasks.
const MESSAGES_AT_ONCE: usize = 1024;

/// What one turn did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Turn {
    /// Tasks polled.
    pub polls: usize,
    /// Timers whose deadline came.
    pub fired_timers: usize,
    /// I/O events taken from the system.
    pub events: usize,
    /// Messages taken from the remote queue: wakes, aborts and spawns of other threads, ends of blocking jobs.
    pub remote_wakes: usize,
}

impl Turn {
    /// Whether the turn has heard of something from outside of the ready queue.
    fn has_heard(&self) -> bool {
        self.fired_timers + self.events + self.remote_wakes > 0
    }
}

/// How main is polled: its output stays with `block_on`.
pub(crate) type PollMain<'a> = dyn FnMut(&mut Context<'_>) -> Poll<()> + 'a;

impl Core {
    /// Turns until main is done.
    pub(crate) fn run(&self, main: &mut PollMain<'_>) {
        let mut turn = Turn::default();
        self.catch_up(&mut turn);
        while self.turn(main, None, &mut turn).is_continue() {
            turn = Turn::default();
        }
    }

    /// Takes all that was sent before the loop begins to run. Between two calls of `block_on` this thread, too, sends
    /// through the remote queue; an abort that was sent there must come before the poll that it shall prevent. It takes
    /// what is there now, and not until nothing is left, for others may send without end.
    pub(crate) fn catch_up(&self, turn: &mut Turn) {
        for _ in 0..self.threads.waiting().div_ceil(MESSAGES_AT_ONCE) {
            self.take_messages(turn);
        }
    }

    /// One turn: at most one pass through the circle. It ends early when main is done.
    #[inline]
    pub(crate) fn turn(&self, main: &mut PollMain<'_>, limit: Option<Duration>, turn: &mut Turn) -> ControlFlow<()> {
        let _turn = trace!(scope TurnBegin);

        // Nothing ready: wait for a message, an event (4), a timer (5), or `limit`.
        if !self.tasks.borrow_mut().begin_batch() {
            self.wait(limit, turn);
            self.tasks.borrow_mut().begin_batch(); // The tasks woken meanwhile are this turn's batch.
        }

        // (2) What is ready now is this turn's batch, and is polled in order. What becomes ready meanwhile belongs to
        // the next batch; `pop` does not give it.
        for _ in 0..TURN_BUDGET {
            if self.polls_since_check.get() >= POLLS_BETWEEN_CHECKS {
                self.check(turn);
            }
            explore!(choose_next(self));
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
        let _pop = trace!(scope Pop { task: ticket });
        // An abort counts as well: many of them in a row would delay timers and events.
        self.polls_since_check.set(self.polls_since_check.get() + 1);
        if let Body::Task(task) = &body
            && aborted
        {
            task.cancel();
            return self.end(ticket, body);
        }
        turn.polls += 1;
        self.current.set(ticket);
        budget::begin();
        let _poll = trace!(scope PollBegin { task: ticket });
        // The waker is only a number. Without `ManuallyDrop` each poll would call its drop function, which does
        // nothing.
        let waker = ManuallyDrop::new(ticket.waker());
        let cx = &mut Context::from_waker(&waker);
        let polled = match &body {
            Body::Task(task) => task.poll(cx),
            Body::Main(_) => watched!(ticket, main(cx)),
        };
        let _polled = trace!(scope PollEnd { task: ticket, ready: polled.is_ready() });
        if polled.is_pending() {
            return ControlFlow::Continue(());
        }
        self.end(ticket, body)
    }

    /// Nothing is ready: waits until something is, or for up to `limit`.
    fn wait(&self, limit: Option<Duration>, turn: &mut Turn) {
        match self.clock.standing.get() {
            Some(now) => self.wait_in_virtual_time(now, limit, turn),
            None => self.wait_in_real_time(limit, turn),
        }
    }

    /// By the system's clock: parks, unless a message or a timer has come since the last check. Such a thing ends the
    /// wait even if no task became ready by it: the waker may belong to code outside of the loop, and the caller of
    /// `turn` must get control back.
    fn wait_in_real_time(&self, limit: Option<Duration>, turn: &mut Turn) {
        self.polls_since_check.set(0);
        self.take_messages(turn);
        self.fire_due(turn);
        if turn.has_heard() || limit == Some(Duration::ZERO) {
            self.ask_system(turn);
        } else {
            self.park(limit, turn);
        }
    }

    /// By the virtual clock: jumps to the next deadline, or by `limit`, past sockets that are not ready yet. While a
    /// blocking job is under way (its result is *owed*) time stands still and the loop parks: a jump would fire timers
    /// before a result that takes real time.
    fn wait_in_virtual_time(&self, now: u64, limit: Option<Duration>, turn: &mut Turn) {
        self.check(turn);
        explore!(idle(self));
        // No jump when a timer has fired (one that was reset to a time before now; its waker may be no task's), when a
        // task is ready, or when more messages wait than are taken at once.
        if turn.fired_timers > 0 || self.tasks.borrow().has_ready() || self.threads.waiting() > 0 {
            return;
        }
        if !self.owed.borrow().is_empty() {
            if limit != Some(Duration::ZERO) {
                self.park(limit, turn);
            }
            return;
        }
        let deadline = self.timers.borrow().next();
        let limited = limit.map(|limit| now.saturating_add(nanos(limit.min(FAR))));
        match deadline.into_iter().chain(limited).min() {
            Some(next) => self.jump(next.max(now), turn),
            // No deadline and no limit. A socket, or another thread that holds the guard of `Handle::outside`, may
            // still wake this loop.
            None if !self.reactor.borrow().is_empty() || self.threads.is_somebody_outside() => self.park(None, turn),
            None => self.report_quiescence(),
        }
    }

    /// The virtual clock jumps, and (5) what is due then fires.
    pub(crate) fn jump(&self, to: u64, turn: &mut Turn) {
        let _jump = trace!(scope Jump { to: to });
        self.clock.standing.set(Some(to));
        self.fire_due(turn);
    }

    /// Parks until an event, a ring of another thread, the next deadline of the system's clock or `limit`. Then takes
    /// what has come.
    fn park(&self, limit: Option<Duration>, turn: &mut Turn) {
        // First say that the loop will sleep, then look for a message. In the other order a message that is sent
        // between the two would not wake it: see `parts/park.rs`.
        let has_message = self.threads.announce_park();
        let until_deadline = self.until_deadline();
        let timeout = if has_message { Some(Duration::ZERO) } else { until_deadline.into_iter().chain(limit).min() };
        let _park = trace!(scope Park { timeout: timeout, deadline: until_deadline, limit: limit });
        self.take_events(timeout, turn);
        let _awake = trace!(scope Unpark);
        self.threads.end_park();
        self.take_messages(turn);
        self.fire_due(turn);
    }

    /// How long it is to the next deadline. None under the virtual clock, which does not move while the loop sleeps.
    fn until_deadline(&self) -> Option<Duration> {
        let next = self.timers.borrow().next().filter(|_| self.clock.standing.get().is_none())?;
        Some(Duration::from_nanos(next.saturating_sub(self.clock.nanos())))
    }

    /// Takes what has come from outside of the ready queue, without parking: messages, (5) due timers, (4) events.
    fn check(&self, turn: &mut Turn) {
        self.polls_since_check.set(0);
        self.take_messages(turn);
        self.fire_due(turn);
        self.ask_system(turn);
    }

    /// The poll that is under way was a long one: the loop is to check before the next.
    pub(crate) fn check_before_next_poll(&self) {
        self.polls_since_check.set(POLLS_BETWEEN_CHECKS);
    }

    /// Takes the messages of other threads, and those that this thread sent while the loop was not running.
    fn take_messages(&self, turn: &mut Turn) {
        for _ in 0..MESSAGES_AT_ONCE {
            let Some((message, _stamp)) = self.threads.take() else { return };
            explore!(message_taken(self, &message));
            turn.remote_wakes += 1;
            let _taken = trace!(scope @taken(&message, _stamp));
            match message {
                Message::Wake(ticket) => self.tasks.borrow_mut().push(ticket),
                Message::Abort(ticket, serial) => self.tasks.borrow_mut().abort(ticket, serial),
                Message::Run(_, run) => run(self),
            }
        }
    }

    /// (5) Fires the timers whose deadline has come, in order, and (6) wakes the tasks that wait for them.
    fn fire_due(&self, turn: &mut Turn) {
        let Some(_) = self.timers.borrow().next() else { return };
        let now = self.clock.nanos();
        let mut woken = self.woken.take();
        let mut timers = self.timers.borrow_mut();
        explore!(order_ties(&mut timers, now));
        while let Some((_key, waker)) = timers.fire(now) {
            turn.fired_timers += 1;
            let reason = trace!(reason TimerFired { timer: _key, wakes: &waker });
            woken.push((waker, reason));
        }
        drop(timers);
        wake_all(&mut woken);
        self.woken.set(woken);
    }

    /// (4) Asks the system for events that are there already. With no socket there is nothing to ask for.
    fn ask_system(&self, turn: &mut Turn) {
        if !self.reactor.borrow().is_empty() {
            self.take_events(Some(Duration::ZERO), turn);
        }
    }

    /// (4) Takes events from the system, waits up to `timeout` for the first, and (6) wakes the waiters.
    fn take_events(&self, timeout: Option<Duration>, turn: &mut Turn) {
        let mut woken = self.woken.take();
        turn.events += self.reactor.borrow_mut().take_events(timeout, &mut woken);
        wake_all(&mut woken);
        self.woken.set(woken);
    }

    /// The virtual clock has nowhere to jump to: every task waits for another one, for ever.
    #[cold]
    fn report_quiescence(&self) -> ! {
        trace!(Quiescent);
        explore!(hang());
        let list = self.tasks.borrow().list();
        panic!(
            "nothing can happen any more: no task is ready, no timer is armed, no socket is registered and no blocking \
             job is under way. Other threads and other loops are not waited for: if one of them will wake this loop, \
             keep the guard of Handle::outside() until it has. Look for a wake-up that never comes in:{list}"
        );
    }
}
