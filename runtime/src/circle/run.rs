//! The loop: one [`turn`](Core::turn) is one pass through the circle, and `block_on` is turns until its future is done.
//! Only this file polls tasks. The numbers are those of the picture in the crate's documentation: spawn (1), ready
//! queue (2), poll (3), reactor (4), timers (5), wake (6), which leads back to (2).
//!
//! ```text
//!   turn --+-- wait, if nothing is ready --+-- wait_in_real_time ----- park (4)
//!          |                               +-- wait_in_virtual_time -- jump (5), or park (4)
//!          +-- check, once in 61 polls ----+-- take_messages
//!          |                               +-- fire_due (5)
//!          |                               +-- ask_system (4)
//!          +-- pop (2), poll (3) ------------- end (core.rs): the slot is free, the joiner woken
//! ```
//!
//! Messages, timers and events are taken by the same three functions, whether the loop waits or checks.
//!
//! The `trace!` lines tell the trace what happens. A `scope` is the cause of all that is told until its variable is
//! dropped; a `reason` is a cause that is kept for later. Without the feature `trace` they are nothing: read past them.
//!
//! Read before: `ready.rs`, `timers.rs`, `reactor.rs`, `core.rs`.
//! Grew from rung 3 (the turn) of the ladder in `examples/course`.

use crate::circle::budget;
use crate::circle::core::Core;
use crate::circle::ready::{Body, Popped};
use crate::circle::remote::Message;
use crate::circle::ticket::Ticket;
use crate::circle::wake::wake_all;
use crate::parts::clock::{FAR, nanos};
use std::mem::ManuallyDrop;
use std::ops::ControlFlow;
use std::task::{Context, Poll};
use std::time::Duration;

/// While tasks are ready, the clock, the remote queue and the reactor are asked once in this many polls. It is tokio's
/// `event_interval`; Go's scheduler, where the number comes from, asks its global queue as often.
pub(crate) const POLLS_BETWEEN_CHECKS: u32 = 61;

/// At most this many polls in a turn, so that a program that calls `Runtime::turn` from a loop of its own (a game, a
/// GUI) is not held up. What is left is polled in the next turn.
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
    /// Messages taken from the remote queue: wakes, aborts and spawns that other threads sent, or this one before the
    /// loop ran; ends of blocking jobs.
    pub remote_wakes: usize,
}

impl Turn {
    /// Whether the turn has heard of something from outside of the ready queue.
    fn has_heard(&self) -> bool {
        self.fired_timers + self.events + self.remote_wakes > 0
    }
}

/// How main, the future given to `block_on`, is polled. It is a closure, because only `block_on` knows the type of
/// main's output, and keeps that output. `block_on` has queued main like a task. `Runtime::turn` has no main: what it
/// gives here is never called.
pub(crate) type PollMain<'a> = dyn FnMut(&mut Context<'_>) -> Poll<()> + 'a;

impl Core {
    /// Turns until main is done.
    pub(crate) fn run(&self, main: &mut PollMain<'_>) {
        // One for both: what `catch_up` takes counts as heard, so the first turn does not sleep.
        let mut turn = Turn::default();
        self.catch_up(&mut turn);
        while self.turn(main, None, &mut turn).is_continue() {
            turn = Turn::default();
        }
    }

    /// Takes the messages that were sent before the loop began to run; for `run` and `Runtime::turn`. While its loop
    /// does not run, this thread, too, wakes and aborts through the remote queue. Such an abort must come before the
    /// poll that it prevents; the first check would come up to 61 polls later. It goes only as many rounds as the
    /// messages that wait now need: other threads may send without end.
    pub(crate) fn catch_up(&self, turn: &mut Turn) {
        for _ in 0..self.threads.waiting().div_ceil(MESSAGES_AT_ONCE) {
            self.take_messages(turn);
        }
    }

    /// One turn: one pass through the circle. It waits no longer than `limit` (`None`: for as long as it takes), and
    /// adds what it did to `turn`. `run` gives no limit; `Runtime::turn` gives that of its caller. It ends early when
    /// main is done.
    #[inline]
    pub(crate) fn turn(&self, main: &mut PollMain<'_>, limit: Option<Duration>, turn: &mut Turn) -> ControlFlow<()> {
        // Nothing ready: wait for a message, an event (4), a timer (5), or `limit`. `begin_batch` makes one batch of
        // all that is queued, also of what the last turn left, and returns whether there is any.
        let _turn = trace!(below scope TurnBegin);
        if !self.tasks.borrow_mut().begin_batch() {
            self.wait(limit, turn);
            self.tasks.borrow_mut().begin_batch(); // The tasks woken meanwhile are this turn's batch.
        }

        // (2) What is ready now is this turn's batch, and is polled in order. What becomes ready meanwhile belongs to
        // the next batch; `pop` does not give it.
        for _ in 0..TURN_BUDGET {
            if self.polls_since_check.get() >= POLLS_BETWEEN_CHECKS {
                self.check_between_polls(turn);
            }
            let Some(Popped { ticket, body, aborted }) = self.tasks.borrow_mut().pop() else { break };
            let _pop = trace!(scope Pop { task: ticket });
            turn.polls += usize::from(!aborted);
            self.poll(ticket, body, aborted, main)?;
        }
        trace!(below TurnEnd);
        ControlFlow::Continue(())
    }

    /// (3) Polls one task, and ends it when its future has returned Ready. Breaks when that was main. `body` is a second
    /// reference, so that `tasks` is not borrowed while the future runs; the task itself stays in its slot until `end`
    /// takes it out.
    #[inline]
    fn poll(&self, ticket: Ticket, body: Body, aborted: bool, main: &mut PollMain<'_>) -> ControlFlow<()> {
        // An abort counts as well: otherwise many in a row would delay timers and events.
        self.polls_since_check.set(self.polls_since_check.get() + 1);
        // A leaf (a future that itself waits for a timer, a socket, a channel) notes for this task what it waits for.
        self.current.set(ticket);
        if aborted && let Body::Task(task) = &body {
            task.cancel(); // Drops the future. Main is never aborted: it has no handle.
            return self.end(ticket, body);
        }
        budget::LEFT.set(budget::BUDGET); // How much the leaves may give the task in this poll.
        // The waker is only a number. Without `ManuallyDrop` each poll would call its drop function, which has nothing
        // to release.
        let waker = ManuallyDrop::new(ticket.waker());
        let cx = &mut Context::from_waker(&waker);
        let _poll = trace!(below scope PollBegin { task: ticket });
        let polled = match &body {
            // Keeps the output for the handle, or the panic, which it catches.
            Body::Task(task) => task.poll(cx),
            // A panic of main goes on to the caller of `block_on`, and the trace hears of it here.
            Body::Main(_) => watched!(ticket, main(cx)),
        };
        // For the trace: the end of the poll is the cause of what `end` does.
        let _polled = trace!(below scope PollEnd { task: ticket, ready: polled.is_ready() });
        if polled.is_pending() {
            return ControlFlow::Continue(());
        }
        self.end(ticket, body)
    }

    /// Nothing is ready: waits until something is, or for up to `limit`. With a virtual clock, `standing` is its time: it
    /// stands still, and jumps when nothing is ready.
    fn wait(&self, limit: Option<Duration>, turn: &mut Turn) {
        match self.clock.standing.get() {
            Some(now) => self.wait_in_virtual_time(now, limit, turn),
            None => self.wait_in_real_time(limit, turn),
        }
    }

    /// By the system's clock: parks, unless a message or a timer has come since the last check. Such a thing ends the
    /// wait even if no task became ready by it: the waker may belong to code outside of the loop, and the caller of
    /// `Runtime::turn` must get control back.
    fn wait_in_real_time(&self, limit: Option<Duration>, turn: &mut Turn) {
        // Not `check`: it asks the system, and `park` would ask it a second time.
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
    /// blocking job is under way (its result is *owed*) time stands still and the loop parks for up to `limit` of real
    /// time: a jump would fire timers before a result that takes real time.
    fn wait_in_virtual_time(&self, now: u64, limit: Option<Duration>, turn: &mut Turn) {
        self.check(turn);
        explore!(idle(self));
        // No jump when something has come: it has made a task ready, or its waker belongs to code outside of the loop.
        // Nor when a message has come since `check` looked.
        if turn.has_heard() || self.threads.waiting() > 0 {
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
            Some(next) => self.jump(next, turn), // Never back: `check` has fired what was due.
            // No deadline and no limit. A socket, or another thread that holds the guard of `Handle::outside`, may
            // still wake this loop. (With a deadline the guard does not hold time: nobody knows how long "outside" is.)
            None if !self.reactor.borrow().is_empty() || self.threads.is_somebody_outside() => self.park(None, turn),
            None => self.report_quiescence(),
        }
    }

    /// The virtual clock jumps, and (5) what is due then fires.
    pub(crate) fn jump(&self, to: u64, turn: &mut Turn) {
        let _jump = trace!(below scope Jump { to: to });
        self.clock.standing.set(Some(to));
        self.fire_due(turn);
    }

    /// Parks until an event, a ring (another thread has sent a message, and ends the sleep), the next deadline of the
    /// system's clock or `limit`. Then takes what has come.
    fn park(&self, limit: Option<Duration>, turn: &mut Turn) {
        // `announce_park` first says that the loop will sleep, then looks for a message. In the other order a message
        // that is sent between the two would not wake it: see `parts/park.rs`.
        let has_message = self.threads.announce_park();
        let until_deadline = self.until_deadline();
        let earlier = until_deadline.into_iter().chain(limit).min(); // Of those that there are.
        let timeout = if has_message { Some(Duration::ZERO) } else { earlier };
        let _park = trace!(below scope Park { timeout: timeout, deadline: until_deadline, limit: limit });
        self.take_events(timeout, turn);
        let _awake = trace!(scope Unpark);
        self.threads.end_park();
        self.take_messages(turn);
        self.fire_due(turn);
    }

    /// How long it is to the next deadline. None under the virtual clock, which does not move while the loop sleeps.
    fn until_deadline(&self) -> Option<Duration> {
        let None = self.clock.standing.get() else { return None };
        let next = self.timers.borrow().next()?;
        Some(Duration::from_nanos(next.saturating_sub(self.clock.nanos())))
    }

    /// The check that is due once in 61 polls. An explorer sees to it that each poll of its loop comes through here. A
    /// function of its own, so that the polls between two checks do not pay for it.
    #[inline(never)]
    fn check_between_polls(&self, turn: &mut Turn) {
        if !explore!(asks is_early(self)) {
            self.check(turn);
        }
        explore!(choose_next(self));
    }

    /// Takes what has come from outside of the ready queue, without parking: messages, (5) due timers, (4) events. In this
    /// order: what another thread has sent by now was there before the loop looked at its clock.
    fn check(&self, turn: &mut Turn) {
        self.polls_since_check.set(0);
        self.take_messages(turn);
        self.fire_due(turn);
        self.ask_system(turn);
    }

    /// Called by `budget.rs` during a poll that has spent its whole budget, so was long: the loop checks before the next
    /// poll.
    pub(crate) fn check_before_next_poll(&self) {
        self.polls_since_check.set(POLLS_BETWEEN_CHECKS);
    }

    /// Takes messages from the remote queue (`threads`): those of other threads, and those that this thread sent while
    /// the loop was not running. `_stamp` is for the trace.
    fn take_messages(&self, turn: &mut Turn) {
        for _ in 0..MESSAGES_AT_ONCE {
            let Some((message, _stamp)) = self.threads.take() else { return };
            let _taken = trace!(scope @taken(&message, _stamp));
            turn.remote_wakes += 1;
            explore!(message_taken(self, &message));
            match message {
                Message::Wake(ticket) => self.tasks.borrow_mut().push(ticket),
                Message::Abort(ticket, serial) => self.tasks.borrow_mut().abort(ticket, serial),
                // A spawn, or the end of a blocking job; the first field names it for the trace.
                Message::Run(_, run) => run(self),
            }
        }
    }

    /// (5) Fires the timers whose deadline has come, in order, and (6) wakes the tasks that wait for them.
    fn fire_due(&self, turn: &mut Turn) {
        let Some(_) = self.timers.borrow().next() else { return }; // No timer: the clock is not asked.
        let now = self.clock.nanos();
        let mut woken = self.woken.take(); // One array, used again each time.
        let mut timers = self.timers.borrow_mut();
        explore!(order_ties(&mut timers, now));
        while let Some((_key, waker)) = timers.fire(now) {
            let reason = trace!(reason TimerFired { timer: _key, wakes: &waker });
            turn.fired_timers += 1;
            woken.push((waker, reason));
        }
        drop(timers); // A waker may be foreign code, which may arm timers: no borrow is held while it runs.
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
        let list = self.tasks.borrow().list();
        trace!(Quiescent);
        explore!(hang());
        panic!(
            "nothing can happen any more: no task is ready, no timer is armed, no socket is registered and no blocking \
             job is under way. Other threads and other loops are not waited for: if one of them will wake this loop, \
             keep the guard of Handle::outside() until it has. Look for a wake-up that never comes in:{list}"
        );
    }
}
