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
//! For a program of your own it is one line: `runtime::trace::page("page.html", future)`. `own.rs` is a beginning.

use lexopt::Arg::{Long, Short, Value};
use lexopt::{Parser, ValueExt};
use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::panic::{set_hook, take_hook};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use step::programs::{PROGRAMS, Program, Recording};
use step::transcript;

const HELP: &str = "\
Records a small program on the loop and writes a page on which to step through it

Usage: step [OPTIONS] [PROGRAM]

Arguments:
  [PROGRAM]  Which program; --list names them all [default: sleep]

Options:
      --out <FILE>  Where the page goes [default: step.html]
      --list        Lists the programs, in the order of learning
      --text        Writes a transcript to the terminal instead of a page
      --json        Writes the events to the terminal as JSON, one a line, instead of a page
  -h, --help        Prints this

Exit status: 0; 2 if the arguments make no sense or the page cannot be written; 3 if the program ended with a panic, as
one that hangs does. The page, the transcript or the events are written all the same, and show how it came to that.";

/// The exit status when the program did not come to its end.
const PANICKED: u8 = 3;

/// What is asked for.
enum Wish {
    Help,
    List,
    /// To record a program, and what comes of it.
    Record(&'static Program, Output),
}

enum Output {
    Page(PathBuf),
    Text,
    Json,
}

fn main() -> ExitCode {
    let wish = match wish(Parser::from_env()) {
        Ok(wish) => wish,
        Err(error) => {
            eprintln!("error: {error}\n\nUsage: step [OPTIONS] [PROGRAM]\n\nFor more information, try '--help'.");
            return ExitCode::from(2);
        }
    };
    match run(&wish) {
        Ok(status) => status,
        // Whoever reads the transcript has seen enough (`| head`).
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("step: {error}");
            ExitCode::from(2)
        }
    }
}

/// What the arguments ask for.
fn wish(mut arguments: Parser) -> Result<Wish, lexopt::Error> {
    let (mut program, mut out, mut list, mut text, mut json) = (None, None, false, false, false);
    while let Some(argument) = arguments.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(Wish::Help),
            Long("list") => list = true,
            Long("text") => text = true,
            Long("json") => json = true,
            Long("out") => out = Some(PathBuf::from(arguments.value()?)),
            Value(name) if program.is_none() => program = Some(name.string()?),
            Value(name) => return Err(unexpected(&name.to_string_lossy())),
            Long(name) => return Err(unexpected(&format!("--{name}"))),
            Short(letter) => return Err(unexpected(&format!("-{letter}"))),
        }
    }
    if list {
        return Ok(Wish::List);
    }
    let output = match (out, text, json) {
        (_, true, true) => return Err("the argument '--text' cannot be used with '--json'".into()),
        (Some(_), true, _) => return Err("the argument '--out' cannot be used with '--text': it writes no page".into()),
        (Some(_), _, true) => return Err("the argument '--out' cannot be used with '--json': it writes no page".into()),
        (_, true, _) => Output::Text,
        (_, _, true) => Output::Json,
        (out, ..) => Output::Page(out.unwrap_or_else(|| "step.html".into())),
    };
    let name = program.unwrap_or_else(|| PROGRAMS[0].name.to_owned());
    let program = Program::named(&name).ok_or_else(|| {
        let names = PROGRAMS.map(|program| program.name).join(", ");
        lexopt::Error::from(format!("there is no program \"{name}\"; there are {names}"))
    })?;
    Ok(Wish::Record(program, output))
}

fn unexpected(argument: &str) -> lexopt::Error {
    format!("unexpected argument '{argument}' found").into()
}

fn run(wish: &Wish) -> io::Result<ExitCode> {
    let mut out = io::stdout().lock();
    let (program, output) = match wish {
        Wish::Help => return writeln!(out, "{HELP}").map(|()| ExitCode::SUCCESS),
        Wish::List => return list(out).map(|()| ExitCode::SUCCESS),
        Wish::Record(program, output) => (*program, output),
    };
    // Asked for before the program runs: a name that cannot be written to is told at once.
    let page = if let Output::Page(path) = output { Some((path, create(path)?)) } else { None };
    // The hook tells of every panic, the expected ones of a program as well.
    set_hook(Box::new(|panic| eprintln!("step: {panic}\n")));
    let recording = program.record()?;
    drop(take_hook());
    if let Some((path, page)) = page {
        write_page(program, &recording, page)?;
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
    eprintln!("step: the program did not come to its end, for the reason above; what is written shows how far it came");
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

fn write_page(program: &Program, recording: &Recording, page: File) -> io::Result<()> {
    let mut page = BufWriter::new(page);
    recording.recorder.write_page(recording.heading(program), &mut page)?;
    page.flush()
}

/// Makes the file, in the place of an earlier page but of nothing else.
fn create(path: &Path) -> io::Result<File> {
    let refuse = |why: &dyn Display| {
        let cure = "name a page, or a file that is not there yet, in a folder that may be written to, with --out FILE";
        io::Error::other(format!("cannot write {}: {why}; {cure}", path.display()))
    };
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(15).read_to_end(&mut start));
    if read.is_ok() && !start.is_empty() && start != b"<!doctype html>" {
        return Err(refuse(&"it is there, and is no page of this program's"));
    }
    File::create(path).map_err(|error| refuse(&error))
}
