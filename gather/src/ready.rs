//! The ready set: which children are ready, and whom to tell.
//!
//! Every waker that a child has kept points into one shared block, the [`ReadySet`]. A wake marks its child's place
//! there and, once enough children are ready, wakes the parent: the task that awaits the gather. The parent's next poll
//! drains the set and polls only the children that stood in it.
//!
//! ```text
//!   kept waker -----> Node, place 0 --+
//!   kept waker -----> Node, place 1 --+--wake--> ReadySet --wake, once `wake_at` are ready--> parent
//!   kept waker -----> Node, place 2 --+             |
//!                                                   +--drain, at the parent's next poll--> Engine (join.rs)
//! ```
//!
//! The block is made when a child first clones its waker (see `waker.rs`), and lives as long as the gather or any such
//! clone. It holds no child: a waker that is kept for ever keeps a few bytes, and wakes nobody once the gather is gone.
//!
//! futures-rs allocates such a block for every child, and links them without a lock; here a lock is held for a handful
//! of instructions, and a reader can tell what is consistent with what.

use runtime::{Mark, trace};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::{array, mem};

/// So many nodes stand in the block itself: a small gather saves an allocation.
const FEW: usize = 8;

/// The link of a place that stands in no queue.
const IDLE: u32 = u32::MAX;
/// The link of the last place of the queue.
const END: u32 = u32::MAX - 1;

/// For children that are tasks: set when one of `try_gather_tasks` fails. If there is such a flag at all, the parent
/// sleeps until the last child has ended or this says that one failed; without, any child that is ready wakes it.
pub(crate) type Failed = Option<Arc<AtomicBool>>;

/// The children that are ready, and the parent to wake. Wakers write to it from any thread.
pub(crate) struct ReadySet {
    /// Everything that changes. No foreign code runs under this lock: parents are cloned, woken and dropped outside.
    state: Mutex<State>,
    /// One node for each place: the first `FEW` here, the others in a slice of their own.
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
    /// How many stand in it.
    len: usize,
    /// So many ready children wake the parent: 1 in place; for tasks, all that are left.
    wake_at: usize,
    failed: Failed,
    /// Whom to wake. Taken by the wake that uses it, put back by the parent's next poll.
    parent: Option<Waker>,
}

/// What a kept waker points to: its address stands for one place of one gather.
pub(crate) struct Node {
    /// The block that holds this node, from the first waker on. It never changes then; it is a plain pointer, as the node
    /// must not keep its own block alive, and atomic only because the compiler then knows that threads may share it.
    pub(crate) set: AtomicPtr<ReadySet>,
    /// Whose child wakes, from the first waker on.
    pub(crate) place: AtomicU32,
    /// The place behind this one in the queue, or [`END`], or [`IDLE`]. Only touched under the lock, hence relaxed.
    next: AtomicU32,
}

impl ReadySet {
    /// A set for `places` children. With `failed` these are tasks, and none of them wakes the parent before
    /// [`wait_for`](ReadySet::wait_for) has said how many it takes.
    pub(crate) fn new(places: usize, parent: Waker, failed: Failed, mark: Mark) -> Arc<ReadySet> {
        let wake_at = if failed.is_some() { usize::MAX } else { 1 };
        let state = State { _mark: mark, head: END, tail: END, len: 0, wake_at, failed, parent: Some(parent) };
        let node = |_| Node { set: AtomicPtr::default(), place: AtomicU32::new(0), next: AtomicU32::new(IDLE) };
        let many = if places > FEW { (FEW..places).map(node).collect() } else { Box::default() };
        Arc::new(ReadySet { state: Mutex::new(state), few: array::from_fn(node), many })
    }

    /// The node of `place`.
    pub(crate) fn node(&self, place: u32) -> &Node {
        let place = place as usize;
        if place < FEW { &self.few[place] } else { &self.many[place - FEW] }
    }

    /// Marks `place` as ready and wakes the parent if that is enough. Called by wakers, on any thread.
    pub(crate) fn wake(&self, place: u32) {
        let mut state = self.lock();
        let next = &self.node(place).next;
        if next.load(Relaxed) != IDLE {
            return; // Two wakes, one poll.
        }
        next.store(END, Relaxed);
        match mem::replace(&mut state.tail, place) {
            END => state.head = place,
            tail => self.node(tail).next.store(place, Relaxed),
        }
        state.len += 1;
        let parent = state.take_parent_if_due();
        let _woken = trace!(scope ChildWoken { gather: state._mark, place: place, due: parent.is_some() });
        drop(state);
        parent.into_iter().for_each(Waker::wake);
    }

    /// Empties the queue into `ready`, oldest wake first, and leaves `parent` to be woken next.
    pub(crate) fn drain(&self, parent: &Waker, mut ready: impl FnMut(u32)) {
        // Cloned before the lock and in any case: a second lock, to see first whether it is needed, costs more.
        let mut parent = Some(parent.clone());
        let mut state = self.lock();
        while state.head != END {
            let place = state.head;
            let next = &self.node(place).next;
            state.head = next.load(Relaxed);
            next.store(IDLE, Relaxed);
            ready(place);
        }
        state.tail = END;
        state.len = 0;
        mem::swap(&mut state.parent, &mut parent);
        drop(state);
        drop(parent);
    }

    /// Lets the parent sleep until `left` children are ready. For tasks, after each poll of the parent.
    pub(crate) fn wait_for(&self, left: usize) {
        let mut state = self.lock();
        state.wake_at = left;
        let parent = state.take_parent_if_due();
        drop(state);
        parent.into_iter().for_each(Waker::wake);
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

impl State {
    /// Takes the parent if enough children are ready: it is for the caller to wake, after the lock has ended.
    fn take_parent_if_due(&mut self) -> Option<Waker> {
        let hurry = || self.failed.as_ref().is_some_and(|failed| failed.load(Relaxed));
        let due = self.len >= self.wake_at || (self.len > 0 && hurry());
        if due { self.parent.take() } else { None }
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

    fn set(places: usize, failed: Option<Arc<AtomicBool>>) -> (Arc<ReadySet>, Arc<Count>, Waker) {
        let count = Arc::<Count>::default();
        let parent = Waker::from(Arc::clone(&count));
        (ReadySet::new(places, parent.clone(), failed, Mark::new("")), count, parent)
    }

    fn drained(set: &ReadySet, parent: &Waker) -> Vec<u32> {
        let mut places = Vec::new();
        set.drain(parent, |place| places.push(place));
        places
    }

    #[test]
    fn a_drain_gives_each_place_once_in_the_order_of_the_wakes() {
        let (set, count, parent) = set(20, None);
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
    fn tasks_wake_the_parent_when_as_many_are_ready_as_it_waits_for() {
        let (set, count, parent) = set(3, Some(Arc::default()));
        set.wake(0); // Nobody has said yet how many it takes.
        set.wait_for(3);
        set.wake(1);
        assert_eq!(count.0.load(SeqCst), 0);
        set.wake(2);
        assert_eq!(count.0.load(SeqCst), 1);
        assert_eq!(drained(&set, &parent), [0, 1, 2]);
        set.wake(0);
        set.wait_for(1);
        assert_eq!(count.0.load(SeqCst), 2);
    }

    #[test]
    fn the_end_of_a_failed_task_wakes_the_parent_however_many_are_left() {
        let failed = Arc::<AtomicBool>::default();
        let (set, count, _) = set(3, Some(Arc::clone(&failed)));
        set.wait_for(3);
        set.wake(0);
        assert_eq!(count.0.load(SeqCst), 0);
        failed.store(true, SeqCst);
        set.wake(1);
        assert_eq!(count.0.load(SeqCst), 1);
    }

    #[test]
    fn a_closed_set_wakes_nobody_and_keeps_no_parent() {
        let (set, count, parent) = set(2, None);
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
        let set = ReadySet::new(2, Waker::from(Arc::clone(&reentrant)), None, Mark::new(""));
        *reentrant.0.lock().unwrap() = Some(Arc::clone(&set));
        set.wake(0);
        set.drain(&Waker::from(reentrant), |_| {});
        set.drain(Waker::noop(), |_| {});
        set.close();
    }
}
