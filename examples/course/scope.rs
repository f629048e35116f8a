//! What a step happens in: a poll, or the wake that the check is making. It is known, not guessed: each thread keeps what it
//! is inside of.

use crate::event::Line;
use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a step happens in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Inside {
    /// The number of the thread.
    pub(crate) thread: u64,
    /// The number of the poll or the wake.
    pub(crate) event: Option<u64>,
}

thread_local! {
    static THREAD: u64 = {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        NEXT.fetch_add(1, Relaxed)
    };
    /// The polls and wakes that this thread is in, the innermost one last. A wake is marked.
    static SCOPES: RefCell<Vec<(u64, bool)>> = const { RefCell::new(Vec::new()) };
    /// The wake that was told last, and is about to be made.
    static WAKE: Cell<Option<u64>> = const { Cell::new(None) };
    /// Where the answer said last that a poll begins.
    static SAID: Cell<Option<Line>> = const { Cell::new(None) };
}

/// The number of this thread.
pub(crate) fn thread() -> u64 {
    THREAD.try_with(|number| *number).unwrap_or(0)
}

/// Where this thread is.
pub(crate) fn inside() -> Inside {
    let event = SCOPES.try_with(|scopes| scopes.borrow().last().map(|(event, _)| *event)).ok().flatten();
    Inside { thread: thread(), event }
}

/// A poll begins: what follows on this thread happens in it.
pub(crate) fn poll_begins(event: u64) {
    SCOPES.with_borrow_mut(|scopes| scopes.push((event, false)));
}

/// The poll has ended.
pub(crate) fn poll_ends() {
    SCOPES.with_borrow_mut(|scopes| {
        if let Some(index) = scopes.iter().rposition(|(_, is_wake)| !is_wake) {
            scopes.truncate(index);
        }
    });
}

/// A wake was told, and will be made next.
pub(crate) fn wakes(event: u64) {
    WAKE.set(Some(event));
}

/// As long as it lives, this thread is in the wake that was told last.
pub(crate) fn of_the_wake() -> impl Drop {
    let depth = SCOPES.with_borrow(Vec::len);
    if let Some(event) = WAKE.take() {
        SCOPES.with_borrow_mut(|scopes| scopes.push((event, true)));
    }
    InWake(depth)
}

struct InWake(usize);

impl Drop for InWake {
    fn drop(&mut self) {
        let _ = SCOPES.try_with(|scopes| scopes.borrow_mut().truncate(self.0));
    }
}

/// The answer says in this line that a poll begins.
pub(crate) fn says(line: Line) {
    SAID.set(Some(line));
}

/// Where it said so, since it was asked last.
pub(crate) fn said_before() -> Option<Line> {
    SAID.take()
}
