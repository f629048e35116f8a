//! Memory of an idle task, on a timer and on a socket: how much a process grows by many of them.
//!
//! Each measurement is a process of its own (the scoreboard starts itself with `--probe`), so that nothing is taken from
//! what an earlier case has given back.

use crate::case::{Case, Entry, Role, Unit};
use crate::executor::{Executor, Sockets, Timers};
use crate::{LocalSet, Ours, Tokio};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;
use std::{env, fs};

/// Tasks that wait on a timer.
const ON_TIMERS: u64 = 100_000;
/// Tasks that wait on a socket.
const ON_SOCKETS: u64 = 4_000;

/// The size of a future that is put into a timeout.
const LARGE: usize = 4_096;

/// A name, and what gives the bytes.
type Probe = (&'static str, fn() -> u64);

/// What runs in a process of its own, by the name that it is asked for.
const PROBES: [Probe; 7] = [
    ("timer glassloop", on_timers::<Ours>),
    ("timer tokio", on_timers::<Tokio>),
    ("timer tokio LocalSet", on_timers::<LocalSet>),
    ("socket glassloop", on_sockets::<Ours>),
    ("socket tokio", on_sockets::<Tokio>),
    ("socket tokio LocalSet", on_sockets::<LocalSet>),
    ("timer a box", boxes),
];

pub(crate) fn cases() -> Vec<Case> {
    let case = |on: &'static str, times, most: f64| {
        let mut case = Case::new("memory", format!("memory of an idle task on a {on}"), times, "task");
        case.unit = Unit::Memory;
        case.entries = PROBES.iter().filter_map(|(probe, _)| entry(probe, probe.strip_prefix(on)?.trim())).collect();
        case.target_to_tokio(2.0).target_at_most(most)
    };
    vec![
        case("timer", ON_TIMERS, 260.0).why(
            "The task is one allocation of 144 bytes, malloc's 8 among them: 40 are its future, 24 its name and the line of its \
             spawn, the rest its counts, its result, its joiner and its state. Malloc gives multiples of 16, so that to go \
             below 260 in all, 24 bytes of them would have to go. Its slot takes 32 bytes, its entry in the queue 8 and its \
             timer 48, in arrays that double: 115 for 100,000 tasks. What is left is the page at the end of each array.",
        ),
        case("socket", ON_SOCKETS, 390.0).why(
            "Nearly half is the task's own future: a read with its socket is 88 bytes, and the case holds it twice, once \
             captured and once awaited. The loop's part is the task around it, 40 bytes for the socket in the reactor and \
             24 for who waits at it.",
        ),
        under_timeout(),
    ]
}

/// What a future takes when it stands in a timeout: once its own size, and a timer's.
fn under_timeout() -> Case {
    let name = format!("memory of a future of {LARGE} bytes under timeout");
    let mut case = Case::new("memory", name, 1, "future").target_at_most(LARGE as f64 * 1.1);
    case.unit = Unit::Memory;
    let second = Duration::from_secs(1);
    // Directly, and not by the benchmark's own trait, whose async functions hold their arguments twice.
    case.entry(Ours::NAME, Role::Ours, move || {
        Box::new(move || sized::<Ours>(move || size_of_val(&runtime::time::timeout(second, large()))))
    })
    .entry(Tokio::NAME, Role::Tokio, move || {
        Box::new(move || sized::<Tokio>(move || size_of_val(&tokio::time::timeout(second, large()))))
    })
    .entry("the future alone", Role::Limit, || Box::new(|| size_of_val(&large()) as f64))
}

fn sized<E: Executor>(size: impl Fn() -> usize) -> f64 {
    E::new().block_on(async { size() as f64 })
}

/// A future that takes so many bytes.
fn large() -> impl Future<Output = ()> {
    let bytes = [1_u8; LARGE];
    poll_fn(move |_| if bytes[0] == 0 { Poll::Ready(()) } else { Poll::Pending })
}

fn entry(probe: &'static str, name: &'static str) -> Option<Entry> {
    let role = match name {
        Ours::NAME => Role::Ours,
        Tokio::NAME | LocalSet::NAME => Role::Tokio,
        _ => Role::Limit,
    };
    let make = move || Box::new(move || ask(probe).expect("the scoreboard can start itself")) as _;
    Some(Entry { name, role, make: Box::new(make) })
}

fn ask(probe: &str) -> io::Result<f64> {
    let output = Command::new(env::current_exe()?).args(["--probe", probe]).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    said.trim().parse().map_err(|_| io::Error::other(String::from_utf8_lossy(&output.stderr)))
}

/// Does what the process was started for, and gives its answer: the bytes by which it grew.
pub fn probe(name: &str) -> Option<u64> {
    PROBES.iter().find(|(probe, _)| *probe == name).map(|(_, measure)| measure())
}

fn on_timers<E: Timers>() -> u64 {
    let executor = E::new();
    executor.block_on(async {
        let before = resident();
        all_wait::<E, _>(ON_TIMERS, |_| E::sleep(Duration::from_secs(3_600))).await;
        resident() - before
    })
}

fn on_sockets<E: Sockets>() -> u64 {
    raise_limit();
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("the system gives a socket");
    let address = listener.local_addr().expect("it is bound");
    let connect = |_| {
        let client = TcpStream::connect(address).expect("the system gives a socket");
        let (server, _) = listener.accept().expect("the system gives a socket");
        server.set_nonblocking(true).expect("it is a socket");
        (client, Some(server))
    };
    let mut pairs: Vec<_> = (0..ON_SOCKETS).map(connect).collect();
    let executor = E::new();
    executor.block_on(async {
        let before = resident();
        all_wait::<E, _>(ON_SOCKETS, |n| {
            let mut stream = E::stream(pairs[n as usize].1.take().expect("each is taken once"));
            async move {
                let mut byte = [0];
                E::read(&mut stream, &mut byte).await;
            }
        })
        .await;
        resident() - before
    })
}

/// Spawns tasks until all of them wait.
async fn all_wait<E: Executor, F: Future<Output = ()> + 'static>(n: u64, mut wait: impl FnMut(u64) -> F) {
    let waiting = Rc::new(Cell::new(0));
    for n in 0..n {
        let (waiting, wait) = (Rc::clone(&waiting), wait(n));
        drop(E::spawn(async move {
            waiting.set(waiting.get() + 1);
            wait.await;
        }));
    }
    while waiting.get() < n {
        E::yield_now().await;
    }
}

/// The limit: a box with a waker and a deadline in it.
fn boxes() -> u64 {
    let before = resident();
    let boxes: Vec<_> = (0..ON_TIMERS).map(|n| Box::new([n; 3])).collect();
    let grown = resident() - before;
    assert!(boxes.iter().zip(0..).all(|(it, n)| it[0] == n));
    grown
}

/// The bytes that this process has in memory, but for files: code that runs for the first time is no task's.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("the system has a /proc");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.expect("RssAnon is a number of kB") * 1_024
}

/// As many descriptors as the system allows.
pub(crate) fn raise_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
