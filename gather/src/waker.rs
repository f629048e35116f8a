//! The two wakers of a child in place: one is lent to it for a poll, the other it owns.
//!
//! While a child is polled, its context has the **lent** waker: the data pointer is a [`Lent`] on the stack of the
//! gather's poll. A child that only wakes itself with it (a yield) costs one store, and the engine polls it again in
//! the next batch. A child that has to wait clones the lent waker. The clone is an **owned** waker: its data pointer is
//! a node of the [`ReadySet`], and it keeps that block alive.
//!
//! ```text
//!   lent waker  --wake--> Lent::woken, which the engine reads after the poll      a store
//!     |
//!   clone
//!     v
//!   owned waker --wake--> ReadySet::wake                                          a lock, a push
//! ```
//!
//! Read before: `ready.rs`.
#![allow(unsafe_code, reason = "a waker is a raw pointer and four functions that know what it points to")]

use crate::join::Engine;
use crate::ready::{Node, ReadySet};
use runtime::trace;
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::task::{RawWaker, RawWakerVTable, Waker};

/// What a lent waker points to. There is one for each poll of the gather; it is aimed at one child after the other.
pub(crate) struct Lent<'a> {
    /// Whether the child that is polled now woke itself. Atomic, as a child may lend its `&Waker` on to other threads
    /// (scoped ones) until its poll returns; so are the fields below safe to share.
    woken: AtomicBool,
    /// The place of the child that is polled now.
    place: AtomicU32,
    /// How many places the set will need.
    places: usize,
    /// The parent, for the set to wake.
    parent: &'a Waker,
    /// Has the set, from the first clone on.
    engine: &'a Engine,
}

impl<'a> Lent<'a> {
    #[inline]
    pub(crate) fn new(places: usize, parent: &'a Waker, engine: &'a Engine) -> Self {
        Lent { woken: false.into(), place: 0.into(), places, parent, engine }
    }

    /// The waker that is lent. Nobody may drop it: it owns nothing.
    #[inline]
    pub(crate) fn waker(&self) -> ManuallyDrop<Waker> {
        // SAFETY: `new` asks for a vtable that keeps RawWaker's contract for this data, on any thread. The functions of
        // `LENT` only read a `Lent`, which is made of atomics and `Sync` references. It is valid as long as the waker:
        // children get it by reference only, within the borrow of `self`, and a clone is a waker of the other kind.
        ManuallyDrop::new(unsafe { Waker::new((&raw const *self).cast(), &LENT) })
    }

    /// Before the poll of the child in `place`.
    #[inline]
    pub(crate) fn aim(&self, place: u32) {
        self.place.store(place, Relaxed);
        self.woken.store(false, Relaxed);
    }

    /// After that poll: whether the child woke itself. Relaxed, as whoever lends a reference to another thread has to
    /// wait for that thread before it returns.
    #[inline]
    pub(crate) fn woken(&self) -> bool {
        self.woken.load(Relaxed)
    }
}

// A constant, not a static: so the compiler sees through it where the engine is compiled, in the user's crate.
const LENT: RawWakerVTable = RawWakerVTable::new(clone_lent, wake_lent, wake_lent, |_| {});

#[inline]
fn wake_lent(data: *const ()) {
    let lent = lent(&data);
    lent.woken.store(true, Relaxed);
    trace!(@woke_itself(lent.engine.mark, lent.place.load(Relaxed)));
}

/// Gives the child a waker of its own. The first one makes the set.
fn clone_lent(data: *const ()) -> RawWaker {
    let lent = lent(&data);
    let set = lent.engine.set.get().unwrap_or_else(|| make_set(lent));
    owned_waker(Arc::clone(set), lent.place.load(Relaxed))
}

/// The clone of the parent is foreign code, so the set is made before the `OnceLock` is asked to take it. Inside
/// `get_or_init`, that code could wait for another thread that clones a waker of this gather, too, and both would wait
/// for ever. If the other thread's set came first, the one made here is dropped.
#[cold]
fn make_set<'a>(lent: &Lent<'a>) -> &'a Arc<ReadySet> {
    let set = ReadySet::new(lent.places, lent.parent.clone(), lent.engine.mark);
    lent.engine.set.get_or_init(|| set)
}

fn lent<'a>(data: &'a *const ()) -> &'a Lent<'a> {
    // SAFETY: only the functions of `LENT` come here, with the data of a waker that `Lent::waker` made. That `Lent`
    // outlives the waker, hence this call; it is aligned, initialised, and only ever shared.
    unsafe { &*data.cast::<Lent<'a>>() }
}

static OWNED: RawWakerVTable = RawWakerVTable::new(
    |data| {
        let (set, place) = owned(data);
        owned_waker(Arc::clone(&set), place)
    },
    |data| {
        let (set, place) = owned(data);
        ManuallyDrop::into_inner(set).wake(place);
    },
    |data| {
        let (set, place) = owned(data);
        set.wake(place);
    },
    |data| {
        let (set, _) = owned(data);
        drop(ManuallyDrop::into_inner(set));
    },
);

/// An owned waker. It holds one count of the block's `Arc`.
fn owned_waker(set: Arc<ReadySet>, place: u32) -> RawWaker {
    let set = ManuallyDrop::new(set);
    let node = set.node(place);
    node.set.store(Arc::as_ptr(&set).cast_mut(), Relaxed);
    node.place.store(place, Relaxed);
    RawWaker::new((&raw const *node).cast(), &OWNED)
}

/// The set of an owned waker, and its place there. The count stays with the waker; who uses the waker up drops the set.
fn owned(data: *const ()) -> (ManuallyDrop<Arc<ReadySet>>, u32) {
    // SAFETY: only the functions of `OWNED` come here, with the address of a node whose block the waker keeps alive: it
    // owns one count of the block's `Arc`. `set` is the pointer inside that very `Arc` and never changes, so it may be
    // turned back into it; `ManuallyDrop` leaves the count with the waker until `wake` or `drop` gives it up.
    unsafe {
        let node = &*data.cast::<Node>();
        (ManuallyDrop::new(Arc::from_raw(node.set.load(Relaxed))), node.place.load(Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gather;
    use crate::testing::{Gate, Parent, gates};
    use runtime::Mark;
    use std::task::{Context, Poll};
    use std::{future::poll_fn, thread};

    #[test]
    fn a_child_that_only_wakes_itself_makes_no_set() {
        let engine = Engine::new(Mark::new(""));
        let lent = Lent::new(1, Waker::noop(), &engine);
        lent.aim(0);
        assert!(!lent.woken());
        lent.waker().wake_by_ref();
        assert!(lent.woken());
        assert!(engine.set.get().is_none());
        let kept = (*lent.waker()).clone();
        assert_eq!(Arc::strong_count(engine.set.get().unwrap()), 2);
        lent.aim(0);
        kept.wake();
        assert!(!lent.woken());
        assert_eq!(Arc::strong_count(engine.set.get().unwrap()), 1);
    }

    #[test]
    fn owned_wakers_of_one_child_are_alike_and_of_two_are_not() {
        let gates = gates(2);
        let mut parent = Parent::new(gather(gates.iter().map(|gate| gate.child(()))));
        parent.pending();
        let [first, second] = [gates[0].waker(), gates[1].waker()];
        assert!(first.will_wake(&first.clone()));
        assert!(!first.will_wake(&second));
        gates[0].wake();
        parent.pending();
        assert!(first.will_wake(&gates[0].waker()));
    }

    #[test]
    fn a_lent_waker_may_be_used_on_another_thread_while_its_child_is_polled() {
        let mut turn = 0;
        let mut kept = None;
        let child = poll_fn(|cx: &mut Context<'_>| {
            turn += 1;
            let waker = cx.waker();
            match turn {
                1 => thread::scope(|scope| _ = scope.spawn(|| waker.wake_by_ref())),
                2 => thread::scope(|scope| kept = Some(scope.spawn(|| waker.clone()).join().unwrap())),
                _ => return Poll::Ready(turn),
            }
            Poll::Pending
        });
        let mut children = vec![child];
        let mut parent = Parent::new(gather(&mut children));
        parent.pending();
        assert_eq!(parent.wakes(), 1);
        parent.pending();
        assert_eq!(parent.wakes(), 0);
        drop(parent);
        drop(children);
        kept.unwrap().wake();
    }

    #[test]
    fn wakers_outlive_the_gather_and_wake_nobody_then() {
        let gate = Gate::default();
        let mut parent = Parent::new(gather([gate.child(())]));
        parent.pending();
        let kept = gate.waker();
        parent.drop_future();
        gate.open();
        kept.wake_by_ref();
        kept.wake();
        assert_eq!(parent.wakes(), 0);
    }

    #[test]
    fn wakes_on_other_threads_race_with_polls_and_with_the_drop() {
        for round in 0..300 {
            let gates = gates(12);
            let mut parent = Parent::new(gather(gates.iter().map(|gate| gate.child(()))));
            parent.pending();
            thread::scope(|scope| {
                for gates in gates.chunks(4) {
                    scope.spawn(move || gates.iter().for_each(Gate::open));
                }
                if round % 2 == 0 {
                    parent.drop_future();
                } else {
                    while parent.poll().is_pending() {
                        while parent.wakes() == 0 {
                            thread::yield_now();
                        }
                    }
                }
            });
            parent.drop_future();
            assert!(gates.iter().all(|gate| gate.drops() == 1));
        }
    }
}
