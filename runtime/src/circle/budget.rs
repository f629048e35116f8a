//! The budget of a poll (3): how much a task may get in one poll before the others have their turn.
//!
//! A leaf that is always ready (a full channel, a socket whose peer never rests, an interval that is behind) never says
//! Pending. A task that awaits it in a loop would never return to the loop, and nobody else would run. So each success
//! of a leaf takes one of [`BUDGET`]:
//!
//! ```text
//!   a poll begins     spend: a leaf gives something         refuse: the next leaf finds none left
//!   128 ------------> 127 ------------- ... -------------> 0 ----------------------------------------+
//!    ^                                                     the leaf wakes its task and says Pending  |
//!    +------------------------------- the others have their turn <-----------------------------------+
//! ```
//!
//! `try_*` functions take none, for they cannot wait. A poll that is not made by a loop of this crate, but by another
//! executor or a test, has no limit. tokio calls this "coop", and its budget is 128, too.
//!
//! The number belongs to the thread and not to the loop: a thread polls one task at a time, and a leaf finds the number
//! with one instruction.
//!
//! Read before: `run.rs`, `context.rs`.
//! Grew from no rung of the ladder in `examples/course`: the loops there trust their tasks to pause.

use crate::circle::context;
use std::cell::Cell;
use std::task::{Context, Poll};

/// What the leaves may give a task in one poll: tokio's number.
pub(crate) const BUDGET: i64 = 128;

/// When leaves ask this often in one poll with none left, Pending does not lead back to the loop: another executor runs
/// inside of the task, and would ask for ever. The poll gets a new budget.
const PATIENCE: i64 = 1024;

thread_local! {
    /// What is left for the poll that is under way: [`BUDGET`] when it begins. Below zero: what was given although none
    /// was left. At [`-PATIENCE`](PATIENCE) and below: also how often a leaf has asked in vain. Where no loop runs it is
    /// so much that nobody can take it all; `context.rs` puts that back when a loop leaves.
    pub(crate) static LEFT: Cell<i64> = const { Cell::new(i64::MAX) };
}

/// Polls a leaf: takes one before, and gives it back if the leaf is pending. With none left the leaf is not polled, so
/// it takes nothing that it may not give: this wakes the waker of `cx` and says Pending.
#[inline]
pub fn spend<T>(cx: &mut Context<'_>, leaf: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
    take();
    if LEFT.get() < 0 {
        refuse(cx);
        return Poll::Pending;
    }
    let polled = leaf(cx);
    if polled.is_pending() {
        give_back();
    }
    polled
}

/// Asks whether any is left, for a caller that [takes](take) after a success. With none left, this wakes the waker of
/// `cx` and says Pending.
#[inline]
pub fn poll_left(cx: &mut Context<'_>) -> Poll<()> {
    if LEFT.get() > 0 { Poll::Ready(()) } else { spend(cx, |_| Poll::Pending) }
}

/// Takes one. An end that comes also when none is left takes one more than there are.
#[inline]
pub fn take() {
    LEFT.set(LEFT.get() - 1);
}

/// Gives one back. Not inlined, so that the caller needs no register for it, and a success pays nothing.
#[inline(never)]
fn give_back() {
    LEFT.set(LEFT.get() + 1);
}

/// None is left: the task is polled again when the others have had their turn. This returns nothing, and the caller is
/// pending at once. So the caller keeps nothing over this call, and saves no registers for it.
#[cold]
#[inline(never)]
fn refuse(cx: &Context<'_>) {
    let left = LEFT.get();
    LEFT.set(if left > -2 * PATIENCE { left.min(-PATIENCE) } else { BUDGET });
    // A poll that has spent its whole budget was a long one: the loop checks before the next.
    context::with(|core| core.check_before_next_poll());
    if left > -PATIENCE {
        trace!(Waits { what: "its next turn: it has had its share" });
    }
    cx.waker().wake_by_ref();
}
