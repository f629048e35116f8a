//! The runtime and gather behind the interface of the fuzz.

use crate::api::{Api, Boxed, Channel, Form, Oneshot, Semaphore, Task};
use gather::TaskError;
use runtime::sync::{self, mpsc, oneshot};
use runtime::{Runtime, task, time};
use std::any::Any;
use std::cell::RefCell;
use std::mem;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// The runtime's names.
pub(crate) struct Ours {
    start: Instant,
}

impl Ours {
    pub(crate) fn new(runtime: &Runtime) -> Rc<Ours> {
        Rc::new(Ours { start: runtime.block_on(async { time::now() }) })
    }
}

/// Odd numbers are errors.
async fn judged(child: Boxed<u32>) -> Result<u32, u32> {
    let value = child.await;
    if value % 2 == 1 { Err(value) } else { Ok(value) }
}

impl Api for Ours {
    fn now(&self) -> u64 {
        (time::now() - self.start).as_millis() as u64
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

    fn gather(&self, form: Form, children: Vec<Boxed<u32>>) -> Boxed<Result<Vec<u32>, u32>> {
        match form {
            Form::Gather => Box::pin(async move { Ok(gather::gather(children).await) }),
            Form::Limited => Box::pin(async move { Ok(gather::gather(children).limit(2).await) }),
            Form::TryGather => Box::pin(gather::try_gather(children.into_iter().map(judged))),
            Form::Tasks => Box::pin(async move {
                let ends = gather::gather_tasks(children).await;
                Ok(ends.into_iter().map(|end| end.expect("nobody aborts it")).collect())
            }),
            Form::TryTasks => Box::pin(async move {
                let ends = gather::try_gather_tasks(children.into_iter().map(judged)).await;
                ends.map_err(|error| match error {
                    TaskError::Failed(value) => value,
                    other => panic!("nobody aborts it: {other:?}"),
                })
            }),
        }
    }

    fn channel(&self, capacity: usize) -> Rc<dyn Channel> {
        let (sender, receiver) = mpsc::channel(capacity);
        Rc::new(Ends { sender: RefCell::new(Some(sender)), receiver: Rc::new(RefCell::new(Some(receiver))) })
    }

    fn oneshot(&self) -> Rc<dyn Oneshot> {
        let (sender, receiver) = oneshot::channel();
        Rc::new(One { sender: RefCell::new(Some(sender)), receiver: RefCell::new(Some(receiver)) })
    }

    fn semaphore(&self, permits: usize) -> Rc<dyn Semaphore> {
        Rc::new(Permits(Rc::new(sync::Semaphore::new(permits))))
    }
}

/// A channel.
struct Ends {
    sender: RefCell<Option<mpsc::Sender<u32>>>,
    receiver: Rc<RefCell<Option<mpsc::Receiver<u32>>>>,
}

/// The receiver while somebody receives: it comes back in any case.
struct Borrowed {
    receiver: Option<mpsc::Receiver<u32>>,
    home: Rc<RefCell<Option<mpsc::Receiver<u32>>>>,
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        self.home.replace(self.receiver.take());
    }
}

impl Channel for Ends {
    fn send(&self, value: u32) -> Boxed<bool> {
        let sender = self.sender.borrow().clone();
        Box::pin(async move {
            match sender {
                Some(sender) => sender.send(value).await.is_ok(),
                None => false,
            }
        })
    }

    fn try_send(&self, value: u32) -> &'static str {
        match self.sender.borrow().as_ref().map(|sender| sender.try_send(value)) {
            None => "no sender",
            Some(Ok(())) => "sent",
            Some(Err(mpsc::TrySendError::Full(_))) => "full",
            Some(Err(mpsc::TrySendError::Closed(_))) => "closed",
        }
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
struct One {
    sender: RefCell<Option<oneshot::Sender<u32>>>,
    receiver: RefCell<Option<oneshot::Receiver<u32>>>,
}

impl Oneshot for One {
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
