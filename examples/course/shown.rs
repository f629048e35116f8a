//! What the book shows: the pages that `step` writes, recorded when the book is made.

use crate::catalog::{Course, PROGRAMS_OF_STEP};
use crate::compile::build;
use crate::text::wrap;
use crate::what_ifs::{WHAT_IFS, WhatIf};
use std::fs;
use std::io::{self, Write};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The lessons that show their program. What is special in the others' is not in a page: 0 has no loop, 13 is 7's, and 14 is
/// about a debugger.
pub(crate) const SHOWN: RangeInclusive<u32> = 1..=12;

/// A page of `step`, or its side-by-side of a what-if.
pub(crate) struct Shown {
    pub(crate) lesson: u32,
    pub(crate) what: What,
}

pub(crate) enum What {
    /// Of a program.
    Page(&'static str, String),
    /// Of the programs that answer the lesson's questions.
    Asked(String),
    Compared(WhatIf, String),
}

/// Lets `step` record its programs on the real loop. Where that cannot be done, the book is one without steppers.
pub(crate) fn record(course: &Course, out: &mut dyn Write) -> io::Result<Vec<Shown>> {
    out.write_all(b"  Building the real loop for the steppers ...\n")?;
    out.flush()?;
    let words = ["-p", "step", "--example", "step", "--features", "explore"];
    let Some(step) = build(&words)? else {
        let says = "The programs of the real loop do not compile: the messages above are the compiler's. The book has no \
                    steppers.";
        out.write_all(wrap(says, 2).as_bytes())?;
        return Ok(Vec::new());
    };
    let folder = course.pages().join(format!("steps-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let mut shown = Vec::new();
    let mut missing = Vec::new();
    let mut show = |lesson, words: &[&str], what: &dyn Fn(String) -> What| match page(&step, words, &folder) {
        Some(page) => shown.push(Shown { lesson, what: what(page) }),
        None => missing.push(words.join(" ")),
    };
    for lesson in SHOWN {
        let program = PROGRAMS_OF_STEP[lesson as usize];
        show(lesson, &[program], &|page| What::Page(program, page));
    }
    for it in WHAT_IFS {
        show(it.lesson, it.words, &|page| What::Compared(it, page));
    }
    for lesson in course.lessons() {
        show(lesson.number, &["--asked", &lesson.number.to_string()], &What::Asked);
    }
    let _ = fs::remove_dir_all(folder);
    if !missing.is_empty() {
        let says = format!("These programs wrote no page, and are left out: {}.", missing.join(", "));
        out.write_all(wrap(&says, 2).as_bytes())?;
    }
    Ok(shown)
}

/// The page that `step` writes of a program. One that hangs, as some have to, writes it, too.
fn page(step: &Path, words: &[&str], folder: &Path) -> Option<String> {
    let path: PathBuf = folder.join("page.html");
    let _ = fs::remove_file(&path);
    let mut command = Command::new(step);
    command.args(words).arg("--out").arg(&path);
    // The sources are looked for from here upwards.
    command.current_dir(Course::top()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().ok()?;
    fs::read_to_string(path).ok()
}
