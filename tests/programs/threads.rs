//! `threads`: the same waits, four ways.

use crate::process::{Done, run};

/// Milliseconds and threads of the line that begins so.
#[track_caller]
fn measured(done: &Done, title: &str) -> (f64, u64) {
    let line = done.line(title);
    let words: Vec<&str> = line.split(title).nth(1).expect(line).split_whitespace().collect();
    let time = match words[0].strip_suffix("ms") {
        Some(milliseconds) => milliseconds.parse(),
        None => words[0].trim_end_matches('s').parse().map(|seconds: f64| 1e3 * seconds),
    };
    (time.expect(line), words[1].parse().expect(line))
}

#[test]
fn a_pool_is_as_narrow_as_a_gather_with_its_limit_and_no_way_is_early() {
    let done = run("threads", &["--waits", "100", "--pool", "20", "--seconds", "0.05"]);
    assert_eq!((done.code(), done.stderr.as_str()), (0, ""), "{done:?}");
    done.says("100 waits of 50ms");
    // All at once, or five times twenty.
    for (title, least, threads) in [
        ("a thread for each", 50.0, 100),
        ("a pool of threads", 250.0, 20),
        ("gather   ", 50.0, 0),
        ("gather, pool's limit", 250.0, 0),
    ] {
        let (time, count) = measured(&done, title);
        assert!(time >= least && count == threads, "{title}: {done:?}");
    }
}

#[test]
fn a_way_that_cannot_be_gone_is_reported_and_the_others_are_measured() {
    // Room for the program, and not for a thousand stacks. Each is large, so that where there is no room for one more,
    // there still is for what the program has to say; and no thread reserves memory of its own.
    let mut command = std::process::Command::new("sh");
    let program = crate::process::binary("threads");
    command.args(["-c", "ulimit -v 800000; exec \"$0\" --waits 1000 --pool 2 --seconds 0.01"]).arg(program);
    command.env("RUST_MIN_STACK", (64 << 20).to_string()).env("MALLOC_ARENA_MAX", "1");
    let done = crate::process::Program::spawn(&mut command).finish();
    assert_eq!(done.code(), 1, "{done:?}");
    let line = done.line("a thread for each");
    assert!(line.contains("   failed: Resource temporarily unavailable (os error 11) after "), "{done:?}");
    assert!(line.ends_with(" threads: ask for fewer --waits, or raise `ulimit -u` and `ulimit -v`"), "{done:?}");
    assert_eq!(measured(&done, "gather   ").1, 0);
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for arguments in [["--waits", "0"], ["--pool", "-1"], ["--seconds", "x"], ["--only", "coroutines"]] {
        let done = run("threads", &arguments);
        assert_eq!((done.code(), done.stdout.as_str()), (2, ""), "{done:?}");
    }
}
