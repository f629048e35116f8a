//! The model: the plainest runtime that can be written. Every structure is a list that is searched from its beginning,
//! every rule stands where it is needed, nothing is done for speed. Read it beside the documentation of `runtime` and
//! `gather`: what these promise is what happens here.

use crate::api::{Api, Boxed, Channel, Form, Oneshot, Semaphore, Task};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

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
}

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
            let next = self.ready.lock().unwrap().pop_front();
            match next {
                None => self.jump(),
                Some(0) if main.as_mut().poll(&mut Context::from_waker(&self.waker(0))).is_ready() => return,
                Some(0) => {}
                Some(task) => self.poll(task),
            }
        }
    }

    /// Polls a task, or drops it if it was aborted. Whoever awaits it is woken when it is gone.
    fn poll(&self, task: usize) {
        let taken = self.tasks.borrow_mut()[task].body.take();
        let Some(mut body) = taken else { return };
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

    /// Nobody is ready: time goes to the next deadline, and what is due then fires, in the order of the deadlines and of
    /// the arming.
    fn jump(&self) {
        let mut timers = self.timers.borrow_mut();
        let next = timers.iter().map(|timer| timer.0).min().expect("main has a timeout");
        self.now.set(next);
        let (due, rest) = timers.drain(..).partition(|timer| timer.0 <= next);
        *timers = rest;
        drop(timers);
        let due: Vec<(u64, u64, Waker)> = due;
        due.into_iter().for_each(|timer| timer.2.wake());
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

impl Future for Timer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.plain.now.get() >= self.deadline {
            return Poll::Ready(());
        }
        // Whoever polls again keeps its place among equal deadlines.
        let arming = self.arming.unwrap_or_else(|| self.plain.armings.replace(self.plain.armings.get() + 1));
        self.arming = Some(arming);
        let mut timers = self.plain.timers.borrow_mut();
        timers.retain(|timer| timer.1 != arming);
        timers.push((self.deadline, arming, cx.waker().clone()));
        timers.sort_by_key(|timer| (timer.0, timer.1));
        Poll::Pending
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.plain.timers.borrow_mut().retain(|timer| Some(timer.1) != self.arming);
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

    fn gather(&self, form: Form, children: Vec<Boxed<u32>>) -> Boxed<Result<Vec<u32>, u32>> {
        let ends = vec![None; children.len()];
        let children = children.into_iter().map(Some).collect();
        match form {
            Form::Gather | Form::Limited | Form::TryGather => {
                Box::pin(InPlace { form, children, started: 0, ends, set: Arc::default() })
            }
            Form::Tasks | Form::TryTasks => {
                let tally = Tally { left: ends.len(), ..Tally::default() };
                let tally = Rc::new(RefCell::new(tally));
                Box::pin(AsTasks { plain: self.clone(), form, children, tasks: Vec::new(), tally })
            }
        }
    }

    fn channel(&self, capacity: usize) -> Rc<dyn Channel> {
        let state = Queue { capacity, senders: 1, ..Queue::default() };
        let state = Rc::new(RefCell::new(state));
        Rc::new(Ends { sender: RefCell::new(Some(Sender(Rc::clone(&state)))), state, busy: Rc::default() })
    }

    fn oneshot(&self) -> Rc<dyn Oneshot> {
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

// The gathers.

/// Children that are polled in place: those that were woken since, in the order of the wakes.
struct InPlace {
    form: Form,
    /// `None` once it has ended.
    children: Vec<Option<Boxed<u32>>>,
    started: usize,
    ends: Vec<Option<u32>>,
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

impl InPlace {
    /// Polls a child. An error ends everything.
    fn poll_child(&mut self, n: usize) -> Option<u32> {
        let child = self.children[n].as_mut()?;
        let waker = Waker::from(Arc::new(Child(n, Arc::clone(&self.set))));
        let Poll::Ready(value) = child.as_mut().poll(&mut Context::from_waker(&waker)) else { return None };
        self.children[n] = None;
        self.ends[n] = Some(value);
        (self.form == Form::TryGather && value % 2 == 1).then_some(value)
    }

    fn may_start(&self) -> bool {
        let alive = self.ends[..self.started].iter().filter(|end| end.is_none()).count();
        self.started < self.children.len() && (self.form != Form::Limited || alive < 2)
    }
}

impl Future for InPlace {
    type Output = Result<Vec<u32>, u32>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Vec<u32>, u32>> {
        *self.set.parent.lock().unwrap() = Some(cx.waker().clone());
        let woken = std::mem::take(&mut *self.set.woken.lock().unwrap());
        for n in woken {
            if let Some(error) = self.poll_child(n) {
                self.children.clear();
                return Poll::Ready(Err(error));
            }
        }
        while self.may_start() {
            self.started += 1;
            let n = self.started - 1;
            if let Some(error) = self.poll_child(n) {
                self.children.clear();
                return Poll::Ready(Err(error));
            }
        }
        let ends: Option<Vec<u32>> = self.ends.iter().copied().collect();
        ends.map_or(Poll::Pending, |ends| Poll::Ready(Ok(ends)))
    }
}

impl Drop for InPlace {
    /// Wakers that are left wake nobody.
    fn drop(&mut self) {
        self.set.parent.lock().unwrap().take();
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
    type Output = Result<Vec<u32>, u32>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Vec<u32>, u32>> {
        self.tally.borrow_mut().parent = Some(cx.waker().clone());
        self.start();
        let tally = self.tally.borrow();
        match tally.error {
            Some(error) => Poll::Ready(Err(error)),
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
struct Ends {
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

impl Channel for Ends {
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
        Box::pin(poll_fn(move |cx| {
            let Some(receiver) = &receiver else { return Poll::Ready(Err("busy")) };
            let mut state = receiver.0.borrow_mut();
            if state.ended {
                return Poll::Ready(state.value.ok_or("end"));
            }
            state.receiver = Some(cx.waker().clone());
            Poll::Pending
        }))
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
