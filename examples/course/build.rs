//! Prepares the checks. For each lesson that has a check, it cuts the exercise's module and `main` out of the rung: what
//! is left is the *glue*, in which a check puts an answer. And it makes a copy of the check for the solution and for each
//! mutant, so that the tests find them all in one binary.

#[path = "parts.rs"]
mod parts;

use parts::{NO_PART, STUDENT};
use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

/// In a check this macro tells the step. It is one line, which takes the place of a line of the rung: what is left of a
/// rung keeps the numbers of its lines.
const SAY: &str = "#[allow(unused_macros)] macro_rules! say { ($($step:tt)*) => { course::say!($($step)*) }; }";

/// The rung on which the program of the last lesson stands.
const LAST_RUNG: &str = "13_server/rung.rs";

/// The rungs at which a student may stop, and has a whole loop of her own.
const OWN: [&str; 3] = ["04_tickets", "08_gather", "13_server"];

fn main() {
    let out = env::var("OUT_DIR").expect("cargo sets it");
    let lessons = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("lessons");
    let (mut modules, mut table) = (String::new(), String::new());
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=parts.rs");
    // All answers in one binary take minutes to compile. Who works on one lesson waits for that one alone.
    println!("cargo::rerun-if-env-changed=COURSE_LESSON");
    let wanted = env::var("COURSE_LESSON").unwrap_or_default();
    for lesson in names(&lessons) {
        let folder = lessons.join(&lesson);
        let here = Path::new(&out).join(&lesson);
        let rung = match folder.join("rung.rs") {
            rung if rung.exists() => record(&rung, &here),
            // The last lesson adds nothing to the loop: its program stands on the last rung.
            _ => on_the_last_rung(&folder.join("hang.rs"), &lessons.join(LAST_RUNG), &here),
        };
        let Ok(check) = fs::read_to_string(folder.join("check.rs")) else {
            // Nobody writes an exercise there. Somebody may add a check.
            println!("cargo::rerun-if-changed={}", folder.display());
            continue;
        };
        let part =
            check.split(STUDENT).nth(1).and_then(|rest| rest.split(';').next()).expect("check.rs names the part");
        // The exercise is left out: who writes it shall wait for nothing but its own check.
        for name in ["rung.rs", "check.rs", "solution.rs", "mutants", "right"] {
            if folder.join(name).exists() {
                println!("cargo::rerun-if-changed={}", folder.join(name).display());
            }
        }

        // In a lesson about tests the exercise is no part of the rung.
        let is_part = !check.contains(NO_PART);
        let around = if is_part { cut(&rung, &format!("mod {part} {{")) } else { rung };
        write(&here.join("glue.rs"), &cut(&around, "fn main()"));

        if !lesson.starts_with(&wanted) {
            continue;
        }

        // Answers that are right in another way than the solution, and those that are wrong.
        let right = folder.join("right");
        let right = if right.exists() { names(&right) } else { Vec::new() };
        let right = right.into_iter().map(|name| format!("right/{name}"));
        let mutants = names(&folder.join("mutants")).into_iter().map(|name| format!("mutants/{name}"));
        let _ = writeln!(modules, "pub mod lesson_{lesson} {{");
        for answer in ["solution.rs".to_owned()].into_iter().chain(right).chain(mutants) {
            let (file, name) = (folder.join(&answer), Path::new(&answer).file_stem().and_then(|it| it.to_str()));
            let name = name.expect("a file has a name");
            let copy = here.join(format!("{name}.check.rs"));
            write(&copy, &check.replace(STUDENT, &format!("#[path = {file:?}]\nmod ")));
            let is_mutant = answer.starts_with("mutants/");
            // What is wrong on purpose is no work for clippy.
            let unless = if is_mutant { "#[cfg(not(clippy))]" } else { "" };
            let _ = writeln!(modules, "{unless}\n#[path = {copy:?}]\npub mod {name};");
            let check = format!("lesson_{lesson}::{name}::main");
            let _ = writeln!(table, "{unless}\n({lesson:?}, {name:?}, include_str!({file:?}), {is_mutant}, {check}),");
        }
        modules.push_str("}\n");
    }
    let table = format!(
        "/// Lesson, name, source of an answer, whether it is wrong, and its check.\n\
         pub type Answer = (&'static str, &'static str, &'static str, bool, fn());\n\n\
         /// All answers but the student's.\n\
         pub const ANSWERS: &[Answer] = &[\n{table}];\n"
    );
    write(&Path::new(&out).join("answers.rs"), &format!("{modules}{table}"));
    for rung in OWN {
        own(&lessons, rung, Path::new(&out));
    }
}

/// Writes two loops as students have them: a rung in which each exercise is an answer that is right in another way than the
/// solution. In the first one these are the first by their names, in the second one the last.
fn own(lessons: &Path, last: &str, to: &Path) {
    let names: Vec<String> = names(lessons).into_iter().filter(|name| name.as_str() <= last).collect();
    let file = |lesson: &str, name: &str| fs::read_to_string(lessons.join(lesson).join(name)).ok();
    let number = |name: &str| -> u32 { name[..2].parse().expect("a lesson begins with its number") };
    let files: Vec<_> =
        names.iter().filter_map(|it| Some((number(it), file(it, "rung.rs")?, file(it, "check.rs")?))).collect();
    let files: Vec<(u32, &str, &str)> =
        files.iter().map(|(number, rung, check)| (*number, &**rung, &**check)).collect();
    let rung = read(&lessons.join(last).join("rung.rs"));
    for (which, is_last) in [("first", false), ("last", true)] {
        let mut own = rung.clone();
        for (lesson, part) in parts::exercises(&rung, &files) {
            let folder = names.iter().find(|it| number(it) == lesson).expect("it is one of them");
            let right = lessons.join(folder).join("right");
            let answers = self::names(&right);
            let answer = if is_last { answers.last() } else { answers.first() };
            let answer = read(&right.join(answer.expect("each part has a right answer")));
            own = parts::with(&own, part, &answer).expect("the part is there");
        }
        write(&to.join(format!("own_{}_{which}.rs", &last[..2])), &without_inner(&own));
    }
}

/// Writes a copy of a rung that tells its steps, for the tests, and gives it. It goes into a module.
fn record(rung: &Path, to: &Path) -> String {
    println!("cargo::rerun-if-changed={}", rung.display());
    let copy = without_inner(&recording(&read(rung)));
    fs::create_dir_all(to).expect("the output folder can be written");
    write(&to.join("recording.rs"), &copy);
    copy
}

/// A program that stands on the last rung, and gives it. Its rung becomes a copy beside it. Nobody tells a step.
fn on_the_last_rung(program: &Path, rung: &Path, to: &Path) -> String {
    println!("cargo::rerun-if-changed={}", program.display());
    fs::create_dir_all(to).expect("the output folder can be written");
    write(&to.join("rung.rs"), &without_inner(&read(rung)));
    let program = without_inner(&read(program));
    let path = format!("#[path = \"../{LAST_RUNG}\"]\nmod rung;");
    let copy = to.join("rung.rs");
    assert!(program.contains(&path), "the program stands on {LAST_RUNG}");
    program.replace(&path, &format!("\nmod rung {{ include!({copy:?}); }}"))
}

/// A file that can be put into a module: the lines that say something of the whole file are empty.
fn without_inner(source: &str) -> String {
    let lines: Vec<&str> = source.lines().map(|line| if is_inner(line) { "" } else { line }).collect();
    lines.join("\n")
}

/// Whether a line says something of the whole file.
fn is_inner(line: &str) -> bool {
    line.starts_with("//!") || line.starts_with("#![")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// What lies in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut names: Vec<String> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// A rung whose `say!` tells the steps. A ticket can be shown, so that it can be told.
fn recording(rung: &str) -> String {
    let lines: Vec<&str> = rung.lines().collect();
    let line = |(index, line): (usize, &&str)| {
        let is_ticket = lines.get(index + 1).is_some_and(|next| next.trim() == "pub struct Ticket {");
        match line.strip_prefix("macro_rules! say") {
            Some(_) => SAY.to_owned(),
            None if is_ticket && !line.contains("Debug") => line.replace("#[derive(", "#[derive(Debug, "),
            None => (*line).to_owned(),
        }
    };
    let mut said: Vec<String> = lines.iter().enumerate().map(line).collect();
    // Rung 0 has no loop, and so no steps of one: the line comes in the place of its first one, which is a doc.
    if !rung.contains("\nmacro_rules! say") {
        said[0] = SAY.to_owned();
    }
    said.join("\n")
}

/// `source` without the item that begins with the line `head…`, public or not: its lines are empty. It ends with that line,
/// or with the next line `}`.
fn cut(source: &str, head: &str) -> String {
    let lines: Vec<&str> = source.lines().collect();
    let is_head = |line: &&str| line.strip_prefix("pub ").unwrap_or(line).starts_with(head);
    let head_at = lines.iter().position(is_head).unwrap_or_else(|| panic!("no `{head}` in the rung"));
    let ends = |line: &&str| *line == "}" || (is_head(line) && line.ends_with(['}', ';']));
    let end = head_at + lines[head_at..].iter().position(ends).expect("every item ends");
    // The docs and attributes of the item go with it.
    let above = lines[..head_at].iter().rev().take_while(|line| line.starts_with("///") || line.starts_with("#["));
    let begin = head_at - above.count();
    let cut = |(index, line)| if (begin..=end).contains(&index) { "" } else { line };
    lines.into_iter().enumerate().map(cut).collect::<Vec<_>>().join("\n")
}
