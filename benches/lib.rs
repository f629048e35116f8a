//! The benchmarks: one body a case, the same for every contestant, and the scoreboard's machinery.
//!
//! A *case* asks one question (what does a yield cost?). Each *entry* of it is a contestant's answer: ours, the peers',
//! the limit's. The subjects below each give a list of cases; `main.rs`, the scoreboard, and `criterion.rs` measure
//! the same list.

// The frame.
pub mod case;
pub mod executor;
pub mod affinity;
pub mod measure;
pub mod report;
pub mod results;
pub mod chart;
pub mod machine;
pub mod untraced;
pub mod size;

// The contestants.
pub mod on_ours;
pub mod on_local;
pub mod on_tokio;
pub mod on_smol;
pub mod on_pool;
pub mod on_bare;
pub mod on_rung;
pub mod on_hyper;

// The subjects.
pub mod spawn;
pub mod yields;
pub mod wakes;
pub mod channels;
pub mod semaphore;
pub mod timers;
pub mod remote;
pub mod blocking;
pub mod client;
pub mod server;
pub mod echo;
pub mod http;
pub mod per_core;
pub mod testers;
pub mod memory;
pub mod growth;
pub mod calls;
pub mod joiners;
pub mod gather_in_place;
pub mod gather_tasks;

use case::Case;

/// glassloop.
pub type Ours = on_ours::Ours;
/// The same, with channels whose ends stay on the loop's thread.
pub type OursLocal = on_local::OursLocal;
/// tokio's current-thread runtime with `spawn`.
pub type Tokio = on_tokio::Tokio<on_tokio::Spawn>;
/// The same with a `LocalSet`.
pub type LocalSet = on_tokio::Tokio<on_tokio::Local>;
/// tokio's multi-thread runtime with one worker.
pub type OneWorker = on_tokio::Tokio<on_tokio::Worker>;
/// futures' `LocalPool`.
pub type Pool = on_pool::Pool;
/// async-executor's `LocalExecutor`.
pub type Smol = on_smol::Smol;
/// The last rung of the course, for a look.
pub type Rung = on_rung::Rung;
/// The limit: a bare round robin.
pub type Bare = on_bare::Bare;

/// Everything that is measured.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(spawn::cases());
    cases.extend(yields::cases());
    cases.extend(wakes::cases());
    cases.extend(channels::cases());
    cases.extend(semaphore::cases());
    cases.extend(timers::cases());
    cases.extend(remote::cases());
    cases.extend(blocking::cases());
    cases.extend(echo::cases());
    cases.extend(http::cases());
    cases.extend(per_core::cases());
    cases.extend(testers::cases());
    cases.extend(gather_in_place::cases());
    cases.extend(gather_tasks::cases());
    cases.extend(memory::cases());
    cases.extend(growth::cases());
    cases.extend(calls::cases());
    cases
}

/// Brings the allocator into the state in which it is in a process that has lived for a while: glibc's hands memory back
/// to the system, and takes it again page by page, until it has seen a large block come and go. Whether it has, before
/// a case begins, should not depend on the cases before it.
pub fn settle_allocator() {
    drop(std::hint::black_box(vec![1_u8; 31 << 20]));
}

/// A sum that the bodies compare their results with: 0 + 1 + … + (n - 1).
pub fn triangle(n: u64) -> u64 {
    n * n.saturating_sub(1) / 2
}
