//! What the benchmarks share: the two runtimes under test, made alike.

/// glassloop's.
pub fn ours() -> runtime::Runtime {
    runtime::Runtime::new().expect("the system gives descriptors")
}

/// tokio's current_thread, with its timers on and nothing else.
pub fn tokio() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("the system gives descriptors")
}
