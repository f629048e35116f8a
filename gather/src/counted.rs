//! What `gather_tasks` and `try_gather_tasks` share: tasks, and when the tally counts them.
//!
//! ```text
//!   no limit, no report of progress:   first poll ------------------------------> the tally counts
//!   a limit:                           the engine polls handles --last started--> the tally counts the rest
//!   a report of progress:              the engine polls handles, to the end
//! ```
//!
//! The tally does not know which task has ended. If that must be known, the handles are children of the engine
//! (`join.rs`), and every end wakes the parent.
//!
//! Read before: `tally.rs`.

use crate::form::Gathering;
use crate::join::Stage;
use crate::slots::{Progress, TakenOut, without_spare};
use crate::tally::Tally;
use runtime::task::{budget, note_join};
use runtime::{JoinError, JoinHandle, trace};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::{mem, pin::Pin};

/// What both forms share: tasks, and the tally that counts them. `R` is the result of a task's future, `T` what is
/// stored of a task that has ended.
pub(crate) struct Tasks<I: Iterator<Item = JoinHandle<R>>, R, T, P = fn(Progress)> {
    counted: Counted<R>,
    /// The tasks that are not counted yet. With a limit or a report of progress, its engine polls them.
    pub(crate) gathering: Gathering<Guarded<I>, T, P>,
    /// Whether the tally counts now.
    counts: bool,
}

impl<I: Iterator<Item = JoinHandle<R>>, R, T> Tasks<I, R, T> {
    /// `handles` spawns the tasks, one at each call.
    pub(crate) fn new(handles: I, tally: Arc<Tally>) -> Self {
        let gathering = Gathering::new(tally.mark, Guarded { handles, tally: Arc::clone(&tally) });
        Tasks { counted: Counted { tally, tasks: Vec::new() }, gathering, counts: false }
    }
}

impl<I: Iterator<Item = JoinHandle<R>>, R, T, P> Tasks<I, R, T, P> {
    #[track_caller]
    pub(crate) fn limit(self, n: usize) -> Self {
        Tasks { gathering: self.gathering.limit(n), ..self }
    }

    #[track_caller]
    pub(crate) fn on_progress<Q: FnMut(Progress)>(self, report: Q) -> Tasks<I, R, T, Q> {
        Tasks { counted: self.counted, gathering: self.gathering.on_progress(report), counts: self.counts }
    }

    pub(crate) fn progress(&self) -> Progress {
        let mut progress = self.gathering.progress();
        if self.counts {
            // The slots do not know which tasks have ended since they were taken out.
            progress.completed += self.gathering.children.alive() - self.counted.tally.left();
        }
        progress
    }
}

impl<I: Iterator<Item = JoinHandle<R>>, R, T, P: FnMut(Progress)> Tasks<I, R, T, P> {
    /// One poll. `sort` is that of [`Gathering`]: `Ok` is a value to store, `Err` ends the gather at once.
    pub(crate) fn poll<B>(
        &mut self,
        cx: &mut Context<'_>,
        sort: impl Fn(Result<R, JoinError>) -> Result<T, B>,
    ) -> Poll<Result<Vec<T>, B>> {
        let _poll;
        if !self.counts && self.needs_engine() {
            let polled = self.gathering.poll_values(cx, &sort);
            // Once the last task has been started, nobody needs to know which one ends.
            if polled.is_ready() || self.gathering.on_progress.is_some() || !self.gathering.children.all_taken() {
                return polled;
            }
            self.gathering.engine.stage = Stage::Polling; // This poll goes on.
        } else {
            _poll = self.gathering.engine.begin_poll();
        }
        self.counted.tally.leave_parent(cx.waker());
        if !self.counts {
            self.start_count();
        }
        let ended = self.counted.tally.ended();
        self.gathering.engine.stage = Stage::Waiting;
        if ended.is_pending() {
            note_join();
        }
        // The results of tasks cost no budget. But a gather of nobody, again and again, has to let the others run.
        if self.counted.tasks.is_empty() && ended.is_ready() {
            ready!(budget::poll_left(cx));
        }
        let results = match ready!(ended) {
            None => self.results(sort),
            Some(failed) => ready!(self.failure(failed, sort)),
        };
        self.gathering.stop();
        self.counted.tally.close();
        Poll::Ready(results)
    }

    /// Whether it must be known which task ends.
    fn needs_engine(&self) -> bool {
        self.gathering.children.has_limit() || self.gathering.on_progress.is_some()
    }

    /// Makes the tally the waker of every handle, and tells it how many there are.
    fn start_count(&mut self) {
        let Tasks { counted: Counted { tally, tasks }, gathering, counts } = self;
        *counts = true;
        if !gathering.children.has_limit() {
            trace!(GatherOpen { gather: tally.mark, children: gathering.children.to_come() });
        }
        gathering.children.take_out(tasks, |tasks| tasks.handles, Guard::into_handle); // Without a limit this spawns all.
        let waker = Waker::from(Arc::clone(tally));
        let mut left = 0;
        for task in tasks {
            let child = trace!(below scope ChildPoll { gather: tally.mark, place: task._place });
            let waits = task.child.wake_at_end(&waker);
            trace!(ChildPollEnd {
                gather: tally.mark,
                place: task._place,
                ready: !waits,
                alive: gathering.children.alive()
            });
            child.close();
            left += usize::from(waits);
        }
        tally.count(left);
        gathering.engine.forget_parent(); // With a limit: from here on, only the tally wakes the parent.
    }

    /// All tasks have ended: takes their results.
    fn results<B>(&mut self, sort: impl Fn(Result<R, JoinError>) -> Result<T, B>) -> Result<Vec<T>, B> {
        let tasks = mem::take(&mut self.counted.tasks);
        let (mut _left, _mark) = (tasks.len(), self.counted.tally.mark);
        let results = tasks.into_iter().map(|task| {
            _left -= 1;
            let _child = trace!(below scope ChildPoll { gather: _mark, place: task._place });
            let result = task.child.take_result();
            trace!(ChildPollEnd { gather: _mark, place: task._place, ready: true, alive: _left });
            (task.index, sort(result))
        });
        if !self.gathering.children.has_limit() {
            return results.map(|(_, result)| result).collect::<Result<Vec<T>, B>>().map(without_spare);
        }
        for (index, result) in results {
            self.gathering.children.store(index, result?);
        }
        Ok(self.gathering.children.values())
    }

    /// A task has failed: takes its result, which `sort` makes an error. The others run on, and nobody waits for them.
    /// Pending if a drop inside that task polls the gather, before the task has quite ended. The end comes next, and
    /// wakes the parent.
    fn failure<B>(
        &mut self,
        failed: usize,
        sort: impl Fn(Result<R, JoinError>) -> Result<T, B>,
    ) -> Poll<Result<Vec<T>, B>> {
        let tasks = &mut self.counted.tasks;
        let at = tasks.iter().position(|task| task.index == failed).expect("the tally counts the task that failed");
        if !tasks[at].child.is_finished() {
            return Poll::Pending;
        }
        let task = tasks.swap_remove(at);
        let _child = trace!(below scope ChildPoll { gather: self.counted.tally.mark, place: task._place });
        let result = task.child.take_result();
        trace!(ChildPollEnd { gather: self.counted.tally.mark, place: task._place, ready: true, alive: tasks.len() });
        tasks.clear();
        Poll::Ready(sort(result).map(|_| Vec::new()))
    }
}

/// The tasks that the tally counts. A drop of this before their end aborts them, unless one of them has failed.
struct Counted<R> {
    tally: Arc<Tally>,
    /// Empty before the count begins.
    tasks: Vec<TakenOut<JoinHandle<R>>>,
}

impl<R> Drop for Counted<R> {
    fn drop(&mut self) {
        // The tasks may keep the tally alive for longer. The tally must not keep the parent's waker so long.
        self.tally.close();
        if !self.tally.has_failed() {
            self.tasks.iter().for_each(|task| abort(&task.child));
        }
    }
}

/// Aborts a task that has not ended.
fn abort<R>(handle: &JoinHandle<R>) {
    if !handle.is_finished() {
        handle.abort();
    }
}

/// The tasks as children of the engine: each handle with a guard around it.
pub(crate) struct Guarded<I> {
    handles: I,
    tally: Arc<Tally>,
}

impl<I: Iterator<Item = JoinHandle<R>>, R> Iterator for Guarded<I> {
    type Item = Guard<R>;

    fn next(&mut self) -> Option<Guard<R>> {
        Some(Guard { handle: Some(self.handles.next()?), tally: Arc::clone(&self.tally) })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.handles.size_hint()
    }
}

/// The guard of a task: aborts it when this is dropped before its end.
pub(crate) struct Guard<R> {
    /// `None` once the tally counts it.
    handle: Option<JoinHandle<R>>,
    /// Says whether a task of this gather has failed. After that the others run on, and are not aborted.
    tally: Arc<Tally>,
}

impl<R> Guard<R> {
    fn into_handle(mut self) -> JoinHandle<R> {
        self.handle.take().expect("it is taken once")
    }
}

impl<R> Future for Guard<R> {
    type Output = Result<R, JoinError>;

    /// Without the budget of a poll: the engine asks for it.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let handle = self.handle.as_ref().expect("the engine polls it before the tally counts it");
        if !handle.wake_at_end(cx.waker()) {
            return Poll::Ready(handle.take_result());
        }
        note_join();
        Poll::Pending
    }
}

impl<R> Drop for Guard<R> {
    fn drop(&mut self) {
        if !self.tally.has_failed() {
            self.handle.iter().for_each(abort);
        }
    }
}
