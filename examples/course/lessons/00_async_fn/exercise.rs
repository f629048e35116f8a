//! Lesson 0: write by hand what the compiler makes of this
//! function. Begin with lesson.md: it says what to do here.
//!
//! As it comes, this poll waits in a loop until each nap is
//! over. Yours stops at a nap and goes on later from there.
//!
//! async fn two_naps(name: &'static str) -> usize {
//!     tell(name, "the body begins");
//!     Nap::default().await;
//!     tell(name, "after the first nap");
//!     let letters = name.len();
//!     Nap::default().await;
//!     tell(name, "after the second nap");
//!     letters
//! }

use super::{Nap, tell};
use std::pin::Pin;
use std::task::{Context, Poll};

/// A variant for each place where the body can stand. In
/// each, the variables that are needed from there on.
pub enum TwoNaps {
    /// Called, and not polled yet.
    Start { name: &'static str },
    /// In the first `.await`.
    FirstNap { name: &'static str, nap: Nap },
    /// In the second one.
    SecondNap {
        name: &'static str,
        /// Needed from here on.
        letters: usize,
        nap: Nap,
    },
    /// It has given its output.
    Done,
}

impl Future for TwoNaps {
    type Output = usize;

    fn poll(
        // The machine, pinned: a compiled one must not
        // move.
        mut self: Pin<&mut Self>,
        // In it is the waker.
        cx: &mut Context<'_>,
    ) -> Poll<usize> {
        let TwoNaps::Start { name } = *self else {
            panic!("polled again after it was ready");
        };
        tell(name, "the body begins");
        let mut nap = Nap::default();
        // Step 1: a nap that is pending ends this poll.
        while Pin::new(&mut nap).poll(cx).is_pending() {}
        tell(name, "after the first nap");
        let letters = name.len();
        let mut nap = Nap::default();
        while Pin::new(&mut nap).poll(cx).is_pending() {}
        //tell(name, "after the second nap");
        *self = TwoNaps::Done;
        Poll::Ready(letters)
    }
}
