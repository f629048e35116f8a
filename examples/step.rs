//! See it turn: records a small program and writes a page on which to step through the loop, forwards and backwards.
//!
//! ```text
//! $ cargo run --example step
//! gather: three fetches in place: children, wakers, the count of those that remain
//! 53 events. Open it in a browser: file:///home/ada/glassloop/step.html
//! ```
//!
//! The picture of it in the README is the first program's, of those that
//! `GLASSLOOP_PICTURES=FOLDER cargo test -p tests --test page nothing_overflows` leaves in the folder.
//!
//! For a program of your own it is one line: `runtime::trace::page("page.html", future)`.

use clap::Parser;
use examples::programs::{PROGRAMS, Program};
use examples::transcript;
use runtime::Runtime;
use runtime::trace::Recorder;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Records a small program on the loop and writes a page on which to step through it.
#[derive(Debug, Parser)]
#[command(name = "step")]
struct Arguments {
    /// Which program; --list names them all.
    #[arg(default_value = PROGRAMS[0].name)]
    program: String,
    /// Where the page goes.
    #[arg(long, value_name = "FILE", default_value = "step.html")]
    out: PathBuf,
    /// Lists the programs.
    #[arg(long)]
    list: bool,
    /// Writes a transcript to the terminal instead of a page.
    #[arg(long, conflicts_with = "json")]
    text: bool,
    /// Writes the events to the terminal as JSON, one a line, instead of a page.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads the transcript has seen enough (`| head`).
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("step: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if arguments.list {
        return PROGRAMS.iter().try_for_each(|program| writeln!(out, "{:<10} {}", program.name, program.about));
    }
    let program = PROGRAMS.iter().find(|program| program.name == arguments.program).ok_or_else(|| {
        let names: Vec<_> = PROGRAMS.iter().map(|program| program.name).collect();
        io::Error::other(format!("there is no program \"{}\"; there are {}", arguments.program, names.join(", ")))
    })?;
    // Asked for before the program runs: a name that cannot be written to is told at once.
    let page = if arguments.text || arguments.json { None } else { Some(create(&arguments.out)?) };
    let recorder = record(program)?;
    if arguments.json {
        return recorder.write_json(out);
    }
    let Some(page) = page else { return write!(out, "{}", transcript::of(&recorder)) };
    let mut page = BufWriter::new(page);
    recorder.write_page(program.about, &mut page)?;
    page.flush()?;
    let (events, path) = (recorder.events().len(), arguments.out.canonicalize()?);
    writeln!(out, "{}: {}", program.name, program.about)?;
    writeln!(out, "{events} events. Open it in a browser: file://{}", path.display())
}

/// Runs the program, and drops its runtime, under a recorder. A panic is part of what there is to see.
fn record(program: &Program) -> io::Result<Recorder> {
    let recorder = Recorder::start().with_snapshots();
    let builder = Runtime::builder();
    let runtime = if program.repeats { builder.virtual_clock() } else { builder }.build()?;
    set_hook(Box::new(|panic| eprintln!("step: {panic}\n")));
    let _ = catch_unwind(AssertUnwindSafe(|| (program.run)(&runtime)));
    drop(runtime);
    drop(take_hook());
    Ok(recorder)
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
