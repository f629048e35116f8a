//! A failure in words: what failed, who was polled before whom and why that one was ready, who waits for what.
//!
//! All of it is read from the trace of the failing run, which is run once more for that.

use super::run::{Stop, Story, Told, What};
use super::schedule::Schedule;
use super::search::Outcome;
use crate::trace::{Event, How, Kind, PermitNumber, SemaphoreNumber, TaskNumber};
use std::collections::{BTreeMap, HashMap};
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
        let at = |place: &Option<(String, u32)>| match place {
            Some((file, line)) => format!(" ({})", place_in(file, *line)),
            None => String::new(),
        };
        let text = match self.outcome {
            Outcome::Held => "it held".to_owned(),
            Outcome::Panic(text, place) => format!("{text}{}", at(place)),
            Outcome::TaskPanic(text, place, who) => {
                format!("{text}{}, in {who}, whose JoinError nobody took", at(place))
            }
            Outcome::Stopped(Stop::Hang) => {
                return ("it hangs: nothing can happen any more".to_owned(), tale.waiting());
            }
            Outcome::Stopped(Stop::Endless) => {
                let most = tale.polls.iter().max_by_key(|(task, polls)| (**polls, std::cmp::Reverse(**task)));
                let most = most
                    .map(|(task, polls)| format!(": {} was polled most, {}", tale.name(*task), count(*polls, "time")));
                format!("it did not end within {}{}", count(self.steps, "step"), most.unwrap_or_default())
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
            What::Choose { of, value, at } => format!("choose({of}) at {} gives {value}", place(at)),
        }
    }
}

/// What a trace tells of its tasks.
struct Tale<'a> {
    events: &'a [Event],
    /// Who was at poll, by event.
    at_poll: Vec<Option<TaskNumber>>,
    /// The name and the birth of each task.
    names: BTreeMap<TaskNumber, String>,
    /// How often each task was polled.
    polls: HashMap<TaskNumber, usize>,
}

impl Tale<'_> {
    fn of(events: &[Event]) -> Tale<'_> {
        let mut tale = Tale { events, at_poll: Vec::new(), names: BTreeMap::new(), polls: HashMap::new() };
        let mut at_poll = None;
        for event in events {
            match &event.kind {
                Kind::Spawn { task, name, .. } => {
                    // Main has that name, and no other needs to be told of without quotation marks.
                    let name = match name.as_deref() {
                        Some("main") if *task == TaskNumber(0) => {
                            event.program.map_or("main".into(), |at| format!("main ({})", place(at)))
                        }
                        name => who(name, event.program),
                    };
                    tale.names.insert(*task, name);
                }
                Kind::PollBegin { task } => {
                    at_poll = Some(*task);
                    *tale.polls.entry(*task).or_default() += 1;
                }
                _ => {}
            }
            tale.at_poll.push(at_poll);
            if matches!(event.kind, Kind::PollEnd { .. }) {
                at_poll = None;
            }
        }
        tale
    }

    fn name(&self, task: TaskNumber) -> String {
        self.names.get(&task).cloned().unwrap_or_else(|| "a task".to_owned())
    }

    fn kind(&self, seq: Option<u64>) -> Option<&Kind> {
        self.events.get(seq? as usize).map(|event| &event.kind)
    }

    /// The events of a task's polls before `seq`, the latest first.
    fn of_task(&self, task: TaskNumber, before: u64) -> impl Iterator<Item = &Event> {
        let events = self.events.iter().zip(&self.at_poll).take(before as usize).rev();
        events.filter(move |(_, at_poll)| **at_poll == Some(task)).map(|(event, _)| event)
    }

    /// Why a task is in the queue at `seq`.
    fn ready_since(&self, task: TaskNumber, seq: u64) -> Option<String> {
        let is_push = |event: &&Event| matches!(event.kind, Kind::Push { task: it } if it == task);
        let push = self.events.iter().take(seq as usize).rev().find(is_push)?;
        let wake = match self.kind(push.cause)? {
            Kind::Spawn { .. } => return Some("it was spawned".to_owned()),
            Kind::Abort { .. } => return Some("it was aborted".to_owned()),
            Kind::Wake { .. } => &self.events[push.cause? as usize],
            _ => return Some("it was woken".to_owned()),
        };
        // What it waited for: the latest line of the program of its latest poll before.
        let line = self.of_task(task, push.seq + 1).find_map(|event| match event.kind {
            Kind::Waits { .. } | Kind::PermitWaiting { .. } | Kind::TimerArmed { .. } => event.program,
            _ => None,
        });
        let at = line.map_or(String::new(), |line| format!(" at {}", place(line)));
        Some(match self.kind(wake.cause) {
            Some(Kind::PollBegin { task: by }) if *by == task => {
                match self.of_task(task, push.seq).next().map(|event| &event.kind) {
                    Some(Kind::Waits { what, .. }) if *what == "its next turn" => format!("`yield_now`{at}"),
                    _ if at.is_empty() => "it woke itself".to_owned(),
                    _ => format!("`yield_now`{at}"),
                }
            }
            Some(Kind::PollBegin { task: by } | Kind::PollEnd { task: by, .. }) => {
                format!("{} woke it", self.name(*by))
            }
            Some(Kind::TaskEnd { task: ended, .. }) => format!("{} ended", self.name(*ended)),
            Some(Kind::TimerFired { .. }) => format!("its `sleep`{at} was over"),
            Some(Kind::PermitReleased { .. }) => format!("there was a permit for its `acquire`{at}"),
            Some(Kind::ChannelSent { .. }) => format!("there was a value for its `recv`{at}"),
            Some(Kind::ChannelTaken { .. }) => format!("there was room for its `send`{at}"),
            Some(Kind::ChannelClosed { .. }) => format!("the channel that it waits for{at} was closed"),
            _ => "it was woken".to_owned(),
        })
    }

    /// How far a task that has overtaken others goes on.
    fn goes_on(&self, task: TaskNumber, seq: u64) -> Option<String> {
        let mut last = None;
        for (event, at_poll) in self.events.iter().zip(&self.at_poll).skip(seq as usize) {
            match &event.kind {
                Kind::Pop { task: it } | Kind::Chosen { task: it, .. } if *it != task => break,
                Kind::TaskPanicked { task: it, .. } if *it == task => return Some("it panics".to_owned()),
                Kind::TaskEnd { task: it, how } if *it == task => {
                    return Some(if *how == How::Aborted { "it is dropped" } else { "it ends" }.to_owned());
                }
                Kind::Waits { .. } | Kind::PermitWaiting { .. } | Kind::TimerArmed { .. } if *at_poll == Some(task) => {
                    last = Some(event)
                }
                Kind::Push { task: it } if *it == task => last = None,
                _ => {}
            }
        }
        let last = last?;
        let at = last.program.map_or(String::new(), |at| format!(" at {}", place(at)));
        Some(match &last.kind {
            Kind::Waits { what: "its next turn", .. } => return None,
            Kind::Waits { whom: Some(whom), .. } => format!("it waits for {} to end", self.name(*whom)),
            Kind::Waits { what, .. } => format!("it waits for {what}{at}"),
            Kind::PermitWaiting { .. } => format!("it waits for a permit{at}"),
            _ => format!("it sleeps{at}"),
        })
    }

    /// The first timer that fires from `seq` on.
    fn timer_fired(&self, seq: u64) -> Option<String> {
        let fired = |event: &Event| {
            if let Kind::TimerFired { timer, .. } = event.kind { Some((timer, event.seq)) } else { None }
        };
        let (timer, at) = self.events.iter().skip(seq as usize).find_map(fired)?;
        Some(self.timer(timer, at))
    }

    /// A timer by its key.
    fn timer(&self, key: u32, seq: u64) -> String {
        let is_armed = |(event, _): &(&Event, _)| matches!(event.kind, Kind::TimerArmed { timer, .. } if timer == key);
        let armed = self.events.iter().zip(&self.at_poll).take(seq as usize).rev().find(is_armed);
        let whose =
            armed.and_then(|(_, at_poll)| *at_poll).map_or(String::new(), |task| format!(" of {}", self.name(task)));
        let at = armed.and_then(|(event, _)| event.program).map_or(String::new(), |at| format!(" at {}", place(at)));
        format!("the timer{whose}{at}")
    }

    /// Every task that has not ended: what it waits for, and who holds that.
    fn waiting(&self) -> String {
        let mut holders: BTreeMap<
            PermitNumber,
            (SemaphoreNumber, Option<TaskNumber>, Option<&'static Location<'static>>),
        > = BTreeMap::new();
        let mut alive: Vec<TaskNumber> = Vec::new();
        for (event, at_poll) in self.events.iter().zip(&self.at_poll) {
            match &event.kind {
                // What is dropped after the hang was there when it hung.
                Kind::Quiescent {} => break,
                Kind::Spawn { task, .. } => alive.push(*task),
                Kind::TaskEnd { task, .. } => alive.retain(|it| it != task),
                Kind::PermitTaken { semaphore, permit, .. } => {
                    _ = holders.insert(*permit, (*semaphore, *at_poll, event.program))
                }
                Kind::PermitReleased { permit: Some(permit), .. } | Kind::PermitForgotten { permit, .. } => {
                    _ = holders.remove(permit)
                }
                _ => {}
            }
        }
        let end =
            self.events.iter().position(|event| matches!(event.kind, Kind::Quiescent {})).unwrap_or(self.events.len());
        let mut text = String::new();
        for task in alive {
            let polls =
                self.of_task(task, end as u64).take_while(|event| !matches!(event.kind, Kind::PollBegin { .. }));
            let told = |event: &&Event| {
                matches!(event.kind, Kind::Waits { .. } | Kind::PermitWaiting { .. } | Kind::TimerArmed { .. })
            };
            let waits: Vec<&Event> = polls.filter(told).collect();
            let line = waits.iter().find_map(|event| event.program);
            let at = line.map_or(String::new(), |at| format!(" at {}", place(at)));
            let semaphore = waits.iter().find_map(|event| match event.kind {
                Kind::PermitWaiting { semaphore } => Some(semaphore),
                _ => None,
            });
            let what = match waits.first().map(|event| &event.kind) {
                _ if semaphore.is_some() => {
                    let mut what = format!("waits for a permit{at}");
                    let holders = holders.values().filter(|(of, ..)| Some(*of) == semaphore);
                    for (_, holder, since) in holders {
                        let whose = match holder {
                            Some(holder) if *holder == task => "it holds one itself".to_owned(),
                            Some(holder) => format!("{} holds it", self.name(*holder)),
                            None => "it is held".to_owned(),
                        };
                        let since = since.map_or(String::new(), |at| format!(", since {}", place(at)));
                        _ = write!(what, "; {whose}{since}");
                    }
                    what
                }
                Some(Kind::Waits { whom: Some(whom), .. }) => format!("waits for {} to end", self.name(*whom)),
                Some(Kind::Waits { side: Some("send"), .. }) => format!("waits for room in a channel{at}"),
                Some(Kind::Waits { side: Some("receive"), .. }) => format!("waits for a value from a channel{at}"),
                Some(Kind::Waits { what, .. }) => format!("waits for {what}{at}"),
                _ => "waits for something that this loop does not know: nobody has used its waker".to_owned(),
            };
            _ = write!(text, "\n  {} {what}", self.name(task));
        }
        text
    }
}
