//! A trace as a text for the terminal: turn by turn, every event in the sentence that the page says it in.

use crate::json::Json;
use crate::sentences::Sentences;
use runtime::trace::{Event, Kind, Recorder};
use std::collections::HashMap;
use std::fmt::Write;
use std::time::Duration;

/// The transcript of what a recorder has kept; at the end of a turn with what was ready and armed then, if the recorder
/// keeps snapshots.
pub fn of(recorder: &Recorder) -> String {
    let events = recorder.events();
    let states: HashMap<u64, Json> = recorder
        .snapshots()
        .iter()
        .map(|(seq, state)| (*seq, Json::read(state).expect("the runtime writes JSON")))
        .collect();
    let told = Sentences::new(&events);
    let mut out = String::new();
    // When each turn ends: the clock may jump in it, or go on.
    let ends: HashMap<u64, Duration> = events.iter().map(|event| (event.turn, event.at)).collect();
    let at = |at: Duration| time(at.as_nanos() as u64);
    for (event, sentence) in events.iter().zip(&told.sentences) {
        let seq = event.seq;
        if matches!(event.kind, Kind::TurnBegin {}) {
            let (begins, ends) = (at(event.at), at(ends[&event.turn]));
            let until = if begins == ends { String::new() } else { format!(" to {ends}") };
            out.push_str(&format!("\nturn {}, {begins}{until}\n", event.turn));
        }
        let (file, line) = event.source;
        let program = event.program.map_or(String::new(), |at| format!(", for {}:{}", at.file(), at.line()));
        let cause = event.cause.map_or(String::new(), |cause| format!(", because of {cause}"));
        writeln!(out, "{seq:>5}  {sentence}  [{file}:{line}{program}{cause}]").expect("a string takes everything");
        if let Some(state) = states.get(&seq).filter(|_| matches!(event.kind, Kind::TurnEnd {})) {
            out.push_str(&told.state(seq, state));
        }
    }
    out
}

/// The sentence of every event.
pub fn sentences(events: &[Event]) -> Vec<String> {
    Sentences::new(events).sentences
}

impl Sentences {
    /// What was ready, armed, watched and under way at the end of a turn, in a line.
    fn state(&self, seq: u64, state: &Json) -> String {
        let list = |items: &Json, say: &dyn Fn(&Json) -> Option<String>| -> String {
            let said: Vec<String> = items.items().iter().filter_map(say).collect();
            if said.is_empty() { "none".to_owned() } else { said.join(", ") }
        };
        let ready = list(&state["ready"], &|task| task.number().map(|task| self.name(task)));
        let timers = list(&state["timers"], &|timer| {
            let (key, deadline) = timer[0].number().zip(timer[1].number())?;
            Some(format!("{key} at {}", time(deadline)))
        });
        let tasks = list(&state["tasks"], &|slot| {
            let (slot, task) = slot[0].number().zip(slot[1].number())?;
            let generation = self.generations.get(&task).map(|it| format!(" (slot {slot}, generation {it})"));
            Some(self.name(task) + &generation.unwrap_or_default())
        });
        let count = |field: &str| state[field].number().expect("a count");
        let sockets: String =
            state["sources"].items().iter().map(|it| format!("; socket {}", self.socket(it))).collect();
        let remote = match count("remote") {
            0 => String::new(),
            messages => format!("; remote queue: {messages}"),
        };
        let (jobs, counts) = (count("jobs"), &self.counts[&seq]);
        format!("       ready: {ready}; tasks: {tasks}; timers: {timers}; jobs: {jobs}{sockets}{remote}{counts}\n")
    }

    /// What is known of a socket, and who waits there.
    fn socket(&self, source: &Json) -> String {
        let [read, write] = [(0, "read"), (1, "write")].map(|(at, way)| {
            let ready = if source[1 + at].is_true() { "ready" } else { "not ready" };
            let ended = if source[3 + at].is_true() { ", ended" } else { "" };
            let who = |task: &Json| task.number().map_or("a child".to_owned(), |task| self.name(task));
            let waiting: String = source[5][at].items().iter().map(|task| format!(", {} waits", who(task))).collect();
            format!("{ready} to {way}{ended}{waiting}")
        });
        format!("{}: {read}, {write}", source[0].number().expect("a socket's number"))
    }
}

/// Why a park ends at the latest.
pub(crate) fn parking(event: &Json) -> String {
    let [timeout, deadline, limit] = ["timeout", "deadline", "limit"].map(|field| event[field].number());
    match timeout {
        None => "until an event or a wake".to_owned(),
        Some(0) if deadline != Some(0) && limit != Some(0) => "for no time, because a message has come".to_owned(),
        Some(nanos) => {
            let why = if deadline == timeout { "until the next deadline" } else { "the limit that the caller set" };
            format!("for at most {}, {why}", time(nanos))
        }
    }
}

/// A time as the page writes it.
pub(crate) fn time(nanos: u64) -> String {
    let (value, unit) = match Duration::from_nanos(nanos) {
        long if long >= Duration::from_secs(1) => (long.as_secs_f64(), "s"),
        _ => (nanos as f64 / 1e6, "ms"),
    };
    let text = format!("{value:.3}");
    format!("{} {unit}", text.trim_end_matches('0').trim_end_matches('.'))
}
