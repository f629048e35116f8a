//! refused: a few odd rounds decide nothing
//! Turns are taken, and the mean of the pairs is the figure.

use course::Rivals;

/// So many rounds of each.
const ROUNDS: usize = 11;

/// How many times as long theirs takes as ours. None: they cannot be compared.
pub fn compare(rivals: &mut dyn Rivals) -> Option<f64> {
    if !rivals.is_release() {
        return None;
    }
    let mut figures = Vec::new();
    for _ in 0..ROUNDS {
        let ours = rivals.ours();
        let theirs = rivals.theirs();
        figures.push(theirs.as_secs_f64() / ours.as_secs_f64());
    }
    Some(figures.iter().sum::<f64>() / ROUNDS as f64)
}

/// The number of a day in the office of hang.rs.
pub const SEED: u64 = 23;

/// Who keeps main waiting on that day, and in which line of hang.rs.
pub fn culprit() -> (&'static str, u32) {
    ("cleo", 175)
}

/// What tokio does faster than rung 13.
pub const TOKIO_WINS: &str = "jobs";
