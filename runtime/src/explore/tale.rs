//! What a trace tells of its tasks: why one was ready, how far it went on, what it waits for, who holds that.

use super::story::{place, who};
use crate::trace::{Event, How, Kind, PermitNumber, SemaphoreNumber, TaskNumber};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::panic::Location;

/// A permit that was taken: of which semaphore, by whom, and where.
struct Taken {
    semaphore: SemaphoreNumber,
    by: Option<TaskNumber>,
    at: Option<&'static Location<'static>>,
}

/// What a trace tells of its tasks.
pub(super) struct Tale<'a> {
    events: &'a [Event],
    /// Who was at poll, by event.
    at_poll: Vec<Option<TaskNumber>>,
    /// The name and the birth of each task.
    pub(super) names: BTreeMap<TaskNumber, String>,
    /// How often each task was polled.
    pub(super) polls: HashMap<TaskNumber, usize>,
}

impl Tale<'_> {
    pub(super) fn of(events: &[Event]) -> Tale<'_> {
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
        tale.tell_apart();
        tale
    }

    /// Tasks of one name and one line get their numbers, which are those of the page, too.
    fn tell_apart(&mut self) {
        let mut counts: HashMap<String, usize> = HashMap::new();
        for name in self.names.values() {
            *counts.entry(name.clone()).or_default() += 1;
        }
        for (TaskNumber(number), name) in &mut self.names {
            if counts[name] > 1 {
                let rest = name.strip_prefix("a task").map(str::to_owned);
                *name = rest.map_or_else(|| format!("{name}, task {number}"), |rest| format!("task {number}{rest}"));
            }
        }
    }

    pub(super) fn name(&self, task: TaskNumber) -> String {
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
    pub(super) fn ready_since(&self, task: TaskNumber, seq: u64) -> Option<String> {
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
    pub(super) fn goes_on(&self, task: TaskNumber, seq: u64) -> Option<String> {
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
    pub(super) fn timer_fired(&self, seq: u64) -> Option<String> {
        let fired = |event: &Event| {
            if let Kind::TimerFired { timer, .. } = event.kind { Some((timer, event.seq)) } else { None }
        };
        let (timer, at) = self.events.iter().skip(seq as usize).find_map(fired)?;
        Some(self.timer(timer, at))
    }

    /// A timer by its key.
    pub(super) fn timer(&self, key: u32, seq: u64) -> String {
        let is_armed = |(event, _): &(&Event, _)| matches!(event.kind, Kind::TimerArmed { timer, .. } if timer == key);
        let armed = self.events.iter().zip(&self.at_poll).take(seq as usize).rev().find(is_armed);
        let whose =
            armed.and_then(|(_, at_poll)| *at_poll).map_or(String::new(), |task| format!(" of {}", self.name(task)));
        let at = armed.and_then(|(event, _)| event.program).map_or(String::new(), |at| format!(" at {}", place(at)));
        format!("the timer{whose}{at}")
    }

    /// Every task that has not ended: what it waits for, and who holds that.
    pub(super) fn waiting(&self) -> String {
        let mut holders: BTreeMap<PermitNumber, Taken> = BTreeMap::new();
        // Of each semaphore the latest permit that was given up with `forget`.
        let mut forgotten: HashMap<SemaphoreNumber, Taken> = HashMap::new();
        let mut alive: Vec<TaskNumber> = Vec::new();
        for (event, at_poll) in self.events.iter().zip(&self.at_poll) {
            match &event.kind {
                // What is dropped after the hang was there when it hung.
                Kind::Quiescent { .. } => break,
                Kind::Spawn { task, .. } => alive.push(*task),
                Kind::TaskEnd { task, .. } => alive.retain(|it| it != task),
                Kind::PermitTaken { semaphore, permit, .. } => {
                    let taken = Taken { semaphore: *semaphore, by: *at_poll, at: event.program };
                    _ = holders.insert(*permit, taken)
                }
                Kind::PermitReleased { permit: Some(permit), .. } => _ = holders.remove(permit),
                Kind::PermitForgotten { semaphore, permit } => {
                    forgotten.extend(holders.remove(permit).map(|taken| (*semaphore, taken)))
                }
                _ => {}
            }
        }
        let end = self
            .events
            .iter()
            .position(|event| matches!(event.kind, Kind::Quiescent { .. }))
            .unwrap_or(self.events.len());
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
                    let held: Vec<&Taken> =
                        holders.values().filter(|taken| Some(taken.semaphore) == semaphore).collect();
                    let forgotten = semaphore.and_then(|semaphore| forgotten.get(&semaphore));
                    format!("waits for a permit{at}{}", self.who_holds(task, &held, forgotten))
                }
                Some(Kind::Waits { whom: Some(whom), .. }) => format!("waits for {} to end", self.name(*whom)),
                Some(Kind::Waits { side: Some("send"), .. }) => format!("waits for room in a channel{at}"),
                Some(Kind::Waits { side: Some("receive"), .. }) => format!("waits for a value from a channel{at}"),
                Some(Kind::Waits { what, .. }) => format!("waits for {what}{at}"),
                Some(Kind::TimerArmed { .. }) => format!("sleeps{at}, and is not woken by its timer"),
                _ => "waits for something that this loop does not know, and nothing has woken it".to_owned(),
            };
            _ = write!(text, "\n  {} {what}", self.name(task));
        }
        text
    }

    /// Who holds the permits that `task` waits for; if nobody does, who has given up the latest.
    fn who_holds(&self, task: TaskNumber, held: &[&Taken], forgotten: Option<&Taken>) -> String {
        let since = |taken: &Taken| taken.at.map_or(String::new(), |at| format!(", since {}", place(at)));
        let mut text = String::new();
        for taken in held {
            let who = match taken.by {
                Some(holder) if holder == task => "it holds one itself".to_owned(),
                Some(holder) => format!("{} holds it", self.name(holder)),
                None => "it is held".to_owned(),
            };
            _ = write!(text, "; {who}{}", since(taken));
        }
        if held.is_empty() {
            text.push_str("; nobody holds one");
        }
        if let Some(taken) = forgotten.filter(|_| held.is_empty()) {
            let who = taken.by.map_or("somebody".to_owned(), |by| self.name(by));
            let at = taken.at.map_or(String::new(), |at| format!(" at {}", place(at)));
            _ = write!(text, ": {who} took one{at} and gave it up with `forget`");
        }
        text
    }
}
