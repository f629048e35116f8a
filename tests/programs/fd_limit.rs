//! `fd_limit`: what fails when there are no descriptors left, and what cures it.

use crate::process::{Done, Program, run};
use std::io::{BufRead, BufReader, Read};
use std::process::Command;

/// The two tries: how many connections were answered, and how many found too many files open.
#[track_caller]
fn tries(done: &Done) -> Vec<[u64; 2]> {
    let number = |round: &str, label: &str| {
        let line = round.lines().find(|line| line.contains(label))?;
        line.split_whitespace().next()?.replace(',', "").parse().ok()
    };
    let rounds = done.stdout.split("\n\n").filter(|round| round.contains("answered"));
    rounds.map(|round| ["answered", "Too many open files"].map(|label| number(round, label).unwrap_or(0))).collect()
}

#[test]
fn ten_thousand_connections_need_a_limit_and_no_more_than_that() {
    let done = run("fd_limit", &[]);
    assert_eq!((done.code(), done.stderr.as_str()), (0, ""), "{done:?}");
    let [[answered, failed], limited] = tries(&done)[..] else { panic!("two tries: {done:?}") };
    assert!(answered < 256 && answered + failed == 10_000, "{done:?}");
    assert_eq!(limited, [10_000, 0]);
    let files: Vec<&str> =
        done.stdout.lines().filter(|line| line.contains("a file beside them: ")).map(str::trim).collect();
    assert_eq!(files, ["a file beside them: Too many open files (os error 24)", "a file beside them: opened"]);
}

#[test]
fn a_limit_that_is_too_high_cures_nothing() {
    let done = run("fd_limit", &["--connections", "500", "--files", "64", "--limit", "64"]);
    assert_eq!(done.code(), 1, "{done:?}");
    for [answered, failed] in tries(&done) {
        assert!(failed > 0 && answered + failed == 500, "{done:?}");
    }
}

#[test]
fn a_server_that_is_killed_fails_the_connections_that_are_left_and_hangs_none() {
    let mut program = Program::start("fd_limit", &["--connections", "20000"]);
    let children = format!("/proc/{0}/task/{0}/children", program.child.id());
    let mut output = BufReader::new(program.child.stdout.take().expect("piped"));
    let mut said = String::new();
    while !said.contains("without a limit") {
        assert!(output.read_line(&mut said).expect("text") > 0, "it goes on: {said}");
    }
    let server = std::fs::read_to_string(&children).expect("it has a server");
    assert!(Command::new("kill").args(["-9", server.trim()]).status().expect("there is a kill").success());
    output.read_to_string(&mut said).expect("text");
    assert_eq!(program.child.wait().expect("it is our child").code(), Some(1), "{said}");
    let second = said.split("with .limit(200)").nth(1).expect("the second try");
    assert!(second.contains("failed: Connection "), "{said}");
    let counts = second.lines().filter_map(|line| line.split_whitespace().next()?.replace(',', "").parse::<u64>().ok());
    assert_eq!(counts.sum::<u64>(), 20_000, "{said}");
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for arguments in [["--connections", "0"], ["--files", "31"], ["--limit", "none"]] {
        let done = run("fd_limit", &arguments);
        assert!(done.stderr.contains(arguments[0]), "{done:?}");
        assert_eq!((done.code(), done.stdout.as_str()), (2, ""), "{done:?}");
    }
    let done = run("fd_limit", &["--files", "1000000000000"]);
    assert!(done.stderr.starts_with("error: --files 1000000000000: the system allows this process "), "{done:?}");
    assert!(done.stderr.ends_with(" at most, or raise `ulimit -Hn`\n"), "{done:?}");
    assert_eq!((done.code(), done.stdout.as_str()), (2, ""), "{done:?}");
}
