//! The command `step`: a program as a page to step through. The lesson's program on the real loop, or, with `--mine`, a
//! program of the check on the student's own.

use crate::catalog::{Lesson, typed};
use crate::check::{ACCEPTED, REFUSED};
use crate::commands::{Desk, NOT_ACCEPTED, OK, USAGE, check_with};
use crate::orders::Orders;
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

impl Desk<'_> {
    pub(crate) fn step(&mut self, orders: &Orders) -> io::Result<u8> {
        match (orders.mine, &orders.what_if) {
            (true, Some(_)) => self.refuse("--what-if is a fault of the real loop: it does not go with --mine."),
            (true, None) => self.with_lesson(orders.lesson, |desk, lesson| desk.step_mine(lesson, orders.seed)),
            (false, _) => self.refuse("step: say --mine."),
        }
    }

    /// Makes the page of the first program that the check refuses, or of a small one.
    fn step_mine(&mut self, lesson: &Lesson, seed: Option<u64>) -> io::Result<u8> {
        let number = lesson.number;
        let (program, mine) = match self.built(lesson)? {
            Ok(built) => built,
            Err(code) => return Ok(code),
        };
        let pages = self.course.pages();
        let folder = pages.join(format!("{number:02}"));
        let (trace, page) = (folder.join("trace.jsonl"), pages.join(format!("{number:02}.html")));
        fs::create_dir_all(&folder)?;
        // The sources lie beside the trace: the page shows them as they are now, and of the rung not the answer.
        fs::write(folder.join("exercise.rs"), mine)?;
        fs::copy(lesson.file("check.rs"), folder.join("check.rs"))?;
        let glue = Path::new(env!("OUT_DIR")).join(lesson.name.as_deref().unwrap_or_default()).join("glue.rs");
        if let Ok(glue) = fs::read_to_string(glue) {
            fs::write(folder.join("rung.rs"), glue)?;
        }
        gone(&trace)?;
        let status = check_with(program, seed).env("COURSE_TRACE", &trace).status()?;
        let is_refused = match status.code() {
            Some(ACCEPTED) => false,
            Some(REFUSED) => true,
            _ => return self.ended(status),
        };
        let Ok(lines) = fs::read_to_string(&trace) else {
            self.tell("There is nothing to step through: no step was told.")?;
            return Ok(NOT_ACCEPTED);
        };
        let title = match is_refused {
            true => format!("lesson {number}: your loop, refused"),
            false => format!("lesson {number}: your loop, accepted"),
        };
        let words = ["--title", &title, "--file"].map(PathBuf::from);
        if !self.real_step(&[&words[..], &[trace, "--out".into(), page.clone()]].concat(), false)? {
            return Ok(USAGE);
        }
        let event = if is_refused { broken_at(&lines) } else { 0 };
        self.say(if is_refused {
            "\n  The page opens at the step that is wrong:\n"
        } else {
            "\n  A small program on your loop, step by step:\n"
        })?;
        self.open(&page, event)?;
        Ok(if is_refused { NOT_ACCEPTED } else { OK })
    }

    /// Says where a page is.
    fn open(&mut self, page: &Path, event: u64) -> io::Result<u8> {
        self.say(&format!("  {}\n", typed(page)))?;
        let whole = page.canonicalize()?;
        self.say(&format!("\n  Open it in a browser:\n  file://{}#e={event}\n", whole.display()))
    }

    /// Runs `step`, the program that makes pages, as a child. It is built first, once.
    fn real_step(&mut self, words: &[PathBuf], explore: bool) -> io::Result<bool> {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["run", "--quiet", "-p", "step", "--example", "step"]);
        if explore {
            cargo.args(["--features", "explore"]);
        }
        cargo.arg("--").args(words).current_dir(env!("CARGO_MANIFEST_DIR")).stdout(Stdio::null());
        self.tell("(The page is being made. The first time that takes a moment: the real loop is compiled.)")?;
        let is_made = cargo.status()?.success();
        if !is_made {
            self.tell("The page was not made. What stands above says why.")?;
        }
        Ok(is_made)
    }
}

/// The event that breaks the rule: the last one says so, and names it as its cause. If nothing came that should have come,
/// it is that last one.
fn broken_at(lines: &str) -> u64 {
    let last = lines.lines().last().unwrap_or_default();
    let number = |name: &str| {
        let rest = last.split(&format!("\"{name}\":")).nth(1)?;
        rest.split([',', '}']).next()?.parse().ok()
    };
    number("cause").or(number("seq")).unwrap_or(0)
}

/// Removes a file, if it is there.
fn gone(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
