//! `--explore` and `--what-if`: a program under every schedule, and on a loop with a fault. `--asked` and `--beside`: what
//! the lessons of the course ask and compare.

use crate::{PANICKED, cannot_write};
use runtime::explore::{explorer, what_if_on};
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use step::asked::Lesson;
use step::asked::beside::{BESIDE, Beside};
use step::programs::Program;
use step::transcript::sentences;

pub(crate) use runtime::explore::WhatIf as Fault;

/// Runs the program under many schedules, and writes the page of the one that fails.
pub(crate) fn every_schedule(program: &Program, path: &Path, mut out: impl Write) -> io::Result<ExitCode> {
    let explored = explorer().run_on(program.run);
    writeln!(out, "{}: {explored}", program.name)?;
    let Some(failure) = &explored.failure else { return Ok(ExitCode::SUCCESS) };
    failure.page_on(path, program.run).map_err(cannot_write)?;
    writeln!(out, "Step through it: file://{}", path.canonicalize()?.display())?;
    Ok(ExitCode::from(PANICKED))
}

/// Runs the program with a fault in the loop, and without, and writes both traces.
pub(crate) fn what_if(program: &Program, fault: Fault, path: &Path, mut out: impl Write) -> io::Result<ExitCode> {
    let difference = what_if_on(fault, program.run).told_by(sentences);
    difference.page(path).map_err(cannot_write)?;
    writeln!(out, "{difference}\nBoth side by side: file://{}", path.canonicalize()?.display())?;
    Ok(ExitCode::SUCCESS)
}

/// Runs the programs that answer what a lesson asks, and writes the page of them.
pub(crate) fn asked(number: u32, path: &Path, mut out: impl Write) -> io::Result<ExitCode> {
    let lesson = Lesson::numbered(number).ok_or_else(|| io::Error::other(format!("there is no lesson {number}")))?;
    let recorder = lesson.record()?;
    let events = recorder.events();
    recorder.save_page(lesson.heading(&events), path)?;
    writeln!(out, "{} events. Open it in a browser: file://{}", events.len(), path.canonicalize()?.display())?;
    Ok(ExitCode::SUCCESS)
}

/// Runs two programs, and writes both traces. A file that is there and no page stays as it is.
pub(crate) fn beside(name: &str, path: &Path, mut out: impl Write) -> io::Result<ExitCode> {
    let beside = Beside::named(name).ok_or_else(|| {
        let names = BESIDE.map(|beside| beside.name).join(", ");
        io::Error::other(format!("there is nothing called \"{name}\"; there are {names}"))
    })?;
    let is_page = |text: String| text.starts_with("<!doctype html>");
    if path.exists() && !fs::read_to_string(path).is_ok_and(is_page) {
        return Err(io::Error::other(format!("{} is no page, and is not overwritten", path.display())));
    }
    fs::write(path, beside.page()?)?;
    writeln!(out, "Both side by side: file://{}", path.canonicalize()?.display())?;
    Ok(ExitCode::SUCCESS)
}
