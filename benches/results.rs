//! RESULTS.md: the whole board with machine, versions, date and command.

use crate::case::Role;
use crate::measure::{Outcome, Score};
use crate::report::{Board, columns, cost, times};
use crate::{chart, machine, size};
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// What stands above the tables.
const PREFACE: &str = "\
# Results

Written by `cargo run --release -p benches`; do not edit. Each case runs the same body for every contestant, ours and a
peer's in alternation in one process, and checks its result. Costs are medians, per operation; ratios are medians of the
pairs' ratios (the other's cost over ours: above 1, ours is cheaper). **× best peer** counts the columns that are peers;
columns in *italics* are shown beside them. The **limit** is the least code that does the work at all: × limit = 0.5 means
that ours costs twice as much. Where one thread does everything, its processor time is measured, else the time on the
wall. Where no more is asked than to be equal, a target counts as missed when three quarters of the pairs say so.
";

/// The rows of the README's table.
const HEADLINES: [&str; 16] = [
    "spawn and join, 100,000 tasks",
    "yield, 1,000 tasks × 100",
    "yield, one task",
    "two tasks, mpsc ping-pong",
    "oneshot request and reply",
    "semaphore, contended: 100 tasks, 10 permits",
    "10,000 random sleeps",
    "1,000,000 timeouts, one after the other",
    "messages from another core",
    "spawn_blocking round trip, on one core",
    "gather, each yields 10 times, n = 10",
    "gather, each yields 10 times, n = 1000",
    "gather_tasks, n = 1000",
    "echo, server's CPU time, 64 × 64 B",
    "hyper, server's CPU time, 64 connections",
    "memory of an idle task on a timer",
];

/// Between these lines of the README its table stands.
const MARKS: [&str; 2] = ["<!-- scoreboard -->\n", "<!-- end of scoreboard -->"];

/// The ratios to tokio on the README's first screen: two that are won, one that is equal, one that is lost.
const FRONT: [(&str, &str); 4] = [
    ("yield", "yield, 1,000 tasks × 100"),
    ("sleep", "10,000 random sleeps"),
    ("echo", "echo, server's CPU time, 64 × 64 B"),
    ("echo with 1,000 sockets", "echo, server's CPU time, 1000 × 4 KiB"),
];

/// Between these they stand.
const FRONT_MARKS: [&str; 2] = ["<!-- ratios -->", "<!-- end of ratios -->"];

/// Writes RESULTS.md and results.svg, and the table of a README that has a place for it.
///
/// # Errors
/// When they cannot be written, or cargo cannot build what [`size`] measures.
pub fn write(board: &Board, folder: &Path, readme: &Path) -> Result<(), Box<dyn Error>> {
    fs::write(folder.join("RESULTS.md"), format!("{}\n## size\n\n{}", markdown(board), size::table()?))?;
    fs::write(folder.join("results.svg"), chart::svg(board))?;
    let text = between(&fs::read_to_string(readme)?, MARKS, &headlines(board));
    fs::write(readme, between(&text, FRONT_MARKS, &front(board)))?;
    Ok(())
}

/// The text with `what` between the marks, if it has them.
fn between(text: &str, marks: [&str; 2], what: &str) -> String {
    let parts = text.split_once(marks[0]).and_then(|(before, rest)| Some((before, rest.split_once(marks[1])?.1)));
    parts.map_or(text.to_owned(), |(before, after)| format!("{before}{}{what}{}{after}", marks[0], marks[1]))
}

/// The ratios of the README's first screen.
fn front(board: &Board) -> String {
    let ratios = FRONT.iter().filter_map(|(label, name)| {
        let outcome = board.outcomes.iter().find(|outcome| outcome.case.name == *name)?;
        let tokio = outcome.scores.iter().find(|score| score.name == "tokio")?;
        Some(format!("{label} {}", times(tokio.ratio)))
    });
    let ratios: Vec<String> = ratios.collect();
    format!("Times as fast as tokio: {}; [all cases](benches/RESULTS.md).", ratios.join(", "))
}

/// What the README shows of the board.
fn headlines(board: &Board) -> String {
    let facts = machine::facts();
    let fact = |wanted: &str| facts.iter().find(|(name, _)| *name == wanted).map_or("", |(_, fact)| fact.as_str());
    let mut text = format!(
        "{}, {} cores, {}, {}, {}.\n\n",
        fact("processor"),
        fact("cores"),
        fact("date"),
        fact("toolchain").split(" (").next().unwrap_or_default(),
        fact("versions").split(", ").next().unwrap_or_default(),
    );
    text.push_str("| case | glassloop | best peer | | times as good |\n| --- | --- | --- | --- | --- |\n");
    for name in HEADLINES {
        let Some(outcome) = board.outcomes.iter().find(|outcome| outcome.case.name == name) else { continue };
        let Some(peer) = outcome.best_peer() else { continue };
        let in_unit = |score: &Score| cost(score.cost, outcome.case.unit);
        let (ours, theirs) = (in_unit(outcome.ours()), in_unit(peer));
        _ = writeln!(text, "| {name} | {ours} | {theirs} | {} | {} |", peer.name, times(peer.ratio));
    }
    let (met, all) = board.met();
    _ = writeln!(text, "\n{met} of {all} targets met; [the rest, and why](benches/RESULTS.md).");
    text
}

fn markdown(board: &Board) -> String {
    let mut text = String::from(PREFACE);
    text.push_str("\n| | |\n| --- | --- |\n");
    for (name, fact) in machine::facts() {
        _ = writeln!(text, "| {name} | {fact} |");
    }
    text.push('\n');
    for line in board.summary().iter().filter(|line| !line.is_empty()) {
        _ = writeln!(text, "- {line}");
    }
    text.push_str("\n![ratios to the best peer](results.svg)\n");
    for subject in board.subjects() {
        section(&mut text, subject, &board.of(subject).collect::<Vec<_>>());
    }
    text
}

/// A table for each subject: its columns are those of the case that has most of them.
fn section(text: &mut String, subject: &str, outcomes: &[&Outcome]) {
    let Some(widest) = outcomes.iter().max_by_key(|outcome| outcome.scores.len()) else { return };
    let shown = |name: &str| widest.scores.iter().any(|score| score.name == name && score.role == Role::Shown);
    let names: Vec<&str> = columns(widest).into_iter().map(|(name, _)| name).collect();
    let heads = names.iter().map(|name| if shown(name) { format!("*{name}*") } else { (*name).into() });
    _ = writeln!(text, "\n## {}\n", subject.replace('_', " "));
    _ = writeln!(text, "| case | {} |", heads.collect::<Vec<_>>().join(" | "));
    _ = writeln!(text, "| --- |{}", " --- |".repeat(names.len()));
    for outcome in outcomes {
        let cells = columns(outcome);
        let cell = |name: &&str| cells.iter().find(|cell| cell.0 == *name).map_or("—", |cell| &cell.1);
        let row: Vec<&str> = names.iter().map(cell).collect();
        _ = writeln!(text, "| {}, per {} | {} |", outcome.case.name, outcome.case.each, row.join(" | "));
    }
    let mut limits: Vec<&str> = outcomes.iter().filter_map(|outcome| outcome.limit()).map(|limit| limit.name).collect();
    limits.dedup();
    if !limits.is_empty() {
        _ = writeln!(text, "\nLimit: {}.", limits.join(", "));
    }
    // What is not met says why; cases with the same reason say it together.
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for outcome in outcomes.iter().filter(|outcome| outcome.verdict() != Some(true)) {
        let why = match outcome.case.why {
            "" if outcome.verdict() == Some(false) => "not yet explained.",
            "" => continue,
            why => why,
        };
        match reasons.iter_mut().find(|reason| reason.0 == why) {
            Some((_, cases)) => cases.push(&outcome.case.name),
            None => reasons.push((why, vec![&outcome.case.name])),
        }
    }
    for (why, cases) in reasons {
        _ = writeln!(text, "\n**Why, {}:** {why}", cases.join("; "));
    }
}
