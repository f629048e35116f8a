//! The house rules that a program can check: budgets, module docs, leftovers, tables and quotes that must not drift.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The top of the checkout.
fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the checkout").to_owned()
}

fn read(path: impl AsRef<Path>) -> String {
    let path = top().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every Rust file below these folders, by its path from the top.
fn rust_files(folders: &[&str]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders: Vec<PathBuf> = folders.iter().map(|folder| top().join(folder)).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(top()).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    assert!(!found.is_empty());
    found
}

/// The lines that count: neither blank, nor comments, nor unit tests, which stand last in a file.
fn code(source: &str) -> Vec<&str> {
    source
        .lines()
        .take_while(|line| line.trim() != "#[cfg(test)]")
        .filter(|line| !line.trim().is_empty() && !line.trim().starts_with("//"))
        .collect()
}

fn lines_of_code(files: &BTreeMap<String, String>, counts: impl Fn(&str) -> bool) -> usize {
    files.iter().filter(|(name, _)| counts(name)).map(|(_, source)| code(source).len()).sum()
}

#[test]
fn the_budgets_hold() {
    let files = rust_files(&["runtime/src", "gather/src"]);
    let circle = ["task", "ready", "run", "reactor", "timers", "wake", "join", "context"];
    let budgets = [
        (
            "the circle with join and context",
            1_200,
            lines_of_code(&files, |name| circle.iter().any(|it| name == format!("runtime/src/{it}.rs"))),
        ),
        (
            "runtime/src without trace/",
            3_000,
            lines_of_code(&files, |name| name.starts_with("runtime/src/") && !name.starts_with("runtime/src/trace/")),
        ),
        ("runtime/src/trace", 900, lines_of_code(&files, |name| name.starts_with("runtime/src/trace/"))),
        ("gather/src", 1_000, lines_of_code(&files, |name| name.starts_with("gather/src/"))),
    ];
    for (what, budget, lines) in budgets {
        assert!(lines > 0, "{what}: nothing was counted");
        assert!(lines <= budget, "{what}: {lines} lines of code, the budget is {budget}");
    }
}

#[test]
fn no_file_is_too_long_to_read_in_one_go() {
    for (name, source) in rust_files(&["runtime/src", "gather/src", "examples", "benches"]) {
        let lines = code(&source).len();
        let most = match name.strip_prefix("examples/course/") {
            // A rung is a whole loop in one file, on purpose.
            Some(part) if part.starts_with("lessons/") && part.ends_with("/rung.rs") => 800,
            // Tests have the length that they need, as in `tests`.
            Some(part) if part.starts_with("tests/") => usize::MAX,
            _ => 300,
        };
        assert!(lines <= most, "{name}: {lines} lines of code; split it by concept");
    }
}

#[test]
fn every_file_says_what_it_is() {
    for (name, source) in rust_files(&["runtime/src", "gather/src", "examples", "benches", "tests"]) {
        assert!(source.starts_with("//!"), "{name} has no module doc");
    }
}

#[test]
fn whatever_can_be_awaited_tells_what_becomes_of_it_when_it_is_dropped() {
    let mut found = 0;
    for (name, source) in rust_files(&["runtime/src", "gather/src"]) {
        let lines: Vec<&str> = source.lines().map(str::trim).collect();
        for (number, line) in lines.iter().enumerate() {
            let gives_future = line.starts_with("pub async fn ") || line.contains(") -> impl Future<");
            // What the macros call tells at the macros.
            if !gives_future || !line.starts_with("pub ") || line.starts_with("pub(") || name == "gather/src/tuple.rs" {
                continue;
            }
            let above =
                lines[..number].iter().rev().take_while(|line| line.starts_with("//") || line.starts_with("#["));
            assert!(above.into_iter().any(|line| line.starts_with("/// # Cancel safety")), "{name}: {line}");
            found += 1;
        }
    }
    assert!(found >= 20, "only {found} of them were found");
}

#[test]
fn nothing_is_left_lying_about() {
    // Written so that this file does not find itself.
    let leftovers = ["todo", "dbg", "unimplemented"].map(|name| format!("{name}!("));
    for (name, source) in rust_files(&["runtime/src", "gather/src", "examples", "benches", "tests"]) {
        for (number, line) in source.lines().enumerate() {
            let at = format!("{name}:{}: {}", number + 1, line.trim());
            assert!(!leftovers.iter().any(|it| line.contains(it)), "{at}");
            let comment = line.trim().strip_prefix("// ").unwrap_or("");
            let looks_like_code = comment.ends_with(';') || comment.starts_with("let ") || comment.ends_with("{");
            assert!(!looks_like_code, "commented-out code? {at}");
        }
    }
}

#[test]
fn no_exercise_of_the_course_holds_an_answer() {
    let mut found = 0;
    for entry in fs::read_dir(top().join("examples/course/lessons")).unwrap() {
        let lesson = entry.unwrap().path();
        if let Ok(untouched) = fs::read_to_string(lesson.join("exercise.untouched")) {
            let exercise = read(lesson.join("exercise.rs"));
            assert_eq!(exercise, untouched, "{}: exercise.rs is not as it should come", lesson.display());
            found += 1;
        }
    }
    assert!(found > 0);
}

#[test]
fn unsafe_is_an_island() {
    let files = rust_files(&["runtime/src", "gather/src"]);
    let mut blocks = 0;
    for (name, source) in &files {
        let lines: Vec<&str> = source.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let line = line.trim();
            let is_unsafe = !line.starts_with("//")
                && ["unsafe {", "unsafe impl", "unsafe fn"].iter().any(|keyword| line.contains(keyword));
            if is_unsafe {
                blocks += 1;
                let reasoned = lines[number.saturating_sub(8)..number].iter().any(|line| line.contains("// SAFETY:"));
                assert!(reasoned, "{name}:{}: no SAFETY comment above this block", number + 1);
            }
        }
    }
    assert!(blocks > 0, "nothing was counted");
    assert!(blocks <= 12, "{blocks} unsafe blocks, the budget is 12");
}

#[test]
fn every_example_stands_in_the_table() {
    let manifest = read("examples/Cargo.toml");
    let table = read("examples/README.md");
    let names: Vec<&str> = manifest
        .split("[[example]]")
        .skip(1)
        .filter_map(|target| target.split("name = \"").nth(1)?.split('"').next())
        .collect();
    assert!(names.contains(&"load_test"));
    for name in names {
        assert!(table.contains(&format!("[{name}]({name}.rs)")), "examples/README.md does not list {name}");
        assert!(table.contains(&format!("--example {name}")), "examples/README.md has no command for {name}");
        let source = read(format!("examples/{name}.rs"));
        let lines = code(&source).len();
        let row = table.lines().find(|line| line.contains(&format!("[{name}]({name}.rs)"))).unwrap();
        assert!(row.ends_with(&format!("| {lines} |")), "{name} has {lines} lines of code; its row says: {row}");
        assert!(lines <= 200, "{name} has {lines} lines of code, and a program has at most 200");
    }
}

#[test]
fn every_example_says_how_to_run_it() {
    let manifest = read("examples/Cargo.toml");
    let mut heavy = 0;
    for target in manifest.split("[[example]]").skip(1) {
        let name = target.split('"').nth(1).expect("a name");
        let source = read(format!("examples/{name}.rs"));
        let feature = target
            .split("\n\n")
            .next()
            .is_some_and(|entry| entry.contains(&format!("required-features = [\"{name}\"]")));
        heavy += usize::from(feature);
        let command = if feature { format!("--features {name} --example {name}") } else { format!("--example {name}") };
        let is_doc = |line: &&str| line.starts_with("//! $ ") && line.contains(&command);
        assert!(source.lines().any(|line| is_doc(&line)), "examples/{name}.rs does not name its command: … {command}");
    }
    assert!(heavy >= 3, "only {heavy} examples with a feature of their own were found");
}

#[test]
fn the_reading_order_of_the_readme_counts_right() {
    let readme = read("README.md");
    let mut rows = 0;
    for line in readme.lines() {
        let Some(path) = line.split("](").nth(1).and_then(|rest| rest.split(')').next()) else { continue };
        let is_row = line.starts_with('|') && path.ends_with(".rs") && path.contains("/src/");
        if is_row {
            rows += 1;
            let lines = code(&read(path)).len();
            assert!(line.contains(&format!("| {lines} |")), "{path} has {lines} lines of code; its row says: {line}");
        }
    }
    assert!(rows >= 10, "the README lists {rows} files only");
}

/// The files of a crate in the order of its `mod` lines, from the top; `except` are modules to leave out.
fn in_reading_order(lib: &str, except: &[&str]) -> Vec<String> {
    let folder = Path::new(lib).parent().unwrap();
    let source = read(lib);
    let modules =
        source.lines().filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'));
    let files = modules.filter(|name| !except.contains(name)).flat_map(|name| {
        let nested = folder.join(name).join("mod.rs");
        match top().join(&nested).exists() {
            true => in_reading_order(nested.to_str().unwrap(), except),
            false => vec![folder.join(format!("{name}.rs")).to_str().unwrap().to_owned()],
        }
    });
    files.collect()
}

#[test]
fn all_reading_orders_are_that_of_the_mod_lines() {
    let mut files = in_reading_order("runtime/src/lib.rs", &["macros", "trace"]);
    let concepts: Vec<String> = files
        .iter()
        .map(|file| file.strip_prefix("runtime/src/").unwrap())
        .map(|file| file.split_once('/').map_or(file.to_owned(), |(folder, _)| format!("{folder}/")))
        .collect();
    let architecture = read("ARCHITECTURE.md");
    let map = architecture.split("## Code map").nth(1).and_then(|rest| rest.split("| `trace/` |").next()).unwrap();
    let rows = map.lines().filter_map(|line| line.strip_prefix("| `")?.split(" |").next());
    let named: Vec<&str> = rows.flat_map(|row| row.split(", ").map(|name| name.trim_matches('`'))).collect();
    let mut expected = concepts;
    expected.dedup();
    assert_eq!(named, expected, "the code map of ARCHITECTURE.md, and the mod lines of runtime/src/lib.rs");

    files.extend(in_reading_order("gather/src/lib.rs", &["testing"]));
    let readme = read("README.md");
    let table = readme.split("## Reading order").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
    let links = table.lines().filter(|line| line.starts_with("| ["));
    let named: Vec<&str> = links.filter_map(|line| line.split("](").nth(1)?.split(')').next()).collect();
    assert_eq!(named, files, "the reading order of README.md, and the mod lines");
}

#[test]
fn only_the_loop_polls_tasks() {
    let mut polls = Vec::new();
    for (name, source) in rust_files(&["runtime/src"]) {
        // Whoever has a task in hand names one of these types.
        let knows_tasks = ["dyn Run", "Body::", "Popped", "Task<"].iter().any(|it| source.contains(it));
        let calls = code(&source).into_iter().filter(|_| knows_tasks).filter_map(|line| line.split_once(".poll("));
        polls.extend(calls.map(|(before, _)| format!("{name}: {}", before.split_whitespace().last().unwrap_or(""))));
        assert!(!source.contains("Run::poll"), "{name} polls a task by the trait's name");
    }
    let expected = [
        // A handle polls the place of a result.
        "runtime/src/join.rs: place.cell()",
        "runtime/src/join.rs: Pin::new(result)",
        // The loop polls who was popped, and a task is polled here and nowhere else.
        "runtime/src/run.rs: self",
        "runtime/src/run.rs: task",
        // How main is polled, and how a task polls its future: the loop calls both.
        "runtime/src/runtime.rs: main.as_mut()",
        "runtime/src/task.rs: future",
    ];
    assert_eq!(polls, expected);
}

#[test]
fn what_is_deliberately_absent_is_absent() {
    let runtime = rust_files(&["runtime/src"]);
    let lines = |name: &str| code(&runtime[&format!("runtime/src/{name}.rs")]).join("\n");
    for name in ["run", "ready", "reactor", "timers", "wake", "join", "context"] {
        assert!(!lines(name).contains("cfg"), "{name}.rs: a condition of the build in the loop");
    }
    // From the waker through the thread-local to the queue.
    for name in ["ready", "context"] {
        let found = ["Lock", "Mutex", "Atomic", "Arc"].into_iter().find(|word| lines(name).contains(word));
        assert_eq!(found, None, "{name}.rs, on the way of a local wake");
    }
    let statics: Vec<String> = runtime
        .iter()
        .filter(|(name, _)| !name.starts_with("runtime/src/trace/"))
        .flat_map(|(name, source)| code(source).into_iter().map(move |line| (name, line.trim())))
        .filter_map(|(name, line)| Some(format!("{name}: {}", line.strip_prefix("static ")?.split(':').next()?)))
        .collect();
    let expected = [
        "runtime/src/context.rs: CURRENT", // of a thread, not of the process
        "runtime/src/table.rs: TABLE",
        "runtime/src/task.rs: NEXT",   // what ids are drawn from
        "runtime/src/wake.rs: VTABLE", // never changes
    ];
    assert_eq!(statics, expected);
}

#[test]
fn the_tests_that_the_invariants_name_are_there() {
    let architecture = read("ARCHITECTURE.md");
    let invariants = architecture.split("## Invariants").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
    for invariant in invariants.split("\n- ").skip(1) {
        let named: Vec<(&str, &str)> = invariant.split('`').filter_map(|word| word.split_once("::")).collect();
        assert!(!named.is_empty(), "no test is named for this: {invariant}");
        for (file, test) in named {
            let found = read(format!("tests/{file}")).contains(&format!("fn {test}("));
            assert!(found, "tests/{file} has no test {test}");
        }
    }
}

#[test]
fn the_program_in_the_readme_is_the_program() {
    let source = read("examples/ten_lines.rs");
    let program = &source[source.find("use gather").unwrap()..];
    assert!(read("README.md").contains(program.trim_end()), "README.md does not quote examples/ten_lines.rs");
}

#[test]
fn the_pictures_of_the_circle_are_one_picture() {
    let picture = |text: &str| -> Vec<String> {
        let from = text.find("spawn (1)").expect("the picture begins with spawn");
        let text = &text[text[..from].rfind('\n').map_or(0, |at| at + 1)..];
        text.lines().take(6).map(|line| line.trim_start_matches("//!").trim().to_owned()).collect()
    };
    let expected = picture(&read("ARCHITECTURE.md"));
    assert_eq!(expected, picture(&read("runtime/src/lib.rs")));
    assert_eq!(expected, picture(&read("README.md")));
}

#[test]
fn the_project_speaks_of_itself_alone() {
    // Written so that this file does not find itself.
    let foreign = [["/wo", "rk/"].concat(), [".lib", "rary"].concat(), ["farm", "-bench"].concat()];
    let mut texts = rust_files(&["runtime", "gather", "examples", "benches", "tests"]);
    for name in ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "examples/README.md", ".ci/run", "Cargo.toml"] {
        texts.insert(name.to_owned(), read(name));
    }
    for (name, text) in texts {
        for word in &foreign {
            assert!(!text.contains(word.as_str()), "{name} speaks of {word}");
        }
    }
}
