//! Every event of a trace in the sentence that the page says it in: the templates of the runtime's `words.txt`, filled in.

use crate::json::Json;
use crate::transcript::{parking, time};
use runtime::trace::{Event, WORDS};
use std::collections::{BTreeSet, HashMap};

/// What is known of the events so far, and what was said of them.
#[derive(Default)]
pub(crate) struct Sentences {
    pub(crate) sentences: Vec<String>,
    events: Vec<Json>,
    /// Kind → what is said of it.
    blocks: HashMap<&'static str, Block>,
    names: HashMap<u64, String>,
    /// Tasks that are not the first in their slots → which they are.
    pub(crate) generations: HashMap<u64, u64>,
    at_poll: Option<u64>,
    /// How many tasks are ready.
    ready: BTreeSet<u64>,
    /// The tasks that have panicked and not ended.
    panicked: BTreeSet<u64>,
    gathers: HashMap<u64, Gathering>,
    /// Semaphore → how many of its permits are free.
    semaphores: HashMap<u64, u64>,
    /// The end of a turn → the gathers and semaphores then.
    pub(crate) counts: HashMap<u64, String>,
}

#[derive(Default)]
struct Gathering {
    children: Option<u64>,
    /// Its iterator cannot tell how many there will be.
    cannot_tell: bool,
    started: u64,
    done: u64,
    /// How many there are, if that is known.
    all: Option<u64>,
    /// Place → child, while it has not ended.
    places: HashMap<u64, u64>,
    /// Its parent has been woken since its last poll.
    due: bool,
}

/// What is said of a kind of event.
#[derive(Clone, Copy)]
struct Block {
    sentence: &'static str,
    /// As the reason for what was done, and as the reason why somebody became ready.
    reason: Option<&'static str>,
    woken: Option<&'static str>,
}

impl Sentences {
    pub(crate) fn new(events: &[Event]) -> Sentences {
        let mut it = Sentences::default();
        for block in WORDS.trim().split("\n\n").skip(1) {
            let mut lines = block.lines();
            let kind = lines.next().and_then(|head| head.split(' ').next()).expect("a block begins with its kind");
            let (sentence, reason) = (lines.next().expect("a sentence"), lines.next());
            it.blocks.insert(kind, Block { sentence, reason, woken: lines.next().or(reason) });
        }
        for event in events {
            it.add(Json::read(&event.to_json()).expect("the trace writes JSON"));
        }
        it
    }

    /// Adds the facts that the event does not hold itself, then says it.
    fn add(&mut self, mut event: Json) {
        let number = |field: &str| event[field].number();
        let mut facts = Vec::new();
        let mut fact = |name: &'static str, value: Json| facts.push((name, value));
        let kind = event["kind"].text().expect("a kind").to_owned();
        if kind == "Spawn" {
            let task = number("task").expect("a task");
            self.names.insert(task, event["name"].text().map_or(format!("task {task}"), str::to_owned));
            self.generations.extend(number("generation").filter(|it| *it > 0).map(|generation| (task, generation)));
        }
        match kind.as_str() {
            "TurnBegin" => self.at_poll = None,
            "PollBegin" => self.at_poll = number("task"),
            _ => {}
        }
        let actor = number("task").or(self.at_poll);
        fact("atpoll", actor.map_or("the program".to_owned(), |task| self.name(task)).into());
        if let Some(gather) = number("gather") {
            if kind == "GatherStart" {
                self.gathers.insert(gather, Gathering::default());
            }
            let it = self.gathers.entry(gather).or_default();
            if kind == "GatherOpen" {
                it.children = number("children");
                it.cannot_tell = it.children.is_none();
            }
            if let Some(place) = number("place") {
                let started = &mut it.started;
                let child = if kind == "ChildPoll" {
                    *it.places.entry(place).or_insert_with(|| {
                        *started += 1;
                        *started - 1
                    })
                } else {
                    it.places.get(&place).copied().unwrap_or(place)
                };
                fact("child", child.into());
                if event["ready"].is_true() {
                    it.places.remove(&place);
                    it.done += 1;
                }
            }
            if let Some(alive) = number("alive") {
                // Without a limit all are taken from the iterator at once, and some wait for their start.
                if it.cannot_tell && it.done + alive > it.started {
                    it.children = Some(it.done + alive);
                }
                it.all = it.children.or((!it.cannot_tell).then_some(it.done + alive));
                let remaining = it.all.map(|all| all - it.done);
                fact("done", it.done.into());
                fact("remaining", remaining.map_or("an unknown number".to_owned().into(), Json::from));
                fact("one", Json::Bool(remaining == Some(1)));
            }
        }
        match kind.as_str() {
            "TurnBegin" => {
                let ready = match self.ready.len() {
                    0 => "nothing is ready".to_owned(),
                    1 => "1 task is ready".to_owned(),
                    many => format!("{many} tasks are ready"),
                };
                fact("ready", ready.into());
            }
            "Push" => self.ready.extend(number("task")),
            "Pop" | "TaskCancelled" => _ = number("task").map(|task| self.ready.remove(&task)),
            "Chosen" => fact("before", number("before").map_or("?".to_owned(), |task| self.name(task)).into()),
            "TaskPanicked" => self.panicked.extend(number("task")),
            "PollEnd" => {
                let panicked = number("task").is_some_and(|task| self.panicked.contains(&task));
                let returned = if event["ready"].is_true() { "returned Ready" } else { "returned Pending" };
                fact("returned", if panicked { "panicked" } else { returned }.to_owned().into());
            }
            "TaskEnd" => {
                let task = number("task").expect("a task");
                self.ready.remove(&task);
                self.panicked.remove(&task);
                fact("fate", self.fate(&event).into());
            }
            "Waits" => fact("for", self.waits_for(&event).into()),
            "TimerArmed" => {
                let left = number("deadline").zip(number("at")).map_or(0, |(deadline, at)| deadline - at);
                fact("in", time(left).into());
            }
            "ChannelSent" | "ChannelTaken" => {
                fact("free", Json::Bool(number("room") > Some(0)));
                fact("full", Json::Bool(number("room") == Some(0)));
            }
            "ChannelClosed" => fact("bysender", Json::Bool(event["side"].is("sender"))),
            "GatherPoll" => _ = number("gather").and_then(|it| self.gathers.get_mut(&it)).map(|it| it.due = false),
            "ChildWoken" => {
                let due = event["due"].is_true();
                let it = self.gathers.entry(number("gather").expect("a gather")).or_default();
                let (counts, before) = (number("left").is_some(), it.due);
                it.due |= due;
                let ended = number("cause").and_then(|cause| self.events[cause as usize]["task"].number());
                fact("counts", Json::Bool(counts));
                fact("whose", ended.map_or("a task".to_owned(), |task| self.name(task)).into());
                fact("idle", Json::Bool(counts && !due && !before));
                fact("awake", Json::Bool(!due && (!counts || before)));
            }
            _ => {}
        }
        match kind.as_str() {
            "PollEnd" | "TaskEnd" if number("task") == self.at_poll => self.at_poll = None,
            "RemoteSent" | "RemoteTaken" => {
                let subject = |number: u64| match event["message"].is("job end") {
                    true => format!("of job {number}"),
                    false => format!("for {}", self.name(number)),
                };
                fact("subject", number("number").map(subject).map_or(Json::Null, Json::from));
                fact("jobs", Json::Bool(event["message"].is("job end")));
                let did = match event["message"].text() {
                    Some("wake") => "woke it".to_owned(),
                    Some("abort") => "aborted it".to_owned(),
                    Some("spawn") => "spawned it".to_owned(),
                    Some("nobody outside") => "has nothing more to say".to_owned(),
                    _ => format!("has ended job {}", number("number").unwrap_or_default()),
                };
                fact("did", did.into());
            }
            "Park" => fact("parking", parking(&event).into()),
            "GatherDone" | "GatherDropped" => _ = self.gathers.remove(&number("gather").expect("a gather")),
            "PermitTaken" | "PermitReleased" => self.semaphores.extend(number("semaphore").zip(number("left"))),
            "TurnEnd" => {
                let seq = number("seq").expect("a number");
                self.counts.insert(seq, self.counted());
            }
            _ => {}
        }
        facts.into_iter().for_each(|(name, value)| event.set(name, value));
        self.events.push(event);
        let event = self.events.last().expect("it was pushed");
        let Block { sentence, .. } = self.blocks[kind.as_str()];
        let place = if sentence.contains("{woken}") { "{woken}" } else { "{because}" };
        let has_reason = sentence.contains(place) && !event["counts"].is_true();
        let because = self.reason(event).filter(|_| has_reason).map_or(String::new(), |reason| {
            let Block { reason: by, woken, .. } = self.blocks[reason["kind"].text().expect("a kind")];
            let text = if place == "{woken}" { woken } else { by }.expect("it can be told");
            let itself = ["task", "gather", "place"].iter().all(|it| reason[*it].number() == event[*it].number());
            let starts = event["kind"].text().is_some_and(|kind| kind.starts_with("ChildPoll"));
            format!(" {}", self.fill_reason(text, reason, itself, starts))
        });
        let parts: Vec<String> = sentence.split(place).map(|part| self.fill(part, event)).collect();
        self.sentences.push(parts.join(&because));
    }

    /// What is waited for, as far as the event names it.
    fn waits_for(&self, event: &Json) -> String {
        if let Some(task) = event["whom"].number() {
            return format!("{} to end", self.name(task));
        }
        if let Some(job) = event["job"].number() {
            return format!("job {job} to end");
        }
        match event["channel"].number() {
            Some(channel) if event["side"].is("send") => format!("room in channel {channel}"),
            Some(channel) if event["side"].is("close") => format!("the receiver of channel {channel} to go"),
            Some(channel) => format!("a value from channel {channel}"),
            None => event["what"].text().unwrap_or("?").to_owned(),
        }
    }

    /// How a task has ended, and who has asked for it.
    fn fate(&self, event: &Json) -> String {
        let how = event["how"].text().unwrap_or("?").to_owned();
        let Some(cause) = event["cause"].number().map(|cause| &self.events[cause as usize]) else { return how };
        if how == "dropped" && cause["kind"].is("TaskPanicked") {
            return "panicked".to_owned();
        }
        if how != "aborted" || !cause["kind"].is("Abort") {
            return how;
        }
        let by = self.reason(cause).and_then(|by| Some((by, self.blocks[by["kind"].text()?].reason?)));
        by.map_or(how.clone(), |(by, text)| format!("{how} {}", self.fill(text, by)))
    }

    /// The event behind this one that can be told as a reason.
    fn reason(&self, event: &Json) -> Option<&Json> {
        let cause = |event: &Json| event["cause"].number().map(|cause| &self.events[cause as usize]);
        let is = |kinds: [&str; 2]| kinds.iter().any(|kind| event["kind"].is(kind));
        let mut next = cause(event);
        // The end of a poll has the reason of the poll, and a child that of its wake.
        if is(["PollEnd", "ChildPollEnd"]) {
            next = next.and_then(cause);
        }
        // A poll has the reason of its push.
        while is(["PollBegin", "PollEnd"]) && next.is_some_and(|next| next["kind"].is("Pop") || next["kind"].is("Push"))
        {
            next = next.and_then(cause);
        }
        if is(["ChildPoll", "ChildPollEnd"]) && next.is_some_and(|next| next["kind"].is("ChildWoken")) {
            next = next.and_then(cause);
        }
        while let Some(event) = next {
            if self.blocks[event["kind"].text()?].reason.is_some() {
                return Some(event);
            }
            next = cause(event);
        }
        None
    }

    /// A template with the fields of an event put in.
    fn fill(&self, template: &str, event: &Json) -> String {
        self.fill_reason(template, event, false, false)
    }

    /// The same for a reason. `itself`: whoever did it is the one that is spoken of; `starts`: that is a child of a gather.
    fn fill_reason(&self, template: &str, event: &Json, itself: bool, starts: bool) -> String {
        let mut out = String::new();
        let mut rest = template;
        while let Some(at) = rest.find(['[', '{']) {
            out.push_str(&rest[..at]);
            let close = if rest[at..].starts_with('[') { ']' } else { '}' };
            let end = at + rest[at..].find(close).expect("a template closes what it opens");
            let inside = &rest[at + 1..end];
            match inside.split_once(": ").filter(|_| close == ']') {
                Some((field, text)) => {
                    let name = field.trim_start_matches('!');
                    let value = match name {
                        "itself" => &Json::Bool(itself),
                        "starts" => &Json::Bool(starts),
                        name => &event[name],
                    };
                    if matches!(value, Json::Null | Json::Bool(false)) == field.starts_with('!') {
                        out.push_str(&self.fill(text, event));
                    }
                }
                None => out.push_str(&self.field(inside, &event[inside])),
            }
            rest = &rest[end + 1..];
        }
        out + rest
    }

    fn field(&self, name: &str, value: &Json) -> String {
        match (name, value) {
            ("task", value) => self.name(value.number().expect("a task's number")),
            ("deadline" | "to", Json::Number(nanos)) => time(*nanos),
            (_, Json::Number(number)) => number.to_string(),
            (_, Json::Bool(is)) => is.to_string(),
            (_, Json::Text(text)) => text.clone(),
            _ => "?".to_owned(),
        }
    }

    pub(crate) fn name(&self, task: u64) -> String {
        self.names.get(&task).map_or_else(|| format!("task {task}"), Clone::clone)
    }

    /// The gathers and semaphores that there are now, with their counts.
    fn counted(&self) -> String {
        let mut gathers: Vec<u64> = self.gathers.keys().copied().collect();
        let mut semaphores: Vec<u64> = self.semaphores.keys().copied().collect();
        gathers.sort_unstable();
        semaphores.sort_unstable();
        let mut out = String::new();
        for number in gathers {
            let Gathering { done, all, .. } = &self.gathers[&number];
            let of = all.map_or(String::new(), |all| format!(" of {all}"));
            out.push_str(&format!("; gather {number}: {done}{of} done"));
        }
        for number in semaphores {
            out.push_str(&format!("; semaphore {number}: {} free", self.semaphores[&number]));
        }
        out
    }
}
