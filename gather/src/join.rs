//! The engine of every gather that holds its children itself and polls them: `gather`, `try_gather`, `gather!`, the
//! streams. (`gather_tasks`, whose children are tasks of the loop, has `tally.rs`.) It polls the children that are ready
//! and starts those that wait for their start. It is done when no child is alive, however many wakes have come: a child
//! may be woken twice, late, or for nothing.
//!
//! Every such form is a thin layer over it: its own `poll`, called when the parent (the task that awaits the gather) is
//! polled, calls [`Engine::poll`] with its [`Children`] and with what to do when one of them has ended. Each child has a
//! numbered place, its seat in the form's memory. The children that are ready at one moment are one **batch**, a list of
//! places:
//!
//! ```text
//!                start (3)      pop (2)         drain (1)              wake
//!   iterator ------------> poll <------ batch <----------- ReadySet <-------- (waiting)
//!                          |  |  |        ^                                       ^
//!         `each` <--Ready--+  |  +--------+ woke itself: the next batch           |
//!                             +----------------------- Pending -------------------+
//! ```
//!
//! *Iterator* is the program's own: the children that have not been started. One poll of the parent first polls what was
//! left of the batch before, and then drains the set once. That gives a new batch, which the same poll polls. Who wakes
//! itself in it waits for the parent's next poll. Children that are to be started come last.
//!
//! A batch polls no child twice. Children that become ready meanwhile wait for the next batch, so one that is always
//! ready cannot starve the others, nor the rest of the program. It is the rule of asyncio's `_run_once`: run only what
//! was ready when the turn began. No step costs more when there are more children: a wake costs the same among two and
//! among a million, and nobody scans the children that still wait.
//!
//! Read before: `ready.rs`, `waker.rs`.

use crate::ready::ReadySet;
use crate::waker::Lent;
use runtime::task::budget;
use runtime::{Mark, Scope, trace};
use std::mem;
use std::ops::ControlFlow::{self, Break};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};

/// The children of a gather, as the engine sees them: each in a numbered place, from 0.
pub(crate) trait Children {
    /// What `poll` returns when a child ends, and what the engine hands to the form.
    type End;

    /// Called once, in the gather's first poll, before any child is polled, for a form that has something to do only
    /// then (take children from its iterator). `_mark` is for the trace.
    fn open(&mut self, _mark: Mark) {}

    /// How many places there are. It does not change after `open`: the ready set is made for so many.
    fn len(&self) -> usize;

    /// How many children have been taken from the iterator and have not ended, polled or not. A form without an iterator
    /// counts all its children.
    fn alive(&self) -> usize;

    /// The place of the next child to be polled for the first time: the caller polls it at once, for it is in no list. With
    /// a limit this takes the child from the iterator. `None` if there is no such child, or no place free for it.
    fn start(&mut self) -> Option<u32>;

    /// Polls the child in `place`, and drops it when it ends. A place without a child is pending: a wake came late.
    fn poll(&mut self, place: u32, cx: &mut Context<'_>) -> Poll<Self::End>;

    /// The engine's notes, one for each place.
    fn note(&mut self, number: u32) -> &mut Note;
}

/// What the engine keeps beside each place. All notes together are the memory of the [`Batch`], which lists places:
///
/// ```text
///   note number       0            1            2
///   queued          true         false        true        is place 0, 1, 2 listed?
///   entry             2            0            -         the batch: first place 2, then place 0
/// ```
///
/// So a note's two fields are about two different places. A batch never lists more places than there are, hence there
/// are always enough entries, and the batch needs no memory of its own.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Note {
    /// Whether the place with this number is listed: from then on until the poll of its child has returned. Only
    /// `add_ready` reads it, when this batch has no rest: then it says who is in the next batch.
    queued: bool,
    /// One entry of the batch: the place that is listed here. It says nothing about the place with this number.
    entry: u32,
}

/// Says that the gather has ended before, and the cure.
const AFTER_THE_END: &str = "a gather was polled again after it had returned its results: await it once";
/// Says that a poll of it has not come back, and the cure.
const AFTER_A_PANIC: &str = "a gather was polled again after a panic in one of its children: drop it. Children that run as \
                             tasks (gather_tasks) go on without the one that panicked";

/// Polls children. See the module.
pub(crate) struct Engine {
    /// Which gather this is, for the trace.
    pub(crate) mark: Mark,
    /// The forms look at it, too: a builder method is refused after the first poll.
    pub(crate) stage: Stage,
    /// Which children to poll, now and next.
    batch: Batch,
    /// Here the wakers that were cloned mark their children as ready. `Lent` makes it when a child first clones its
    /// waker: inside of that child's poll, where only a shared reference is left, and perhaps on another thread to which
    /// the child lent its waker. Hence the `OnceLock`.
    pub(crate) set: OnceLock<Arc<ReadySet>>,
}

/// Where a gather is in its life.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Stage {
    /// Never polled.
    New,
    /// Between two polls.
    Waiting,
    /// In a poll. A panic of a child, of the iterator or of `each` leaves it so, for the end of that poll is never reached.
    Polling,
    /// `finish` was called: no poll may follow.
    Done,
}

/// Why a poll polls no further child.
enum Stop<B> {
    /// The form has enough.
    Broken(B),
    /// The budget is spent.
    Spent,
    /// All that was ready was polled, and nobody is to be started.
    AtEnd,
}

impl Engine {
    #[inline]
    pub(crate) fn new(mark: Mark) -> Engine {
        Engine { mark, stage: Stage::New, batch: Batch::default(), set: OnceLock::new() }
    }

    /// One poll of the gather: first what the last poll left of its batch, then all that is ready now as a new batch,
    /// then new children, for as long as there is one and a place for it. Calls `each` for every child that ends, with the
    /// children, where the form keeps the results, and with what the child has left. Its `Break` is returned at once, and
    /// then the form calls `finish` and drops the children that are left, or polls on later for the rest (a stream does).
    /// `None` says that all children have ended, and that `finish` was called here. The numbers are those of the picture.
    ///
    /// Inlined, so that it is compiled into the form's own `poll` and knows what `each` does: 13 % fewer instructions where
    /// children yield.
    #[inline]
    pub(crate) fn poll<C: Children, B>(
        &mut self,
        children: &mut C,
        cx: &mut Context<'_>,
        mut each: impl FnMut(&mut C, C::End) -> ControlFlow<B>,
    ) -> Poll<Option<B>> {
        let (stage, _poll) = self.begin_poll();
        if stage == Stage::New {
            children.open(self.mark);
        }
        // All children borrow one waker. `aim` says whose it is now, and forgets the wakes of the child before. `woken`
        // says whether this child woke itself in its poll with the waker that was lent. A clone of it makes the set, if
        // there is none, with the parent's waker in it; a wake by the clone goes to the set, which wakes the parent.
        let lent = Lent::new(children.len(), cx.waker(), self);
        let waker = lent.waker();
        let lent_cx = &mut Context::from_waker(&waker);
        // A copy, because `lent` holds a reference to `self`. A panic loses it, but then every later poll is refused.
        let mut batch = self.batch;
        let mut drained = false;
        // The runtime gives a task a budget for each poll, which its leaves (timers, sockets, channels) spend. `poll_left`
        // looks whether any is left. If not, it wakes the parent, and no further child is polled: the next poll goes on
        // with the rest of the batch. Otherwise each child would be polled in vain, and wake itself. A new child is in no
        // list, so it is polled at once, and the budget is asked before it is taken. If the last child has taken the last
        // of the budget, the next poll says that all have ended.
        let stop = 'poll: {
            loop {
                // 2. The batch. At first the rest of the last one, if `each` or the budget stopped that in its middle.
                while batch.has_rest() {
                    if budget::poll_left(cx).is_pending() {
                        break 'poll Stop::Spent;
                    }
                    let place = batch.pop(children);
                    match self.poll_child(children, place, &lent, lent_cx) {
                        Poll::Pending if lent.woken() => batch.add(children, place),
                        Poll::Pending => children.note(place).queued = false,
                        Poll::Ready(end) => {
                            children.note(place).queued = false;
                            if let Break(value) = each(children, end) {
                                break 'poll Stop::Broken(value);
                            }
                        }
                    }
                }
                if drained {
                    break;
                }
                // 1. All that is ready now. The set keeps this waker: who becomes ready later wakes the parent with it. A
                // poll that does not come so far needs no wake of the set: `poll_left` has woken the parent, or the poll
                // returns a value.
                batch.add_ready(children, self.set.get(), cx.waker());
                batch.turn_over();
                drained = true;
            }
            // 3. The first polls of children. They are in no list, so there is none to take them off. One loop for all
            // three numbers would be shorter. It would ask more before each child: two loops are 1.1 to 1.2 times as fast
            // where all are ready at once, and where they yield.
            loop {
                if budget::poll_left(cx).is_pending() {
                    break 'poll Stop::Spent;
                }
                let Some(place) = children.start() else { break 'poll Stop::AtEnd };
                match self.poll_child(children, place, &lent, lent_cx) {
                    Poll::Pending if lent.woken() => batch.add(children, place),
                    Poll::Pending => {}
                    Poll::Ready(end) => {
                        if let Break(value) = each(children, end) {
                            break 'poll Stop::Broken(value);
                        }
                    }
                }
            }
        };
        self.batch = batch;
        self.stage = Stage::Waiting;
        match stop {
            Stop::Broken(value) => return Poll::Ready(Some(value)),
            Stop::Spent => return Poll::Pending,
            Stop::AtEnd => {}
        }
        // This batch is at its end, and `start` gave nobody. If nobody is alive either, every place is free: then the
        // iterator is at its end.
        if children.alive() == 0 {
            self.finish();
            return Poll::Ready(None);
        }
        if self.batch.has_next() {
            let _first = trace!(below scope @again(self.mark));
            cx.waker().wake_by_ref(); // Once for all children that woke themselves. For the others the set does it.
        }
        Poll::Pending
    }

    /// Polls one child, with the waker that is lent to it.
    #[inline(always)]
    fn poll_child<C: Children>(
        &self,
        children: &mut C,
        place: u32,
        lent: &Lent<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<C::End> {
        lent.aim(place);
        let child = trace!(below scope ChildPoll { gather: self.mark, place: place });
        let polled = children.poll(place, cx);
        trace!(ChildPollEnd { gather: self.mark, place: place, ready: polled.is_ready(), alive: children.alive() });
        child.close(); // What follows is not part of the child's poll, for the trace.
        polled
    }

    /// A poll begins: refuses one too many, and gives the stage before. The tasks' forms call it, too: they have an engine
    /// for its stage, and for their handles while there is a limit. The scope is for the trace.
    #[inline]
    pub(crate) fn begin_poll(&mut self) -> (Stage, Scope) {
        assert!(self.stage != Stage::Done, "{AFTER_THE_END}");
        assert!(self.stage != Stage::Polling, "{AFTER_A_PANIC}");
        let poll = trace!(below scope GatherPoll { gather: self.mark, form: self.mark } at self.mark.at);
        (mem::replace(&mut self.stage, Stage::Polling), poll)
    }

    /// The last result is there, or the form ends with an error. Wakes that still come wake nobody. The end takes budget:
    /// a task that makes one gather after the other, each of them ready at once, has to let the others run.
    #[inline]
    pub(crate) fn finish(&mut self) {
        trace!(below GatherDone { gather: self.mark });
        self.stage = Stage::Done;
        budget::take();
        self.forget_parent();
    }

    /// Lets go of the ready set: at the end, at the drop (which then finds none), and when the tally takes over from the
    /// engine, for tasks behind a limit. If a waker still holds the set, the set forgets the parent; else nobody can use it
    /// any more, and it is dropped here, with the parent's waker.
    #[inline]
    pub(crate) fn forget_parent(&mut self) {
        if let Some(set) = self.set.take()
            && Arc::strong_count(&set) > 1
        {
            set.close();
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        trace!(below GatherDropped { gather: self.mark });
        self.forget_parent();
    }
}

/// Two lists: the places of this batch, and those of the next. Both stand in the entries of the notes: the next batch
/// takes the room of the entries of this batch that have been polled. All numbers are of notes:
///
/// ```text
///   | next batch |  polled  | rest of this batch |
///   0        next_len       at                  len
/// ```
#[derive(Debug, Default, Clone, Copy)]
struct Batch {
    /// The next batch ends before this entry.
    next_len: u32,
    /// The first entry of this batch that has not been polled.
    at: u32,
    /// This batch ends before this entry. When it is at its end, the next batch may grow past it.
    len: u32,
}

impl Batch {
    /// Whether somebody in this batch has not been polled.
    fn has_rest(&self) -> bool {
        self.at < self.len
    }

    /// Takes the next place out of this batch.
    fn pop(&mut self, children: &mut impl Children) -> u32 {
        self.at += 1;
        children.note(self.at - 1).entry
    }

    /// Adds a place to the next batch. It overwrites no entry that is still needed: each place is listed once, and one is
    /// added only after one was popped, or when this batch has no rest.
    fn add(&mut self, children: &mut impl Children, place: u32) {
        children.note(place).queued = true;
        children.note(self.next_len).entry = place;
        self.next_len += 1;
    }

    /// Adds the children in the ready set, behind those that woke themselves.
    fn add_ready(&mut self, children: &mut impl Children, set: Option<&Arc<ReadySet>>, parent: &Waker) {
        let Some(set) = set else { return };
        // The set gives each place once. So if the next batch was empty, nobody can be listed twice, and `queued` is not
        // read. The note may be far away in memory: the processor would wait for a read, but not for a write.
        let may_be_listed = self.has_next();
        let mut next = *self;
        set.drain(parent, |place| {
            if !(may_be_listed && children.note(place).queued) {
                next.add(children, place);
            }
        });
        *self = next;
    }

    /// Whether somebody is listed for the next batch.
    fn has_next(&self) -> bool {
        self.next_len > 0
    }

    /// The next batch becomes this one.
    fn turn_over(&mut self) {
        *self = Batch { next_len: 0, at: 0, len: self.next_len };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    /// Children of whom nothing is asked but their notes.
    struct Notes([Note; 3]);

    impl Children for Notes {
        type End = ();

        fn len(&self) -> usize {
            self.0.len()
        }

        fn alive(&self) -> usize {
            self.0.len()
        }

        fn start(&mut self) -> Option<u32> {
            None
        }

        fn poll(&mut self, _place: u32, _cx: &mut Context<'_>) -> Poll<()> {
            Poll::Pending
        }

        fn note(&mut self, number: u32) -> &mut Note {
            &mut self.0[number as usize]
        }
    }

    /// Gives the numbers of a script, and zeros after its end. It has pairs: what was chosen, and of how many. The second
    /// field says how far this run has read.
    #[derive(Default)]
    struct Script(Vec<(usize, usize)>, usize);

    impl Script {
        fn choose(&mut self, of: usize) -> usize {
            if self.1 == self.0.len() {
                self.0.push((0, of));
            }
            self.1 += 1;
            self.0[self.1 - 1].0
        }

        /// The next script, until every script has been run.
        fn next(mut self) -> Option<Script> {
            while let Some((chosen, of)) = self.0.pop() {
                if chosen + 1 < of {
                    self.0.push((chosen + 1, of));
                    return Some(Script(self.0, 0));
                }
            }
            None
        }
    }

    /// A batch and the next one lie in the same notes. Three children, three rounds, all that can happen: at each poll
    /// a child wakes itself or does not. The first round starts all; before the two others the set is woken for any of
    /// them, in any order. Whoever is to be polled is polled, once, in the order of the wakes.
    #[test]
    fn whatever_happens_in_three_rounds_of_three_children_the_batch_gives_each_in_its_turn() {
        let (mut script, mut runs) = (Script::default(), 0);
        loop {
            let (mut children, mut batch, mut next) = (Notes([Note::default(); 3]), Batch::default(), VecDeque::new());
            let polled = |script: &mut Script, children: &mut Notes, batch: &mut Batch, place| {
                children.note(place).queued = false;
                let woken = script.choose(2) == 1;
                if woken {
                    batch.add(children, place);
                }
                woken
            };
            for place in 0..3 {
                if polled(&mut script, &mut children, &mut batch, place) {
                    next.push_back(place);
                }
            }
            for _ in 0..2 {
                let set = ReadySet::new(3, Waker::noop().clone(), Mark::new("batch"));
                let mut asleep = vec![0, 1, 2];
                while let Some(chosen) = script.choose(asleep.len() + 1).checked_sub(1) {
                    let place = asleep.remove(chosen);
                    set.wake(place);
                    if !next.contains(&place) {
                        next.push_back(place);
                    }
                }
                batch.add_ready(&mut children, Some(&set), Waker::noop());
                assert_eq!(batch.has_next(), !next.is_empty());
                batch.turn_over();
                for place in std::mem::take(&mut next) {
                    assert_eq!((batch.has_rest(), batch.pop(&mut children)), (true, place));
                    if polled(&mut script, &mut children, &mut batch, place) {
                        next.push_back(place);
                    }
                }
                assert!(!batch.has_rest());
            }
            runs += 1;
            script = match script.next() {
                Some(script) => script,
                None => break,
            };
        }
        assert!(runs > 10_000, "{runs} runs");
    }
}
