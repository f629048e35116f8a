//! How far a student is: a file with a line for each lesson, `01 accepted=0f3c… hints=2 asked`, which git ignores.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What is known of one lesson.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Line {
    /// The hash of the accepted file.
    accepted: Option<u64>,
    /// Hints that were read.
    hints: usize,
    /// The solution was asked for.
    asked: bool,
}

/// How far a student is.
#[derive(Debug)]
pub struct Progress {
    path: PathBuf,
    lessons: BTreeMap<u32, Line>,
}

/// FNV-1a: the same number on every machine and with every compiler.
pub(crate) fn hash(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3))
}

impl Progress {
    /// Reads the file. What cannot be understood is left out: it is a student's, and she may write into it.
    pub fn read(path: &Path) -> Progress {
        let text = fs::read_to_string(path).unwrap_or_default();
        let lessons = text.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            let number = words.next()?.parse().ok()?;
            let mut read = Line::default();
            for word in words {
                match word.split_once('=') {
                    Some(("accepted", hash)) => read.accepted = u64::from_str_radix(hash, 16).ok(),
                    Some(("hints", count)) => read.hints = count.parse().unwrap_or(0),
                    _ => read.asked |= word == "asked",
                }
            }
            Some((number, read))
        });
        Progress { path: path.to_owned(), lessons: lessons.collect() }
    }

    /// Writes the file, aside first: it is never half of a file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self) -> io::Result<()> {
        let lines = self.lessons.iter().map(|(number, line)| {
            let accepted = line.accepted.map(|hash| format!(" accepted={hash:016x}")).unwrap_or_default();
            let hints = if line.hints > 0 { format!(" hints={}", line.hints) } else { String::new() };
            format!("{number:02}{accepted}{hints}{}\n", if line.asked { " asked" } else { "" })
        });
        let aside = self.path.with_extension("new");
        fs::write(&aside, lines.collect::<String>())?;
        fs::rename(aside, &self.path)
    }

    fn line(&self, lesson: u32) -> Line {
        self.lessons.get(&lesson).cloned().unwrap_or_default()
    }

    /// The hash of the accepted file.
    pub fn accepted(&self, lesson: u32) -> Option<u64> {
        self.line(lesson).accepted
    }

    /// This file was accepted.
    pub fn accept(&mut self, lesson: u32, file: &str) {
        self.lessons.entry(lesson).or_default().accepted = Some(hash(file));
    }

    /// One more hint is read; says which, from 1.
    pub fn next_hint(&mut self, lesson: u32) -> usize {
        let line = self.lessons.entry(lesson).or_default();
        line.hints += 1;
        line.hints
    }

    /// The solution is asked for; says whether it was before.
    pub fn ask(&mut self, lesson: u32) -> bool {
        std::mem::replace(&mut self.lessons.entry(lesson).or_default().asked, true)
    }

    /// A lesson begins anew: its hints, too.
    pub fn forget(&mut self, lesson: u32) {
        self.lessons.remove(&lesson);
    }
}
