//! What happens on another thread while the answer is in the middle of something.

use crate::run::{BETWEEN_LOOKS, Run, from_afar};
use crate::system::{Look, Thread};
use std::panic;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

/// What [`meanwhile`] has begun.
#[derive(Debug, Default)]
pub struct Meanwhile {
    is_over: Mutex<bool>,
    changed: Condvar,
    thread: OnceLock<Thread>,
}

impl Meanwhile {
    /// Waits until it is over. Who waits here is called, and does not nap: a nap may last, where the system is late
    /// with its timers, and then nobody is left who is still to act.
    pub fn wait(&self) {
        let is_over = self.is_over();
        drop(self.changed.wait_while(is_over, |is_over| !*is_over));
    }

    fn is_over(&self) -> MutexGuard<'_, bool> {
        self.is_over.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs `act`, a call into the answer, on another thread, and comes back when it is over, or when it sleeps: then it
/// waits for a lock, and perhaps the caller of this function holds it.
///
/// # Panics
/// Outside of [`watch`](crate::watch()).
pub fn meanwhile(act: impl FnOnce() + Send + 'static) -> Arc<Meanwhile> {
    let meanwhile = Arc::<Meanwhile>::default();
    let its = Arc::clone(&meanwhile);
    from_afar(move || {
        let _ = its.thread.set(Thread::current());
        // An answer may panic.
        let acted = panic::catch_unwind(panic::AssertUnwindSafe(|| Run::current().call(act)));
        *its.is_over() = true;
        its.changed.notify_all();
        acted.unwrap_or_else(|payload| panic::resume_unwind(payload));
    });
    // The naps below end by themselves: until then they are no hang.
    let run = Run::current();
    let _still_to_act = run.still_to_act();
    let mut before = None;
    while !*meanwhile.is_over() {
        let now = meanwhile.thread.get().and_then(Thread::look).filter(|look| look.asleep);
        if now.is_some() && now == before {
            break;
        }
        before = now;
        thread::sleep(BETWEEN_LOOKS);
        // Elsewhere than on Linux nobody can tell.
        if !Look::is_known() {
            thread::sleep(Duration::from_millis(1));
            break;
        }
    }
    meanwhile
}
