//! A solution of lesson 9. The module `gather` of rung.rs is this text.

use std::task::{Context, Poll, Wake, Waker};
use std::{convert::Infallible, future::poll_fn, mem, sync::Arc, sync::Mutex};

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

/// Polls all children side by side, each when it was woken. Gives their outputs in the order of the input, or the
/// first error as soon as it comes; then the other children are dropped.
pub async fn try_gather<F, T, E>(futures: impl IntoIterator<Item = F>) -> Result<Vec<T>, E>
where
    F: Future<Output = Result<T, E>>,
{
    // By place; `None` when the child has ended.
    let mut children: Vec<_> = futures.into_iter().map(|future| Some(Box::pin(future))).collect();
    let mut outputs: Vec<_> = children.iter().map(|_| None).collect();
    let mut left = children.len();
    let set = Arc::new(Mutex::new(ReadySet { ready: (0..left).collect(), queued: vec![true; left], task: None }));
    let child = |place| Waker::from(Arc::new(Child { place, set: Arc::clone(&set) }));
    let wakers: Vec<_> = (0..left).map(child).collect();
    let all_ended = poll_fn(|cx| {
        for place in drain(&set, cx.waker()) {
            let Some(future) = &mut children[place] else { continue };
            say!(ChildPoll { place: place });
            let polled = future.as_mut().poll(&mut Context::from_waker(&wakers[place]));
            say!(ChildPollEnd { place: place, ready: polled.is_ready(), alive: left });
            if let Poll::Ready(output) = polled {
                children[place] = None;
                outputs[place] = Some(output?);
                left -= 1;
            }
        }
        if left == 0 { Poll::Ready(Ok(())) } else { Poll::Pending }
    });
    all_ended.await?;
    Ok(outputs.into_iter().flatten().collect())
}

/// The same for children that cannot fail.
pub async fn gather<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let children = futures.into_iter().map(|future| async { Ok::<_, Infallible>(future.await) });
    let Ok(outputs) = try_gather(children).await;
    outputs
}
