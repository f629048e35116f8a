//! The house rules that a program can check: budgets, module docs, leftovers, tables and quotes that must not drift.

#[path = "tidy/crates.rs"]
mod crates;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

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
fn the_reading_promises_hold() {
    let files = rust_files(&["runtime/src", "gather/src"]);
    let engine = ["join", "waker", "ready"];
    let promises = [
        ("the circle", 1_400, lines_of_code(&files, |name| name.starts_with("runtime/src/circle/"))),
        (
            "gather's engine, its wakers and its ready set",
            500,
            lines_of_code(&files, |name| engine.iter().any(|it| name == format!("gather/src/{it}.rs"))),
        ),
    ];
    for (what, most, lines) in promises {
        assert!(lines > 0, "{what}: nothing was counted");
        assert!(lines <= most, "{what}: {lines} lines of code, where the reader was promised at most {most}");
    }
}

/// The folders of `runtime/src`, from the bottom to the top: a file uses its own level and those below. What stands in
/// `runtime/src` itself, `net/` and `sync/` are the public modules.
const LEVELS: [&str; 5] = ["parts", "circle", "threads", "the public modules", "trace or explore"];

/// What any level may name of the trace: the macro, and what futures carry for it. They are nothing when it is off.
const OF_ANY_LEVEL: [&str; 9] =
    ["At", "ChannelMark", "Identity", "Mark", "PanicMark", "PermitMark", "Reason", "Scope", "holders"];

/// Arrows that go up all the same, each with its reason in ARCHITECTURE.md: the file, and what it names.
const EXCEPTIONS: [(&str, &str); 0] = [];

fn level(file: &str) -> usize {
    let folder =
        file.strip_prefix("runtime/src/").and_then(|rest| rest.split_once('/')).map_or("", |(folder, _)| folder);
    match folder {
        "parts" => 0,
        "circle" => 1,
        "threads" => 2,
        "trace" | "explore" => 4,
        _ => 3,
    }
}

/// The paths below `crate` that a file's code names, as `circle::run::Core`: from `use` lines, braces spread out, and from
/// where they stand in the code.
fn paths(source: &str) -> Vec<String> {
    let code = code(source).join(" ");
    let mut found = Vec::new();
    for piece in code.split("crate::").skip(1) {
        let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
        let end = piece.find(|c| !is_path(c)).unwrap_or(piece.len());
        let path = piece[..end].trim_end_matches(':');
        match piece[end..].strip_prefix('{').and_then(|rest| rest.split_once('}')) {
            Some((names, _)) => found.extend(names.split(',').map(|name| match (path, name.trim()) {
                ("", name) => name.to_owned(),
                (path, name) => format!("{path}::{name}"),
            })),
            None => found.push(path.to_owned()),
        }
    }
    found
}

/// The file of `runtime/src` in which a path below `crate` is defined: the longest beginning that is a file.
fn file_of(path: &str, files: &BTreeMap<String, String>) -> Option<String> {
    let parts: Vec<&str> = path.split("::").collect();
    (1..=parts.len()).rev().find_map(|n| {
        let stem = format!("runtime/src/{}", parts[..n].join("/"));
        [format!("{stem}.rs"), format!("{stem}/mod.rs")].into_iter().find(|file| files.contains_key(file))
    })
}

#[test]
fn arrows_between_folders_go_one_way() {
    let files = rust_files(&["runtime/src"]);
    let mut arrows = 0;
    for (name, source) in &files {
        // The list of modules, and the macro itself, name all.
        if name == "runtime/src/lib.rs" || name == "runtime/src/trace/macros.rs" {
            continue;
        }
        for path in paths(source) {
            let root = path.split("::").next().unwrap();
            if OF_ANY_LEVEL.contains(&root) || EXCEPTIONS.contains(&(name.as_str(), path.as_str())) {
                continue;
            }
            // A name of the crate's root is a public name.
            let target = file_of(&path, &files).unwrap_or_else(|| "runtime/src/lib.rs".to_owned());
            assert!(
                level(&target) <= level(name),
                "{name} is of {}, and names crate::{path}, which is of {}: hand it what it needs from above",
                LEVELS[level(name)],
                LEVELS[level(&target)],
            );
            arrows += 1;
        }
    }
    assert!(arrows > 100, "only {arrows} arrows were found");
    let architecture = read("ARCHITECTURE.md");
    for (file, path) in EXCEPTIONS {
        assert!(architecture.contains(file), "ARCHITECTURE.md gives no reason why {file} names crate::{path}");
    }
}

#[test]
fn no_import_circle_has_more_than_six_files() {
    for (of, prefix) in [("runtime/src", "runtime/src/"), ("gather/src", "gather/src/")] {
        let files = rust_files(&[of]);
        let names: Vec<&String> = files.keys().filter(|name| !name.ends_with("lib.rs")).collect();
        let find = |path: &str| match prefix {
            "runtime/src/" => file_of(path, &files),
            _ => Some(format!("{prefix}{}.rs", path.split("::").next()?)).filter(|file| files.contains_key(file)),
        };
        let position = |file: &String| names.iter().position(|name| *name == file);
        // Who reaches whom: at first in one step, then in any number.
        let mut reaches = vec![vec![false; names.len()]; names.len()];
        for (from, name) in names.iter().enumerate() {
            for to in paths(&files[*name]).iter().filter_map(|path| position(&find(path)?)) {
                reaches[from][to] = true;
            }
        }
        for by in 0..names.len() {
            let from_there = reaches[by].clone();
            for row in reaches.iter_mut().filter(|row| row[by]) {
                row.iter_mut().zip(&from_there).for_each(|(reach, further)| *reach |= further);
            }
        }
        for (from, row) in reaches.iter().enumerate() {
            let circle: Vec<_> = (0..names.len()).filter(|&to| row[to] && reaches[to][from]).collect();
            let circle: Vec<_> = circle.into_iter().map(|at| names[at]).collect();
            assert!(circle.len() <= 6, "{} files import each other in a circle: {circle:?}", circle.len());
        }
        assert!(reaches.iter().flatten().filter(|reach| **reach).count() > 20, "hardly an import was found in {of}");
    }
}

#[test]
fn every_file_of_the_circle_says_what_to_read_before_it() {
    for (name, source) in rust_files(&["runtime/src/circle"]) {
        if name.ends_with("mod.rs") {
            continue;
        }
        let before = source.lines().find_map(|line| line.strip_prefix("//! Read before: "));
        let before = before.unwrap_or_else(|| panic!("{name} does not say what to read before it"));
        for file in before.split('`').skip(1).step_by(2).filter(|word| word.ends_with(".rs")) {
            let there = ["runtime/src/circle/", "runtime/src/parts/"]
                .iter()
                .any(|folder| top().join(folder).join(file).exists());
            assert!(there, "{name} says to read {file} before it, which is not there");
        }
        assert!(source.lines().any(|line| line.starts_with("//! Grew from ")), "{name} does not say from what it grew");
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
fn signals_are_sent_by_the_shell() {
    // The program `kill` is not on every machine; each shell has one of its own. Written so that this finds not itself.
    let program = ["Command::new(", "\"kill\")"].concat();
    for (name, source) in rust_files(&["runtime", "gather", "examples", "benches", "tests"]) {
        assert!(!source.contains(&program), "{name} starts the program `kill`: tests have `tests::send_signal`");
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
    assert!(blocks <= 20, "{blocks} unsafe blocks, where at most 20 are allowed");
}

/// An example target.
struct Example {
    name: String,
    /// Its file, from the top.
    path: String,
    /// Its entry in the manifest.
    entry: String,
}

/// The example targets of every package whose manifest lies below `examples`, and its file, from that folder, in links.
/// Without those of the course, whose own README and tests list them.
fn example_targets() -> Vec<(Example, String)> {
    let mut found = Vec::new();
    let mut folders = vec![String::new()];
    for entry in fs::read_dir(top().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.join("Cargo.toml").exists() && !path.ends_with("course") {
            folders.push(format!("{}/", path.file_name().unwrap().to_str().unwrap()));
        }
    }
    for folder in folders {
        let manifest = read(format!("examples/{folder}Cargo.toml"));
        for target in manifest.split("[[example]]").skip(1) {
            let entry = target.split("\n\n").next().unwrap().to_owned();
            let field = |name: &str| {
                let value = entry.split(&format!("{name} = \"")).nth(1).and_then(|rest| rest.split('"').next());
                value.unwrap_or_else(|| panic!("examples/{folder}Cargo.toml: a target without {name}")).to_owned()
            };
            let (name, link) = (field("name"), format!("{folder}{}", field("path")));
            found.push((Example { name, path: format!("examples/{link}"), entry }, link));
        }
    }
    found
}

#[test]
fn every_example_stands_in_the_table() {
    let table = read("examples/README.md");
    let targets = example_targets();
    for name in ["load_test", "step", "own"] {
        assert!(targets.iter().any(|(target, _)| target.name == name), "{name} was not found");
    }
    for (Example { name, path, .. }, link) in targets {
        let link = format!("[{name}]({link})");
        assert!(table.contains(&link), "examples/README.md does not list {name}");
        assert!(table.contains(&format!("--example {name}")), "examples/README.md has no command for {name}");
        let lines = code(&read(path)).len();
        let row = table.lines().find(|line| line.contains(&link)).unwrap();
        assert!(row.ends_with(&format!("| {lines} |")), "{name} has {lines} lines of code; its row says: {row}");
        assert!(lines <= 200, "{name} has {lines} lines of code, and a program has at most 200");
    }
}

#[test]
fn every_example_says_how_to_run_it() {
    let mut heavy = 0;
    for (Example { name, path, entry }, _) in example_targets() {
        let feature = entry.contains(&format!("required-features = [\"{name}\"]"));
        heavy += usize::from(feature);
        let command = if feature { format!("--features {name} --example {name}") } else { format!("--example {name}") };
        let is_doc = |line: &&str| line.starts_with("//! $ ") && line.contains(&command);
        assert!(read(&path).lines().any(|line| is_doc(&line)), "{path} does not name its command: … {command}");
    }
    assert!(heavy >= 3, "only {heavy} examples with a feature of their own were found");
}

#[test]
fn a_program_in_release_mode_is_asked_for_with_its_package() {
    // Without the package, cargo builds the program with whatever any package here asks for, the tests among them: the
    // loop would have the trace in it, and the explorer, and be slower to build and slower to run.
    let mut texts = rust_files(&["examples"]);
    for name in ["README.md", "examples/README.md", "examples/course/README.md", ".ci/run"] {
        texts.insert(name.to_owned(), read(name));
    }
    let mut found = 0;
    for (name, text) in texts {
        for line in text.lines().filter(|line| line.contains("--release ") && line.contains("--example ")) {
            for (at, _) in line.match_indices("--example ") {
                let command = line[..at].rsplit("cargo ").next().unwrap();
                assert!(command.contains(" -p "), "{name}: no package in this command: {}", line.trim());
                found += 1;
            }
        }
    }
    assert!(found > 40, "only {found} commands were found");
    // And with its package it has none of that.
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "-p", "examples", "-e", "features,normal", "-i", "runtime", "--offline", "--locked"])
        .current_dir(top())
        .output()
        .unwrap();
    let tree = String::from_utf8(tree.stdout).unwrap();
    assert!(tree.contains("runtime feature \"futures\""), "{tree}");
    assert!(["trace", "explore"].iter().all(|it| !tree.contains(&format!("runtime feature \"{it}\""))), "{tree}");
}

#[test]
fn the_files_that_the_tables_of_the_examples_list_count_right() {
    let table = read("examples/README.md");
    let mut rows = 0;
    for line in table.lines().filter(|line| line.starts_with("| [")) {
        let path = line.split("](").nth(1).and_then(|rest| rest.split(')').next()).unwrap();
        rows += 1;
        let lines = code(&read(format!("examples/{path}"))).len();
        assert!(line.ends_with(&format!("| {lines} |")), "{path} has {lines} lines of code; its row says: {line}");
    }
    assert!(rows >= 30, "only {rows} rows were found");
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
    let modules = source.lines().filter_map(|line| {
        line.trim_start_matches("pub ").trim_start_matches("pub(crate) ").strip_prefix("mod ")?.strip_suffix(';')
    });
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
    let mut files = in_reading_order("runtime/src/lib.rs", &["macros", "trace", "explore"]);
    let concepts: Vec<String> =
        files.iter().map(|file| file.strip_prefix("runtime/src/").unwrap().to_owned()).collect();
    let architecture = read("ARCHITECTURE.md");
    let map = architecture.split("## Code map").nth(1).and_then(|rest| rest.split("| `trace/` |").next()).unwrap();
    let rows = map.lines().filter_map(|line| line.strip_prefix("| `")?.split(" |").next());
    let named: Vec<&str> = rows.flat_map(|row| row.split(", ").map(|name| name.trim_matches('`'))).collect();
    assert_eq!(named, concepts, "the code map of ARCHITECTURE.md, and the mod lines of runtime/src");

    files.extend(in_reading_order("gather/src/lib.rs", &["testing"]));
    let readme = read("README.md");
    let table = readme.split("## Reading order").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
    let links = table.lines().filter(|line| line.starts_with("| ["));
    let named: Vec<&str> = links.filter_map(|line| line.split("](").nth(1)?.split(')').next()).collect();
    assert_eq!(named, files, "the reading order of README.md, and the mod lines");
}

#[test]
fn every_file_says_what_to_read_before_it_and_that_stands_before_it() {
    for (lib, except) in
        [("runtime/src/lib.rs", vec!["macros", "trace", "explore"]), ("gather/src/lib.rs", vec!["testing"])]
    {
        let order = in_reading_order(lib, &except);
        for (at, file) in order.iter().enumerate() {
            let source = read(file);
            let head: Vec<&str> = source.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim).collect();
            let head = head.join(" ");
            let named = head.split_once("Read before: ").map(|it| it.1);
            let named = named.unwrap_or_else(|| panic!("{file} does not say what to read before it"));
            // Up to the end of the sentence; a file's name has a dot inside of its backticks.
            let sentence = named.split(". ").next().unwrap();
            for name in sentence.split('`').filter(|word| word.ends_with(".rs")) {
                // A part is read where it is needed first: its folder stands behind the circle.
                let is_part = top().join("runtime/src/parts").join(name).exists() && lib.starts_with("runtime");
                let before = order[..at].iter().any(|it| it.ends_with(&format!("/{name}")));
                assert!(before || is_part, "{file} says to read {name} before it, which stands behind it");
            }
        }
    }
}

#[test]
fn the_turn_is_on_one_screen_and_nothing_of_the_loop_is_longer() {
    let source = read("runtime/src/circle/run.rs");
    let lines: Vec<&str> = source.lines().collect();
    let mut found = BTreeMap::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(rest) = line.strip_prefix("    ") else { continue };
        let rest = rest.strip_prefix("pub(crate) ").unwrap_or(rest);
        let Some(name) = rest.strip_prefix("fn ").and_then(|rest| rest.split('(').next()) else { continue };
        let length = lines[at..].iter().position(|line| *line == "    }").expect("a function ends") + 1;
        assert!(length <= 40, "{name} has {length} lines");
        found.insert(name, length);
    }
    assert!(found.contains_key("turn") && found.len() > 15, "{found:?}");
    // Two times the limit of whoever calls `Runtime::turn`, two times what mio is told. It is no mode.
    assert_eq!(source.matches("Some(Duration::ZERO)").count(), 4);
}

#[test]
fn a_line_of_the_trace_says_what_the_loop_knows() {
    let mut found = 0;
    for (name, source) in rust_files(&["runtime/src", "gather/src"]) {
        if name.starts_with("runtime/src/trace/") || name.starts_with("runtime/src/explore/") {
            continue;
        }
        for step in code(&source).join(" ").split("trace!(").skip(1) {
            let step = step.split(");").next().unwrap();
            found += 1;
            // These the recorder adds.
            for field in ["how:", "generation:", "name:", "place: ()", "child:"] {
                assert!(!step.contains(field), "{name}: trace!({step}) says {field}");
            }
        }
    }
    assert!(found > 70, "only {found} were found");
}

#[test]
fn the_code_that_the_architecture_names_is_there() {
    let sources = rust_files(&["runtime/src", "gather/src"]);
    let all = sources.values().flat_map(|source| source.split_whitespace()).collect::<Vec<_>>().join(" ");
    let architecture = read("ARCHITECTURE.md");
    let mut found = 0;
    for heading in ["## The circle\n", "## One wake, all the way\n", "## Questions that readers ask\n"] {
        let part = architecture.split(heading).nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
        let words: String = part.split("```").step_by(2).collect();
        for word in words.split('`').skip(1).step_by(2) {
            let word = word.split_whitespace().collect::<Vec<_>>().join(" ");
            let is_path = word.chars().all(|c| c.is_alphanumeric() || c == '_' || c == ':');
            let there = match word.strip_suffix(".rs") {
                Some(_) => sources.keys().any(|name| name.ends_with(&word)),
                None if word.ends_with('/') || word == "sleep(10 ms)" => true, // A folder; what the task of the walk awaits.
                None if is_path => all.contains(word.rsplit("::").next().unwrap()),
                None => all.contains(&word),
            };
            assert!(there, "ARCHITECTURE.md names `{word}`, which is nowhere");
            found += 1;
        }
    }
    assert!(found > 50, "only {found} were found");
}

#[test]
fn the_course_knows_the_faults_that_step_knows() {
    let orders = read("examples/course/orders.rs");
    let list = orders.split("FAULTS: [&str; 6] =").nth(1).unwrap().split("];").next().unwrap();
    let listed: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
    let help = read("examples/step/help.txt");
    let told = help.split("side by side. Faults:\n").nth(1).unwrap().split("      --asked").next().unwrap();
    // A line each, which begins with the fault.
    let told: Vec<&str> = told.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(listed, told, "the course's list, and the help of step");
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
        // The loop polls who was popped, and a task is polled here and nowhere else.
        "runtime/src/circle/run.rs: self",
        "runtime/src/circle/run.rs: task",
        // How a task polls its future, and how main is polled: the loop calls both.
        "runtime/src/circle/task.rs: future",
        "runtime/src/runtime.rs: main.as_mut()",
    ];
    assert_eq!(polls, expected);
}

#[test]
fn what_is_deliberately_absent_is_absent() {
    let runtime = rust_files(&["runtime/src"]);
    let lines = |name: &str| code(&runtime[&format!("runtime/src/circle/{name}.rs")]).join("\n");
    for name in ["run", "ready", "task", "result", "reactor", "timers", "ticket", "wake", "join", "context"] {
        assert!(!lines(name).contains("cfg"), "{name}.rs: a condition of the build in the loop");
    }
    // From the waker through the thread-local to the queue.
    for name in ["ready", "context"] {
        let found = ["Lock", "Mutex", "Atomic", "Arc"].into_iter().find(|word| lines(name).contains(word));
        assert_eq!(found, None, "{name}.rs, on the way of a local wake");
    }
    let statics: Vec<String> = runtime
        .iter()
        .filter(|(name, _)| !["runtime/src/trace/", "runtime/src/explore/"].iter().any(|it| name.starts_with(it)))
        .flat_map(|(name, source)| code(source).into_iter().map(move |line| (name, line.trim())))
        .map(|(name, line)| (name, line.strip_prefix("pub(crate) ").unwrap_or(line)))
        .filter_map(|(name, line)| Some(format!("{name}: {}", line.strip_prefix("static ")?.split(':').next()?)))
        .collect();
    let expected = [
        "runtime/src/circle/budget.rs: LEFT",     // of a thread, not of the process
        "runtime/src/circle/context.rs: CURRENT", // likewise
        "runtime/src/circle/remote.rs: TABLE",
        "runtime/src/circle/ticket.rs: NEXT",   // what ids are drawn from
        "runtime/src/circle/wake.rs: VTABLE",   // never changes
        "runtime/src/parts/clock.rs: JOB_TIME", // of a thread
    ];
    assert_eq!(statics, expected);
}

/// What only tells the recorder something, and makes no event.
const NO_EVENT: [&str; 4] = ["@again", "@child_spawned", "@job_submitted", "@spawned"];

#[test]
fn every_line_of_the_trace_stands_beside_the_statement_that_it_tells_of() {
    let mut found = 0;
    for (name, source) in rust_files(&["runtime/src", "gather/src"]) {
        let lines: Vec<&str> = source.lines().map(str::trim).collect();
        for (number, line) in lines.iter().enumerate() {
            let Some((_, told)) = line.split_once("trace!(") else { continue };
            let is_it = !line.starts_with("//") && name != "runtime/src/trace/macros.rs";
            if !is_it || NO_EVENT.iter().any(|it| told.contains(it)) {
                continue;
            }
            found += 1;
            let at = format!("{name}:{}: {line}", number + 1);
            let is_below = told.starts_with("below ");
            assert!(!is_below || line.ends_with(';'), "{at}: the line below is not the next statement");
            let beside = lines[if is_below { number + 1 } else { number - 1 }];
            let is_code = beside.contains(|c: char| c.is_alphanumeric()) && !beside.starts_with("//");
            let is_statement = is_code && !beside.contains("trace!(") && !beside.contains("fn ");
            assert!(is_statement, "{at}: the line beside it is no statement: {beside:?}");
        }
    }
    assert!(found > 70, "only {found} were found");
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
fn the_first_screen_of_the_readme_is_one() {
    let readme = read("README.md");
    let screen = readme.split("\n## ").next().unwrap();
    assert!(screen.lines().count() <= 25, "{} lines stand above the first heading", screen.lines().count());
    // Its ratios are those of the board.
    let results = read("benches/RESULTS.md");
    let line = screen.split("<!-- ratios -->").nth(1).and_then(|rest| rest.split("<!-- end").next()).unwrap();
    let cases = [
        ("yield ", "| yield, 1,000 tasks × 100,"),
        ("sleep ", "| 10,000 random sleeps,"),
        ("echo ", "| echo, server's CPU time, 64 × 64 B,"),
        ("echo with 1,000 sockets ", "| echo, server's CPU time, 1000 × 4 KiB,"),
    ];
    let ratios = line.split(": ").nth(1).and_then(|rest| rest.split(';').next()).unwrap();
    let expected = cases.map(|(label, case)| {
        let row = results.lines().find(|row| row.starts_with(case)).unwrap_or_else(|| panic!("no row {case}"));
        let mut above = results[..results.find(row).unwrap()].lines();
        let head = above.rfind(|line| line.starts_with("| case |")).unwrap();
        let column = head.split(" | ").position(|name| name == "× tokio").unwrap();
        format!("{label}{}", row.split(" | ").nth(column).unwrap())
    });
    assert_eq!(ratios.split(", ").collect::<Vec<_>>().join(", "), expected.join(", "));
}

/// The scoreboard writes both, in one run.
#[test]
fn the_table_of_the_readme_has_the_figures_of_the_board() {
    let (readme, results) = (read("README.md"), read("benches/RESULTS.md"));
    let table = readme.split("<!-- scoreboard -->").nth(1).and_then(|rest| rest.split("<!-- end of").next()).unwrap();
    let mut rows = 0;
    for row in table.lines().filter(|line| line.starts_with("| ")).skip(2) {
        let cells: Vec<&str> = row.trim_matches(['|', ' ']).split(" | ").collect();
        let case = format!("| {}, per ", cells[0]);
        let of_the_board = results.lines().find(|line| line.starts_with(&case));
        let of_the_board = of_the_board.unwrap_or_else(|| panic!("RESULTS.md has no row {case}"));
        // A cost is two words, after which a name may stand; a ratio is one.
        for cell in cells[1..].iter().filter(|cell| cell.starts_with(|first: char| first.is_ascii_digit())) {
            let figure = cell.split(' ').take(2).collect::<Vec<_>>().join(" ");
            assert!(of_the_board.contains(&format!(" {figure}")), "{case}{figure} is not in {of_the_board}");
        }
        rows += 1;
    }
    assert!(rows >= 10, "{rows} rows");
}

#[test]
fn the_readme_counts_the_rungs_right() {
    let readme = read("README.md");
    let mut found = 0;
    for (before, rest) in readme.match_indices("](examples/course/lessons/").map(|(at, _)| readme.split_at(at)) {
        let path = rest.trim_start_matches("](").split(')').next().unwrap();
        let words = before.rsplit('[').next().unwrap();
        let lines = code(&read(path)).len();
        assert!(
            words.ends_with(&format!("in {lines}")) || words.contains(&format!("in {lines} lines")),
            "{path}: {lines}"
        );
        found += 1;
    }
    assert_eq!(found, 3);
}

#[test]
fn the_pictures_of_the_circle_are_one_picture() {
    let picture = |text: &str| -> Vec<String> {
        let from = text.find("spawn (1)").expect("the picture begins with spawn");
        let text = &text[text[..from].rfind('\n').map_or(0, |at| at + 1)..];
        text.lines().take(7).map(|line| line.trim_start_matches("//!").trim().to_owned()).collect()
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
    let names = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "examples/README.md", ".ci/run", "Cargo.toml"];
    for name in names.into_iter().chain(["examples/step.html"]) {
        texts.insert(name.to_owned(), read(name));
    }
    for (name, text) in texts {
        for word in &foreign {
            assert!(!text.contains(word.as_str()), "{name} speaks of {word}");
        }
    }
}

/// A mutant whose text has gone could not be made any more: see `mutants.py`.
#[test]
fn the_text_of_every_mutant_stands_once_in_its_file() {
    let table = read("tests/mutants.txt");
    let mut mutants = 0;
    for mutant in table.split("\n== ").skip(1) {
        let (title, edits) = mutant.split_once('\n').unwrap();
        mutants += 1;
        let mut files = 0;
        for edit in format!("\n{edits}").split("\n@ ").skip(1) {
            let (file, lines) = edit.split_once('\n').unwrap();
            let old: Vec<&str> = lines.lines().filter_map(|line| line.strip_prefix('-')).collect();
            assert!(!old.is_empty(), "{title}: nothing goes");
            assert!(old.iter().all(|line| line.starts_with(' ')), "{title}: the lines of {file} are whole lines");
            let times = read(file).matches(&(old.join("\n") + "\n")).count();
            assert_eq!(times, 1, "{title}: so often its text stands in {file}");
            files += 1;
        }
        assert!(files > 0, "{title}: no file");
    }
    assert!(mutants >= 12, "{mutants} mutants");
}

#[test]
fn whoever_says_that_something_is_left_out_puts_it_on_the_list() {
    let mark = ["LEFT", " OUT: "].concat();
    let mut found = 0;
    for (name, text) in rust_files(&["tests"]) {
        let lines: Vec<&str> = text.lines().collect();
        for (at, _) in lines.iter().enumerate().filter(|(_, line)| line.contains(&mark)) {
            found += 1;
            let next = lines.get(at + 1).copied().unwrap_or_default();
            assert!(next.contains("list_left_out("), "{name}:{}: it is not put on the list", at + 1);
        }
    }
    assert!(found >= 3, "only {found} were found");
}

#[test]
fn the_figures_beside_wrk_in_the_readme_are_those_of_the_table() {
    let (readme, table) = (read("README.md"), read("examples/README.md"));
    let said = readme.split("wrk is written in C").nth(1).unwrap().split("[how]").next().unwrap();
    for name in ["load_test", "wrk", "hey"] {
        let row = table.lines().find(|line| line.starts_with(&format!("| {name} | "))).unwrap();
        let rate = row.split(" | ").nth(1).unwrap().split(' ').next().unwrap();
        assert!(said.contains(rate), "README.md does not have {name}'s {rate}");
    }
}

#[test]
fn every_row_of_what_the_articles_say_names_programs_that_are_there() {
    let text = read("examples/README.md");
    let table =
        text.split("## What the articles say, and where it runs").nth(1).unwrap().split("\n## ").next().unwrap();
    let targets = example_targets();
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| ")).skip(2).collect();
    assert!(rows.len() >= 30, "{} rows", rows.len());
    for row in rows {
        let here = row.split(" | ").nth(1).unwrap();
        let names: Vec<&str> = here.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty() || here == "none", "{row}");
        for name in names.into_iter().filter(|name| *name != "gather::Outcomes") {
            let (name, rest) = name.split_once(' ').unwrap_or((name, ""));
            assert!(targets.iter().any(|(target, _)| target.name == name), "no program {name}: {row}");
            assert!(name != "claims" || (1..=6).any(|number| rest == number.to_string()), "no such claim: {row}");
        }
    }
}
