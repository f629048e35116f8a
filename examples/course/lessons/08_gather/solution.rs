//! A solution of lesson 8. The module `gather` of rung.rs is this text.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::{future::poll_fn, mem, pin::Pin};

/// The children of a gather and what they gave.
struct Children<F: Future> {
    /// By place; `None` when the child has ended.
    futures: Vec<Option<Pin<Box<F>>>>,
    outputs: Vec<Option<F::Output>>,
    /// How many have not ended.
    left: usize,
}

impl<F: Future> Children<F> {
    fn new(futures: impl IntoIterator<Item = F>) -> Children<F> {
        let futures: Vec<_> = futures.into_iter().map(|future| Some(Box::pin(future))).collect();
        Children { outputs: futures.iter().map(|_| None).collect(), left: futures.len(), futures }
    }

    /// Polls the child in this place, unless it has ended.
    fn poll(&mut self, place: usize, waker: &Waker) {
        let Some(future) = &mut self.futures[place] else { return };
        say!(ChildPoll { place: place });
        let polled = future.as_mut().poll(&mut Context::from_waker(waker));
        say!(ChildPollEnd { place: place, ready: polled.is_ready(), alive: self.left });
        if let Poll::Ready(output) = polled {
            self.futures[place] = None;
            self.outputs[place] = Some(output);
            self.left -= 1;
        }
    }

    /// Whether all have ended.
    fn all_ended(&self) -> Poll<()> {
        if self.left == 0 { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// The bad one: whenever the task is polled, polls all children.
pub async fn naive<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut children = Children::new(futures);
    poll_fn(|cx| {
        (0..children.futures.len()).for_each(|place| children.poll(place, cx.waker()));
        children.all_ended()
    })
    .await;
    children.outputs.into_iter().flatten().collect()
}

/// What a child's waker points to: its flag, and whom to wake then.
struct Flag {
    woken: AtomicBool,
    task: Mutex<Option<Waker>>,
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, SeqCst);
        let task = self.task.lock().unwrap().take();
        task.into_iter().for_each(Waker::wake);
    }
}

/// The middling one: whenever the task is polled, looks at all children, and polls those that were woken.
pub async fn selective<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut children = Children::new(futures);
    let flag = |_| Arc::new(Flag { woken: true.into(), task: None.into() });
    let flags: Vec<_> = (0..children.left).map(flag).collect();
    poll_fn(|cx| {
        for (place, flag) in flags.iter().enumerate() {
            let fresh = cx.waker().clone();
            let old = flag.task.lock().unwrap().replace(fresh);
            drop(old);
            if flag.woken.swap(false, SeqCst) {
                children.poll(place, &Waker::from(Arc::clone(flag)));
            }
        }
        children.all_ended()
    })
    .await;
    children.outputs.into_iter().flatten().collect()
}

/// Which children are to be polled, and whom to wake when there are any.
struct ReadySet {
    /// The places of those that were woken, each once.
    ready: Vec<usize>,
    /// By place: whether it stands there.
    queued: Vec<bool>,
    /// The task that awaits the gather, until it is woken. One wake is enough for all that stand there.
    task: Option<Waker>,
}

/// What a child's waker points to.
struct Child {
    place: usize,
    set: Arc<Mutex<ReadySet>>,
}

impl Wake for Child {
    /// Called by whoever holds the child's waker, on any thread.
    fn wake(self: Arc<Self>) {
        let mut set = self.set.lock().unwrap();
        if mem::replace(&mut set.queued[self.place], true) {
            return;
        }
        say!(ChildWoken { place: self.place });
        set.ready.push(self.place);
        let task = set.task.take();
        drop(set);
        task.into_iter().for_each(Waker::wake);
    }
}

/// Takes the places that are ready. Who is woken from here on belongs to the next batch, and wakes `task`.
fn drain(set: &Mutex<ReadySet>, task: &Waker) -> Vec<usize> {
    let fresh = task.clone();
    let mut set = set.lock().unwrap();
    let old = set.task.replace(fresh);
    let ready = mem::take(&mut set.ready);
    ready.iter().for_each(|&place| set.queued[place] = false);
    drop(set);
    drop(old);
    ready
}

/// Polls all children side by side, each when it was woken. Gives their outputs in the order of the input.
pub async fn gather<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut children = Children::new(futures);
    let all = (0..children.left).collect();
    let set = Arc::new(Mutex::new(ReadySet { ready: all, queued: vec![true; children.left], task: None }));
    let child = |place| Waker::from(Arc::new(Child { place, set: Arc::clone(&set) }));
    let wakers: Vec<Waker> = (0..children.left).map(child).collect();
    poll_fn(|cx| {
        drain(&set, cx.waker()).into_iter().for_each(|place| children.poll(place, &wakers[place]));
        children.all_ended()
    })
    .await;
    children.outputs.into_iter().flatten().collect()
}
