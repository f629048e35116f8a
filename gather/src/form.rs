//! What all forms over an iterator share: an engine, its children and a report of progress. The forms themselves are in
//! `in_place.rs`, `tasks.rs` and `streams.rs`.
//!
//! Read before: `join.rs`, `slots.rs`.

use crate::join::{Engine, Stage};
use crate::slots::{Progress, Slots};
use runtime::Mark;
use runtime::task::budget;
use std::ops::ControlFlow::{Break, Continue};
use std::task::{Context, Poll, ready};
use std::{iter, mem};

/// What every form over an iterator is made of: the engine and its children. The forms are thin layers around it: each
/// says what the end of a child means. `T` is what is stored of a child that has ended.
pub(crate) struct Gathering<I: Iterator, T, P = fn(Progress)> {
    /// It stands before the children, so it is dropped first. Then wakes from the drops of children wake nobody.
    pub(crate) engine: Engine,
    pub(crate) children: Slots<I, T>,
    /// Called after the end of each child.
    pub(crate) on_progress: Option<P>,
}

impl<I: Iterator, T> Gathering<I, T> {
    pub(crate) fn new(mark: Mark, children: I) -> Self {
        Gathering { engine: Engine::new(mark), children: Slots::new(children), on_progress: None }
    }
}

impl<I: Iterator, T, P> Gathering<I, T, P> {
    #[track_caller]
    pub(crate) fn limit(mut self, n: usize) -> Self {
        self.assert_new("limit");
        self.children.limit(n);
        self
    }

    #[track_caller]
    pub(crate) fn on_progress<Q: FnMut(Progress)>(self, report: Q) -> Gathering<I, T, Q> {
        self.assert_new("on_progress");
        let Gathering { engine, children, on_progress: _ } = self;
        Gathering { engine, children, on_progress: Some(report) }
    }

    /// Panics if the gather was polled before: its first poll decides how it works.
    #[track_caller]
    pub(crate) fn assert_new(&self, method: &str) {
        let new = self.engine.stage == Stage::New;
        assert!(new, "{method} came after the first poll of the gather: call it before the first poll");
    }

    pub(crate) fn progress(&self) -> Progress {
        self.children.progress()
    }

    /// Ends the gather before its children have ended: drops those that are alive. From here on nobody is woken.
    pub(crate) fn stop(&mut self) {
        self.engine.finish();
        drop(self.children.take());
    }

    /// Ends the gather, too, but gives the children that are alive to the caller. No more children are started.
    pub(crate) fn stop_with_rest(&mut self) -> Gathering<iter::Empty<I::Item>, T> {
        let fresh = Engine::new(self.engine.mark);
        let engine = mem::replace(&mut self.engine, fresh);
        self.engine.finish();
        Gathering { engine, children: self.children.take(), on_progress: None }
    }
}

impl<I: Iterator<Item: Future>, T, P: FnMut(Progress)> Gathering<I, T, P> {
    /// One poll, for the forms that give all values. `sort` says what the output of a child is: `Ok` is a value to
    /// store, `Err` ends the gather at once.
    #[inline]
    pub(crate) fn poll_values<B>(
        &mut self,
        cx: &mut Context<'_>,
        sort: impl Fn(<I::Item as Future>::Output) -> Result<T, B>,
    ) -> Poll<Result<Vec<T>, B>> {
        let polled = ready!(self.poll_until(cx, sort));
        if polled.is_err() {
            self.stop();
        }
        Poll::Ready(polled)
    }

    /// As `poll_values`, but after an `Err` the caller has to end the gather.
    #[inline]
    pub(crate) fn poll_until<B>(
        &mut self,
        cx: &mut Context<'_>,
        sort: impl Fn(<I::Item as Future>::Output) -> Result<T, B>,
    ) -> Poll<Result<Vec<T>, B>> {
        let Gathering { engine, children, on_progress } = self;
        let ended = ready!(engine.poll(children, cx, |children, (index, output)| {
            on_progress.iter_mut().for_each(|report| report(children.progress()));
            match sort(output) {
                Ok(value) => children.store(index, value),
                Err(end) => return Break(end),
            }
            Continue(())
        }));
        Poll::Ready(match ended {
            None => Ok(children.values()),
            Some(end) => Err(end),
        })
    }

    /// One poll, for the forms that give one output after the other, each with the index of its child.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<(usize, <I::Item as Future>::Output)>> {
        let Gathering { engine, children, on_progress } = self;
        engine.poll(children, cx, |children, end| {
            budget::take(); // Also if the child that ended has taken the last.
            on_progress.iter_mut().for_each(|report| report(children.progress()));
            Break(end)
        })
    }
}

/// Defines the type of a form: a struct around what does the work, with the two methods that all forms have.
macro_rules! form {
    ($(#[$doc:meta])* $Form:ident<$I:ident: $Bound:path $(, $T:ident)*>($Inner:ident<$($part:ty),*>)) => {
        $(#[$doc])*
        #[must_use = "a gather does nothing unless it is awaited"]
        pub struct $Form<$I: $Bound $(, $T)*, P = fn(Progress)>(pub(crate) $Inner<$($part,)* P>);

        impl<$I: $Bound $(, $T)*, P> $Form<$I $(, $T)*, P> {
            /// At most `n` children are alive at once. They are taken from the iterator only as slots become free, so a
            /// million lazy children never exist together, and after an error no more are taken. asyncio has a
            /// `Semaphore` for this.
            ///
            /// The first poll makes slots for `n` children, or for fewer, if the iterator says that it has fewer. A
            /// child that is ready at once leaves its slot to the next one in the same poll. `usize::MAX` is no limit.
            ///
            /// How large should it be? Little's law: the number in flight is the number that ends per second, times the
            /// seconds that each takes, L = λ × W. The limit sets L. While the other side has room, a larger limit
            /// raises λ. Once λ is the most that the other side can do, a larger limit only raises W: the children wait
            /// there. So the best limit is the most that the other side can do per second, times the time of one call
            /// alone: 400 calls a second of 20 ms each are 8 in flight. `examples/little.rs` measures and draws it.
            ///
            /// # Panics
            /// When `n` is 0, and after the first poll of the gather. A gather of tasks panics in a poll if its iterator
            /// gives a child after its `size_hint` has said that there are no more.
            ///
            /// ```
            /// let squares = gather::gather((0..1_000).map(|n| async move { n * n })).limit(10);
            /// assert_eq!(runtime::block_on(squares)[999], 998_001);
            ///
            /// let probe = |n: u64| async move { if n * n == 1_369 { Err(n) } else { Ok(()) } };
            /// let search = gather::try_gather((0..u64::MAX).map(probe)).limit(8); // an error ends it: a hit
            /// assert_eq!(runtime::block_on(search), Err(37));
            /// ```
            #[track_caller]
            pub fn limit(self, n: usize) -> Self {
                $Form(self.0.limit(n))
            }

            /// Calls `report` after the end of each child, also of one that fails, in the order in which they end.
            ///
            /// If `report` panics, the gather panics with it and cannot be polled again. asyncio has no such report:
            /// there each child is given an `add_done_callback`.
            ///
            /// # Panics
            /// After the first poll of the gather.
            ///
            /// ```
            /// let mut seen = Vec::new();
            /// let children = (0..2).map(|n| async move { n });
            /// runtime::block_on(gather::gather(children).on_progress(|p| seen.push((p.completed, p.total))));
            /// assert_eq!(seen, [(1, Some(2)), (2, Some(2))]);
            /// ```
            #[track_caller]
            pub fn on_progress<Q: FnMut(Progress)>(self, report: Q) -> $Form<$I $(, $T)*, Q> {
                $Form(self.0.on_progress(report))
            }
        }

        // The children are pinned in their slots, and nothing else is ever pinned.
        impl<$I: $Bound $(, $T)*, P> Unpin for $Form<$I $(, $T)*, P> {}

        impl<$I: $Bound $(, $T)*, P> std::fmt::Debug for $Form<$I $(, $T)*, P> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($Form)).field("progress", &self.0.progress()).finish_non_exhaustive()
            }
        }
    };
}
pub(crate) use form;
