//! refused: wait asleep
//!
//! Right, but every turn burns 10 ms of processor time.

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
    let bell = Arc::new(Bell { rung: AtomicBool::new(true), thread: thread::current() });
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
        let until = std::time::Instant::now() + std::time::Duration::from_millis(10);
        while std::time::Instant::now() < until {}
        if let Poll::Ready(output) = polled {
            return output;
        }
    }
}
