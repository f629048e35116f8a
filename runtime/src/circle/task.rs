//! A task (1): a future, the place for its result, and where it was spawned, in one allocation.
//!
//! The loop holds a task as `Rc<dyn Run>` and opens its future; the [`JoinHandle`](crate::JoinHandle) holds the same
//! allocation as `Rc<dyn ResultPlace>` and never sees the future. Wakers hold no reference, and the count needs no
//! atomic operation: it changes at the spawn, around each poll, at the end, and when the handle is dropped.
//!
//! Read before: `result.rs`.
//! Grew from rungs 3 and 10 of the ladder in `examples/course`.

use crate::circle::result::{JoinCell, JoinError, ResultPlace, Settle};
use crate::parts::foreign::{Payload, caught, drop_payload};
use std::cell::RefCell;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Where a task comes from: for people, in messages and in the trace.
#[derive(Clone, Debug)]
pub(crate) struct Birth {
    /// What [`task::Builder::name`](crate::task::Builder::name) gave it.
    pub(crate) name: Option<Rc<str>>,
    /// The line of the spawn.
    pub(crate) at: &'static Location<'static>,
}

/// A future and the place for its result. `J` is a plain cell for tasks that this thread spawned. For tasks that
/// another thread spawned it is an end of a transfer, which sends the result to that thread.
pub(crate) struct Task<F, J> {
    /// Where the result goes.
    pub(crate) join: J,
    /// Its name, and the line that spawned it.
    birth: Birth,
    /// The future, until it ends. Only the loop opens this cell, one poll at a time; it stays where it is until it is
    /// dropped there.
    future: RefCell<Option<F>>,
}

/// What the loop does with a task.
pub(crate) trait Run {
    /// (3) Polls the future once. At its end the future is dropped and the result is kept.
    fn poll(&self, cx: &mut Context<'_>) -> Poll<()>;

    /// Drops the future without another poll; the result is a cancellation.
    fn cancel(&self);

    /// The joiner's waker, for the caller to wake.
    fn take_joiner(&self) -> Option<Waker>;

    /// Its name, and the line that spawned it.
    fn birth(&self) -> &Birth;
}

impl<F, J> Task<F, J> {
    pub(crate) fn new(future: F, join: J, birth: Birth) -> Task<F, J> {
        Task { join, birth, future: RefCell::new(Some(future)) }
    }

    /// Drops the future in its place. If its cell is open, its poll or its drop has called `process::exit`, which drops a
    /// runtime that a thread-local owns. Then the future is still in use, and stays.
    ///
    /// # Errors
    /// What it panicked with.
    fn drop_future(&self) -> Result<(), Payload> {
        caught(|| _ = self.future.try_borrow_mut().map(|mut future| *future = None))
    }
}

impl<F: Future, J: Settle<F::Output>> Run for Task<F, J> {
    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut slot = self.future.borrow_mut();
        let polled = caught(|| {
            let future = slot.as_mut().expect("nothing is polled after its end");
            // SAFETY: `new_unchecked` asks that the future is not moved until it is dropped. It lies in an `Rc`
            // allocation (a `Task` is reached through `Rc<dyn Run>` only), no method moves it out of its cell, and
            // `drop_future` drops it in place.
            #[allow(unsafe_code, reason = "the projection from a task to its future")]
            let future = unsafe { Pin::new_unchecked(future) };
            future.poll(cx)
        });
        drop(slot);
        let result = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(value)) => Ok(value),
            Err(payload) => {
                trace!(TaskPanicked { task: None, payload: &*payload });
                Err(JoinError::panicked(payload))
            }
        };
        // The result stands even if the future panics while it is dropped: the panic hook has told of that.
        if let Err(payload) = self.drop_future() {
            drop_payload(payload);
        }
        self.join.settle(result);
        Poll::Ready(())
    }

    fn cancel(&self) {
        self.join.settle(Err(match self.drop_future() {
            Ok(()) => JoinError::cancelled(),
            Err(payload) => {
                trace!(TaskPanicked { task: None, payload: &*payload });
                JoinError::panicked(payload)
            }
        }));
    }

    fn take_joiner(&self) -> Option<Waker> {
        self.join.take_joiner()
    }

    fn birth(&self) -> &Birth {
        &self.birth
    }
}

impl<F, T> ResultPlace<T> for Task<F, JoinCell<T>> {
    fn take(&self) -> Option<Result<T, JoinError>> {
        self.join.take()
    }

    fn leave_joiner(&self, joiner: &Waker) -> bool {
        self.join.leave_joiner(joiner)
    }

    fn is_settled(&self) -> bool {
        self.join.is_settled()
    }

    fn forget_joiner(&self) {
        self.join.forget_joiner();
    }
}
