//! A check: many programs with fresh seeds, small ones first, until one is refused or all are accepted.

use crate::dice::Dice;
use crate::event::Event;
use crate::log::RULE_FILE;
use crate::run::{Broken, Run, silence_panics};
use crate::system::Look;
use crate::text::{COLUMNS, wrap};
use crate::trace::{self, Head};
use crate::watch::{Outcome, SPIN, Watched};
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::time::{Duration, Instant};
#[cfg(unix)]
use std::{fs::File, os::fd::AsFd};

/// Programs of a check.
pub const PROGRAMS: u64 = 300;

/// The programs up to this number are small.
const SMALL: u64 = 8;

/// Events that a message shows at most.
const SHOWN: usize = 8;

/// Processor time that the loops of one check may take in all. A right answer takes a tenth of it.
const LIMIT: Duration = Duration::from_secs(1);

/// How the process of an accepted answer ends. No usual number: an answer that ends the process itself is not accepted.
pub const ACCEPTED: i32 = 100;

/// How the process of a refused answer ends.
pub const REFUSED: i32 = 102;

/// How one program ended, for the check.
#[derive(Debug)]
pub struct Judged {
    /// `None`: the answer was right.
    pub broken: Option<Broken>,
    /// What happened.
    pub watched: Watched,
}

impl Judged {
    /// Judges a body that was watched and should have returned `value`. `hangs` says what it was that the loop sleeps
    /// through.
    pub fn new<R: PartialEq>(
        (outcome, watched): (Outcome<R>, Watched),
        value: &R,
        hangs: impl FnOnce(&Run) -> Broken,
    ) -> Judged {
        let broken = match outcome {
            Outcome::Done(returned) if returned == *value => None,
            Outcome::Done(_) => {
                watched.run.tell("Return", 0, "another value");
                let says = "The loop returned another value than the future's output.".to_owned();
                Some(Broken { rule: "the output is the future's", says, missing: None })
            }
            Outcome::Broken(broken) => Some(broken),
            Outcome::Panicked(text) => {
                watched.run.tell("Panic", 0, "");
                Some(Broken { rule: "no panic", says: format!("The answer panicked: {text}."), missing: None })
            }
            Outcome::Parked => {
                let Broken { rule, says, missing } = hangs(&watched.run);
                let how = if Look::is_known() {
                    "The check sees this at once: it did not wait."
                } else {
                    "Nothing came for a second."
                };
                Some(Broken { rule, says: format!("{says} ({how})"), missing })
            }
            Outcome::Spins => Some(Broken {
                rule: "wait asleep",
                says: format!(
                    "{} ms of processor time without a poll: it spins. A loop with nothing to do sleeps until a wake.",
                    SPIN.as_millis()
                ),
                missing: Some("a sleep"),
            }),
        };
        Judged { broken, watched }
    }

    /// The same verdict. If it is that the answer spins, it has this rule and says this: what a check polls need not be a
    /// loop.
    #[must_use]
    pub fn spinning_says(mut self, rule: &'static str, says: &str) -> Judged {
        if let Some(broken) = self.broken.as_mut().filter(|broken| broken.rule == "wait asleep") {
            *broken = Broken { rule, says: says.to_owned(), missing: Some("PollEnd") };
        }
        self
    }
}

/// What a check is told from outside.
struct Orders {
    seed: u64,
    programs: u64,
    checks: u64,
    /// One line for a program instead of a message for a reader.
    terse: bool,
    /// Where the trace of the first program that is refused goes; if none is, of a small one.
    trace: Option<PathBuf>,
    /// The message says how to step through the program.
    steps: bool,
}

impl Orders {
    fn from_environment() -> Orders {
        let number = |name: &str| env::var(name).ok().and_then(|text| text.parse().ok());
        Orders {
            seed: number("COURSE_SEED").unwrap_or_else(Dice::fresh_seed),
            programs: number("COURSE_PROGRAMS").unwrap_or(PROGRAMS),
            checks: number("COURSE_CHECKS").unwrap_or(1),
            terse: env::var_os("COURSE_TERSE").is_some(),
            trace: env::var_os("COURSE_TRACE").map(PathBuf::from),
            steps: env::var_os("COURSE_STEPS").is_some(),
        }
    }
}

/// The main function of a check: runs `program` with dice, its number from 1 and a size from 0 to 1, says what came of
/// it, and ends the process.
pub fn run(lesson: u32, program: impl Fn(&mut Dice, u64, f64) -> Judged) -> ! {
    silence_panics();
    let Orders { mut seed, programs, checks, terse, trace, steps } = Orders::from_environment();
    let wake = trace.as_deref().and_then(where_wake_is);
    let begin = Instant::now();
    let mut all = Duration::ZERO;
    for check in 0..checks {
        if check > 0 {
            seed = Dice::fresh_seed();
        }
        let mut cpu = Duration::ZERO;
        // Of the small programs, the one in which most happens.
        let mut small: Option<(usize, String)> = None;
        for number in 1..=programs {
            let started = Instant::now();
            let size = number as f64 / programs as f64;
            let Judged { broken, watched } = program(&mut Dice::of(seed, number), number, size);
            let took = started.elapsed();
            cpu += watched.cpu;
            let broken = broken.or_else(|| too_long(cpu, &watched.run));
            let head = Head { lesson, program: number, seed, broken: None, wake: wake.as_ref() };
            let write = |broken| trace::lines(&watched.run, &Head { broken, ..head });
            let Some(broken) = broken else {
                let is_more = |events| small.as_ref().is_none_or(|(most, _)| events > *most);
                let events = watched.run.with_events(|events| events.len());
                if trace.is_some() && number <= SMALL && is_more(events) {
                    small = Some((events, write(None)));
                }
                continue;
            };
            if let Some(path) = &trace {
                let _ = fs::write(path, write(Some(&broken)));
            }
            // For the learner's log. If that cannot be written, the message comes all the same.
            if let Some(file) = env::var_os(RULE_FILE) {
                let _ = fs::write(file, broken.rule);
            }
            if terse {
                let Broken { rule, says, .. } = &broken;
                say(format!("refused|{rule}|{number}|{}|{seed}|{says}\n", cpu.as_millis()));
            } else {
                let mut text = message(lesson, number, seed, took, &broken, &watched.run);
                if steps {
                    let command = format!("cargo run -p course -- step {lesson} --mine --seed {seed}");
                    let _ = writeln!(text, "  Step through it:\n    {command}");
                }
                say(text);
            }
            // Not by a return: threads of the answer may still be about.
            process::exit(REFUSED);
        }
        all += cpu;
        if let (Some(path), Some((_, lines))) = (&trace, small) {
            let _ = fs::write(path, lines);
        }
    }
    if terse {
        say(format!("accepted||{programs}|{}|{seed}|\n", all.as_millis()));
    } else {
        let seeds =
            if env::var_os("COURSE_SEED").is_some() { format!("seed {seed}") } else { "fresh seeds".to_owned() };
        say(format!("  ACCEPTED  {programs} programs with {seeds}, {:.1} s.\n", begin.elapsed().as_secs_f64()));
    }
    if !terse && !Look::is_known() {
        say(wrap("This system does not tell whether a thread sleeps: a loop that spins or naps was not found out.", 2));
    }
    process::exit(ACCEPTED);
}

/// The function that a waker calls: in the answer, or in the rest of its rung. Both lie beside the trace.
fn where_wake_is(trace: &Path) -> Option<(String, u32)> {
    let find = |file: &&str| {
        let text = fs::read_to_string(trace.with_file_name(file)).ok()?;
        let line = text.lines().position(|line| line.trim_start().starts_with("fn wake("))?;
        Some(((*file).to_owned(), line as u32 + 1))
    };
    ["exercise.rs", "rung.rs"].iter().find_map(find)
}

/// Whoever closed the pipe has read enough. Past the lock of stdout: an answer that hangs may hold it for ever.
fn say(text: String) {
    #[cfg(unix)]
    let written = io::stdout().as_fd().try_clone_to_owned().and_then(|out| File::from(out).write_all(text.as_bytes()));
    #[cfg(not(unix))]
    let written = io::stdout().write_all(text.as_bytes());
    drop(written);
}

fn too_long(cpu: Duration, run: &Run) -> Option<Broken> {
    (cpu > LIMIT).then(|| {
        run.tell("Busy", 0, "");
        let says = format!("The programs took more than {} s of processor time in all.", LIMIT.as_secs());
        Broken { rule: "wait asleep", says, missing: None }
    })
}

/// What a student reads.
fn message(lesson: u32, number: u64, seed: u64, took: Duration, broken: &Broken, run: &Arc<Run>) -> String {
    let mut text = format!("  REFUSED. Broken rule: {}\n", broken.rule);
    let _ = writeln!(text, "  lesson {lesson}, program {number}, {:.1} ms\n", took.as_secs_f64() * 1e3);
    text += &wrap(&broken.says, 2);
    text.push('\n');
    run.with_events(|events| {
        // From the poll before on.
        let polls = events.iter().enumerate().rev().skip(1).filter(|(_, event)| event.name == "PollBegin");
        // If it is the answer to a poll that is wrong, this poll is not the one before.
        let is_answer = broken.missing.is_none() && events.back().is_some_and(|event| event.name == "PollEnd");
        let polls = polls.skip(usize::from(is_answer));
        let first = polls.map(|(index, _)| index).next().unwrap_or(0);
        // Too many: the first two, which say how it began, and the last few.
        let is_cut = events.len() - first > SHOWN;
        let left_out = if is_cut { first + 2..events.len() + 2 - SHOWN } else { first..first };
        for (index, event) in events.iter().enumerate().skip(first).filter(|(index, _)| !left_out.contains(index)) {
            if is_cut && index == left_out.end {
                let _ =
                    writeln!(text, "    ...          {} more", thousands(event.number - events[first + 1].number - 1));
            }
            let is_bad = broken.missing.is_none() && index + 1 == events.len();
            text += &line(if is_bad { "BAD" } else { "GOOD" }, event);
        }
    });
    if let Some(missing) = broken.missing {
        let _ = writeln!(text, "    MISSING      {missing}");
    }
    let _ = write!(
        text,
        "\n  Again: cargo run -p course -- check {lesson} --seed {seed}\n  More:  cargo run -p course -- hint {lesson}\n"
    );
    text
}

/// A number as people read it: 106,801.
fn thousands(number: u64) -> String {
    if number < 1_000 { number.to_string() } else { format!("{},{:03}", thousands(number / 1_000), number % 1_000) }
}

/// One event, in at most 60 columns.
fn line(verdict: &str, event: &Event) -> String {
    let place = event.place();
    let text = format!("    {verdict:<7} {:>3}  {:<9}  {}", event.number, event.name, event.note);
    match place.is_empty() {
        true => format!("{}\n", text.trim_end()),
        false => {
            // In one column, unless the name is long. Where the text is too long, the place has a line of its own.
            let column = 43.min((COLUMNS - 1).saturating_sub(place.len()));
            let text = text.trim_end();
            let is_short = text.chars().count() <= column;
            if is_short { format!("{text:<column$} {place}\n") } else { format!("{text}\n{:column$} {place}\n", "") }
        }
    }
}
