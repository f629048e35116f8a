//! refused: a poll does not sleep
//!
//! Gives the others a moment, in each poll.

use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

/// Given: the children of a gather, and what they gave.
struct Children<F: Future> {
    /// By place; `None` when the child has ended.
    futures: Vec<Option<Pin<Box<F>>>>,
    outputs: Vec<Option<F::Output>>,
    /// How many have not ended.
    left: usize,
}

impl<F: Future> Children<F> {
    fn new(futures: impl IntoIterator<Item = F>) -> Self {
        let boxed = |future| Some(Box::pin(future));
        let futures = futures.into_iter();
        let futures: Vec<_> = futures.map(boxed).collect();
        let left = futures.len();
        let nothing = futures.iter().map(|_| None);
        let outputs = nothing.collect();
        Children { futures, outputs, left }
    }

    /// Polls the child in this place, with this waker.
    /// Does nothing if the child has ended.
    fn poll(&mut self, place: usize, waker: &Waker) {
        let Some(future) = &mut self.futures[place] else {
            return;
        };
        let cx = &mut Context::from_waker(waker);
        let polled = future.as_mut().poll(cx);
        if let Poll::Ready(output) = polled {
            self.futures[place] = None;
            self.outputs[place] = Some(output);
            self.left -= 1;
        }
    }

    /// Ready when all have ended.
    fn all_ended(&self) -> Poll<()> {
        match self.left {
            0 => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }
}

/// What a child's waker points to in `selective`.
struct Flag {
    woken: AtomicBool,
    /// The waker of the task.
    task: Mutex<Waker>,
}

/// This makes a `Waker` of an `Arc<Flag>`: `Waker::from`.
impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, SeqCst);
        let task = self.task.lock().unwrap().clone();
        task.wake();
    }
}

/// Given, to be read: a gather that is better than the bad
/// one. It polls those that were woken. To find them it
/// looks at all, in each poll.
pub async fn selective<F: Future>(
    // The children.
    futures: impl IntoIterator<Item = F>,
) -> Vec<F::Output> {
    let mut children = Children::new(futures);
    let all = children.left;
    // One for each child; all are to be polled at first.
    let flag = |_| {
        let task = Mutex::new(Waker::noop().clone());
        Arc::new(Flag { woken: true.into(), task })
    };
    let flags: Vec<_> = (0..all).map(flag).collect();
    poll_fn(|cx| {
        for place in 0..flags.len() {
            let flag = &flags[place];
            let task = cx.waker().clone();
            *flag.task.lock().unwrap() = task;
            if flag.woken.swap(false, SeqCst) {
                let waker = Waker::from(Arc::clone(flag));
                children.poll(place, &waker);
            }
        }
        children.all_ended()
    })
    .await;
    children.outputs.into_iter().flatten().collect()
}

/// Which children are to be polled, and whom to wake when
/// there are any. All wakers share it.
struct ReadySet {
    /// The places of those that were woken.
    ready: Vec<usize>,
    /// By place: whether it stands in `ready`.
    queued: Vec<bool>,
    /// The task that awaits the gather.
    task: Option<Waker>,
}

/// What a child's waker points to in `gather`.
struct Child {
    place: usize,
    set: Arc<Mutex<ReadySet>>,
}

impl Wake for Child {
    /// Who holds the child's waker calls it, on any thread.
    fn wake(self: Arc<Self>) {
        let mut set = self.set.lock().unwrap();
        if mem::replace(&mut set.queued[self.place], true) {
            return;
        }
        set.ready.push(self.place);
        let task = set.task.take();
        drop(set);
        if let Some(task) = task {
            task.wake();
        }
    }
}

/// Yours: polls all children side by side, each when it was
/// woken. Gives their outputs in the order of the input.
pub async fn gather<F: Future>(
    // The children.
    futures: impl IntoIterator<Item = F>,
) -> Vec<F::Output> {
    let mut children = Children::new(futures);
    let all = children.left;
    let set = Arc::new(Mutex::new(ReadySet {
        ready: (0..all).collect(),
        queued: vec![true; all],
        task: None,
    }));
    let waker = |place| {
        let set = Arc::clone(&set);
        Waker::from(Arc::new(Child { place, set }))
    };
    let wakers: Vec<_> = (0..all).map(waker).collect();
    poll_fn(|cx| {
        std::thread::sleep(std::time::Duration::from_millis(1));
        let fresh = cx.waker().clone();
        let mut set = set.lock().unwrap();
        let old = set.task.replace(fresh);
        let ready = mem::take(&mut set.ready);
        for &place in &ready {
            set.queued[place] = false;
        }
        drop(set);
        drop(old);
        for place in ready {
            children.poll(place, &wakers[place]);
        }
        children.all_ended()
    })
    .await;
    children.outputs.into_iter().flatten().collect()
}
