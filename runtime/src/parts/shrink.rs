//! Giving memory back: the one rule of every queue, slab, heap and set of this crate. What was big and is nearly empty
//! shrinks to what it needs, and 16 KB may always stay.
//!
//! ```text
//!   capacity   |################################|
//!              0        1/4
//!   length     |....::::|.......................|   at a quarter or less: shrink to twice the length
//! ```
//!
//! Growing doubles the capacity, and shrinking begins at a quarter of it. So before an array moves n items, there were
//! at least n/2 insertions or removals since its last move. A length that goes up and down across a border causes no
//! moves, and the moves cost a constant time for each insertion or removal.
//!
//! Read before: nothing.

use slab::Slab;
use std::collections::{BinaryHeap, HashSet, VecDeque};
use std::hash::{BuildHasher, Hash};
use std::ops::{Deref, DerefMut};

/// This many bytes are never given back: four pages, which a burst of a usual size soon needs again. Some structures
/// have several arrays: a channel, or the timers with the buffer of wakers. They keep less than 64 KB.
const KEPT_BYTES: usize = 16 * 1024;

/// The number of items of this type that `KEPT_BYTES` hold.
const fn kept<T>() -> usize {
    match size_of::<T>() {
        // Items without a size take no memory.
        0 => usize::MAX,
        size => KEPT_BYTES / size,
    }
}

/// The rule: whether a collection of `length` items with this capacity has to give memory back.
#[inline]
fn is_due<T>(length: usize, capacity: usize) -> bool {
    capacity > kept::<T>() && length <= capacity / 4
}

/// What can give memory back after items were taken out of it.
pub(crate) trait Shrink {
    /// Gives memory back if there is much more than is needed. To be called after each removal: nearly always this is
    /// one comparison.
    fn give_back(&mut self);

    /// Shrinks. A function of its own, so that only the comparison is inlined where items are removed.
    fn shrink(&mut self);
}

/// The rule is the same for these three collections of the standard library.
macro_rules! shrink {
    ($($array:ident $(of $bound:ident)?),*) => {$(
        impl<T $(: $bound)?> Shrink for $array<T> {
            #[inline]
            fn give_back(&mut self) {
                if is_due::<T>(self.len(), self.capacity()) {
                    self.shrink();
                }
            }

            #[cold]
            #[inline(never)]
            fn shrink(&mut self) {
                self.shrink_to((2 * self.len()).max(kept::<T>()));
            }
        }
    )*};
}

shrink!(Vec, VecDeque, BinaryHeap of Ord);

impl<T: Eq + Hash, S: BuildHasher> Shrink for HashSet<T, S> {
    #[inline]
    fn give_back(&mut self) {
        // Count two items for each: a hash table has up to twice the places that it needs, and one more byte for each.
        if is_due::<(T, T)>(self.len(), self.capacity()) {
            self.shrink();
        }
    }

    #[cold]
    #[inline(never)]
    fn shrink(&mut self) {
        // At most seven eighths of its places are taken.
        self.shrink_to((2 * self.len()).max(kept::<(T, T)>() / 8 * 7));
    }
}

/// A slab that gives memory back. Its items cannot move, because they have keys. So only the free slots behind the last
/// item can go.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    slab: Slab<T>,
    /// How many removals must come before the next attempt to shrink. An attempt gives nothing back when an item has
    /// one of the last slots. Then the next attempt waits for half as many removals as there are items.
    ///
    /// An attempt that finds the last slot taken costs nothing. An attempt that cuts slots off looks at all slots that
    /// stay, to repair the list of free slots. From then on the lowest free slot is taken first, so the high slots
    /// become empty, and there are few such attempts.
    wait: usize,
}

impl<T> Slots<T> {
    pub(crate) const fn new() -> Slots<T> {
        Slots { slab: Slab::new(), wait: 0 }
    }

    /// Takes an item out.
    #[inline]
    pub(crate) fn remove(&mut self, key: usize) -> T {
        let item = self.slab.remove(key);
        if self.is_due() {
            self.attempt();
        }
        item
    }

    /// A slot has at most a word beside its item.
    #[inline]
    fn is_due(&self) -> bool {
        is_due::<(usize, T)>(self.slab.len(), self.slab.capacity())
    }

    /// All items, with their keys.
    pub(crate) fn into_items(self) -> impl Iterator<Item = (usize, T)> {
        self.slab.into_iter()
    }

    #[cold]
    fn attempt(&mut self) {
        self.wait = self.wait.saturating_sub(1);
        if self.wait == 0 || self.slab.is_empty() {
            self.slab.shrink_to_fit();
            self.wait = if self.is_due() { self.slab.len() / 2 } else { 0 };
        }
    }
}

impl<T> Default for Slots<T> {
    fn default() -> Slots<T> {
        Slots::new()
    }
}

impl<T> Deref for Slots<T> {
    type Target = Slab<T>;

    #[inline]
    fn deref(&self) -> &Slab<T> {
        &self.slab
    }
}

impl<T> DerefMut for Slots<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Slab<T> {
        &mut self.slab
    }
}
