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
//! [`two_naps`] is such a function and [`TwoNaps`](by_hand::TwoNaps) is its state machine, written by hand. `main` polls both side by side:
//! they print the same at the same polls. Then it prints their sizes. A future has no stack of its own: it is as large as
//! its largest variant. (The compiler's is a little larger here: it keeps the arguments and `name` apart.)
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
//! # What is given here
//!
//! `mod run` is rung 1: [`block_on`](run::block_on) polls a future until it is ready. Lesson 1 is about that.

/// Names one step of the loop. In a rung it does nothing, and you may skip these lines: the check of a lesson records
/// the steps of your own loop with the same words.
macro_rules! say(($($step:tt)*) => { () });

use std::cell::Cell;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

/// The loop itself.
pub mod run {
    use std::sync::{Arc, atomic::AtomicBool, atomic::Ordering::SeqCst};
    use std::task::{Context, Poll, Wake, Waker};
    use std::thread::{self, Thread};

    /// What a waker of this loop points to: it wakes the sleeping thread.
    struct Bell {
        /// The bell was rung: somebody has called `wake` since the last poll began. The flag is needed beside `unpark`: a
        /// thread may also wake up for another reason, and the polled code may use up an `unpark` meant for the loop.
        rung: AtomicBool,
        /// The thread that sleeps in `block_on`.
        thread: Thread,
    }

    impl Wake for Bell {
        /// Called by whoever holds a waker, on any thread. It does not poll: it only makes the loop poll.
        fn wake(self: Arc<Self>) {
            say!(Wake { task: 0 });
            // The flag first: the thread looks at it when it wakes up.
            self.rung.swap(true, SeqCst);
            self.thread.unpark();
        }
    }

    /// Polls `future` until it is ready, and returns its output. Sleeps while there is nothing to do.
    pub fn block_on<F: Future>(future: F) -> F::Output {
        // The bell has rung already: the first poll needs no wake.
        let bell = Arc::new(Bell { rung: AtomicBool::new(true), thread: thread::current() });
        let waker = Waker::from(Arc::clone(&bell));
        // A future may contain pointers into itself, so it must not move after its first poll (lesson 0).
        let mut future = std::pin::pin!(future);
        loop {
            // The flag is taken down before the poll. A wake that comes during the poll sets it again.
            while !bell.rung.swap(false, SeqCst) {
                say!(Park {});
                thread::park();
            }
            say!(PollBegin { task: 0 });
            let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
            say!(PollEnd { task: 0, ready: polled.is_ready() });
            if let Poll::Ready(output) = polled {
                return output;
            }
        }
    }
}

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
        // Whoever says Pending sees to it that there is another poll.
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
    let mut polls = 0;
    // `poll_fn` makes a future of a closure: the closure is its `poll`.
    let outputs = run::block_on(std::future::poll_fn(|cx| {
        polls += 1;
        println!("poll {polls}");
        match (compiled.as_mut().poll(cx), by_hand.as_mut().poll(cx)) {
            (Poll::Ready(first), Poll::Ready(second)) => Poll::Ready((first, second)),
            _ => Poll::Pending,
        }
    }));
    println!("outputs: {outputs:?}");
    println!("bytes: compiled {}, by hand {}", size_of_val(&*compiled), size_of_val(&*by_hand));

    let address = Cell::new(0);
    let mut future = pin!(points_into_itself(&address));
    let (start, size) = (std::ptr::from_ref(&*future).addr(), size_of_val(&*future));
    let last = run::block_on(std::future::poll_fn(|cx| future.as_mut().poll(cx)));
    println!("a future of {size} bytes has kept a reference to its own byte {}: {last}", address.get() - start);
}
