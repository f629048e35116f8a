//! refused: Pending keeps the waker of this poll
//!
//! Waits for ever.

/// Runs `job` on a thread of its own, and gives its result.
pub async fn spawn_blocking<T: Send + 'static>(_job: impl FnOnce() -> T + Send + 'static) -> T {
    std::future::pending().await
}
