//! What the `explore!` lines of the loop call. Each does nothing when no explorer runs on its thread.
//!
//! A hook is one question, [`is_explored`]. What it does for an explorer is a cold function of its own, so that the loop
//! does not pay for the registers and the stack that this takes.

use super::panics::text_of;
use super::run::{Next, Stop, WakeFault, raise, slot_of, with_any, with_run};
use crate::circle::context;
use crate::circle::core::Core;
use crate::circle::remote::Message;
use crate::circle::result::{JoinError, Reason};
use crate::circle::run::{POLLS_BETWEEN_CHECKS, Turn};
use crate::circle::ticket::Ticket;
use crate::circle::timers::Timers;
use crate::parts::foreign::Payload;
use crate::trace::{EXPLORER, is_watched, is_watched_by};
use crate::{At, PanicMark};
use std::panic::Location;
use std::ptr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

/// Whether a program runs under an explorer on this thread.
#[inline(always)]
pub(super) fn is_explored() -> bool {
    is_watched_by(EXPLORER)
}

/// An explorer counts the polls since its loop's last check from here on. So each poll seems to be due for a check: the loop
/// asks [`is_early`], and then lets the explorer choose. A loop that nobody explores pays nothing for that.
const DRIVEN: u32 = 1 << 16;

/// From here on, the explorer is asked before each poll of this loop.
pub(super) fn drive(core: &Core) {
    core.polls_since_check.set(DRIVEN);
}

/// Whether the loop has come to its check only for the explorer to choose. A poll that has spent its budget asks for a check
/// by setting the number itself.
#[inline]
pub(crate) fn is_early(core: &Core) -> bool {
    is_explored() && (DRIVEN..DRIVEN + POLLS_BETWEEN_CHECKS).contains(&core.polls_since_check.get())
}

/// Before the pop: the chosen task is brought to the front of the batch.
#[inline]
pub(crate) fn choose_next(core: &Core) {
    if is_explored() {
        choose(core);
    }
}

#[cold]
fn choose(core: &Core) {
    loop {
        let next = with_run(core, |run| run.next(core));
        // None: a loop inside the program, which goes its own way.
        let Some(next) = next else { return };
        if core.polls_since_check.get() < DRIVEN {
            drive(core); // There was a check.
        }
        match next {
            Next::Poll => return,
            Next::Alarm(deadline) => {
                let now = core.clock.nanos();
                core.jump(deadline.max(now), &mut Turn::default());
            }
            Next::Stop => return raise(Stop::Hang),
        }
    }
}

/// Nothing is ready, and the virtual clock is about to jump.
#[inline]
pub(crate) fn idle(core: &Core) {
    if is_explored() {
        wait_idly(core);
    }
}

#[cold]
fn wait_idly(core: &Core) {
    if core.threads.is_somebody_outside() {
        refuse("Handle::outside", "it waits for another thread, and a blocking wait is none of the explorer's");
    }
    match with_run(core, |run| run.idle(core)) {
        Some(true) => drive(core), // There was a check.
        Some(false) => raise(Stop::Hang),
        None => {}
    }
}

/// Nothing can happen any more.
#[inline]
pub(crate) fn hang() {
    if is_explored() {
        raise(Stop::Hang);
    }
}

/// Timers are about to fire.
#[inline]
pub(crate) fn order_ties(timers: &mut Timers, now: u64) {
    if is_explored() {
        order(timers, now);
    }
}

#[cold]
fn order(timers: &mut Timers, now: u64) {
    let ordered = with_any(|run| {
        run.popped = None; // Its poll is over.
        run.order_ties(timers, now)
    });
    if let Some(Err(stop)) = ordered {
        raise(stop);
    }
}

/// The loop takes a message out of its remote queue. One for a task that is gone may come from anywhere.
#[inline]
pub(crate) fn message_taken(core: &Core, message: &Message) {
    if is_explored() {
        check_message(core, message);
    }
}

#[cold]
fn check_message(core: &Core, message: &Message) {
    let is_stale = |ticket: &Ticket| slot_of(&core.tasks.borrow(), *ticket).is_none();
    if with_run(core, |run| run.is_own_message()) == Some(false)
        && !matches!(message, Message::Wake(ticket) if is_stale(ticket))
    {
        refuse(
            "a message from another thread (by a Handle, a waker or an end of a channel that it has)",
            "threads run when they like, as sockets and blocking jobs do",
        );
    }
}

/// This thread sends a message to a loop.
#[inline]
pub(crate) fn message_sent() {
    if is_explored() {
        note_message();
    }
}

#[cold]
fn note_message() {
    with_any(|run| run.message_sent());
}

/// The program asks for what an explorer cannot give.
#[cold]
pub(crate) fn refuse(call: &str, why: &str) {
    if is_explored() {
        raise(Stop::Refused(format!(
            "{call} is refused inside an explorer: {why}, and the explorer cannot choose when that happens. Put a task in its \
             place, or io::duplex in the place of a socket"
        )));
    }
}

/// A source of this type is to be registered with the reactor.
#[cold]
pub(crate) fn refuse_source(type_name: &str) {
    if is_explored() {
        let name = type_name.rsplit("::").next().unwrap_or(type_name);
        let call = match name {
            "TcpListener" | "TcpStream" | "UdpSocket" => format!("net::{name}"),
            _ => format!("io::Async of {name}"),
        };
        refuse(&call, "a socket is ready when the system says so");
    }
}

/// A task has panicked with this.
#[cold]
pub(crate) fn task_panicked((payload, mark): &(Mutex<Payload>, PanicMark)) {
    if is_explored() {
        let payload = payload.lock().unwrap_or_else(PoisonError::into_inner);
        let (text, taken) = (text_of(&**payload), Arc::clone(&mark.0));
        context::with(|core| with_run(core, |run| run.task_panicked(taken, text, &core.tasks.borrow())));
    }
}

/// A handle gives this result, if there is one. To join a task that has not panicked asks nobody and calls nothing.
#[inline]
pub(crate) fn taken<T>(result: &Option<Result<T, JoinError>>) {
    if let Some(Err(JoinError { reason: Reason::Panicked(panic) })) = result {
        panic.1.0.store(true, Ordering::Relaxed);
    }
}

/// Whether a fault loses this wake. One that a fault does twice is done here, and then once more by the loop. The question
/// is for recorders, too: a `trace!` line follows, and where nobody watches, it need not ask again.
#[inline]
pub(crate) fn loses_wake(ticket: Ticket) -> bool {
    is_watched() && is_lost(ticket)
}

#[cold]
#[inline(never)]
fn is_lost(ticket: Ticket) -> bool {
    if !is_explored() {
        return false;
    }
    match with_any(|run| run.fault_of_wake(ticket)).flatten() {
        Some(WakeFault::Lost) => true,
        Some(WakeFault::Twice) => {
            ticket.waker().wake_by_ref();
            false
        }
        None => false,
    }
}

/// Whether a fault loses the push of an abort.
#[inline]
pub(crate) fn loses_abort(ticket: Ticket) -> bool {
    is_explored() && with_any(|run| run.is_cleared_late(ticket)) == Some(true)
}

/// A waker is kept: a fault may make it nobody's.
#[inline]
pub(crate) fn kept(data: *const ()) -> *const () {
    if is_explored() { keep(data) } else { data }
}

#[cold]
fn keep(data: *const ()) -> *const () {
    match with_any(|run| run.forgets_waker()) {
        Some(true) => ptr::without_provenance(Ticket::NONE.0 as usize),
        _ => data,
    }
}

/// A read or a write of up to so many bytes: it may be a short one.
#[inline]
pub(crate) fn short(most: usize, at: At) -> usize {
    if !is_explored() || most < 2 {
        return most;
    }
    // 0 is the whole, which costs nothing.
    match choose_at(most, at.0, true) {
        0 => most,
        n => n,
    }
}

/// A choice that is made at this line of the program; with `is_short`, how many bytes a read or a write takes.
pub(crate) fn choose_at(n: usize, at: &'static Location<'static>, is_short: bool) -> usize {
    match with_any(|run| run.choose(n, at, is_short)) {
        Some(Ok(value)) => value,
        Some(Err(stop)) => {
            raise(stop);
            0
        }
        None => 0,
    }
}
