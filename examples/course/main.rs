//! The runner of the course.
//!
//! ```text
//! $ cargo run -p course
//! ```

use course::{Course, commands};
use std::env;
use std::io;
use std::process::ExitCode;

fn main() -> ExitCode {
    let course = Course::new(env!("CARGO_MANIFEST_DIR"));
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    ExitCode::from(commands::command(&course, &words, &mut io::stdout()))
}
