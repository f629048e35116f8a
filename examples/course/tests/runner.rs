//! The runner: what it says and returns at each command, and a student's whole way on a copy of the package.

use course::{COLUMNS, Course, commands};
use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A folder that is removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    /// A folder with the lessons as they came.
    fn with_lessons(name: &str) -> Folder {
        let folder = Folder::new(name);
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("lessons"), &folder.0.join("lessons"));
        folder
    }

    fn exercise(&self) -> PathBuf {
        self.0.join("lessons/01_block_on/exercise.rs")
    }

    /// Leaves of lesson 9 nothing but its rung: it can only be read.
    fn has_only_the_rung_of_lesson_9(&self) {
        let lesson = self.0.join("lessons/09_cancel");
        let rung = fs::read(lesson.join("rung.rs")).unwrap();
        fs::remove_dir_all(&lesson).unwrap();
        fs::create_dir(&lesson).unwrap();
        fs::write(lesson.join("rung.rs"), rung).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Copies a folder; every exercise as it came, without what a student has left.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (name, path) = (entry.file_name().into_string().unwrap(), entry.path());
        match path.is_dir() {
            true => copy(&path, &to.join(name)),
            false if name == "progress.txt" || name.contains(".old-") => {}
            false if name == "exercise.rs" => drop(fs::copy(from.join("exercise.untouched"), to.join(name)).unwrap()),
            false => drop(fs::copy(&path, to.join(name)).unwrap()),
        }
    }
}

/// Does a command; its exit code, and what it says.
fn command(folder: &Folder, words: &[&str]) -> (u8, String) {
    let mut said = Vec::new();
    let code = commands::command(&Course::new(&folder.0), words, &mut said);
    (code, String::from_utf8(said).unwrap())
}

#[test]
fn next_names_the_files_and_the_first_task() {
    let folder = Folder::with_lessons("next");
    let (code, said) = command(&folder, &[]);
    assert_eq!(code, commands::OK);
    for word in ["Lesson 0", "lesson.md", "exercise.rs", "First task", "cargo run -p course -- check"] {
        assert!(said.contains(word), "no {word} in:\n{said}");
    }
    let line: usize = said.split("in line ").nth(1).unwrap().split(',').next().unwrap().parse().unwrap();
    let exercise = fs::read_to_string(folder.0.join("lessons/00_async_fn/exercise.rs")).unwrap();
    assert!(exercise.lines().nth(line - 1).unwrap().trim().starts_with("//tell("));
    assert_eq!(command(&folder, &["next"]), (code, said));
}

#[test]
fn a_number_alone_means_that_lesson() {
    let folder = Folder::with_lessons("number");
    let (code, said) = command(&folder, &["1"]);
    assert_eq!(code, commands::OK);
    for word in ["Lesson 1: ", "01_block_on/lesson.md", "First task", "course -- check 1"] {
        assert!(said.contains(word), "no {word} in:\n{said}");
    }
    assert_eq!(command(&folder, &["next", "1"]), (code, said));
    fs::write(folder.exercise(), "begun").unwrap();
    assert!(command(&folder, &["1"]).1.contains("Check:  cargo run -p course -- check 1"));
    folder.has_only_the_rung_of_lesson_9();
    assert!(command(&folder, &["9"]).1.contains("--example rung_09"));
    assert_eq!(command(&folder, &["99"]).0, commands::USAGE);
}

#[test]
fn a_command_without_a_number_means_the_exercise_that_was_saved_last() {
    let folder = Folder::with_lessons("last");
    let write = |lesson: &str, text: &str| fs::write(folder.0.join("lessons").join(lesson).join("exercise.rs"), text);
    let lesson = || command(&folder, &[]).1.split("\n  Lesson ").nth(1).unwrap()[..1].to_owned();
    assert_eq!(lesson(), "0");
    write("02_timer", "begun").unwrap();
    assert_eq!(lesson(), "2");
    write("01_block_on", "begun later").unwrap();
    // Both may have been saved at one time by a coarse clock.
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(1);
    fs::File::options().write(true).open(folder.exercise()).unwrap().set_modified(later).unwrap();
    assert_eq!(lesson(), "1");
    // Accepted: then it is the first that is not.
    let mut progress = course::Progress::read(&folder.0.join("progress.txt"));
    progress.accept(1, "begun later");
    progress.write().unwrap();
    assert_eq!(lesson(), "0");
    // A check without a number says which one it means.
    assert!(command(&folder, &["check"]).1.starts_with("  Lesson 0: "));
    // Changed since: then it is meant again, and nobody says that all is done.
    fs::write(folder.exercise(), "changed").unwrap();
    fs::File::options().write(true).open(folder.exercise()).unwrap().set_modified(later).unwrap();
    let said = command(&folder, &[]).1;
    assert!(
        said.contains("has changed since") && said.contains("check 1\n") && !said.contains("Every exercise"),
        "{said}"
    );
    assert!(command(&folder, &["hint"]).1.starts_with("  Lesson 1, hint 1 "));
}

#[test]
fn an_untouched_exercise_is_not_begun() {
    let folder = Folder::with_lessons("untouched");
    let (code, said) = command(&folder, &["check"]);
    assert_eq!(code, commands::NOT_ACCEPTED);
    assert!(said.contains("NOT BEGUN"), "{said}");
    assert_eq!(command(&folder, &["check", "1", "--seed", "7"]).0, code);
    assert_eq!(command(&folder, &["check", "--seed=7"]).0, code);
    for number in 0..15 {
        let (code, said) = command(&folder, &["check", &number.to_string()]);
        assert_eq!(code, commands::NOT_ACCEPTED, "lesson {number}");
        assert!(said.contains("NOT BEGUN"), "lesson {number}: {said}");
    }
}

#[test]
fn the_list_has_all_lessons_and_says_what_is_there() {
    let folder = Folder::with_lessons("list");
    folder.has_only_the_rung_of_lesson_9();
    // And one is not written yet.
    fs::remove_dir_all(folder.0.join("lessons/14_benchmark")).unwrap();
    let (code, said) = command(&folder, &["list"]);
    assert_eq!(code, commands::OK);
    let row =
        |number: &str| said.lines().find(|line| line.trim().starts_with(number)).unwrap_or_else(|| panic!("{said}"));
    assert!(row("1 ").ends_with("not begun"), "{said}");
    assert!(said.contains("lessons/01_block_on"), "{said}");
    assert!(row("9 ").ends_with("a rung to read"), "{said}");
    assert!(row("14 ").ends_with("not written yet"), "{said}");
    // What is not there is said, not hidden behind an error of cargo's.
    let (code, said) = command(&folder, &["check", "9"]);
    assert_eq!(code, commands::USAGE);
    assert!(said.contains("no exercise yet") && said.contains("--example rung_09"), "{said}");
    let said = command(&folder, &["hint", "14"]).1;
    assert!(said.split_whitespace().collect::<Vec<_>>().join(" ").contains("is not written yet"), "{said}");
}

#[test]
fn hints_come_one_by_one_and_the_last_one_stays() {
    let folder = Folder::with_lessons("hints");
    let hints: Vec<String> = (0..4).map(|_| command(&folder, &["hint"]).1).collect();
    assert!(hints[0].contains("hint 1 of 3: A nudge"), "{}", hints[0]);
    assert!(hints[1].contains("hint 2 of 3: An event"), "{}", hints[1]);
    assert!(hints[2].contains("hint 3 of 3: Nearly the answer"), "{}", hints[2]);
    assert!(hints[2].ends_with("That was the last hint. Our answer:\n  cargo run -p course -- solution 0\n"));
    assert_eq!(hints[2], hints[3]);
}

#[test]
fn the_solution_comes_when_it_is_asked_for_twice() {
    let folder = Folder::with_lessons("solution");
    let (code, said) = command(&folder, &["solution", "1"]);
    assert_eq!(code, commands::NOT_ACCEPTED);
    assert!(!said.contains("fn wake") && said.contains("hint"), "{said}");
    let (code, said) = command(&folder, &["solution", "1"]);
    assert_eq!(code, commands::OK);
    assert!(said.contains("fn wake"), "{said}");
}

#[test]
fn reset_never_overwrites() {
    let folder = Folder::with_lessons("reset");
    let untouched = fs::read_to_string(folder.exercise()).unwrap();
    assert!(command(&folder, &["reset"]).1.contains("nothing to do"));
    for text in ["my first try", "my second try", "my third try"] {
        fs::write(folder.exercise(), text).unwrap();
        assert_eq!(command(&folder, &["reset"]).0, commands::OK);
        assert_eq!(fs::read_to_string(folder.exercise()).unwrap(), untouched);
    }
    for (number, text) in [(1, "my first try"), (2, "my second try"), (3, "my third try")] {
        let kept = folder.exercise().with_file_name(format!("exercise.old-{number}.rs"));
        assert_eq!(fs::read_to_string(kept).unwrap(), text);
    }
    // A file that is lost comes back.
    fs::remove_file(folder.exercise()).unwrap();
    assert!(command(&folder, &["check"]).1.contains("reset"));
    assert_eq!(command(&folder, &["reset"]).0, commands::OK);
    assert_eq!(fs::read_to_string(folder.exercise()).unwrap(), untouched);
}

#[test]
fn every_lesson_has_a_program_of_step_which_the_readme_names() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    for (number, program) in course::PROGRAMS_OF_STEP.iter().enumerate() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../step/programs/{program}.rs"));
        let source = fs::read_to_string(source).unwrap();
        assert!(source.contains(&format!("name: \"{program}\",")), "{program}");
        let row = readme.lines().find(|line| line.starts_with(&format!("| {number}. "))).unwrap();
        assert!(row.ends_with(&format!(" [{program}](../step/programs/{program}.rs) |")), "{row}");
    }
}

#[test]
fn what_nobody_knows_is_said_with_what_there_is() {
    let folder = Folder::with_lessons("usage");
    for words in [&["chekc"][..], &["check", "one"], &["check", "99"], &["check", "--seed", "x"], &["check", "--seed"]]
    {
        let (code, said) = command(&folder, words);
        assert_eq!(code, commands::USAGE, "{words:?}");
        assert!(said.contains("cargo run -p course -- check"), "{words:?}: {said}");
    }
    assert_eq!(command(&folder, &["help"]).0, commands::OK);
    assert_eq!(command(&folder, &["loop", "14"]).0, commands::USAGE);
    // Nothing is accepted.
    assert_eq!(command(&folder, &["loop"]).0, commands::NOT_ACCEPTED);
}

#[test]
fn what_is_mistyped_is_refused_before_anything_is_done() {
    let folder = Folder::with_lessons("mistyped");
    let last = |words: &[&str]| {
        let (code, said) = command(&folder, words);
        assert_eq!(code, commands::USAGE, "{words:?}: {said}");
        // The end is what is still on the screen.
        let end = said.split("\n\n").last().unwrap().to_owned();
        end.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(last(&["hint", "4", "9"]), "4 and 9: a command is for one lesson. Give one number.");
    assert_eq!(last(&["check", "4", "5"]), "4 and 5: a command is for one lesson. Give one number.");
    assert_eq!(last(&["check", "4", "--sed", "5"]), "There is no flag \"--sed\".");
    for wrong in ["nonsense", "drop-wake", "drop-wake:0", "lifo:1"] {
        let said = last(&["step", "4", "--what-if", wrong]);
        assert!(said.starts_with(&format!("There is no fault \"{wrong}\". There are ")), "{said}");
        // The same as the loop's own.
        let faults = said.split("There are ").nth(1).unwrap().trim_end_matches('.').replace(" and ", ", ");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../runtime/src/explore/what_if.rs");
        let source = fs::read_to_string(source).unwrap();
        let arms = source.lines().filter_map(|line| line.trim().strip_prefix("(\"")?.split_once('"'));
        let names: Vec<String> =
            arms.map(|(name, rest)| format!("{name}{}", if rest.starts_with(", None)") { "" } else { ":N" })).collect();
        assert_eq!(faults, names.join(", "));
    }
    // Nobody was given a hint.
    assert!(command(&folder, &["hint", "9"]).1.contains("hint 1 of 3"));
}

#[test]
fn the_list_speaks_of_rungs_to_read_only_if_there_are_any() {
    let folder = Folder::with_lessons("rungs");
    assert!(!command(&folder, &["list"]).1.contains("A rung to read"));
    folder.has_only_the_rung_of_lesson_9();
    assert!(command(&folder, &["list"]).1.contains("A rung to read"));
}

#[test]
fn what_the_runner_says_fits_into_60_columns() {
    let folder = Folder::with_lessons("columns");
    let path = folder.0.display().to_string();
    let commands = [
        &[][..],
        &["list"],
        &["check"],
        &["hint"],
        &["hint"],
        &["hint"],
        &["solution"],
        &["help"],
        &["x"],
        &["check", "14"],
        &["1"],
        &["watch", "99"],
        &["debug", "99"],
        &["loop"],
        &["loop", "14"],
        &["loop", "1", "--quick"],
        &["step", "1", "--mine"],
        &["step", "--what-if"],
        &["step", "1", "--mine", "--what-if", "lifo"],
    ];
    for words in commands {
        for line in command(&folder, words).1.lines() {
            // Below the current folder a path is short.
            let short = line.replace(&path, "examples/course");
            assert!(short.chars().count() <= COLUMNS && short.is_ascii(), "{words:?}: {line}");
        }
    }
}

/// The first build is soon there: it has what the runner and the checkers' library need. What the rungs are made of comes
/// with the first check.
#[test]
fn the_first_build_has_no_tokio_hyper_or_clap() {
    let words = ["tree", "--quiet", "--offline", "--locked", "-p", "course", "-e", "normal,build", "--prefix", "none"];
    let output = Command::new(env!("CARGO")).args(words).current_dir(Course::top()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let crates: BTreeSet<&str> = said.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(output.status.success() && crates.contains("course"), "{said}");
    for heavy in ["tokio", "hyper", "clap", "syn", "serde", "regex"] {
        assert!(!crates.contains(heavy), "{heavy} is built before the first message: {said}");
    }
    assert!(crates.len() <= 4, "{crates:?}");
}

/// `cargo run -p course -- …` in a clone; its exit code, and what it says.
fn cargo_run(clone: &Path, words: &[&str]) -> (Option<i32>, String, String) {
    let output = cargo_with(clone, words).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn cargo_with(clone: &Path, words: &[&str]) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["run", "--quiet", "--offline", "-p", "course", "--"]).args(words);
    // Built beside it, and kept for the next time; a target folder has one course at a time.
    cargo.current_dir(clone).env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("course-target"));
    cargo
}

#[test]
fn a_student_goes_from_the_clone_to_accepted() {
    let clone = Folder::new("clone");
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let top = here.join("../..");
    copy(here, &clone.0.join("examples/course"));
    // What a feature of the package names has to be there, too. It is not built.
    ["runtime", "gather"].iter().for_each(|package| copy(&top.join(package), &clone.0.join(package)));
    // A workspace with this package alone.
    let manifest = fs::read_to_string(top.join("Cargo.toml")).unwrap();
    let lines = manifest.lines().map(|line| match line.split_once(" = [") {
        Some(("members" | "default-members", _)) => {
            line.split_once('[').unwrap().0.to_owned() + "[\"examples/course\"]"
        }
        _ => line.to_owned(),
    });
    fs::write(clone.0.join("Cargo.toml"), lines.collect::<Vec<_>>().join("\n")).unwrap();
    fs::copy(top.join("Cargo.lock"), clone.0.join("Cargo.lock")).unwrap();
    let folder = clone.0.join("examples/course/lessons/01_block_on");
    let exercise = folder.join("exercise.rs");
    let run = |words: &[&str]| cargo_run(&clone.0, words);

    let (code, said, error) = run(&[]);
    assert_eq!(code, Some(0), "{error}");
    assert!(said.contains("  Write:  examples/course/lessons/00_async_fn/exercise.rs\n"), "{said}");
    assert_eq!(run(&["check"]).0, Some(1));

    // The first task.
    let text = fs::read_to_string(&exercise).unwrap();
    let task = text.lines().position(|line| line.contains("//Poll")).unwrap() + 1;
    fs::write(&exercise, text.replace("//Poll", "Poll")).unwrap();
    let (code, said, error) = run(&["check"]);
    assert_eq!(code, Some(1), "{error}");
    assert!(
        said.contains("REFUSED. Broken rule: a poll needs a wake")
            && said.contains(&format!(
                "exercise.rs:{}
",
                task - 1
            )),
        "{said}"
    );
    assert_eq!(error, "", "no warning stands between a student and the message");
    let seed = said.split("--seed ").nth(1).unwrap().lines().next().unwrap();
    let step = format!("  Step through it:\n    cargo run -p course -- step 1 --mine --seed {seed}\n");
    assert!(said.ends_with(&step), "{said}");

    // The trace of it. This workspace has no `step`, which makes the page.
    let (code, said, error) = run(&["step", "1", "--mine", "--seed", seed]);
    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains("REFUSED") && said.contains("The page was not made"), "{said}");
    assert!(error.contains("step"), "{error}");
    let pages = Path::new(env!("CARGO_TARGET_TMPDIR")).join("course-target/course/01");
    let trace = fs::read_to_string(pages.join("trace.jsonl")).unwrap();
    assert!(
        trace.contains(&format!("\"kind\":\"PollBegin\",\"cause\":0,\"runtime\":[\"exercise.rs\",{}]", task - 1)),
        "{trace}"
    );
    assert!(
        trace.lines().last().unwrap().contains("the check refuses this. Broken rule: a poll needs a wake."),
        "{trace}"
    );
    assert!(!fs::read_to_string(pages.join("rung.rs")).unwrap().contains("fn block_on"), "the answer is left out");

    // An error of the compiler is the compiler's.
    fs::write(&exercise, text.replace("//Poll", "Pol")).unwrap();
    let (code, said, error) = run(&["check"]);
    assert_eq!(code, Some(2));
    assert!(error.contains(&format!("--> examples/course/lessons/01_block_on/exercise.rs:{task}:")), "{error}");
    assert!(said.contains("DOES NOT COMPILE"), "{said}");

    // It is checked again when it is saved.
    let mut watch = cargo_with(&clone.0, &["watch"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut until = |word: &str| lines.by_ref().find(|line| line.contains(word)).unwrap_or_else(|| panic!("no {word}"));
    until("Lesson 1: ");
    until("DOES NOT COMPILE");
    assert_eq!(until("Watching"), "  Watching examples/course/lessons/01_block_on/exercise.rs");
    assert_eq!(until("Save it"), "  Save it, and it is checked. To end: Ctrl-C.");
    fs::copy(folder.join("solution.rs"), &exercise).unwrap();
    until("ACCEPTED");
    until("Watching");
    // Accepted, and then changed: it is still the one that she works on.
    fs::write(&exercise, text.replace("//Poll", "Poll")).unwrap();
    until("REFUSED. Broken rule: a poll needs a wake");
    watch.kill().unwrap();
    watch.wait().unwrap();
    run(&["reset", "1"]);

    // An answer that ends the process is not accepted.
    fs::copy(folder.join("mutants/ends_the_process.rs"), &exercise).unwrap();
    let (code, said, _) = run(&["check"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("REFUSED. Broken rule: it comes back"), "{said}");

    fs::copy(folder.join("solution.rs"), &exercise).unwrap();
    let (code, said, error) = run(&["check"]);
    assert_eq!(code, Some(0), "{said}{error}");
    assert!(said.contains("ACCEPTED  300 programs with fresh seeds"), "{said}");
    assert!(
        said.contains("  Your loop: 1 of 1 part of rung 1 is yours. Run it:\n    cargo run -p course -- loop 1\n"),
        "{said}"
    );
    assert!(said.contains("  Exercises accepted: 1 of ") && said.contains("from \"The real file\" on,"), "{said}");
    assert!(said.ends_with("  Then:  cargo run -p course -- 2\n"), "{said}");
    assert!(run(&["list"]).1.contains("ACCEPTED"));
    assert_eq!(run(&["solution", "1"]).0, Some(0));

    // A loop of her own: what is accepted is in it, and it runs.
    let (code, said, error) = run(&["loop"]);
    assert_eq!(code, Some(0), "{said}{error}");
    assert!(said.starts_with("  Rung 1. Yours: 1 of 1 part.\n\n    run        lesson  1   yours\n"), "{said}");
    assert!(
        said.contains("/course/loop_01.rs\n  It runs:\n\n") && said.ends_with("a poll; 0 more to come\n"),
        "{said}"
    );
    let own = fs::read_to_string(pages.with_file_name("loop_01.rs")).unwrap();
    assert!(own.contains(&fs::read_to_string(&exercise).unwrap()) && own.contains("\nfn main() {"), "{own}");

    // What is accepted and changed is not what was accepted.
    fs::write(&exercise, &text).unwrap();
    assert!(run(&["list"]).1.contains("changed since"));
    assert_eq!(run(&["check"]).0, Some(1));

    // All this is in the log, with the rules.
    let log = fs::read_to_string(exercise.ancestors().nth(3).unwrap().join("log.txt")).unwrap();
    let checks: Vec<&str> =
        log.lines().filter_map(|line| line.split_once(' ')?.1.split_once(" 01 check").map(|it| it.1)).collect();
    assert_eq!(checks[..4], [" a poll needs a wake", "", " it comes back", ""], "{log}");
    let (code, said, _) = run(&["report"]);
    assert_eq!(code, Some(0));
    assert!(said.contains("refused 1 x") && said.contains("a poll needs a wake"), "{said}");
}
