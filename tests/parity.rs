//! Parity with CPython's asyncio: random concurrent programs, each with the record of what asyncio did, run again on
//! `runtime` and `gather`. Result, time of the end and, for every path, the sequence of events must be the same.
//!
//! [`program`] says what a program is, [`interpreter`] runs one, [`record`] compares. The vectors, where they come from
//! and how to make more: `parity/README.md`. The environment variable `PARITY_VECTORS` names another file of vectors, by
//! its path from the top of the checkout or an absolute one.

#[path = "parity/program.rs"]
mod program;
#[path = "parity/interpreter.rs"]
mod interpreter;
#[path = "parity/record.rs"]
mod record;

use program::Program;
use record::Record;
use serde_json::{Value, json};
use std::any::Any;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// How many mismatches are shown in full.
const SHOWN: usize = 3;

/// Lines of a shown program that are no longer than this are not broken further.
const WIDTH: usize = 110;

#[test]
fn every_program_does_what_it_does_in_asyncio() {
    let chosen = std::env::var("PARITY_VECTORS").ok();
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the checkout");
    let path = top.join(chosen.as_deref().unwrap_or("tests/parity/vectors.jsonl"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let vectors: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("a vector a line")).collect();
    assert!(!vectors.is_empty() && (chosen.is_some() || vectors.len() == 300), "{} vectors", vectors.len());

    let mismatches: Vec<String> = vectors.iter().filter_map(replay).collect();
    println!("{} of {} programs match", vectors.len() - mismatches.len(), vectors.len());
    let shown = mismatches.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join("\n");
    assert!(mismatches.is_empty(), "{} of {} programs differ:\n\n{shown}", mismatches.len(), vectors.len());
}

/// Runs a vector's program. Nothing when it does what the record says, else all that is needed to see why not.
fn replay(vector: &Value) -> Option<String> {
    let program = &vector["program"];
    let expected = Record::parse(&vector["record"]);
    let run = catch_unwind(AssertUnwindSafe(|| interpreter::execute(&Program::parse(program))));
    let difference = match run {
        Ok(got) => expected.difference(&got)?,
        Err(payload) => format!("the run panicked: {}\n", text_of(&*payload)),
    };
    Some(format!("seed {}, program:\n{}\n\n{difference}", vector["seed"], layout(program, "")))
}

/// What a panic says.
fn text_of(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("something without words")
}

/// JSON in lines of a readable length, still JSON: `oracle.py run` takes it.
fn layout(json: &Value, indent: &str) -> String {
    let line = json.to_string();
    if line.len() + indent.len() <= WIDTH {
        return line;
    }
    let deeper = format!("{indent}  ");
    let parts = |parts: Vec<String>| parts.join(&format!(",\n{deeper}"));
    match json {
        Value::Array(items) => {
            // A statement's name, and what stands before its bodies, on the first line.
            let (head, rest) = items.split_at(items.iter().take_while(|item| !item.is_array()).count());
            let head: String = head.iter().map(|item| format!("{item},")).collect();
            format!("[{head}\n{deeper}{}\n{indent}]", parts(rest.iter().map(|item| layout(item, &deeper)).collect()))
        }
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| format!("\"{key}\": {}", layout(value, &deeper)));
            format!("{{\n{deeper}{}\n{indent}}}", parts(fields.collect()))
        }
        _ => line,
    }
}

// The check can fail: records that are wrong, and what is said about them.

/// Two children of one gather, and a task that still sleeps at the end. All of it is in the true record below.
fn small_program() -> Value {
    json!({"semaphores": {}, "main": [
        ["spawn", "t1", [["finally", [["sleep", 500]], "dropped"]]],
        ["gather", [[["log", "a"], ["sleep", 20], ["log", "b"], ["value", 1]], [["sleep", 10], ["value", 2]]], false],
        ["log", "end"],
        ["value", 7]
    ]})
}

fn true_record() -> Value {
    json!({"result": 7, "ended_ms": 21, "events": [
        [0, "main.1.0", "a"], [20, "main.1.0", "b"], [20, "main", "gathered [1, 2]"], [20, "main", "end"],
        [21, "main/t1", "dropped"]
    ]})
}

/// What the replay says when the true record was changed by `change`.
fn replay_changed(change: impl FnOnce(&mut Value)) -> Option<String> {
    let mut record = true_record();
    change(&mut record);
    replay(&json!({"seed": 0, "program": small_program(), "record": record}))
}

fn events(record: &mut Value) -> &mut Vec<Value> {
    record["events"].as_array_mut().expect("a list")
}

#[test]
fn the_true_record_matches_whatever_the_order_between_paths() {
    assert_eq!(replay_changed(|_| {}), None);
    assert_eq!(replay_changed(|record| events(record).swap(1, 2)), None);
    assert_eq!(replay_changed(|record| events(record).rotate_right(1)), None);
}

#[test]
fn each_kind_of_wrong_record_is_a_mismatch_and_the_first_difference_is_named() {
    let first = |change: fn(&mut Value)| {
        let report = replay_changed(change).expect("a mismatch");
        report.lines().last().expect("a line").replace("the first difference: ", "")
    };
    assert_eq!(first(|it| it["result"] = json!(8)), "expected the result: 8, got the result: 7");
    assert_eq!(first(|it| it["result"] = json!(null)), "expected the result: null, got the result: 7");
    assert_eq!(first(|it| it["ended_ms"] = json!(22)), "expected 22 the end, got 21 the end");
    assert_eq!(first(|it| it["events"][1][0] = json!(19)), "expected 19 main.1.0: b, got 20 main.1.0: b");
    assert_eq!(first(|it| it["events"][0][1] = json!("main.1.1")), "expected 20 main.1.0: b, got 0 main.1.0: a");
    assert_eq!(first(|it| it["events"][4][2] = json!("f")), "expected 21 main/t1: f, got 21 main/t1: dropped");
    assert_eq!(first(|it| drop(events(it).remove(4))), "expected nothing, got 21 main/t1: dropped");
    assert_eq!(first(|it| events(it).push(json!([9, "x", "y"]))), "expected 9 x: y, got nothing");
    assert_eq!(first(|it| events(it).swap(2, 3)), "expected 20 main: end, got 20 main: gathered [1, 2]");
    // Not the first in the list, which goes by path, but the first in time.
    let late_then_early = |it: &mut Value| {
        it["events"][3][2] = json!("END");
        it["events"][1][0] = json!(5);
    };
    assert_eq!(first(late_then_early), "expected 5 main.1.0: b, got 20 main.1.0: b");
}

#[test]
fn a_mismatch_shows_the_program_and_both_records_side_by_side() {
    let report = replay_changed(|record| record["events"][1][0] = json!(19)).expect("a mismatch");
    let expected = r#"seed 0, program:
{
  "main": [
    ["spawn","t1",[["finally",[["sleep",500]],"dropped"]]],
    ["gather",[[["log","a"],["sleep",20],["log","b"],["value",1]],[["sleep",10],["value",2]]],false],
    ["log","end"],
    ["value",7]
  ],
  "semaphores": {}
}

  expected                      | got
       20 main: gathered [1, 2] |      20 main: gathered [1, 2]
       20 main: end             |      20 main: end
        0 main.1.0: a           |       0 main.1.0: a
!      19 main.1.0: b           |      20 main.1.0: b
       21 main/t1: dropped      |      21 main/t1: dropped
       21 the end               |      21 the end
          the result: 7         |         the result: 7
the first difference: expected 19 main.1.0: b, got 20 main.1.0: b
"#;
    assert_eq!(report, expected);
}

#[test]
fn a_program_that_cannot_end_is_a_mismatch_and_not_the_end_of_the_others() {
    let main = json!([["spawn", "t1", [["join", "t2"]]], ["spawn", "t2", [["join", "t1"]]], ["join", "t1"]]);
    let program = json!({"semaphores": {}, "main": main});
    let report = replay(&json!({"seed": 0, "program": program, "record": true_record()})).expect("a mismatch");
    assert!(report.contains("the run panicked: nothing can happen any more"), "{report}");
}
