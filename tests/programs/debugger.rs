//! The loop in gdb and in lldb: every session and every breakpoint that `examples/step/DEBUGGER.md` tells of is tried as it
//! stands there.

use crate::process::{Done, Program, binary};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Once;

/// The page, and a name for it in messages.
const PAGE: &str = "examples/step/DEBUGGER.md";

fn page() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(PAGE)).expect("the page is there")
}

/// What a fenced block of this kind holds, for each block in its order, with what stands behind it.
fn blocks<'a>(page: &'a str, kind: &str) -> Vec<(&'a str, &'a str)> {
    let fence = format!("```{kind}\n");
    let parts = page.split(fence.as_str()).skip(1);
    parts.map(|part| part.split_once("```").expect("the block has an end")).collect()
}

/// The program `step` as the page has it built: with variables and types.
fn step_for_debuggers() -> PathBuf {
    static BUILT: Once = Once::new();
    let folder = binary("step").ancestors().nth(3).expect("it lies in target/debug/examples").to_path_buf();
    BUILT.call_once(|| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--profile", "debugger", "-p", "step", "--example", "step"]);
        let is_built = cargo.arg("--target-dir").arg(&folder).status().expect("there is a cargo").success();
        assert!(is_built, "step does not compile in the profile for debuggers");
    });
    folder.join("debugger/examples/step")
}

/// Runs gdb on `step` with these commands, as the page says. `None`: there is no gdb.
fn gdb(test: &str, commands: &[&str]) -> Option<Done> {
    if Command::new("gdb").arg("--version").stdout(Stdio::null()).status().is_err() {
        let required = std::env::var_os("GLASSLOOP_REQUIRE_TOOLS").is_some();
        assert!(!required, "gdb is not installed, and GLASSLOOP_REQUIRE_TOOLS is set");
        writeln!(io::stderr(), "LEFT OUT: {test}, for gdb is not installed").expect("stderr takes a line");
        tests::list_left_out(&format!("{test} is left out: gdb is not installed"));
        return None;
    }
    let step = step_for_debuggers();
    let target = step.ancestors().nth(3).expect("it lies in target/debugger/examples");
    let mut command = Command::new("gdb");
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    // No settings of whoever runs this, and nothing is asked of a server for debug information.
    command.env("HOME", env!("CARGO_TARGET_TMPDIR")).env_remove("DEBUGINFOD_URLS").args(["-batch", "-nh"]);
    command.arg("-iex").arg(format!("set auto-load safe-path {}", target.display()));
    for line in commands {
        command.args(["-ex", line]);
    }
    Some(Program::spawn(command.arg(step)).finish())
}

#[test]
fn every_session_of_the_page_shows_what_the_page_quotes() {
    let page = page();
    let mut quoted = 0;
    for (session, behind) in blocks(&page, "gdb") {
        let commands: Vec<&str> = session.lines().collect();
        let Some(done) = gdb("the sessions in gdb", &commands) else { return };
        // What the next block quotes, if it comes before the next session.
        let until = behind.split("```gdb\n").next().expect("there is a first part");
        for (quote, _) in blocks(until, "text").iter().take(1).filter(|(quote, _)| !quote.starts_with('$')) {
            for line in quote.lines() {
                quoted += 1;
                done.says(line);
            }
        }
        for wrong in ["Error", "Exception", "not defined", "No symbol"] {
            assert!(!done.stderr.contains(wrong), "{commands:?}: {}", done.stderr);
        }
    }
    assert!(quoted >= 8, "only {quoted} lines are quoted");
}

#[test]
fn every_breakpoint_of_the_page_is_a_function_of_the_loop() {
    let page = page();
    let names: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split('`').nth(1))
        .filter(|name| name.starts_with("runtime::") || name.starts_with("gather::"))
        .collect();
    assert!(names.len() >= 12, "{names:?}");
    let commands: Vec<String> = names.iter().map(|name| format!("break {name}")).collect();
    let Some(done) = gdb("the breakpoints in gdb", &commands.iter().map(String::as_str).collect::<Vec<_>>()) else {
        return;
    };
    let set = done.stdout.lines().filter(|line| line.starts_with("Breakpoint ") && line.contains(" at 0x")).count();
    assert_eq!(set, names.len(), "{}{}", done.stdout, done.stderr);
}

#[test]
fn no_step_ends_at_a_line_of_the_trace() {
    let here =
        "python print('AT', gdb.selected_frame().find_sal().symtab.filename, gdb.selected_frame().find_sal().line)";
    let mut commands = vec!["skip -rfu ^(core|alloc|std|slab)::", "break runtime::circle::core::Core::turn"];
    commands.extend(["run tasks --text > /dev/null", here]);
    for step in ["step"; 80].into_iter().chain(["next"; 40]) {
        commands.extend([step, here]);
    }
    let Some(done) = gdb("stepping in gdb", &commands) else { return };
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (mut ends, mut files) = (0, std::collections::BTreeSet::new());
    for place in done.stdout.lines().filter_map(|line| line.strip_prefix("AT ")) {
        let (file, line) = place.split_once(' ').expect("a file and a line");
        let source = fs::read_to_string(top.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        let text = source.lines().nth(line.parse::<usize>().expect("a number") - 1).expect("the file has that line");
        let told = text.contains("trace!(") || text.contains("explore!(");
        assert!(!told, "{place}: {text}\n{}", done.stdout);
        ends += 1;
        files.insert(file.to_owned());
    }
    assert_eq!(ends, 121, "{}{}", done.stdout, done.stderr);
    assert!(!files.iter().any(|file| file.contains("/trace/") || file.contains("/explore/")), "{files:?}");
    assert!(files.len() > 2, "it has stayed in {files:?}");
    // The same lines are passed on the way: gdb shows each at which it did not stay.
    assert!(done.stdout.contains("trace!("), "no line of the trace lay on the way: {}", done.stdout);
}

#[test]
fn a_waker_is_shown_as_its_ticket_and_a_stop_outside_of_a_loop_is_told() {
    let Some(done) = gdb(
        "a waker in gdb",
        &[
            "break runtime::circle::timers::Timers::arm",
            "run gather --text > /dev/null",
            "continue",
            "glass timers",
            "kill",
            "glass tasks",
        ],
    ) else {
        return;
    };
    done.says("waker=");
    assert!(done.stderr.contains("no loop runs on this thread: stop inside of one"), "{}", done.stderr);
    let Some(done) = gdb(
        "a waker in gdb",
        &["break runtime::circle::timers::Timers::arm", "run sleep --text > /dev/null", "print waker"],
    ) else {
        return;
    };
    done.says("$1 = runtime 0, slot 0, generation 0");
}

/// VS Code itself is not started: what its files name is there, and gdb takes their commands.
#[test]
fn the_launch_files_for_vs_code_are_json_their_paths_exist_and_gdb_takes_their_commands() {
    let page = page();
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let files = blocks(&page, "json");
    assert_eq!(files.len(), 2, "one for each extension");
    let mut for_gdb = Vec::new();
    for (file, _) in files {
        // VS Code allows comments.
        let lines = file.lines().filter(|line| !line.trim_start().starts_with("//"));
        let text = lines.collect::<Vec<_>>().join("\n");
        let launch: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        for it in launch["configurations"].as_array().expect("a list") {
            let texts = |name: &str| -> Vec<String> {
                let list = it[name].as_array().map_or(&[][..], Vec::as_slice);
                list.iter().map(|it| it.as_str().or(it["text"].as_str()).expect("a text").to_owned()).collect()
            };
            let program = texts("args")[0].clone();
            assert!(top.join(format!("examples/step/programs/{program}.rs")).is_file(), "{program} is no program");
            assert_eq!((&it["request"], &it["cwd"]), (&"launch".into(), &"${workspaceFolder}".into()));
            // Either cargo says where it has put the example, or it is where cargo puts it.
            let built = "${workspaceFolder}/target/debugger/examples/step";
            let by_cargo = it["program"] == "${cargo:program}"
                && it["cargo"]["args"] == serde_json::json!(["build", "--example=step", "--profile=debugger"]);
            assert!(by_cargo || it["program"] == built, "{it}");
            let all = texts("preRunCommands").into_iter().chain(texts("initCommands")).chain(texts("setupCommands"));
            for command in all {
                if let Some((_, path)) = command.split_once("${workspaceFolder}/") {
                    assert!(top.join(path).is_file(), "{path}");
                }
            }
            if it["MIMode"] == "gdb" {
                let first = it["miDebuggerArgs"].as_str().expect("a text");
                assert_eq!(
                    first, "-iex \"set auto-load safe-path ${workspaceFolder}/target\"",
                    "as gdb is started here"
                );
                for_gdb.extend(texts("setupCommands"));
            }
        }
    }
    assert_eq!(for_gdb.len(), 1, "{for_gdb:?}");
    let commands: Vec<String> = for_gdb.iter().map(|it| format!("interpreter-exec mi \"{it}\"")).collect();
    let Some(done) = gdb("the commands of VS Code", &commands.iter().map(String::as_str).collect::<Vec<_>>()) else {
        return;
    };
    assert_eq!(done.stdout.matches("^done").count(), 1, "{}{}", done.stdout, done.stderr);
}

/// An lldb that can run a script, if there is one.
fn lldb() -> Option<&'static str> {
    let names = ["lldb", "lldb-19", "lldb-18", "lldb-17", "lldb-16"];
    let has_python = |name: &&str| {
        let asked = Command::new(name).args(["-x", "-b", "-o", "script print(6 * 7)"]).output();
        asked.is_ok_and(|said| String::from_utf8_lossy(&said.stdout).contains("\n42\n"))
    };
    names.into_iter().find(has_python)
}

#[test]
fn the_session_in_lldb_stops_in_the_loop_and_at_no_line_of_the_trace() {
    let page = page();
    let (session, behind) = blocks(&page, "lldb")[0];
    // Unlike gdb it is no tool that CI asks for.
    let Some(name) = lldb() else {
        writeln!(io::stderr(), "LEFT OUT: the session in lldb, for no lldb with Python is installed").expect("stderr");
        tests::list_left_out("the session in lldb is left out: no lldb with Python is installed");
        return;
    };
    let mut command = Command::new(name);
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).args(["-x", "-b"]);
    command.env("HOME", env!("CARGO_TARGET_TMPDIR"));
    let names = behind.split('`').filter(|name| name.ends_with("::h"));
    let breakpoints: Vec<String> = names.map(|name| format!("breakpoint set --func-regex {name}")).collect();
    assert!(breakpoints.len() >= 4, "{breakpoints:?}");
    // On through the whole poll, beyond the statements that tell the trace of its beginning and of its end.
    for line in session.lines().chain(["next"; 8]).chain(breakpoints.iter().map(String::as_str)) {
        command.args(["-o", line]);
    }
    let done = Program::spawn(command.arg("--").arg(step_for_debuggers()).args(["sleep", "--text"])).finish();
    done.says("(runtime::circle::ticket::Ticket) ticket = ");
    let stops: Vec<&str> = done.stdout.lines().filter(|line| line.starts_with("->")).collect();
    assert!(stops.len() >= 12, "{}{}", done.stdout, done.stderr);
    let told = stops.iter().find(|line| line.contains("trace!(") || line.contains("explore!("));
    assert!(told.is_none(), "{told:?}\n{}", done.stdout);
    assert!(done.stdout.contains("trace!("), "no line of the trace lay on the way: {}", done.stdout);
    assert!(!done.stdout.contains("no locations"), "{}", done.stdout);
}
