//! The programs as data: what a line of the vectors says, parsed once, so that the interpreter meets JSON only as values.

use serde_json::Value;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

/// Statements that run one after the other. Shared, because a task takes its body along.
pub(crate) type Body = Rc<[Statement]>;

/// A whole program.
pub(crate) struct Program {
    /// How many permits each semaphore has at first.
    pub(crate) semaphores: HashMap<String, usize>,
    pub(crate) main: Body,
}

/// One step of a body. README.md in this folder says what each does, what it gives and what it logs.
pub(crate) enum Statement {
    Log(String),
    Value(Value),
    Yield,
    Sleep(Duration),
    Raise(String),
    Catch(Body),
    Finally(Body, String),
    Gather { bodies: Vec<Body>, return_exceptions: bool },
    AsCompleted(Vec<Body>),
    Timeout(Duration, Body),
    Spawn(String, Body),
    Cancel(String),
    Join(String),
    WithPermit(String, Body),
}

impl Program {
    /// # Panics
    /// When this is no program; so do the functions below.
    pub(crate) fn parse(json: &Value) -> Program {
        let semaphores = json["semaphores"].as_object().expect("semaphores have names");
        Program {
            semaphores: semaphores.iter().map(|(name, permits)| (name.clone(), number(permits) as usize)).collect(),
            main: body(&json["main"]),
        }
    }
}

impl Statement {
    fn parse(json: &Value) -> Statement {
        let Some([Value::String(name), arguments @ ..]) = json.as_array().map(Vec::as_slice) else {
            panic!("a statement is a list that begins with its name: {json}");
        };
        match (name.as_str(), arguments) {
            ("log", [label]) => Statement::Log(text(label)),
            ("value", [value]) => Statement::Value(value.clone()),
            ("yield", []) => Statement::Yield,
            ("sleep", [ms]) => Statement::Sleep(milliseconds(ms)),
            ("raise", [error]) => Statement::Raise(text(error)),
            ("catch", [inner]) => Statement::Catch(body(inner)),
            ("finally", [inner, label]) => Statement::Finally(body(inner), text(label)),
            ("gather", [inner, Value::Bool(collect)]) => {
                Statement::Gather { bodies: bodies(inner), return_exceptions: *collect }
            }
            ("as_completed", [inner]) => Statement::AsCompleted(bodies(inner)),
            ("timeout", [ms, inner]) => Statement::Timeout(milliseconds(ms), body(inner)),
            ("spawn", [task, inner]) => Statement::Spawn(text(task), body(inner)),
            ("cancel", [task]) => Statement::Cancel(text(task)),
            ("join", [task]) => Statement::Join(text(task)),
            ("with_permit", [semaphore, inner]) => Statement::WithPermit(text(semaphore), body(inner)),
            _ => panic!("no such statement: {json}"),
        }
    }
}

fn body(json: &Value) -> Body {
    json.as_array().expect("a body is a list").iter().map(Statement::parse).collect()
}

fn bodies(json: &Value) -> Vec<Body> {
    json.as_array().expect("bodies stand in a list").iter().map(body).collect()
}

fn text(json: &Value) -> String {
    json.as_str().expect("a text").to_owned()
}

fn number(json: &Value) -> u64 {
    json.as_u64().expect("a number, not below zero")
}

fn milliseconds(json: &Value) -> Duration {
    Duration::from_millis(number(json))
}
