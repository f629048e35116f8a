//! The command `check`: the check of an exercise is built around it, and run in a process of its own.

use crate::catalog::{Lesson, State, typed};
use crate::check::{ACCEPTED, REFUSED};
use crate::commands::{Desk, NOT_ACCEPTED, NOT_COMPILED};
use crate::compile::compile;
use crate::grade::how;
use crate::log;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};

impl Desk<'_> {
    /// The check of an exercise, built around it, and the text of the exercise. Otherwise the exit code; why is said.
    pub(crate) fn built(&mut self, lesson: &Lesson) -> io::Result<Result<(PathBuf, String), u8>> {
        let number = lesson.number;
        let path = lesson.file("exercise.rs");
        let Ok(mine) = fs::read_to_string(&path) else {
            self.tell(&format!("There is no {}. To get it back:", typed(&path)))?;
            self.say(&format!("  cargo run -p course -- reset {number}\n"))?;
            return Ok(Err(NOT_ACCEPTED));
        };
        if lesson.state(&self.progress) == State::NotBegun {
            self.say("  NOT BEGUN\n")?;
            self.tell("exercise.rs is as it came. If you have changed it: is it saved, and is it this file?")?;
            self.say(&format!("\n  {}\n\n", typed(&path)))?;
            self.begin(lesson, State::NotBegun)?;
            return Ok(Err(NOT_ACCEPTED));
        }
        let Some(program) = compile(number)? else {
            self.say("\n  DOES NOT COMPILE\n")?;
            self.tell(
                "What stands above is the compiler's. Begin with its first error. An error in check.rs means that a \
                 name, a type or a `pub` in exercise.rs is not as it came.",
            )?;
            self.say("\n  Or begin anew (your file is kept):\n")?;
            self.say(&format!("  cargo run -p course -- reset {number}\n"))?;
            return Ok(Err(NOT_COMPILED));
        };
        Ok(Ok((program, mine)))
    }

    pub(crate) fn check(&mut self, lesson: &Lesson, seed: Option<u64>) -> io::Result<u8> {
        let number = lesson.number;
        let (program, mine) = match self.built(lesson)? {
            Ok(built) => built,
            Err(code) => return Ok(code),
        };
        let mut child = check_with(program, seed);
        let status = child.env("COURSE_STEPS", "1").env(log::RULE_FILE, log::rule_file()).status()?;
        match status.code() {
            Some(ACCEPTED) => {
                self.progress.accept(number, &mine);
                self.progress.write()?;
                self.accepted(lesson)
            }
            Some(REFUSED) => Ok(NOT_ACCEPTED),
            _ => {
                drop(fs::write(log::rule_file(), "it comes back"));
                self.ended(status)
            }
        }
    }

    /// The answer has ended the process of its check.
    pub(crate) fn ended(&mut self, status: ExitStatus) -> io::Result<u8> {
        self.say("  REFUSED. Broken rule: it comes back\n")?;
        self.tell(&format!("The answer ended the whole process of the check ({}).", how(status)))?;
        if status.code().is_none() {
            self.tell("A panic in a drop, while another panic runs, does that: is something still borrowed there?")?;
        }
        Ok(NOT_ACCEPTED)
    }

    fn accepted(&mut self, lesson: &Lesson) -> io::Result<u8> {
        let lessons = self.course.lessons();
        let mine = lessons.iter().filter(|it| it.state(&self.progress) == State::Accepted).count();
        let all = lessons.iter().filter(|it| it.has_exercise()).count();
        self.say(&format!("  Exercises accepted: {mine} of {all}\n\n"))?;
        self.tells_of_her_loop(lesson)?;
        // What comes after the work.
        let text = fs::read_to_string(lesson.file("lesson.md")).unwrap_or_default();
        let rest = text.split("**What is checked**").nth(1).and_then(|rest| rest.split("\n## ").nth(1));
        let section = rest.and_then(|rest| rest.lines().next()).unwrap_or("The real file");
        self.tell(&format!("Now read the rest of the lesson, from \"{section}\" on, and compare with ours:"))?;
        self.say(&format!("  {}\n", typed(&lesson.file("solution.rs"))))?;
        // The next one after this one: who has begun in the middle shall not be sent back to the beginning.
        let is_next = |it: &&Lesson| {
            it.number > lesson.number && it.has_exercise() && it.state(&self.progress) != State::Accepted
        };
        match lessons.iter().find(is_next) {
            Some(next) => self.say(&format!("  Then:  cargo run -p course -- {}\n", next.number)),
            None => self.say("  Then:  cargo run -p course\n"),
        }
    }
}

/// The process of a check that is built, with this seed or a fresh one.
pub(crate) fn check_with(program: PathBuf, seed: Option<u64>) -> Command {
    let mut child = Command::new(program);
    for name in ["COURSE_TERSE", "COURSE_PROGRAMS", "COURSE_CHECKS", "COURSE_TRACE", "COURSE_STEPS", "COURSE_SEED"] {
        child.env_remove(name);
    }
    if let Some(seed) = seed {
        child.env("COURSE_SEED", seed.to_string());
    }
    child
}
