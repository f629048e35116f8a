//! The commands that the docs of the programs name, and the READMEs: each is one that the program takes.

use crate::process::{Program, binary};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// Those that take no arguments; tests run them as they are.
const PLAIN: [&str; 7] = ["hello", "ten_lines", "order", "divide", "timeout", "own", "races"];

/// The commands in a text, each with the name of its program and what comes after `--`.
fn commands(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().map(|line| line.trim_start_matches("//!").trim().trim_start_matches("$ "));
    let pieces = lines.flat_map(|line| line.split('`').map(str::to_string).collect::<Vec<_>>());
    let commands =
        pieces.filter(|piece| piece.starts_with("cargo run ") || piece.starts_with("tests/services run cargo run "));
    let commands = commands.filter_map(|command| {
        let (_, rest) = command.split_once(" --example ")?;
        let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        // The comment goes; a comment that names other arguments gives these.
        let (rest, comment) = rest.split_once('#').unwrap_or((rest, ""));
        let mut found = vec![(name.to_string(), rest.trim().trim_start_matches("--").trim_start().to_string())];
        if let Some(other) = comment.trim().strip_prefix("or: -- ") {
            found.push((name.to_string(), other.to_string()));
        }
        // `--` is not an argument, and `--flag` is: the first has a blank behind it.
        if !rest.trim().is_empty() && !rest.trim().starts_with("-- ") {
            panic!("`--` is missing: {command}");
        }
        Some(found)
    });
    commands.flatten().collect()
}

#[test]
fn every_command_in_the_docs_is_one_that_the_program_takes() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folders = ["examples", "examples/step"].map(|folder| std::fs::read_dir(top.join(folder)).expect("a folder"));
    let sources = folders.into_iter().flatten().map(|entry| entry.expect("a file").path());
    let sources = sources.filter(|path| path.extension().is_some_and(|it| it == "rs"));
    let texts = sources.chain(["README.md", "examples/README.md"].map(|name| top.join(name)));
    let all: BTreeSet<(String, String)> =
        texts.flat_map(|path| commands(&std::fs::read_to_string(path).expect("a text"))).collect();
    let with_arguments = all.iter().filter(|(_, arguments)| !arguments.is_empty()).count();
    assert!(all.len() >= 40 && with_arguments >= 20, "{} and {with_arguments}: {all:?}", all.len());
    for (name, arguments) in all {
        if PLAIN.contains(&&*name) {
            assert_eq!(arguments, "", "{name} takes none");
            continue;
        }
        // Whoever finds `--help` has taken all that comes before it. The shell knows what the quotes mean.
        let script = format!("exec \"$0\" {arguments} --help");
        let done = Program::spawn(Command::new("sh").args(["-c", &script]).arg(binary(&name))).finish();
        assert_eq!((done.code(), done.stderr.as_str()), (0, ""), "{name} {arguments}: {done:?}");
        done.says(&format!("Usage: {name}"));
    }
}
