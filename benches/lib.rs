//! The benchmarks: one body a case, the same for every contestant, and the scoreboard's machinery.
//!
//! A *case* asks one question (what does a yield cost?). Each *entry* of it is a contestant's answer: ours, the peers',
//! the limit's. The subjects below each give a list of cases; `main.rs`, the scoreboard, and `criterion.rs` measure
//! the same list.

// The frame.
pub mod case;
pub mod executor;
pub mod measure;
pub mod report;
pub mod results;
pub mod chart;
pub mod machine;

// The contestants.
pub mod on_ours;
pub mod on_tokio;
pub mod on_smol;
pub mod on_bare;

// The subjects.
pub mod spawn;
pub mod yields;
pub mod channels;
pub mod semaphore;
pub mod timers;
pub mod remote;
pub mod blocking;
pub mod joiners;
pub mod gather_in_place;
pub mod gather_tasks;

use case::Case;

/// glassloop.
pub type Ours = on_ours::Ours;
/// tokio's current-thread runtime with `spawn`.
pub type Tokio = on_tokio::Tokio<on_tokio::Spawn>;
/// The same with a `LocalSet`.
pub type LocalSet = on_tokio::Tokio<on_tokio::Local>;
/// async-executor's `LocalExecutor`.
pub type Smol = on_smol::Smol;
/// The limit: a bare round robin.
pub type Bare = on_bare::Bare;

/// Everything that is measured.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(spawn::cases());
    cases.extend(yields::cases());
    cases.extend(channels::cases());
    cases.extend(semaphore::cases());
    cases.extend(timers::cases());
    cases.extend(remote::cases());
    cases.extend(blocking::cases());
    cases.extend(gather_in_place::cases());
    cases.extend(gather_tasks::cases());
    cases
}

/// A sum that the bodies compare their results with: 0 + 1 + … + (n - 1).
pub fn triangle(n: u64) -> u64 {
    n * n.saturating_sub(1) / 2
}
