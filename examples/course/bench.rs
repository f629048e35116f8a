//! Marks one answer of a class: compiles its check in a folder of its own, and runs it in a process of its own, with limits.

use crate::catalog::{Course, Lesson};
use crate::check::{ACCEPTED, REFUSED};
use crate::compile::Kit;
use crate::grade::how;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

/// How long the compiler may take for one answer, and how long its check. A hundred times what a right one takes: only what
/// would never come back comes so far.
const LIMIT: Duration = Duration::from_secs(60);

/// Bytes of an answer, and of what a check of it prints. Who exceeds them fills the disk.
const MOST_SOURCE: u64 = 1 << 20;
const MOST_OUTPUT: u64 = 16 << 20;

/// A file that a student has handed in, or a student who has handed in nothing.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) student: String,
    /// The lesson, and the file.
    pub(crate) answer: Option<(u32, PathBuf)>,
}

/// What is said of it.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    pub(crate) verdict: Verdict,
    pub(crate) rule: Option<String>,
    pub(crate) message: String,
    /// The number of the program that was refused.
    pub(crate) program: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    NoAnswer,
    NotMarked,
    NotBegun,
    DoesNotCompile,
    Refused,
    Accepted,
}

impl Verdict {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Verdict::NoAnswer => "no answer",
            Verdict::NotMarked => "not marked",
            Verdict::NotBegun => "not begun",
            Verdict::DoesNotCompile => "does not compile",
            Verdict::Refused => "refused",
            Verdict::Accepted => "accepted",
        }
    }

    /// In the table.
    pub(crate) fn letter(self) -> char {
        match self {
            Verdict::NoAnswer => '-',
            Verdict::NotMarked => '?',
            Verdict::NotBegun => 'N',
            Verdict::DoesNotCompile => 'C',
            Verdict::Refused => 'R',
            Verdict::Accepted => 'A',
        }
    }
}

impl Mark {
    pub(crate) fn new(verdict: Verdict, message: impl Into<String>) -> Mark {
        Mark { verdict, rule: None, message: message.into(), program: None }
    }

    pub(crate) fn refused(rule: &str, message: impl Into<String>) -> Mark {
        Mark { rule: Some(rule.to_owned()), ..Mark::new(Verdict::Refused, message) }
    }
}

/// A folder for what is compiled. It is removed in the end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(course: &Course) -> io::Result<Folder> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("mark-{}-{}", std::process::id(), COUNT.fetch_add(1, SeqCst));
        let path = course.pages().join(name);
        fs::create_dir_all(&path)?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What it takes to mark an answer.
pub(crate) struct Bench<'a> {
    pub(crate) course: &'a Course,
    pub(crate) lessons: Vec<Lesson>,
    pub(crate) kit: Kit,
    pub(crate) seed: u64,
    pub(crate) folder: Folder,
}

impl Bench<'_> {
    pub(crate) fn mark(&self, index: usize, found: &Found) -> io::Result<Mark> {
        let Some((number, path)) = &found.answer else {
            return Ok(Mark::new(Verdict::NoAnswer, "There is no file of an answer."));
        };
        let Some(lesson) = self.lessons.iter().find(|it| it.number == *number) else {
            return Ok(Mark::new(Verdict::NotMarked, format!("There is no lesson {number}.")));
        };
        let Some(check) = fs::read_to_string(lesson.file("check.rs")).ok().filter(|_| lesson.has_exercise()) else {
            return Ok(Mark::new(Verdict::NotMarked, format!("Lesson {number} has no exercise.")));
        };
        let source = match read(path) {
            Ok(source) => source,
            Err(wrong) => return Ok(Mark::new(Verdict::NotMarked, wrong)),
        };
        let untouched = fs::read_to_string(lesson.file("exercise.untouched"))?;
        if source.replace("\r\n", "\n") == untouched {
            return Ok(Mark::new(Verdict::NotBegun, "The exercise is as it came."));
        }
        // The check beside a copy of the answer, under the name by which it is called.
        let folder = self.folder.0.join("lessons").join(index.to_string());
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("exercise.rs"), source)?;
        fs::write(folder.join("check.rs"), check)?;
        let program = folder.join(format!("check{}", std::env::consts::EXE_SUFFIX));
        let mut compiler = self.kit.rustc(&folder.join("check.rs"), &program, "short");
        compiler.env("CARGO_MANIFEST_DIR", self.course.folder());
        let (ended, said) = run(&mut compiler, &folder, "errors")?;
        if !matches!(ended, Ended::By(status) if status.success()) {
            let error =
                said.lines().find(|line| line.contains(": error")).unwrap_or("The compiler did not come to an end.");
            let error = error.replace(&format!("{}{}", folder.display(), std::path::MAIN_SEPARATOR), "");
            return Ok(Mark::new(Verdict::DoesNotCompile, error));
        }
        let mut check = Command::new(&program);
        for name in ["COURSE_PROGRAMS", "COURSE_CHECKS"] {
            check.env_remove(name);
        }
        check.env("COURSE_TERSE", "1").env("COURSE_SEED", self.seed.to_string()).current_dir(&folder);
        let (ended, said) = run(&mut check, &folder, "said")?;
        // The next ones need the room.
        fs::remove_dir_all(&folder)?;
        Ok(match ended {
            Ended::TooLate => Mark::refused("it comes back", format!("Not after {} s.", LIMIT.as_secs())),
            Ended::TooMuch => Mark::refused("it comes back", format!("It printed {} MB.", MOST_OUTPUT >> 20)),
            Ended::By(status) => self.verdict(status, &said),
        })
    }

    /// What a check says in its last line. An answer may have printed before and after it.
    fn verdict(&self, status: ExitStatus, said: &str) -> Mark {
        let seed = self.seed.to_string();
        let fields = |word: &str| {
            said.match_indices(word).find_map(|(at, _)| {
                let line = said[at..].lines().next()?;
                let fields: Vec<&str> = line.splitn(6, '|').collect();
                (fields.len() == 6 && fields[4] == seed).then_some(fields)
            })
        };
        match (status.code(), fields("accepted|"), fields("refused|")) {
            (Some(ACCEPTED), Some(fields), None) if fields[2] == crate::PROGRAMS.to_string() => {
                Mark { program: None, ..Mark::new(Verdict::Accepted, "") }
            }
            (Some(REFUSED), None, Some(fields)) => {
                Mark { program: fields[2].parse().ok(), ..Mark::refused(fields[1], fields[5]) }
            }
            _ => {
                let says = format!("The answer ended the whole process of the check ({}).", how(status));
                Mark::refused("it comes back", says)
            }
        }
    }
}

/// The text of an answer.
fn read(path: &Path) -> Result<String, String> {
    let cannot = |error: io::Error| format!("The file cannot be read: {error}.");
    let metadata = fs::metadata(path).map_err(cannot)?;
    if !metadata.is_file() {
        return Err("It is no file.".to_owned());
    }
    if metadata.len() > MOST_SOURCE {
        return Err(format!("The file is larger than {} MB: it is no answer.", MOST_SOURCE >> 20));
    }
    String::from_utf8(fs::read(path).map_err(cannot)?).map_err(|_| "The file is no text (UTF-8).".to_owned())
}

/// How a process ended.
enum Ended {
    By(ExitStatus),
    TooLate,
    TooMuch,
}

/// Runs a command to its end or to its limit; what it said is kept in a file of this name. Not in a pipe: a child of the
/// answer may hold that open for ever.
fn run(command: &mut Command, folder: &Path, name: &str) -> io::Result<(Ended, String)> {
    let path = folder.join(name);
    let file = File::create(&path)?;
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file.try_clone()?);
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    let mut child = command.spawn()?;
    let begin = Instant::now();
    let ended = loop {
        if let Some(status) = child.try_wait()? {
            break Ended::By(status);
        }
        if begin.elapsed() > LIMIT {
            break Ended::TooLate;
        }
        if file.metadata()?.len() > MOST_OUTPUT {
            break Ended::TooMuch;
        }
        thread::sleep(Duration::from_millis(3));
    };
    end(&mut child);
    Ok((ended, String::from_utf8_lossy(&fs::read(&path)?).into_owned()))
}

/// Ends a process and those that it has started.
fn end(child: &mut Child) {
    #[cfg(unix)]
    drop(
        // The shell's own: the program `kill` is not everywhere.
        Command::new("sh")
            .args(["-c", &format!("kill -s KILL -- -{}", child.id())])
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .status(),
    );
    let _ = child.kill();
    let _ = child.wait();
}
