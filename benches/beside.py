#!/usr/bin/env python3
"""The load test beside wrk, hey and ab, and the axum Router on this loop beside the same Router on tokio's: in turn, in
one run, each against the same server, as medians with the least and the most.

    cargo build --release -p examples --features web --example load_test --example serve --example web
    benches/beside.py testers          # load_test and each of wrk, hey and ab that is installed, against `serve`
    benches/beside.py web              # `web` and `web --tokio` under load_test, and under wrk where it is installed
    benches/beside.py --help

wrk, hey and apache2-utils are Debian's packages of these names. The tables are for examples/README.md."""

import argparse
import json
import platform
import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent


def number(pattern, text):
    """The number at this place of a report, and its unit if the pattern asks for it: times in milliseconds."""
    found = re.search(pattern, text)
    if found is None:
        sys.exit(f"beside: no {pattern!r} in this report:\n{text}")
    value, unit = float(found[1]), found[2] if found.re.groups > 1 else ""
    return value * {"us": 1e-3, "ms": 1, "s": 1e3, "": 1}[unit]


def of_load_test(text):
    run = json.loads(text)
    if run["failed"] or run["requests_per_second"] == 0:
        sys.exit(f"beside: requests failed: {run['errors']}")
    return run["requests_per_second"], run["latency_ms"]["p50"], run["latency_ms"]["p99"]


def of_wrk(text):
    time = r" +{}% +([\d.]+)(us|ms|s)"
    return number(r"Requests/sec: +([\d.]+)", text), number(time.format(50), text), number(time.format(99), text)


def of_hey(text):
    time = r"{}%+ in ([\d.]+) sec"
    rate = number(r"Requests/sec:\s+([\d.]+)", text)
    return rate, 1e3 * number(time.format(50), text), 1e3 * number(time.format(99), text)


def of_ab(text):
    time = r" {}% +(\d+)"
    return number(r"Requests per second: +([\d.]+)", text), number(time.format(50), text), number(time.format(99), text)


class Tester:
    """A program that asks: how it is called, and how its report is read."""

    def __init__(self, name, read, *command):
        self.name, self.read, self.command = name, read, command

    def run(self, arguments, url):
        known = {"seconds": arguments.seconds, "connections": arguments.connections, "url": url}
        command = [word.format(**known) for word in self.command]
        done = subprocess.run(command, capture_output=True, text=True)
        # A server that was asked to the end of the time has answers under way: ab calls that an error.
        if done.returncode != 0 and self.name != "ab":
            sys.exit(f"beside: {' '.join(command)}: {done.stderr or done.stdout}")
        return self.read(done.stdout)


def testers(arguments):
    load_test = str(Path(arguments.folder) / "load_test")
    time, places = "{seconds}", "{connections}"
    all = [
        Tester("load_test", of_load_test, load_test, "-z", time + "s", "-c", places, "--json", "{url}"),
        Tester("wrk", of_wrk, "wrk", "-t", "1", "-c", places, "-d", time + "s", "--latency", "{url}"),
        Tester("hey", of_hey, "hey", "-cpus", "1", "-c", places, "-z", time + "s", "{url}"),
        Tester("ab", of_ab, "ab", "-q", "-k", "-c", places, "-t", time, "-n", "100000000", "{url}"),
    ]
    chosen = [it for it in all if not arguments.only or it.name in arguments.only.split(",")]
    missing = [it for it in chosen if shutil.which(it.command[0]) is None]
    for it in missing:
        print(f"beside: {it.command[0]} is not here", file=sys.stderr)
    if not chosen or load_test in (it.command[0] for it in missing):
        sys.exit("beside: build the programs first, as --help says")
    return [it for it in chosen if it not in missing]


class Server:
    """An example that serves, on a port of its own, as long as this lives."""

    def __init__(self, arguments, *command):
        program = str(Path(arguments.folder) / command[0])
        if shutil.which(program) is None:
            sys.exit(f"beside: {program} is not here: build the programs first, as --help says")
        self.process = subprocess.Popen([program, "127.0.0.1:0", *command[1:]], stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().removeprefix("listening at ").strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def measure(arguments, contestants):
    """The runs of each contestant, a tester and a URL by a name: in turn, and each round begins with another one."""
    runs = {name: [] for name in contestants}
    order = list(contestants)
    for _ in range(arguments.rounds):
        for name in order:
            tester, url = contestants[name]
            runs[name].append(tester.run(arguments, url))
        order.append(order.pop(0))
    return runs


def table(arguments, head, runs):
    def cell(values, digits):
        low, middle, high = min(values), statistics.median(values), max(values)
        return f"{middle:,.{digits}f} ({low:,.{digits}f} to {high:,.{digits}f})"

    print(f"{arguments.rounds} rounds of {arguments.seconds} s each, {arguments.connections} connections; {machine()}\n")
    print(f"| {head} | requests/s | p50, ms | p99, ms |\n| --- | --- | --- | --- |")
    for name, all in runs.items():
        rates, halves, tails = zip(*all)
        print(f"| {name} | {cell(rates, 0)} | {cell(halves, 2)} | {cell(tails, 2)} |")


def machine():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.split(": ", 1)[1] for line in lines if line.startswith("model name")]
    return f"{len(models) or '?'} cores, {models[0] if models else platform.machine()}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["testers", "web"])
    parser.add_argument("--rounds", type=int, default=5, help="how often each has its turn (default: 5)")
    parser.add_argument("--seconds", type=int, default=3, help="how long a turn is (default: 3)")
    parser.add_argument("--connections", type=int, default=100, help="how many requests in flight (default: 100)")
    parser.add_argument("--only", help="only these testers: load_test,wrk")
    parser.add_argument("--folder", default=TOP / "target/release/examples", help="where the programs are")
    arguments = parser.parse_args()
    all = testers(arguments)
    if arguments.what == "testers":
        with Server(arguments, "serve") as server:
            contestants = {it.name: (it, f"{server.url}/hello") for it in all}
            table(arguments, "tester", measure(arguments, contestants))
    else:
        all = [it for it in all if it.name in ("load_test", "wrk")]
        with Server(arguments, "web") as ours, Server(arguments, "web", "--tokio") as tokio:
            servers = {"this loop": ours, "tokio's current_thread": tokio}
            contestants = {
                f"{name}, under {it.name}": (it, f"{server.url}/hello/Ada")
                for it in all
                for name, server in servers.items()
            }
            table(arguments, "the Router on", measure(arguments, contestants))


main()
