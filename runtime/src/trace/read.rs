//! A trace that is read back: from the JSON lines that a recorder has written, or that another loop has.

use super::Kind;
use super::heading::Heading;
use super::json::text;
use super::page::{Target, html_of};
use super::sources;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

/// A trace that was read with [`read`].
#[derive(Debug, Clone, Default)]
pub struct Trace {
    /// The events, a JSON object each.
    lines: Vec<String>,
    /// The files that they name, in the order of their names. There are a few dozen at most.
    files: Vec<String>,
    /// Sources that were given for files.
    own: Vec<(String, String)>,
}

/// Reads a trace from JSON lines, as [`Recorder::write_json`](super::Recorder::write_json) writes them. Another loop may
/// write its own, and get a page for them. What stands in a line: see [the module](super#the-json-lines).
///
/// ```
/// use runtime::trace;
///
/// let lines = r#"{"seq":0,"turn":1,"at":0,"kind":"TurnBegin","cause":null,"runtime":["mine.rs",1],"program":null}
/// {"seq":1,"turn":1,"at":5,"kind":"Wake","cause":0,"runtime":["mine.rs",2],"program":null,"task":0}"#;
/// let trace = trace::read(lines.as_bytes())?.with_source("mine.rs", "fn turn() {}\nfn wake() {}");
/// assert_eq!(trace.len(), 2);
/// let mut page = Vec::new();
/// trace.write_page("a loop of my own", &mut page)?;
/// assert!(String::from_utf8_lossy(&page).contains("fn wake()"));
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// When `input` cannot be read, or a line is no event: the error names the line and what is wrong.
pub fn read(input: impl io::Read) -> io::Result<Trace> {
    let mut trace = Trace::default();
    for (number, line) in BufReader::new(input).lines().enumerate() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("line {}: {what}", number + 1));
        trace.add(&line).map_err(|what| wrong(&what))?;
    }
    Ok(trace)
}

impl Trace {
    /// How many events it has.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The files that the events name, each once.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(String::as_str)
    }

    /// Gives the source of a file that the events name. Without it the file is looked for from the current folder upwards.
    pub fn with_source(mut self, file: impl Into<String>, source: impl Into<String>) -> Trace {
        self.own.push((file.into(), source.into()));
        self
    }

    /// Writes the events as JSON lines.
    ///
    /// # Errors
    /// When `out` cannot be written to.
    pub fn write_json(&self, mut out: impl io::Write) -> io::Result<()> {
        self.lines.iter().try_for_each(|line| writeln!(out, "{line}"))
    }

    /// Writes the page of the events.
    ///
    /// # Errors
    /// When `out` cannot be written to.
    pub fn write_page(&self, heading: impl Into<Heading>, mut out: impl io::Write) -> io::Result<()> {
        out.write_all(self.html(&heading.into()).as_bytes())
    }

    /// Writes the page of the events to a file, aside and renamed, as [`page`](super::page()) does.
    ///
    /// # Errors
    /// When another file is there, which is not overwritten, or when the page cannot be written.
    pub fn save_page(&self, heading: impl Into<Heading>, path: impl AsRef<Path>) -> io::Result<()> {
        Target::check(path.as_ref())?.write(&self.html(&heading.into()))
    }

    fn html(&self, heading: &Heading) -> String {
        // The source that was given last counts.
        let own = |file: &String| self.own.iter().rev().find(|(its, _)| its == file).map(|(_, source)| source.clone());
        let source = |file: &String| own(file).or_else(|| sources::of_reader(file));
        let files = self.files.iter().map(|file| (file.as_str(), source(file))).collect();
        html_of(heading, files, |data| {
            data.push('[');
            data.push_str(&self.lines.join(","));
            data.push(']');
        })
    }

    fn add_file(&mut self, file: &String) {
        if let Err(place) = self.files.binary_search(file) {
            self.files.insert(place, file.clone());
        }
    }

    /// Adds the event of a line.
    fn add(&mut self, line: &str) -> Result<(), String> {
        let fields = object(line)?;
        let field = |name: &str| fields.iter().find(|(its, _)| its == name).map(|(_, value)| value);
        let number = |name: &str| match field(name) {
            Some(Value::Number(number)) => number.parse::<u64>().map_err(|_| format!("\"{name}\" is no whole number")),
            _ => Err(format!("\"{name}\" is no number")),
        };
        let seq = number("seq")?;
        if seq != self.lines.len() as u64 {
            return Err(format!("\"seq\" is {seq}, and this is event {}", self.lines.len()));
        }
        number("turn")?;
        number("at")?;
        let Some(Value::Text(kind)) = field("kind") else { return Err("\"kind\" is no text".into()) };
        match field("cause") {
            Some(Value::Null) => {}
            _ if number("cause")? < seq => {}
            _ => return Err("\"cause\" is no earlier event".into()),
        }
        for (name, may_lack) in [("runtime", false), ("program", true)] {
            match field(name) {
                Some(Value::List(place)) => match place.as_slice() {
                    [Value::Text(file), Value::Number(_)] => self.add_file(file),
                    _ => return Err(format!("\"{name}\" is no [\"file\", line]")),
                },
                Some(Value::Null) if may_lack => {}
                _ => return Err(format!("\"{name}\" is no [\"file\", line]")),
            }
        }
        let mut whole = String::from("{");
        for (index, (name, value)) in fields.iter().enumerate() {
            whole.push_str(if index > 0 { "," } else { "" });
            text(name, &mut whole);
            whole.push(':');
            value.write(&mut whole);
        }
        for name in Kind::fields(kind).iter().filter(|name| field(name).is_none()) {
            whole.push_str(&format!(",\"{name}\":null"));
        }
        whole.push('}');
        self.lines.push(whole);
        Ok(())
    }
}

/// A JSON value.
enum Value {
    Null,
    Bool(bool),
    /// As it was written.
    Number(String),
    Text(String),
    List(Vec<Value>),
    Object(Vec<(String, Value)>),
}

impl Value {
    fn write(&self, out: &mut String) {
        match self {
            Value::Null => out.push_str("null"),
            Value::Bool(is) => out.push_str(if *is { "true" } else { "false" }),
            Value::Number(number) => out.push_str(number),
            Value::Text(it) => text(it, out),
            Value::List(items) => super::json::list(items, out, Value::write),
            Value::Object(fields) => {
                out.push('{');
                for (index, (name, value)) in fields.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    text(name, out);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }
}

/// The fields of the object that a line is.
fn object(line: &str) -> Result<Vec<(String, Value)>, String> {
    let mut rest = line.trim();
    let value = value(&mut rest, 0)?;
    match value {
        Value::Object(fields) if rest.trim().is_empty() => Ok(fields),
        Value::Object(_) => Err("something stands behind the object".into()),
        _ => Err("it is no JSON object".into()),
    }
}

/// Deeper than that nothing is nested.
const DEPTH: usize = 32;

/// Takes a value from the front of `rest`.
fn value(rest: &mut &str, depth: usize) -> Result<Value, String> {
    if depth > DEPTH {
        return Err("it is nested too deep".into());
    }
    *rest = rest.trim_start();
    match rest.chars().next() {
        Some('{') => {
            let mut fields = Vec::new();
            items(rest, '}', |rest| {
                *rest = rest.trim_start();
                let name = string(rest)?;
                *rest = rest.trim_start();
                *rest = rest.strip_prefix(':').ok_or("a colon is missing")?;
                fields.push((name, value(rest, depth + 1)?));
                Ok(())
            })?;
            Ok(Value::Object(fields))
        }
        Some('[') => {
            let mut list = Vec::new();
            items(rest, ']', |rest| {
                list.push(value(rest, depth + 1)?);
                Ok(())
            })?;
            Ok(Value::List(list))
        }
        Some('"') => string(rest).map(Value::Text),
        _ => {
            let end = rest.find([',', ']', '}', ' ', '\t']).unwrap_or(rest.len());
            let (word, behind) = rest.split_at(end);
            *rest = behind;
            match word {
                "null" => Ok(Value::Null),
                "true" | "false" => Ok(Value::Bool(word == "true")),
                _ if !word.is_empty() && word.parse::<f64>().is_ok_and(f64::is_finite) => {
                    Ok(Value::Number(word.to_owned()))
                }
                _ => Err(format!("{word:?} is no value")),
            }
        }
    }
}

/// Takes what stands between brackets, with commas between.
fn items(rest: &mut &str, close: char, mut item: impl FnMut(&mut &str) -> Result<(), String>) -> Result<(), String> {
    *rest = rest[1..].trim_start();
    if let Some(behind) = rest.strip_prefix(close) {
        *rest = behind;
        return Ok(());
    }
    loop {
        item(rest)?;
        *rest = rest.trim_start();
        if let Some(behind) = rest.strip_prefix(close) {
            *rest = behind;
            return Ok(());
        }
        *rest = rest.strip_prefix(',').ok_or("a comma or a bracket is missing")?;
    }
}

/// Takes a string.
fn string(rest: &mut &str) -> Result<String, String> {
    let mut letters = rest.strip_prefix('"').ok_or("a name is missing")?.chars();
    let mut out = String::new();
    loop {
        match letters.next().ok_or("a string has no end")? {
            '"' => break,
            '\\' => match letters.next() {
                Some('u') => out.push(escaped(&mut letters)?),
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('r') => out.push('\r'),
                Some('b') => out.push('\u{8}'),
                Some('f') => out.push('\u{c}'),
                Some(letter @ ('"' | '\\' | '/')) => out.push(letter),
                _ => return Err("an escape is unknown".into()),
            },
            letter => out.push(letter),
        }
    }
    *rest = letters.as_str();
    Ok(out)
}

/// A letter by its number; some need two of those.
fn escaped(letters: &mut std::str::Chars<'_>) -> Result<char, String> {
    let mut number = || -> Result<u16, String> {
        let digits: String = letters.by_ref().take(4).collect();
        u16::from_str_radix(&digits, 16).map_err(|_| "an escape has no number".into())
    };
    let first = number()?;
    if !(0xd800..0xdc00).contains(&first) {
        return char::from_u32(u32::from(first)).ok_or_else(|| "half of a letter".into());
    }
    let (backslash, u) = (letters.next(), letters.next());
    if (backslash, u) != (Some('\\'), Some('u')) {
        return Err("half of a letter".into());
    }
    let digits: String = letters.by_ref().take(4).collect();
    let second = u16::from_str_radix(&digits, 16).map_err(|_| "an escape has no number")?;
    char::decode_utf16([first, second]).next().and_then(Result::ok).ok_or_else(|| "half of a letter".into())
}
