#!/usr/bin/env python3
"""What the budget of a poll costs, in instructions: both crates as they are, beside a copy of them without a budget.

    benches/budget.py          # needs valgrind; takes some minutes

Each leaf is polled by a call of its own (a function that is not inlined), fifty times in a poll of a task, so none is
refused. callgrind counts a run of 20,000 things and one of 10,000; the difference over 10,000 is what one thing takes. The
last rows are a poll of a task that gets nothing, and what a thing takes when a task asks on and on, with its turns. The copies
and their builds lie in target/budget."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
PLACE = TOP / "target/budget"

# Without a budget: nothing is taken, nobody is refused.
WITHOUT = {
    "runtime/src/circle/budget.rs": [
        ("    take();\n    if LEFT.get() < 0 {\n        refuse(cx);\n        return Poll::Pending;\n    }\n", ""),
        ("    let polled = leaf(cx);\n    if polled.is_pending() {\n        give_back();\n    }\n    polled\n", "    leaf(cx)\n"),
        ("    if LEFT.get() > 0 { Poll::Ready(()) } else { spend(cx, |_| Poll::Pending) }\n", "    Poll::Ready(())\n"),
        ("    LEFT.set(LEFT.get() - 1);\n", ""),
    ],
    "runtime/src/circle/run.rs": [("        budget::LEFT.set(budget::BUDGET);", "        ")],
    "runtime/src/task.rs": [("    of_polls::LEFT.get() > 0\n", "    true\n")],
}

WORKSPACE = """[workspace]
members = ["runtime", "gather", "program"]
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
"""

PROGRAM = """[package]
name = "program"
version = "0.1.0"
edition = "2024"

[dependencies]
runtime = { path = "../runtime" }
gather = { path = "../gather" }

[[bin]]
name = "program"
path = "main.rs"
"""

MAIN = r"""
use runtime::sync::{Semaphore, mpsc};
use runtime::task::yield_now;
use runtime::time::{interval, sleep};
use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

/// In one poll of the task.
const AT_ONCE: usize = 50;

#[inline(never)]
fn poll<F: Future>(future: Pin<&mut F>, cx: &mut Context<'_>) -> F::Output {
    match future.poll(cx) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it is ready"),
    }
}

/// Does `one` so often, fifty times in a poll.
async fn times(n: usize, mut one: impl FnMut(&mut Context<'_>)) {
    for _ in 0..n / AT_ONCE {
        poll_fn(|cx| {
            (0..AT_ONCE).for_each(|_| one(cx));
            Poll::Ready(())
        })
        .await;
        yield_now().await;
    }
}

async fn run(what: &str, n: usize) {
    match what {
        "a permit" => {
            let semaphore = Semaphore::new(1);
            times(n, |cx| drop(poll(pin!(semaphore.acquire()), cx))).await;
        }
        "a value, sent" => {
            let (sender, mut receiver) = mpsc::channel(1);
            times(n, |cx| {
                poll(pin!(sender.send(1)), cx).unwrap();
                black_box(receiver.try_recv().unwrap());
            })
            .await;
        }
        "a value, received" => {
            let (sender, mut receiver) = mpsc::channel(1);
            times(n, |cx| {
                sender.try_send(1).unwrap();
                black_box(poll(pin!(receiver.recv()), cx).unwrap());
            })
            .await;
        }
        "a tick" => {
            let mut ticks = interval(Duration::from_nanos(1));
            sleep(Duration::from_millis(10)).await;
            times(n, |cx| _ = black_box(poll(pin!(ticks.tick()), cx))).await;
        }
        "a byte in memory" => {
            let (near, far) = runtime::io::duplex(1);
            times(n, |cx| {
                poll(pin!(near.write(b"x")), cx).unwrap();
                poll(pin!(far.read(&mut [0])), cx).unwrap();
            })
            .await;
        }
        "the end of a task" => {
            for _ in 0..n / AT_ONCE {
                let tasks: Vec<_> = (0..AT_ONCE).map(|n| runtime::spawn(async move { n })).collect();
                yield_now().await;
                let mut tasks = tasks.into_iter();
                times(AT_ONCE, |cx| _ = black_box(poll(pin!(tasks.next().unwrap()), cx).unwrap())).await;
            }
        }
        "an item of as_completed" => {
            let mut ends = gather::as_completed((0..n).map(|n| async move { n }));
            times(n, |cx| _ = black_box(poll(pin!(ends.next()), cx).unwrap())).await;
        }
        "a child in place" => {
            for _ in 0..n / AT_ONCE {
                let all = gather::gather((0..AT_ONCE).map(|n| async move { n }));
                black_box(all.await);
                yield_now().await;
            }
        }
        "a poll" => {
            for _ in 0..n {
                yield_now().await;
            }
        }
        "a permit, on and on" => {
            let semaphore = Semaphore::new(1);
            for _ in 0..n {
                drop(semaphore.acquire().await);
            }
        }
        _ => panic!("{what}?"),
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let runtime = runtime::Runtime::builder().virtual_clock().build().unwrap();
    let n = arguments[2].parse().unwrap();
    let what = arguments[1].clone();
    let task = runtime.spawn(async move { run(&what, n).await });
    runtime.block_on(task).unwrap();
}
"""

# What is counted, and how many operations of a leaf it is.
ROWS = {
    "a permit": 1,
    "a value, sent": 1,
    "a value, received": 1,
    "a tick": 1,
    "a byte in memory": 2,
    "the end of a task": 1,
    "an item of as_completed": 1,
    "a child in place": 1,
    "a poll": 1,
    "a permit, on and on": 1,
}
MOST_OF_AN_OPERATION = 8
MOST_OF_A_POLL = 3
# A task that ends was polled before.
MOST = {"a poll": MOST_OF_A_POLL, "the end of a task": MOST_OF_AN_OPERATION + MOST_OF_A_POLL}


def build(folder, edits):
    shutil.rmtree(folder, ignore_errors=True)
    for crate in ["runtime", "gather"]:
        # As of now: cargo takes a file that is older than its last build, which was of the other copy, for built.
        shutil.copytree(TOP / crate, folder / crate, copy_function=shutil.copyfile)
        manifest = folder / crate / "Cargo.toml"
        manifest.write_text(manifest.read_text().replace("[lints]\nworkspace = true\n", ""))
    for path, pairs in edits.items():
        text = (folder / path).read_text()
        for old, new in pairs:
            if text.count(old) != 1:
                sys.exit(f"budget: {path} has changed: it has {text.count(old)} times\n{old}")
            text = text.replace(old, new)
        (folder / path).write_text(text)
    (folder / "program").mkdir()
    (folder / "program/main.rs").write_text(MAIN)
    (folder / "program/Cargo.toml").write_text(PROGRAM)
    (folder / "Cargo.toml").write_text(WORKSPACE)
    shutil.copy(TOP / "Cargo.lock", folder)
    command = ["cargo", "build", "--quiet", "--release", "--offline", "--target-dir", str(PLACE / "built")]
    subprocess.run(command, cwd=folder, check=True, env={**os.environ, "RUSTFLAGS": "-Awarnings"})
    program = folder / "counted"
    shutil.copy(PLACE / "built/release/program", program)
    return program


def instructions(program, what, n):
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", str(program), what, str(n)]
    said = subprocess.run(command, capture_output=True, text=True)
    found = re.search(r"Collected : (\d+)", said.stderr)
    if said.returncode or not found:
        sys.exit(f"budget: {what}:\n{said.stderr}")
    return int(found[1])


def each(program, what):
    return (instructions(program, what, 20_000) - instructions(program, what, 10_000)) / 10_000


def main():
    if sys.argv[1:]:
        return print(__doc__)
    # One after the other in the same folder's name: a path is a part of what the compiler names things by.
    folder, counts = PLACE / "copy", []
    for edits in [{}, WITHOUT]:
        program = build(folder, edits)
        counts.append({what: each(program, what) for what in ROWS})
    print(f"{'instructions':<26}{'with':>8}{'without':>9}{'cost of one':>13}")
    dear = []
    for what, operations in ROWS.items():
        with_it, without = (count[what] for count in counts)
        cost = (with_it - without) / operations
        print(f"{what:<26}{with_it:>8.1f}{without:>9.1f}{cost:>13.1f}")
        if cost > MOST.get(what, MOST_OF_AN_OPERATION) + 0.5:
            dear.append(what)
    too_much = f"budget: more than {MOST_OF_AN_OPERATION} an operation, or {MOST_OF_A_POLL} a poll: {', '.join(dear)}"
    sys.exit(too_much if dear else 0)


if __name__ == "__main__":
    main()
