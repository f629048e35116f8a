//! What the compiler says to who writes gather as in Python: the message is the lesson. Each program here is compiled
//! against the gather that this test is linked with, and does not compile.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// The sentence that the trait `Futures` gives the compiler.
const MESSAGE: &str = "a gather takes one collection of futures of one type; for different types `gather!(a, b)`";

/// Two async functions, as a reader from Python has them.
const FUNCTIONS: &str = "async fn a() -> u32 { 1 }\nasync fn b() -> u32 { 2 }\n";

/// Compiles a program whose main awaits `expression`, and gives what the compiler said: the errors in their order, each
/// with its first line; and everything.
fn compile(name: &str, expression: &str) -> (Vec<String>, String) {
    let deps = std::env::current_exe().unwrap().parent().expect("tests lie in a folder").to_owned();
    let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let source = out.join(format!("{name}.rs"));
    let main = format!("fn main() {{ runtime::block_on(async {{ _ = {expression}; }}); }}\n");
    fs::write(&source, format!("#![allow(unused)]\nuse gather::*;\n{FUNCTIONS}{main}")).unwrap();
    let mut said = None;
    // Builds with other features may lie beside the one in use: a program that is right tells which of them fits.
    for (gather, runtime) in libraries(&deps, "gather")
        .iter()
        .flat_map(|gather| libraries(&deps, "runtime").into_iter().map(move |runtime| (gather.clone(), runtime)))
    {
        let output = Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into()))
            .args(["--edition=2024", "--emit=metadata", "--color=never", "--diagnostic-width=160"])
            .arg(format!("--extern=gather={}", gather.display()))
            .arg(format!("--extern=runtime={}", runtime.display()))
            .arg(format!("-Ldependency={}", deps.display()))
            .arg(format!("--out-dir={}", out.display()))
            .arg(&source)
            .output()
            .expect("rustc starts");
        let text = String::from_utf8(output.stderr).unwrap();
        // Libraries that do not belong together say so before they look at the program.
        if !["E0460", "E0461", "E0463", "E0514", "E0786"].iter().any(|code| text.contains(code)) {
            said = Some(text);
            break;
        }
    }
    let said = said.expect("a gather and a runtime that belong together");
    let errors = said.lines().filter(|line| line.starts_with("error")).map(str::to_owned).collect();
    (errors, said)
}

/// The libraries of this name, the newest first.
fn libraries(deps: &PathBuf, name: &str) -> Vec<PathBuf> {
    let is_it = |path: &PathBuf| {
        let file = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
        file.starts_with(&format!("lib{name}-")) && file.ends_with(".rlib")
    };
    let mut found: Vec<PathBuf> =
        fs::read_dir(deps).unwrap().map(|entry| entry.unwrap().path()).filter(is_it).collect();
    found.sort_by_key(|path| std::cmp::Reverse(fs::metadata(path).unwrap().modified().unwrap()));
    found
}

/// The first error has the sentence and its notes.
#[track_caller]
fn assert_told(name: &str, expression: &str) -> String {
    let (errors, said) = compile(name, expression);
    assert_eq!(errors.first(), Some(&format!("error[E0277]: {MESSAGE}")), "{said}");
    assert!(said.contains("this is not a collection of futures"), "{said}");
    assert!(said.contains("in place of `gather(a(), b())`: `gather!(a(), b()).await`"), "{said}");
    assert!(said.contains("a collection is an array, a `Vec` or an iterator"), "{said}");
    said
}

#[test]
fn what_is_right_compiles() {
    for (n, expression) in
        ["gather!(a(), b()).await", "gather([a(), a()]).await", "gather_tasks(vec![a()]).await"].into_iter().enumerate()
    {
        let (errors, said) = compile(&format!("right_{n}"), expression);
        assert!(errors.is_empty(), "{expression}: {said}");
    }
}

#[test]
fn two_arguments_are_told_of_the_macro_before_the_advice_to_remove_one() {
    for form in ["gather", "try_gather", "gather_tasks", "try_gather_tasks", "race", "first_ok", "as_completed"] {
        let said = assert_told(&format!("two_{form}"), &format!("{form}(a(), b())"));
        let (told, counted) = (said.find(MESSAGE).unwrap(), said.find("E0061").expect("one argument too many"));
        assert!(told < counted, "{said}");
    }
}

#[test]
fn one_future_is_no_collection() {
    assert_told("one", "gather(a()).await");
    assert_told("a_tuple", "gather((a(), b())).await");
}

#[test]
fn a_collection_of_something_else_is_no_collection_of_futures() {
    assert_told("numbers", "gather([1, 2]).await");
    assert_told("functions", "gather([a, a]).await");
    assert_told("closures", "gather_tasks([1, 2].map(|n| move || n)).await");
}

#[test]
fn an_array_of_two_types_has_its_cure_in_the_docs() {
    let (errors, said) = compile("array", "gather([a(), b()]).await");
    assert_eq!(errors.first().map(String::as_str), Some("error[E0308]: mismatched types"), "{said}");
    assert!(said.contains("found a different future"), "{said}");
    let docs = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../gather/src/futures.rs")).unwrap();
    assert!(docs.contains("`gather([a(), b()])`") && docs.contains("E0308") && docs.contains("gather!(a(), b())"));
}

#[test]
fn a_spawned_gather_of_an_iterator_that_borrows_has_its_cure_in_the_docs() {
    let spawned =
        |children: &str| format!("{{ fn f(urls: &[u32]) {{ drop(runtime::spawn(gather({children}))); }} f(&[1]) }}");
    let borrows = "urls.iter().map(|&n| async move { n })";
    let (errors, said) = compile("borrows", &spawned(borrows));
    assert!(errors.first().is_some_and(|error| error.starts_with("error[E0521]")), "{said}");
    let (errors, said) = compile("collected", &spawned(&format!("{borrows}.collect::<Vec<_>>()")));
    assert!(errors.is_empty(), "{said}");
    let docs = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../gather/src/in_place.rs")).unwrap();
    assert!(docs.contains("E0521") && docs.contains(".collect::<Vec<_>>()"));
}
