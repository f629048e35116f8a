//! refused: one round says nothing
//! A round of each.

use course::Rivals;

/// How many times as long theirs takes as ours. None: they cannot be compared.
pub fn compare(rivals: &mut dyn Rivals) -> Option<f64> {
    if !rivals.is_release() {
        return None;
    }
    let ours = rivals.ours();
    Some(rivals.theirs().as_secs_f64() / ours.as_secs_f64())
}

/// The number of a day in the office of hang.rs.
pub const SEED: u64 = 23;

/// Who keeps main waiting on that day, and in which line of hang.rs.
pub fn culprit() -> (&'static str, u32) {
    ("cleo", 175)
}

/// What tokio does faster than rung 13.
pub const TOKIO_WINS: &str = "jobs";
