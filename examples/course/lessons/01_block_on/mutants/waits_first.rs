//! refused: the first poll comes by itself
//!
//! Waits for a wake before the first poll. Nobody can wake what was never polled.

use std::sync::{Arc, atomic::AtomicBool, atomic::Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

struct Bell {
    rung: AtomicBool,
    thread: Thread,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        say!(Wake { task: 0 });
        self.rung.swap(true, SeqCst);
        self.thread.unpark();
    }
}

pub fn block_on<F: Future>(future: F) -> F::Output {
    let bell = Arc::new(Bell { rung: AtomicBool::new(false), thread: thread::current() });
    let waker = Waker::from(Arc::clone(&bell));
    let mut future = std::pin::pin!(future);
    loop {
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
