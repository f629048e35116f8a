//! The commands that are not about one exercise: to mark a class.

use crate::catalog::Course;
use crate::mark;
use std::io::{self, Write};

/// Does what `words` say. `None`: this is none of these commands.
pub(crate) fn command(course: &Course, words: &[&str], out: &mut dyn Write) -> Option<io::Result<u8>> {
    let (name, rest) = words.split_first()?;
    match *name {
        "check" => mark::mark(course, rest, out, &mut io::stderr()),
        _ => None,
    }
}
