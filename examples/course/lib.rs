//! The checkers' library: what a check of a lesson is made of, and the runner of the course.
//!
//! A check runs an answer in small programs. [`Probe`]s see every poll and make every wake, [`watch()`] says how a loop
//! ended, even when it hangs or spins, and [`run()`] turns what they found into a message. The verdict is the probes';
//! the reason is the earliest event that breaks a rule.

#![warn(missing_docs, missing_debug_implementations, unreachable_pub)]

// The library of a check, from the bottom up.
mod dice;
mod system;
mod fields;
mod scope;
mod event;
mod run;
mod said;
mod json;
mod trace;
mod record;
mod watch;
mod probe;
mod spy;
mod meanwhile;
mod crowd;
mod plan;
mod mailbox;
mod taker;
mod sleeper;
mod timers;
mod jobs;
mod peace;
mod scripted;
mod connection;
mod client;
mod endings;
mod asks;
mod permits;
mod granted;
mod work;
mod acts;
mod rivals;
mod children;
mod parent;
mod gathered;
mod produced;
mod by_hand;
mod text;
mod check;
mod grade;
// The runner: `cargo run -p course`.
mod catalog;
mod progress;
mod compile;
mod parts;
mod own;
mod orders;
mod checking;
mod step;
mod follow;
mod debug;
mod log;
mod bench;
mod mark;
mod marks;
pub mod quiz;
mod report;
#[cfg(feature = "book")]
mod markdown;
#[cfg(feature = "book")]
mod what_ifs;
#[cfg(feature = "book")]
mod shown;
#[cfg(feature = "book")]
mod book;
mod also;
pub mod commands;

pub use acts::Act;
pub use asks::{Ask, AtOnce};
pub use by_hand::{ByHand, JobStep, Polled};
pub use catalog::{Course, Lesson, PROGRAMS_OF_STEP};
pub use check::{ACCEPTED, Judged, PROGRAMS, REFUSED, run};
pub use children::Child;
pub use client::{Client, FAR_TOO_LONG, Then, is_answer};
pub use connection::{Answer, Connection, Request, Wants};
pub use crowd::Crowd;
pub use dice::Dice;
pub use event::Event;
pub use gathered::sleeps_in_a_gather;
pub use grade::{Verdict, grade, rules_of};
pub use jobs::{Job, settles};
pub use mailbox::{Kind, Mailbox, Take};
pub use meanwhile::{Meanwhile, meanwhile};
pub use parent::{ChildStep, Form, Parent};
pub use permits::Permits;
pub use plan::{Plan, Spawned, Way as Waking, drive};
pub use probe::{CountingWaker, Probe, Script, Step, WAYS, Way, naps};
pub use produced::Produced;
pub use progress::Progress;
pub use rivals::{FEWEST, Flaw, Machine, Rivals};
pub use run::{Broken, Run, broken, from_afar};
pub use scripted::{CALLED, Failure, Given, Scripted, Way as WireWay, Wire, sleeps_at_a_socket, waker_is_dropped};
pub use sleeper::MS;
pub use spy::{Moment, Spy, at_each_drop, forget, once_at};
pub use system::Look;
pub use taker::{Taker, at_next_copy, at_next_wake};
pub use text::{COLUMNS, wrap};
pub use timers::Sleeps;
pub use watch::{Outcome, SPIN, Watched, watch};
pub use work::{ByHandle, End, Ending, JOINERS, Work, is_of_a_task};

#[doc(hidden)]
pub use fields::{Field, Told, Value, ViaDebug, ViaNothing};
pub use record::{LookAtQueue, record};
#[doc(hidden)]
pub use said::said;

/// Tells one step of the loop: `say!(Park {})`, `say!(Push { task: ticket })`. In a check the step appears in the messages,
/// with its line, and on the page of the program with all its fields. Elsewhere a rung makes nothing of it.
#[macro_export]
macro_rules! say {
    ($name:ident { $($field:ident: $value:expr),* $(,)? }) => {{
        #[allow(unused_imports)]
        use $crate::{ViaDebug as _, ViaNothing as _};
        let fields = ::std::vec![$((stringify!($field), (&$crate::Told(&$value)).value())),*];
        $crate::said(stringify!($name), file!(), line!(), fields)
    }};
    // What has another form is told without its fields.
    ($name:ident $($rest:tt)*) => {
        $crate::said(stringify!($name), file!(), line!(), ::std::vec::Vec::new())
    };
}
