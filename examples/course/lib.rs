//! The checkers' library: what a check of a lesson is made of, and the runner of the course.
//!
//! A check runs an answer in small programs. [`Probe`]s see every poll and make every wake, [`watch()`] says how a loop
//! ended, even when it hangs or spins, and [`run()`] turns what they found into a message. The verdict is the probes';
//! the reason is the earliest event that breaks a rule.

#![warn(missing_docs, missing_debug_implementations, unreachable_pub)]

// The library of a check, from the bottom up.
mod dice;
mod system;
mod run;
mod watch;
mod probe;
mod spy;
mod meanwhile;
mod crowd;
mod plan;
mod text;
mod check;
mod grade;
// The runner: `cargo run -p course`.
mod catalog;
mod progress;
mod compile;
mod orders;
mod log;
mod bench;
mod mark;
mod marks;
pub mod quiz;
mod report;
mod markdown;
mod book;
mod also;
pub mod commands;

pub use catalog::{Course, Lesson};
pub use check::{ACCEPTED, Judged, PROGRAMS, REFUSED, run};
pub use crowd::Crowd;
pub use dice::Dice;
pub use grade::{Verdict, grade, rules_of};
pub use meanwhile::{Meanwhile, meanwhile};
pub use plan::{Plan, Spawned, Way as Waking, drive};
pub use probe::{CountingWaker, Probe, Script, Step, WAYS, Way, naps};
pub use progress::Progress;
pub use run::{Broken, Event, Run, broken, from_afar};
pub use spy::{Moment, Spy, forget, once_at};
pub use system::Look;
pub use text::{COLUMNS, wrap};
pub use watch::{Outcome, SPIN, Watched, watch};

#[doc(hidden)]
pub use run::said;

/// Tells one step of the loop: `say!(Park {})`. In a check the step appears in the messages, with its line. Elsewhere a
/// rung makes nothing of it.
#[macro_export]
macro_rules! say {
    ($name:ident $($rest:tt)*) => {
        $crate::said(stringify!($name), file!(), line!())
    };
}
