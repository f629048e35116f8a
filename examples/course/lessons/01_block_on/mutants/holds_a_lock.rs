//! refused: no wake is lost
//!
//! Polls while it holds the lock that `wake` needs: a wake in the poll never comes back.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_one();
    }
}

pub fn block_on<F: Future>(future: F) -> F::Output {
    let bell = Arc::new(Bell { rung: Mutex::new(true), changed: Condvar::new() });
    let waker = Waker::from(Arc::clone(&bell));
    let mut future = std::pin::pin!(future);
    let mut rung = bell.rung.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        while !*rung {
            say!(Park {});
            rung = bell.changed.wait(rung).unwrap_or_else(PoisonError::into_inner);
        }
        *rung = false;
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
    }
}
