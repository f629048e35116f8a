//! `rosetta`: what each language does on the failure.

use crate::process::{Done, Program, binary, run};
use std::io::Write;
use std::ops::RangeInclusive;
use std::process::Command;

/// The row of a form must say this of the failure, of those who ended, and that nobody was told too early.
#[track_caller]
fn assert_row(done: &Done, form: &str, outcome: &str, ended: RangeInclusive<u64>) {
    let row = done.line(form).split(form).nth(1).expect("what follows the name");
    let (told, rest) = row.split_once(" ms  ").expect(row);
    let told: u64 = told.trim().parse().expect(row);
    let is_prompt = outcome == "the error" && !form.contains("CompletableFuture");
    assert!(told >= if is_prompt { 50 } else { 100 }, "{row}");
    assert!(rest.starts_with(outcome), "{row}");
    let words: Vec<&str> = rest[outcome.len()..].split_whitespace().collect();
    let number: u64 = words[0].parse().expect(row);
    assert!(ended.contains(&number), "{row}");
    // Nobody can have ended before its wait was over.
    assert!(told >= 100 || ended == ALL || number == 0, "{row}");
    let memory: u64 = words[2].parse().expect(row);
    assert!((1..1000).contains(&memory) && words[3] == "MB", "{row}");
}

/// Everybody came to an end.
const ALL: RangeInclusive<u64> = 9999..=9999;

/// Those who still waited were dropped. On a machine so busy that the failure is told no sooner than their waits are
/// over, any number of them have ended by then.
const NOT_ALL: RangeInclusive<u64> = 0..=9999;

const ONE: &str = "10000 results, 1 an error";

#[test]
fn ours_tells_at_once_or_at_the_end_and_drops_the_others_or_lets_them_run() {
    let done = run("rosetta", &["--only", "ours"]);
    assert_eq!((done.code(), done.stderr.as_str()), (0, ""), "{done:?}");
    assert_row(&done, " try_gather ", "the error", NOT_ALL);
    assert_row(&done, " try_gather_tasks ", "the error", ALL);
    assert_row(&done, " gather ", ONE, ALL);
    assert_row(&done, " gather_tasks ", ONE, ALL);
    assert_eq!(done.stdout.lines().count(), 5, "{done:?}");
}

#[test]
fn the_other_languages_do_what_the_table_says() {
    let done = run("rosetta", &[]);
    assert_eq!(done.code(), 0, "{done:?}");
    // What is left out is said past the harness, which keeps to itself what a test prints that passes.
    std::io::stderr().write_all(done.stderr.as_bytes()).expect("stderr takes text");
    for language in done.stderr.lines().filter_map(|line| line.split_once(" is left out: ")) {
        tests::list_left_out(&format!("rosetta's rows of {} is left out: {}", language.0, language.1));
    }
    if std::env::var_os("GLASSLOOP_REQUIRE_TOOLS").is_some() {
        for language in ["python", "javascript"] {
            let why = "GLASSLOOP_REQUIRE_TOOLS forbids it";
            assert!(!done.stderr.contains(&format!("{language} is left out")), "{}{why}", done.stderr);
        }
    }
    for (language, form, outcome, ended) in [
        ("python", " asyncio.gather ", "the error", ALL),
        ("python", " gather(return_exceptions=True) ", ONE, ALL),
        ("python", " TaskGroup ", "the error", NOT_ALL),
        ("javascript", " Promise.all ", "the error", ALL),
        ("javascript", " Promise.allSettled ", ONE, ALL),
        ("java", " CompletableFuture.allOf ", "the error", ALL),
        ("go", " WaitGroup ", ONE, ALL),
    ] {
        if !done.stderr.contains(&format!("{language} is left out")) {
            assert_row(&done, form, outcome, ended);
        }
    }
}

#[test]
fn what_is_not_installed_is_left_out_and_said() {
    let mut command = Command::new(binary("rosetta"));
    let done = Program::spawn(command.env("PATH", "/nowhere")).finish();
    assert_eq!(done.code(), 0, "{done:?}");
    done.says("\n  these rows were run here: ours; left out: python, javascript, java, go\n");
    done.says("\n  never run: C# (Task.WhenAll) and PHP with Swoole; ");
    let said: Vec<&str> = done.stderr.lines().collect();
    assert_eq!(said, ["python", "javascript", "java", "go"].map(|it| format!("{it} is left out: not installed")));
    assert_row(&done, " gather ", ONE, ALL);
    let done = run("rosetta", &["--only", "cobol"]);
    assert_eq!((done.code(), done.stdout.as_str()), (2, ""), "{done:?}");
}
