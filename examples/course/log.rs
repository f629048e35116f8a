//! The log of a learner: what she asked for, what came of it, and when. It is a file beside `progress.txt`, which git
//! ignores. It is sent nowhere. `report` shows it, and to delete the file does no harm.
//!
//! A line: seconds since 1970, the exit code, the lesson or `-`, the command, and what more there is to say.
//!
//! ```text
//! 1796014320 1 01 check no wake is lost
//! ```

use crate::catalog::Course;
use std::cell::Cell;
use std::env;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process;
use std::time::SystemTime;

/// The environment variable that names a file for a check, into which it writes the rule that is broken.
pub(crate) const RULE_FILE: &str = "COURSE_RULE";

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Seconds since 1970.
    pub(crate) time: u64,
    /// The exit code.
    pub(crate) code: u8,
    /// The lesson that it was about.
    pub(crate) lesson: Option<u32>,
    /// The command.
    pub(crate) command: String,
    /// The broken rule; the form and the answers of a quiz.
    pub(crate) more: String,
}

thread_local! {
    /// The lesson that the command of this thread is about.
    static ABOUT: Cell<Option<u32>> = const { Cell::new(None) };
}

/// The command is about this lesson.
pub(crate) fn is_about(lesson: u32) {
    ABOUT.set(Some(lesson));
}

/// Where the check of this process writes the rule.
pub(crate) fn rule_file() -> PathBuf {
    env::temp_dir().join(format!("course-rule-{}", process::id()))
}

fn file(course: &Course) -> PathBuf {
    course.folder().join("log.txt")
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Notes a command that has ended. If that cannot be done, the learner is not bothered.
pub(crate) fn note(course: &Course, command: &str, code: u8) {
    let rule = match command {
        "check" => fs::read_to_string(rule_file()).unwrap_or_default(),
        _ => String::new(),
    };
    let _ = fs::remove_file(rule_file());
    let lesson = ABOUT.take();
    // What nobody knows is a slip of the pen, and may be anything.
    if command.bytes().all(|byte| byte.is_ascii_lowercase()) {
        let _ = append(course, &Entry { time: now(), code, lesson, command: command.to_owned(), more: rule });
    }
}

/// Notes the answers of a quiz.
///
/// # Errors
/// When the log cannot be written.
pub(crate) fn note_quiz(course: &Course, more: &str) -> io::Result<()> {
    let more = more.to_owned();
    append(course, &Entry { time: now(), code: 0, lesson: None, command: "answers".to_owned(), more })
}

fn append(course: &Course, entry: &Entry) -> io::Result<()> {
    let lesson = entry.lesson.map_or("-".to_owned(), |lesson| format!("{lesson:02}"));
    let line = format!("{} {} {lesson} {} {}", entry.time, entry.code, entry.command, entry.more.trim());
    // In one piece: another terminal may write, too.
    let mut file = OpenOptions::new().create(true).append(true).open(file(course))?;
    file.write_all(format!("{}\n", line.trim_end()).as_bytes())
}

/// Reads the log. What cannot be understood is left out.
pub(crate) fn read(course: &Course) -> Vec<Entry> {
    let text = fs::read(file(course)).unwrap_or_default();
    let entry = |line: &str| {
        let mut words = line.splitn(5, ' ');
        let (time, code) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let lesson = words.next()?.parse().ok();
        let command = words.next()?.to_owned();
        Some(Entry { time, code, lesson, command, more: words.next().unwrap_or_default().to_owned() })
    };
    String::from_utf8_lossy(&text).lines().filter_map(entry).collect()
}
