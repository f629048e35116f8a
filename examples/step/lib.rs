//! What `step` records, and how it says it: small programs to step through, and a transcript of what they did.
//!
//! In reading order: [`programs`] lists the programs, each in a file of its own; [`transcript`] says what happened in
//! sentences; [`pieces`] is what the programs of `races` are made of; [`stop`] leaves the page at Ctrl-C; [`out`]
//! prints, and panics at no closed pipe. The command line is `step.rs`. The page itself is made by the runtime, in its module
//! `trace`.

pub mod pieces;
pub mod programs;
mod json;
pub mod out;
mod sentences;
pub mod transcript;
pub mod stop;
#[cfg(feature = "explore")]
pub mod asked;
