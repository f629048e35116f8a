//! `cpu`: what stops the loop and what does not, and worker processes that die.

use crate::process::{Done, Program, run};
use std::path::Path;

/// How many ticks came while the work was done in this way.
#[track_caller]
fn ticks(done: &Done, way: &str) -> u64 {
    let line = done.line(way);
    let count = line.split(" ticks meanwhile").next().and_then(|start| start.split_whitespace().last());
    count.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("{line}"))
}

#[test]
fn work_on_the_loop_stops_the_tick_and_elsewhere_it_does_not() {
    let done = run("cpu", &["--jobs", "4", "--below", "100000"]);
    assert_eq!((done.code(), done.stderr.as_str()), (0, ""), "{done:?}");
    assert_eq!(ticks(&done, "on the loop"), 0, "{done:?}");
    assert!(ticks(&done, "on the blocking pool") > 0, "{done:?}");
    assert!(ticks(&done, "in worker processes") > 0, "{done:?}");
    done.says("the answer: 9592 primes, three times\n");
}

#[test]
fn a_job_whose_worker_dies_is_given_to_another() {
    let done = run("cpu", &["--jobs", "6", "--below", "1000", "--crash", "4"]);
    assert_eq!((done.code(), done.stderr.as_str()), (0, ""), "{done:?}");
    done.says("4 worker processes died, and 4 jobs were given to another\n");
    done.says("the answer: 168 primes, three times\n");
}

#[test]
fn a_worker_that_is_killed_in_the_middle_costs_no_answer() {
    // The first job is under way until then.
    let arguments = ["--jobs", "2", "--below", "1000", "--workers", "1", "--hang", "1"];
    let mut program = Program::start("cpu", &arguments);
    let children = format!("/proc/{0}/task/{0}/children", program.child.id());
    let victim = loop {
        let list = std::fs::read_to_string(Path::new(&children)).unwrap_or_default();
        if let Some(child) = list.split_whitespace().next() {
            break child.to_string();
        }
        assert_eq!(program.child.try_wait().expect("it is our child"), None, "it has workers");
    };
    tests::send_signal("KILL", &victim);
    let done = program.finish();
    assert_eq!((done.code(), done.stderr.as_str()), (0, ""), "{done:?}");
    done.says("1 worker processes died, and 1 jobs were given to another\n");
    done.says("primes, three times\n");
    assert!(!Path::new(&format!("/proc/{victim}")).exists(), "it was buried");
}

#[test]
fn a_job_that_kills_every_worker_is_reported_by_number_and_the_others_are_done() {
    let done = run("cpu", &["--jobs", "6", "--below", "1000", "--crash", "3", "--poison", "2"]);
    assert_eq!(done.code(), 1, "{done:?}");
    done.says("5 worker processes died, and 3 jobs were given to another\n");
    done.says("the answer: 168 primes, not always\n");
    let why = "its worker process died, and so did the next one: is there memory enough for it?";
    assert_eq!(done.stderr, format!("error: job 0: {why}\nerror: job 1: {why}\n"));
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for arguments in [["--jobs", "0"], ["--below", "many"], ["--workers", "0"], ["--crash", "x"]] {
        let done = run("cpu", &arguments);
        assert!(done.stderr.contains(arguments[0]), "{done:?}");
        assert_eq!((done.code(), done.stdout.as_str()), (2, ""), "{done:?}");
    }
}
