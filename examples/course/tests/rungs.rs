//! The rungs as files and programs: each compiles without a warning, runs, says what it is to say, and ends; none is too
//! long, no step is too large, and the table of the README counts right.
#![cfg(target_os = "linux")]

#[path = "../prices/rows.rs"]
mod prices_rows;
mod watch;

use prices_rows::ROWS;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};
use watch::Ending::Ends;

/// The longest rung, and the largest step, in lines of code.
const LONGEST: usize = 800;
const LARGEST_STEP: usize = 150;

/// What each rung says when it runs: a part of it that stands for the whole.
const SAYS: [&str; 14] = [
    "outputs: (8, 7)",
    "a poll; 0 more to come",
    "slept for 100 ms and was polled ",
    "  Cleo, poll 3",
    "was polled 40 times",
    "woken by the second loop: 0x",
    "the snail arrives after 86400s",
    "the client reads ",
    "selective:    2000 polls of 1,000 children",
    "try_gather gives Err(\"bad\")",
    "joined: Err(Cancelled)",
    "30ms: all are done",
    "four jobs in ",
    "slept for 5 ms",
];

/// The rungs, by number.
fn rungs() -> Vec<PathBuf> {
    let lessons = Path::new(env!("CARGO_MANIFEST_DIR")).join("lessons");
    let folders = fs::read_dir(lessons).unwrap().map(|entry| entry.unwrap().path());
    let mut rungs: Vec<PathBuf> = folders.map(|folder| folder.join("rung.rs")).filter(|rung| rung.exists()).collect();
    rungs.sort();
    assert_eq!(rungs.len(), SAYS.len());
    rungs
}

/// The lines that count: neither blank, nor comments.
fn lines_of_code(rung: &Path) -> usize {
    let source = fs::read_to_string(rung).unwrap();
    source.lines().filter(|line| !line.trim().is_empty() && !line.trim().starts_with("//")).count()
}

#[test]
fn every_rung_compiles_without_a_warning_runs_and_ends() {
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "-p", "course"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    (0..SAYS.len()).for_each(|number| _ = build.arg(format!("--example=rung_{number:02}")));
    let output = build.output().unwrap();
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !messages.contains("warning"), "{messages}");

    // This test lies in `target/debug/deps`, the examples in `target/debug/examples`.
    let programs = env::current_exe().unwrap().ancestors().nth(2).unwrap().join("examples");
    for (number, says) in SAYS.iter().enumerate() {
        let (ending, text) = watch::watch(&mut Command::new(programs.join(format!("rung_{number:02}"))));
        assert_eq!(ending, Ends, "rung {number} has written:\n{text}");
        assert!(text.contains(says), "rung {number} does not say {says:?}:\n{text}");
    }
}

#[test]
fn no_rung_is_too_long_and_no_step_too_large() {
    let lines: Vec<usize> = rungs().iter().map(|rung| lines_of_code(rung)).collect();
    // Rung 0 stands beside the ladder.
    for (number, step) in lines.windows(2).enumerate().skip(1) {
        assert!(step[1] <= LONGEST, "rung {} has {} lines", number + 1, step[1]);
        assert!(step[1] <= step[0] + LARGEST_STEP, "the step to rung {} has {} lines", number + 1, step[1] - step[0]);
    }
    assert!(lines[1] <= 43 && lines[4] <= 201, "the README says: the loop in 43 lines, in 201");
}

#[test]
fn what_stands_before_the_code_of_a_rung_fits_on_a_page() {
    for rung in rungs() {
        let source = fs::read_to_string(&rung).unwrap();
        let head = source.lines().take_while(|line| line.starts_with("//!")).count();
        assert!((10..=50).contains(&head), "{}: {head} lines", rung.display());
        assert!(source.contains("//! # Where it is in the real crate") || rung.ends_with("00_async_fn/rung.rs"));
    }
}

#[test]
fn the_table_of_the_readme_counts_right() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    for (number, rung) in rungs().iter().enumerate() {
        let folder = rung.parent().unwrap().file_name().unwrap().to_str().unwrap();
        let link = format!("](lessons/{folder}/rung.rs)");
        let row = readme.lines().find(|line| line.starts_with(&format!("| {number} |")) && line.contains(&link));
        let row = row.unwrap_or_else(|| panic!("the README has no row for rung {number}"));
        let lines = lines_of_code(rung);
        assert!(row.ends_with(&format!("| {lines} |")), "rung {number} has {lines} lines of code; its row says: {row}");
    }
}

#[test]
fn only_the_ticket_is_unsafe_and_it_says_why() {
    for (number, rung) in rungs().iter().enumerate() {
        let source = fs::read_to_string(rung).unwrap();
        let blocks = source.lines().filter(|line| line.trim() == "unsafe {").count();
        assert_eq!(blocks, usize::from(number >= 5), "rung {number}");
        assert_eq!(source.matches("// SAFETY:").count(), blocks, "rung {number}");
    }
}

#[test]
fn the_readme_has_the_rows_that_the_prices_print_and_a_price_in_each() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let table = readme.split("| the real loop | rung 13 | measured | real | rung 13 |\n").nth(1).unwrap();
    let rows = table.lines().skip(1).take_while(|line| line.starts_with('|'));
    let rows: Vec<Vec<&str>> = rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect();
    let names: Vec<&[&str]> = rows.iter().map(|row| &row[..3]).collect();
    assert_eq!(names, ROWS, "cargo run --release -p course --features prices --example prices");
    assert!(rows.iter().all(|row| row.len() == 5 && !row[3].is_empty() && !row[4].is_empty()), "{rows:?}");
}

#[test]
fn lesson_13_names_all_that_rung_13_leaves_out() {
    let text = Path::new(env!("CARGO_MANIFEST_DIR")).join("lessons/13_server/lesson.md");
    let text = fs::read_to_string(text).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    let list = text.split("and rung 13 leaves out: ").nth(1).unwrap().split(". Each has its price").next().unwrap();
    let names: Vec<&str> = ROWS.iter().map(|row| row[0]).filter(|name| !name.is_empty()).collect();
    assert_eq!(list.split("; ").collect::<Vec<_>>(), names);
}
