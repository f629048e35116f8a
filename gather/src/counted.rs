//! What `gather_tasks` and `try_gather_tasks` share: tasks, and when their tally counts them. Read `tally.rs` first.
//!
//! ```text
//!   no limit, no report of progress:   first poll ------------------------------> the tally counts
//!   a limit:                           the engine polls handles --last started--> the tally counts the rest
//!   a report of progress:              the engine polls handles, to the end
//! ```
//!
//! The tally does not know which task has ended. Where somebody must know it, the handles are children of the engine
//! (`join.rs`), and every end wakes the parent.

use crate::form::Gathering;
use crate::join::Stage;
use crate::slots::{Progress, TakenOut, without_spare};
use crate::tally::Tally;
use runtime::{JoinError, JoinHandle, trace};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::{mem, pin::Pin};

/// What both forms share: tasks, and the tally that counts them. `R` is the result of a task's future, `T` what is
/// stored of a task that has ended.
pub(crate) struct Tasks<I: Iterator, R, T, P = fn(Progress)> {
    counted: Counted<R>,
    /// The tasks before they are counted; with a limit or a report of progress its engine polls them.
    pub(crate) gathering: Gathering<I, T, P>,
    /// Whether the tally counts now.
    counts: bool,
}

impl<I: Iterator, R, T> Tasks<I, R, T> {
    pub(crate) fn new(tasks: I, tally: Arc<Tally>) -> Self {
        let gathering = Gathering::new(tally.mark, tasks);
        Tasks { counted: Counted { tally, tasks: Vec::new() }, gathering, counts: false }
    }
}

impl<I: Iterator, R, T, P> Tasks<I, R, T, P> {
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
            // The slots do not know of those that have ended since they were taken out.
            progress.completed += self.gathering.children.alive() - self.counted.tally.left();
        }
        progress
    }
}

impl<I: Iterator<Item = Task<R>>, R, T, P: FnMut(Progress)> Tasks<I, R, T, P> {
    /// One poll. `sort` is that of [`Gathering`]: `Ok` is a value to store, `Err` ends the gather at once.
    pub(crate) fn poll<B>(
        &mut self,
        cx: &mut Context<'_>,
        sort: impl Fn(Result<R, JoinError>) -> Result<T, B>,
    ) -> Poll<Result<Vec<T>, B>> {
        let _poll;
        if !self.counts && self.needs_engine() {
            let polled = self.gathering.poll_values(cx, &sort);
            // Once the last task has been started, nobody asks any more which one ends.
            if polled.is_ready() || self.gathering.on_progress.is_some() || !self.gathering.children.all_taken() {
                return polled;
            }
        } else {
            _poll = self.gathering.engine.begin_poll();
        }
        self.counted.tally.leave_parent(cx.waker());
        if !self.counts {
            self.start_count();
        }
        let ended = self.counted.tally.ended();
        self.gathering.engine.stage = Stage::Waiting;
        let results = match ready!(ended) {
            None => self.results(sort),
            Some(failed) => ready!(self.failure(failed, sort)),
        };
        self.gathering.stop();
        self.counted.tally.close();
        Poll::Ready(results)
    }

    /// Whether somebody must know which task ends.
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
        gathering.children.take_out(tasks, Task::into_handle); // Without a limit this spawns all.
        let waker = Waker::from(Arc::clone(tally));
        let cx = &mut Context::from_waker(&waker);
        let mut left = 0;
        for task in tasks {
            let child = trace!(below scope ChildPoll { gather: tally.mark, place: task._place });
            let waits = task.child.leave_waker(cx);
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
        gathering.engine.forget_parent(); // With a limit: the tally has the parent from here on.
    }

    /// All tasks have ended: takes their results.
    fn results<B>(&mut self, sort: impl Fn(Result<R, JoinError>) -> Result<T, B>) -> Result<Vec<T>, B> {
        let tasks = mem::take(&mut self.counted.tasks);
        let (mut _left, _mark) = (tasks.len(), self.counted.tally.mark);
        let results = tasks.into_iter().map(|task| {
            _left -= 1;
            let _child = trace!(below scope ChildPoll { gather: _mark, place: task._place });
            let result = task.child.into_result();
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
    /// Pending if this is polled by what that task drops: its end comes next, and wakes the parent.
    fn failure<B>(
        &mut self,
        failed: usize,
        sort: impl Fn(Result<R, JoinError>) -> Result<T, B>,
    ) -> Poll<Result<Vec<T>, B>> {
        let tasks = &mut self.counted.tasks;
        let at = tasks.iter().position(|task| task.index == failed).expect("the tally counts the task that failed");
        if !tasks[at].child.has_ended() {
            return Poll::Pending;
        }
        let task = tasks.swap_remove(at);
        let _child = trace!(below scope ChildPoll { gather: self.counted.tally.mark, place: task._place });
        let result = task.child.into_result();
        trace!(ChildPollEnd { gather: self.counted.tally.mark, place: task._place, ready: true, alive: tasks.len() });
        tasks.clear();
        Poll::Ready(sort(result).map(|_| Vec::new()))
    }
}

/// The tasks that the tally counts. Dropped before their end, they are aborted; not after one of them has failed.
struct Counted<R> {
    tally: Arc<Tally>,
    /// Empty before the count begins.
    tasks: Vec<TakenOut<CountedTask<R>>>,
}

impl<R> Drop for Counted<R> {
    fn drop(&mut self) {
        // The tasks may keep the tally for longer, and the parent must not live so long.
        self.tally.close();
        if !self.tally.has_failed() {
            self.tasks.iter().for_each(|task| task.child.abort());
        }
    }
}

/// A task that the tally counts.
enum CountedTask<R> {
    Running(JoinHandle<R>),
    /// It had ended when the count began: it was spawned while its runtime was being dropped.
    Ended(Result<R, JoinError>),
}

impl<R> CountedTask<R> {
    /// Leaves the waker in the handle. False if the task has ended already, for then nobody will use that waker.
    fn leave_waker(&mut self, cx: &mut Context<'_>) -> bool {
        let CountedTask::Running(handle) = self else { return false };
        match handle.poll_end(cx) {
            Poll::Pending => true,
            Poll::Ready(result) => {
                *self = CountedTask::Ended(result);
                false
            }
        }
    }

    fn has_ended(&self) -> bool {
        match self {
            CountedTask::Running(handle) => handle.is_finished(),
            CountedTask::Ended(_) => true,
        }
    }

    /// The result, once the task has ended.
    fn into_result(self) -> Result<R, JoinError> {
        match self {
            CountedTask::Running(handle) => {
                let polled = handle.poll_end(&mut Context::from_waker(Waker::noop()));
                let Poll::Ready(result) = polled else { unreachable!("the tally has counted its end") };
                result
            }
            CountedTask::Ended(result) => result,
        }
    }

    fn abort(&self) {
        if let CountedTask::Running(handle) = self
            && !handle.is_finished()
        {
            handle.abort();
        }
    }
}

/// A task as a child of the engine. It is aborted when this is dropped before its end.
#[derive(Debug)]
pub struct Task<R> {
    /// `None` once the tally counts it.
    handle: Option<JoinHandle<R>>,
    /// Once a task of this gather has failed, the others run on instead of being aborted.
    tally: Arc<Tally>,
}

impl<R> Task<R> {
    pub(crate) fn new(handle: JoinHandle<R>, tally: &Arc<Tally>) -> Task<R> {
        Task { handle: Some(handle), tally: Arc::clone(tally) }
    }

    fn into_handle(mut self) -> CountedTask<R> {
        CountedTask::Running(self.handle.take().expect("it is taken once"))
    }
}

impl<R> Future for Task<R> {
    type Output = Result<R, JoinError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.handle.as_ref().expect("the engine polls it before the tally counts it").poll_end(cx)
    }
}

impl<R> Drop for Task<R> {
    fn drop(&mut self) {
        if let Some(handle) = &self.handle
            && !handle.is_finished()
            && !self.tally.has_failed()
        {
            handle.abort();
        }
    }
}
