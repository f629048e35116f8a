//! The children of most forms: futures from an iterator, pinned in a slice of slots.
//!
//! Without a limit there is a slot for every child, and all children are taken from the iterator before the first one is
//! started. With a limit there are so many slots and no more; a child that ends leaves its slot to the next one from
//! the iterator. Wakers know a slot by its number, its place; a late wake of the earlier child then costs the new one
//! a spurious poll, which every future has to allow.

use crate::join::{Note, Places};
use crate::pinned::poll_child;
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

/// The children that live, and the iterator with those that are still to come.
pub(crate) struct Slots<I: Iterator> {
    /// Where children come from. `None` once it has no more.
    iter: Option<I>,
    /// The places. A boxed slice, so that no child ever moves; it is made at the first poll.
    slots: Pin<Box<[Slot<I::Item>]>>,
    /// So many places at most, or `NO_LIMIT`.
    limit: u32,
    /// The next place to start a child in. Without a limit the one behind it follows. With a limit it is the first of a
    /// list of all vacant places, which goes on in [`Slot::index`]. One past the last place ends both.
    next: u32,
    /// How many children have not ended yet.
    alive: u32,
    /// How many children have been taken from the iterator.
    taken: usize,
}

/// One place.
struct Slot<F> {
    /// Dropped as soon as it ends.
    child: Option<F>,
    /// Which child of the input this is: where its result belongs. In a vacant place: the next vacant one.
    index: usize,
    /// The engine's.
    note: Note,
}

/// No gather has so many places.
const NO_LIMIT: u32 = u32::MAX;

impl<I: Iterator> Slots<I> {
    pub(crate) fn new(iter: I) -> Slots<I> {
        let slots = Box::into_pin(Box::default());
        Slots { iter: Some(iter), slots, limit: NO_LIMIT, next: 0, alive: 0, taken: 0 }
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

    /// Takes the children that live. Those to come never will.
    pub(crate) fn take(&mut self) -> Slots<iter::Empty<I::Item>> {
        self.iter = None;
        let slots = mem::replace(&mut self.slots, Box::into_pin(Box::default()));
        Slots { iter: None, slots, limit: self.limit, next: NO_LIMIT, alive: self.alive, taken: self.taken }
    }

    /// The child in `place`, and the rest of its slot.
    #[allow(unsafe_code, reason = "the standard library has no safe way into a pinned slice")]
    fn slot(&mut self, place: u32) -> (Pin<&mut Option<I::Item>>, &mut usize, &mut Note) {
        // SAFETY: both functions ask that what is pinned never moves. Those are the children, which leave here as pins
        // only; they lie in a box that is never taken apart, and `Slot` is not packed and has no `Drop`.
        unsafe {
            let slot = &mut self.slots.as_mut().get_unchecked_mut()[place as usize];
            (Pin::new_unchecked(&mut slot.child), &mut slot.index, &mut slot.note)
        }
    }
}

impl<I: Iterator<Item: Future>> Places for Slots<I> {
    type End = (usize, <I::Item as Future>::Output);

    fn open(&mut self) {
        let iter = self.iter.as_mut().expect("opened once");
        let (low, high) = iter.size_hint();
        runtime::trace!(GatherOpen { gather: (), children: high });
        let slot = |child, index| Slot { child, index, note: Note::default() };
        let slots: Vec<_> = if self.limit == NO_LIMIT {
            let mut slots = Vec::with_capacity(low);
            slots.extend(iter.enumerate().map(|(index, child)| slot(Some(child), index)));
            self.iter = None;
            (self.taken, self.alive) = (slots.len(), slots.len() as u32);
            slots
        } else {
            let places = high.unwrap_or(usize::MAX).min(self.limit as usize);
            (1..=places).map(|next| slot(None, next)).collect()
        };
        assert!(slots.len() < NO_LIMIT as usize, "more children than there are numbers for places: use .limit(n)");
        self.slots = Box::into_pin(slots.into_boxed_slice());
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
        if place as usize >= self.slots.len() {
            return None;
        }
        let Some(iter) = &mut self.iter else {
            self.next += 1;
            return Some(place);
        };
        let Some(child) = iter.next() else {
            self.iter = None;
            self.next = self.slots.len() as u32;
            return None;
        };
        let number = self.taken;
        let (mut slot, index, _) = self.slot(place);
        slot.set(Some(child));
        self.next = mem::replace(index, number) as u32;
        (self.taken, self.alive) = (number + 1, self.alive + 1);
        Some(place)
    }

    fn poll(&mut self, place: u32, cx: &mut Context<'_>) -> Poll<Self::End> {
        let next = self.next as usize;
        let (child, index, _) = self.slot(place);
        let output = ready!(poll_child(child, cx));
        let index = mem::replace(index, next);
        if self.iter.is_some() {
            self.next = place;
        }
        self.alive -= 1;
        Poll::Ready((index, output))
    }

    fn note(&mut self, number: u32) -> &mut Note {
        self.slot(number).2
    }
}
