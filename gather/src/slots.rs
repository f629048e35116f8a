//! The children that come from an iterator: futures, pinned in a list of slots. The place of a child is the number of
//! its slot.
//!
//! Without a limit there is a slot for every child: all children are taken from the iterator before the first one is
//! polled, and each value is stored in the slot of its child. With a limit there are so many slots and no more: a child
//! that ends leaves its slot to the next one from the iterator, and values are stored in a list of their own.
//!
//! Wakers know a slot only by its number. With a limit, a late wake of the child before polls the child that is in the
//! slot now: one spurious poll, which every future has to allow.
//!
//! Read before: `join.rs`.

use crate::join::{Children, Note};
use crate::ready::MOST_PLACES;
use runtime::task::budget;
use runtime::{Mark, trace};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::{iter, mem};

/// How far a gather has come; what [`on_progress`](crate::Gather::on_progress) is told after each child, with an
/// example there. asyncio has none; tqdm's `gather` shows it as a bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// So many children have ended.
    pub completed: usize,
    /// Of so many: `None` while the iterator cannot tell.
    pub total: Option<usize>,
}

/// The children that live, the values of those that have ended, and the iterator with those that are still to come.
pub(crate) struct Slots<I: Iterator, T> {
    /// Where children come from. `None` once it has no more.
    iter: Option<I>,
    /// Made at the first poll, and never again longer or shorter, so that no child ever moves.
    slots: Vec<Slot<I::Item, T>>,
    /// At most so many slots, if there is a limit.
    limit: Option<u32>,
    /// Without a limit: so many children were started, from the first slot on.
    started: u32,
    /// With a limit: the first vacant slot. The others follow, linked through [`Inside::Vacant`].
    vacant: Option<u32>,
    /// How many children have not ended yet.
    alive: u32,
    /// How many children have been taken from the iterator.
    taken: usize,
    /// With a limit: which child of the input is in each slot, or was the last one. Without a limit it is the number of
    /// the slot. The plain version has it in the slot, also without a limit. Small slots matter when there are many: among
    /// 100,000 children a wake waits for memory most of its time.
    indices: Vec<usize>,
    /// With a limit: the values, in the order of the input.
    values: Vec<Option<T>>,
}

/// Room for one child.
struct Slot<F, T> {
    inside: Inside<F, T>,
    /// The engine's.
    note: Note,
}

/// What is in a slot. Without a limit a value replaces its child, and in the end the slots' memory becomes that of the
/// result: if no child waits, a gather allocates once.
enum Inside<F, T> {
    /// Pinned from its first poll on. Dropped as soon as it ends.
    Child(F),
    /// The child's value, without a limit.
    Value(T),
    /// Nothing. With a limit: the next vacant slot.
    Vacant { next: Option<u32> },
}

/// A child that was taken out of its slot.
pub(crate) struct TakenOut<F> {
    /// The number of that slot, for the trace.
    pub(crate) _place: u32,
    /// Which child of the input it is.
    pub(crate) index: usize,
    pub(crate) child: F,
}

/// The result may have so many places to spare, and they may be so many bytes: a page. To give back less is not worth the
/// time.
const SPARE_PLACES: usize = 512;
const SPARE_BYTES: usize = 4_096;

/// Says that there are no numbers for so many places, and the cure.
const TOO_MANY: &str = "more children than there are numbers for places: use .limit(n)";

/// Says that the children that the iterator still has would be lost.
const LIES: &str = "the iterator said that it had no more children, and gave another one: mend its size_hint";

impl<I: Iterator, T> Slots<I, T> {
    pub(crate) fn new(iter: I) -> Slots<I, T> {
        Slots {
            iter: Some(iter),
            slots: Vec::new(),
            limit: None,
            started: 0,
            vacant: None,
            alive: 0,
            taken: 0,
            indices: Vec::new(),
            values: Vec::new(),
        }
    }

    #[track_caller]
    pub(crate) fn limit(&mut self, n: usize) {
        assert!(n > 0, "limit(0) would never start a child: give the number that may be alive at once, at least 1");
        // As many as there can be is no limit.
        self.limit = Some(n.min(MOST_PLACES) as u32).filter(|_| n < usize::MAX);
    }

    pub(crate) fn has_limit(&self) -> bool {
        self.limit.is_some()
    }

    /// How far the gather has come.
    pub(crate) fn progress(&self) -> Progress {
        let total = self.to_come().and_then(|to_come| to_come.checked_add(self.taken));
        Progress { completed: self.taken - self.alive as usize, total }
    }

    /// How many children have not ended yet, of those taken so far.
    pub(crate) fn alive(&self) -> usize {
        self.alive as usize
    }

    /// How many children the iterator still has, if it can tell.
    pub(crate) fn to_come(&self) -> Option<usize> {
        let (low, high) = self.iter.as_ref().map_or((0, Some(0)), Iterator::size_hint);
        high.filter(|&high| high == low)
    }

    /// How many children have still to end, those in the iterator among them: at least, and at most.
    pub(crate) fn ends_to_come(&self) -> (usize, Option<usize>) {
        let (low, high) = self.iter.as_ref().map_or((0, Some(0)), Iterator::size_hint);
        let alive = self.alive as usize;
        (low.saturating_add(alive), high.and_then(|high| high.checked_add(alive)))
    }

    /// Whether no child is to come, as far as the iterator can tell without being asked for one.
    pub(crate) fn all_taken(&self) -> bool {
        self.iter.as_ref().is_none_or(|iter| iter.size_hint().1 == Some(0))
    }

    /// For the tally, which needs no slots: takes all children from the iterator, or with a limit takes those that live
    /// out of their slots. Only children that may move can be taken out. `bare` makes them what the tally wants:
    /// `all_bare` all that the iterator gives, `bare` one.
    pub(crate) fn take_out<C, B: Iterator<Item = C>>(
        &mut self,
        out: &mut Vec<TakenOut<C>>,
        all_bare: impl Fn(I) -> B,
        bare: impl Fn(I::Item) -> C,
    ) where
        I::Item: Unpin,
    {
        if self.limit.is_none() {
            let iter = all_bare(self.iter.take().expect("taken out once"));
            let expected = iter.size_hint().0;
            assert!(expected <= MOST_PLACES, "{TOO_MANY}");
            out.reserve_exact(expected);
            let child = |(index, child)| TakenOut { _place: index as u32, index, child };
            out.extend(iter.enumerate().map(child));
            (self.taken, self.alive) = (out.len(), out.len() as u32);
            return;
        }
        // The iterator has said that it is at its end. Ask it once: it may be somebody's own, and wrong.
        let more = self.iter.as_mut().and_then(Iterator::next);
        assert!(more.is_none(), "{LIES}");
        for (place, slot) in mem::take(&mut self.slots).into_iter().enumerate() {
            if let Inside::Child(child) = slot.inside {
                out.push(TakenOut { _place: place as u32, index: self.indices[place], child: bare(child) });
            }
        }
    }

    /// Takes the children that live, and with their memory the values in it. Those to come never will.
    pub(crate) fn take(&mut self) -> Slots<iter::Empty<I::Item>, T> {
        self.iter = None;
        let (slots, indices) = (mem::take(&mut self.slots), mem::take(&mut self.indices));
        Slots { slots, indices, limit: self.limit, alive: self.alive, taken: self.taken, ..Slots::new(iter::empty()) }
    }

    /// Stores the value of the child with this `index`: in its slot, or with a limit in the list.
    #[inline]
    pub(crate) fn store(&mut self, index: usize, value: T) {
        if self.limit.is_none() {
            self.slots[index].inside = Inside::Value(value);
        } else {
            self.store_apart(index, value);
        }
    }

    /// Asks for the memory of all values at once, if their number is known. That number may be absurd (a search through
    /// all numbers that ends at the first hit). Therefore a refusal is no error: then the list grows step by step.
    fn store_apart(&mut self, index: usize, value: T) {
        if self.values.is_empty() {
            _ = self.values.try_reserve_exact(self.progress().total.unwrap_or(0));
        }
        if index >= self.values.len() {
            let len = (2 * index).max(64).min(self.values.capacity()).max(index + 1);
            self.values.resize_with(len, || None);
        }
        self.values[index] = Some(value);
    }

    /// All values, when every child has ended. The standard library collects them into the memory that they are in. Of
    /// that they may need a part only: an `Option<u32>` is twice as large as a `u32`.
    pub(crate) fn values(&mut self) -> Vec<T> {
        if self.limit.is_some() {
            self.values.truncate(self.taken);
            let values = mem::take(&mut self.values).into_iter();
            return without_spare(values.map(|value| value.expect("every child has ended")).collect());
        }
        let value = |slot: Slot<_, T>| if let Inside::Value(value) = slot.inside { Some(value) } else { None };
        without_spare(mem::take(&mut self.slots).into_iter().filter_map(value).collect())
    }

    /// Gives the memory back when every child has ended and the values are elsewhere: a stream may outlive its end.
    pub(crate) fn let_go(&mut self) {
        assert!(self.alive == 0, "a child that lives stays in its slot");
        (self.slots, self.indices) = (Vec::new(), Vec::new());
    }

    /// The first poll, without a limit: takes every child.
    fn take_all(&mut self) {
        let Some(iter) = self.iter.take() else { return };
        let expected = iter.size_hint().0;
        assert!(expected <= MOST_PLACES, "{TOO_MANY}");
        // Not collected: a vector that is moved after it was made costs as much as two children more.
        self.slots = Vec::with_capacity(expected);
        self.slots.extend(iter.map(|child| Slot { inside: Inside::Child(child), note: Note::default() }));
        assert!(self.slots.len() <= MOST_PLACES, "{TOO_MANY}");
        self.taken = self.slots.len();
        self.alive = self.slots.len() as u32;
    }

    /// The first poll, with a limit: makes the slots, all vacant. No more than there can be children.
    fn make_vacant(&mut self, limit: u32) {
        // At least one: without a slot, the children of an iterator that lies about its length would be lost.
        let most = self.iter.as_ref().and_then(|iter| iter.size_hint().1).unwrap_or(usize::MAX).max(1);
        let len = most.min(limit as usize) as u32;
        let vacant = |place| Inside::Vacant { next: Some(place + 1).filter(|&next| next < len) };
        self.slots = (0..len).map(|place| Slot { inside: vacant(place), note: Note::default() }).collect();
        self.indices = vec![0; len as usize];
        self.vacant = Some(0).filter(|_| len > 0);
    }

    /// Without a limit: the next slot.
    fn start_next(&mut self) -> Option<u32> {
        let place = self.started;
        // Not `==`: so the compiler need not check again that there is such a slot.
        if place as usize >= self.slots.len() {
            return None;
        }
        self.started += 1;
        Some(place)
    }

    /// With a limit: puts the next child of the iterator into a vacant slot.
    fn fill_vacant(&mut self) -> Option<u32> {
        let place = self.vacant?;
        let Some(child) = self.iter.as_mut()?.next() else {
            self.iter = None;
            return None;
        };
        if self.taken >= self.slots.len() {
            // A child that takes the place of another one costs budget: an iterator that never ends, of children that
            // are always ready, would not return from this poll.
            budget::take();
        }
        let slot = &mut self.slots[place as usize];
        if let Inside::Vacant { next } = slot.inside {
            self.vacant = next;
        }
        slot.inside = Inside::Child(child);
        self.indices[place as usize] = self.taken;
        self.taken += 1;
        self.alive += 1;
        Some(place)
    }
}

/// Gives the spare memory of a result back, if it is worth it.
pub(crate) fn without_spare<T>(mut values: Vec<T>) -> Vec<T> {
    let spare = values.capacity() - values.len();
    if spare > SPARE_PLACES || spare * size_of::<T>() > SPARE_BYTES {
        values.shrink_to_fit();
    }
    values
}

impl<I: Iterator<Item: Future>, T> Children for Slots<I, T> {
    /// The index of the child, and its output.
    type End = (usize, <I::Item as Future>::Output);

    fn open(&mut self, _mark: Mark) {
        trace!(below GatherOpen { gather: _mark, children: self.to_come() });
        match self.limit {
            None => self.take_all(),
            Some(limit) => self.make_vacant(limit),
        }
    }

    fn len(&self) -> usize {
        self.slots.len()
    }

    fn alive(&self) -> usize {
        Slots::alive(self)
    }

    #[inline]
    fn start(&mut self) -> Option<u32> {
        if self.limit.is_none() { self.start_next() } else { self.fill_vacant() }
    }

    #[inline]
    fn poll(&mut self, place: u32, cx: &mut Context<'_>) -> Poll<Self::End> {
        let slot = &mut self.slots[place as usize];
        let Inside::Child(child) = &mut slot.inside else { return Poll::Pending };
        // SAFETY: `new_unchecked` asks that what is pinned never moves again, unless it is `Unpin`. No other child
        // leaves its slot but to be dropped there, nobody else gets hold of one, and the vector is taken apart only
        // when it holds none.
        #[allow(unsafe_code, reason = "the standard library has no safe way into a pinned slice")]
        let output = ready!(unsafe { Pin::new_unchecked(child) }.poll(cx));
        slot.inside = Inside::Vacant { next: self.vacant };
        self.alive -= 1;
        if self.limit.is_none() {
            return Poll::Ready((place as usize, output));
        }
        self.vacant = Some(place);
        Poll::Ready((self.indices[place as usize], output))
    }

    fn note(&mut self, number: u32) -> &mut Note {
        &mut self.slots[number as usize].note
    }
}
