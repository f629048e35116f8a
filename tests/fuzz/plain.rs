//! The model: the plainest runtime that can be written. Every structure is a list that is searched from its beginning,
//! every rule stands where it is needed, nothing is done for speed. Read it beside the documentation of `runtime` and
//! `gather`: what these promise is what happens here.

use crate::api::{Alarm, Api, Boxed, Channel, Ends, Form, Kind, Missed, Oneshot, Semaphore, Task, Ticks};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker, ready};

/// So many polls lie between two looks around.
const POLLS_BETWEEN_CHECKS: u32 = 61;

/// Who is to be polled, in order, each at most once.
type Ready = Arc<Mutex<VecDeque<usize>>>;

/// The waker of one task.
struct Ticket(usize, Ready);

impl Wake for Ticket {
    fn wake(self: Arc<Self>) {
        let mut ready = self.1.lock().unwrap();
        if !ready.contains(&self.0) {
            ready.push_back(self.0);
        }
    }
}

/// The runtime.
#[derive(Clone)]
pub(crate) struct Plain {
    ready: Ready,
    now: Rc<Cell<u64>>,
    tasks: Rc<RefCell<Vec<Entry>>>,
    /// Deadlines, each with its number and whom to wake.
    timers: Rc<RefCell<Vec<(u64, u64, Waker)>>>,
    armings: Rc<Cell<u64>>,
    /// Jobs of the blocking pool that have ended, and what they gave. The loop has not heard of them.
    jobs: Rc<RefCell<Vec<Job>>>,
    /// How many polls were made since the loop looked around.
    polls: Rc<Cell<u32>>,
}

/// A job that has ended: what its handle sees, and what it gave.
type Job = (Rc<Outcome>, u32);

/// One task. Task 0 is main.
struct Entry {
    /// `None` for main, for a task at poll, and once it has ended.
    body: Option<Boxed<u32>>,
    aborted: bool,
    outcome: Rc<Outcome>,
}

/// Is told the result of a task.
type AtEnd = Box<dyn FnOnce(Option<u32>)>;

/// What a task's handle sees.
#[derive(Default)]
struct Outcome {
    /// The result, which stays; an abort is `None`.
    result: Cell<Option<Option<u32>>>,
    joiner: RefCell<Option<Waker>>,
    /// What a gather does at its end.
    at_end: RefCell<Option<AtEnd>>,
}

impl Outcome {
    fn end(&self, result: Option<u32>) {
        self.result.set(Some(result));
        wake(self.joiner.take());
        self.at_end.take().into_iter().for_each(|f| f(result));
    }
}

fn wake(waker: Option<Waker>) {
    waker.into_iter().for_each(Waker::wake);
}

impl Plain {
    pub(crate) fn new() -> Rc<Plain> {
        Rc::new(Plain {
            ready: Ready::default(),
            now: Rc::default(),
            tasks: Rc::default(),
            timers: Rc::default(),
            armings: Rc::default(),
            jobs: Rc::default(),
            polls: Rc::default(),
        })
    }

    fn waker(&self, task: usize) -> Waker {
        Waker::from(Arc::new(Ticket(task, Arc::clone(&self.ready))))
    }

    fn insert(&self, body: Option<Boxed<u32>>) -> (usize, Rc<Outcome>) {
        let outcome = Rc::<Outcome>::default();
        let mut tasks = self.tasks.borrow_mut();
        tasks.push(Entry { body, aborted: false, outcome: Rc::clone(&outcome) });
        self.waker(tasks.len() - 1).wake();
        (tasks.len() - 1, outcome)
    }

    fn abort(&self, task: usize) {
        self.tasks.borrow_mut()[task].aborted = true;
        self.waker(task).wake();
    }

    pub(crate) fn block_on(&self, mut main: Boxed<()>) {
        self.insert(None);
        loop {
            if self.polls.get() == POLLS_BETWEEN_CHECKS {
                self.look_around();
            }
            let next = self.ready.lock().unwrap().pop_front();
            match next {
                None => self.wait(),
                Some(0) => {
                    self.polls.set(self.polls.get() + 1);
                    if main.as_mut().poll(&mut Context::from_waker(&self.waker(0))).is_ready() {
                        return;
                    }
                }
                Some(task) => self.poll(task),
            }
        }
    }

    /// Polls a task, or drops it if it was aborted. Whoever awaits it is woken when it is gone.
    fn poll(&self, task: usize) {
        let taken = self.tasks.borrow_mut()[task].body.take();
        let Some(mut body) = taken else { return };
        self.polls.set(self.polls.get() + 1);
        let (aborted, outcome) = {
            let entry = &self.tasks.borrow()[task];
            (entry.aborted, Rc::clone(&entry.outcome))
        };
        let result = if aborted {
            None
        } else {
            match body.as_mut().poll(&mut Context::from_waker(&self.waker(task))) {
                Poll::Ready(value) => Some(value),
                Poll::Pending => return self.tasks.borrow_mut()[task].body = Some(body),
            }
        };
        drop(body);
        outcome.end(result);
    }

    /// Nobody is ready. If nothing has come meanwhile, time goes to the next deadline.
    fn wait(&self) {
        if !self.look_around() {
            let next = self.timers.borrow().iter().map(|timer| timer.0).min();
            self.now.set(next.expect("main has a timeout"));
            self.fire();
        }
    }

    /// Hears of the jobs that have ended, and fires what is due. Says whether there was anything.
    fn look_around(&self) -> bool {
        self.polls.set(0);
        let jobs = self.jobs.take();
        let heard = !jobs.is_empty();
        jobs.into_iter().for_each(|(outcome, value)| outcome.end(Some(value)));
        self.fire() || heard
    }

    /// Fires what is due, in the order of the deadlines and of the arming. Says whether there was anything.
    fn fire(&self) -> bool {
        let now = self.now.get();
        let (due, rest): (Vec<_>, Vec<_>) = self.timers.take().into_iter().partition(|timer| timer.0 <= now);
        self.timers.replace(rest);
        let fired = !due.is_empty();
        due.into_iter().for_each(|timer| timer.2.wake());
        fired
    }

    /// Drops every task that has not ended.
    pub(crate) fn clear(&self) {
        let bodies: Vec<_> = self.tasks.borrow_mut().iter_mut().filter_map(|entry| entry.body.take()).collect();
        drop(bodies);
    }

    fn timer(&self, ms: u64) -> Timer {
        Timer { plain: self.clone(), deadline: self.now.get() + ms, arming: None }
    }
}

/// A sleep.
struct Timer {
    plain: Plain,
    deadline: u64,
    arming: Option<u64>,
}

impl Timer {
    /// The next number of an arming, for a timer that has this deadline and wakes this waker.
    fn arm(&mut self, waker: Waker) {
        let arming = self.plain.armings.replace(self.plain.armings.get() + 1);
        self.arming = Some(arming);
        let mut timers = self.plain.timers.borrow_mut();
        timers.push((self.deadline, arming, waker));
        timers.sort_by_key(|timer| (timer.0, timer.1));
    }

    /// Its waker, if it is armed and has not fired. It is armed no more.
    fn disarm(&mut self) -> Option<Waker> {
        let mut timers = self.plain.timers.borrow_mut();
        let at = timers.iter().position(|timer| Some(timer.1) == self.arming)?;
        Some(timers.remove(at).2)
    }

    /// Another deadline. Whoever waits is woken then, and need not poll again before.
    fn reset(&mut self, deadline: u64) {
        let waker = self.disarm();
        (self.deadline, self.arming) = (deadline, None);
        waker.into_iter().for_each(|waker| self.arm(waker));
    }
}

impl Future for Timer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(timer) = self.plain.timers.borrow_mut().iter_mut().find(|timer| Some(timer.1) == self.arming) {
            // It keeps its place among equal deadlines.
            timer.2 = cx.waker().clone();
            return Poll::Pending;
        }
        if self.plain.now.get() >= self.deadline {
            return Poll::Ready(());
        }
        self.arm(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.disarm();
    }
}

impl Api for Plain {
    fn now(&self) -> u64 {
        self.now.get()
    }

    fn sleep(&self, ms: u64) -> Boxed<()> {
        Box::pin(self.timer(ms))
    }

    fn yield_now(&self) -> Boxed<()> {
        let mut yielded = false;
        Box::pin(poll_fn(move |cx| {
            if yielded {
                return Poll::Ready(());
            }
            yielded = true;
            cx.waker().wake_by_ref();
            Poll::Pending
        }))
    }

    /// The body is asked first, then the time.
    fn timeout(&self, ms: u64, body: Boxed<u32>) -> Boxed<Option<u32>> {
        let (mut body, mut timer) = (Some(body), self.timer(ms));
        Box::pin(poll_fn(move |cx| {
            if let Poll::Ready(value) = body.as_mut().expect("polled to the end once").as_mut().poll(cx) {
                return Poll::Ready(Some(value));
            }
            Pin::new(&mut timer).poll(cx).map(|()| {
                body = None;
                None
            })
        }))
    }

    fn spawn(&self, body: Boxed<u32>) -> Task {
        let (task, outcome) = self.insert(Some(body));
        let plain = self.clone();
        Task { join: Box::pin(Join(outcome)), abort: Box::new(move || plain.abort(task)) }
    }

    fn job(&self, value: u32) -> Boxed<u32> {
        let outcome = Rc::<Outcome>::default();
        self.jobs.borrow_mut().push((Rc::clone(&outcome), value));
        Box::pin(async move { Join(outcome).await.expect("nobody aborts it") })
    }

    fn gather(&self, form: Form, children: Vec<Boxed<u32>>) -> Boxed<Result<Vec<u32>, Vec<u32>>> {
        let ends = vec![None; children.len()];
        match form {
            Form::Gather | Form::TryGather | Form::Race | Form::FirstOk => in_place(form, InPlace::new(children), ends),
            Form::Limited => in_place(form, InPlace::with_limit(2, children), ends),
            Form::Tasks | Form::TryTasks => {
                let tally = Tally { left: ends.len(), ..Tally::default() };
                let tally = Rc::new(RefCell::new(tally));
                let children = children.into_iter().map(Some).collect();
                Box::pin(AsTasks { plain: self.clone(), form, children, tasks: Vec::new(), tally })
            }
        }
    }

    fn as_completed(&self, children: Vec<Boxed<u32>>) -> Rc<dyn Ends> {
        Rc::new(Completed(Rc::new(RefCell::new(InPlace::new(children)))))
    }

    fn streams(&self, streams: Vec<Vec<Boxed<u32>>>) -> Boxed<Vec<Vec<(usize, u32)>>> {
        let items = |children| -> Boxed<Vec<(usize, u32)>> {
            let (mut ends, mut items) = (InPlace::new(children), Vec::new());
            Box::pin(poll_fn(move |cx| {
                while let Some(item) = ready!(ends.poll_next(cx, &mut false)) {
                    items.push(item);
                }
                Poll::Ready(std::mem::take(&mut items))
            }))
        };
        let mut all = vec![Vec::new(); streams.len()];
        let mut streams = InPlace::new(streams.into_iter().map(items).collect());
        Box::pin(poll_fn(move |cx| {
            let mut drained = false;
            while let Some((n, items)) = ready!(streams.poll_next(cx, &mut drained)) {
                all[n] = items;
            }
            Poll::Ready(std::mem::take(&mut all))
        }))
    }

    fn group(&self, tasks: Vec<Boxed<u32>>, body: Boxed<u32>) -> Boxed<Result<u32, Vec<u32>>> {
        let (plain, members) = (self.clone(), Rc::<RefCell<Members>>::default());
        let (listens, running) = (Listens(Rc::clone(&members)), Running(self.clone(), Rc::clone(&members)));
        let reports = Reports::new(&members);
        let body = async move {
            let spawned: Vec<_> = tasks.into_iter().map(|task| plain.spawn_member(&members, task)).collect();
            let mut sum = judged(body.await)?;
            for receiver in spawned {
                sum += poll_fn(|cx| receiver.poll(cx)).await.unwrap_or(0);
            }
            Ok(sum)
        };
        Box::pin(group(listens, running, reports, Box::pin(body)))
    }

    fn interval(&self, ms: u64, missed: Missed) -> Rc<dyn Ticks> {
        Rc::new(Interval(Rc::new(RefCell::new(self.timer(0))), ms, missed))
    }

    fn alarm(&self, ms: u64) -> Rc<dyn Alarm> {
        Rc::new(Unbegun { plain: self.clone(), ms, timer: Rc::default() })
    }

    fn channel(&self, kind: Kind) -> Rc<dyn Channel> {
        let capacity = match kind {
            Kind::Bounded(capacity) | Kind::Local(capacity) => capacity,
            Kind::Unbounded => usize::MAX,
        };
        let state = Queue { capacity, senders: 1, ..Queue::default() };
        let state = Rc::new(RefCell::new(state));
        Rc::new(Both { sender: RefCell::new(Some(Sender(Rc::clone(&state)))), state, busy: Rc::default() })
    }

    fn oneshot(&self, _is_local: bool) -> Rc<dyn Oneshot> {
        let state = Rc::<RefCell<Value>>::default();
        let (sender, receiver) = (OneSender(Rc::clone(&state)), OneReceiver(state));
        Rc::new(One { sender: RefCell::new(Some(sender)), receiver: RefCell::new(Some(receiver)) })
    }

    fn semaphore(&self, permits: usize) -> Rc<dyn Semaphore> {
        Rc::new(Permits(Rc::new(RefCell::new((permits, VecDeque::new())))))
    }
}

/// A task's handle.
struct Join(Rc<Outcome>);

impl Future for Join {
    type Output = Option<u32>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<u32>> {
        if let Some(result) = self.0.result.get() {
            return Poll::Ready(result);
        }
        self.0.joiner.replace(Some(cx.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Join {
    fn drop(&mut self) {
        self.0.joiner.take();
    }
}

// Timers.

/// An interval: the timer of the next tick.
struct Interval(Rc<RefCell<Timer>>, u64, Missed);

impl Ticks for Interval {
    fn tick(&self) -> Boxed<u64> {
        let (timer, period, missed) = (Rc::clone(&self.0), self.1, self.2);
        Box::pin(poll_fn(move |cx| {
            let mut timer = timer.borrow_mut();
            ready!(Pin::new(&mut *timer).poll(cx));
            let (due, now) = (timer.deadline, timer.plain.now.get());
            let next = match missed {
                // Up to 5 ms late is not missed.
                _ if now <= due + 5 => due + period,
                Missed::Burst => due + period,
                Missed::Delay => now + period,
                Missed::Skip => now - (now - due) % period + period,
            };
            timer.disarm();
            (timer.deadline, timer.arming) = (next, None);
            Poll::Ready(due)
        }))
    }

    fn reset(&self) {
        let mut timer = self.0.borrow_mut();
        let now = timer.plain.now.get();
        timer.reset(now + self.1);
    }
}

/// A sleep whose time begins with the first wait, unless it is reset before.
struct Unbegun {
    plain: Plain,
    ms: u64,
    timer: Rc<RefCell<Option<Timer>>>,
}

impl Alarm for Unbegun {
    fn wait(&self) -> Boxed<()> {
        let (plain, ms, timer) = (self.plain.clone(), self.ms, Rc::clone(&self.timer));
        Box::pin(poll_fn(move |cx| Pin::new(timer.borrow_mut().get_or_insert_with(|| plain.timer(ms))).poll(cx)))
    }

    fn reset(&self, ms: u64) {
        let mut timer = self.timer.borrow_mut();
        timer.get_or_insert_with(|| self.plain.timer(0)).reset(self.plain.now.get() + ms);
    }
}

// The gathers.

/// Odd numbers are errors.
fn judged(value: u32) -> Result<u32, u32> {
    if value % 2 == 1 { Err(value) } else { Ok(value) }
}

/// Children that are polled in place.
struct InPlace<T> {
    /// `None` once it has ended.
    children: Vec<Option<Boxed<T>>>,
    /// At most so many are alive at once.
    most: usize,
    started: usize,
    /// Who is to be polled, in order.
    batch: VecDeque<usize>,
    /// Who was woken since.
    set: Arc<Set>,
}

/// Who was woken, and whom to tell: once until it has polled.
#[derive(Default)]
struct Set {
    woken: Mutex<VecDeque<usize>>,
    parent: Mutex<Option<Waker>>,
}

/// The waker of one child.
struct Child(usize, Arc<Set>);

impl Wake for Child {
    fn wake(self: Arc<Self>) {
        let mut woken = self.1.woken.lock().unwrap();
        if !woken.contains(&self.0) {
            woken.push_back(self.0);
            drop(woken);
            wake(self.1.parent.lock().unwrap().take());
        }
    }
}

impl<T> InPlace<T> {
    fn new(children: Vec<Boxed<T>>) -> InPlace<T> {
        InPlace::with_limit(usize::MAX, children)
    }

    fn with_limit(most: usize, children: Vec<Boxed<T>>) -> InPlace<T> {
        let children = children.into_iter().map(Some).collect();
        InPlace { children, most, started: 0, batch: VecDeque::new(), set: Arc::default() }
    }

    /// Polls what the poll before has left, then those that were woken since, in the order of the wakes, then those that
    /// were never polled. Stops at the first that ends, and gives its number and its value. `drained` says whether this
    /// poll has asked who was woken: it asks once, and who is woken after that waits for the next poll.
    fn poll_next(&mut self, cx: &mut Context<'_>, drained: &mut bool) -> Poll<Option<(usize, T)>> {
        loop {
            let alive = self.children[..self.started].iter().flatten().count();
            let n = match self.batch.pop_front() {
                Some(n) => n,
                None if !*drained => {
                    *drained = true;
                    *self.set.parent.lock().unwrap() = Some(cx.waker().clone());
                    self.batch = std::mem::take(&mut *self.set.woken.lock().unwrap());
                    continue;
                }
                None if self.started < self.children.len() && alive < self.most => {
                    self.started += 1;
                    self.started - 1
                }
                None if alive == 0 => return Poll::Ready(None),
                None => return Poll::Pending,
            };
            let Some(child) = &mut self.children[n] else { continue };
            let waker = Waker::from(Arc::new(Child(n, Arc::clone(&self.set))));
            if let Poll::Ready(value) = child.as_mut().poll(&mut Context::from_waker(&waker)) {
                self.children[n] = None;
                return Poll::Ready(Some((n, value)));
            }
        }
    }

    /// Drops the children that are left. They wake nobody.
    fn stop(&mut self) {
        self.set.parent.lock().unwrap().take();
        self.children.clear();
    }
}

impl<T> Drop for InPlace<T> {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The forms that give all values, or end before.
fn in_place(form: Form, mut children: InPlace<u32>, mut ends: Vec<Option<u32>>) -> Boxed<Result<Vec<u32>, Vec<u32>>> {
    Box::pin(poll_fn(move |cx| {
        let mut drained = false;
        let result = loop {
            let Some((n, value)) = ready!(children.poll_next(cx, &mut drained)) else {
                let ends = ends.iter().flatten().copied().collect();
                break if form == Form::FirstOk { Err(ends) } else { Ok(ends) };
            };
            ends[n] = Some(value);
            match (form, judged(value)) {
                (Form::TryGather, Err(value)) => break Err(vec![value]),
                (Form::FirstOk, Ok(value)) => break Ok(vec![value]),
                (Form::Race, _) => break Ok(vec![n as u32, value]),
                _ => {}
            }
        };
        children.stop();
        Poll::Ready(result)
    }))
}

/// The ends of children, one after the other.
struct Completed(Rc<RefCell<InPlace<u32>>>);

impl Ends for Completed {
    fn next(&self) -> Boxed<Option<(usize, u32)>> {
        let ends = Rc::clone(&self.0);
        Box::pin(poll_fn(move |cx| ends.borrow_mut().poll_next(cx, &mut false)))
    }
}

/// Children that run as tasks. The parent is woken by the last end, or by the first error.
struct AsTasks {
    plain: Plain,
    form: Form,
    /// Before they are spawned.
    children: Vec<Option<Boxed<u32>>>,
    tasks: Vec<(usize, Rc<Outcome>)>,
    tally: Rc<RefCell<Tally>>,
}

#[derive(Default)]
struct Tally {
    /// How many have not ended.
    left: usize,
    /// The first that failed.
    error: Option<u32>,
    parent: Option<Waker>,
}

impl AsTasks {
    fn start(&mut self) {
        for child in std::mem::take(&mut self.children) {
            let (task, outcome) = self.plain.insert(child);
            let (tally, may_fail) = (Rc::clone(&self.tally), self.form == Form::TryTasks);
            outcome.at_end.replace(Some(Box::new(move |result| {
                let mut tally = tally.borrow_mut();
                tally.left -= 1;
                let failed = result.filter(|value| may_fail && value % 2 == 1);
                tally.error = tally.error.or(failed);
                if tally.left == 0 || failed.is_some() {
                    wake(tally.parent.clone());
                }
            })));
            self.tasks.push((task, outcome));
        }
    }
}

impl Future for AsTasks {
    type Output = Result<Vec<u32>, Vec<u32>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Vec<u32>, Vec<u32>>> {
        self.tally.borrow_mut().parent = Some(cx.waker().clone());
        self.start();
        let tally = self.tally.borrow();
        match tally.error {
            Some(error) => Poll::Ready(Err(vec![error])),
            None if tally.left > 0 => Poll::Pending,
            None => {
                let ends = self.tasks.iter().map(|task| task.1.result.get().flatten().expect("nobody aborts it"));
                Poll::Ready(Ok(ends.collect()))
            }
        }
    }
}

impl Drop for AsTasks {
    fn drop(&mut self) {
        for (task, outcome) in &self.tasks {
            outcome.at_end.take();
            // After an error the others run on.
            if self.tally.borrow().error.is_none() && outcome.result.get().is_none() {
                self.plain.abort(*task);
            }
        }
    }
}

/// What a group and the watchers of its tasks share. Each task has a watcher, a task of its own.
#[derive(Default)]
struct Members {
    /// The tasks that run, in the order of their spawns.
    running: Vec<usize>,
    /// How many may still send an error: each watcher, and the group itself while its body runs.
    senders: usize,
    /// What has failed, and the group has not heard of.
    errors: VecDeque<u32>,
    /// The group.
    parent: Option<Waker>,
}

impl Members {
    /// The next error; none when nobody is left who may send one.
    fn poll_error(&mut self, cx: &mut Context<'_>) -> Poll<Option<u32>> {
        if let Some(error) = self.errors.pop_front() {
            return Poll::Ready(Some(error));
        }
        if self.senders == 0 {
            return Poll::Ready(None);
        }
        self.parent = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// One that may send errors to a group.
struct Reports(Rc<RefCell<Members>>);

impl Reports {
    fn new(members: &Rc<RefCell<Members>>) -> Reports {
        members.borrow_mut().senders += 1;
        Reports(Rc::clone(members))
    }

    fn send(&self, error: u32) {
        let mut members = self.0.borrow_mut();
        members.errors.push_back(error);
        wake(members.parent.take());
    }
}

impl Drop for Reports {
    fn drop(&mut self) {
        let mut members = self.0.borrow_mut();
        members.senders -= 1;
        if members.senders == 0 {
            wake(members.parent.take());
        }
    }
}

/// Aborts the tasks of a group when it is dropped.
struct Running(Plain, Rc<RefCell<Members>>);

impl Drop for Running {
    fn drop(&mut self) {
        let running = std::mem::take(&mut self.1.borrow_mut().running);
        running.into_iter().for_each(|task| self.0.abort(task));
    }
}

/// Wakes the group no more when it is dropped.
struct Listens(Rc<RefCell<Members>>);

impl Drop for Listens {
    fn drop(&mut self) {
        self.0.borrow_mut().parent = None;
    }
}

impl Plain {
    /// Spawns a task of a group, and its watcher, which sends the value to the receiver and an error to the group.
    fn spawn_member(&self, members: &Rc<RefCell<Members>>, body: Boxed<u32>) -> OneReceiver {
        let value = Rc::<RefCell<Value>>::default();
        let (sender, receiver) = (OneSender(Rc::clone(&value)), OneReceiver(value));
        let (task, outcome) = self.insert(Some(body));
        members.borrow_mut().running.push(task);
        let reports = Reports::new(members);
        self.insert(Some(Box::pin(async move {
            let end = Join(outcome).await;
            reports.0.borrow_mut().running.retain(|&running| running != task);
            match end.map(judged) {
                Some(Ok(value)) => _ = sender.end(Some(value)),
                Some(Err(error)) => reports.send(error),
                None => {}
            }
            0
        })));
        receiver
    }
}

/// Runs the body until it ends or a task fails. An error aborts all tasks. In any case the last of them is awaited. When a
/// group is dropped, what it was given goes from the right to the left.
async fn group(
    listens: Listens,
    running: Running,
    reports: Reports,
    mut body: Boxed<Result<u32, u32>>,
) -> Result<u32, Vec<u32>> {
    let members = &listens.0;
    let next_error = || poll_fn(|cx| members.borrow_mut().poll_error(cx));
    let first = poll_fn(|cx| {
        let polled = members.borrow_mut().poll_error(cx);
        match polled {
            Poll::Ready(Some(error)) => Poll::Ready(Err(error)),
            _ => body.as_mut().poll(cx),
        }
    });
    let first = first.await;
    drop((body, reports));
    let mut errors: Vec<u32> = first.err().into_iter().collect();
    if errors.is_empty() {
        errors.extend(next_error().await);
    }
    drop(running);
    while let Some(error) = next_error().await {
        errors.push(error);
    }
    first.ok().filter(|_| errors.is_empty()).ok_or(errors)
}

// Channels.

/// What a channel is.
#[derive(Default)]
struct Queue {
    values: VecDeque<u32>,
    capacity: usize,
    senders: usize,
    closed: bool,
    receiver: Option<Waker>,
    /// Who waits for a place, first come, first served.
    line: VecDeque<Rc<Waiter>>,
    /// Places that were granted and not yet used.
    granted: usize,
    /// Who waits for the end.
    watchers: VecDeque<Rc<Waiter>>,
}

/// Somebody in a line.
#[derive(Default)]
struct Waiter {
    waker: RefCell<Option<Waker>>,
    /// It stands in the line no more: it has been called.
    called: Cell<bool>,
}

impl Waiter {
    fn call(&self) {
        self.called.set(true);
        wake(self.waker.take());
    }
}

/// Calls the first in line.
fn call_first(line: &mut VecDeque<Rc<Waiter>>) -> bool {
    line.pop_front().inspect(|first| first.call()).is_some()
}

fn leave(line: &mut VecDeque<Rc<Waiter>>, waiter: &Rc<Waiter>) {
    line.retain(|it| !Rc::ptr_eq(it, waiter));
}

impl Queue {
    fn has_room(&self) -> bool {
        self.line.is_empty() && self.values.len() + self.granted < self.capacity
    }

    fn put(&mut self, value: u32) {
        self.values.push_back(value);
        wake(self.receiver.take());
    }

    fn grant(&mut self) {
        if !self.closed && call_first(&mut self.line) {
            self.granted += 1;
        }
    }

    fn take(&mut self) -> Poll<Result<u32, &'static str>> {
        match self.values.pop_front() {
            Some(value) => {
                self.grant();
                Poll::Ready(Ok(value))
            }
            None if self.closed || self.senders == 0 => Poll::Ready(Err("end")),
            None => Poll::Pending,
        }
    }
}

/// One owner of the sending end.
struct Sender(Rc<RefCell<Queue>>);

impl Clone for Sender {
    fn clone(&self) -> Sender {
        self.0.borrow_mut().senders += 1;
        Sender(Rc::clone(&self.0))
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        let mut queue = self.0.borrow_mut();
        queue.senders -= 1;
        if queue.senders == 0 {
            wake(queue.receiver.take());
        }
    }
}

/// A send under way.
struct Sending {
    sender: Sender,
    value: u32,
    waiter: Option<Rc<Waiter>>,
}

impl Future for Sending {
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool> {
        let this = &mut *self;
        let queue = &mut *this.sender.0.borrow_mut();
        if queue.closed {
            return Poll::Ready(false);
        }
        let granted = this.waiter.take_if(|waiter| waiter.called.get()).is_some();
        if granted || (this.waiter.is_none() && queue.has_room()) {
            queue.granted -= usize::from(granted);
            queue.put(this.value);
            return Poll::Ready(true);
        }
        let waiter = this.waiter.get_or_insert_with(|| {
            queue.line.push_back(Rc::default());
            Rc::clone(queue.line.back().expect("just pushed"))
        });
        waiter.waker.replace(Some(cx.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        let queue = &mut *self.sender.0.borrow_mut();
        let Some(waiter) = &self.waiter else { return };
        leave(&mut queue.line, waiter);
        if waiter.called.get() && !queue.closed {
            queue.granted -= 1;
            queue.grant();
        }
    }
}

/// Somebody who waits for the end.
struct Watching {
    sender: Sender,
    waiter: Option<Rc<Waiter>>,
}

impl Future for Watching {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let queue = &mut *this.sender.0.borrow_mut();
        if queue.closed {
            return Poll::Ready(());
        }
        let waiter = this.waiter.get_or_insert_with(|| {
            queue.watchers.push_back(Rc::default());
            Rc::clone(queue.watchers.back().expect("just pushed"))
        });
        waiter.waker.replace(Some(cx.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.waiter.iter().for_each(|waiter| leave(&mut self.sender.0.borrow_mut().watchers, waiter));
    }
}

/// Both ends.
struct Both {
    sender: RefCell<Option<Sender>>,
    state: Rc<RefCell<Queue>>,
    /// Somebody is receiving.
    busy: Rc<Cell<bool>>,
}

/// The receiver while somebody receives.
struct Busy(Rc<Cell<bool>>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl Channel for Both {
    fn send(&self, value: u32) -> Boxed<bool> {
        match self.sender.borrow().clone() {
            Some(sender) => Box::pin(Sending { sender, value, waiter: None }),
            None => Box::pin(async { false }),
        }
    }

    fn try_send(&self, value: u32) -> &'static str {
        let mut queue = self.state.borrow_mut();
        match () {
            () if self.sender.borrow().is_none() => "no sender",
            () if queue.closed => "closed",
            () if !queue.has_room() => "full",
            () => {
                queue.put(value);
                "sent"
            }
        }
    }

    fn recv(&self) -> Boxed<Result<u32, &'static str>> {
        let (state, busy) = (Rc::clone(&self.state), Rc::clone(&self.busy));
        Box::pin(async move {
            if busy.replace(true) {
                return Err("busy");
            }
            let _busy = Busy(busy);
            poll_fn(|cx| {
                let polled = state.borrow_mut().take();
                if polled.is_pending() {
                    state.borrow_mut().receiver = Some(cx.waker().clone());
                }
                polled
            })
            .await
        })
    }

    fn try_recv(&self) -> Result<u32, &'static str> {
        if self.busy.get() {
            return Err("busy");
        }
        match self.state.borrow_mut().take() {
            Poll::Ready(result) => result,
            Poll::Pending => Err("empty"),
        }
    }

    fn close(&self) {
        if self.busy.get() {
            return;
        }
        let mut queue = self.state.borrow_mut();
        queue.closed = true;
        queue.receiver = None;
        while call_first(&mut queue.line) {}
        while call_first(&mut queue.watchers) {}
    }

    fn closed(&self) -> Boxed<()> {
        match self.sender.borrow().clone() {
            Some(sender) => Box::pin(Watching { sender, waiter: None }),
            None => Box::pin(async {}),
        }
    }

    fn drop_sender(&self) {
        drop(self.sender.take());
    }

    fn len(&self) -> usize {
        if self.busy.get() { 0 } else { self.state.borrow().values.len() }
    }
}

/// A channel for one value.
#[derive(Default)]
struct Value {
    value: Option<u32>,
    ended: bool,
    receiver: Option<Waker>,
    sender: Option<Waker>,
}

struct OneSender(Rc<RefCell<Value>>);

impl OneSender {
    /// Whether somebody will get it.
    fn end(&self, value: Option<u32>) -> bool {
        let mut state = self.0.borrow_mut();
        if state.ended {
            return false;
        }
        (state.value, state.ended) = (value, true);
        wake(state.receiver.take());
        true
    }
}

impl Drop for OneSender {
    fn drop(&mut self) {
        self.0.borrow_mut().sender = None;
        self.end(None);
    }
}

struct OneReceiver(Rc<RefCell<Value>>);

impl OneReceiver {
    fn poll(&self, cx: &mut Context<'_>) -> Poll<Result<u32, &'static str>> {
        let mut state = self.0.borrow_mut();
        if state.ended {
            return Poll::Ready(state.value.ok_or("end"));
        }
        state.receiver = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for OneReceiver {
    fn drop(&mut self) {
        let mut state = self.0.borrow_mut();
        state.ended = true;
        wake(state.sender.take());
    }
}

struct One {
    sender: RefCell<Option<OneSender>>,
    receiver: RefCell<Option<OneReceiver>>,
}

impl Oneshot for One {
    fn send(&self, value: u32) -> &'static str {
        match self.sender.take().map(|sender| sender.end(Some(value))) {
            None => "no sender",
            Some(true) => "sent",
            Some(false) => "closed",
        }
    }

    fn recv(&self) -> Boxed<Result<u32, &'static str>> {
        let receiver = self.receiver.take();
        Box::pin(poll_fn(move |cx| receiver.as_ref().map_or(Poll::Ready(Err("busy")), |receiver| receiver.poll(cx))))
    }

    fn closed(&self) -> Boxed<()> {
        let sender = self.sender.take();
        Box::pin(poll_fn(move |cx| {
            let Some(sender) = &sender else { return Poll::Ready(()) };
            let mut state = sender.0.borrow_mut();
            if state.ended {
                return Poll::Ready(());
            }
            state.sender = Some(cx.waker().clone());
            Poll::Pending
        }))
    }
}

// The semaphore.

/// Free permits, and the line.
type Count = Rc<RefCell<(usize, VecDeque<Rc<Waiter>>)>>;

/// Hands a permit to the first in line, or keeps it.
fn release(count: &Count) {
    let mut count = count.borrow_mut();
    if !call_first(&mut count.1) {
        count.0 += 1;
    }
}

fn take(count: &Count) -> bool {
    let mut count = count.borrow_mut();
    let free = count.0 > 0;
    count.0 -= usize::from(free);
    free
}

struct Permit(Count);

impl Drop for Permit {
    fn drop(&mut self) {
        release(&self.0);
    }
}

struct Acquiring {
    count: Count,
    waiter: Option<Rc<Waiter>>,
}

impl Future for Acquiring {
    type Output = Box<dyn Any>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Box<dyn Any>> {
        let granted = self.waiter.take_if(|waiter| waiter.called.get()).is_some();
        if granted || (self.waiter.is_none() && take(&self.count)) {
            return Poll::Ready(Box::new(Permit(Rc::clone(&self.count))));
        }
        let count = Rc::clone(&self.count);
        let waiter = self.waiter.get_or_insert_with(|| {
            let waiter = Rc::<Waiter>::default();
            count.borrow_mut().1.push_back(Rc::clone(&waiter));
            waiter
        });
        waiter.waker.replace(Some(cx.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Acquiring {
    fn drop(&mut self) {
        let Some(waiter) = &self.waiter else { return };
        leave(&mut self.count.borrow_mut().1, waiter);
        if waiter.called.get() {
            release(&self.count);
        }
    }
}

struct Permits(Count);

impl Semaphore for Permits {
    fn acquire(&self) -> Boxed<Box<dyn Any>> {
        Box::pin(Acquiring { count: Rc::clone(&self.0), waiter: None })
    }

    fn acquire_owned(&self) -> Boxed<Box<dyn Any>> {
        self.acquire()
    }

    fn try_acquire(&self) -> Option<Box<dyn Any>> {
        take(&self.0).then(|| Box::new(Permit(Rc::clone(&self.0))) as Box<dyn Any>)
    }

    fn add(&self, permits: usize) {
        (0..permits).for_each(|_| release(&self.0));
    }

    fn available(&self) -> usize {
        self.0.borrow().0
    }
}
