//! What the programs of `races` are made of: tasks that pause, two side by side, one that is aborted, a flag to wait for.

use runtime::JoinHandle;
use runtime::task::{Builder, yield_now};
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::task::{Poll, Waker};

/// Yields so often: a task that begins later.
pub async fn pauses(n: usize) {
    for _ in 0..n {
        yield_now().await;
    }
}

/// Runs two tasks to their ends.
pub async fn both(early: impl Future<Output = ()> + 'static, late: impl Future<Output = ()> + 'static) {
    let early = Builder::new().name("early").spawn(early);
    let late = Builder::new().name("late").spawn(late);
    early.await.unwrap();
    late.await.unwrap();
}

/// Aborts a task after so many pauses, and waits for its end.
pub async fn aborted(task: JoinHandle<()>, later: usize) {
    let abort = task.abort_handle();
    drop(Builder::new().name("aborter").spawn(async move {
        pauses(later).await;
        abort.abort();
    }));
    drop(task.await);
}

/// A flag, and who waits for it.
#[derive(Debug, Default)]
pub struct Flag {
    /// Whether it is set.
    pub is_set: Cell<bool>,
    /// Who is to be woken.
    waiter: RefCell<Option<Waker>>,
}

impl Flag {
    /// Sets it, and wakes who waits.
    pub fn set(&self) {
        self.is_set.set(true);
        self.waiter.take().into_iter().for_each(Waker::wake);
    }

    /// Waits for one wake, for whatever reason.
    pub async fn wake(&self) {
        let mut waited = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut waited, true) {
                return Poll::Ready(());
            }
            *self.waiter.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}
