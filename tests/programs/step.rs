//! `step`, the program that records others: its pages, its transcripts, and what it refuses.

use crate::file;
use crate::process::run;
use serde_json::Value;

#[test]
fn step_lists_its_programs_and_writes_a_page_or_a_transcript_of_each() {
    let list = run("step", &["--list"]);
    assert_eq!((list.code(), list.stderr.as_str()), (0, ""));
    let names: Vec<&str> = list.stdout.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(names.len() >= 6 && names[0] == "gather", "{names:?}");
    for name in names {
        let text = run("step", &[name, "--text"]);
        assert_eq!(text.code(), 0, "{name}: {}", text.stderr);
        text.says("main is spawned into slot 0.");
        text.says("\nturn 1, ");
        let path = file(&format!("step-{name}.html"), "");
        let page = run("step", &[name, "--out", &path]);
        assert_eq!(page.code(), 0, "{name}: {}", page.stderr);
        page.says(&format!("Open it in a browser: file://{path}"));
        assert!(std::fs::read_to_string(&path).expect("it was written").starts_with("<!doctype html>"));
        // A page may take the place of a page.
        assert_eq!(run("step", &[name, "--out", &path]).code(), 0);
    }
}

#[test]
fn step_writes_json_lines_that_are_the_same_in_every_run() {
    let list = run("step", &["--list"]);
    let names = list.stdout.lines().filter_map(|line| line.split(' ').next());
    // What comes from the system or from other threads, comes when it comes.
    let repeat: Vec<&str> = names.filter(|name| !["sockets", "threads"].contains(name)).collect();
    assert_eq!(repeat.len(), 11, "{repeat:?}");
    for name in repeat {
        let [one, two] = [run("step", &[name, "--json"]), run("step", &[name, "--json"])];
        assert!(one.stdout == two.stdout && one.code() == 0, "{name}: {one:?}\n{two:?}");
        for (number, line) in one.stdout.lines().enumerate() {
            let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            assert_eq!(event["seq"], number);
        }
        let [one, two] = [run("step", &[name, "--text"]), run("step", &[name, "--text"])];
        assert!(one.stdout == two.stdout && one.stdout.lines().count() > 20, "{name}: {one:?}\n{two:?}");
    }
}

#[test]
fn step_refuses_what_makes_no_sense_and_says_what_would() {
    let kept = file("step-kept.txt", "not a page");
    let folder = env!("CARGO_TARGET_TMPDIR");
    for (arguments, cure) in [
        (vec!["no such program"], "there are gather, ten_lines"),
        (vec![""], "there are gather, ten_lines"),
        (vec!["gather", "tasks"], "Usage: step"),
        (vec!["--out"], "--help"),
        (vec!["--text", "--json"], "cannot be used with"),
        (vec!["--out", "/no/such/folder/page.html"], "in a folder that may be written to"),
        (vec!["--out", folder], "--out FILE"),
        (vec!["--out", &kept], "is no page of this program's"),
    ] {
        let done = run("step", &arguments);
        assert!(done.stderr.contains(cure), "{arguments:?}: {done:?}");
        assert_eq!((done.code(), done.stdout.as_str()), (2, ""), "{arguments:?}: {done:?}");
    }
    assert_eq!(std::fs::read_to_string(&kept).expect("it is there"), "not a page");
}
