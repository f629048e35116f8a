//! `fd_limit`: what fails when there are no descriptors left, and what cures it.

use crate::process::{Done, Program, binary, run};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use tests::{OnDrop, send_signal, until};

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
    // Most of the first 256 connect. Then 128 fail before those have a turn that make room for others.
    assert!(answered > 200 && failed >= 128 && answered + failed == 10_000, "{done:?}");
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
    // A pipe that is full holds the program up at its first line: then its server is there, and nobody was asked.
    let (mut full, mut output) = mio::unix::pipe::new().expect("a pipe");
    while full.write(&[b'\n'; 4096]).or_else(|_| full.write(b"\n")).is_ok() {}
    full.set_nonblocking(false).and_then(|()| output.set_nonblocking(false)).expect("it is a pipe");
    let mut command = Command::new(binary("fd_limit"));
    command.args(["--connections", "2000", "--files", "200"]).stdin(Stdio::null()).stdout(OwnedFd::from(full));
    let mut program = Program { child: command.spawn().expect("the program starts") };
    drop(command);
    let of = |what: &str| format!("/proc/{}/{what}", program.child.id());
    // It takes its limit last.
    let limits = || std::fs::read_to_string(of("limits")).expect("it is our child");
    until(|| {
        limits()
            .lines()
            .any(|line| line.starts_with("Max open files ") && line.split_whitespace().nth(3) == Some("200"))
    });
    let server =
        std::fs::read_to_string(of(&format!("task/{}/children", program.child.id()))).expect("it has a server");
    let tell = |signal: &str| send_signal(signal, server.trim());
    // Stopped, it answers nobody: all connections for which there are files are open when it is killed.
    let killed = OnDrop::new(|| tell("KILL"));
    tell("STOP");
    let reader = std::thread::spawn(move || {
        let mut said = String::new();
        output.read_to_string(&mut said).expect("text");
        said
    });
    until(|| std::fs::read_dir(of("fd")).expect("it is our child").count() > 150);
    drop(killed);
    let said = reader.join().expect("it reads");
    assert_eq!(program.child.wait().expect("it is our child").code(), Some(1), "{said}");
    let tries: Vec<&str> = said.trim().split("\n\n").filter(|it| it.contains("answered")).collect();
    assert_eq!(tries.len(), 2, "{said}");
    for one in tries {
        assert!(one.contains("failed: Connection "), "{said}");
        let counts =
            one.lines().filter_map(|line| line.split_whitespace().next()?.replace(',', "").parse::<u64>().ok());
        assert_eq!(counts.sum::<u64>(), 2_000, "{said}");
    }
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
