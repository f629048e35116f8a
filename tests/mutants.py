#!/usr/bin/env python3
"""Mutants: are the explorer's tests of this project any good?

Puts each fault of tests/mutants.txt into a copy of the runtime and of gather, runs the test targets `explored` and `protocols`
there, and takes it back. A mutant is killed when a test fails, and the tests that fail are named. The exit status is 1 when
one is left alive.

    tests/mutants.py            all of them
    tests/mutants.py WORD ...   those with one of the words in their titles

The copy and its builds lie in target/mutants. A package of its own compiles the two targets, so it needs none of what the
other tests do.
"""

import pathlib
import re
import shutil
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
COPY = TOP / "target/mutants/copy"
TARGETS = ["explored", "protocols"]
# A mutant that makes a test hang is killed by this.
SECONDS = 600

MANIFEST = """[workspace]
members = ["runtime", "gather", "tests"]
resolver = "3"

[workspace.package]
version = "0.1.0"
edition = "2024"
rust-version = "1.90"
license = "MIT OR Apache-2.0"
publish = false

[workspace.dependencies]
runtime = { path = "runtime" }
gather = { path = "gather" }

[workspace.lints.rust]
unexpected_cfgs = { level = "allow" }
"""

TESTS = """[package]
name = "tests"
version.workspace = true
edition.workspace = true
autotests = false

[lib]
path = "empty.rs"

[features]
default = ["explore"]
explore = []

[dependencies]
runtime = { workspace = true, features = ["explore"] }
gather.workspace = true
"""


def mutants():
    """The titles of the file, each with its edits: path, old text, new text."""
    for part in (TOP / "tests/mutants.txt").read_text().split("\n== ")[1:]:
        title, *lines = part.splitlines()
        edits = []
        for line in lines:
            if line.startswith("@ "):
                edits.append([line[2:], [], []])
            elif line.startswith("-"):
                edits[-1][1].append(line[1:] + "\n")
            elif line.startswith("+"):
                edits[-1][2].append(line[1:] + "\n")
        yield title, [(path, "".join(old), "".join(new)) for path, old, new in edits]


def make_copy():
    shutil.rmtree(COPY, ignore_errors=True)
    for folder in ["runtime", "gather"]:
        shutil.copytree(TOP / folder, COPY / folder)
    rung = "examples/course/lessons/13_server/rung.rs"
    files = ["Cargo.lock", rung, "tests/build.rs", *(f"tests/{target}.rs" for target in TARGETS)]
    for file in files:
        (COPY / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(TOP / file, COPY / file)
    (COPY / "Cargo.toml").write_text(MANIFEST)
    targets = (f'\n[[test]]\nname = "{target}"\npath = "{target}.rs"\n' for target in TARGETS)
    (COPY / "tests/Cargo.toml").write_text(TESTS + "".join(targets))
    (COPY / "tests/empty.rs").write_text("//! Nothing.\n")


def run():
    """The tests that fail; None when it does not compile."""
    targets = [word for target in TARGETS for word in ("--test", target)]
    command = ["cargo", "test", "--quiet", "--offline", "--no-fail-fast", "-p", "tests", *targets]
    built = subprocess.run([*command, "--no-run"], cwd=COPY, capture_output=True, text=True)
    if built.returncode != 0:
        print(built.stderr)
        return None
    try:
        tested = subprocess.run(command, cwd=COPY, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return [f"they do not end within {SECONDS} seconds"]
    failed = sorted(set(re.findall(r"^    (\S+)$", tested.stdout, re.MULTILINE)))
    return failed if failed or tested.returncode == 0 else [tested.stderr.strip() or "the tests end with an error"]


def main():
    words = sys.argv[1:]
    make_copy()
    if run() != []:
        sys.exit("the tests fail without any mutant")
    alive = []
    for title, edits in mutants():
        if words and not any(word in title for word in words):
            continue
        before = {path: (COPY / path).read_text() for path, _, _ in edits}
        for path, old, new in edits:
            text = (COPY / path).read_text()
            if text.count(old) != 1:
                sys.exit(f"{title}: its text stands {text.count(old)} times in {path}")
            (COPY / path).write_text(text.replace(old, new))
        failed = run()
        for path, text in before.items():
            (COPY / path).write_text(text)
        if not failed:
            alive.append(title)
        how = "it does not compile" if failed is None else "ALIVE"
        print(f"{title}\n    {'killed by ' + ', '.join(failed) if failed else how}", flush=True)
    print(f"{len(alive)} alive")
    sys.exit(1 if alive else 0)


if __name__ == "__main__":
    main()
