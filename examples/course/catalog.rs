//! The lessons of the course, and what is there of each.

use crate::progress::{Progress, hash};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Number, title, and minutes of every lesson.
const LESSONS: [(u32, &str, u32); 15] = [
    (0, "An async function by hand", 30),
    (1, "A lazy block_on", 40),
    (2, "A bad timer, an ok timer", 45),
    (3, "A bad queue, an ok queue", 45),
    (4, "Tickets: a bad slot, an ok slot", 50),
    (5, "Lost and found wake-ups", 60),
    (6, "A bad timer list, an ok one", 60),
    (7, "The reactor: a bad read, an ok one", 70),
    (8, "gather: naive, selective, counted", 70),
    (9, "Cancelling is dropping", 50),
    (10, "A bad handle, an ok handle", 50),
    (11, "A bad semaphore, an ok one", 60),
    (12, "A bad blocking call, an ok one", 40),
    (13, "A bad server, an ok server", 70),
    (14, "A bad benchmark, an ok one", 60),
];

/// The programs of `step` that show the lessons on the real loop, by the number of the lesson.
pub const PROGRAMS_OF_STEP: [&str; 15] = [
    "by_hand",
    "sleep",
    "lost_wake",
    "fair",
    "stale",
    "threads",
    "two",
    "sockets",
    "gather",
    "timeout",
    "ends",
    "semaphore",
    "blocks",
    "sockets",
    "deadlock",
];

/// The course in its folder.
#[derive(Debug, Clone)]
pub struct Course {
    folder: PathBuf,
}

/// One lesson.
#[derive(Debug, Clone)]
pub struct Lesson {
    /// Its number, from 0.
    pub number: u32,
    /// Its title.
    pub title: &'static str,
    /// How long it takes.
    pub minutes: u32,
    /// The name of its folder, if it has one yet.
    pub name: Option<String>,
    /// The folder.
    folder: PathBuf,
}

/// How far a student is with a lesson.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing is there yet.
    Absent,
    /// There is a rung, and no exercise yet.
    Rung,
    /// The exercise is as it came.
    NotBegun,
    /// The exercise was changed, and not accepted yet.
    Begun,
    /// The exercise is accepted as it is.
    Accepted,
    /// The exercise was accepted, and changed since.
    Changed,
}

impl Course {
    /// The course in `folder`: the package's.
    pub fn new(folder: impl Into<PathBuf>) -> Course {
        Course { folder: folder.into() }
    }

    /// The folder of the package.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of the checkout.
    pub fn top() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the package lies in a checkout")
    }

    /// The file that keeps how far the student is.
    pub fn progress_file(&self) -> PathBuf {
        self.folder.join("progress.txt")
    }

    /// The folder for what the runner makes, pages and the book among it: `target/course` of the workspace.
    pub fn pages(&self) -> PathBuf {
        let top = self.folder.ancestors().find(|folder| folder.join("Cargo.lock").exists()).unwrap_or(&self.folder);
        let target = std::env::var_os("CARGO_TARGET_DIR").map(|target| top.join(target));
        target.unwrap_or_else(|| top.join("target")).join("course")
    }

    /// All lessons, whether they are there or not.
    pub fn lessons(&self) -> Vec<Lesson> {
        let lessons = self.folder.join("lessons");
        let entries = fs::read_dir(&lessons).into_iter().flatten();
        let names: Vec<String> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        let lesson = |&(number, title, minutes): &(u32, &'static str, u32)| {
            let name = names.iter().find(|name| name.starts_with(&format!("{number:02}_"))).cloned();
            let folder = lessons.join(name.as_deref().unwrap_or("none"));
            Lesson { number, title, minutes, name, folder }
        };
        LESSONS.iter().map(lesson).collect()
    }
}

impl Lesson {
    /// A file of the lesson.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// How far the student is.
    pub fn state(&self, progress: &Progress) -> State {
        let exercise = fs::read_to_string(self.file("exercise.rs"));
        let untouched = fs::read_to_string(self.file("exercise.untouched"));
        let accepted = progress.accepted(self.number);
        match (exercise, untouched, accepted) {
            (Ok(mine), _, Some(hashed)) => {
                if hash(&mine) == hashed {
                    State::Accepted
                } else {
                    State::Changed
                }
            }
            // A student who lost the file may write a new one.
            (Ok(mine), Ok(untouched), None) => {
                if mine == untouched {
                    State::NotBegun
                } else {
                    State::Begun
                }
            }
            (Err(_), Ok(_), _) => State::Begun,
            _ if self.file("rung.rs").exists() => State::Rung,
            _ => State::Absent,
        }
    }

    /// When the exercise was saved. `None`: it is not there.
    pub fn saved(&self) -> Option<SystemTime> {
        fs::metadata(self.file("exercise.rs")).and_then(|metadata| metadata.modified()).ok()
    }

    /// Whether there is something to write.
    pub fn has_exercise(&self) -> bool {
        self.file("exercise.untouched").exists()
    }

    /// The first line that begins with `//` and code, not with a remark; its number from 1 and its text.
    pub fn first_task(text: &str) -> Option<(usize, &str)> {
        let is_code = |line: &str| line.strip_prefix("//").is_some_and(|rest| rest.starts_with(char::is_alphabetic));
        let found = text.lines().enumerate().find(|(_, line)| is_code(line.trim()))?;
        Some((found.0 + 1, found.1.trim()))
    }

    /// Keeps a student's file beside the exercise, under a name that is free. Nothing is overwritten.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(&self, mine: &[u8]) -> io::Result<PathBuf> {
        for number in 1.. {
            let path = self.file(&format!("exercise.old-{number}.rs"));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(mut file) => return file.write_all(mine).map(|()| path),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        unreachable!("numbers never end")
    }
}

/// A path as one can type it here: below the current folder if it lies there.
pub(crate) fn typed(path: &Path) -> String {
    let here = std::env::current_dir().ok().and_then(|here| path.strip_prefix(here).ok().map(Path::to_owned));
    here.unwrap_or_else(|| path.to_owned()).display().to_string()
}
