//! The loop's own state at one moment, as the page shows it: what a replay of the events must come to.

use super::TaskNumber;
use super::json::{Json, list};
use crate::circle::core::Core;
use crate::circle::reactor::Side;
use crate::circle::ticket::Ticket;
use crate::parts::line::Waiters;
use std::cmp::Reverse;
use std::sync::Arc;
use std::task::Waker;

/// The state as a JSON object; see the test that compares it with the page's.
pub(super) fn of(core: &Core) -> String {
    let (tasks, timers, reactor) = (core.tasks.borrow(), core.timers.borrow(), core.reactor.borrow());
    let mut out = String::from("{\"ready\":");
    let queue = tasks.batch[tasks.next..].iter().chain(&tasks.arrived);
    let alive = queue.filter(|ticket| tasks.slots.get(ticket.slot()).is_some_and(|slot| slot.ticket == **ticket));
    list(alive, &mut out, |ticket, out| TaskNumber::from(*ticket).write(out));
    out.push_str(",\"tasks\":");
    list(tasks.slots.iter(), &mut out, |(key, slot), out| {
        let task = TaskNumber::from(slot.ticket).0;
        out.push_str(&format!("[{key},{task},{},{},", slot.queued, slot.aborted));
        Option::<Arc<str>>::from(&slot.body).write(out);
        out.push(',');
        <&str>::from(slot.wait).write(out);
        out.push(']');
    });
    out.push_str(",\"timers\":");
    list(timers.timers.iter(), &mut out, |(key, timer), out| {
        let mut entries = timers.heap.iter().map(|Reverse(entry)| entry);
        let armed = entries.find(|entry| entry.key == key as u32 && entry.arming == timer.arming);
        let deadline = armed.map_or("null".to_owned(), |entry| entry.deadline.to_string());
        out.push_str(&format!("[{key},{deadline},"));
        woken_by(&timer.waker).write(out);
        out.push(']');
    });
    out.push_str(",\"sources\":");
    list(reactor.sources.iter(), &mut out, |(key, source), out| {
        let [read, write] = &source.sides;
        out.push_str(&format!("[{key},{},{},{},{},", read.ready, write.ready, read.ended, write.ended));
        list([read, write], out, |side, out| list(waiting(side, &reactor.waiters), out, |who, out| who.write(out)));
        out.push(']');
    });
    let (remote, jobs) = (core.threads.waiting(), core.owed.borrow().len());
    out.push_str(&format!(",\"remote\":{remote},\"jobs\":{jobs}}}"));
    out
}

/// The task behind a waker; none behind a child's of a gather, and behind one that was used.
fn woken_by(waker: &Waker) -> Option<TaskNumber> {
    Ticket::of(waker).map(TaskNumber::from)
}

/// Who waits at one side of a source, from the first of the line on.
fn waiting(side: &Side, waiters: &Waiters) -> Vec<Option<TaskNumber>> {
    waiters.wakers(&side.line).map(woken_by).collect()
}
