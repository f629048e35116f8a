//! A failure in words: what failed, who was polled before whom and why that one was ready, who waits for what.
//!
//! All of it is read from the trace of the failing run, which is run once more for that.

use super::run::{Stop, Story, Told, What};
use super::schedule::Schedule;
use super::search::Outcome;
use super::tale::Tale;
use crate::trace::Event;
use std::fmt::Write;
use std::panic::Location;
use std::path::Path;

/// A place in the program: the file's name, without its folders, and the line. A name that many files have has its
/// folder.
pub(super) fn place(at: &Location<'_>) -> String {
    place_in(at.file(), at.line())
}

fn place_in(file: &str, line: u32) -> String {
    let path = Path::new(file);
    let name = path.file_name().map_or(file.into(), |name| name.to_string_lossy());
    let folder = path.parent().and_then(Path::file_name).filter(|_| ["mod.rs", "lib.rs", "main.rs"].contains(&&*name));
    match folder {
        Some(folder) => format!("{}/{name}:{line}", folder.to_string_lossy()),
        None => format!("{name}:{line}"),
    }
}

/// A task: its name, and where it was spawned.
pub(super) fn who(name: Option<&str>, at: Option<&Location<'_>>) -> String {
    let name = name.map_or("a task".to_owned(), |name| format!("\"{name}\""));
    match at {
        Some(at) => format!("{name} ({})", place(at)),
        None => name,
    }
}

/// A count, in groups of three digits.
pub(super) fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap_or("?")).collect();
    groups.join(",")
}

/// A count with its noun.
fn count(n: usize, noun: &str) -> String {
    format!("{} {noun}{}", grouped(n), if n == 1 { "" } else { "s" })
}

/// The message of a program that does not do the same twice.
pub(super) fn of_unlike(difference: Option<(usize, String, String)>) -> String {
    let mut text =
        "the program does not do the same twice: a HashMap, a clock, a static? The explorer runs it again and again, \
                    and the same choices must lead to the same tasks."
            .to_owned();
    if let Some((step, one, other)) = difference {
        let there = |what: String| if what.is_empty() { "nothing: the program had ended".to_owned() } else { what };
        let (one, other) = (there(one), there(other));
        _ = write!(text, "\n  step {step}, once: {one}\n  step {step}, again: {other}");
    }
    text
}

/// Every task that has not ended, a line each: what it waits for.
pub(super) fn waiting(events: &[Event]) -> String {
    Tale::of(events).waiting()
}

/// The events, each in a line, with the names of the tasks.
pub(super) fn sentences(events: &[Event]) -> impl Iterator<Item = String> {
    let tale = Tale::of(events);
    let names: Vec<(String, String)> =
        tale.names.iter().map(|(task, name)| (format!("{task:?}"), name.clone())).collect();
    events.iter().map(move |event| {
        let kind = names.iter().fold(format!("{:?}", event.kind), |text, (number, name)| text.replace(number, name));
        match event.program {
            Some(at) => format!("{kind} at {}", place(at)),
            None => kind,
        }
    })
}

/// A run that failed, and its trace.
pub(super) struct Failed<'a> {
    pub(super) outcome: &'a Outcome,
    pub(super) told: &'a Story,
    pub(super) events: &'a [Event],
    pub(super) steps: usize,
}

impl Failed<'_> {
    /// The whole message.
    pub(super) fn message(&self, schedule: &Schedule, run: usize, is_search: bool) -> String {
        let tale = Tale::of(self.events);
        let (mut text, list) = self.what(&tale);
        let overtakings = count(schedule.0.len(), "overtaking");
        _ = match (is_search, schedule.0.len()) {
            (true, 0) => write!(text, ". It fails in the loop's own order, in schedule {}:", grouped(run)),
            (true, _) => {
                write!(
                    text,
                    ". It holds in the loop's own order and fails in schedule {}, with {overtakings}:",
                    grouped(run)
                )
            }
            (false, 0) => write!(text, ". It fails in the loop's own order:"),
            (false, _) => write!(text, ". It fails in the schedule that is replayed, with {overtakings}:"),
        };
        for told in &self.told.told {
            _ = write!(text, "\n  step {}: {}.", told.step, self.deviation(told, &tale));
        }
        text.push_str(&list);
        _ = write!(text, "\n  Again: \"{schedule}\".");
        text
    }

    /// What failed, and what is to be listed below.
    fn what(&self, tale: &Tale<'_>) -> (String, String) {
        // Behind a text of several lines, such as that of `assert_eq!`, the place has a line of its own.
        let at = |place: &Option<(String, u32)>, text: &str| match place {
            Some((file, line)) if text.contains('\n') => format!("\n({})", place_in(file, *line)),
            Some((file, line)) => format!(" ({})", place_in(file, *line)),
            None => String::new(),
        };
        let text = match self.outcome {
            Outcome::Held => "it held".to_owned(),
            Outcome::Panic(text, place, of_task) => {
                let of_task = of_task.as_ref().map(|(who, place)| {
                    let at =
                        place.as_ref().map_or(String::new(), |(file, line)| format!(" at {}", place_in(file, *line)));
                    format!("\n  {who} panicked{at}.")
                });
                return (format!("{text}{}", at(place, text)), of_task.unwrap_or_default());
            }
            Outcome::TaskPanic(text, place, who) => {
                format!("{text}{}, in {who}, whose JoinError nobody took", at(place, text))
            }
            Outcome::Stopped(Stop::Hang) => {
                return ("it hangs: nothing can happen any more".to_owned(), tale.waiting());
            }
            Outcome::Stopped(Stop::Endless) => {
                let most = tale.polls.iter().max_by_key(|(task, polls)| (**polls, std::cmp::Reverse(**task)));
                let most = most
                    .map(|(task, polls)| format!(": {} was polled most, {}", tale.name(*task), count(*polls, "time")));
                let most = most.unwrap_or_default();
                let cure = "; if it is meant to take so many, allow more with steps(n)";
                format!("it did not end within {}{most}{cure}", count(self.steps, "step"))
            }
            Outcome::Stopped(Stop::Refused(sentence)) => sentence.clone(),
            Outcome::Stopped(Stop::Misfit { step, choice, of: 0 }) => {
                format!(
                    "the schedule does not fit the program: it has choice {choice} at step {step}, and the program ends before"
                )
            }
            Outcome::Stopped(Stop::Misfit { step, choice, of }) => {
                let there = self.told.steps.get(*step as usize).cloned().unwrap_or_default();
                let most = of - 1;
                format!(
                    "the schedule does not fit the program: it has choice {choice} at step {step}, where the choices are 0 to \
                     {most}: {there}"
                )
            }
            Outcome::Stopped(Stop::Differs { .. }) => "the program does not do the same twice".to_owned(),
        };
        (text, String::new())
    }

    /// One deviation from the loop's own order.
    fn deviation(&self, told: &Told, tale: &Tale<'_>) -> String {
        match &told.what {
            What::Poll { chosen, before } => {
                let since =
                    tale.ready_since(*before, told.seq).map_or(String::new(), |since| format!(", ready since {since}"));
                let (chosen_name, before) = (tale.name(*chosen), tale.name(*before));
                let on =
                    tale.goes_on(*chosen, told.seq).map_or(String::new(), |on| format!(", and goes on until {on}"));
                format!("{chosen_name} is polled before {before}{since}{on}")
            }
            What::Spurious(task) => format!("{} is woken for nothing", tale.name(*task)),
            What::Alarm => match tale.timer_fired(told.seq) {
                Some(timer) => format!("time passes while tasks are ready: {timer} is over"),
                None => "time passes while tasks are ready".to_owned(),
            },
            What::Tie { timer, before } => {
                let (timer, before) = (tale.timer(*timer, told.seq), tale.timer(*before, told.seq));
                format!("{timer} is over before {before}, at the same instant")
            }
            What::Choose { of, value, at, is_short } => {
                let bytes = if *is_short { format!(": {value} of {of} bytes") } else { String::new() };
                format!("choose({of}) at {} gives {value}{bytes}", place(at))
            }
        }
    }
}
