//! The last rung in gdb: the four views, as `course debug` shows them, and on the rung alone.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// Whether gdb is there. If not, that is said; where all tools are asked for, the test fails.
fn has_gdb(test: &str) -> bool {
    let is_there = Command::new("gdb").arg("--version").stdout(Stdio::null()).status().is_ok();
    if !is_there {
        let required = env::var_os("GLASSLOOP_REQUIRE_TOOLS").is_some();
        assert!(!required, "gdb is not installed, and GLASSLOOP_REQUIRE_TOOLS is set");
        writeln!(io::stderr(), "LEFT OUT: {test}, for gdb is not installed").expect("stderr takes a line");
    }
    is_there
}

/// What a program says on stdout and on stderr, when it is told these lines. No settings of whoever runs this are read, and
/// nobody is asked for debug information.
fn told(command: &mut Command, lines: &[&str]) -> String {
    command.env("HOME", env!("CARGO_TARGET_TMPDIR")).env_remove("DEBUGINFOD_URLS");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines.join("\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&said).replace("(gdb) ", "")
}

/// The line of a file of a lesson, from 1, that holds `text`.
fn line(file: &str, text: &str) -> usize {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("lessons").join(file);
    let source = fs::read_to_string(path).unwrap();
    1 + source.lines().position(|line| line.contains(text)).unwrap_or_else(|| panic!("{file} has no {text}"))
}

fn has(said: &str, line: &str) {
    assert!(said.lines().any(|it| it.trim() == line), "no line {line:?} in:\n{said}");
}

#[test]
fn course_debug_shows_tickets_ready_queue_timers_and_who_waits() {
    if !has_gdb("the four views of the last rung") {
        return;
    }
    let mut course = Command::new(env!("CARGO_BIN_EXE_course"));
    let said = told(
        course.arg("debug"),
        &[
            "set width 0",
            // In place of Ctrl-C: all that can happen has happened long before the 20th round.
            "tbreak hang_14::round_begins if round == 20",
            "run",
            "glass ready",
            "tbreak hang_14::rung::run::Core::park",
            "continue",
            "glass tasks",
            "glass ready",
            "glass timers",
            "glass waits",
            "kill",
            "glass tasks",
            "tbreak hang_14::round_begins if round == 20",
            "run 7",
            "tbreak hang_14::rung::run::Core::park",
            "continue",
            "glass tasks",
            "glass waits",
            "glass",
            "quit",
        ],
    );
    has(&said, "glass waits    who waits for whom");
    let main = line("14_benchmark/hang.rs", "office.handle(first).await");
    has(&said, "main: slot 0, generation 0");
    has(&said, &format!("hang_14::day at hang.rs:{main}"));
    has(&said, "ready: nobody");
    has(&said, "the clock is the system's");
    assert!(said.lines().any(|line| line.starts_with("timer ") && line.ends_with(" ms: wakes fay")), "{said}");
    has(&said, "fay waits for its timer");
    has(&said, "gus waits for a leaf: hang_14::Letter");
    assert!(said.contains("No loop of a rung runs on this thread."), "{said}");
    // What the hints quote, of day 7. The check accepts its last line as the place, by what the program tells of itself.
    let hints =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("lessons/14_benchmark/hints.md")).unwrap();
    let quotes: Vec<&str> = hints.split("```text\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(quotes.len(), 2);
    for quote in quotes {
        assert!(said.contains(quote), "not said:\n{quote}\nin:\n{said}");
    }
    assert!(!said.contains("Python Exception"), "{said}");
}

#[test]
fn the_printers_work_on_a_rung_alone() {
    if !has_gdb("the printers on rung 13 alone") {
        return;
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut cargo = Command::new(env!("CARGO"));
    assert!(
        cargo
            .args(["build", "-q", "--profile", "debugger", "-p", "course", "--example", "rung_13"])
            .current_dir(here)
            .status()
            .unwrap()
            .success()
    );
    let rung = env::current_exe().unwrap().ancestors().nth(3).unwrap().join("debugger/examples/rung_13");
    let mut gdb = Command::new("gdb");
    gdb.args(["-q", "-nh", "-batch"]).arg("-x").arg(here.join("debugger/gdb.py")).arg(rung);
    for command in [
        "set width 0",
        // The server has a request, and sleeps before it answers.
        "tbreak rung_13::time::sleep",
        "run",
        "glass waits",
        "tbreak rung_13::run::Core::park",
        "continue",
        "glass tasks",
        "glass timers",
        "glass waits",
        "tbreak rung_13::ready::Tasks::pop",
        "continue",
        "glass ready",
        "tbreak rung_13::wake::Ticket::waker",
        "continue",
        "print self",
        "finish",
        "kill",
    ] {
        gdb.args(["-ex", command]);
    }
    let said = told(&mut gdb, &[]);
    let sleep = line("13_server/rung.rs", "time::sleep(Duration::from_millis(5)).await");
    has(&said, "serve is at poll");
    has(&said, "serve: slot 2, generation 2");
    has(&said, &format!("rung_13::server::answer at rung.rs:{sleep}"));
    has(&said, "serve waits for its timer");
    has(&said, "main waits for a socket");
    assert!(said.contains(" ms: wakes serve"), "{said}");
    // The client's socket has brought something; the timer may have fired, too.
    assert!(said.contains("\nready: main"), "{said}");
    has(&said, "$1 = slot 0, generation 0");
    has(&said, "Value returned is $2 = loop 0, slot 0, generation 0");
    assert!(!said.contains("Python Exception"), "{said}");
}
