//! What a run leaves behind, when two records are the same, and how they are shown when they are not.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// When (in milliseconds since the start), by whom (a path) and what (a label).
pub(crate) type Event = (u64, String, String);

/// The record of a run.
pub(crate) struct Record {
    /// What main's body ended with.
    result: Value,
    /// When the loop ended.
    ended_ms: u64,
    /// The events of each path, in order. The order between paths within a millisecond is open, so it is not kept.
    paths: BTreeMap<String, Vec<(u64, String)>>,
}

/// Two records side by side: one line of the comparison.
struct Row {
    /// The earlier time of both sides, to find the first difference.
    ms: u64,
    expected: String,
    got: String,
}

impl Record {
    pub(crate) fn new(result: Value, ended_ms: u64, events: Vec<Event>) -> Record {
        let mut paths = BTreeMap::<_, Vec<_>>::new();
        for (ms, path, label) in events {
            paths.entry(path).or_default().push((ms, label));
        }
        Record { result, ended_ms, paths }
    }

    /// The record of a vector.
    ///
    /// # Panics
    /// When this is none.
    pub(crate) fn parse(json: &Value) -> Record {
        let events: Vec<Event> = serde_json::from_value(json["events"].clone()).expect("events are [ms, path, label]");
        let ended_ms = json["ended_ms"].as_u64().expect("a time");
        Record::new(json.get("result").expect("a result").clone(), ended_ms, events)
    }

    /// Nothing when `got` is the same, else both side by side, and the first difference.
    pub(crate) fn difference(&self, got: &Record) -> Option<String> {
        let rows = self.beside(got);
        // What differs first is the cause of the rest. Of several in one millisecond the upper one is taken.
        let first = rows.iter().filter(|row| row.differs()).min_by_key(|row| row.ms)?;
        let width = rows.iter().map(|row| row.expected.chars().count()).max().unwrap_or(0).max("expected".len());
        let line = |mark: &str, left: &str, right: &str| format!("{mark} {left:width$} | {right}\n");
        let mut text = line(" ", "expected", "got");
        for row in &rows {
            text += &line(if row.differs() { "!" } else { " " }, &row.expected, &row.got);
        }
        let (expected, got) = (first.expected.trim_start(), first.got.trim_start());
        Some(text + &format!("the first difference: expected {expected}, got {got}\n"))
    }

    /// All events, path by path, and then the ends.
    fn beside(&self, got: &Record) -> Vec<Row> {
        let mut rows = Vec::new();
        for path in self.paths.keys().chain(got.paths.keys()).collect::<BTreeSet<_>>() {
            let [expected, got] = [self, got].map(|record| record.paths.get(path).map_or(&[][..], Vec::as_slice));
            for at in 0..expected.len().max(got.len()) {
                let both = [expected.get(at), got.get(at)];
                let [left, right] = both.map(|event| match event {
                    Some((ms, label)) => format!("{ms:>7} {path}: {label}"),
                    None => "nothing".to_owned(),
                });
                let ms = both.into_iter().flatten().map(|(ms, _)| *ms).min().expect("one side has an event");
                rows.push(Row { ms, expected: left, got: right });
            }
        }
        let end = |record: &Record| format!("{:>7} the end", record.ended_ms);
        rows.push(Row { ms: self.ended_ms.min(got.ended_ms), expected: end(self), got: end(got) });
        let result = |record: &Record| format!("        the result: {}", record.result);
        rows.push(Row { ms: u64::MAX, expected: result(self), got: result(got) });
        rows
    }
}

impl Row {
    fn differs(&self) -> bool {
        self.expected != self.got
    }
}
