//! refused: the machine wakes nobody
//!
//! Lets others have a turn between its two naps.

use super::{Nap, tell};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A variant for each place where the body can stand.
pub enum TwoNaps {
    /// Called, and not polled yet: there are only the arguments.
    Start { name: &'static str },
    /// In the first `.await`. The future that it awaits is a part of this one.
    FirstNap { name: &'static str, nap: Nap },
    /// In the second. The variable `letters` is there from here on.
    SecondNap { name: &'static str, letters: usize, nap: Nap },
    /// It has given its output, and must not be polled again.
    Done,
}

impl Future for TwoNaps {
    type Output = usize;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<usize> {
        // Goes from place to place, as far as it comes without waiting.
        loop {
            match &mut *self {
                TwoNaps::Start { name } => {
                    tell(name, "the body begins");
                    *self = TwoNaps::FirstNap { name, nap: Nap::default() };
                }
                TwoNaps::FirstNap { name, nap } => {
                    // This is what `.await` is: poll it; if it is pending, be pending too.
                    ready!(Pin::new(nap).poll(cx));
                    tell(name, "after the first nap");
                    *self = TwoNaps::SecondNap { name, letters: name.len(), nap: Nap::default() };
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                TwoNaps::SecondNap { name, letters, nap } => {
                    ready!(Pin::new(nap).poll(cx));
                    tell(name, "after the second nap");
                    let letters = *letters;
                    *self = TwoNaps::Done;
                    return Poll::Ready(letters);
                }
                TwoNaps::Done => panic!("polled again after it was ready"),
            }
        }
    }
}
