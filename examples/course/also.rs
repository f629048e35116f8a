//! The commands that are not about one exercise: to mark a class, the quiz, the report, the book.

use crate::catalog::Course;
use crate::commands::USAGE;
use crate::text::wrap;
use crate::{book, mark, quiz, report};
use std::io::{self, Write};

/// Does what `words` say. `None`: this is none of these commands.
pub(crate) fn command(course: &Course, words: &[&str], out: &mut dyn Write) -> Option<io::Result<u8>> {
    let (name, rest) = words.split_first()?;
    Some(match (*name, rest) {
        ("check", rest) => return mark::mark(course, rest, out, &mut io::stderr()),
        ("quiz", rest) => quiz::quiz(course, rest, &mut io::stdin().lock(), out),
        ("report", []) => report::report(course, out),
        ("book", rest) => book::book(course, rest, out),
        (name @ "report", [word, ..]) => {
            let wrong = format!("\"{word}\": {name} takes no more words. To do it:");
            writeln!(out, "{}  cargo run -p course -- {name}", wrap(&wrong, 2)).map(|()| USAGE)
        }
        _ => return None,
    })
}
