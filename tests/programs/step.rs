//! `step`, the program that records others: its pages, its transcripts, and what it refuses. And `own`, the template of a
//! program to step through.

use crate::file;
use crate::process::{Program, binary, run};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// The programs that come to a point at which nothing can happen any more.
const HANG: [&str; 2] = ["lost_wake", "deadlock"];

/// The names of all programs, in the order of the list: each in a line, and what it is about in the next, indented.
fn names() -> Vec<String> {
    let list = run("step", &["--list"]);
    assert_eq!((list.code(), list.stderr.as_str()), (0, ""));
    let lines = list.stdout.lines().filter(|line| !line.starts_with(' '));
    lines.filter_map(|line| line.split(' ').next().map(str::to_owned)).collect()
}

#[test]
fn step_lists_its_programs_and_writes_a_page_or_a_transcript_of_each() {
    let names = names();
    assert_eq!(names[..5], ["sleep", "two", "fair", "by_hand", "lost_wake"], "{names:?}");
    assert!(names.len() >= 19, "{names:?}");
    for name in &names {
        // Whoever hangs is recorded all the same, and the reason is told.
        let status = if HANG.contains(&name.as_str()) { 3 } else { 0 };
        let text = run("step", &[name, "--text"]);
        assert_eq!(text.code(), status, "{name}: {}", text.stderr);
        assert_eq!(text.stderr.contains("nothing can happen any more"), status == 3, "{name}: {}", text.stderr);
        text.says("main is spawned into slot 0.");
        text.says("\nturn 1, ");
        let path = file(&format!("step-{name}.html"), "");
        let page = run("step", &[name, "--out", &path]);
        assert_eq!(page.code(), status, "{name}: {}", page.stderr);
        page.says(&format!("Open it in a browser: file://{path}"));
        assert!(std::fs::read_to_string(&path).expect("it was written").starts_with("<!doctype html>"));
        // A page may take the place of a page.
        assert_eq!(run("step", &[name, "--out", &path]).code(), status);
    }
}

#[test]
fn step_asks_three_questions_and_says_where_their_answers_are() {
    let path = file("step-questions.html", "");
    let page = run("step", &["--out", &path]);
    page.says("sleep: one task sleeps for 10 ms\nThe only task is main, ");
    let text = run("step", &["--text"]);
    let answers: Vec<(&str, &str)> =
        text.stdout.lines().filter_map(|line| line.strip_prefix("  ")?.split_once("?  event ")).collect();
    assert_eq!(answers.len(), 3, "{}", text.stdout);
    for (question, event) in answers {
        page.says(&format!("  {question}?  file://{path}#e={event}\n"));
        text.says(&format!("\n{event:>5}  "));
    }
}

#[test]
fn step_makes_a_page_of_a_trace_that_another_loop_wrote_with_that_loops_own_source() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("step-file");
    std::fs::create_dir_all(folder.join("src")).expect("a folder");
    // By this name the runtime has a file, too.
    let source = "fn turn() {\n    poll(); // my own loop\n}\n";
    std::fs::write(folder.join("src/task.rs"), source).expect("it can be written");
    let event =
        |seq: u32, rest: &str| format!(r#"{{"seq":{seq},"turn":1,"at":{seq}000,"runtime":["src/task.rs",2],{rest}}}"#);
    let lines = [
        event(0, r#""program":null,"cause":null,"kind":"TurnBegin""#),
        event(
            1,
            r#""program":["src/task.rs",1],"cause":0,"kind":"Spawn","task":0,"slot":0,"generation":0,"name":"mine""#,
        ),
        String::new(),
        event(2, r#""program":null,"cause":1,"kind":"PollBegin","task":0"#),
        event(3, r#""program":null,"cause":2,"kind":"Cooked","dish":"soup""#),
    ];
    let trace = folder.join("trace.jsonl");
    std::fs::write(&trace, lines.join("\n")).expect("it can be written");
    let page = folder.join("page.html");
    let [trace, path] = [&trace, &page].map(|path| path.to_str().expect("the name is text"));
    let done = run("step", &["--file", trace, "--out", path]);
    assert_eq!((done.code(), done.stderr.as_str()), (0, ""), "{done:?}");
    done.says(&format!("4 events. Open it in a browser: file://{path}"));
    let page = std::fs::read_to_string(path).expect("it was written");
    assert!(page.contains("// my own loop") && page.contains("\"kind\":\"Cooked\""));
    assert!(!page.contains("yield_now"), "the runtime's file of that name is shown");
}

#[test]
fn what_step_writes_as_json_makes_the_page_that_step_makes() {
    let [own, read] = ["step-own.html", "step-read.html"].map(|name| file(name, ""));
    assert_eq!(run("step", &["tasks", "--out", &own]).code(), 0);
    let lines = file("step-tasks.jsonl", &run("step", &["tasks", "--json"]).stdout);
    assert_eq!(run("step", &["--file", &lines, "--out", &read]).code(), 0);
    let [own, read] = [own, read].map(|path| std::fs::read_to_string(path).expect("it was written"));
    let events = |page: &str| page.split("\"events\":").nth(1).map(str::to_owned);
    assert_eq!(events(&own), events(&read));
}

#[test]
fn ctrl_c_leaves_the_page_of_a_program_of_ones_own() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("own-stopped");
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("own.html");
    _ = std::fs::remove_file(&path);
    let program = Program::spawn(Command::new(binary("own")).arg("3600000").current_dir(&folder));
    let id = program.child.id();
    // Not the two milliseconds in which the toast is made: their end is a turn of the loop, in which it does not sleep.
    tests::until_process_parked_for(id, Duration::from_secs(60));
    tests::send_signal("INT", id);
    let done = program.finish();
    assert_eq!(done.code(), 130, "{done:?}");
    assert!(done.stderr.contains(&format!("how far it came: file://{}", path.display())), "{done:?}");
    let page = std::fs::read_to_string(path).expect("it was written");
    assert!(page.contains("dinner for one"));
    // A signal ends the park of the thread on which its handler runs, which may be the loop's. Then the page is written
    // before, within or after the turn that it begins for this.
    let kinds = page.rsplit("\"kind\":\"").map(|rest| rest.split('"').next().expect("a text has a first piece"));
    let last: Vec<_> = kinds.take_while(|kind| *kind != "Park").collect();
    let interrupted = ["TurnBegin", "TurnEnd", "Unpark"];
    assert!(interrupted.ends_with(&last), "{last:?}");
    let told = if last.is_empty() { "stopped while the loop sleeps" } else { "stopped between two polls" };
    assert!(page.contains(told), "{told:?} is not in the page, and the last events are {last:?}");
}

#[test]
fn step_explores_a_program_and_breaks_the_loop_on_purpose() {
    let path = file("step-explored.html", "");
    let explored = run("step", &["deadlock", "--explore", "--out", &path]);
    assert_eq!(explored.code(), 3, "{}", explored.stderr);
    explored.says("deadlock: it hangs: nothing can happen any more. It fails in the loop's own order");
    explored.says("waits for a permit at deadlock.rs:");
    assert!(std::fs::read_to_string(&path).unwrap().contains("\"kind\":\"Quiescent\""));
    assert_eq!(run("step", &["two", "--explore"]).code(), 0);
    let broken = run("step", &["two", "--what-if", "drop-wake:2", "--out", &path]);
    assert_eq!((broken.code(), broken.stderr.as_str()), (0, ""));
    broken.says("the loop as it is: ends well\nwith drop-wake:2: hangs: nothing can happen any more");
    assert!(std::fs::read_to_string(&path).unwrap().contains("<li class=\"first\">"));
    // In the sentences of the page, there and here.
    broken.says("they differ first at event ");
    assert!(!broken.stdout.contains(" { task:"), "{}", broken.stdout);
    assert!(std::fs::read_to_string(&path).unwrap().contains("<li>Ada is spawned into slot 1"));
    for order in [&["deadlock", "--explore"][..], &["two", "--what-if", "lifo"]] {
        let lost = run("step", &[order, &["--out", "/no/such/folder/page.html"]].concat());
        assert_eq!(lost.code(), 2, "{lost:?}");
        assert!(lost.stderr.contains("name a page, or a file that is not there yet"), "{lost:?}");
    }
    let never = run("step", &["two", "--what-if", "drop-wake:99", "--out", &path]);
    never.says("the fault did no harm: it never came: the run without it has 3 wakes");
    for (wrong, told) in [
        (&["--what-if", "no-such"][..], "there is no fault \"no-such\"; there are drop-wake:N"),
        (&["--what-if", "lifo", "--explore"], "cannot be used with each other"),
        (&["--explore", "--text"], "cannot be used with each other"),
        (&["--what-if", "lifo", "--what-if", "drop-wake:1"], "'--what-if' cannot be used twice"),
    ] {
        let refused = run("step", wrong);
        assert!(refused.code() == 2 && refused.stderr.contains(told), "{wrong:?}: {refused:?}");
    }
}

#[test]
fn races_finds_every_bug_and_none_in_what_is_mended() {
    let races = run("races", &[]);
    assert_eq!((races.code(), races.stderr.as_str()), (0, ""));
    let count = |what: &str| races.stdout.matches(what).count();
    assert_eq!((count("  Again: \""), count("\nMended, it held in ")), (10, 10), "{}", races.stdout);
}

#[test]
fn own_is_a_program_that_runs_as_it_is() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("own");
    std::fs::create_dir_all(&folder).expect("a folder");
    let done = Program::spawn(Command::new(binary("own")).current_dir(&folder)).finish();
    assert_eq!((done.code(), done.stderr.as_str()), (0, ""), "{done:?}");
    let path = folder.join("own.html");
    done.says(&format!("Open it in a browser: file://{}", path.display()));
    let page = std::fs::read_to_string(path).expect("it was written");
    for part in ["<!doctype html>", "dinner for one", "examples/step/own.rs", "async fn cook("] {
        assert!(page.contains(part), "{part:?} is not in the page");
    }
}

#[test]
fn step_writes_json_lines_that_are_the_same_in_every_run() {
    let names = names();
    // What comes from the system or from other threads, comes when it comes.
    let repeat: Vec<&str> =
        names.iter().map(String::as_str).filter(|name| !["blocks", "sockets", "threads"].contains(name)).collect();
    assert_eq!(repeat.len(), 17, "{repeat:?}");
    for name in repeat {
        let status = if HANG.contains(&name) { 3 } else { 0 };
        let [one, two] = [run("step", &[name, "--json"]), run("step", &[name, "--json"])];
        assert!(one.stdout == two.stdout && one.code() == status, "{name}: {one:?}\n{two:?}");
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
        (vec!["no such program"], "there are sleep, two, fair"),
        (vec![""], "there are sleep, two, fair"),
        (vec!["gather", "tasks"], "Usage: step"),
        (vec!["--out"], "--help"),
        (vec!["--text", "--json"], "cannot be used with"),
        (vec!["--text", "--out", "page.html"], "cannot be used with"),
        (vec!["--list=all"], "--help"),
        (vec!["-x"], "unexpected argument '-x'"),
        (vec!["--out", "/no/such/folder/page.html"], "in a folder that may be written to"),
        (vec!["--out", folder], "--out FILE"),
        (vec!["--file", "trace.jsonl", "gather"], "cannot be used with"),
        (vec!["--file", "/no/such/trace.jsonl"], "/no/such/trace.jsonl: No such file"),
        (vec!["--file", &kept], "line 1: \"not\" is no value"),
        (vec!["--out", &kept], "is no page of glassloop"),
    ] {
        let done = run("step", &arguments);
        assert!(done.stderr.contains(cure), "{arguments:?}: {done:?}");
        assert_eq!((done.code(), done.stdout.as_str()), (2, ""), "{arguments:?}: {done:?}");
    }
    assert_eq!(std::fs::read_to_string(&kept).expect("it is there"), "not a page");
}
