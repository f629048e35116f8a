//! refused: both see the same machine
//! The exercise after its first task.

use course::Rivals;
use std::time::Duration;

/// So many rounds of each.
const ROUNDS: usize = 11;

/// How many times as long theirs takes as ours. None: they
/// cannot be compared.
pub fn compare(rivals: &mut dyn Rivals) -> Option<f64> {
    let mut figures = Vec::new();
    // Step 1: take turns. Step 3: a release build.
    figures.push(in_a_row(rivals));
    // Step 2: the median.
    figures.pop()
}

/// A bad benchmark: first all of ours, then all of theirs.
fn in_a_row(rivals: &mut dyn Rivals) -> f64 {
    let mut ours = Duration::ZERO;
    for _ in 0..ROUNDS {
        ours += rivals.ours();
    }
    let mut theirs = Duration::ZERO;
    for _ in 0..ROUNDS {
        theirs += rivals.theirs();
    }
    theirs.as_secs_f64() / ours.as_secs_f64()
}

/// The number of your day in the office of hang.rs. Take
/// any other one.
pub const SEED: u64 = 14;

/// Who keeps main waiting on that day, and in which line of
/// hang.rs.
pub fn culprit() -> (&'static str, u32) {
    // Step 4: who. Step 5: where.
    ("main", 0)
}

/// What tokio does faster than rung 13: a name from the
/// list in beside.rs. No check looks at it.
pub const TOKIO_WINS: &str = "yields";
