//! refused: the job leaves the loop's thread
//!
//! Thinks that `async` makes it parallel.

/// Runs `job` on a thread of its own, and gives its result.
pub async fn spawn_blocking<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> T {
    async { job() }.await
}
