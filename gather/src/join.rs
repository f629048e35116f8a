//! The engine: polls the children that are ready, each once, and starts those that wait for their start.
//!
//! Every form of this crate is thin around it: its own `poll` calls [`Engine::poll`] with its children (its [`Places`])
//! and with what to do when one of them has ended. What is ready when the parent is polled is one **batch**:
//!
//! ```text
//!                start (3)      pop (2)         drain (1)              wake
//!   iterator ------------> poll <------ queue <----------- ReadySet <-------- (waiting)
//!                          |  |  |        ^                                       ^
//!         `each` <--Ready--+  |  +--------+ woke itself: the next batch           |
//!                             +----------------------- Pending -------------------+
//! ```
//!
//! A batch polls no child twice, and children that become ready meanwhile wait for the next one: one that is always
//! ready cannot starve the others, nor the rest of the program. It is the rule of asyncio's `_run_once`: run only what
//! was ready when the turn began. Nothing here depends on how many children there are: a wake costs the same among two
//! and among a million, and nobody scans those that still wait.

use crate::ready::{Failed, ReadySet};
use crate::waker::Lent;
use runtime::{Mark, trace};
use std::mem;
use std::ops::ControlFlow::{self, Break};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};

/// The children of a gather, each in a numbered place. The engine knows them by these numbers only.
pub(crate) trait Places {
    /// What the end of a child brings.
    type End;

    /// Called once, before the first poll.
    fn open(&mut self, _mark: Mark) {}

    /// How many places there are.
    fn len(&self) -> usize;

    /// How many children have not ended yet, of those taken so far.
    fn alive(&self) -> usize;

    /// Whether no child is left to be taken.
    fn all_taken(&self) -> bool {
        true
    }

    /// The place of the next child to be polled for the first time, if there is one and a place for it.
    fn start(&mut self) -> Option<u32>;

    /// Polls the child in `place` and drops it when it ends. A place without a child is pending: its wake came late.
    fn poll(&mut self, place: u32, cx: &mut Context<'_>) -> Poll<Self::End>;

    /// The engine's notes, one for each place.
    fn note(&mut self, number: u32) -> &mut Note;
}

/// What the engine keeps beside each place, so that its queue needs no memory of its own.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Note {
    /// Whether this place stands in the queue.
    queued: bool,
    /// The entry of the queue that has this note's number: some place, not this one.
    entry: u32,
}

/// What is said, with the cure, when a gather is polled once too often.
const AFTER_THE_END: &str = "a gather was polled again after it had returned its results: await it once";
const AFTER_A_PANIC: &str = "a gather was polled again after a panic in one of its children: drop it. Children that run as \
                             tasks (gather_tasks) go on without the one that panicked";

/// Polls children. See the module.
pub(crate) struct Engine {
    /// Which gather this is, for the trace.
    pub(crate) mark: Mark,
    pub(crate) stage: Stage,
    /// Whom to poll now and next.
    batch: Batch,
    /// What wakes the parent.
    pub(crate) failed: Failed,
    /// Where wakers that were kept write. Made when a child first keeps one.
    pub(crate) set: OnceLock<Arc<ReadySet>>,
}

/// Where a gather is in its life.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Stage {
    /// Never polled.
    New,
    /// Between two polls.
    Waiting,
    /// In a poll, or left by a panic.
    Polling,
    /// Has returned its last result.
    Done,
}

impl Engine {
    /// An engine for a form's mark: for children in place, or for tasks, which say with the flag that one failed.
    #[inline]
    pub(crate) fn new(mark: Mark, failed: Failed) -> Engine {
        Engine { mark, stage: Stage::New, batch: Batch::default(), failed, set: OnceLock::new() }
    }

    /// One poll of the parent: runs one batch, then starts children while they have places. Calls `each` with every child
    /// that ends; its `Break` is returned at once. `None` says that all children have ended. The numbers are those of the
    /// picture.
    pub(crate) fn poll<P: Places, B>(
        &mut self,
        places: &mut P,
        cx: &mut Context<'_>,
        mut each: impl FnMut(&mut P, P::End) -> ControlFlow<B>,
    ) -> Poll<Option<B>> {
        let _poll = trace!(scope GatherPoll { gather: self.mark, form: self.mark } at self.mark.at);
        self.enter(places);
        let lent = Lent::new(places.len(), cx.waker(), self);
        let waker = lent.waker();
        let lent_cx = &mut Context::from_waker(&waker);
        // A copy: nothing else points to it, so it can live in registers.
        let mut batch = self.batch;
        let mut drained = false;
        let stopped = loop {
            let place = if let Some(place) = batch.pop(places) {
                place // 2. The batch; at first what is left of it if an earlier poll stopped in its middle.
            } else if !drained {
                batch = batch.next(places, self.set.get(), cx.waker()); // 1. All that is ready now.
                drained = true;
                continue;
            } else if let Some(place) = places.start() {
                place // 3. The first poll of a child.
            } else {
                break None;
            };
            lent.aim(place);
            let child = trace!(scope ChildPoll { gather: self.mark, place: place });
            let polled = places.poll(place, lent_cx);
            trace!(ChildPollEnd { gather: self.mark, place: place, ready: polled.is_ready(), alive: places.alive() });
            child.close();
            match polled {
                Poll::Pending if lent.woken() => batch.keep(places, place),
                Poll::Pending => places.note(place).queued = false,
                Poll::Ready(end) => {
                    places.note(place).queued = false;
                    if let Break(value) = each(places, end) {
                        break Some(value);
                    }
                }
            }
        };
        self.batch = batch;
        self.stage = Stage::Waiting;
        if stopped.is_some() {
            return Poll::Ready(stopped);
        }
        if places.alive() == 0 {
            self.finish();
            return Poll::Ready(None);
        }
        if self.batch.kept > 0 {
            let _first = trace!(scope @again(self.mark));
            cx.waker().wake_by_ref(); // Once for all children that woke themselves.
        }
        if let (Some(_), Some(set)) = (&self.failed, self.set.get()) {
            set.wait_for(if places.all_taken() { places.alive() } else { 1 });
        }
        Poll::Pending
    }

    fn enter(&mut self, places: &mut impl Places) {
        assert!(self.stage != Stage::Done, "{AFTER_THE_END}");
        assert!(self.stage != Stage::Polling, "{AFTER_A_PANIC}");
        if mem::replace(&mut self.stage, Stage::Polling) == Stage::New {
            places.open(self.mark);
        }
    }

    /// The last result is there, or an error: wakes that still come wake nobody.
    #[inline]
    pub(crate) fn finish(&mut self) {
        trace!(GatherDone { gather: self.mark });
        self.stage = Stage::Done;
        // If no waker is left, the set goes here, and with it the parent.
        self.set.take().filter(|set| Arc::strong_count(set) > 1).inspect(|set| set.close());
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        trace!(GatherDropped { gather: self.mark });
        self.finish();
    }
}

/// The queue of the places to be polled. Its entries stand in the notes, so it needs no memory of its own; those of the
/// next batch take the room of those of this one that are done with. All numbers are of notes:
///
/// ```text
///   | next batch | done with | left of this batch |
///   0           kept        at                   due
/// ```
#[derive(Debug, Default, Clone, Copy)]
struct Batch {
    /// The next batch ends here.
    kept: u32,
    /// So far this batch has come.
    at: u32,
    /// This batch ends here.
    due: u32,
}

impl Batch {
    /// The next place of this batch.
    fn pop(&mut self, places: &mut impl Places) -> Option<u32> {
        if self.at == self.due {
            return None;
        }
        self.at += 1;
        Some(places.note(self.at - 1).entry)
    }

    /// Adds a place to the next batch: there is room, as each place stands there once.
    fn keep(&mut self, places: &mut impl Places, place: u32) {
        places.note(place).queued = true;
        places.note(self.kept).entry = place;
        self.kept += 1;
    }

    /// The batch after this one: the children that woke themselves, then those in the set.
    fn next(mut self, places: &mut impl Places, set: Option<&Arc<ReadySet>>, parent: &Waker) -> Batch {
        if let Some(set) = set {
            // Nobody looks into a place for nothing: it may be far away in memory.
            let twice = self.kept > 0;
            set.drain(parent, |place| {
                if !(twice && places.note(place).queued) {
                    self.keep(places, place);
                }
            });
        }
        Batch { kept: 0, at: 0, due: self.kept }
    }
}
