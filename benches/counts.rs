//! Instruction counts: fixed workloads under valgrind's callgrind. They do not depend on the machine's load.
//!
//! - `cargo run --release -p benches --bin counts` compares with counts.json and fails when one is 5 % worse;
//! - `… -- --write` writes counts.json anew, for a new toolchain or a change that is worth its cost;
//! - `… -- --without-trace` does the same with a copy of the crates, then deletes the copy's `trace!` and `explore!` calls
//!   and fails when the counts differ by 0.5 %: with the features off, the hooks must cost nothing;
//! - `… -- --with-explorer` counts a copy with the feature `trace`, then with `explore` too, and fails when one takes 1 %
//!   more: nobody records and nobody explores.

use benches::machine::toolchain;
use benches::untraced::Copy;
use clap::Parser;
use serde_json::{Value, json};
use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::{env, fs};

/// What is counted: ours of these cases of the scoreboard.
const WORKLOADS: [(&str, &str); 13] = [
    ("spawn", "spawn and join, 100,000 tasks"),
    ("yield", "yield, 1,000 tasks × 100"),
    ("wake", "two tasks wake each other"),
    ("wake by hand", "a task wakes itself by hand, one task"),
    ("mpsc", "two tasks, mpsc ping-pong"),
    ("mpsc, local", "two tasks, mpsc ping-pong, ends that stay"),
    ("oneshot", "oneshot request and reply"),
    ("oneshot, local", "oneshot request and reply, ends that stay"),
    ("timer", "10,000 random sleeps"),
    ("timeout", "100,000 timeouts open at once"),
    ("gather, yields", "gather, each yields 10 times, n = 1000"),
    ("gather, wakes", "gather, woken one by one, n = 1000"),
    ("gather_tasks", "gather_tasks, n = 1000"),
];

/// So much worse is too much.
const WORSE: f64 = 0.05;
/// The trace that is off may make so much of a difference.
const UNTRACED: f64 = 0.005;
/// The explorer that is compiled in and not at work may make so much of a difference.
const UNEXPLORED: f64 = 0.01;
/// The checked file.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/counts.json");

/// Counts instructions and compares.
#[derive(Debug, Parser)]
struct Arguments {
    /// Writes counts.json.
    #[arg(long)]
    write: bool,
    /// Counts a copy, compares it with counts.json, and then with the same copy without its calls of the macros.
    #[arg(long)]
    without_trace: bool,
    /// Counts a copy with the trace compiled in, and compares it with the same copy with the explorer compiled in.
    #[arg(long)]
    with_explorer: bool,
    /// Runs one workload; what valgrind is started with.
    #[arg(long, value_name = "WORKLOAD", hide = true)]
    run: Option<String>,
}

/// A workload's name and its instructions per operation.
type Count = (&'static str, f64);

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments = Arguments::parse();
    if let Some(name) = arguments.run {
        run(&name);
        return Ok(ExitCode::SUCCESS);
    }
    let good = if arguments.without_trace {
        without_trace()?
    } else if arguments.with_explorer {
        with_explorer()?
    } else if arguments.write {
        write()?
    } else {
        compare(count_all(&env::current_exe()?)?)?
    };
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One round to warm up, one that counts.
fn run(case_name: &str) {
    let case = benches::cases().into_iter().find(|case| case.name == case_name).expect("the case exists");
    let mut round = (case.entries[0].make)();
    round();
    under_the_count(&mut *round);
}

/// callgrind counts while this is on the stack: it is told the name.
#[inline(never)]
fn under_the_count(round: &mut dyn FnMut() -> f64) {
    black_box(round());
}

/// Counts all workloads of a program like this one.
fn count_all(program: &Path) -> Result<Vec<Count>, Box<dyn Error>> {
    WORKLOADS.iter().map(|&(name, case)| Ok((name, count(program, case)?))).collect()
}

fn count(program: &Path, case_name: &str) -> Result<f64, Box<dyn Error>> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*under_the_count*"])
        .arg(program)
        .args(["--run", case_name])
        .output()
        .map_err(|error| format!("valgrind cannot be started ({error}): install it"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said.lines().find_map(|line| line.split("Collected :").nth(1)?.trim().parse::<f64>().ok());
    let collected =
        collected.filter(|&n| output.status.success() && n > 0.0).ok_or_else(|| said.clone().into_owned())?;
    let case = benches::cases().into_iter().find(|case| case.name == case_name).ok_or("no such case")?;
    Ok(collected / case.times as f64)
}

fn write() -> Result<bool, Box<dyn Error>> {
    let counts = count_all(&env::current_exe()?)?;
    let round = |count: f64| (count * 10.0).round() / 10.0;
    let by_name: serde_json::Map<_, _> =
        counts.iter().map(|&(name, count)| (name.into(), round(count).into())).collect();
    let file = json!({ "toolchain": toolchain(), "instructions per operation": by_name });
    fs::write(FILE, format!("{file:#}\n"))?;
    println!("{file:#}");
    Ok(true)
}

/// Compares with counts.json.
fn compare(counts: Vec<Count>) -> Result<bool, Box<dyn Error>> {
    let file: Value = serde_json::from_str(&fs::read_to_string(FILE)?)?;
    if file["toolchain"] != toolchain().as_str() {
        println!("counts.json was written with {}, this is {}: not comparable", file["toolchain"], toolchain());
        return Ok(true);
    }
    let before = |name: &str| file["instructions per operation"][name].as_f64();
    let mut good = true;
    for (name, count) in counts {
        let Some(before) = before(name) else { return Err(format!("counts.json has no {name}: write it anew").into()) };
        good &= judge(name, before, count, count <= before * (1.0 + WORSE));
    }
    if !good {
        println!("worse by more than {} %", WORSE * 100.0);
    }
    Ok(good)
}

fn without_trace() -> Result<bool, Box<dyn Error>> {
    let copy = Copy::new()?;
    let as_it_is = count_all(&copy.build()?)?;
    let mut good = compare(as_it_is.clone())?;
    let [traces, hooks] = copy.delete_calls()?;
    println!("{traces} calls of trace! and {hooks} of explore! deleted");
    let without = count_all(&copy.build()?)?;
    good &= traces > 0 && hooks > 0;
    for ((name, traced), (_, untraced)) in as_it_is.into_iter().zip(without) {
        good &= judge(name, untraced, traced, (traced / untraced - 1.0).abs() <= UNTRACED);
    }
    Ok(good)
}

fn with_explorer() -> Result<bool, Box<dyn Error>> {
    let copy = Copy::new()?;
    // The second build replaces the first, so the first is counted before.
    let traced = count_all(&copy.build_with("runtime/trace")?)?;
    let explored = count_all(&copy.build_with("runtime/explore")?)?;
    let mut good = true;
    for ((name, traced), (_, explored)) in traced.into_iter().zip(explored) {
        good &= judge(name, traced, explored, explored <= traced * (1.0 + UNEXPLORED));
    }
    Ok(good)
}

fn judge(name: &str, before: f64, now: f64, good: bool) -> bool {
    let change = (now / before - 1.0) * 100.0;
    println!("{name:<16} {before:>9.1} -> {now:>9.1}  {change:>+6.2} %  {}", if good { "" } else { "FAILED" });
    good
}
