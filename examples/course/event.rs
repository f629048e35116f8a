//! One step of a run: what happened, when, and where in the answer.

use crate::fields::Field;
use crate::scope::{self, Inside};
use std::backtrace::Backtrace;
use std::borrow::Cow;
use std::panic::Location;
use std::time::Duration;

/// One step of a run.
#[derive(Debug)]
pub struct Event {
    /// Its number, from 1.
    pub number: u64,
    /// The name of the step, as in the trace of the real loop.
    pub name: &'static str,
    /// The task that it concerns.
    pub task: Option<u32>,
    /// What more there is to say, in a few words.
    pub note: Cow<'static, str>,
    /// Where in the answer it happened.
    pub(crate) place: Place,
    /// What else the answer has said of it.
    pub(crate) fields: Vec<Field>,
    /// The line that the answer has told for the same step, in its own words.
    pub(crate) said_at: Option<Line>,
    /// The line that has told it. In the answer, if the answer said it; otherwise in the check.
    pub(crate) told_at: Line,
    /// Since the run began.
    pub(crate) at: Duration,
    /// The turn, if the check calls turns.
    pub(crate) turn: u64,
    /// What it happened in.
    pub(crate) inside: Inside,
}

/// A file, and the number of a line.
pub(crate) type Line = (&'static str, u32);

/// A line of the answer.
#[derive(Debug)]
pub(crate) enum Place {
    /// Not in the answer, or nobody knows.
    Nowhere,
    /// The line that said it.
    Line(&'static str, u32),
    /// It is somewhere on this stack. To find it takes milliseconds, so it is done only for what is shown.
    Stack(Box<Backtrace>),
}

impl Event {
    /// A step of this thread, which has no number yet.
    #[track_caller]
    pub(crate) fn new(name: &'static str, place: Place) -> Event {
        let caller = Location::caller();
        Event {
            number: 0,
            name,
            task: None,
            note: Cow::Borrowed(""),
            place,
            fields: Vec::new(),
            said_at: None,
            told_at: (caller.file(), caller.line()),
            at: Duration::ZERO,
            turn: 0,
            inside: scope::inside(),
        }
    }

    /// File and line of the answer, as in `exercise.rs:38`. Empty if it is not known.
    pub fn place(&self) -> String {
        match &self.place {
            Place::Nowhere => String::new(),
            // What the check gives is no file that a student has.
            Place::Line(file, _) if file_name(file) == "glue.rs" => String::new(),
            Place::Line(file, line) => format!("{}:{line}", file_name(file)),
            Place::Stack(stack) => line_of_the_answer(&stack.to_string()).unwrap_or_default(),
        }
    }

    /// Whether the answer has said it, not the check.
    pub(crate) fn is_said(&self) -> bool {
        matches!(self.place, Place::Line(..))
    }
}

pub(crate) fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// The innermost line of a lesson's file on this stack that is not the check's own.
fn line_of_the_answer(stack: &str) -> Option<String> {
    let lines = stack.lines().filter_map(|line| line.trim().strip_prefix("at "));
    let in_lessons = lines.filter(|line| line.replace('\\', "/").contains("/lessons/"));
    let mut names = in_lessons.map(file_name).filter(|name| !name.starts_with("check.rs") && !name.contains(".check."));
    let place = names.next()?;
    // The column says nothing to a reader.
    Some(place.rsplit_once(':')?.0.to_owned())
}

#[cfg(test)]
mod tests {
    use super::line_of_the_answer;

    #[test]
    fn a_stack_gives_the_innermost_line_of_the_answer() {
        let stack = "   0: course::probe\n             at ./probe.rs:1:2\n   1: run::block_on\n             \
                     at ./lessons/01_block_on/check.rs:90:3\n   2: x\n             at ./lessons/01_block_on/exercise.rs:38:9\n   \
                     3: y\n             at ./lessons/01_block_on/exercise.rs:40:1";
        assert_eq!(line_of_the_answer(stack).as_deref(), Some("exercise.rs:38"));
        assert_eq!(line_of_the_answer("no lines"), None);
    }
}
