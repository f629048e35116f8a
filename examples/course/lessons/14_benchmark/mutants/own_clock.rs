//! refused: a few odd rounds decide nothing | the figure is theirs over ours
//! It takes the time of the calls with a clock of its own.

use course::Rivals;
use std::time::Instant;

/// So many rounds of each.
const ROUNDS: usize = 11;

/// How many times as long theirs takes as ours. None: they cannot be compared.
pub fn compare(rivals: &mut dyn Rivals) -> Option<f64> {
    if !rivals.is_release() {
        return None;
    }
    let mut figures = Vec::new();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        rivals.ours();
        let ours = start.elapsed();
        let start = Instant::now();
        rivals.theirs();
        let theirs = start.elapsed();
        figures.push(theirs.as_secs_f64() / ours.as_secs_f64());
    }
    figures.sort_by(f64::total_cmp);
    Some(figures[ROUNDS / 2])
}

/// The number of a day in the office of hang.rs.
pub const SEED: u64 = 23;

/// Who keeps main waiting on that day, and in which line of hang.rs.
pub fn culprit() -> (&'static str, u32) {
    ("cleo", 175)
}

/// What tokio does faster than rung 13.
pub const TOKIO_WINS: &str = "jobs";
