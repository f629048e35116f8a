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
        assert!(lines <= 300, "{name}: {lines} lines of code; split it by concept");
    }
}

#[test]
fn every_file_says_what_it_is() {
    for (name, source) in rust_files(&["runtime/src", "gather/src", "examples", "benches", "tests"]) {
        assert!(source.starts_with("//!"), "{name} has no module doc");
    }
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
