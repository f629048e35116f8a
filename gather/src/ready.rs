//! The ready set: which children in place are ready, and which parent to wake.
//!
//! A waker here does not count, it **marks**: a wake marks the place of its child as ready, and the first mark wakes
//! the parent, the task that awaits the gather. The parent's next poll drains the set and polls the marked children and
//! no others. So any number of wakes before that poll costs the parent one poll. Why these wakers cannot count is said
//! in `tally.rs`.
//!
//! ```text
//!   waker of child 0 ---> Node 0 --+
//!   waker of child 1 ---> Node 1 --+--mark--> ReadySet --wake, at the first mark--> parent
//!   waker of child 2 ---> Node 2 --+             |
//!                                                +--drain, at the parent's next poll--> Engine (join.rs)
//! ```
//!
//! All wakers of a gather point into this one block. It is made when a child first clones its waker (see `waker.rs`),
//! and lives as long as the gather or any such clone: a single waker that outlives the gather keeps the whole block, 16
//! bytes for each place. It keeps no child, and once the gather is gone it wakes nobody.
//!
//! futures-rs allocates such a block for every child, and links them without a lock. Here a lock is held for a handful
//! of instructions, and a reader can tell what is consistent with what.
//!
//! Read before: `tally.rs`.

use runtime::{Mark, trace};
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::{array, mem};

/// So many nodes stand in the block itself: a small gather saves an allocation.
const FEW: usize = 8;

/// The link of a place that is not in the queue.
const IDLE: u32 = u32::MAX;
/// The link of the last place of the queue.
const END: u32 = u32::MAX - 1;

/// The most places that a set can number: all numbers below the two links.
pub(crate) const MOST_PLACES: usize = END as usize;

/// The children that are ready, and the parent to wake. Wakers write to it from any thread.
pub(crate) struct ReadySet {
    /// Everything that changes. No foreign code runs under this lock: parents are cloned, woken and dropped outside.
    state: Mutex<State>,
    /// One node for each place: here, if there are at most `FEW`, and else in a slice of their own.
    few: [Node; FEW],
    many: Box<[Node]>,
}

/// The part of a [`ReadySet`] behind its lock.
struct State {
    /// Which gather this is, for the trace.
    _mark: Mark,
    /// Both ends of the queue of ready places, oldest wake first, linked through [`Node::next`].
    head: u32,
    tail: u32,
    /// Whom to wake. The first mark takes it out; the parent's next poll puts it back.
    parent: Option<Waker>,
}

/// What a child's waker points to: its address stands for one place of one gather.
pub(crate) struct Node {
    /// The block that holds this node. Written when the first waker of this place is made, and never changed. A plain
    /// pointer, because the node must not keep its own block alive. Atomic only to tell the compiler that threads share
    /// it.
    pub(crate) set: AtomicPtr<ReadySet>,
    /// The number of the place. Written together with `set`.
    pub(crate) place: AtomicU32,
    /// The place behind this one in the queue, or [`END`], or [`IDLE`]. Only touched under the lock, hence relaxed.
    next: AtomicU32,
}

impl ReadySet {
    /// A set for so many places.
    pub(crate) fn new(places: usize, parent: Waker, mark: Mark) -> Arc<ReadySet> {
        let state = State { _mark: mark, head: END, tail: END, parent: Some(parent) };
        let node = |_| Node { set: AtomicPtr::default(), place: AtomicU32::new(0), next: AtomicU32::new(IDLE) };
        let many = if places > FEW { (0..places).map(node).collect() } else { Box::default() };
        Arc::new(ReadySet { state: Mutex::new(state), few: array::from_fn(node), many })
    }

    /// The node of `place`.
    pub(crate) fn node(&self, place: u32) -> &Node {
        &self.nodes()[place as usize]
    }

    /// All nodes. This asks for the set and not for the place, so the processor foresees the answer. With the first places
    /// in the block and the others in the slice it would guess wrong at each change, and both would be looked up.
    fn nodes(&self) -> &[Node] {
        if self.many.is_empty() { &self.few } else { &self.many }
    }

    /// Marks `place` as ready, and wakes the parent if it was not woken since its last poll. Called by wakers, on any
    /// thread.
    pub(crate) fn wake(&self, place: u32) {
        let nodes = self.nodes();
        let mut state = self.lock();
        let next = &nodes[place as usize].next;
        if next.load(Relaxed) != IDLE {
            return; // Two wakes, one poll.
        }
        next.store(END, Relaxed);
        match mem::replace(&mut state.tail, place) {
            END => state.head = place,
            tail => nodes[tail as usize].next.store(place, Relaxed),
        }
        let parent = state.parent.take();
        let _woken = trace!(scope ChildWoken { gather: state._mark, place: place, due: parent.is_some() });
        drop(state);
        parent.into_iter().for_each(Waker::wake);
    }

    /// Empties the queue into `ready`, oldest wake first, and stores `parent`: the next mark wakes it. A function of its
    /// own: inlined, it takes registers from the loop that polls the children, and a child that yields costs a tenth more.
    #[inline(never)]
    pub(crate) fn drain(&self, parent: &Waker, mut ready: impl FnMut(u32)) {
        // Cloned before the lock and in any case: a second lock, to see first whether it is needed, costs more.
        let mut parent = Some(parent.clone());
        let nodes = self.nodes();
        let mut state = self.lock();
        while state.head != END {
            let place = state.head;
            let next = &nodes[place as usize].next;
            state.head = next.load(Relaxed);
            next.store(IDLE, Relaxed);
            ready(place);
        }
        state.tail = END;
        mem::swap(&mut state.parent, &mut parent);
        drop(state);
        drop(parent);
    }

    /// Forgets the parent: from here on nobody is woken.
    pub(crate) fn close(&self) {
        let parent = self.lock().parent.take();
        drop(parent);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    fn set(places: usize) -> (Arc<ReadySet>, Arc<Count>, Waker) {
        let count = Arc::<Count>::default();
        let parent = Waker::from(Arc::clone(&count));
        (ReadySet::new(places, parent.clone(), Mark::new("")), count, parent)
    }

    fn drained(set: &ReadySet, parent: &Waker) -> Vec<u32> {
        let mut places = Vec::new();
        set.drain(parent, |place| places.push(place));
        places
    }

    #[test]
    fn a_drain_gives_each_place_once_in_the_order_of_the_wakes() {
        let (set, count, parent) = set(20);
        for place in [19, 3, 7, 3, 19, 8, 0, 0] {
            set.wake(place);
        }
        assert_eq!(count.0.load(SeqCst), 1);
        assert_eq!(drained(&set, &parent), [19, 3, 7, 8, 0]);
        assert_eq!(drained(&set, &parent), []);
        set.wake(3);
        assert_eq!(count.0.load(SeqCst), 2);
        assert_eq!(drained(&set, &parent), [3]);
    }

    #[test]
    fn the_parent_is_woken_at_the_first_mark_and_not_again_before_it_has_drained() {
        let (set, count, parent) = set(3);
        set.wake(2);
        set.wake(0);
        set.wake(1);
        assert_eq!(count.0.load(SeqCst), 1);
        assert_eq!(drained(&set, &parent), [2, 0, 1]);
        set.wake(1);
        assert_eq!(count.0.load(SeqCst), 2);
    }

    #[test]
    fn a_closed_set_wakes_nobody_and_keeps_no_parent() {
        let (set, count, parent) = set(2);
        drop(parent);
        assert_eq!(Arc::strong_count(&count), 2);
        set.close();
        assert_eq!(Arc::strong_count(&count), 1);
        set.wake(1);
        assert_eq!(count.0.load(SeqCst), 0);
    }

    /// A parent whose functions all come back to the set, as an executor's may that polls inside `wake`.
    struct Reentrant(Mutex<Option<Arc<ReadySet>>>);

    impl Reentrant {
        fn go(&self) {
            let set = self.0.lock().unwrap().clone();
            if let Some(set) = set {
                set.wake(1);
                set.close();
            }
        }
    }

    impl Wake for Reentrant {
        fn wake(self: Arc<Self>) {
            self.go();
        }
    }

    impl Drop for Reentrant {
        fn drop(&mut self) {
            self.go();
        }
    }

    #[test]
    fn a_parent_may_come_back_to_the_set_while_it_is_woken_or_dropped() {
        let reentrant = Arc::new(Reentrant(Mutex::default()));
        let set = ReadySet::new(2, Waker::from(Arc::clone(&reentrant)), Mark::new(""));
        *reentrant.0.lock().unwrap() = Some(Arc::clone(&set));
        set.wake(0);
        set.drain(&Waker::from(reentrant), |_| {});
        set.drain(Waker::noop(), |_| {});
        set.close();
    }
}
