//! The budget of a poll (3): how much a task may get in one poll before the others have their turn.
//!
//! A leaf that is always ready (a full channel, a socket whose peer never rests, an interval that is behind) never says
//! Pending. A task that awaits it in a loop would never return to the loop, and nobody else would run. So each success
//! of a leaf takes one of [`BUDGET`]:
//!
//! ```text
//!   begin: a poll begins     take: a leaf gives something         poll_left: the next leaf finds none left
//!   128 -------------------> 127 ------------- ... -------------> 0 ----------------------------------------+
//!    ^                                                            the leaf wakes its task and says Pending  |
//!    +------------------------------- the others have their turn <------------------------------------------+
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
use std::task::{Context, Poll, ready};

/// What the leaves may give a task in one poll: tokio's number.
const BUDGET: i32 = 128;

/// When leaves ask this often in one poll with none left, Pending does not lead back to the loop: another executor runs
/// inside of the task, and would ask for ever. The poll gets a new budget.
const PATIENCE: i32 = 1024;

thread_local! {
    /// What is left for the poll that is under way. Below zero: how often a leaf has asked in vain.
    static LEFT: Cell<i32> = const { Cell::new(BUDGET) };
}

/// The poll of a task begins.
#[inline]
pub(crate) fn begin() {
    LEFT.set(BUDGET);
}

/// Ready if any is left. A leaf asks before it tries, so that it takes nothing that it may not give. With none left,
/// this wakes the waker of `cx` and says Pending.
#[inline]
pub fn poll_left(cx: &Context<'_>) -> Poll<()> {
    if LEFT.get() > 0 { Poll::Ready(()) } else { refuse(cx) }
}

/// Takes one, after a success. The caller has asked before.
#[inline]
pub fn take() {
    LEFT.set(LEFT.get() - 1);
}

/// Polls a leaf: asks before, and takes one if it is ready.
#[inline]
pub fn spend<T>(cx: &mut Context<'_>, leaf: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
    ready!(poll_left(cx));
    let polled = leaf(cx);
    if polled.is_ready() {
        take();
    }
    polled
}

/// Whether any is left; the question of [`poll_left`] without a waker. Outside of a loop there is no limit.
pub(crate) fn is_left() -> bool {
    LEFT.get() > 0 || context::with(|_| ()).is_none()
}

/// None is left. Ready if there is a new budget.
#[cold]
#[inline(never)]
fn refuse(cx: &Context<'_>) -> Poll<()> {
    let left = LEFT.get();
    // A poll that has spent its whole budget was a long one: the loop checks before the next.
    let in_loop = context::with(|core| core.check_before_next_poll()).is_some();
    if !in_loop || left <= -PATIENCE {
        begin();
        return Poll::Ready(());
    }
    LEFT.set(left - 1);
    if left == 0 {
        trace!(Waits { what: "its next turn: it has had its share" });
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}
