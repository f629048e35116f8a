//! What the `explore!` lines of the loop call. Each does nothing when no explorer runs on its thread.

use super::panics::text_of;
use super::run::{ACTIVE, Next, Stop, raise, slot_of, with_any, with_run};
use crate::At;
use crate::circle::context;
use crate::circle::core::Core;
use crate::circle::join::Target;
use crate::circle::remote::Message;
use crate::circle::run::Turn;
use crate::circle::ticket::Ticket;
use crate::circle::timers::Timers;
use std::any::Any;
use std::panic::Location;

/// Before the pop: the chosen task is brought to the front of the batch.
#[inline]
pub(crate) fn choose_next(core: &Core) {
    if ACTIVE.get() {
        choose(core);
    }
}

#[cold]
fn choose(core: &Core) {
    loop {
        match with_run(core, |run| run.next(core)) {
            None | Some(Next::Poll) => return,
            Some(Next::Alarm(deadline)) => {
                let now = core.clock.nanos();
                core.jump(deadline.max(now), &mut Turn::default());
            }
            Some(Next::Stop) => return raise(Stop::Hang),
        }
    }
}

/// Nothing is ready, and the virtual clock is about to jump.
#[inline]
pub(crate) fn idle(core: &Core) {
    if !ACTIVE.get() {
        return;
    }
    if core.threads.is_somebody_outside() {
        refuse("Handle::outside", "it waits for another thread, and a blocking wait is none of the explorer's");
    }
    if with_run(core, |run| run.idle(core)) == Some(false) {
        raise(Stop::Hang);
    }
}

/// Nothing can happen any more.
#[inline]
pub(crate) fn hang() {
    if ACTIVE.get() {
        raise(Stop::Hang);
    }
}

/// Timers are about to fire.
#[inline]
pub(crate) fn order_ties(timers: &mut Timers, now: u64) {
    if ACTIVE.get()
        && let Some(Err(stop)) = with_any(|run| run.order_ties(timers, now))
    {
        raise(stop);
    }
}

/// The loop takes a message out of its remote queue. One for a task that is gone may come from anywhere.
#[inline]
pub(crate) fn message_taken(core: &Core, message: &Message) {
    if !ACTIVE.get() {
        return;
    }
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
    if ACTIVE.get() {
        with_any(|run| run.message_sent());
    }
}

/// The program asks for what an explorer cannot give.
#[inline]
pub(crate) fn refuse(call: &str, why: &str) {
    if ACTIVE.get() {
        raise(Stop::Refused(format!(
            "{call} is refused inside an explorer: {why}, and the explorer cannot choose when that happens. Put a task in its \
             place, or io::duplex in the place of a socket"
        )));
    }
}

/// A source of this type is to be registered with the reactor.
#[inline]
pub(crate) fn refuse_source(type_name: &str) {
    if ACTIVE.get() {
        let name = type_name.rsplit("::").next().unwrap_or(type_name);
        let call = match name {
            "TcpListener" | "TcpStream" | "UdpSocket" => format!("net::{name}"),
            _ => format!("io::Async of {name}"),
        };
        refuse(&call, "a socket is ready when the system says so");
    }
}

/// A task has panicked with this.
#[inline]
pub(crate) fn task_panicked(payload: &(dyn Any + Send)) {
    if ACTIVE.get() {
        context::with(|core| with_run(core, |run| run.task_panicked(text_of(payload), &core.tasks.borrow())));
    }
}

/// Somebody has taken the result of this task.
#[inline]
pub(crate) fn joined(target: &Target) {
    if ACTIVE.get()
        && let Target::Task(ticket, _) = target
    {
        with_any(|run| run.joined(*ticket));
    }
}

/// Whether a fault loses this wake.
#[inline]
pub(crate) fn loses_wake(ticket: Ticket) -> bool {
    ACTIVE.get() && with_any(|run| run.loses_wake(ticket)) == Some(true)
}

/// A wake was done; a fault may do it again.
#[inline]
pub(crate) fn woken(core: &Core, ticket: Ticket) {
    if ACTIVE.get() && with_any(|run| run.wakes_twice()) == Some(true) {
        core.tasks.borrow_mut().push(ticket);
    }
}

/// A waker is kept: a fault may make it nobody's.
#[inline]
pub(crate) fn kept(data: *const ()) -> *const () {
    if ACTIVE.get() && with_any(|run| run.forgets_waker()) == Some(true) {
        return std::ptr::without_provenance(Ticket::NONE.0 as usize);
    }
    data
}

/// A read or a write of up to so many bytes: it may be a short one.
#[inline]
pub(crate) fn short(most: usize, at: At) -> usize {
    if !ACTIVE.get() || most < 2 {
        return most;
    }
    // 0 is the whole, which costs nothing.
    match choose_at(most, at.0) {
        0 => most,
        n => n,
    }
}

/// A choice that is made at this line of the program.
pub(crate) fn choose_at(n: usize, at: &'static Location<'static>) -> usize {
    match with_any(|run| run.choose(n, at)) {
        Some(Ok(value)) => value,
        Some(Err(stop)) => {
            raise(stop);
            0
        }
        None => 0,
    }
}
