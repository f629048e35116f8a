//! What a program prints, and what becomes of it when stdout does not take it.
//!
//! `println!` panics then. A program that others put into a pipe has better manners: a reader that leaves, as `head`
//! does, is no error, and the rest is not printed. A full disk is one: it is told on stderr, once, and the program ends
//! with 1 when its work is done ([`exit_status`](crate::arguments::exit_status)).

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Something was not printed, for another reason than a reader that has left.
static FAILED: AtomicBool = AtomicBool::new(false);

/// Prints a line, as `println!` does.
///
/// ```
/// examples::say!("{} pages", 3);
/// examples::say!();
/// ```
#[macro_export]
macro_rules! say {
    () => { $crate::out::print(format_args!("\n")) };
    ($($words:tt)*) => { $crate::out::print(format_args!("{}\n", format_args!($($words)*))) };
}

/// Prints a text as it is, now: nothing is left in a buffer that nobody flushes.
pub fn print(text: fmt::Arguments<'_>) {
    // In one piece: the parts of a text that comes to a pipe belong together.
    let text = text.to_string();
    let mut stdout = io::stdout().lock();
    let printed = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    let lost = printed.err().filter(|error| error.kind() != ErrorKind::BrokenPipe);
    if let Some(error) = lost {
        lose("what was to be printed here is lost", &error);
    }
}

/// Something is lost that should have been printed or written: this is told, and the program will end with 1. Only the
/// first loss is told.
pub fn lose(what: impl fmt::Display, error: &io::Error) {
    if !FAILED.swap(true, Ordering::Relaxed) {
        complain(format_args!("error: {what}: {error}"));
    }
}

/// Prints a line to stderr. Where that is not possible, nobody can be told.
pub fn complain(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Whether something was not printed that should have been.
pub fn failed() -> bool {
    FAILED.load(Ordering::Relaxed)
}

/// An error and all that caused it, down to the last: many errors only say what was tried, and their source says why it
/// failed.
pub fn chain(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_words = cause.to_string();
        // Some say their source themselves.
        if !words.ends_with(&cause_words) {
            words = format!("{words}: {cause_words}");
        }
        source = cause.source();
    }
    words
}
