//! Marks a class: `check --json FOLDER`. Each answer is compiled by itself, in a folder of its own, and checked in a process
//! of its own. So one that does not compile, hangs or prints keeps no other from being marked, and no file of a student or
//! of the teacher is written to.

use crate::bench::{Bench, Folder, Found, Mark, Verdict};
use crate::catalog::Course;
use crate::commands::{OK, USAGE};
use crate::compile::Kit;
use crate::dice::Dice;
use crate::marks::{json, summary};
use crate::text::wrap;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc;
use std::thread;

/// What stands behind `check`.
pub(crate) struct Orders<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) seed: u64,
    pub(crate) lesson: Option<u32>,
}

impl<'a> Orders<'a> {
    /// `None`: this is no order to mark a class.
    fn parse(words: &[&'a str]) -> Option<Result<Orders<'a>, String>> {
        words.iter().any(|word| word.starts_with("--json")).then(|| Orders::parse_all(words))
    }

    fn parse_all(words: &[&'a str]) -> Result<Orders<'a>, String> {
        let (mut folder, mut seed, mut lesson) = (None, None, None);
        let mut words = words.iter().copied();
        while let Some(word) = words.next() {
            let mut value = |name: &str| {
                let rest = word.strip_prefix(name)?;
                rest.strip_prefix('=').or_else(|| words.next().filter(|_| rest.is_empty()))
            };
            if word.starts_with("--json") {
                let named = value("--json").filter(|name| !name.is_empty() && !name.starts_with("--"));
                folder = Some(Path::new(named.ok_or("--json takes a folder, as in: --json answers")?));
            } else if word.starts_with("--seed") {
                let number = value("--seed").and_then(|number| number.parse().ok());
                seed = Some(number.ok_or("--seed takes a number, as in: --seed 7")?);
            } else {
                let number = word.parse().map_err(|_| format!("\"{word}\" is no number of a lesson."))?;
                lesson = Some(number);
            }
        }
        let folder = folder.ok_or("--json takes a folder, as in: --json answers")?;
        Ok(Orders { folder, seed: seed.unwrap_or_else(Dice::fresh_seed), lesson })
    }
}

/// Marks the class that `words` name. A line of JSON for each answer goes to `out`, a table to `table`. `None`: the words are
/// no order to mark.
pub(crate) fn mark(
    course: &Course,
    words: &[&str],
    out: &mut dyn Write,
    table: &mut dyn Write,
) -> Option<io::Result<u8>> {
    let orders = Orders::parse(words)?;
    let done = orders.and_then(|orders| find(&orders).map(|found| (orders, found)));
    Some(match done {
        Ok((orders, found)) => mark_all(course, &orders, found, out, table),
        Err(wrong) => refuse(&wrong, table),
    })
}

/// What was asked for cannot be done. Nothing is marked.
fn refuse(wrong: &str, table: &mut dyn Write) -> io::Result<u8> {
    let help = "\n  To mark a class:\n    cargo run -p course -- check --json FOLDER\n  \
                In FOLDER each student has a folder, and in it\n  files with the numbers of the lessons, as 01.rs.\n  \
                More: examples/course/TEACHER.md\n";
    write!(table, "{}{help}", wrap(&format!("Nothing is marked. {wrong}"), 2))?;
    Ok(USAGE)
}

fn mark_all(
    course: &Course,
    orders: &Orders<'_>,
    (found, ignored): (Vec<Found>, Vec<String>),
    out: &mut dyn Write,
    table: &mut dyn Write,
) -> io::Result<u8> {
    let Some(kit) = Kit::build()? else {
        return refuse("The course itself does not compile: the messages above are the compiler's.", table);
    };
    let bench = Bench { course, lessons: course.lessons(), kit, seed: orders.seed, folder: Folder::new(course)? };
    let (next, (send, receive)) = (AtomicUsize::new(0), mpsc::channel());
    let workers = thread::available_parallelism().map_or(1, usize::from).min(found.len());
    let marks = thread::scope(|scope| {
        for _ in 0..workers {
            let (send, next, found, bench) = (send.clone(), &next, &found, &bench);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, SeqCst);
                    let Some(one) = found.get(index) else { return };
                    let mark = bench.mark(index, one);
                    let mark = mark.unwrap_or_else(|error| Mark::new(Verdict::NotMarked, format!("{error}.")));
                    // Whoever listened may have gone.
                    if send.send((index, mark)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        // In the order of students and lessons, each as soon as it is its turn.
        let (mut early, mut marks) = (BTreeMap::new(), Vec::new());
        for (index, mark) in receive {
            early.insert(index, mark);
            while let Some(mark) = early.remove(&marks.len()) {
                writeln!(out, "{}", json(&found[marks.len()], &mark, orders))?;
                out.flush()?;
                marks.push(mark);
            }
        }
        io::Result::Ok(marks)
    })?;
    table.write_all(summary(&found, &marks, &ignored, orders).as_bytes())?;
    Ok(OK)
}

/// All answers in the folder, in the order of students and lessons, and the files that are none.
fn find(orders: &Orders<'_>) -> Result<(Vec<Found>, Vec<String>), String> {
    let folder = orders.folder;
    let shown = folder.display();
    let entries = list(folder).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => format!("There is no folder {shown}."),
        io::ErrorKind::NotADirectory => format!("{shown} is no folder."),
        _ => format!("The folder {shown} cannot be read: {error}."),
    })?;
    let (mut found, mut ignored) = (Vec::new(), Vec::new());
    for (student, path) in entries {
        if !path.is_dir() {
            ignored.push(student);
            continue;
        }
        let mut answers = Vec::new();
        // A student may have handed in the whole folder `lessons`, or the whole checkout.
        for below in ["", "lessons", "examples/course/lessons"] {
            let (below, is_first) = (path.join(below), below.is_empty());
            let entries = match list(&below) {
                Ok(entries) => entries,
                Err(_) if !is_first => continue,
                Err(error) => return Err(format!("The folder {} cannot be read: {error}.", below.display())),
            };
            for (name, path) in entries {
                match number_of(&name) {
                    Some(lesson) if path.is_dir() && path.join("exercise.rs").exists() => {
                        answers.push((lesson, path.join("exercise.rs")));
                    }
                    Some(lesson) if !path.is_dir() && name.ends_with(".rs") => answers.push((lesson, path)),
                    lesson if is_first && (lesson.is_some() || !path.is_dir()) => {
                        ignored.push(format!("{student}/{name}"))
                    }
                    _ => {}
                }
            }
        }
        answers.retain(|(lesson, _)| orders.lesson.is_none_or(|only| only == *lesson));
        answers.sort();
        if answers.is_empty() {
            found.push(Found { student: student.clone(), answer: None });
        }
        found.extend(answers.into_iter().map(|answer| Found { student: student.clone(), answer: Some(answer) }));
    }
    if found.is_empty() {
        let files = if ignored.is_empty() { "It is empty." } else { "It has only files, and files are no students." };
        return Err(format!("The folder {shown} has no folder of a student. {files}"));
    }
    Ok((found, ignored))
}

/// Names and paths in a folder, sorted, without those that are hidden.
fn list(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        all.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
    }
    all.retain(|(name, _)| !name.starts_with('.'));
    all.sort();
    Ok(all)
}

/// The lesson of a file or folder with this name: `01.rs`, `1.rs`, `01_block_on`, `exercise_01.rs`, `lesson-1.rs`.
fn number_of(name: &str) -> Option<u32> {
    let name = name.strip_suffix(".rs").unwrap_or(name).to_ascii_lowercase();
    let words = ["exercise", "lesson", "answer"];
    let rest = words.iter().find_map(|word| name.strip_prefix(word)).unwrap_or(&name);
    let rest = rest.trim_start_matches(['_', '-', ' ', '.']);
    let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, more) = rest.split_at(end);
    let is_end = more.is_empty() || more.starts_with(['_', '-', ' ', '.', '(']);
    digits.parse().ok().filter(|_| is_end && digits.len() <= 2)
}

#[cfg(test)]
mod tests {
    use super::number_of;

    #[test]
    fn the_name_of_a_file_says_which_lesson_it_answers() {
        for name in ["01.rs", "1.rs", "01_block_on", "exercise_01.rs", "Exercise 1.rs", "lesson-01.rs", "01 (2).rs"] {
            assert_eq!(number_of(name), Some(1), "{name}");
        }
        for name in ["exercise.old-1.rs", "solution.rs", "1st.rs", "2026.rs", "mine1.rs", ".rs", ""] {
            assert_eq!(number_of(name), None, "{name}");
        }
    }
}
