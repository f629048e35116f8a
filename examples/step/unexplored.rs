//! What `--explore`, `--what-if`, `--asked` and `--beside` say when `step` was built without the explorer: how to build it with it.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::str::FromStr;
use step::programs::Program;

/// The command that builds and runs it with the explorer; what it is to do follows.
const WITH_EXPLORER: &str = "cargo run -p step --features explore --example step --";

/// Any fault: without the explorer nobody knows which there are.
#[derive(Clone, Copy)]
pub(crate) struct Fault;

impl FromStr for Fault {
    type Err = io::Error;

    fn from_str(_: &str) -> io::Result<Fault> {
        Ok(Fault)
    }
}

/// Names the build that can do it.
pub(crate) fn every_schedule(program: &Program, _: &Path, _: impl Write) -> io::Result<ExitCode> {
    Err(needs_the_explorer(&format!("{} --explore", program.name)))
}

/// Names the build that can do it.
pub(crate) fn what_if(program: &Program, _: Fault, _: &Path, _: impl Write) -> io::Result<ExitCode> {
    Err(needs_the_explorer(&format!("{} --what-if FAULT", program.name)))
}

/// Names the build that can do it.
pub(crate) fn asked(number: u32, _: &Path, _: impl Write) -> io::Result<ExitCode> {
    Err(needs_the_explorer(&format!("--asked {number}")))
}

/// Names the build that can do it.
pub(crate) fn beside(name: &str, _: &Path, _: impl Write) -> io::Result<ExitCode> {
    Err(needs_the_explorer(&format!("--beside {name}")))
}

fn needs_the_explorer(arguments: &str) -> io::Error {
    io::Error::other(format!("this build has no explorer; build it with its feature:\n  {WITH_EXPLORER} {arguments}"))
}
