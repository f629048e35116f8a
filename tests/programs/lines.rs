//! `lines`, on files of its own and on files that are small, strange or not there.

use crate::process::{Program, binary, run};
use std::path::Path;
use std::process::Command;

/// A file for the program to read; returns its path.
fn file(name: &str, content: &[u8]) -> String {
    let path = format!("{}/{name}", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(&path, content).expect("the target folder takes files");
    path
}

#[test]
fn fifty_megabytes_are_counted_in_a_fraction_of_their_size() {
    let folder = format!("{}/lines", env!("CARGO_TARGET_TMPDIR"));
    // Of a run that was ended in the middle.
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("the target folder takes folders");
    let done = run("lines", &["--megabytes", "50", "--count", "5", "--folder", &folder]);
    assert_eq!((done.code(), done.stderr.as_str()), (0, ""), "{done:?}");
    let numbers = |line: &str| -> Vec<u64> {
        line.split_whitespace().skip(1).map(|number| number.replace(',', "").parse().expect(line)).collect()
    };
    let sums = (0..24).map(|hour| numbers(done.line(&format!("2026-11-21T{hour:02} "))));
    let sums = sums.fold(vec![0; 5], |sums, counts| sums.iter().zip(counts).map(|(sum, count)| sum + count).collect());
    assert_eq!(numbers(done.line("  all ")), sums);
    let all: u64 = done
        .line(" lines in 5 files, 50 MB in ")
        .split_whitespace()
        .next()
        .expect("a number")
        .replace(',', "")
        .parse()
        .expect("a number");
    assert_eq!(all, sums.iter().sum::<u64>());
    assert!(all > 500_000 && sums[4] == 0, "{done:?}");
    // A day in each of five files.
    let (items, memory) = done.line("items were kept").split_once(" items were kept, and ").expect("both");
    assert_eq!(items.trim(), "120");
    let memory: u64 = memory.split(' ').next().and_then(|number| number.parse().ok()).expect("a number");
    assert!((1..25).contains(&memory), "half of the files would be 25 MB: {done:?}");
    assert_eq!(std::fs::read_dir(Path::new(&folder)).expect("it is there").count(), 0, "its files are gone");
}

#[test]
fn lines_are_counted_by_hour_and_level_whatever_else_is_in_the_files() {
    let first = file(
        "first.log",
        b"2026-11-21T06:15:14Z WARN one\n2026-11-21T06:59:59Z ERROR two\nno hour\n2026-11-21T08:00:00Z INFO three",
    );
    let second = file("second.log", b"2026-11-21T08:30:00Z INFO\r\n\xff\xfe\n\n2026-11-21T08:31:00Z NOTICE four\n");
    let empty = file("empty.log", b"");
    let done = run("lines", &[&first, &second, &empty]);
    assert_eq!((done.code(), done.stderr.as_str()), (0, ""), "{done:?}");
    let words = |text: &str| done.line(text).split_whitespace().map(str::to_string).collect::<Vec<_>>();
    assert_eq!(words("T06"), ["2026-11-21T06", "0", "0", "1", "1", "1"]);
    assert_eq!(words("T08"), ["2026-11-21T08", "0", "2", "0", "0", "3"]);
    assert_eq!(words(" all "), ["all", "0", "2", "1", "1", "4"]);
    done.says("8 lines in 3 files, 0 MB");
    done.says("3 items were kept");
}

#[test]
fn a_file_that_cannot_be_read_is_reported_and_the_others_are_counted() {
    let good = file("good.log", b"2026-11-21T06:15:14Z WARN one\n");
    let folder = env!("CARGO_TARGET_TMPDIR");
    let done = run("lines", &["/no/such/file", &good, folder]);
    assert_eq!(done.code(), 1, "{done:?}");
    let errors = [
        "error: /no/such/file: No such file or directory (os error 2); name files that are there, or none to have some made",
        &format!("error: {folder}: Is a directory (os error 21); name the files in it"),
    ];
    assert_eq!(done.stderr.lines().collect::<Vec<_>>(), errors);
    done.says("1 lines in 3 files");
    done.says("1 items were kept");
    let nothing = run("lines", &["/no/such/file", folder]);
    assert_eq!((nothing.code(), nothing.stdout.as_str()), (1, ""), "no table of nothing");
    assert_eq!(nothing.stderr.lines().collect::<Vec<_>>(), errors);
}

#[test]
fn a_signal_that_ends_it_leaves_no_files_behind() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let folder = format!("{}/interrupted{signal}", env!("CARGO_TARGET_TMPDIR"));
        // Of a run that failed.
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("the target folder takes folders");
        let files = || std::fs::read_dir(&folder).expect("it is there").count();
        let mut program = Program::start("lines", &["--megabytes", "2000", "--folder", &folder]);
        while files() == 0 {
            assert_eq!(program.child.try_wait().expect("it is our child"), None, "it makes files");
        }
        tests::send_signal(signal, program.child.id());
        let done = program.finish();
        assert_eq!((done.code(), files()), (code, 0), "{signal}: {done:?}");
    }
}

#[test]
fn files_larger_than_the_memory_that_it_may_have_take_no_more_of_it_than_small_ones() {
    let folder = format!("{}/larger", env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(&folder).expect("the target folder takes folders");
    let peak = |megabytes: u64| -> u64 {
        // Of address space 90 MB, for the program, its threads' stacks and all that it reads. One arena: else every
        // thread reserves 64 MB for itself, whatever it needs.
        let script = format!("ulimit -v 90000; exec \"$0\" --megabytes {megabytes} --count 4 --folder {folder:?}");
        let mut command = Command::new("sh");
        command.args(["-c", &script]).arg(binary("lines")).env("MALLOC_ARENA_MAX", "1");
        let done = Program::spawn(&mut command).finish();
        assert_eq!((done.code(), done.stderr.as_str()), (0, ""), "{done:?}");
        let line = done.line("items were kept").split(", and ").nth(1).expect("memory");
        line.split(' ').next().and_then(|number| number.parse().ok()).expect("a number")
    };
    let (small, large) = (peak(25), peak(100));
    // Linux counts memory core by core, and may be wrong by a megabyte for each that was used.
    assert!(large <= small + 10, "{small} MB for 25 MB of files, {large} MB for 100");
}

#[test]
fn what_cannot_be_made_is_refused() {
    for (arguments, why) in [
        (["--megabytes", "0"], "a count is a whole number"),
        (["--count", "1001"], "1001 is not in 1..=1000"),
        (["--folder", "/proc"], "error: /proc/glassloop-lines-"),
    ] {
        let done = run("lines", &arguments);
        assert!(done.stderr.contains(why), "{arguments:?}: {done:?}");
        assert_eq!((done.code(), done.stdout.as_str()), (2, ""), "{arguments:?}");
    }
}

#[test]
fn a_byte_that_is_no_text_costs_a_line_neither_its_hour_nor_its_level() {
    let log = file("bytes.log", b"2026-11-21T06:00:00Z INFO one\n2026-11-21T07:00:00Z WARN caf\xe9\n");
    let done = run("lines", &[&log]);
    assert_eq!((done.code(), done.stderr.as_str()), (0, ""), "{done:?}");
    let words = |text: &str| done.line(text).split_whitespace().map(str::to_string).collect::<Vec<_>>();
    assert_eq!(words("T06"), ["2026-11-21T06", "0", "1", "0", "0", "0"]);
    assert_eq!(words("T07"), ["2026-11-21T07", "0", "0", "1", "0", "0"]);
}

#[test]
fn a_line_of_two_hundred_megabytes_takes_no_memory_and_is_told() {
    let path = format!("{}/one-line.log", env!("CARGO_TARGET_TMPDIR"));
    let script = "{ echo '2026-11-21T06:00:00Z INFO one'; head -c 200000000 /dev/zero | tr '\\0' x; echo; \
                  echo '2026-11-21T06:00:00Z INFO two'; } >\"$0\"";
    assert!(Command::new("sh").args(["-c", script, &path]).status().expect("there is a sh").success());
    let done = run("lines", &[&path]);
    std::fs::remove_file(&path).expect("it is there");
    assert_eq!(done.code(), 0, "{done:?}");
    done.says("\n  2 lines in 1 files, ");
    done.says("\n  1 more lines are longer than 1000000 bytes, and were left out\n");
    let memory = done.line("items were kept").split(", and ").nth(1).expect("memory");
    let memory: u64 = memory.split(' ').next().and_then(|number| number.parse().ok()).expect("a number");
    assert!(memory < 50, "{done:?}");
}

#[test]
fn what_comes_through_a_pipe_is_counted_by_what_was_read() {
    let script = "for n in 1 2 3 4; do head -c 500000 /dev/zero | tr '\\0' x; echo; done | \"$0\" /dev/stdin";
    let done = Program::spawn(Command::new("sh").args(["-c", script]).arg(binary("lines"))).finish();
    assert_eq!(done.code(), 0, "{done:?}");
    done.says("\n  4 lines in 1 files, 2 MB in ");
}

#[test]
fn every_byte_that_was_read_is_counted_whatever_ends_its_line() {
    // Two bytes a line, of which a line break of Windows is both; and a line that is longer than a line may be.
    let breaks = file("breaks.log", "\r\n".repeat(1_000_000).as_bytes());
    let done = run("lines", &[&breaks]);
    done.says("\n  1,000,000 lines in 1 files, 2 MB in ");
    let long = file("long.log", "x".repeat(3_000_000).as_bytes());
    let done = run("lines", &[&breaks, &long]);
    done.says("\n  1,000,000 lines in 2 files, 5 MB in ");
}

#[test]
fn a_file_that_is_cut_off_meanwhile_is_counted_by_what_was_read() {
    let path = std::fs::canonicalize(file("cut-off.log", b"")).expect("it is there");
    let whole = std::fs::File::options().write(true).open(&path).expect("it is there");
    // One hole: nothing of it is on the disk, and to read it takes many seconds.
    whole.set_len(20_000_000_000).expect("a file may have holes");
    let program = Program::start("lines", &[path.to_str().expect("text")]);
    let open = format!("/proc/{}/fd", program.child.id());
    let is_it = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.is_ok_and(|entry| std::fs::read_link(entry.path()).is_ok_and(|it| it == path))
    };
    tests::until(|| std::fs::read_dir(&open).is_ok_and(|mut list| list.any(is_it)));
    whole.set_len(1_000_000).expect("it may be cut off");
    let done = program.finish();
    std::fs::remove_file(&path).expect("it is there");
    assert_eq!((done.code(), done.stderr.as_str()), (0, ""), "{done:?}");
    let line = done.line(" lines in 1 files, ");
    let megabytes = line.split(" files, ").nth(1).and_then(|rest| rest.split(' ').next()?.parse::<u64>().ok());
    assert!((1..20_000).contains(&megabytes.expect(line)), "the size that it had at first: {done:?}");
}
