//! The command `loop`: a student's own loop. A rung with her accepted exercises in the places of its parts, as one file, which
//! is compiled and run.

use crate::catalog::{Course, Lesson, State, typed};
use crate::commands::{Desk, NOT_ACCEPTED, NOT_COMPILED, OK, USAGE};
use crate::compile::Kit;
use crate::parts;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::process::Command;

/// The first rung that is a loop, and the last one.
const RUNGS: std::ops::RangeInclusive<u32> = 1..=13;

/// A file of a lesson, with the ends of lines that all others have.
fn read(lesson: &Lesson, name: &str) -> Option<String> {
    fs::read_to_string(lesson.file(name)).ok().map(|text| text.replace("\r\n", "\n"))
}

/// The parts of a rung that are exercises: the lesson of each, and the part.
fn parts_of(course: &Course, number: u32) -> Option<Vec<(Lesson, String)>> {
    let lessons: Vec<Lesson> = course.lessons().into_iter().filter(|it| it.number <= number).collect();
    let rung = read(lessons.last().filter(|it| RUNGS.contains(&it.number))?, "rung.rs")?;
    let files = lessons.iter().filter_map(|it| Some((it.number, read(it, "rung.rs")?, read(it, "check.rs")?)));
    let files: Vec<(u32, String, String)> = files.collect();
    let files: Vec<(u32, &str, &str)> =
        files.iter().map(|(number, rung, check)| (*number, &**rung, &**check)).collect();
    let found = parts::exercises(&rung, &files);
    let lesson = |number| lessons.iter().find(|it| it.number == number).cloned();
    Some(found.into_iter().filter_map(|(number, part)| Some((lesson(number)?, part.to_owned()))).collect())
}

impl Desk<'_> {
    fn is_mine(&self, lesson: &Lesson) -> bool {
        lesson.state(&self.progress) == State::Accepted
    }

    /// What there is of the student's own loop, when the exercise of a lesson is accepted.
    pub(crate) fn tells_of_her_loop(&mut self, lesson: &Lesson) -> io::Result<u8> {
        let number = lesson.number;
        let parts = parts_of(self.course, number).unwrap_or_default();
        if !parts.iter().any(|(it, _)| it.number == number) {
            return Ok(OK);
        }
        let (mine, all) = (parts.iter().filter(|(it, _)| self.is_mine(it)).count(), parts.len());
        let (s, are) = if all == 1 { ("", "is") } else { ("s", "are") };
        self.say(&format!("  Your loop: {mine} of {all} part{s} of rung {number} {are} yours. Run it:\n"))?;
        self.say(&format!("    cargo run -p course -- loop {number}\n\n"))
    }

    /// Writes the loop, compiles it, and runs it. `words` are the number of the rung, and what the program is told.
    pub(crate) fn own(&mut self, words: &[&str]) -> io::Result<u8> {
        let (number, given) = match words.split_first().map(|(first, rest)| (first.parse::<u32>(), rest)) {
            Some((Ok(number), rest)) => (Some(number), rest),
            _ => (None, words),
        };
        if let Some(flag) = given.iter().find(|word| word.starts_with('-')) {
            return self.refuse(&format!("There is no flag \"{flag}\"."));
        }
        let lessons = self.course.lessons();
        let accepted = lessons.iter().rev().find(|it| RUNGS.contains(&it.number) && self.is_mine(it));
        let Some(number) = number.or(accepted.map(|it| it.number)) else {
            self.tell(
                "No exercise is accepted yet, so nothing of a loop is yours. To run ours all the same, name a rung:",
            )?;
            self.say("  cargo run -p course -- loop 13\n")?;
            return Ok(NOT_ACCEPTED);
        };
        let Some(parts) = parts_of(self.course, number) else {
            return self.refuse(&format!("There is no loop {number}: the rungs 1 to 13 are loops."));
        };
        let rung = lessons.iter().find(|it| it.number == number).and_then(|it| read(it, "rung.rs"));
        let mut text = rung.expect("it was read before");
        let mine = parts.iter().filter(|(it, _)| self.is_mine(it)).count();
        let mut table = format!(
            "  Rung {number}. Yours: {mine} of {} part{}.\n\n",
            parts.len(),
            if parts.len() == 1 { "" } else { "s" }
        );
        for (lesson, part) in &parts {
            let answer = read(lesson, "exercise.rs").filter(|_| self.is_mine(lesson));
            let whose = if answer.is_some() { "yours" } else { "ours: not accepted yet" };
            _ = writeln!(table, "    {part:<10} lesson {:>2}   {whose}", lesson.number);
            if let Some(answer) = answer {
                text = parts::with(&text, part, &answer).expect("the part was found before");
            }
        }
        let head = format!(
            "// Rung {number} with your answers. The command `loop {number}` writes it anew: to keep it, copy it.\n\n"
        );
        let file = self.course.pages().join(format!("loop_{number:02}.rs"));
        fs::create_dir_all(self.course.pages())?;
        fs::write(&file, head + &text)?;
        self.say(&format!("{table}\n  One file: {}\n", typed(&file)))?;
        let Some(kit) = Kit::build()? else {
            self.tell("The course itself does not compile: the messages above are the compiler's.")?;
            return Ok(USAGE);
        };
        let program = file.with_file_name(format!("loop_{number:02}{}", env::consts::EXE_SUFFIX));
        if !kit.rustc(&file, &program, "human").status()?.success() {
            self.tell("It does not compile. What stands above is the compiler's.")?;
            return Ok(NOT_COMPILED);
        }
        self.say("  It runs:\n\n")?;
        let status = Command::new(&program).args(given).status()?;
        Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(USAGE))
    }
}

#[cfg(test)]
mod tests {
    use super::parts_of;
    use crate::Course;

    #[test]
    fn whoever_stops_after_lesson_4_8_or_13_has_parts_of_her_own_in_a_whole_loop() {
        let parts = |number| {
            let parts = parts_of(&Course::new(env!("CARGO_MANIFEST_DIR")), number)?;
            Some(parts.into_iter().map(|(lesson, part)| format!("{} {part}", lesson.number)).collect::<Vec<_>>())
        };
        assert_eq!(parts(1).unwrap(), ["1 run"]);
        assert_eq!(parts(4).unwrap(), ["4 ready"]);
        assert_eq!(parts(8).unwrap(), ["4 ready", "6 timers", "7 io", "8 gather"]);
        let all = ["6 timers", "7 io", "9 gather", "10 join", "11 semaphore", "12 blocking", "13 server"];
        assert_eq!(parts(13).unwrap(), all);
        assert_eq!((parts(0), parts(14)), (None, None));
    }
}
