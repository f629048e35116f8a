//! The tally: the waker that counts. `gather_tasks` and `try_gather_tasks` are this and little more.
//!
//! Each child of these forms is a task of the loop. In its first poll the gather makes one [`Tally`] the waker of every
//! child's `JoinHandle`: the end of a task wakes the tally, and the tally counts down. The last end wakes the parent,
//! the task that awaits the gather. So the parent is polled twice, at any number of children: once to start them, once
//! to take their results. This is asyncio's own algorithm: one counter.
//!
//! A gather calls `new`, in its first poll `count`, in each poll `leave_parent` and then `ended`, and at its end or
//! drop `close`. (A parent that is woken for another reason is polled more often, and finds the count above zero.)
//!
//! ```text
//!   task ends --> its JoinHandle's waker --+
//!   task ends --> its JoinHandle's waker --+--> Tally: left -= 1 --at 0, or after an error--> parent
//!   task ends --> its JoinHandle's waker --+
//! ```
//!
//! # Why this waker may count
//!
//! In general a wake says only "poll again". The same child may be woken twice before its next poll, by two sockets or
//! by two threads, and a child that is woken may still have nothing to give. Whoever counts such wakes counts wrong.
//! A child *in place* is such a future: no task, the gather holds it and polls it itself. Therefore the wakers of
//! children in place only mark which child to poll (`ready.rs`), and the engine (`join.rs`) counts the children that
//! return `Ready`.
//!
//! A `JoinHandle` promises more. It wakes its waiter exactly once: when the task has ended and its result is stored. It
//! does so whether the task returned, panicked, was aborted or was dropped with its runtime. There a wake is an end,
//! and to count wakes is to count ends.
//!
//! Read before: nothing.

use runtime::{Mark, trace};
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering::AcqRel, Ordering::Acquire, Ordering::Release};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Poll, Wake, Waker};

/// Counts the tasks that have not ended, and wakes the parent at the last end.
///
/// The tasks and the parent run on one thread. The fields are atomic or locked all the same, because a waker has to be
/// `Send` and `Sync`, and because a runtime that is dropped on another thread ends its tasks there. Whoever reads that
/// `left` is zero also sees what the tasks did before they ended: hence `AcqRel` in `wake` and `Acquire` in `left`.
#[derive(Debug)]
pub(crate) struct Tally {
    /// How many of the counted tasks have not ended yet.
    left: AtomicUsize,
    /// The task that failed first, by its index in the input. Only `try_gather_tasks` sets it.
    failed: OnceLock<usize>,
    /// Whom to wake: the waker of the parent's latest poll. The wake that uses it takes it out.
    parent: Mutex<Option<Waker>>,
    /// Which gather this is, for the trace.
    pub(crate) mark: Mark,
}

impl Wake for Tally {
    /// A task has ended. Wakes the parent if it was the last one, or if one has failed.
    fn wake(self: Arc<Self>) {
        let left = self.left.fetch_sub(1, AcqRel) - 1;
        // The lock ends with this statement, before the wake: see `replace_parent`.
        let parent = if left == 0 || self.has_failed() { self.lock_parent().take() } else { None };
        let _counted = trace!(scope @task_counted(self.mark, left, parent.is_some()));
        parent.into_iter().for_each(Waker::wake);
    }
}

impl Tally {
    pub(crate) fn new(mark: Mark) -> Arc<Tally> {
        Arc::new(Tally { left: AtomicUsize::new(0), failed: OnceLock::new(), parent: Mutex::new(None), mark })
    }

    /// Says how many handles have this tally as their waker. Called in the poll that has spawned the tasks. Their loop is
    /// the one that makes this poll, so none of them ends during it.
    pub(crate) fn count(&self, tasks: usize) {
        self.left.store(tasks, Release);
    }

    /// The task with this index has failed: its future gave an error, panicked or was aborted. A guard in the
    /// task (`tasks.rs`), which only an `Ok` switches off, calls this when the task drops its future. That is before
    /// the handle wakes the tally. That wake then wakes the parent,
    /// however many tasks are left. Later failures change nothing.
    pub(crate) fn fail(&self, index: usize) {
        _ = self.failed.set(index);
    }

    /// How many tasks have not ended. Progress asks for it.
    pub(crate) fn left(&self) -> usize {
        self.left.load(Acquire)
    }

    /// Whether a task has failed. Then the others run on, as in asyncio: the drop of the gather aborts nobody.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.get().is_some()
    }

    /// Stores the waker of the parent. In each poll this comes first and [`ended`](Tally::ended) second: if a task ends
    /// between the two (on another thread, where its runtime is dropped), its wake finds the waker and is not lost.
    pub(crate) fn leave_parent(&self, parent: &Waker) {
        drop(self.replace_parent(Some(parent.clone())));
    }

    /// Pending while tasks are left and none has failed. Else ready, with the index of the task that failed first, if
    /// one did.
    pub(crate) fn ended(&self) -> Poll<Option<usize>> {
        match self.failed.get() {
            Some(&index) => Poll::Ready(Some(index)),
            None if self.left() == 0 => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    /// Forgets the parent. Tasks that run on after the gather still have this tally as their waker: they must neither
    /// wake the parent nor keep its waker alive.
    pub(crate) fn close(&self) {
        drop(self.replace_parent(None));
    }

    /// The caller drops the waker that was there before, after the lock has ended. Clone, wake and drop of a waker run
    /// code that nobody knows here. It may call the tally again, so none of them happens under the lock.
    fn replace_parent(&self, parent: Option<Waker>) -> Option<Waker> {
        mem::replace(&mut *self.lock_parent(), parent)
    }

    fn lock_parent(&self) -> MutexGuard<'_, Option<Waker>> {
        // Nothing that may panic runs under this lock, so it is never poisoned.
        self.parent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, AcqRel);
        }
    }

    fn poll(tally: &Tally, parent: &Waker) -> Poll<Option<usize>> {
        tally.leave_parent(parent);
        tally.ended()
    }

    /// A tally of so many tasks, and a parent that counts its wakes.
    fn tally(tasks: usize) -> (Arc<Tally>, Arc<Count>) {
        let (tally, count) = (Tally::new(Mark::new("")), Arc::<Count>::default());
        tally.count(tasks);
        assert!(poll(&tally, &Waker::from(Arc::clone(&count))).is_pending());
        (tally, count)
    }

    #[test]
    fn the_last_wake_wakes_the_parent() {
        let (tally, count) = tally(3);
        let wakers = [(); 3].map(|()| Waker::from(Arc::clone(&tally)));
        for (waker, woken) in wakers.into_iter().zip([0, 0, 1]) {
            waker.wake();
            assert_eq!(count.0.load(Acquire), woken);
        }
        assert_eq!(poll(&tally, Waker::noop()), Poll::Ready(None));
    }

    #[test]
    fn a_wake_by_reference_counts_like_the_other() {
        let (tally, count) = tally(2);
        let waker = Waker::from(Arc::clone(&tally));
        waker.wake_by_ref();
        drop(waker.clone()); // No wake.
        assert_eq!((tally.left(), count.0.load(Acquire)), (1, 0));
        waker.wake();
        assert_eq!((tally.left(), count.0.load(Acquire)), (0, 1));
    }

    #[test]
    fn without_tasks_it_is_ready_at_once() {
        let tally = Tally::new(Mark::new(""));
        tally.count(0);
        assert_eq!(poll(&tally, Waker::noop()), Poll::Ready(None));
    }

    #[test]
    fn the_wake_after_the_first_failure_wakes_the_parent_and_no_later_one() {
        let (tally, count) = tally(4);
        tally.fail(2);
        assert_eq!(count.0.load(Acquire), 0, "the task has not ended yet");
        Arc::clone(&tally).wake();
        tally.fail(0);
        Arc::clone(&tally).wake();
        assert_eq!(count.0.load(Acquire), 1);
        assert_eq!(poll(&tally, Waker::noop()), Poll::Ready(Some(2)));
    }

    #[test]
    fn the_parent_of_the_latest_poll_is_woken() {
        let (tally, first) = tally(1);
        let second = Arc::<Count>::default();
        assert!(poll(&tally, &Waker::from(Arc::clone(&second))).is_pending());
        assert_eq!(Arc::strong_count(&first), 1, "the tally has let go of the first");
        Arc::clone(&tally).wake();
        assert_eq!((first.0.load(Acquire), second.0.load(Acquire)), (0, 1));
    }

    #[test]
    fn a_closed_tally_wakes_nobody_and_keeps_no_parent() {
        let (tally, count) = tally(1);
        tally.close();
        assert_eq!(Arc::strong_count(&count), 1);
        tally.wake();
        assert_eq!(count.0.load(Acquire), 0);
    }

    /// A parent whose wake and drop call the tally again, as in an executor that polls inside of `wake`. If they were
    /// called under the lock, they would wait for it for ever.
    struct Reentrant(Arc<Tally>);

    impl Reentrant {
        fn go(&self) {
            self.0.close();
            _ = poll(&self.0, Waker::noop());
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
    fn a_parent_may_come_back_to_the_tally_while_it_is_woken_or_dropped() {
        let tally = Tally::new(Mark::new(""));
        tally.count(1);
        let reentrant = Arc::new(Reentrant(Arc::clone(&tally)));
        assert!(poll(&tally, &Waker::from(reentrant)).is_pending());
        assert!(poll(&tally, Waker::noop()).is_pending()); // Drops the parent that was there before.
        let reentrant = Arc::new(Reentrant(Arc::clone(&tally)));
        assert!(poll(&tally, &Waker::from(reentrant)).is_pending());
        tally.wake();
    }
}
