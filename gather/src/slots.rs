//! The children of most forms: futures from an iterator, pinned in a slice of slots.
//!
//! Without a limit there is a slot for every child, and all children are taken from the iterator before the first one is
//! started. With a limit there are so many slots and no more; a child that ends leaves its slot to the next one from
//! the iterator. Wakers know a slot by its number, its place; a late wake of the earlier child then costs the new one
//! a spurious poll, which every future has to allow.

use crate::join::{Note, Places};
use runtime::Mark;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::{iter, mem};

/// How far a gather has come; what [`on_progress`](crate::Gather::on_progress) is told after each child, with an example
/// there. asyncio has none; tqdm's `gather` shows it as a bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// So many children have ended.
    pub completed: usize,
    /// Of so many: `None` while the iterator cannot tell.
    pub total: Option<usize>,
}

/// The children that live, what those gave that have ended, and the iterator with those that are still to come.
pub(crate) struct Slots<I: Iterator, T> {
    /// Where children come from. `None` once it has no more.
    iter: Option<I>,
    /// The places. Made at the first poll, and never again longer or shorter, so that no child ever moves.
    slots: Vec<Slot<I::Item, T>>,
    /// So many places at most, or `NO_LIMIT`.
    limit: u32,
    /// The next place to start a child in. Without a limit the one behind it follows. With a limit it is the first of a
    /// list of all vacant places, which goes on in [`Slot::index`]. One past the last place ends both.
    next: u32,
    /// How many children have not ended yet.
    alive: u32,
    /// How many children have been taken from the iterator.
    taken: usize,
    /// With a limit: the values, in the order of the input, for their places are needed by others.
    values: Vec<Option<T>>,
}

/// One place.
struct Slot<F, T> {
    inside: Inside<F, T>,
    /// Which child of the input this is: where its value belongs. In a vacant place: the next vacant one.
    index: usize,
    /// The engine's.
    note: Note,
}

/// What lies in a place. A value takes the place of its child, and at last the memory of all children that of the
/// vector: with no limit that is the only memory that a gather takes if nobody waits.
enum Inside<F, T> {
    /// Pinned from its first poll on. Dropped as soon as it ends.
    Child(F),
    Value(T),
    Vacant,
}

/// No gather has so many places.
const NO_LIMIT: u32 = u32::MAX;

/// A vector of values may hold on to so many bytes of the children's memory that it has no use for: a page. To give back
/// less is not worth the time.
const SPARE: usize = 4_096;

impl<I: Iterator, T> Slots<I, T> {
    pub(crate) fn new(iter: I) -> Slots<I, T> {
        Slots { iter: Some(iter), slots: Vec::new(), limit: NO_LIMIT, next: 0, alive: 0, taken: 0, values: Vec::new() }
    }

    #[track_caller]
    pub(crate) fn limit(&mut self, n: usize) {
        assert!(n > 0, "limit(0) would never start a child: give the number that may be alive at once, at least 1");
        self.limit = u32::try_from(n).unwrap_or(NO_LIMIT);
    }

    /// How far the gather has come.
    pub(crate) fn progress(&self) -> Progress {
        let (low, high) = self.iter.as_ref().map_or((0, Some(0)), Iterator::size_hint);
        let total = high.filter(|&high| high == low).and_then(|left| left.checked_add(self.taken));
        Progress { completed: self.taken - self.alive as usize, total }
    }

    /// Takes the children that live, and with their memory the values in it. Those to come never will.
    pub(crate) fn take(&mut self) -> Slots<iter::Empty<I::Item>, T> {
        self.iter = None;
        let (slots, values) = (mem::take(&mut self.slots), Vec::new());
        Slots { iter: None, slots, limit: self.limit, next: NO_LIMIT, alive: self.alive, taken: self.taken, values }
    }

    /// Keeps what the child with this `index` gave: in its place, or behind a limit in a vector.
    #[inline]
    pub(crate) fn keep(&mut self, index: usize, value: T) {
        if self.limit == NO_LIMIT {
            self.slots[index].inside = Inside::Value(value);
        } else {
            self.keep_apart(index, value);
        }
    }

    /// Asks for the memory of all values at once, if their number is known. It may be known and absurd (a search through
    /// all numbers that ends at the first hit), therefore a refusal is no error, and what was granted is used bit by bit.
    fn keep_apart(&mut self, index: usize, value: T) {
        if self.values.is_empty() {
            _ = self.values.try_reserve_exact(self.progress().total.unwrap_or(0));
        }
        if index >= self.values.len() {
            let len = (2 * index).max(64).min(self.values.capacity()).max(index + 1);
            self.values.resize_with(len, || None);
        }
        self.values[index] = Some(value);
    }

    /// All values, when every child has ended. The standard library collects them into the memory that they are in.
    pub(crate) fn values(&mut self) -> Vec<T> {
        if self.limit != NO_LIMIT {
            self.values.truncate(self.taken);
            return mem::take(&mut self.values)
                .into_iter()
                .map(|value| value.expect("every child has ended"))
                .collect();
        }
        let value = |slot: Slot<_, T>| if let Inside::Value(value) = slot.inside { Some(value) } else { None };
        let mut values: Vec<T> = mem::take(&mut self.slots).into_iter().filter_map(value).collect();
        if (values.capacity() - values.len()) * size_of::<T>() > SPARE {
            values.shrink_to_fit();
        }
        values
    }
}

impl<I: Iterator<Item: Future>, T> Places for Slots<I, T> {
    type End = (usize, <I::Item as Future>::Output);

    fn open(&mut self, _mark: Mark) {
        let iter = self.iter.as_mut().expect("opened once");
        let (low, high) = iter.size_hint();
        runtime::trace!(GatherOpen { gather: _mark, children: high.filter(|&high| high == low) });
        let slot = |inside, index| Slot { inside, index, note: Note::default() };
        if self.limit == NO_LIMIT {
            // Not collected: a vector that is moved after it was made costs as much as two children more.
            self.slots = Vec::with_capacity(low);
            self.slots.extend(iter.enumerate().map(|(index, child)| slot(Inside::Child(child), index)));
            self.iter = None;
            (self.taken, self.alive) = (self.slots.len(), self.slots.len() as u32);
        } else {
            let places = high.unwrap_or(usize::MAX).min(self.limit as usize);
            self.slots = (1..=places).map(|next| slot(Inside::Vacant, next)).collect();
        }
        assert!(self.slots.len() < NO_LIMIT as usize, "more children than there are numbers for places: use .limit(n)");
    }

    fn len(&self) -> usize {
        self.slots.len()
    }

    fn alive(&self) -> usize {
        self.alive as usize
    }

    fn all_taken(&self) -> bool {
        self.iter.as_ref().is_none_or(|iter| iter.size_hint().1 == Some(0))
    }

    fn start(&mut self) -> Option<u32> {
        let place = self.next;
        let slot = self.slots.get_mut(place as usize)?;
        if self.limit == NO_LIMIT {
            self.next += 1;
            return Some(place);
        }
        let Some(child) = self.iter.as_mut().and_then(Iterator::next) else {
            (self.iter, self.next) = (None, NO_LIMIT);
            return None;
        };
        slot.inside = Inside::Child(child);
        self.next = mem::replace(&mut slot.index, self.taken) as u32;
        (self.taken, self.alive) = (self.taken + 1, self.alive + 1);
        Some(place)
    }

    fn poll(&mut self, place: u32, cx: &mut Context<'_>) -> Poll<Self::End> {
        let slot = &mut self.slots[place as usize];
        let Inside::Child(child) = &mut slot.inside else { return Poll::Pending };
        // SAFETY: `new_unchecked` asks that what is pinned never moves again. No child leaves its slot but to be dropped
        // there, nobody else gets hold of one, and the vector is taken apart only when it holds none.
        #[allow(unsafe_code, reason = "the standard library has no safe way into a pinned slice")]
        let output = ready!(unsafe { Pin::new_unchecked(child) }.poll(cx));
        slot.inside = Inside::Vacant;
        self.alive -= 1;
        let index = slot.index;
        if self.limit != NO_LIMIT {
            slot.index = mem::replace(&mut self.next, place) as usize;
        }
        Poll::Ready((index, output))
    }

    fn note(&mut self, number: u32) -> &mut Note {
        &mut self.slots[number as usize].note
    }
}
