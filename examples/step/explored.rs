//! `--explore` and `--what-if`: a program under every schedule, and on a loop with a fault.

use crate::PANICKED;
use runtime::explore::{explorer, what_if_on};
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use step::programs::Program;

pub(crate) use runtime::explore::WhatIf as Fault;

/// Runs the program under many schedules, and writes the page of the one that fails.
pub(crate) fn every_schedule(program: &Program, path: &Path, mut out: impl Write) -> io::Result<ExitCode> {
    let explored = explorer().run_on(program.run);
    writeln!(out, "{}: {explored}", program.name)?;
    let Some(failure) = &explored.failure else { return Ok(ExitCode::SUCCESS) };
    failure.page_on(path, program.run)?;
    writeln!(out, "Step through it: file://{}", path.canonicalize()?.display())?;
    Ok(ExitCode::from(PANICKED))
}

/// Runs the program with a fault in the loop, and without, and writes both traces.
pub(crate) fn what_if(program: &Program, fault: Fault, path: &Path, mut out: impl Write) -> io::Result<ExitCode> {
    let difference = what_if_on(fault, program.run);
    difference.page(path)?;
    writeln!(out, "{difference}\nBoth side by side: file://{}", path.canonicalize()?.display())?;
    Ok(ExitCode::SUCCESS)
}
