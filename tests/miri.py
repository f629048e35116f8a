#!/usr/bin/env python3
"""The suites under Miri, which interprets every instruction and finds what is undefined: a pointer that is not valid any more,
a race, memory that was never written. It has epoll and eventfd of its own, so the loop runs under it, too.

    rustup component add miri rust-src --toolchain nightly
    tests/miri.py              the suites and tests that are known to pass
    tests/miri.py SUITE ...    all tests of these suites: gather, or a name in tests/Cargo.toml
    tests/miri.py --list       what would run, what is left out, and why

CI does not run it: a test takes some hundred times as long as without. A package of its own in target/miri compiles the
suites, so the many crates that other tests need are not built for Miri. The clock and the environment are Miri's own: a sleep
takes no time. What opens a socket of the network, starts a process, reads /proc or sets a limit of the system cannot run."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parent.parent
PACKAGE = TOP / "target/miri"

# The suites that pass. Of each the tests that are left out, by parts of their names.
SUITES = {
    "gather": [
        "an_error_is_returned_at_once_and_the_other_tasks_run_on",
        "an_error_is_returned_at_once_and_the_others_are_dropped",
        "the_results_hold_on_to_no_more_than_a_page",
        "whatever_happens_in_three_rounds",
        "all_outputs_come_with_any_limit",
        "race_with_polls_and_with_the_drop",
    ],
    "later_names": [],
    "semaphore": [
        "a_waiter_dropped_in_line_at_whatever_place",
        "never_more_tasks_than_permits_are_in",
        "takes_as_many_instructions",  # It starts valgrind.
    ],
    "tasks": ["a_chain_of_a_thousand_tasks", "no_two_tasks_have_the_same_id"],
}
# Left out of every suite: the same again and again. They were stopped after eight seconds of processor time or more.
LONG = ["a_million", "random", "any_sequence", "any_number", "endless", "hundred_thousand", "ten_thousand"]

MANIFEST = f"""[workspace]

[package]
name = "tests"
version = "0.1.0"
edition = "2024"
autotests = false

[lib]
path = "{TOP}/tests/lib.rs"

[features]
loom = []
explore = []
trace = []

[lints.rust]
unexpected_cfgs = {{ level = "allow" }}

[dependencies]
runtime = {{ path = "{TOP}/runtime", features = ["futures"] }}
gather = {{ path = "{TOP}/gather" }}
futures = "0.3"
libc = "0.2"
mio = {{ version = "1.2", features = ["net", "os-ext"] }}
proptest = {{ version = "1", default-features = false, features = ["std"] }}
slab = "0.4"
socket2 = "0.6"
"""


def make_package():
    PACKAGE.mkdir(parents=True, exist_ok=True)
    shutil.copy(TOP / "Cargo.lock", PACKAGE)
    targets = re.findall(r'\[\[test\]\]\nname = "(\w+)"\npath = "(.*)"', (TOP / "tests/Cargo.toml").read_text())
    tests = (f'\n[[test]]\nname = "{name}"\npath = "{TOP}/tests/{path}"\n' for name, path in targets)
    (PACKAGE / "Cargo.toml").write_text(MANIFEST + "".join(tests))


def passes(suite, left_out):
    """Whether a suite passes."""
    target = ["-p", "gather", "--lib"] if suite == "gather" else ["--test", suite]
    skips = [word for name in left_out for word in ("--skip", name)]
    command = ["cargo", "+nightly", "miri", "test", "-q", "--target-dir", str(PACKAGE / "target"), *target]
    # Crates that this project uses make pointers of numbers. A task's waker is one, too, and nobody follows it.
    flags = "-Zmiri-permissive-provenance -Zmiri-env-forward=PROPTEST_CASES"
    variables = {"MIRIFLAGS": flags, "PROPTEST_CASES": "3", "RUST_BACKTRACE": "0"}
    began = time.monotonic()
    where = TOP if suite == "gather" else PACKAGE
    done = subprocess.run([*command, "--", "--test-threads=1", *skips], cwd=where, env={**os.environ, **variables})
    print(f"miri: {suite}: {'NOT CLEAN' if done.returncode else 'clean'}, {time.monotonic() - began:.0f} s", flush=True)
    return done.returncode == 0


def main():
    asked = sys.argv[1:]
    if "--help" in asked or "-h" in asked:
        return print(__doc__)
    if asked == ["--list"]:
        for suite, skipped in SUITES.items():
            print(suite, *(f"\n    left out: {name}" for name in skipped))
        return print("of every suite", *(f"\n    left out: {word}" for word in LONG))
    make_package()
    failed = [suite for suite in asked or SUITES if not passes(suite, [] if asked else SUITES[suite] + LONG)]
    sys.exit(f"miri: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
