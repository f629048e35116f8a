//! Timers (5): who is to be woken when.
//!
//! ```text
//!            arm                        fire: the clock has passed the deadline
//!   (slot) ---------> in the heap -----------------------------------------------> fired --release--> (free)
//!                         |                                                                             ^
//!                         +------------------------------- release: dropped ----------------------------+
//! ```
//!
//! A heap of deadlines beside a slab of timers. A dropped timer leaves the slab at once. Its entry in the heap is now
//! *dead*: it stays until it comes to the top, or until the heap has so many dead entries that it is swept. Most timers
//! are timeouts that never fire; to take each entry out of the heap at once would cost more, the more timers there are.
//! tokio's wheel needs no order, and rounds deadlines to whole milliseconds.
//!
//! Read before: nothing.
//! Grew from rung 6 (timers) of the ladder in `examples/course`.

use crate::parts::shrink::{Shrink, Slots};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::mem;
use std::task::Waker;

/// The arming of a timer that has fired.
const FIRED: u64 = u64::MAX;

/// The heap is swept when it holds more entries than this for each armed timer. A sweep looks up the timer of each
/// entry, which costs a cache miss. With four, it takes out three entries for each one that stays.
const ENTRIES_PER_TIMER: usize = 4;

/// This many entries beyond that limit are not worth a sweep.
const SPARE_ENTRIES: usize = 64;

/// All armed timers of one runtime, in the order of their deadlines; those of one deadline in the order of arming.
pub(crate) struct Timers {
    /// The next deadline first. The first entry is never a dead one.
    pub(crate) heap: BinaryHeap<Reverse<Entry>>,
    /// The timers by key. A [`Sleep`](crate::time::Sleep) owns its key until it releases it.
    pub(crate) timers: Slots<Timer>,
    /// How many were ever armed. It is the number of the next arming, and decides between equal deadlines.
    armings: u64,
    /// How many are armed: entries of the heap that are not dead.
    armed: usize,
}

/// What the heap compares, in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    /// Nanoseconds since the runtime's beginning.
    pub(crate) deadline: u64,
    /// The number of this arming.
    pub(crate) arming: u64,
    /// The timer.
    pub(crate) key: u32,
}

/// What is known of a timer by its key.
pub(crate) struct Timer {
    /// Identifies this arming. A heap entry with another number belongs to an earlier timer that used the same key, and
    /// is dead. [`FIRED`] once it has fired.
    pub(crate) arming: u64,
    /// The waker of the task that polled it last. Once it has fired, a waker that does nothing.
    pub(crate) waker: Waker,
}

impl Timers {
    pub(crate) fn new() -> Timers {
        Timers { heap: BinaryHeap::new(), timers: Slots::new(), armings: 0, armed: 0 }
    }

    /// Arms a timer. The key is good until [`release`](Timers::release).
    pub(crate) fn arm(&mut self, deadline: u64, waker: Waker) -> u32 {
        let arming = self.armings;
        let key = self.timers.insert(Timer { arming, waker }) as u32;
        self.heap.push(Reverse(Entry { deadline, arming, key }));
        self.armings += 1;
        self.armed += 1;
        key
    }

    /// Makes a timer that counts as fired. On a loop that is being dropped no timer can be armed.
    pub(crate) fn fired(&mut self) -> u32 {
        let key = self.arm(0, Waker::noop().clone());
        self.timers[key as usize].arming = FIRED;
        (self.heap, self.armed) = (BinaryHeap::new(), 0);
        key
    }

    /// The place of the timer's waker; `None` when the timer has fired.
    pub(crate) fn waiting(&mut self, key: u32) -> Option<&mut Waker> {
        let timer = &mut self.timers[key as usize];
        (timer.arming != FIRED).then_some(&mut timer.waker)
    }

    /// The next deadline.
    pub(crate) fn next(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse(entry)| entry.deadline)
    }

    /// Takes the first timer whose deadline has come, and gives its key and its waker.
    pub(crate) fn fire(&mut self, now: u64) -> Option<(u32, Waker)> {
        let &Reverse(Entry { key, .. }) = self.heap.peek().filter(|Reverse(entry)| entry.deadline <= now)?;
        let timer = &mut self.timers[key as usize];
        timer.arming = FIRED;
        let waker = mem::replace(&mut timer.waker, Waker::noop().clone());
        self.armed -= 1;
        self.uncover();
        Some((key, waker))
    }

    /// Gives the key back, whether the timer fired or not. The waker is for the caller to drop, outside every borrow.
    pub(crate) fn release(&mut self, key: u32) -> Waker {
        let timer = self.timers.remove(key as usize);
        if timer.arming != FIRED {
            self.armed -= 1;
            self.uncover();
            if self.heap.len() > ENTRIES_PER_TIMER * self.armed + SPARE_ENTRIES {
                self.heap.retain(|Reverse(entry)| is_armed(&self.timers, entry));
                self.heap.give_back();
            }
        }
        timer.waker
    }

    /// Takes dead entries off the top, until a live one is there.
    fn uncover(&mut self) {
        while let Some(Reverse(entry)) = self.heap.peek()
            && !is_armed(&self.timers, entry)
        {
            self.heap.pop();
        }
        self.heap.give_back();
    }

    /// The runtime is being dropped: no timer will fire any more. Each keeps its waker.
    pub(crate) fn close(&mut self) {
        (self.heap, self.armed) = (BinaryHeap::new(), 0);
        self.timers.iter_mut().for_each(|(_, timer)| timer.arming = FIRED);
    }

    /// Takes the wakers of the timers that outlive their runtime.
    pub(crate) fn clear(&mut self) -> Vec<Waker> {
        self.timers.iter_mut().map(|(_, timer)| mem::replace(&mut timer.waker, Waker::noop().clone())).collect()
    }
}

/// Whether the timer of this entry is there and has not fired.
fn is_armed(timers: &Slots<Timer>, entry: &Entry) -> bool {
    timers.get(entry.key as usize).is_some_and(|timer| timer.arming == entry.arming)
}
