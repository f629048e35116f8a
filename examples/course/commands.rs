//! The commands of the runner. Each writes what a student reads and returns the exit code.

use crate::also;
use crate::catalog::{Course, Lesson, State, typed};
use crate::log;
use crate::orders::{HELP, Orders};
use crate::progress::Progress;
use crate::text::wrap;
use std::fs;
use std::io::{self, Write};

/// The answer was accepted, or the command did what was asked.
pub const OK: u8 = 0;
/// The answer was refused, or is not begun.
pub const NOT_ACCEPTED: u8 = 1;
/// The answer does not compile.
pub const NOT_COMPILED: u8 = 2;
/// Nobody knows this command, or it cannot be done. The number that BSD's sysexits has for it.
pub const USAGE: u8 = 64;

/// Does what `words` say, and notes it in the learner's log.
pub fn command(course: &Course, words: &[&str], out: &mut dyn Write) -> u8 {
    let code = obey(course, words, out);
    // Who marks a class does not learn by it.
    if !words.iter().any(|word| word.starts_with("--json")) {
        log::note(course, words.first().copied().unwrap_or("next"), code);
    }
    code
}

fn obey(course: &Course, words: &[&str], out: &mut dyn Write) -> u8 {
    let also = also::command(course, words, out);
    let mut desk = Desk { course, progress: Progress::read(&course.progress_file()), out };
    // A number alone: that lesson.
    let is_number = |word: &&str| word.parse::<u32>().is_ok();
    let (name, rest) = match words.split_first() {
        Some((name, rest)) if !is_number(name) => (*name, rest),
        _ => ("next", words),
    };
    let done = match (name, Orders::parse(rest)) {
        _ if also.is_some() => also.expect("it is one of those"),
        ("help" | "--help" | "-h", _) => desk.say(HELP),
        ("loop", _) => desk.own(rest),
        (_, Err(wrong)) => desk.refuse(&wrong),
        ("next", Ok(Orders { lesson: None, .. })) => desk.next(),
        ("next", Ok(orders)) => desk.with_lesson(orders.lesson, |desk, lesson| {
            let state = lesson.state(&desk.progress);
            desk.begin(lesson, state)
        }),
        ("list", Ok(_)) => desk.list(),
        ("check", Ok(orders)) => desk.with_lesson(orders.lesson, |desk, lesson| {
            if orders.lesson.is_none() {
                desk.say(&format!("  Lesson {}: {}\n", lesson.number, lesson.title))?;
            }
            desk.check(lesson, orders.seed)
        }),
        ("hint", Ok(orders)) => desk.with_lesson(orders.lesson, Desk::hint),
        ("reset", Ok(orders)) => desk.with_lesson(orders.lesson, Desk::reset),
        ("watch", Ok(orders)) => desk.watch(orders.lesson),
        ("debug", Ok(orders)) => desk.debug(orders.lesson),
        ("step", Ok(orders)) => desk.step(&orders),
        ("solution", Ok(orders)) => desk.with_lesson(orders.lesson, Desk::solution),
        (name, Ok(_)) => desk.refuse(&format!("There is no command \"{name}\".")),
    };
    match done {
        Ok(code) => code,
        // Whoever read along has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => OK,
        Err(error) => {
            let _ = write!(desk.out, "{}", wrap(&format!("It cannot be done: {error}."), 2));
            USAGE
        }
    }
}

/// One command at work.
pub(crate) struct Desk<'a> {
    pub(crate) course: &'a Course,
    pub(crate) progress: Progress,
    out: &'a mut dyn Write,
}

impl Desk<'_> {
    pub(crate) fn say(&mut self, text: &str) -> io::Result<u8> {
        self.out.write_all(text.as_bytes())?;
        self.out.flush()?;
        Ok(OK)
    }

    /// A sentence or more, wrapped.
    pub(crate) fn tell(&mut self, text: &str) -> io::Result<u8> {
        self.say(&wrap(text, 2))
    }

    pub(crate) fn refuse(&mut self, wrong: &str) -> io::Result<u8> {
        // Last: what counts is still on the screen then.
        self.say(&format!("{HELP}\n"))?;
        self.tell(wrong)?;
        Ok(USAGE)
    }

    /// The lesson to work on: the one whose exercise was saved last, if it has changed since it was accepted. Otherwise the
    /// first one whose exercise is not accepted, or the last one that has an exercise.
    pub(crate) fn current(&self) -> Option<Lesson> {
        let lessons: Vec<Lesson> = self.course.lessons().into_iter().filter(Lesson::has_exercise).collect();
        let touched = lessons.iter().filter(|it| it.state(&self.progress) != State::NotBegun);
        let saved_last = touched.max_by_key(|it| it.saved());
        if let Some(lesson) = saved_last.filter(|it| it.state(&self.progress) != State::Accepted) {
            return Some(lesson.clone());
        }
        let open = lessons.iter().find(|it| self.progress.accepted(it.number).is_none());
        open.or(lessons.last()).cloned()
    }

    pub(crate) fn with_lesson(
        &mut self,
        number: Option<u32>,
        act: impl FnOnce(&mut Self, &Lesson) -> io::Result<u8>,
    ) -> io::Result<u8> {
        let lesson = match number {
            None => self.current(),
            Some(number) => self.course.lessons().into_iter().find(|it| it.number == number),
        };
        match lesson {
            Some(lesson) if lesson.has_exercise() => {
                log::is_about(lesson.number);
                act(self, &lesson)
            }
            Some(lesson) => {
                self.no_exercise(&lesson)?;
                Ok(USAGE)
            }
            None => self.refuse("There is no such lesson."),
        }
    }

    fn no_exercise(&mut self, lesson: &Lesson) -> io::Result<u8> {
        let Lesson { number, title, .. } = lesson;
        match lesson.state(&self.progress) {
            State::Absent => self.tell(&format!("Lesson {number}, \"{title}\", is not written yet.")),
            _ => {
                self.tell(&format!(
                    "Lesson {number}, \"{title}\", has no exercise yet. It is a rung to read and run:"
                ))?;
                self.say(&format!("\n  {}\n", typed(&lesson.file("rung.rs"))))?;
                self.say(&format!("  cargo run -p course --example rung_{number:02}\n"))
            }
        }
    }

    fn next(&mut self) -> io::Result<u8> {
        let lessons = self.course.lessons();
        let accepted = lessons.iter().filter(|it| self.progress.accepted(it.number).is_some()).count();
        let written = lessons.iter().filter(|it| it.has_exercise()).count();
        self.say("  glassloop, the course: you build an event loop\n")?;
        self.say(&format!("  Exercises accepted: {accepted} of {written}\n"))?;
        self.say("  All lessons: cargo run -p course -- list\n\n")?;
        let Some(lesson) = self.current() else { return self.tell("No lesson has an exercise yet.") };
        match lesson.state(&self.progress) {
            State::Changed => {
                self.tell("This exercise was accepted, and has changed since:")?;
                self.begin(&lesson, State::Changed)
            }
            State::Accepted => {
                self.tell("Every exercise that is there is accepted.")?;
                let next = lessons.into_iter().find(|it| it.number > lesson.number && !it.has_exercise());
                next.map_or(Ok(OK), |next| self.no_exercise(&next))
            }
            state => self.begin(&lesson, state),
        }
    }

    pub(crate) fn begin(&mut self, lesson: &Lesson, state: State) -> io::Result<u8> {
        let Lesson { number, title, minutes, .. } = lesson;
        self.say(&format!("  Lesson {number}: {title} ({minutes} min)\n"))?;
        self.say(&format!("  Read:   {}\n", typed(&lesson.file("lesson.md"))))?;
        self.say(&format!("  Write:  {}\n\n", typed(&lesson.file("exercise.rs"))))?;
        let text = fs::read_to_string(lesson.file("exercise.rs")).unwrap_or_default();
        match Lesson::first_task(&text).filter(|_| state == State::NotBegun) {
            Some((line, text)) => {
                self.tell(&format!("First task, to see that all works here: in exercise.rs, remove the // in line {line}, and save. The line is:"))?;
                self.say(&format!("\n  {text}\n\n  Then:   cargo run -p course -- check {number}\n"))?;
                self.tell("It will say REFUSED. That is right: the check has read your file.")
            }
            None => self.say(&format!("  Check:  cargo run -p course -- check {number}\n")),
        }
    }

    fn list(&mut self) -> io::Result<u8> {
        let mut has_rungs = false;
        for lesson in self.course.lessons() {
            let state = lesson.state(&self.progress);
            has_rungs |= state == State::Rung;
            let state = match state {
                State::Absent => "not written yet",
                State::Rung => "a rung to read",
                State::NotBegun => "not begun",
                State::Begun => "begun",
                State::Accepted => "ACCEPTED",
                State::Changed => "changed since",
            };
            self.say(&format!("  {:>2}  {:<36} {state}\n", lesson.number, lesson.title))?;
            if lesson.has_exercise() {
                self.say(&format!("      {}\n", typed(&lesson.file(""))))?;
            }
        }
        if !has_rungs {
            return Ok(OK);
        }
        self.say("\n")?;
        self.tell("\"A rung to read\" has no exercise yet. Its file is whole and runs alone, for example:")?;
        self.say("  cargo run -p course --example rung_02\n")
    }

    fn hint(&mut self, lesson: &Lesson) -> io::Result<u8> {
        let text = fs::read_to_string(lesson.file("hints.md"))?;
        let hints: Vec<&str> = text.split("\n## ").skip(1).collect();
        let number = self.progress.next_hint(lesson.number).min(hints.len());
        self.progress.write()?;
        self.say(&format!("  Lesson {}, hint {number} of {}: ", lesson.number, hints.len()))?;
        let hint = hints.get(number - 1).copied().unwrap_or_default();
        let (title, text) = hint.split_once('\n').unwrap_or((hint, ""));
        self.say(&format!("{title}\n\n"))?;
        for (index, piece) in text.trim().split("```").enumerate() {
            // Every second piece is code: it keeps its lines.
            match index % 2 {
                0 if piece.trim().is_empty() => {}
                0 => drop(self.tell(piece.trim())?),
                _ => {
                    let code = piece.split_once('\n').map_or("", |(_, code)| code);
                    self.say(&format!("\n{}\n", code.lines().map(|line| format!("    {line}\n")).collect::<String>()))?;
                }
            }
        }
        match number < hints.len() {
            true => self.say(&format!("\n  One more: cargo run -p course -- hint {}\n", lesson.number)),
            false => {
                self.say("\n  That was the last hint. Our answer:\n")?;
                self.say(&format!("  cargo run -p course -- solution {}\n", lesson.number))
            }
        }
    }

    fn reset(&mut self, lesson: &Lesson) -> io::Result<u8> {
        let untouched = fs::read_to_string(lesson.file("exercise.untouched"))?;
        let path = lesson.file("exercise.rs");
        match fs::read(&path) {
            Ok(mine) if mine == untouched.as_bytes() => return self.tell("exercise.rs is as it came: nothing to do."),
            Ok(mine) => {
                let kept = lesson.keep(&mine)?;
                self.tell("Your file is kept as")?;
                self.say(&format!("  {}\n", typed(&kept)))?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        fs::write(&path, untouched)?;
        self.progress.forget(lesson.number);
        self.progress.write()?;
        self.tell("exercise.rs is as it came.")
    }

    fn solution(&mut self, lesson: &Lesson) -> io::Result<u8> {
        let number = lesson.number;
        if self.progress.accepted(number).is_none() && !self.progress.ask(number) {
            self.progress.write()?;
            self.tell(
                "Your answer is not accepted yet. A hint may be enough: it gives one step, and there are three.",
            )?;
            self.say(&format!("\n  Hint:      cargo run -p course -- hint {number}\n"))?;
            self.say(&format!("  Solution:  cargo run -p course -- solution {number}\n"))?;
            return Ok(NOT_ACCEPTED);
        }
        let path = lesson.file("solution.rs");
        let text = fs::read_to_string(&path)?;
        self.say(&format!("{text}\n"))?;
        self.say(&format!("  This is {}\n", typed(&path)))
    }
}
