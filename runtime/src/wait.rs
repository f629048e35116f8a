//! Lines of waiters, first in, first out: at a socket, a semaphore, a full channel.
//!
//! The lines lie in a slab as linked lists, so that a waiter leaves from the middle in constant time. A waiter owns its
//! key until it leaves; whoever calls it only takes it out of the line.

use slab::Slab;
use std::task::Waker;

/// No waiter.
const NONE: u32 = u32::MAX;

/// The waiters of any number of lines.
#[derive(Debug)]
pub(crate) struct Waiters {
    nodes: Slab<Node>,
}

/// One line: who is first, who is last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    first: u32,
    last: u32,
}

/// One waiter.
#[derive(Debug)]
struct Node {
    /// Whom to wake: the latest task that polled it.
    waker: Option<Waker>,
    /// It has been called and stands in no line.
    called: bool,
    before: u32,
    after: u32,
}

impl Line {
    pub(crate) const fn new() -> Line {
        Line { first: NONE, last: NONE }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first == NONE
    }
}

impl Waiters {
    pub(crate) const fn new() -> Waiters {
        Waiters { nodes: Slab::new() }
    }

    /// Takes the first out of a line, for its turn has come, and gives whom to wake.
    pub(crate) fn call(&mut self, line: &mut Line) -> Option<Waker> {
        let first = line.first;
        self.nodes.get(first as usize)?;
        self.unlink(line, first);
        let node = &mut self.nodes[first as usize];
        node.called = true;
        node.waker.take()
    }

    /// Whether the waiter has been called.
    pub(crate) fn is_called(&self, key: u32) -> bool {
        self.nodes[key as usize].called
    }

    /// A task waits: it joins the line at its end, or, if it stands there, says whom to wake from now on. The old waker is
    /// for the caller to drop, outside every borrow.
    pub(crate) fn wait(&mut self, line: &mut Line, waiter: &mut Option<u32>, waker: Waker) -> Option<Waker> {
        match *waiter {
            Some(key) if !self.is_called(key) => return self.nodes[key as usize].waker.replace(waker),
            // It was called, and another task was quicker: it waits again, at the end of the line.
            Some(key) => drop(self.leave(line, key)),
            None => {}
        }
        let key = self.nodes.insert(Node { waker: Some(waker), called: false, before: line.last, after: NONE }) as u32;
        match self.nodes.get_mut(line.last as usize) {
            Some(last) => last.after = key,
            None => line.first = key,
        }
        line.last = key;
        *waiter = Some(key);
        None
    }

    /// Gives the key back, called or not.
    pub(crate) fn leave(&mut self, line: &mut Line, key: u32) -> Option<Waker> {
        if !self.nodes[key as usize].called {
            self.unlink(line, key);
        }
        self.nodes.remove(key as usize).waker
    }

    fn unlink(&mut self, line: &mut Line, key: u32) {
        let Node { before, after, .. } = self.nodes[key as usize];
        match self.nodes.get_mut(before as usize) {
            Some(node) => node.after = after,
            None => line.first = after,
        }
        match self.nodes.get_mut(after as usize) {
            Some(node) => node.before = before,
            None => line.last = before,
        }
    }
}
