//! The lessons: their checks accept the solutions and refuse the mutants, their texts say what is so, and the runner does
//! what it says.

mod answers {
    include!(concat!(env!("OUT_DIR"), "/answers.rs"));
}

use answers::ANSWERS;
use course::{Verdict, grade};
use std::env;
use std::process::Command;

/// The name under which this binary runs one check and nothing else.
const CHILD: &str = "child_that_runs_one_check";

/// Not a test: a check of one answer, in a process of its own, which a test starts.
#[test]
fn child_that_runs_one_check() {
    let Ok(wanted) = env::var("COURSE_ANSWER") else { return };
    let (_, _, _, check) = ANSWERS.iter().find(|(lesson, name, ..)| format!("{lesson}/{name}") == wanted).unwrap();
    check();
}

/// A process that checks this answer.
fn check(lesson: &str, name: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", CHILD, "--nocapture", "--quiet"]).env("COURSE_ANSWER", format!("{lesson}/{name}"));
    command
}

fn grade_all(times: usize) {
    let mut lessons: Vec<&str> = ANSWERS.iter().map(|(lesson, ..)| *lesson).collect();
    lessons.dedup();
    for lesson in lessons {
        let here = ANSWERS.iter().filter(|(of, ..)| *of == lesson);
        let mutants: Vec<(&str, &str)> =
            here.filter(|(_, name, ..)| *name != "solution").map(|(_, name, source, _)| (*name, *source)).collect();
        assert!(mutants.len() >= 6, "{lesson}: only {} mutants", mutants.len());
        let graded = grade(|name| Verdict::of(&mut check(lesson, name)), &["solution"], &mutants, times);
        graded.unwrap_or_else(|wrong| panic!("{lesson}:\n{wrong}"));
    }
}

#[test]
fn the_solution_is_accepted_and_every_mutant_is_refused_by_its_rule() {
    grade_all(5);
}
