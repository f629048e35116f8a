//! Lines of waiters, first in, first out: at a socket, a semaphore, a full channel.
//!
//! All lines of one socket, semaphore or channel lie in one slab, as linked lists, so that a waiter can leave from the
//! middle of a line in constant time. A waiter has a key from the moment at which it begins to wait until it leaves. To
//! *call* a waiter takes it out of its line; its entry stays until it leaves, so that it can find out that it was
//! called.
//!
//! ```text
//!           wait                        call                        leave
//!   (new) --------> in the line ------------------> called --------------------> (gone)
//!                        |                                                          ^
//!                        +------------------- leave: dropped -----------------------+
//! ```
//!
//! Read before: `shrink.rs`.

use super::shrink::Slots;
use crate::Reason;
use std::mem;
use std::num::NonZeroU32;
use std::task::Waker;

/// The waiters of any number of lines.
#[derive(Debug)]
pub(crate) struct Waiters {
    /// By their keys.
    pub(crate) entries: Slots<Waiter>,
}

/// Which waiter. It is the index in the slab plus one, so that an `Option` of it takes no more memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct WaiterKey(NonZeroU32);

/// One line: its first waiter and its last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    pub(crate) first: Option<WaiterKey>,
    last: Option<WaiterKey>,
}

/// One waiter.
#[derive(Debug)]
pub(crate) struct Waiter {
    /// The waker of the task that polled last. After the call, a waker that does nothing. It is no `Option`, because
    /// the slab would then need eight bytes more to tell an entry from a free slot.
    pub(crate) waker: Waker,
    /// The waiter in front of this one.
    before: Option<WaiterKey>,
    /// The waiter behind this one. A waiter that was called is in no line, and has its own key here.
    pub(crate) after: Option<WaiterKey>,
}

impl WaiterKey {
    fn new(index: usize) -> WaiterKey {
        WaiterKey(NonZeroU32::MIN.saturating_add(index as u32))
    }

    /// The index in the slab.
    pub(crate) fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

impl Line {
    pub(crate) const fn new() -> Line {
        Line { first: None, last: None }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }
}

impl Waiters {
    pub(crate) const fn new() -> Waiters {
        Waiters { entries: Slots::new() }
    }

    /// A task waits. A new waiter goes to the end of the line. A waiter that is in the line already gets the new waker.
    /// The old waker is for the caller to drop, outside every borrow.
    pub(crate) fn wait(&mut self, line: &mut Line, waiter: &mut Option<WaiterKey>, waker: Waker) -> Option<Waker> {
        match *waiter {
            Some(key) if !self.is_called(key) => {
                return Some(mem::replace(&mut self.entries[key.index()].waker, waker));
            }
            // It was called, but another task was quicker: it waits again, at the end of the line.
            Some(key) => drop(self.leave(line, key)),
            None => {}
        }
        let key = WaiterKey::new(self.entries.insert(Waiter { waker, before: line.last, after: None }));
        match line.last {
            Some(last) => self.entries[last.index()].after = Some(key),
            None => line.first = Some(key),
        }
        line.last = Some(key);
        *waiter = Some(key);
        None
    }

    /// Calls the first waiter of a line, and gives its waker.
    pub(crate) fn call(&mut self, line: &mut Line) -> Option<Waker> {
        let first = line.first?;
        self.unlink(line, first);
        let waiter = &mut self.entries[first.index()];
        waiter.after = Some(first);
        Some(mem::replace(&mut waiter.waker, Waker::noop().clone()))
    }

    /// Calls every waiter of a line, and adds their wakers to `woken`, each with the reason.
    pub(crate) fn call_all(&mut self, line: &mut Line, reason: Reason, woken: &mut Vec<(Waker, Reason)>) {
        while let Some(waker) = self.call(line) {
            woken.push((waker, reason));
        }
    }

    /// The wakers of a line, from the first waiter on: for the trace.
    #[cfg(feature = "trace")]
    pub(crate) fn wakers(&self, line: &Line) -> impl Iterator<Item = &Waker> {
        let line = std::iter::successors(line.first, |waiter| self.entries[waiter.index()].after);
        line.map(|waiter| &self.entries[waiter.index()].waker)
    }

    /// How many stand in the line before a waiter; `None` if it was called: for the trace.
    #[cfg(feature = "trace")]
    pub(crate) fn ahead(&self, key: WaiterKey) -> Option<usize> {
        let before = std::iter::successors(self.entries[key.index()].before, |it| self.entries[it.index()].before);
        (!self.is_called(key)).then(|| before.count())
    }

    /// Whether this waiter has been called.
    pub(crate) fn is_called(&self, key: WaiterKey) -> bool {
        self.entries[key.index()].after == Some(key)
    }

    /// Ends the wait, called or not. The waker is for the caller to drop, outside every borrow.
    pub(crate) fn leave(&mut self, line: &mut Line, key: WaiterKey) -> Waker {
        if !self.is_called(key) {
            self.unlink(line, key);
        }
        self.entries.remove(key.index()).waker
    }

    fn unlink(&mut self, line: &mut Line, key: WaiterKey) {
        let Waiter { before, after, .. } = self.entries[key.index()];
        match before {
            Some(before) => self.entries[before.index()].after = after,
            None => line.first = after,
        }
        match after {
            Some(after) => self.entries[after.index()].before = before,
            None => line.last = before,
        }
    }
}
