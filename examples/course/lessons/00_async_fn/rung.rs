//! Rung 0: what the compiler makes of an async function.
//!
//! To call an `async fn` runs none of its body. The call packs the arguments into a value, the *future*, and returns it.
//! The body runs when somebody polls the future. At an `.await` that is Pending the body has to stop in its middle and
//! go on later from there. So the compiler turns the body into a *state machine*: an enum with a variant for each place
//! where the body can stand, and in each variant the variables that are needed from there on.
//!
//! ```text
//!             poll                 poll: the nap is over            poll: the nap is over
//!   Start ------------> FirstNap -----------------------> SecondNap -----------------------> Done
//!                        |    ^                            |     ^
//!                        +----+ poll: Pending              +-----+ poll: Pending
//! ```
//!
//! [`two_naps`] is such a function and [`TwoNaps`](by_hand::TwoNaps) is its state machine, written by hand. `main`
//! polls both side by side: they print the same at the same polls. Then it prints their sizes. A future has no stack of
//! its own: it is as large as its largest variant. (The compiler's is larger here: it keeps `name` twice, as the
//! argument and as a variable of the body. That makes 16 bytes.)
//!
//! # Why a future must not move
//!
//! A body may keep a reference to one of its own variables over an `.await`. Both lie in the future then, and the
//! reference is an address *inside the future itself* ([`points_into_itself`]). If somebody moved the future to
//! another place, the reference would point to the old place. So `poll` does not take `&mut Self` but
//! `Pin<&mut Self>`: who calls it has promised that the future stays where it is until it is dropped. Before the first
//! poll no such reference exists yet, and a future may be moved freely.
//!
//! An enum in safe Rust cannot hold a reference to itself. `TwoNaps` does not need one, so it is `Unpin`: it does not
//! mind to be moved, and `poll` may take it out of the pin. The compiler's own state machines are never `Unpin`.
//!
//! # What is not here yet
//!
//! A loop: code that polls a future again when that is worth it, and not before. `main` polls again at once when a poll
//! says Pending. A future must bear a poll that no wake asked for. (A *wake* says "poll me again". Rung 1 explains it.)
//! But such polls waste the processor, so rung 1 polls only after a wake.

use std::cell::Cell;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

/// A future that is pending once: the least that an `.await` can wait for.
#[derive(Default)]
pub struct Nap {
    over: bool,
}

impl Future for Nap {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.over {
            return Poll::Ready(());
        }
        self.over = true;
        // Whoever says Pending sees to it that there is another poll. (This `main` does not wait for it, a loop will.)
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// What a body does at each place where it can stand.
fn tell(name: &str, what: &str) {
    println!("  {name}: {what}");
}

/// Written as one writes it.
async fn two_naps(name: &'static str) -> usize {
    tell(name, "the body begins");
    Nap::default().await;
    tell(name, "after the first nap");
    let letters = name.len();
    Nap::default().await;
    tell(name, "after the second nap");
    letters
}

/// The same by hand.
pub mod by_hand {
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
                        // This is what `.await` is: poll it; if it is pending, be pending too. (`ready!` returns then.)
                        ready!(Pin::new(nap).poll(cx));
                        tell(name, "after the first nap");
                        *self = TwoNaps::SecondNap { name, letters: name.len(), nap: Nap::default() };
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
}

/// Keeps a reference to its own variable over an `.await`, and tells where that points to.
async fn points_into_itself(address: &Cell<usize>) -> u8 {
    let bytes = [1, 2, 3];
    let last = &bytes[2];
    address.set(std::ptr::from_ref(last).addr());
    Nap::default().await;
    *last
}

fn main() {
    println!("both are made, and nothing has run");
    let (mut compiled, mut by_hand) = (pin!(two_naps("compiled")), pin!(by_hand::TwoNaps::Start { name: "by hand" }));
    // A `Context` only carries the waker of this poll to the future, which takes it out by `cx.waker()`.
    // Nothing happens when this one is used.
    let cx = &mut Context::from_waker(Waker::noop());
    for poll in 1.. {
        println!("poll {poll}");
        // `poll` uses up the pin that it is given; `as_mut` lends one for this poll.
        let answers = (compiled.as_mut().poll(cx), by_hand.as_mut().poll(cx));
        if let (Poll::Ready(first), Poll::Ready(second)) = answers {
            println!("outputs: {:?}", (first, second));
            break;
        }
    }
    println!("bytes: compiled {}, by hand {}", size_of_val(&*compiled), size_of_val(&*by_hand));
    println!("  (the compiler keeps `name` twice, as the argument and as a variable: 16 bytes more)");

    let address = Cell::new(0);
    let mut future = pin!(points_into_itself(&address));
    let (start, size) = (std::ptr::from_ref(&*future).addr(), size_of_val(&*future));
    let last = loop {
        if let Poll::Ready(last) = future.as_mut().poll(cx) {
            break last;
        }
    };
    println!(
        "a future of {size} bytes has kept a reference to its own byte {}, where {last} lies",
        address.get() - start
    );
}
