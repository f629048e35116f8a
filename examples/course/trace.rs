//! The trace of one program of a check, as JSON lines: the page of the real loop is made of them. What their fields are
//! stands in `runtime/src/trace/lines.md`.
//!
//! What is not known is `null`. A cause is known in two ways: a step happened inside of a poll or a wake, on the same
//! thread; or it ends what an earlier step began. A pop takes the entry of a push, a push answers a wake of its task.

#[path = "causes.rs"]
mod causes;

use crate::event::{Event, Line, file_name};
use crate::fields::Value;
use crate::json::{json, number, place, quoted, text};
use crate::run::{Broken, Run};
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt::Write as _;
use std::sync::atomic::Ordering::SeqCst;

/// What the check tells under a name of the page. Whatever else it tells is a note there.
const KINDS_TOLD: [&str; 3] = ["PollBegin", "PollEnd", "Wake"];

/// Nobody tells who holds the wakers: the page shall not say that nobody does.
const NO_TICKETS: (&str, Value) = ("tickets", Value::Bool(false));

/// What there is to say of a program besides its events.
#[derive(Debug)]
pub(crate) struct Head<'a> {
    /// The number of the lesson.
    pub(crate) lesson: u32,
    /// The number of the program.
    pub(crate) program: u64,
    /// The seed of the check.
    pub(crate) seed: u64,
    /// The rule that was broken.
    pub(crate) broken: Option<&'a Broken>,
    /// The answer's function that a waker calls, if it is known where that is.
    pub(crate) wake: Option<&'a (String, u32)>,
}

/// The lines of a run. Event 0 is the head; all others have the numbers that they have in a message, up to those that were
/// not kept: a note stands in their place. If a rule is broken, the last event says so, and its cause is the step that broke
/// it, if a step did.
pub(crate) fn lines(run: &Run, head: &Head<'_>) -> String {
    run.with_events(|events| {
        let mut writer = Writer { wake: head.wake.cloned(), ..Writer::new(run) };
        writer.head(head, events);
        let mut next = 1;
        for event in events {
            if event.number > next {
                writer.left_out(next, event);
            }
            next = event.number + 1;
            writer.event(event);
        }
        if let Some(broken) = head.broken {
            writer.end(broken, events.back());
        }
        writer.with_silent()
    })
}

/// The events alone, of a run without probes.
pub(crate) fn lines_of_what_is_said(run: &Run) -> String {
    run.with_events(|events| {
        let mut writer = Writer::new(run);
        events.iter().for_each(|event| writer.event(event));
        writer.out
    })
}

/// A wake or a spawn that no push and no poll has answered yet.
#[derive(Debug, Clone, Copy)]
struct Call {
    seq: u64,
    thread: u64,
}

struct Writer<'a> {
    run: &'a Run,
    out: String,
    seq: u64,
    /// The number here of an event of the run.
    seqs: HashMap<u64, u64>,
    /// Tasks that are named by a ticket: the number of the one that has it.
    tickets: HashMap<String, u64>,
    /// Other things by their keys: timers, sockets.
    keys: HashMap<(&'static str, String), u64>,
    tasks: u64,
    turns: u64,
    /// By task: who has called, the earliest first.
    calls: HashMap<u64, VecDeque<Call>>,
    /// By task: its place in the queue.
    pushed: HashMap<u64, u64>,
    /// By task: it was taken out of the queue, and is polled next.
    popped: HashMap<u64, u64>,
    /// The tasks that have ended.
    ended: HashSet<u64>,
    /// Whether the loop says what it does with its queue.
    has_queue: bool,
    /// The task whose last poll was the latest one, and said Ready.
    done: Option<Value>,
    /// The poll and the turn under way.
    poll: Option<u64>,
    turn: Option<u64>,
    timers: HashMap<u64, u64>,
    /// The last line of the answer, for what has none.
    last_line: Option<(String, u32)>,
    /// Where a wake goes.
    wake: Option<(String, u32)>,
    is_parked: bool,
    /// The kinds of events that were written.
    kinds: HashSet<String>,
    /// The check knows a task of which nobody has told that it was spawned.
    has_unknown_tasks: bool,
    /// Tasks that were spawned.
    spawned: HashSet<u64>,
}

impl<'a> Writer<'a> {
    fn new(run: &'a Run) -> Writer<'a> {
        Writer {
            run,
            out: String::new(),
            seq: 0,
            seqs: HashMap::new(),
            tickets: HashMap::new(),
            keys: HashMap::new(),
            tasks: 0,
            turns: 0,
            calls: HashMap::new(),
            pushed: HashMap::new(),
            popped: HashMap::new(),
            ended: HashSet::new(),
            has_queue: false,
            done: None,
            poll: None,
            turn: None,
            timers: HashMap::new(),
            last_line: None,
            wake: None,
            is_parked: false,
            kinds: HashSet::new(),
            has_unknown_tasks: false,
            spawned: HashSet::new(),
        }
    }

    /// What was written. The first line says of what nothing, or not all, is told: the page shall not say that there is
    /// nothing. Which line of the program did a step, a check never tells.
    fn with_silent(self) -> String {
        let has = |kind: &str| self.kinds.contains(kind);
        let silent = [
            ("tasks", self.has_unknown_tasks),
            ("queue", !has("Push")),
            // A check that plays the loop tells of its timers in words.
            ("timers", has("Armed") && !has("TimerArmed")),
            // The rest of the rung registers a socket. What becomes of it, the answer may tell or not.
            ("sources", has("IoRegistered") && !has("IoWouldBlock") && !has("IoWaits")),
            ("gathers", has("WakeChild")),
            ("semaphores", has("Release") || has("Jobs")),
            ("program", true),
        ];
        let names: Vec<String> = silent.iter().filter(|(_, is)| *is).map(|(name, _)| quoted(name)).collect();
        self.out.replacen("}\n", &format!(",\"silent\":[{}]}}\n", names.join(",")), 1)
    }

    /// The first event. Where nobody says that a task is spawned, and there is but one, it is main.
    fn head(&mut self, head: &Head<'_>, events: &VecDeque<Event>) {
        let Head { lesson, program, seed, .. } = head;
        let is_one = |event: &Event| event.name != "Spawn" && event.task.is_none_or(|task| task == 0);
        let line = ("check.rs".to_owned(), 1);
        if events.iter().all(is_one) && events.iter().any(|event| event.name == "PollBegin") {
            self.calls(0, 0);
            self.spawned.insert(0);
            let fields =
                [number("task", 0), number("slot", 0), number("generation", 0), text("name", "main"), NO_TICKETS];
            self.write("Spawn", None, &line, (0, 0), &fields);
        } else {
            let says = format!("lesson {lesson}, program {program} of the check, seed {seed}.");
            self.write("Note", None, &line, (0, 0), &[text("text", &says), NO_TICKETS]);
        }
    }

    /// The steps from this number on, up to an event, were not kept. What they led to has no known cause.
    fn left_out(&mut self, from: u64, event: &Event) {
        (self.poll, self.turn) = (None, None);
        self.calls.clear();
        self.pushed.clear();
        self.popped.clear();
        let says =
            format!("the steps {from} to {} of the program are left out here: there are too many", event.number - 1);
        let when = (event.turn.max(self.turns), event.at.as_nanos() as u64);
        self.write("Note", None, &("check.rs".to_owned(), 1), when, &[text("text", &says)]);
    }

    /// The last event: the rule that is broken.
    fn end(&mut self, broken: &Broken, last: Option<&Event>) {
        let Broken { rule, says, missing } = broken;
        let when =
            (last.map_or(0, |event| event.turn).max(self.turns), last.map_or(0, |event| event.at.as_nanos() as u64));
        // In the answer, so that it lies beside: where it was last, if that is known.
        let line = line_in(says).or(self.last_line.clone()).unwrap_or(("exercise.rs".to_owned(), 1));
        if self.run.hangs.load(SeqCst) && !self.is_parked && self.poll.is_none() {
            self.write("Park", None, &line, when, &[]);
        }
        let missing_text = missing.map(|missing| format!(" Missing: {missing}.")).unwrap_or_default();
        let cause = if missing.is_none() { self.seq.checked_sub(1) } else { None };
        let says = format!("the check refuses this. Broken rule: {rule}. {says}{missing_text}");
        self.write("Note", cause, &line, when, &[text("text", &says)]);
    }

    fn event(&mut self, event: &Event) {
        self.seqs.insert(event.number, self.seq);
        let fields: Vec<(&str, Value)> = match event.is_said() {
            true => event.fields.iter().map(|(name, value)| self.field(event.name, name, value)).collect(),
            false => match (event.name, event.task) {
                ("PollEnd", Some(task)) => {
                    let ready = ("ready", Value::Bool(event.note == "Ready"));
                    vec![number("task", u64::from(task)), ready]
                }
                (name, Some(task)) if KINDS_TOLD.contains(&name) => vec![number("task", u64::from(task))],
                (name, _) if event.note.is_empty() => vec![text("text", name)],
                (name, _) => vec![text("text", &format!("{name}: {}", event.note))],
            },
        };
        let mut name = if event.is_said() || KINDS_TOLD.contains(&event.name) { event.name } else { "Note" };
        let task = fields.iter().find(|(name, _)| *name == "task").map(|(_, value)| value.clone());
        let mut fields = fields;
        if let ("Spawn", Some(Value::Number(task))) = (name, &task) {
            // Before there are slots a task's place in the list of all is its number. The first one is main.
            if !fields.iter().any(|(name, _)| *name == "slot") {
                // It is never given to another one, so its generation is 0.
                fields.extend([number("slot", *task), number("generation", 0)]);
            }
            fields.push(if *task == 0 { text("name", "main") } else { ("name", Value::Null) });
        }
        if let Some(Value::Number(task)) = task {
            match name {
                "Spawn" => _ = self.ended.remove(&task),
                "TaskEnd" => _ = self.ended.insert(task),
                // The loop pops it later, and says nothing: on the page it would stand in the queue for ever.
                "Push" if self.ended.contains(&task) => {
                    let says = format!("task {task} enters the queue, and has ended: a pop passes over it");
                    (name, fields) = ("Note", vec![text("text", &says)]);
                }
                _ => {}
            }
        }
        // It ends because its poll has said Ready. How others end, a rung does not say.
        if name == "TaskEnd" && task.is_some() && task == self.done {
            fields.push(text("how", "done"));
        }
        // A task that nobody knows.
        if task == Some(Value::Null) {
            fields = vec![text("text", &format!("{name}, of a task that is not known"))];
            name = "Note";
        }
        let task = if let Some(Value::Number(task)) = task { Some(task) } else { None };
        if name == "TurnBegin" {
            self.turns += 1;
        }
        if let ("Spawn", Some(task)) = (name, task) {
            self.spawned.insert(task);
        }
        self.kinds.insert(name.to_owned());
        if !event.is_said() {
            self.kinds.insert(event.name.to_owned());
            self.has_unknown_tasks |= event.task.is_some_and(|task| !self.spawned.contains(&u64::from(task)));
        }
        let cause = self.cause(name, task, event, &fields);
        let runtime = self.line_of(name, event);
        let when = (event.turn.max(self.turns), event.at.as_nanos() as u64);
        self.write(name, cause, &runtime, when, &fields);
    }

    /// The line of the loop that did it.
    fn line_of(&mut self, name: &str, event: &Event) -> (String, u32) {
        let of = |(file, line): Line| (file_name(file).to_owned(), line);
        let place = event.place();
        let place = place.rsplit_once(':').and_then(|(file, line)| Some((file.to_owned(), line.parse().ok()?)));
        let place = place.or(event.said_at.map(of));
        // What the check tells of itself comes after the last line of the answer that is known.
        let place = place.or(self.last_line.clone().filter(|_| !event.is_said()));
        // The wake that is about to be made goes into the answer's, or the glue's.
        let wake = self.wake.clone().filter(|_| name == "Wake");
        let line = place.or(wake).unwrap_or((event.told_at.0.replace('\\', "/"), event.told_at.1));
        // What lies beside the trace has a short name there.
        let name_there = match file_name(&line.0) {
            "glue.rs" => "rung.rs".to_owned(),
            "check.rs" => "check.rs".to_owned(),
            name if name.ends_with(".check.rs") => "check.rs".to_owned(),
            _ => line.0,
        };
        let line = (name_there, line.1);
        if event.name != "Wake" && line.0 == "exercise.rs" {
            self.last_line = Some(line.clone());
        }
        line
    }

    fn field(&mut self, event: &str, name: &'static str, value: &Value) -> (&'static str, Value) {
        let value = match (name, value) {
            ("task", value) => self.task(event, value),
            ("queue", Value::List(tasks)) => Value::List(tasks.iter().map(|it| self.task(event, it)).collect()),
            (_, Value::Moment(moment)) => {
                Value::Number(moment.saturating_duration_since(self.run.began()).as_nanos() as u64)
            }
            ("timer" | "source", Value::Text(key)) => {
                let next = self.keys.keys().filter(|(of, _)| *of == name).count() as u64;
                Value::Number(*self.keys.entry((name, key.clone())).or_insert(next))
            }
            ("direction", Value::Text(way)) => Value::Text(way.to_lowercase()),
            (_, value) => value.clone(),
        };
        (name, value)
    }

    /// The number of a task. One that is named by a ticket gets its number when it is spawned.
    fn task(&mut self, event: &str, value: &Value) -> Value {
        match value {
            Value::Text(ticket) if event == "Spawn" => {
                self.tickets.insert(ticket.clone(), self.tasks);
                self.tasks += 1;
                Value::Number(self.tasks - 1)
            }
            Value::Text(ticket) => self.tickets.get(ticket).map_or(Value::Null, |task| Value::Number(*task)),
            value => value.clone(),
        }
    }

    fn write(
        &mut self,
        kind: &str,
        cause: Option<u64>,
        runtime: &(String, u32),
        (turn, at): (u64, u64),
        fields: &[(&str, Value)],
    ) {
        let seq = self.seq;
        let cause = cause.map_or("null".to_owned(), |cause| cause.to_string());
        let _ = write!(
            self.out,
            "{{\"seq\":{seq},\"turn\":{turn},\"at\":{at},\"kind\":{},\"cause\":{cause},\"runtime\":{},\"program\":null",
            quoted(kind),
            place(runtime),
        );
        for (name, value) in fields {
            let _ = write!(self.out, ",{}:{}", quoted(name), json(value));
        }
        self.out.push_str("}\n");
        self.seq += 1;
    }
}

/// The line of the answer that a message names, as that of a panic does: `(exercise.rs:59)`.
fn line_in(says: &str) -> Option<(String, u32)> {
    let digits = says.split("(exercise.rs:").nth(1)?.split(')').next()?;
    Some(("exercise.rs".to_owned(), digits.parse().ok()?))
}
