//! `benches/beside.py`, which measures the load test beside others: what it prints is what each of them has reported.

use crate::process::{Program, binary};
use std::process::Command;
use tests::left_out;

#[test]
fn testers_are_measured_in_turn_and_stand_in_one_table() {
    for (program, version) in [("python3", "--version"), ("ab", "-V")] {
        if Command::new(program).arg(version).output().is_err() {
            return left_out(&format!("there is no {program}"));
        }
    }
    let folder = binary("load_test").parent().expect("it lies in a folder").to_path_buf();
    let script = format!("{}/../benches/beside.py", env!("CARGO_MANIFEST_DIR"));
    let arguments = ["testers", "--rounds", "1", "--seconds", "1", "--connections", "5", "--only", "load_test,ab"];
    let done =
        Program::spawn(Command::new("python3").arg(&script).args(arguments).arg("--folder").arg(&folder)).finish();
    assert_eq!((done.code(), done.stderr.as_str()), (0, ""), "{done:?}");
    done.says("1 rounds of 1 s each, 5 connections; ");
    done.says("\n| tester | requests/s | p50, ms | p99, ms |\n| --- | --- | --- | --- |\n| load_test | ");
    for name in ["load_test", "ab"] {
        let row = done.line(&format!("| {name} | "));
        let rate = row.split(" | ").nth(1).and_then(|cell| cell.split(' ').next()).expect(row).replace(',', "");
        assert!(rate.parse::<f64>().expect(row) > 0.0, "{done:?}");
    }
    // Without the programs it says what to do.
    let done = Program::spawn(Command::new("python3").args([&script, "web", "--folder", "/no/such/folder"])).finish();
    assert!(done.stderr.ends_with("beside: build the programs first, as --help says\n"), "{done:?}");
    assert_eq!((done.code(), done.stdout.as_str()), (1, ""));
}
