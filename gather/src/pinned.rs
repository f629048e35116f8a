//! A future or stream that stays where it is, beside what may move: the one projection that wrappers share.

use std::pin::Pin;

/// `inner` is pinned when this is; `rest` never, and it is dropped first.
pub(crate) struct Pinned<P, R> {
    rest: R,
    inner: P,
}

impl<P, R> Pinned<P, R> {
    pub(crate) fn new(inner: P, rest: R) -> Pinned<P, R> {
        Pinned { inner, rest }
    }

    #[inline]
    pub(crate) fn project(self: Pin<&mut Self>) -> (Pin<&mut P>, &mut R) {
        // SAFETY: both functions ask that what is pinned never moves. That is `inner`, which leaves here as a pin only,
        // and is pinned when this is: it is `Unpin` only with `inner` (and `rest`), not packed, and has no `Drop`.
        #[allow(unsafe_code, reason = "the projection from a pinned struct to its fields")]
        unsafe {
            let this = self.get_unchecked_mut();
            (Pin::new_unchecked(&mut this.inner), &mut this.rest)
        }
    }
}
