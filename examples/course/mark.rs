//! Marks a class: `check --json FOLDER`. Each answer is compiled by itself, in a folder of its own, and checked in a process
//! of its own. So one that does not compile, hangs or prints keeps no other from being marked, and no file of a student or
//! of the teacher is written to.

use crate::catalog::{Course, Lesson, typed};
use crate::check::{ACCEPTED, REFUSED};
use crate::commands::{OK, USAGE};
use crate::compile::Kit;
use crate::dice::Dice;
use crate::grade::how;
use crate::text::wrap;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How long the compiler may take for one answer, and how long its check. A hundred times what a right one takes: only what
/// would never come back comes so far.
const LIMIT: Duration = Duration::from_secs(60);

/// Bytes of an answer, and of what a check of it prints. Who exceeds them fills the disk.
const MOST_SOURCE: u64 = 1 << 20;
const MOST_OUTPUT: u64 = 16 << 20;

/// The columns of the table that a name of a student may take.
const NAME: usize = 14;

/// A file that a student has handed in, or a student who has handed in nothing.
#[derive(Debug, Clone)]
struct Found {
    student: String,
    /// The lesson, and the file.
    answer: Option<(u32, PathBuf)>,
}

/// What is said of it.
#[derive(Debug, Clone)]
struct Mark {
    verdict: Verdict,
    rule: Option<String>,
    message: String,
    /// The number of the program that was refused.
    program: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    NoAnswer,
    NotMarked,
    NotBegun,
    DoesNotCompile,
    Refused,
    Accepted,
}

impl Verdict {
    fn name(self) -> &'static str {
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
    fn letter(self) -> char {
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
    fn new(verdict: Verdict, message: impl Into<String>) -> Mark {
        Mark { verdict, rule: None, message: message.into(), program: None }
    }

    fn refused(rule: &str, message: impl Into<String>) -> Mark {
        Mark { rule: Some(rule.to_owned()), ..Mark::new(Verdict::Refused, message) }
    }
}

/// What stands behind `check`.
struct Orders<'a> {
    folder: &'a Path,
    seed: u64,
    lesson: Option<u32>,
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
    let bench = Bench { course, lessons: course.lessons(), kit, seed: orders.seed, folder: Folder::new()? };
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

/// A folder for what is compiled. It is removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> io::Result<Folder> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("mark-{}-{}", std::process::id(), COUNT.fetch_add(1, SeqCst));
        let path = Course::target().join(name);
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
struct Bench<'a> {
    course: &'a Course,
    lessons: Vec<Lesson>,
    kit: Kit,
    seed: u64,
    folder: Folder,
}

impl Bench<'_> {
    fn mark(&self, index: usize, found: &Found) -> io::Result<Mark> {
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
        let mut compiler = self.kit.rustc(&folder.join("check.rs"), &program);
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
        Command::new("kill")
            .args(["-KILL", "--", &format!("-{}", child.id())])
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .status(),
    );
    let _ = child.kill();
    let _ = child.wait();
}

/// One line of JSON.
fn json(found: &Found, mark: &Mark, orders: &Orders<'_>) -> String {
    let or_null = |text: Option<String>| text.unwrap_or_else(|| "null".to_owned());
    let (lesson, file) = found.answer.as_ref().map(|(lesson, file)| (lesson.to_string(), file.clone())).unzip();
    let file = file.map(|file| file.strip_prefix(orders.folder).map_or(file.clone(), Path::to_owned));
    format!(
        "{{\"student\":{},\"lesson\":{},\"verdict\":{},\"rule\":{},\"message\":{},\"seed\":{},\"program\":{},\"file\":{}}}",
        quoted(&found.student),
        or_null(lesson),
        quoted(mark.verdict.name()),
        or_null(mark.rule.as_deref().map(quoted)),
        quoted(&mark.message),
        orders.seed,
        or_null(mark.program.map(|it| it.to_string())),
        or_null(file.map(|it| quoted(&it.to_string_lossy()))),
    )
}

/// A text in JSON.
pub(crate) fn quoted(text: &str) -> String {
    let mut json = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => json.extend(['\\', letter]),
            '\n' => json.push_str("\\n"),
            // The other control letters; and `<`, for a text that stands in a page.
            letter if letter < ' ' || letter == '<' || letter == '\u{7f}' => {
                let _ = write!(json, "\\u{:04x}", u32::from(letter));
            }
            letter => json.push(letter),
        }
    }
    json.push('"');
    json
}

/// What a teacher reads: a table, and by which rules answers were refused.
fn summary(found: &[Found], marks: &[Mark], ignored: &[String], orders: &Orders<'_>) -> String {
    let mut students: Vec<&str> = found.iter().map(|it| it.student.as_str()).collect();
    students.dedup();
    let lessons: BTreeSet<u32> = found.iter().filter_map(|it| Some(it.answer.as_ref()?.0)).collect();
    let all = || found.iter().zip(marks);
    let width = students.iter().map(|name| name.chars().count()).max().unwrap_or(0).clamp(7, NAME);
    let mut text = format!("\n  {:<width$}", "student");
    for lesson in &lessons {
        let _ = write!(text, "{lesson:>3}");
    }
    text.push('\n');
    for student in &students {
        let name: String = student.chars().take(width).collect();
        let _ = write!(text, "  {name:<width$}");
        for lesson in &lessons {
            let is = |it: &&(&Found, &Mark)| {
                it.0.student == *student && it.0.answer.as_ref().is_some_and(|it| it.0 == *lesson)
            };
            // Of several answers the best one.
            let best = all().filter(|it| is(&it)).map(|it| it.1.verdict).max();
            let _ = write!(text, "{:>3}", best.unwrap_or(Verdict::NoAnswer).letter());
        }
        text.push('\n');
    }
    text += "\n  A accepted   R refused   C does not compile\n  N not begun  ? not marked  - no answer\n";
    let mut by_rule: BTreeMap<(u32, &str), BTreeSet<&str>> = BTreeMap::new();
    for (one, mark) in all() {
        if let (Some((lesson, _)), Some(rule)) = (&one.answer, &mark.rule) {
            by_rule.entry((*lesson, rule)).or_default().insert(&one.student);
        }
    }
    if !by_rule.is_empty() {
        text += "\n  Broken rules:\n";
    }
    for ((lesson, rule), students) in by_rule {
        let who = students.into_iter().collect::<Vec<_>>().join(", ");
        text += &wrap(&format!("lesson {lesson}, {rule}: {who}"), 4);
    }
    let problems = all().filter(|(_, mark)| mark.verdict == Verdict::NotMarked);
    let problems = problems.map(|(one, mark)| (one, &mark.message)).collect::<Vec<_>>();
    if !problems.is_empty() {
        text += "\n  Not marked:\n";
    }
    for (one, message) in problems {
        let file = one.answer.as_ref().map(|(_, file)| typed(file)).unwrap_or_default();
        text += &wrap(&format!("{file}: {message}"), 4);
    }
    if !ignored.is_empty() {
        text += "\n  Files that are no answers (an answer has a name like 01.rs,\n  in the folder of a student):\n";
        ignored.iter().take(10).for_each(|name| text += &wrap(name, 4));
        if ignored.len() > 10 {
            let _ = writeln!(text, "    and {} more", ignored.len() - 10);
        }
    }
    let (folder, seed) = (orders.folder.display().to_string(), orders.seed);
    // As a shell wants it.
    let folder = if folder.contains(char::is_whitespace) { format!("{folder:?}") } else { folder };
    let _ =
        writeln!(text, "\n  The same programs again:\n  cargo run -p course -- check --json {folder} --seed {seed}");
    text
}

#[cfg(test)]
mod tests {
    use super::{number_of, quoted};

    #[test]
    fn the_name_of_a_file_says_which_lesson_it_answers() {
        for name in ["01.rs", "1.rs", "01_block_on", "exercise_01.rs", "Exercise 1.rs", "lesson-01.rs", "01 (2).rs"] {
            assert_eq!(number_of(name), Some(1), "{name}");
        }
        for name in ["exercise.old-1.rs", "solution.rs", "1st.rs", "2026.rs", "mine1.rs", ".rs", ""] {
            assert_eq!(number_of(name), None, "{name}");
        }
    }

    #[test]
    fn a_text_in_json_keeps_its_line() {
        assert_eq!(quoted("a \"b\" \\ \n</script>\u{1}"), r#""a \"b\" \\ \n\u003c/script>\u0001""#);
    }
}
