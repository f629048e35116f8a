//! The runtime and gather behind the interface of the fuzz.

use crate::api::{Alarm, Api, Boxed, Channel, Ends, Form, Kind, Missed, Oneshot, Semaphore, Task, Ticks};
use futures::Stream;
use gather::{AsCompleted, TaskError};
use runtime::sync::{self, Anywhere, Reach, mpsc, oneshot};
use runtime::time::MissedTickBehavior;
use runtime::{task, time};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// The runtime's names. Its blocking pool has one thread.
#[derive(Default)]
pub(crate) struct Ours {
    start: Rc<Cell<Option<Instant>>>,
}

impl Ours {
    /// Time counts from here.
    pub(crate) fn begin(&self) {
        self.start.set(Some(time::now()));
    }
}

/// So long after the beginning.
fn since(start: &Cell<Option<Instant>>, instant: Instant) -> u64 {
    (instant - start.get().expect("it has begun")).as_millis() as u64
}

/// Odd numbers are errors.
async fn judged(child: Boxed<u32>) -> Result<u32, u32> {
    let value = child.await;
    if value % 2 == 1 { Err(value) } else { Ok(value) }
}

/// The number of what has failed.
fn failed(error: TaskError<u32>) -> u32 {
    match error {
        TaskError::Failed(value) => value,
        other => panic!("nobody aborts it: {other:?}"),
    }
}

impl Api for Ours {
    fn now(&self) -> u64 {
        since(&self.start, time::now())
    }

    fn sleep(&self, ms: u64) -> Boxed<()> {
        Box::pin(time::sleep(Duration::from_millis(ms)))
    }

    fn yield_now(&self) -> Boxed<()> {
        Box::pin(task::yield_now())
    }

    fn timeout(&self, ms: u64, body: Boxed<u32>) -> Boxed<Option<u32>> {
        let timeout = time::timeout(Duration::from_millis(ms), body);
        Box::pin(async move { timeout.await.ok() })
    }

    fn spawn(&self, body: Boxed<u32>) -> Task {
        let handle = runtime::spawn(body);
        let abort = handle.abort_handle();
        let join = Box::pin(async move {
            handle.await.map_err(|error| assert!(error.is_cancelled(), "no body panics: {error}")).ok()
        });
        Task { join, abort: Box::new(move || abort.abort()) }
    }

    fn job(&self, value: u32) -> Boxed<u32> {
        let job = task::spawn_blocking(move || value);
        // When the pool's only thread begins with the next job, it has sent the loop a message of the end of this one. So
        // every run finds the message at the same place.
        let (next, begun) = std::sync::mpsc::channel::<()>();
        drop(task::spawn_blocking(|| drop(next)));
        _ = begun.recv();
        Box::pin(async move { job.await.expect("nobody aborts it") })
    }

    fn gather(&self, form: Form, children: Vec<Boxed<u32>>) -> Boxed<Result<Vec<u32>, Vec<u32>>> {
        match form {
            Form::Gather => Box::pin(async move { Ok(gather::gather(children).await) }),
            Form::Limited => Box::pin(async move { Ok(gather::gather(children).limit(2).await) }),
            Form::TryGather => Box::pin(async move {
                let all = gather::try_gather(children.into_iter().map(judged)).await;
                all.map_err(|error| vec![error])
            }),
            Form::Race => Box::pin(async move {
                let first = gather::race(children).await;
                Ok(first.map_or_else(Vec::new, |(n, value)| vec![n as u32, value]))
            }),
            Form::FirstOk => Box::pin(async move {
                let first = gather::first_ok(children.into_iter().map(judged)).await;
                first.map(|value| vec![value])
            }),
            Form::Tasks => Box::pin(async move {
                let ends = gather::gather_tasks(children).await;
                Ok(ends.into_iter().map(|end| end.expect("nobody aborts it")).collect())
            }),
            Form::TryTasks => Box::pin(async move {
                let ends = gather::try_gather_tasks(children.into_iter().map(judged)).await;
                ends.map_err(|error| vec![failed(error)])
            }),
        }
    }

    fn as_completed(&self, children: Vec<Boxed<u32>>) -> Rc<dyn Ends> {
        Rc::new(Completed(Rc::new(RefCell::new(gather::as_completed(children)))))
    }

    fn streams(&self, streams: Vec<Vec<Boxed<u32>>>) -> Boxed<Vec<Vec<(usize, u32)>>> {
        Box::pin(gather::gather_streams(streams.into_iter().map(gather::as_completed)))
    }

    fn group(&self, tasks: Vec<Boxed<u32>>, body: Boxed<u32>) -> Boxed<Result<u32, Vec<u32>>> {
        Box::pin(async move {
            let sum = gather::task_group(async |group| {
                let tasks: Vec<_> = tasks.into_iter().map(|task| group.spawn(judged(task))).collect();
                let mut sum = judged(body).await?;
                for task in tasks {
                    sum += task.await.unwrap_or(0);
                }
                Ok(sum)
            });
            sum.await.map_err(|errors| errors.into_iter().map(failed).collect())
        })
    }

    fn interval(&self, ms: u64, missed: Missed) -> Rc<dyn Ticks> {
        let mut interval = time::interval(Duration::from_millis(ms));
        interval.set_missed_tick_behavior(match missed {
            Missed::Burst => MissedTickBehavior::Burst,
            Missed::Delay => MissedTickBehavior::Delay,
            Missed::Skip => MissedTickBehavior::Skip,
        });
        Rc::new(Interval { interval: Rc::new(RefCell::new(interval)), start: Rc::clone(&self.start) })
    }

    fn alarm(&self, ms: u64) -> Rc<dyn Alarm> {
        Rc::new(Sleep(Rc::new(RefCell::new(Box::pin(time::sleep(Duration::from_millis(ms)))))))
    }

    fn channel(&self, kind: Kind) -> Rc<dyn Channel> {
        fn both<R: Reach>(sender: Sender<R>, receiver: mpsc::Receiver<u32, R>) -> Rc<dyn Channel> {
            let receiver = Rc::new(RefCell::new(Some(receiver)));
            Rc::new(Both { sender: RefCell::new(Some(sender)), receiver })
        }
        match kind {
            Kind::Bounded(capacity) => {
                let (sender, receiver) = mpsc::channel(capacity);
                both(Sender::Bounded(sender), receiver)
            }
            Kind::Local(capacity) => {
                let (sender, receiver) = mpsc::local(capacity);
                both(Sender::Bounded(sender), receiver)
            }
            Kind::Unbounded => {
                let (sender, receiver) = mpsc::unbounded();
                both::<Anywhere>(Sender::Unbounded(sender), receiver)
            }
        }
    }

    fn oneshot(&self, is_local: bool) -> Rc<dyn Oneshot> {
        fn both<R: Reach>(ends: (oneshot::Sender<u32, R>, oneshot::Receiver<u32, R>)) -> Rc<dyn Oneshot> {
            Rc::new(One { sender: RefCell::new(Some(ends.0)), receiver: RefCell::new(Some(ends.1)) })
        }
        if is_local { both(oneshot::local()) } else { both(oneshot::channel()) }
    }

    fn semaphore(&self, permits: usize) -> Rc<dyn Semaphore> {
        Rc::new(Permits(Rc::new(sync::Semaphore::new(permits))))
    }
}

/// The ends of children.
struct Completed(Rc<RefCell<AsCompleted<std::vec::IntoIter<Boxed<u32>>>>>);

impl Ends for Completed {
    fn next(&self) -> Boxed<Option<(usize, u32)>> {
        let ends = Rc::clone(&self.0);
        Box::pin(poll_fn(move |cx| Pin::new(&mut *ends.borrow_mut()).poll_next(cx)))
    }
}

/// An interval.
struct Interval {
    interval: Rc<RefCell<time::Interval>>,
    start: Rc<Cell<Option<Instant>>>,
}

impl Ticks for Interval {
    fn tick(&self) -> Boxed<u64> {
        let (interval, start) = (Rc::clone(&self.interval), Rc::clone(&self.start));
        Box::pin(async move { since(&start, poll_fn(|cx| interval.borrow_mut().poll_tick(cx)).await) })
    }

    fn reset(&self) {
        self.interval.borrow_mut().reset();
    }
}

/// A sleep.
struct Sleep(Rc<RefCell<Pin<Box<time::Sleep>>>>);

impl Alarm for Sleep {
    fn wait(&self) -> Boxed<()> {
        let sleep = Rc::clone(&self.0);
        Box::pin(poll_fn(move |cx| sleep.borrow_mut().as_mut().poll(cx)))
    }

    fn reset(&self, ms: u64) {
        self.0.borrow_mut().as_mut().reset(time::now() + Duration::from_millis(ms));
    }
}

/// A channel.
struct Both<R: Reach> {
    sender: RefCell<Option<Sender<R>>>,
    receiver: Rc<RefCell<Option<mpsc::Receiver<u32, R>>>>,
}

/// The sending end of a channel.
enum Sender<R: Reach> {
    Bounded(mpsc::Sender<u32, R>),
    Unbounded(mpsc::UnboundedSender<u32>),
}

impl<R: Reach> Sender<R> {
    async fn send(&self, value: u32) -> bool {
        match self {
            Sender::Bounded(sender) => sender.send(value).await.is_ok(),
            Sender::Unbounded(sender) => sender.send(value).is_ok(),
        }
    }

    fn try_send(&self, value: u32) -> &'static str {
        match self {
            Sender::Bounded(sender) => match sender.try_send(value) {
                Ok(()) => "sent",
                Err(mpsc::TrySendError::Full(_)) => "full",
                Err(mpsc::TrySendError::Closed(_)) => "closed",
            },
            Sender::Unbounded(sender) if sender.send(value).is_ok() => "sent",
            Sender::Unbounded(_) => "closed",
        }
    }

    async fn closed(&self) {
        match self {
            Sender::Bounded(sender) => sender.closed().await,
            Sender::Unbounded(sender) => sender.closed().await,
        }
    }
}

impl<R: Reach> Clone for Sender<R> {
    fn clone(&self) -> Sender<R> {
        match self {
            Sender::Bounded(sender) => Sender::Bounded(sender.clone()),
            Sender::Unbounded(sender) => Sender::Unbounded(sender.clone()),
        }
    }
}

/// The receiver while somebody receives: it comes back in any case.
struct Borrowed<R: Reach> {
    receiver: Option<mpsc::Receiver<u32, R>>,
    home: Rc<RefCell<Option<mpsc::Receiver<u32, R>>>>,
}

impl<R: Reach> Drop for Borrowed<R> {
    fn drop(&mut self) {
        self.home.replace(self.receiver.take());
    }
}

impl<R: Reach> Channel for Both<R> {
    fn send(&self, value: u32) -> Boxed<bool> {
        let sender = self.sender.borrow().clone();
        Box::pin(async move {
            match sender {
                Some(sender) => sender.send(value).await,
                None => false,
            }
        })
    }

    fn try_send(&self, value: u32) -> &'static str {
        self.sender.borrow().as_ref().map_or("no sender", |sender| sender.try_send(value))
    }

    fn recv(&self) -> Boxed<Result<u32, &'static str>> {
        let home = Rc::clone(&self.receiver);
        Box::pin(async move {
            let Some(receiver) = home.take() else { return Err("busy") };
            let mut borrowed = Borrowed { receiver: Some(receiver), home };
            borrowed.receiver.as_mut().expect("it is here").recv().await.ok_or("end")
        })
    }

    fn try_recv(&self) -> Result<u32, &'static str> {
        match self.receiver.borrow_mut().as_mut().map(mpsc::Receiver::try_recv) {
            None => Err("busy"),
            Some(Ok(value)) => Ok(value),
            Some(Err(mpsc::TryRecvError::Empty)) => Err("empty"),
            Some(Err(mpsc::TryRecvError::Disconnected)) => Err("end"),
        }
    }

    fn close(&self) {
        self.receiver.borrow_mut().iter_mut().for_each(mpsc::Receiver::close);
    }

    fn closed(&self) -> Boxed<()> {
        let sender = self.sender.borrow().clone();
        Box::pin(async move {
            if let Some(sender) = sender {
                sender.closed().await;
            }
        })
    }

    fn drop_sender(&self) {
        drop(self.sender.take());
    }

    fn len(&self) -> usize {
        self.receiver.borrow().as_ref().map_or(0, mpsc::Receiver::len)
    }
}

/// A oneshot channel.
struct One<R: Reach> {
    sender: RefCell<Option<oneshot::Sender<u32, R>>>,
    receiver: RefCell<Option<oneshot::Receiver<u32, R>>>,
}

impl<R: Reach> Oneshot for One<R> {
    fn send(&self, value: u32) -> &'static str {
        match self.sender.take().map(|sender| sender.send(value)) {
            None => "no sender",
            Some(Ok(())) => "sent",
            Some(Err(_)) => "closed",
        }
    }

    fn recv(&self) -> Boxed<Result<u32, &'static str>> {
        let receiver = self.receiver.take();
        Box::pin(async move {
            match receiver {
                None => Err("busy"),
                Some(receiver) => receiver.await.map_err(|_| "end"),
            }
        })
    }

    fn closed(&self) -> Boxed<()> {
        let sender = self.sender.take();
        Box::pin(async move {
            if let Some(mut sender) = sender {
                sender.closed().await;
            }
        })
    }
}

/// A semaphore.
struct Permits(Rc<sync::Semaphore>);

/// A borrowed permit as an owned one: it stands for itself until it is given back by hand.
struct ByHand(Rc<sync::Semaphore>);

impl Drop for ByHand {
    fn drop(&mut self) {
        self.0.add_permits(1);
    }
}

impl Semaphore for Permits {
    fn acquire(&self) -> Boxed<Box<dyn Any>> {
        let semaphore = Rc::clone(&self.0);
        Box::pin(async move {
            semaphore.acquire().await.forget();
            Box::new(ByHand(semaphore)) as Box<dyn Any>
        })
    }

    fn acquire_owned(&self) -> Boxed<Box<dyn Any>> {
        let acquire = Rc::clone(&self.0).acquire_owned();
        Box::pin(async move { Box::new(acquire.await) as Box<dyn Any> })
    }

    fn try_acquire(&self) -> Option<Box<dyn Any>> {
        let permit = self.0.try_acquire()?;
        mem::forget(permit);
        Some(Box::new(ByHand(Rc::clone(&self.0))))
    }

    fn add(&self, permits: usize) {
        self.0.add_permits(permits);
    }

    fn available(&self) -> usize {
        self.0.available_permits()
    }
}
