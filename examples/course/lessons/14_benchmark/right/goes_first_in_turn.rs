//! Each goes first in every other pair, after a round that warms up; an even number of pairs.

use course::Rivals;

/// How many times as long theirs takes as ours. None: they cannot be compared.
pub fn compare(rivals: &mut dyn Rivals) -> Option<f64> {
    if !rivals.is_release() {
        return None;
    }
    let _warm = (rivals.ours(), rivals.theirs());
    let mut figures = Vec::new();
    for pair in 0..100 {
        let (ours, theirs) = if pair % 2 == 0 {
            let ours = rivals.ours();
            (ours, rivals.theirs())
        } else {
            let theirs = rivals.theirs();
            (rivals.ours(), theirs)
        };
        figures.push(theirs.as_secs_f64() / ours.as_secs_f64());
    }
    figures.sort_by(f64::total_cmp);
    Some((figures[49] + figures[50]) / 2.0)
}

/// The number of a day in the office of hang.rs.
pub const SEED: u64 = 23;

/// Who keeps main waiting on that day, and in which line of hang.rs.
pub fn culprit() -> (&'static str, u32) {
    ("cleo", 175)
}

/// What tokio does faster than rung 13.
pub const TOKIO_WINS: &str = "jobs";
