//! The progress bars: drawn at a terminal, and nowhere else.

use crate::process::{Done, Program, binary, run};
use std::process::Command;
use tests::left_out;

/// What every bar is made of.
const BAR: char = '━';

/// Runs the program at a terminal: util-linux's `script`, which every Debian has, makes one for it. All that is
/// printed there is in `stdout`.
fn at_a_terminal(name: &str, arguments: &[&str]) -> Done {
    let command = format!("exec {} {}", binary(name).display(), arguments.join(" "));
    Program::spawn(Command::new("script").args(["-qec", &command, "/dev/null"]).env("TERM", "xterm")).finish()
}

#[track_caller]
fn assert_bar(name: &str, arguments: &[&str], things: &str) {
    let done = at_a_terminal(name, arguments);
    assert!(done.stdout.contains(BAR), "{name} draws no bar at a terminal: {done:?}");
    assert!(done.stdout.contains(things), "{things:?} is not in the bar of {name}: {done:?}");
    let piped = run(name, arguments);
    assert_eq!(piped.code(), done.code(), "{name}: {piped:?}");
    assert!(!format!("{}{}", piped.stdout, piped.stderr).contains([BAR, '\u{1b}']), "{name}: {piped:?}");
}

/// Whether there is a `script`. Without it the test is left out, and counted.
fn can_have_a_terminal() -> bool {
    let there = Command::new("script").arg("--version").output().is_ok();
    if !there {
        left_out("there is no `script` (util-linux)");
    }
    there
}

#[test]
fn a_bar_is_drawn_at_a_terminal_and_nowhere_else() {
    if !can_have_a_terminal() {
        return;
    }
    let folder = env!("CARGO_TARGET_TMPDIR");
    assert_bar("load_test", &["--requests", "60"], " of 60 ");
    assert_bar("lines", &["--megabytes", "1", "--folder", folder], " of 1.00 MB ");
    assert_bar("cpu", &["--jobs", "2", "--below", "1000"], " jobs/s");
    assert_bar("threads", &["--waits", "5", "--seconds", "0.05"], " of 4 ");
    assert_bar("fd_limit", &["--connections", "200", "--files", "64", "--limit", "20"], " connections/s");
    assert_bar("rosetta", &["--only", "ours"], " forms/s");
    assert_bar("scrape", &["--depth", "1"], " pages/s");
    // The bar is there before anybody has answered.
    assert_bar("caches", &["redis://127.0.0.1:1", "--keys", "10"], " of 10 ");
}

#[test]
fn the_bar_of_the_queries_is_drawn_at_a_terminal_and_nowhere_else() {
    if can_have_a_terminal()
        && let Some((url, _turn)) = crate::pool::server()
    {
        assert_bar("pool", &[&url, "--queries", "40", "--connections", "4"], " of 40 ");
    }
}
