//! The commands that are not about one exercise: to mark a class, the quiz, the report, the book.

#[cfg(feature = "book")]
use crate::book::book;
use crate::catalog::Course;
use crate::commands::USAGE;
use crate::text::wrap;
use crate::{mark, quiz, report};
#[cfg(not(feature = "book"))]
use std::env;
use std::io::{self, Write};
#[cfg(not(feature = "book"))]
use std::process::Command;

/// Does what `words` say. `None`: this is none of these commands.
pub(crate) fn command(course: &Course, words: &[&str], out: &mut dyn Write) -> Option<io::Result<u8>> {
    let (name, rest) = words.split_first()?;
    Some(match (*name, rest) {
        ("check", rest) => return mark::mark(course, rest, out, &mut io::stderr()),
        ("quiz", rest) => quiz::quiz(course, rest, &mut io::stdin().lock(), out),
        ("report", []) => report::report(course, out),
        ("book", rest) => book(course, rest, out),
        (name @ "report", [word, ..]) => {
            let wrong = format!("\"{word}\": {name} takes no more words. To do it:");
            writeln!(out, "{}  cargo run -p course -- {name}", wrap(&wrong, 2)).map(|()| USAGE)
        }
        _ => return None,
    })
}

/// The book is made by a runner with the feature `book`: it reads Markdown with a library, which nobody else waits for. So
/// this lets cargo build that one, and run it.
#[cfg(not(feature = "book"))]
fn book(course: &Course, words: &[&str], out: &mut dyn Write) -> io::Result<u8> {
    let says = "(The book is being made. The first time that takes a moment: what reads the texts is compiled.)";
    out.write_all(wrap(says, 2).as_bytes())?;
    out.flush()?;
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["run", "--quiet", "--features", "book", "--manifest-path"]).arg(course.folder().join("Cargo.toml"));
    let status = cargo.args(["--bin", "course", "--", "book"]).args(words).status()?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(USAGE))
}
