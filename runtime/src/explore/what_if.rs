//! Faults on purpose: a program runs twice, once on the loop as it is and once on a loop with one fault, and the first
//! event that differs says what the fault changes.

use super::run::{Counts, Stop};
use super::search::{Options, Outcome, Runner, first_that_differs, on_runtime};
use super::story;
use crate::Runtime;
use crate::trace::{Event, Kind, save_text};
use std::fmt::{self, Write};
use std::future::Future;
use std::io;
use std::panic::Location;
use std::path::Path;
use std::str::FromStr;

/// A run that does not end is ended after so many polls.
const POLLS: usize = 10_000;

/// A fault of the loop, on purpose. Wakes and wakers count from 1, in the order of the usual run.
///
/// Its text is that of `step`'s option `--what-if`: `drop-wake:2`, `wake-twice:1`, `forget-waker:3`, `lifo`,
/// `until-empty`, `clear-late`.
///
/// ```
/// use runtime::explore::WhatIf;
/// assert_eq!("drop-wake:2".parse(), Ok(WhatIf::DropWake(2)));
/// assert_eq!(WhatIf::Lifo.to_string(), "lifo");
/// assert!("drop-wake".parse::<WhatIf>().unwrap_err().contains("drop-wake:N"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhatIf {
    /// The n-th wake is lost.
    DropWake(usize),
    /// The n-th wake is done twice.
    WakeTwice(usize),
    /// The n-th waker that is kept (cloned) is nobody's.
    ForgetWaker(usize),
    /// The ready queue is a stack: who came last is polled first.
    Lifo,
    /// A turn goes on until nothing is ready.
    UntilEmpty,
    /// "Queued" is cleared after the poll: a wake during the poll is lost.
    ClearLate,
}

impl fmt::Display for WhatIf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WhatIf::DropWake(n) => write!(f, "drop-wake:{n}"),
            WhatIf::WakeTwice(n) => write!(f, "wake-twice:{n}"),
            WhatIf::ForgetWaker(n) => write!(f, "forget-waker:{n}"),
            WhatIf::Lifo => f.write_str("lifo"),
            WhatIf::UntilEmpty => f.write_str("until-empty"),
            WhatIf::ClearLate => f.write_str("clear-late"),
        }
    }
}

impl FromStr for WhatIf {
    type Err = String;

    fn from_str(text: &str) -> Result<WhatIf, String> {
        let (name, number) = text.split_once(':').map_or((text, None), |(name, number)| (name, Some(number)));
        let number = number.map(|number| number.parse::<usize>().ok().filter(|n| *n > 0));
        match (name, number) {
            ("drop-wake", Some(Some(n))) => Ok(WhatIf::DropWake(n)),
            ("wake-twice", Some(Some(n))) => Ok(WhatIf::WakeTwice(n)),
            ("forget-waker", Some(Some(n))) => Ok(WhatIf::ForgetWaker(n)),
            ("lifo", None) => Ok(WhatIf::Lifo),
            ("until-empty", None) => Ok(WhatIf::UntilEmpty),
            ("clear-late", None) => Ok(WhatIf::ClearLate),
            _ => Err(format!(
                "there is no fault \"{text}\"; there are drop-wake:N, wake-twice:N, forget-waker:N, lifo, until-empty and \
                 clear-late, and N counts from 1"
            )),
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Main came to its end.
    Well,
    /// It panicked, with this message.
    Panicked(String),
    /// Nothing can happen any more, or it runs for ever: which, and who waits for what.
    Hangs(String),
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ending::Well => f.write_str("ends well"),
            Ending::Panicked(message) => write!(f, "panics: {message}"),
            Ending::Hangs(how) => write!(f, "hangs: {how}"),
        }
    }
}

/// What a fault changes: from [`what_if`].
///
/// Its text is three lines: how the usual run ends, how the faulty one does, and where they differ first, or why the
/// fault did no harm.
#[derive(Debug, Clone)]
pub struct Difference {
    /// How the program ends on the loop as it is.
    pub usual: Ending,
    /// How it ends with the fault.
    pub faulty: Ending,
    /// The number of the first event that differs; `None` when the traces are equal.
    pub first: Option<u64>,
    fault: WhatIf,
    /// How many wakes the usual run has, and how many wakers are kept in it.
    counts: Counts,
    /// Both traces.
    traces: [Vec<Event>; 2],
    /// The same in words: a sentence for each event.
    told: [Vec<String>; 2],
}

/// Runs `program` on the loop as it is and on a loop with a fault, both under the virtual clock, and compares.
///
/// ```
/// use runtime::explore::{Ending, WhatIf, what_if};
///
/// let difference = what_if(WhatIf::DropWake(1), || runtime::task::yield_now());
/// assert_eq!(difference.usual, Ending::Well);
/// assert!(matches!(difference.faulty, Ending::Hangs(_)), "nobody polls main again");
/// assert!(difference.first.is_some());
/// ```
///
/// # Panics
/// Inside a running loop; inside a program that is being explored.
#[track_caller]
pub fn what_if<F: Future<Output = ()>>(fault: WhatIf, program: impl Fn() -> F) -> Difference {
    what_if_on(fault, on_runtime(program, Location::caller()))
}

/// The same for a program that is given a runtime, and calls its `block_on` or `turn` itself.
#[doc(hidden)]
#[track_caller]
pub fn what_if_on(fault: WhatIf, program: impl Fn(&Runtime)) -> Difference {
    let options = Options { overtakings: 0, steps: POLLS, ..Options::default() };
    let mut runner = Runner::new(program, options);
    let [usual, faulty] = [None, Some(fault)].map(|fault| {
        runner.fault = fault;
        let (outcome, recorder) = runner.recorded(&[]);
        let events = recorder.events();
        (ending(&outcome, &events), events, runner.run.counts)
    });
    let first = first_that_differs(&usual.1, &faulty.1);
    let told = [&usual.1, &faulty.1].map(|events| story::sentences(events).collect());
    Difference { usual: usual.0, faulty: faulty.0, first, fault, counts: usual.2, traces: [usual.1, faulty.1], told }
}

fn ending(outcome: &Outcome, events: &[Event]) -> Ending {
    match outcome {
        Outcome::Held => Ending::Well,
        Outcome::Panic(text, ..) | Outcome::TaskPanic(text, ..) | Outcome::Stopped(Stop::Refused(text)) => {
            Ending::Panicked(text.clone())
        }
        Outcome::Stopped(Stop::Endless) => Ending::Hangs("it runs for ever".to_owned()),
        Outcome::Stopped(_) => Ending::Hangs(format!("nothing can happen any more{}", story::waiting(events))),
    }
}

impl Difference {
    /// Tells both traces in the words of `sentences`, which gives one for each event: for a program that has better ones.
    #[doc(hidden)]
    pub fn told_by(mut self, sentences: impl Fn(&[Event]) -> Vec<String>) -> Difference {
        self.told = self.traces.each_ref().map(|events| sentences(events));
        self
    }

    /// Why a fault did no harm.
    fn why_no_harm(&self) -> String {
        if self.first.is_none() {
            return self.why_it_never_came();
        }
        let why = match self.fault {
            WhatIf::DropWake(_) if self.is_refused() => {
                "that wake was not needed: its task was in the queue already, or had ended"
            }
            WhatIf::DropWake(_) => {
                "that wake was not needed: another one came for the same task, or its poll changed nothing"
            }
            WhatIf::WakeTwice(_) => "a task is in the queue once at most: the second wake found it there",
            WhatIf::ForgetWaker(_) => "that waker was not needed: nobody used it, or another one woke its task",
            WhatIf::Lifo => "no task relied on the order of the queue",
            WhatIf::UntilEmpty => "nothing waited for the end of a turn",
            WhatIf::ClearLate => "no task was woken while it was polled that nobody woke once more",
        };
        why.to_owned()
    }

    /// Why both traces are equal.
    fn why_it_never_came(&self) -> String {
        let Counts { wakes, kept } = self.counts;
        let why = match (self.fault, wakes, kept) {
            (WhatIf::DropWake(_) | WhatIf::WakeTwice(_), 0, _) => "the run without it has no wake".to_owned(),
            (WhatIf::DropWake(_) | WhatIf::WakeTwice(_), 1, _) => "the run without it has 1 wake".to_owned(),
            (WhatIf::DropWake(_) | WhatIf::WakeTwice(_), ..) => format!("the run without it has {wakes} wakes"),
            (WhatIf::ForgetWaker(_), _, 0) => "in the run without it no waker is kept".to_owned(),
            (WhatIf::ForgetWaker(_), _, 1) => "in the run without it 1 waker is kept".to_owned(),
            (WhatIf::ForgetWaker(_), ..) => format!("in the run without it {kept} wakers are kept"),
            (WhatIf::Lifo, ..) => "no two tasks are ready at once".to_owned(),
            (WhatIf::UntilEmpty, ..) => "no poll makes a task ready".to_owned(),
            (WhatIf::ClearLate, ..) => "no task is woken or aborted while it is polled".to_owned(),
        };
        format!("it never came: {why}")
    }

    /// Whether the wake that the fault is about found its task queued, or ended.
    fn is_refused(&self) -> bool {
        let WhatIf::DropWake(n) = self.fault else { return false };
        let events = &self.traces[0];
        let wake = events.iter().filter(|event| matches!(event.kind, Kind::Wake { .. })).nth(n - 1);
        wake.is_some_and(|wake| {
            events.iter().any(|event| event.cause == Some(wake.seq) && matches!(event.kind, Kind::PushRefused { .. }))
        })
    }

    /// Writes a page to `path` with both traces side by side, each with its ending, scrolled to the first event that
    /// differs.
    ///
    /// # Errors
    /// When `path` is a file that is no page of this kind (it is not overwritten), or cannot be written.
    ///
    /// ```no_run
    /// use runtime::explore::{WhatIf, what_if};
    /// what_if(WhatIf::Lifo, || async {}).page("lifo.html")?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn page(&self, path: impl AsRef<Path>) -> io::Result<()> {
        save_text(path.as_ref(), &self.html())
    }

    fn html(&self) -> String {
        let mut page = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>glassloop: what if {}</title>\n{STYLE}\
             </head>\n<body>\n<h1>What if: {}</h1>\n<p>{}</p>\n<div class=\"both\">\n",
            self.fault,
            self.fault,
            escaped(self.to_string().lines().next_back().unwrap_or_default()),
        );
        let columns = [("The loop as it is", &self.usual), ("With the fault", &self.faulty)];
        for ((title, ending), (events, told)) in columns.into_iter().zip(self.traces.iter().zip(&self.told)) {
            _ = write!(
                page,
                "<section>\n<h2>{title}</h2>\n<p class=\"ending\">{}</p>\n<ol start=\"0\">\n",
                escaped(&ending.to_string())
            );
            for (event, sentence) in events.iter().zip(told) {
                let class = match self.first {
                    Some(first) if event.seq == first => " class=\"first\"",
                    Some(first) if event.seq > first => " class=\"after\"",
                    _ => "",
                };
                _ = writeln!(page, "<li{class}>{}</li>", escaped(sentence));
            }
            if self.first == Some(events.len() as u64) {
                page.push_str("<li class=\"first\">It ends here.</li>\n");
            }
            page.push_str("</ol>\n</section>\n");
        }
        page.push_str("</div>\n<script>document.querySelectorAll(\".first\").forEach((row) => { ");
        page.push_str("row.closest(\"ol\").scrollTop = row.offsetTop - 60; });</script>\n</body>\n</html>\n");
        page
    }
}

/// The page's style.
const STYLE: &str = "<style>
body { font: 15px/1.4 system-ui, sans-serif; margin: 1rem; }
.both { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem; }
ol { height: 70vh; overflow: auto; border: 1px solid #8888; padding: .5rem .5rem .5rem 4rem; font: 13px/1.5 monospace; position: relative; }
.ending { white-space: pre-wrap; font-weight: bold; min-height: 3em; }
.first { background: #fc08; outline: 2px solid #c80; }
.after { opacity: .75; }
</style>
";

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the loop as it is: {}", self.usual)?;
        writeln!(f, "with {}: {}", self.fault, self.faulty)?;
        match self.first {
            _ if self.usual == self.faulty && self.usual != Ending::Well => {
                write!(f, "the fault changes nothing of that: without it the program does not end well either")?;
            }
            _ if self.usual == self.faulty => write!(f, "the fault did no harm: {}", self.why_no_harm())?,
            Some(first) => {
                let [usual, faulty] =
                    self.told.each_ref().map(|told| told.get(first as usize).map_or("the end", String::as_str));
                write!(f, "they differ first at event {first}: {usual} | {faulty}")?;
            }
            None => write!(f, "the traces are equal")?,
        }
        Ok(())
    }
}
