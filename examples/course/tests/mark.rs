//! A class is marked: each answer by itself, whatever the others do, and nobody's file is changed.

use course::{COLUMNS, Course, commands};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A line of JSON, taken apart by hand: the course needs no crate for it.
struct Line(String);

impl Line {
    /// A field as it stands there, quotes included.
    fn field(&self, name: &str) -> &str {
        let rest = self.0.split(&format!("\"{name}\":")).nth(1).unwrap_or_else(|| panic!("no {name}: {}", self.0));
        // No text of these tests holds such a thing itself.
        let end = rest.find(",\"").unwrap_or(rest.len() - 1);
        &rest[..end]
    }
}

/// A folder that is removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("class-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn write(&self, file: &str, text: impl AsRef<[u8]>) {
        let path = self.0.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// All files with their texts.
    fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        files(&self.0)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        match path.is_dir() {
            true => all.extend(files(&path)),
            false => all.push((path.clone(), fs::read(&path).unwrap())),
        }
    }
    all.sort();
    all
}

fn lesson(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("lessons").join(file)).unwrap()
}

/// The runner as a teacher starts it: exit code, stdout, stderr.
fn run(words: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_course")).args(words).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_class_is_marked_whatever_its_answers_do() {
    let class = Folder::new("all");
    let solution = lesson("01_block_on/solution.rs");
    class.write("Anna/01.rs", &solution);
    class.write("Anna/02.rs", lesson("02_timer/solution.rs"));
    // Right, and it prints, also what looks like a verdict. A print without an end of line stands before it.
    let loud = "println!(\"refused|nonsense|1|0|0|x\"); print!(\"no end\"); let _ = std::io::Write::flush(&mut std::io::stdout());";
    class.write("Ben/1.rs", solution.replace("self.thread.unpark();", &format!("{loud} self.thread.unpark();")));
    class.write("Cleo/exercise_01.rs", lesson("01_block_on/mutants/cleared_late.rs"));
    class.write("Cleo/lessons/03_queue/exercise.rs", lesson("03_queue/mutants/spins.rs"));
    class.write("Dan/01.rs", lesson("01_block_on/mutants/ends_the_process.rs"));
    class.write("Dan/02.rs", "pub fn sleep(");
    class.write("Dan/03.rs", lesson("03_queue/exercise.untouched"));
    class.write("Eve/01.rs", b"\xff\xfe\x00");
    class.write("Eve/44.rs", "fn main() {}");
    class.write("Eve/notes.txt", "tea");
    fs::create_dir_all(class.0.join("Fay")).unwrap();
    let before = (class.files(), files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("lessons")));

    let (code, lines, table) = run(&["check", "--json", class.0.to_str().unwrap(), "--seed", "7"]);
    assert_eq!(code, Some(0), "{table}");
    assert_eq!(before, (class.files(), files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("lessons"))));
    let lines: Vec<Line> = lines.lines().map(|line| Line(line.to_owned())).collect();
    let marks: Vec<String> = lines
        .iter()
        .map(|line| ["student", "lesson", "verdict", "rule", "seed"].map(|name| line.field(name)).join(" "))
        .collect();
    assert_eq!(
        marks,
        [
            r#""Anna" 1 "accepted" null 7"#,
            r#""Anna" 2 "accepted" null 7"#,
            r#""Ben" 1 "accepted" null 7"#,
            r#""Cleo" 1 "refused" "no wake is lost" 7"#,
            r#""Cleo" 3 "refused" "wait asleep" 7"#,
            r#""Dan" 1 "refused" "it comes back" 7"#,
            r#""Dan" 2 "does not compile" null 7"#,
            r#""Dan" 3 "not begun" null 7"#,
            r#""Eve" 1 "not marked" null 7"#,
            r#""Eve" 44 "not marked" null 7"#,
            r#""Fay" null "no answer" null 7"#,
        ]
    );
    assert!(lines[6].field("message").starts_with("\"exercise.rs:1:"), "{}", lines[6].0);
    let row =
        |name: &str| table.lines().find(|line| line.trim().starts_with(name)).unwrap_or_else(|| panic!("{table}"));
    assert_eq!(row("student"), "  student  1  2  3 44");
    assert_eq!(row("Anna"), "  Anna     A  A  -  -");
    assert_eq!(row("Dan"), "  Dan      R  C  N  -");
    assert_eq!(row("Fay"), "  Fay      -  -  -  -");
    // Where a line ends depends on the length of a path.
    let flat = table.split_whitespace().collect::<Vec<_>>().join(" ");
    for text in ["lesson 1, it comes back: Dan", "There is no lesson 44.", "no text", "Eve/notes.txt", "--seed 7"] {
        assert!(flat.contains(text), "no {text}: {table}");
    }

    // One lesson only.
    let (code, lines, _) = run(&["check", "44", "--json", class.0.to_str().unwrap()]);
    assert_eq!((code, lines.matches("not marked").count(), lines.lines().count()), (Some(0), 1, 6), "{lines}");
}

#[test]
fn what_is_no_class_is_said_and_nothing_is_marked() {
    let folder = Folder::new("none");
    let at = |name: &str| folder.0.join(name).to_str().unwrap().to_owned();
    folder.write("file.rs", "");
    folder.write("files/01.rs", "");
    fs::create_dir_all(folder.0.join("empty")).unwrap();
    let nonsense = [
        (vec!["--json".to_owned(), at("missing")], "There is no folder"),
        (vec!["--json".to_owned(), at("file.rs")], "is no folder"),
        (vec!["--json".to_owned(), at("empty")], "It is empty"),
        (vec!["--json".to_owned(), at("files")], "files are no students"),
        (vec!["--json".to_owned()], "--json takes a folder"),
        (vec![format!("--json={}", at("empty")), "--seed".to_owned(), "x".to_owned()], "--seed takes a number"),
        (vec!["--json".to_owned(), at("empty"), "all".to_owned()], "\"all\" is no number"),
    ];
    for (words, says) in nonsense {
        let words: Vec<&str> = ["check"].into_iter().chain(words.iter().map(String::as_str)).collect();
        let (code, lines, error) = run(&words);
        assert_eq!((code, lines.as_str()), (Some(i32::from(commands::USAGE)), ""), "{words:?}: {error}");
        let flat = error.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(says) && flat.contains("check --json FOLDER"), "{words:?}: {error}");
        let paths = folder.0.to_str().unwrap();
        assert!(error.lines().all(|line| line.chars().count() <= COLUMNS || line.contains(paths)), "{error}");
    }
    assert!(!Course::new(&folder.0).folder().join("log.txt").exists());
}

#[test]
fn the_page_for_the_teacher_has_two_wrong_answers_for_each_lesson_and_its_minutes() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("TEACHER.md")).unwrap();
    for lesson in Course::new(env!("CARGO_MANIFEST_DIR")).lessons() {
        let head = format!("\n**{}. ", lesson.number);
        let part = page.split(&head).nth(1).unwrap_or_else(|| panic!("no lesson {}", lesson.number));
        let part = part.split("\n**").next().unwrap().split("\n## ").next().unwrap();
        assert_eq!(part.matches("\n- *").count(), 2, "lesson {}", lesson.number);
        assert!(part.contains(&format!("{} min.", lesson.minutes)), "lesson {}", lesson.number);
    }
}
