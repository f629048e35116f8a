//! Lines of waiters, first in, first out: at a socket, a semaphore, a full channel.
//!
//! The lines lie in a slab as linked lists, so that a waiter leaves from the middle in constant time. A waiter owns its
//! place until it leaves; whoever calls it only takes it out of the line.

use slab::Slab;
use std::mem;
use std::num::NonZeroU32;
use std::task::Waker;

/// The waiters of any number of lines.
#[derive(Debug)]
pub(crate) struct Waiters {
    pub(crate) nodes: Slab<Node>,
}

/// Where a waiter stands: its key in the slab, plus one, so that "nowhere" takes no room of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place(NonZeroU32);

/// One line: who is first, who is last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    pub(crate) first: Option<Place>,
    last: Option<Place>,
}

/// One waiter.
#[derive(Debug)]
pub(crate) struct Node {
    /// Whom to wake: the latest task that polled it. Nobody once it has been called; a waker all the same, for with an
    /// `Option` the slab would need eight bytes more to tell a node from a free slot.
    pub(crate) waker: Waker,
    before: Option<Place>,
    /// Itself, once it has been called and stands in no line.
    pub(crate) after: Option<Place>,
}

impl Place {
    pub(crate) fn key(self) -> usize {
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
        Waiters { nodes: Slab::new() }
    }

    /// Takes the first out of a line, for its turn has come, and gives whom to wake.
    pub(crate) fn call(&mut self, line: &mut Line) -> Option<Waker> {
        let first = line.first?;
        self.unlink(line, first);
        let node = &mut self.nodes[first.key()];
        node.after = Some(first);
        Some(mem::replace(&mut node.waker, Waker::noop().clone()))
    }

    /// Takes everybody out of a line and collects whom to wake.
    pub(crate) fn call_all(&mut self, line: &mut Line, woken: &mut Vec<Waker>) {
        while let Some(waker) = self.call(line) {
            woken.push(waker);
        }
    }

    /// Whether the waiter has been called.
    pub(crate) fn is_called(&self, place: Place) -> bool {
        self.nodes[place.key()].after == Some(place)
    }

    /// A task waits: it joins the line at its end, or, if it stands there, says whom to wake from now on. The old waker is
    /// for the caller to drop, outside every borrow.
    pub(crate) fn wait(&mut self, line: &mut Line, waiter: &mut Option<Place>, waker: Waker) -> Option<Waker> {
        match *waiter {
            Some(place) if !self.is_called(place) => {
                return Some(mem::replace(&mut self.nodes[place.key()].waker, waker));
            }
            // It was called, and another task was quicker: it waits again, at the end of the line.
            Some(place) => drop(self.leave(line, place)),
            None => {}
        }
        let key = self.nodes.insert(Node { waker, before: line.last, after: None });
        let place = Place(NonZeroU32::MIN.saturating_add(key as u32));
        match line.last {
            Some(last) => self.nodes[last.key()].after = Some(place),
            None => line.first = Some(place),
        }
        line.last = Some(place);
        *waiter = Some(place);
        None
    }

    /// Gives the place back, called or not.
    pub(crate) fn leave(&mut self, line: &mut Line, place: Place) -> Waker {
        if !self.is_called(place) {
            self.unlink(line, place);
        }
        self.nodes.remove(place.key()).waker
    }

    fn unlink(&mut self, line: &mut Line, place: Place) {
        let Node { before, after, .. } = self.nodes[place.key()];
        match before {
            Some(before) => self.nodes[before.key()].after = after,
            None => line.first = after,
        }
        match after {
            Some(after) => self.nodes[after.key()].before = before,
            None => line.last = before,
        }
    }
}
