//! The crates of others that this project is built with: their licences, and which of them are there in two versions. The
//! list is in `CRATES.md`; this test compares it with what Cargo.lock says today.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use tests::list_left_out;

/// The licences that may be: whoever uses the code owes no more than to name its authors and to pass on the text.
const ALLOWED: [&str; 11] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    // Of data: the list of authorities that browsers trust.
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Splits an expression of SPDX at a word that stands outside of its brackets.
fn split<'a>(expression: &'a str, word: &str) -> Vec<&'a str> {
    let (mut depth, mut from, mut parts) = (0, 0, Vec::new());
    for (at, c) in expression.char_indices() {
        depth += i32::from(c == '(') - i32::from(c == ')');
        if depth == 0 && at >= from && expression[at..].starts_with(word) {
            parts.push(&expression[from..at]);
            from = at + word.len();
        }
    }
    parts.push(&expression[from..]);
    parts
}

/// Whether the licence leaves a choice that is allowed. Older crates write `/` for `OR`.
fn is_allowed(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    let inner = expression.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(&expression);
    let choices = split(inner, " OR ");
    if choices.len() > 1 {
        return choices.into_iter().any(is_allowed);
    }
    match &split(inner, " AND ")[..] {
        [one] => ALLOWED.contains(one),
        all => all.iter().all(|part| is_allowed(part)),
    }
}

/// What cargo knows of all crates for Linux, with all features. `None` where some of them are not on this machine.
fn metadata() -> Option<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--offline", "--locked", "--format-version", "1", "--all-features"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("it lies in the checkout"))
        .output()
        .expect("there is cargo: it runs this test");
    if !output.status.success() {
        // No error where tools are required, either: what is built is downloaded, and some are never built.
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        list_left_out(&format!("{test} is left out: not all crates are downloaded, and `cargo fetch` gets them"));
        return None;
    }
    Some(serde_json::from_slice(&output.stdout).expect("JSON"))
}

/// The list as it should be.
fn list(metadata: &Value) -> String {
    let packages = metadata["packages"].as_array().expect("a list");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let foreign = packages.iter().filter(|package| !package["source"].is_null());
    let (mut by_licence, mut versions) = (BTreeMap::<_, BTreeSet<_>>::new(), BTreeMap::<_, BTreeSet<_>>::new());
    let mut count = 0;
    for package in foreign {
        count += 1;
        let licence = package["license"].as_str().unwrap_or("none");
        let mut choices: Vec<&str> = licence.split('/').flat_map(|part| split(part, " OR ")).collect();
        choices.sort_unstable();
        let (name, version) = (text(&package["name"]), text(&package["version"]));
        // A crate may be there twice, with the same licence: it is listed and counted once for each version.
        by_licence.entry(choices.join(" OR ")).or_default().insert((name.clone(), version.clone()));
        versions.entry(name).or_default().insert((version, text(&package["id"])));
    }
    let mut list = format!(
        "# Crates\n\nThe {count} crates of others that Cargo.lock names for Linux, all features together. The loop itself needs \
         three:\nmio, slab and crossbeam-channel. The others are what the programs, the tests and the benchmarks are made \
         of. A test\nmakes this list anew and compares.\n\n\
         ## Versions\n\nAll are the newest that those who ask for them allow. On 2026-11-30 this command found none to move:\n\n\
         ```text\ncargo update --dry-run --verbose\n```\n\n\
         It names four of which there is a newer one. cookie-factory 0.3.3 and matchit 0.8.6: redis-protocol and axum ask \
         for\nexactly the version before. generator 0.8.12 needs Rust 1.95, and here 1.90 is enough. base64 0.23 is another \
         major\nversion: hdrhistogram and postgres-protocol ask for 0.22.\n\n\
         ## Licences\n\n| licence | crates | |\n| --- | --- | --- |\n"
    );
    for (licence, crates) in &by_licence {
        let mut names: Vec<&str> = crates.iter().map(|(name, _)| name.as_str()).collect();
        names.dedup();
        writeln!(list, "| {licence} | {} | {} |", crates.len(), names.join(", ")).expect("a string takes all");
    }
    list.push_str(
        "\n## In two versions\n\nWho asks for an older version is itself the newest there is.\n\n| crate | version | who asks for it |\n| --- | --- | --- |\n",
    );
    let names: BTreeMap<&str, &str> =
        packages.iter().map(|it| (it["id"].as_str().expect("text"), it["name"].as_str().expect("text"))).collect();
    let nodes = metadata["resolve"]["nodes"].as_array().expect("a list");
    for (name, of_it) in versions.iter().filter(|(_, of_it)| of_it.len() > 1) {
        for (version, id) in of_it {
            let asks = |node: &&Value| node["dependencies"].as_array().expect("a list").iter().any(|it| it == id);
            let who: BTreeSet<&str> =
                nodes.iter().filter(asks).map(|node| names[node["id"].as_str().expect("text")]).collect();
            let who = who.into_iter().collect::<Vec<_>>().join(", ");
            writeln!(list, "| {name} | {version} | {who} |").expect("a string takes all");
        }
    }
    list
}

#[test]
fn every_crate_has_a_licence_that_may_be() {
    for (expression, allowed) in [
        ("MIT", true),
        ("MIT/Apache-2.0", true),
        ("GPL-3.0-only OR MIT", true),
        ("GPL-3.0-only", false),
        ("MIT AND GPL-3.0-only", false),
        ("(MIT OR GPL-3.0-only) AND Unicode-3.0", true),
        ("(LGPL-3.0-only OR GPL-3.0-only) AND MIT", false),
        ("none", false),
    ] {
        assert_eq!(is_allowed(expression), allowed, "{expression}");
    }
    let Some(metadata) = metadata() else { return };
    let packages = metadata["packages"].as_array().expect("a list");
    assert!(packages.len() > 100, "only {} crates were found", packages.len());
    for package in packages {
        let licence = package["license"].as_str().unwrap_or("none");
        assert!(is_allowed(licence), "{}: {licence}", package["name"]);
    }
}

#[test]
fn the_list_of_the_crates_is_that_of_today() {
    let Some(metadata) = metadata() else { return };
    let expected = list(&metadata);
    let made = Path::new(env!("CARGO_TARGET_TMPDIR")).join("CRATES.md");
    std::fs::write(&made, &expected).expect("the target folder takes files");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("CRATES.md");
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == expected, "tests/CRATES.md is not that of today: cp {} tests/CRATES.md", made.display());
}
