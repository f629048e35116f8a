//! See it turn: records a small program and writes a page on which to step through the loop, forwards and backwards.
//!
//! ```text
//! $ cargo run --example step
//! sleep: one task sleeps for 10 ms
//! 21 events. Open it in a browser: file:///home/ada/glassloop/step.html
//! ```
//!
//! The page of that program is in the repository, too, as `examples/step.html`; this writes it anew when the runtime has
//! changed:
//!
//! ```text
//! $ cargo run --example step -- --out examples/step.html
//! ```
//!
//! The picture of it in the README is of the program `gather`, of those that
//! `GLASSLOOP_PICTURES=FOLDER cargo test -p tests --test page nothing_overflows` leaves in the folder.
//!
//! Every schedule of a program until one fails, and the program on a loop with a fault, beside the usual one:
//!
//! ```text
//! $ cargo run --example step -- race --explore
//! $ cargo run --example step -- two --what-if drop-wake:2
//! ```
//!
//! What a lesson of the course asks, and two programs that differ in one thing:
//!
//! ```text
//! $ cargo run --example step -- --asked 4
//! $ cargo run --example step -- --beside naive
//! ```
//!
//! All of these need the package's feature `explore`. `cargo run --example step` has it, because the tests ask for it.
//! `cargo run -p step --example step` does not: it compiles less, so that the first page is there sooner.
//!
//! For a program of your own it is one line: `runtime::trace::page("page.html", future)`. `own.rs` is a beginning.

use explored::Fault;
use lexopt::Arg::{Long, Short, Value};
use lexopt::{Parser, ValueExt};
use runtime::trace::{self, Page, Recorder};
use std::fs::{self, File};
use std::io::{self, Write};
use std::panic::{set_hook, take_hook};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use step::out::{Stdout, complain};
use step::programs::{PROGRAMS, Program, Recording};
use step::{stop, transcript};

#[cfg(feature = "explore")]
mod explored;
#[cfg(not(feature = "explore"))]
#[path = "unexplored.rs"]
mod explored;

const HELP: &str = include_str!("help.txt");

/// The exit status when the program did not come to its end.
const PANICKED: u8 = 3;

/// What is asked for.
enum Wish {
    Help,
    List,
    /// To record a program, and what comes of it.
    Record(&'static Program, Output),
    /// To record what a lesson of the course asks.
    Asked(u32, PathBuf),
    /// To record two programs.
    Beside(String, PathBuf),
    /// To make a page of a trace that is there.
    Read(PathBuf, PathBuf, Option<String>),
}

enum Output {
    Page(PathBuf),
    Text,
    Json,
    /// The page of the first schedule that fails.
    Explored(PathBuf),
    /// Both traces on one page.
    WhatIf(Fault, PathBuf),
}

fn main() -> ExitCode {
    let wish = match wish(Parser::from_env()) {
        Ok(wish) => wish,
        Err(error) => {
            let usage = "Usage: step [OPTIONS] [PROGRAM]\n\nFor more information, try '--help'.";
            complain(format_args!("error: {error}\n\n{usage}"));
            return ExitCode::from(2);
        }
    };
    let mut out = Stdout::default();
    let status = run(&wish, &mut out).unwrap_or_else(|error| {
        complain(format_args!("step: {error}"));
        ExitCode::from(2)
    });
    out.end(status)
}

/// What the arguments ask for.
fn wish(mut arguments: Parser) -> Result<Wish, lexopt::Error> {
    let (mut program, mut file, mut out, mut list, mut text, mut json) = (None, None, None, false, false, false);
    let (mut explore, mut fault, mut title) = (false, None, None);
    let (mut asked, mut beside) = (None, None);
    while let Some(argument) = arguments.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(Wish::Help),
            Long("list") => list = true,
            Long("text") => text = true,
            Long("json") => json = true,
            Long("file") => once("--file", &mut file, PathBuf::from(arguments.value()?))?,
            Long("title") => once("--title", &mut title, arguments.value()?.string()?)?,
            Long("explore") => explore = true,
            Long("what-if") => once("--what-if", &mut fault, arguments.value()?.parse::<Fault>()?)?,
            Long("asked") => once("--asked", &mut asked, arguments.value()?.parse::<u32>()?)?,
            Long("beside") => once("--beside", &mut beside, arguments.value()?.string()?)?,
            Long("out") => once("--out", &mut out, PathBuf::from(arguments.value()?))?,
            Value(name) if program.is_none() => program = Some(name.string()?),
            Value(name) => return Err(unexpected(&name.to_string_lossy())),
            Long(name) => return Err(unexpected(&format!("--{name}"))),
            Short(letter) => return Err(unexpected(&format!("-{letter}"))),
        }
    }
    if list {
        return Ok(Wish::List);
    }
    if usize::from(explore) + usize::from(fault.is_some()) + usize::from(text || json) > 1 {
        return Err("'--explore', '--what-if', '--text' and '--json' cannot be used with each other".into());
    }
    let page = |out: Option<PathBuf>| out.unwrap_or_else(|| "step.html".into());
    if asked.is_some() || beside.is_some() {
        let others = [text, json, explore, fault.is_some(), program.is_some(), file.is_some(), title.is_some()];
        if others.contains(&true) || (asked.is_some() && beside.is_some()) {
            return Err("the arguments '--asked' and '--beside' go with '--out' only".into());
        }
        let wish = asked.map(|number| Wish::Asked(number, page(out.clone())));
        return Ok(wish.unwrap_or_else(|| Wish::Beside(beside.expect("it is there"), page(out))));
    }
    if let Some(file) = file {
        if text || json || explore || fault.is_some() || program.is_some() {
            return Err(
                "the argument '--file' cannot be used with a program, or with another output than a page".into()
            );
        }
        return Ok(Wish::Read(file, page(out), title));
    }
    if title.is_some() {
        return Err("the argument '--title' cannot be used without '--file'".into());
    }
    let output = match (out, text, json) {
        (out, ..) if explore => Output::Explored(page(out)),
        (out, ..) if fault.is_some() => Output::WhatIf(fault.expect("it is there"), page(out)),
        (_, true, true) => return Err("the argument '--text' cannot be used with '--json'".into()),
        (Some(_), true, _) => return Err("the argument '--out' cannot be used with '--text': it writes no page".into()),
        (Some(_), _, true) => return Err("the argument '--out' cannot be used with '--json': it writes no page".into()),
        (_, true, _) => Output::Text,
        (_, _, true) => Output::Json,
        (out, ..) => Output::Page(page(out)),
    };
    let name = program.unwrap_or_else(|| PROGRAMS[0].name.to_owned());
    let program = Program::named(&name).ok_or_else(|| {
        let names = PROGRAMS.map(|program| program.name).join(", ");
        lexopt::Error::from(format!("there is no program \"{name}\"; there are {names}"))
    })?;
    Ok(Wish::Record(program, output))
}

/// Takes the value of an option that may be there once.
fn once<T>(option: &str, place: &mut Option<T>, value: T) -> Result<(), lexopt::Error> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("the argument '{option}' cannot be used twice").into()),
    }
}

fn unexpected(argument: &str) -> lexopt::Error {
    format!("unexpected argument '{argument}' found").into()
}

fn run(wish: &Wish, mut out: &mut Stdout) -> io::Result<ExitCode> {
    let (program, output) = match wish {
        Wish::Help => return write!(out, "{HELP}").map(|()| ExitCode::SUCCESS),
        Wish::List => return list(out).map(|()| ExitCode::SUCCESS),
        Wish::Read(file, page, title) => return read(file, page, title.as_deref(), out).map(|()| ExitCode::SUCCESS),
        Wish::Asked(number, path) => return explored::asked(*number, path, out),
        Wish::Beside(name, path) => return explored::beside(name, path, out),
        Wish::Record(program, Output::Explored(path)) => return explored::every_schedule(program, path, out),
        Wish::Record(program, Output::WhatIf(fault, path)) => return explored::what_if(program, *fault, path, out),
        Wish::Record(program, output) => (*program, output),
    };
    stop::leave_pages()?;
    let recorder = Recorder::start().with_snapshots();
    // Asked for before the program runs: a name that cannot be written to is told at once.
    let page = if let Output::Page(path) = output { Some((path, page_at(&recorder, program, path)?)) } else { None };
    // The hook tells of every panic, the expected ones of a program as well.
    set_hook(Box::new(|panic| complain(format_args!("step: {panic}\n"))));
    let recording = program.record_with(recorder)?;
    drop(take_hook());
    if let Some((path, page)) = page {
        recording.recorder.save_page(recording.heading(program), path)?;
        drop(page);
        let (events, path) = (recording.recorder.events().len(), path.canonicalize()?);
        introduce(program, &recording, &format!("file://{}#e=", path.display()), &mut out)?;
        writeln!(out, "{events} events. Open it in a browser: file://{}", path.display())?;
    } else if matches!(output, Output::Text) {
        introduce(program, &recording, "event ", &mut out)?;
        write!(out, "{}", transcript::of(&recording.recorder))?;
    } else {
        recording.recorder.write_json(&mut out)?;
    }
    if recording.panic.is_none() {
        return Ok(ExitCode::SUCCESS);
    }
    let why = "for the reason above; what is written shows how far it came";
    complain(format_args!("step: the program did not come to its end, {why}"));
    Ok(ExitCode::from(PANICKED))
}

/// The programs, each with what it is about.
fn list(mut out: impl Write) -> io::Result<()> {
    PROGRAMS.iter().try_for_each(|program| {
        let [first, second] = program.about;
        writeln!(out, "{:<10} {}\n           {first} {second}", program.name, program.title)
    })
}

/// What the program is about, and where the answers to its questions are.
fn introduce(program: &Program, recording: &Recording, link: &str, mut out: impl Write) -> io::Result<()> {
    let [first, second] = program.about;
    writeln!(out, "{}: {}\n{first} {second}", program.name, program.title)?;
    let events = recording.recorder.events();
    for question in &program.questions {
        match question.answer(&events) {
            Some(event) => writeln!(out, "  {}  {link}{event}", question.text)?,
            None => writeln!(out, "  {}  This time it did not happen.", question.text)?,
        }
    }
    Ok(())
}

/// Announces the page, in the place of an earlier page but of nothing else.
fn page_at(recorder: &Recorder, program: &Program, path: &Path) -> io::Result<Page> {
    recorder.page_at(program.title, path).map_err(cannot_write)
}

/// What is said when a page cannot be written.
fn cannot_write(error: io::Error) -> io::Error {
    let cure = "name a page, or a file that is not there yet, in a folder that may be written to, with --out FILE";
    io::Error::other(format!("cannot write {error}; {cure}"))
}

/// Makes the page of a trace that somebody else has written.
fn read(file: &Path, page: &Path, title: Option<&str>, mut out: impl Write) -> io::Result<()> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", file.display()));
    let mut trace = trace::read(File::open(file).map_err(named)?).map_err(named)?;
    // Two programs have a `src/main.rs`: the one that lies beside the trace is meant.
    let beside = file.parent().unwrap_or(Path::new(""));
    for name in trace.files().map(str::to_owned).collect::<Vec<_>>() {
        if let Ok(source) = fs::read_to_string(beside.join(&name)) {
            trace = trace.with_source(name, source);
        }
    }
    trace.save_page(title.map_or_else(|| file.display().to_string(), str::to_owned), page)?;
    writeln!(out, "{} events. Open it in a browser: file://{}", trace.len(), page.canonicalize()?.display())
}
