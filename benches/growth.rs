//! Growth: what one task, timer, child or socket costs among very many, against the same among a thousand.
//!
//! Both columns are ours, and do the same number of operations. Flat within a factor of two is what caches explain; an
//! algorithm that looks at all of them for one would be at a hundred and more.

use crate::case::{Case, Clock, Role};
use crate::executor::{Executor, Timers};
use crate::server::{Load, serve_as};
use crate::{Ours, echo, gather_in_place, memory, spawn, timers};

/// What they are compared with.
const FEW: u64 = 1_000;
const FEW_NAME: &str = "among 1,000";
/// How many there are at once.
const MANY: [(u64, &str); 3] = [(10_000, "10,000"), (100_000, "100,000"), (1_000_000, "1,000,000")];
/// Sockets at once, where the system gives as many descriptors.
const SOCKETS: u64 = 20_000;
/// Half of the cost among a thousand, turned round: flat within a factor of two.
const FLAT: f64 = 0.5;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (what, each) in [("tasks", "task"), ("timeouts", "timeout"), ("children that yield 10 times", "child")] {
        for (n, name) in MANY {
            let mut case = Case::new("growth", format!("{what}, among {name}"), n, each).target(FLAT);
            case.slow = n != 100_000;
            case = case.why(
                "The algorithms look at nobody else, but for the heap of the timers, which looks at a logarithm of them. A \
                 million tasks or children take hundreds of megabytes, which each round walks through; a thousand stay in the \
                 core's own cache. What grows is the time to fetch them.",
            );
            cases.push(match each {
                "task" => both(case, n, Ours::new, spawn::spawn_and_join::<Ours>),
                "timeout" => both(case, n, Ours::paused, timers::timeouts_at_once::<Ours>),
                _ => both(case, n, Ours::new, gather_in_place::gather_yielding),
            });
        }
    }
    cases.push(sockets());
    cases
}

/// One round of `body(n)`, against as many of `body(FEW)` as do the same.
fn both<F: Future<Output = ()> + 'static>(case: Case, n: u64, make: fn() -> Ours, body: fn(u64) -> F) -> Case {
    case.named("glassloop", Role::Ours, make, move || body(n)).named(FEW_NAME, Role::Peer, make, move || async move {
        for _ in 0..n / FEW {
            body(FEW).await;
        }
    })
}

/// Messages to an echo server, each to the next of its sockets.
fn sockets() -> Case {
    // A connection takes two descriptors; ours and ours again are open at once, and programs have other files.
    let many = (memory::raise_limit() / 4).saturating_sub(100).clamp(FEW, SOCKETS) / FEW * FEW;
    let load = |connections: u64| Load { connections: connections as usize, messages: many, talk: echo::talk(64) };
    let mut case =
        Case::new("growth", format!("sockets, among {many}"), many, "message").by(Clock::Thread).target(FLAT);
    case.slow = true;
    let case = serve_as::<Ours, _>(case, "glassloop", Role::Ours, &load(many), echo::echo_all::<Ours>);
    serve_as::<Ours, _>(case, FEW_NAME, Role::Peer, &load(FEW), echo::echo_all::<Ours>)
}
