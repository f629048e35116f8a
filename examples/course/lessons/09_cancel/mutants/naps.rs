//! refused: a poll does not sleep
//!
//! Gives the others a moment, in each poll.

use std::convert::Infallible;
use std::future::poll_fn;
use std::mem;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

/// Given, as in lesson 8: which children are to be polled,
/// and whom to wake when there are any.
struct ReadySet {
    ready: Vec<usize>,
    queued: Vec<bool>,
    task: Option<Waker>,
}

/// Given: what a child's waker points to.
struct Child {
    place: usize,
    set: Arc<Mutex<ReadySet>>,
}

impl Wake for Child {
    fn wake(self: Arc<Self>) {
        let mut set = self.set.lock().unwrap();
        if mem::replace(&mut set.queued[self.place], true) {
            return;
        }
        set.ready.push(self.place);
        let task = set.task.take();
        drop(set);
        task.into_iter().for_each(Waker::wake);
    }
}

/// Given: takes the places that are ready, and keeps the
/// waker of the task.
fn drain(
    // All wakers share it.
    set: &Mutex<ReadySet>,
    task: &Waker,
) -> Vec<usize> {
    let fresh = task.clone();
    let mut set = set.lock().unwrap();
    let old = set.task.replace(fresh);
    let ready = mem::take(&mut set.ready);
    for &place in &ready {
        set.queued[place] = false;
    }
    drop(set);
    drop(old);
    ready
}

/// Yours: polls all children side by side. Gives their
/// values in the order of the input, or the first error as
/// soon as it comes; then all children are dropped.
pub async fn try_gather<F, T, E>(
    // The children.
    futures: impl IntoIterator<Item = F>,
) -> Result<Vec<T>, E>
where
    F: Future<Output = Result<T, E>>,
{
    // By place. `Some(future)`: it is there. `None`: it is
    // dropped.
    let mut children = Vec::new();
    for future in futures {
        children.push(Some(Box::pin(future)));
    }
    let all = children.len();
    // By place: what the child has given.
    let mut results: Vec<Option<Result<T, E>>> = Vec::new();
    results.resize_with(all, || None);
    let mut left = all;
    let mut failed = false;
    let ready = (0..all).collect();
    let queued = vec![true; all];
    let set = ReadySet { ready, queued, task: None };
    let set = Arc::new(Mutex::new(set));
    let waker = |place| {
        let set = Arc::clone(&set);
        Waker::from(Arc::new(Child { place, set }))
    };
    let wakers: Vec<_> = (0..all).map(waker).collect();

    poll_fn(|cx| {
        std::thread::sleep(std::time::Duration::from_millis(1));
        for place in drain(&set, cx.waker()) {
            let Some(future) = &mut children[place] else {
                continue;
            };
            let waker = &wakers[place];
            let cx = &mut Context::from_waker(waker);
            let polled = future.as_mut().poll(cx);
            if let Poll::Ready(result) = polled {
                children[place] = None;
                failed = result.is_err();
                results[place] = Some(result);
                left -= 1;
                if failed {
                    break;
                }
            }
        }
        if failed || left == 0 {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    // The values, or the error that stands there first.
    results.into_iter().flatten().collect()
}

/// Given: the same for children that cannot fail.
pub async fn gather<F: Future>(
    // The children.
    futures: impl IntoIterator<Item = F>,
) -> Vec<F::Output> {
    let never_fails = |future: F| async {
        // There is no error of this type.
        Ok::<_, Infallible>(future.await)
    };
    let children = futures.into_iter().map(never_fails);
    let Ok(outputs) = try_gather(children).await;
    outputs
}
