//! Stdout, for programs that others put into a pipe.
//!
//! `println!` panics where stdout takes no more. Here a reader that leaves, as `head` does, is no error, and the rest is not
//! printed. A full disk is one: it is told at the end, and the program ends with 1.

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

/// Takes whatever is printed. After the first error nothing is printed any more.
#[derive(Debug, Default)]
pub struct Stdout {
    error: Option<io::Error>,
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.attempt(|stdout| stdout.write_all(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.attempt(Write::flush);
        Ok(())
    }
}

impl Stdout {
    fn attempt(&mut self, print: impl FnOnce(&mut io::StdoutLock<'static>) -> io::Result<()>) {
        if self.error.is_none() {
            self.error = print(&mut io::stdout().lock()).err();
        }
    }

    /// What the program ends with, which is usually `status`. What is lost is told on stderr.
    pub fn end(mut self, status: ExitCode) -> ExitCode {
        let _ = self.flush();
        match self.error.filter(|error| error.kind() != ErrorKind::BrokenPipe) {
            None => status,
            Some(error) => {
                complain(format_args!("error: what was to be printed here is lost: {error}"));
                ExitCode::FAILURE
            }
        }
    }
}

/// Prints a line to stderr. Where that is not possible, nobody can be told.
pub fn complain(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{line}");
}
