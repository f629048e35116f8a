//! A future or stream that must not move, beside data that may: the one projection that all wrappers share.
//!
//! Read before: nothing.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// `inner` is pinned when this is. `rest` is never pinned, and is dropped first.
pub(crate) struct Pinned<P, R> {
    rest: R,
    inner: P,
}

impl<P, R> Pinned<P, R> {
    pub(crate) fn new(inner: P, rest: R) -> Pinned<P, R> {
        Pinned { inner, rest }
    }

    pub(crate) fn project(self: Pin<&mut Self>) -> (Pin<&mut P>, &mut R) {
        // SAFETY: both functions ask that what is pinned never moves. Only `inner` is pinned, and it leaves here as a
        // pin only. This struct never moves it: it is `Unpin` only if `inner` (and `rest`) is, it is not packed, and it
        // has no `Drop`.
        #[allow(unsafe_code, reason = "the projection from a pinned struct to its fields")]
        unsafe {
            let this = self.get_unchecked_mut();
            (Pin::new_unchecked(&mut this.inner), &mut this.rest)
        }
    }
}

/// Polls the child, and drops it when it ends. Without a child it is pending.
pub(crate) fn poll_child<F: Future>(mut child: Pin<&mut Option<F>>, cx: &mut Context<'_>) -> Poll<F::Output> {
    let Some(future) = child.as_mut().as_pin_mut() else { return Poll::Pending };
    let output = ready!(future.poll(cx));
    child.set(None);
    Poll::Ready(output)
}

/// Stands beside a future, and changes its output. An `async` block would do it too, but would hold the future twice.
pub(crate) struct Map<M>(pub(crate) M);

impl<F: Future, T, M: FnMut(F::Output) -> T> Future for Pinned<F, Map<M>> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let (future, map) = self.project();
        future.poll(cx).map(&mut map.0)
    }
}
