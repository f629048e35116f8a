//! The command `watch`: checks an exercise again whenever it is saved.
//!
//! It looks at the time of the file three times a second. That needs no other library, works on every file system, and takes
//! no processor time that could be measured; a library that waits for the system's notices would be compiled first by every
//! student.

use crate::catalog::{Lesson, typed};
use crate::commands::{Desk, OK};
use crate::progress::Progress;
use std::io::{self, BufRead, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, SystemTime};

/// Between two looks at the file.
const BETWEEN_LOOKS: Duration = Duration::from_millis(300);

impl Desk<'_> {
    /// Checks at once, and after each save, until `q` and Enter, or Ctrl-C.
    pub(crate) fn watch(&mut self, number: Option<u32>) -> io::Result<u8> {
        let is_over = q_is_typed();
        let how = if io::stdin().is_terminal() { "q and Enter, or Ctrl-C" } else { "Ctrl-C" };
        let mut checked = None;
        loop {
            // Whoever saves another exercise works on that one now.
            let lesson = match number {
                Some(number) => self.course.lessons().into_iter().find(|it| it.number == number && it.has_exercise()),
                None => self.current(),
            };
            let Some(lesson) = lesson else { return self.refuse("There is no such exercise.") };
            let saved = rests(&lesson).map(|time| (lesson.number, time));
            if saved.is_some() && saved != checked {
                checked = saved;
                self.progress = Progress::read(&self.course.progress_file());
                self.say(&format!("  Lesson {}: {}\n", lesson.number, lesson.title))?;
                self.check(&lesson, None)?;
                self.say(&format!("\n  Watching {}\n", typed(&lesson.file("exercise.rs"))))?;
                self.say(&format!("  Save it, and it is checked. To end: {how}.\n"))?;
            }
            if is_over.load(Relaxed) {
                return Ok(OK);
            }
            thread::sleep(BETWEEN_LOOKS);
        }
    }
}

/// When an exercise was saved. `None`: it is not there, or is being written just now.
fn rests(lesson: &Lesson) -> Option<SystemTime> {
    let before = lesson.saved()?;
    thread::sleep(BETWEEN_LOOKS / 6);
    lesson.saved().filter(|now| *now == before)
}

/// Becomes true when `q` is typed. Only a terminal is read: who pipes has nothing to type.
fn q_is_typed() -> Arc<AtomicBool> {
    let is_typed = Arc::new(AtomicBool::new(false));
    let its = Arc::clone(&is_typed);
    if io::stdin().is_terminal() {
        thread::spawn(move || {
            let mut lines = io::stdin().lock().lines().map_while(Result::ok);
            its.store(lines.any(|line| line.trim() == "q"), Relaxed);
        });
    }
    is_typed
}
