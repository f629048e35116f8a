//! Timers (5): who is to be woken when.
//!
//! ```text
//!            arm                        fire: the clock has passed the deadline
//!   (slot) ---------> in the heap -----------------------------------------------> fired --release--> (free)
//!                         |                                                                             ^
//!                         +------------------------------- release: dropped ----------------------------+
//! ```
//!
//! A heap of deadlines beside a slab of timers: the heap says who is next, the slab says where in the heap a timer
//! stands, so that one that is dropped leaves at once and its memory with it. An ordered map does the same in fewer
//! lines and takes twice the time; tokio's wheel is faster for millions of far deadlines and rounds them all.

use slab::Slab;
use std::task::Waker;

/// Children of a heap's node. Four lie in one or two cache lines, and the heap is half as deep as with two.
const ARITY: usize = 4;

/// The position of a timer that is no longer in the heap.
const FIRED: u32 = u32::MAX;

/// Arrays of up to this many timers are kept for the next ones: some 50 KB.
const KEPT: usize = 1024;

/// All armed timers of one runtime, in the order of their deadlines; those of one deadline in the order of arming.
pub(crate) struct Timers {
    /// Who is next: a heap in an array, `ARITY` children a node.
    heap: Vec<Entry>,
    /// The timers by key. A [`Sleep`](crate::time::Sleep) owns its key until it releases it.
    timers: Slab<Timer>,
    /// How many were ever armed: the tie between equal deadlines.
    armed: u64,
    /// When so few are left, it is time to give memory back: a quarter of the most there were, then half of what was left
    /// the last time.
    shrink_at: usize,
}

/// What the heap compares, in one place so that no comparison leaves the array.
#[derive(Clone, Copy)]
struct Entry {
    /// Nanoseconds since the runtime's beginning.
    deadline: u64,
    /// Which arming this was.
    turn: u64,
    /// The timer.
    key: u32,
}

/// What is known of a timer by its key.
struct Timer {
    /// Where in the heap its entry stands, or [`FIRED`].
    position: u32,
    /// Whom to wake: the latest task that polled it.
    waker: Option<Waker>,
}

impl Timers {
    pub(crate) fn new() -> Timers {
        Timers { heap: Vec::new(), timers: Slab::new(), armed: 0, shrink_at: 0 }
    }

    /// Arms a timer. The key is good until [`release`](Timers::release).
    pub(crate) fn arm(&mut self, deadline: u64, waker: Waker) -> u32 {
        let position = self.heap.len() as u32;
        let key = self.timers.insert(Timer { position, waker: Some(waker) }) as u32;
        self.heap.push(Entry { deadline, turn: self.armed, key });
        self.armed += 1;
        self.shrink_at = self.shrink_at.max(self.timers.len() / 4);
        self.sift_up(position as usize);
        key
    }

    /// The waker's place of a timer that has not fired; `None` when it has.
    pub(crate) fn waiting(&mut self, key: u32) -> Option<&mut Option<Waker>> {
        let timer = &mut self.timers[key as usize];
        (timer.position != FIRED).then_some(&mut timer.waker)
    }

    /// The next deadline.
    pub(crate) fn next(&self) -> Option<u64> {
        self.heap.first().map(|entry| entry.deadline)
    }

    /// Takes the first timer whose deadline has come, and gives its key and whom to wake.
    pub(crate) fn fire(&mut self, now: u64) -> Option<(u32, Option<Waker>)> {
        let first = *self.heap.first().filter(|entry| entry.deadline <= now)?;
        self.remove(0);
        let timer = &mut self.timers[first.key as usize];
        timer.position = FIRED;
        Some((first.key, timer.waker.take()))
    }

    /// Gives the key back, whether the timer fired or not. The waker is for the caller to drop, outside every borrow.
    pub(crate) fn release(&mut self, key: u32) -> Option<Waker> {
        let timer = self.timers.remove(key as usize);
        if timer.position != FIRED {
            self.remove(timer.position as usize);
        }
        if self.timers.len() <= self.shrink_at && self.timers.capacity() > KEPT {
            self.shrink();
        }
        timer.waker
    }

    /// Gives memory back: a million timeouts that came and went leave none behind. It may look at every slot, but only
    /// once for each halving.
    #[cold]
    fn shrink(&mut self) {
        self.shrink_at = self.timers.len() / 2;
        self.timers.shrink_to_fit();
        self.heap.shrink_to(KEPT.max(self.heap.len()));
    }

    /// Takes the wakers of all timers: the runtime is being dropped.
    pub(crate) fn clear(&mut self) -> Vec<Waker> {
        self.timers.iter_mut().filter_map(|(_, timer)| timer.waker.take()).collect()
    }

    /// Takes an entry out of the heap: the last one takes its place and finds its own.
    fn remove(&mut self, position: usize) {
        self.heap.swap_remove(position);
        if position < self.heap.len() {
            self.sift_down(position);
            self.sift_up(position);
        }
    }

    /// Moves an entry towards the root while it is due before its parent.
    fn sift_up(&mut self, mut position: usize) {
        let entry = self.heap[position];
        while position > 0 {
            let parent = (position - 1) / ARITY;
            if !entry.is_before(&self.heap[parent]) {
                break;
            }
            self.place(self.heap[parent], position);
            position = parent;
        }
        self.place(entry, position);
    }

    /// Moves an entry towards the leaves while one of its children is due before it.
    fn sift_down(&mut self, mut position: usize) {
        let entry = self.heap[position];
        loop {
            let first = position * ARITY + 1;
            let last = (first + ARITY).min(self.heap.len());
            let Some(children) = self.heap.get(first..last).filter(|children| !children.is_empty()) else { break };
            let mut least = 0;
            for child in 1..children.len() {
                if children[child].is_before(&children[least]) {
                    least = child;
                }
            }
            if !children[least].is_before(&entry) {
                break;
            }
            self.place(children[least], position);
            position = first + least;
        }
        self.place(entry, position);
    }

    fn place(&mut self, entry: Entry, position: usize) {
        self.heap[position] = entry;
        self.timers[entry.key as usize].position = position as u32;
    }
}

impl Entry {
    /// By the deadline, then in the order of arming.
    fn is_before(&self, other: &Entry) -> bool {
        (self.deadline, self.turn) < (other.deadline, other.turn)
    }
}
