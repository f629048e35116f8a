//! The scoreboard: every case, ours and the peers' in alternation, one table, and a verdict on every target.
//!
//! `cargo run --release -p benches -- --quick` gives a look in about a minute; without `--quick` the run also writes
//! RESULTS.md and results.svg. The exit status is 1 when a target is missed by
//! more than the noise.

use benches::affinity::Core;
use benches::measure::{Effort, Verdict, measure};
use benches::report::{self, Board};
use benches::{memory, results};
use clap::Parser;
use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Measures glassloop against its peers and judges every target.
#[derive(Debug, Parser)]
struct Arguments {
    /// Only the cases whose subject or name contains this.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Fewer pairs and cases: a look in about a minute. Writes no results.
    #[arg(long)]
    quick: bool,
    /// Writes everything that was measured as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where RESULTS.md and results.svg go when all cases were measured.
    #[arg(long, value_name = "FOLDER", default_value = env!("CARGO_MANIFEST_DIR"))]
    out: PathBuf,
    /// The README whose table is renewed with them.
    #[arg(long, value_name = "FILE", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md"))]
    readme: PathBuf,
    /// Measures the memory of one contestant; what the scoreboard starts itself with.
    #[arg(long, value_name = "NAME", hide = true)]
    probe: Option<String>,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments = Arguments::parse();
    if let Some(name) = &arguments.probe {
        println!("{}", memory::probe(name).ok_or("no such probe")?);
        return Ok(ExitCode::SUCCESS);
    }
    Core::Loops.stay();
    benches::settle_allocator();
    let effort = if arguments.quick { Effort::QUICK } else { Effort::FULL };
    let wanted = |text: &str| arguments.filter.as_ref().is_none_or(|filter| text.contains(filter.as_str()));
    let cases = benches::cases().into_iter();
    let cases = cases.filter(|case| wanted(case.subject) || wanted(&case.name));
    let cases = cases.filter(|case| !(arguments.quick && case.slow));

    let mut board = Board::default();
    for case in cases {
        print(&board.add(measure(case, effort)))?;
    }
    print(&board.summary())?;
    if let Some(path) = &arguments.json {
        std::fs::write(path, format!("{:#}\n", report::json(&board)))?;
    }
    if !arguments.quick && arguments.filter.is_none() {
        results::write(&board, &arguments.out, &arguments.readme)?;
        println!(
            "written: RESULTS.md and results.svg in {}, the table of {}",
            arguments.out.display(),
            arguments.readme.display()
        );
    }
    Ok(if board.with(Verdict::Missed).is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Unlike `println!`, no panic when the reader has seen enough.
fn print(lines: &[String]) -> io::Result<()> {
    lines.iter().try_for_each(|line| writeln!(io::stdout(), "{line}"))
}
