//! The command `step`: a program as a page to step through. The lesson's program on the real loop, or, with `--mine`, a
//! program of the check on the student's own.

use crate::catalog::{Lesson, PROGRAMS_OF_STEP, typed};
use crate::check::{ACCEPTED, REFUSED};
use crate::checking::check_with;
use crate::commands::{Desk, NOT_ACCEPTED, OK, USAGE};
use crate::orders::Orders;
use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// How `step` ends when its program did not come to its end, as one that hangs. There is a page.
const PANICKED: i32 = 3;

impl Desk<'_> {
    pub(crate) fn step(&mut self, orders: &Orders) -> io::Result<u8> {
        match (orders.mine, &orders.what_if) {
            (true, Some(_)) => self.refuse("--what-if is a fault of the real loop: it does not go with --mine."),
            (true, None) => self.with_lesson(orders.lesson, |desk, lesson| desk.step_mine(lesson, orders.seed)),
            (false, _) => self.step_real(orders),
        }
    }

    /// Makes the page of the program of `step` that shows a lesson on the real loop, with a fault if one is named.
    fn step_real(&mut self, orders: &Orders) -> io::Result<u8> {
        if orders.seed.is_some() {
            return self.refuse("--seed goes with --mine: the real loop's program is always the same.");
        }
        let current = self.current().map_or(0, |lesson| lesson.number);
        let number = orders.lesson.unwrap_or(current);
        let Some(program) = PROGRAMS_OF_STEP.get(number as usize) else {
            return self.refuse("There is no such lesson.");
        };
        let page = self.course.pages().join(match &orders.what_if {
            Some(_) => format!("{number:02}-{program}-what-if.html"),
            None => format!("{number:02}-{program}.html"),
        });
        fs::create_dir_all(self.course.pages())?;
        let mut words = vec![PathBuf::from(program), "--out".into(), page.clone()];
        if let Some(fault) = &orders.what_if {
            words.extend(["--what-if".into(), PathBuf::from(fault)]);
        }
        let Some(said) = self.real_step(&words, orders.what_if.is_some())? else { return Ok(USAGE) };
        // Where the page is comes below.
        for line in said.lines().filter(|line| !line.contains(". Open it in a browser:") && !line.contains("Both side"))
        {
            match line.split_once("file://") {
                Some((question, link)) => {
                    let event = link.rsplit('=').next().unwrap_or_default();
                    self.tell(&format!("- {} (event {event})", question.trim()))?;
                }
                None => _ = self.tell(line)?,
            }
        }
        self.say("\n")?;
        self.open(&page, 0)
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
            true => format!("lesson {number}: your answer, refused"),
            false => format!("lesson {number}: your answer, accepted"),
        };
        let words = ["--title", &title, "--file"].map(PathBuf::from);
        if self.real_step(&[&words[..], &[trace, "--out".into(), page.clone()]].concat(), false)?.is_none() {
            return Ok(USAGE);
        }
        let event = if is_refused { broken_at(&lines) } else { 0 };
        self.say(if is_refused {
            "\n  The page opens at the step that is wrong:\n"
        } else {
            "\n  A small program of the check, step by step:\n"
        })?;
        self.open(&page, event)?;
        Ok(if is_refused { NOT_ACCEPTED } else { OK })
    }

    /// Says where a page is.
    fn open(&mut self, page: &Path, event: u64) -> io::Result<u8> {
        self.say(&format!("  {}\n", typed(page)))?;
        let whole = page.canonicalize()?;
        let event = if event > 0 { format!("#e={event}") } else { String::new() };
        self.say(&format!("\n  Open it in a browser:\n  file://{}{event}\n", whole.display()))
    }

    /// Runs `step`, the program that makes pages, as a child: what it says. It is built first, once. `None`: there is no page;
    /// why is said.
    fn real_step(&mut self, words: &[PathBuf], explore: bool) -> io::Result<Option<String>> {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["run", "--quiet", "-p", "step", "--example", "step"]);
        if explore {
            cargo.args(["--features", "explore"]);
        }
        cargo.arg("--").args(words).current_dir(env!("CARGO_MANIFEST_DIR"));
        self.tell("(The page is being made. The first time that takes a moment: the real loop is compiled.)")?;
        let output = cargo.output()?;
        match output.status.code() {
            Some(0 | PANICKED) => Ok(Some(String::from_utf8_lossy(&output.stdout).into_owned())),
            _ => {
                io::stderr().write_all(&output.stderr)?;
                self.tell("The page was not made. What stands above says why.")?;
                Ok(None)
            }
        }
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
