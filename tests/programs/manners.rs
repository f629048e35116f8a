//! What all programs do when nobody takes what they print, and when they are told to end.

use crate::process::{Program, binary, run};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use tests::{left_out, send_signal};

/// The number of the signal that a terminal sends when it is closed.
const SIGHUP: i32 = 1;

/// Programs that are done soon, with arguments that make it sooner.
fn programs() -> Vec<(&'static str, Vec<String>)> {
    let words = |text: &str| text.split_whitespace().map(str::to_string).collect();
    let svg = format!("{}/manners.svg", env!("CARGO_TARGET_TMPDIR"));
    let folder = format!("--megabytes 1 --folder {}", env!("CARGO_TARGET_TMPDIR"));
    vec![
        ("load_test", words("--requests 12")),
        ("lines", words(&folder)),
        ("claims", Vec::new()),
        ("cpu", words("--jobs 2 --below 1000")),
        ("threads", words("--waits 5 --seconds 0.05")),
        ("fd_limit", words("--connections 20 --files 64 --limit 10")),
        ("rosetta", words("--only ours")),
        ("little", vec![svg]),
        ("scrape", words("--depth 1")),
        ("caches", words("redis://127.0.0.1:1 --keys 10")),
        ("step", words("gather --text")),
        ("races", Vec::new()),
    ]
}

/// Runs the program with its output gone where the shell says.
fn run_to(name: &str, arguments: &[String], place: &str) -> crate::process::Done {
    let script = format!("\"$0\" \"$@\" {place}");
    Program::spawn(Command::new("bash").args(["-c", &script]).arg(binary(name)).args(arguments)).finish()
}

const FULL: &str = ">/dev/full";

/// A reader that is gone before the first word.
const GONE: &str = "> >(exec 0<&-; exec true)";

/// What is said of a full disk.
const LOST: &str = "error: what was to be printed here is lost: No space left on device (os error 28)\n";

#[track_caller]
fn tells_of_a_full_disk(name: &str, arguments: &[String]) {
    let done = run_to(name, arguments, FULL);
    assert_eq!(done.code(), 1, "{name}: {done:?}");
    assert_eq!(done.stderr.matches(LOST).count(), 1, "{name}: {done:?}");
    assert!(!done.stderr.contains("panicked"), "{name}: {done:?}");
}

#[track_caller]
fn takes_no_notice_of_a_reader_who_leaves(name: &str, arguments: &[String]) {
    let usual = run(name, &arguments.iter().map(String::as_str).collect::<Vec<_>>()).code();
    let done = run_to(name, arguments, GONE);
    assert_eq!((done.code(), done.stderr.as_str()), (usual, ""), "{name}: {done:?}");
}

#[test]
fn a_full_disk_is_told_and_ends_with_one() {
    programs().iter().for_each(|(name, arguments)| tells_of_a_full_disk(name, arguments));
}

#[test]
fn a_reader_who_leaves_ends_nothing_and_is_no_error() {
    programs().iter().for_each(|(name, arguments)| takes_no_notice_of_a_reader_who_leaves(name, arguments));
}

#[test]
fn pool_has_the_manners_of_the_others() {
    if let Some((url, _turn)) = crate::pool::server() {
        let arguments = [&*url, "--queries", "20", "--connections", "2"].map(str::to_string);
        tells_of_a_full_disk("pool", &arguments);
        takes_no_notice_of_a_reader_who_leaves("pool", &arguments);
    }
}

#[test]
fn servers_serve_on_when_nobody_takes_what_they_print() {
    // Nobody reads where they listen, so it must be known: addresses that no other process here uses.
    let [.., high, middle, low] = std::process::id().to_be_bytes();
    let mut ports = 7_000..;
    for name in ["serve", "web", "echo_server"] {
        for (place, told, web_s) in [(FULL, LOST, 1), (GONE, "", 0)] {
            let address = format!("127.{}.{middle}.{low}:{}", 64 + high % 64, ports.next().expect("a port"));
            let script = format!("exec \"$0\" {address} {place}");
            let mut program = Program::spawn(Command::new("bash").args(["-c", &script]).arg(binary(name)));
            let mut client = loop {
                if let Ok(client) = TcpStream::connect(&address) {
                    break client;
                }
                assert_eq!(program.child.try_wait().expect("it is our child"), None, "{name} listens at {address}");
            };
            client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").expect("it is connected");
            client.read_exact(&mut [0; 8]).expect("an answer, or an echo");
            send_signal("TERM", program.child.id());
            let done = program.finish();
            assert_eq!(done.stderr, told, "{name}");
            // The others know of no graceful end.
            let ended = if name == "web" { (Some(web_s), None) } else { (None, Some(15)) };
            assert_eq!((done.status.code(), done.status.signal()), ended, "{name}: {done:?}");
        }
    }
}

/// The process numbers of a process's children.
fn children(id: u32) -> Vec<String> {
    let list = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    list.split_whitespace().map(str::to_string).collect()
}

/// Starts the program, ends it by each signal once it has so many children, and checks that nothing of them is left.
#[track_caller]
fn leaves_nothing(name: &str, arguments: &[&str], count: usize) {
    let mut signals = vec![("TERM", 143), ("INT", 130)];
    // Where these tests run under `nohup`, the programs ignore it, as they should.
    if !examples::stop::is_ignored(SIGHUP) {
        signals.push(("HUP", 129));
    }
    for (signal, status) in signals {
        leaves_nothing_at(signal, status, name, arguments, count);
    }
}

#[track_caller]
fn leaves_nothing_at(signal: &str, status: i32, name: &str, arguments: &[&str], count: usize) {
    let mut program = Program::start(name, arguments);
    let id = program.child.id();
    let those = loop {
        let those = children(id);
        if those.len() >= count {
            break those;
        }
        assert_eq!(program.child.try_wait().expect("it is our child"), None, "{name} ended with too few children");
    };
    send_signal(signal, id);
    let done = program.finish();
    assert_eq!(done.code(), status, "{name} {signal}: {done:?}");
    assert!(!done.stderr.contains("panicked"), "{name}: {done:?}");
    for child in those {
        assert!(!Path::new(&format!("/proc/{child}")).exists(), "{name}: process {child} is still there");
    }
}

#[test]
fn a_signal_leaves_no_process_behind() {
    leaves_nothing("cpu", &["--jobs", "2", "--below", "1000", "--workers", "2", "--hang", "2"], 2);
    leaves_nothing("threads", &["--waits", "2", "--seconds", "30"], 1);
    leaves_nothing("fd_limit", &[], 1);
    if Command::new("redis-server").arg("--version").output().is_err() {
        return left_out("there is no redis-server");
    }
    leaves_nothing("caches", &["--keys", "3000", "--timeout", "30"], 3);
}

#[test]
fn sigterm_leaves_no_folder_behind() {
    let folder = format!("{}/rosetta-ends", env!("CARGO_TARGET_TMPDIR"));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("the target folder takes folders");
    let mut command = Command::new(binary("rosetta"));
    let mut program = Program::spawn(command.env("TMPDIR", &folder));
    let files = || std::fs::read_dir(&folder).expect("it is there").count();
    while files() == 0 || children(program.child.id()).is_empty() {
        assert_eq!(program.child.try_wait().expect("it is our child"), None, "it makes a folder");
    }
    send_signal("TERM", program.child.id());
    let done = program.finish();
    assert_eq!((done.code(), files()), (143, 0), "{done:?}");
}

#[test]
fn a_program_that_was_started_to_outlive_its_terminal_does() {
    let script = format!("trap '' HUP; exec {:?} -n 3 -c 1 -q 20 --json", binary("load_test"));
    let program = Program::spawn(Command::new("sh").args(["-c", &script]));
    let id = program.child.id();
    let ignores = || {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        status.lines().any(|line| line.strip_prefix("Name:").is_some_and(|name| name.trim() == "load_test"))
    };
    tests::until(ignores);
    send_signal("HUP", id);
    let done = program.finish();
    assert_eq!(done.code(), 0, "{done:?}");
}
