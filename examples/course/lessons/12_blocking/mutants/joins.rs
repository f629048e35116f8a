//! refused: the loop goes on
//!
//! Has a thread for the job, and waits for its end.

use std::panic::resume_unwind;
use std::thread;

/// Runs `job` on a thread of its own, and gives its result.
pub async fn spawn_blocking<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> T {
    thread::spawn(job).join().unwrap_or_else(|payload| resume_unwind(payload))
}
