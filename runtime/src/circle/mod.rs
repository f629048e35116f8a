//! The circle: the loop itself. Read the files in the order of the `mod` lines; the numbers are those of the picture in
//! the crate's documentation.
//!
//! The circle uses `parts/` and nothing else of the crate. What it needs from above is handed to it: other threads are
//! the trait `Threads`, a message may be "run this on the loop", a place for a result is a trait.

pub(crate) mod ticket;
pub(crate) mod timers;
pub(crate) mod result;
pub(crate) mod task;
pub(crate) mod ready;
pub(crate) mod reactor;
pub(crate) mod core;
pub(crate) mod run;
pub(crate) mod wake;
pub(crate) mod remote;
pub(crate) mod context;
pub(crate) mod budget;
pub(crate) mod join;
pub(crate) mod report;
