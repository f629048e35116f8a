//! JSON, written by hand: an event a line, and strings that no HTML page takes for its own.

use super::Event;
use super::kind::{
    Ahead, ChannelNumber, GatherNumber, How, Nanos, PermitNumber, Place, SemaphoreNumber, TaskNumber, Woken,
};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

/// What can be written as JSON.
pub(super) trait Json {
    fn write(&self, out: &mut String);
}

/// For what is written by a single expression.
macro_rules! json {
    ($($type:ty: |$self:ident, $out:ident| $written:expr;)*) => {
        $(impl Json for $type {
            fn write(&self, $out: &mut String) {
                let $self = self;
                $written;
            }
        })*
    };
}

json! {
    bool: |it, out| out.push_str(if *it { "true" } else { "false" });
    u32: |it, out| number(u64::from(*it), out);
    u64: |it, out| number(*it, out);
    usize: |it, out| number(*it as u64, out);
    TaskNumber: |it, out| it.0.write(out);
    GatherNumber: |it, out| it.0.write(out);
    SemaphoreNumber: |it, out| it.0.write(out);
    ChannelNumber: |it, out| it.0.write(out);
    PermitNumber: |it, out| it.0.write(out);
    Place: |it, out| it.0.write(out);
    Ahead: |it, out| match it.0 {
        Some(ahead) => ahead.write(out),
        None => out.push_str("false"),
    };
    Nanos: |it, out| it.0.write(out);
    Duration: |it, out| number(it.as_nanos() as u64, out);
    &str: |it, out| text(it, out);
    Arc<str>: |it, out| text(it, out);
    How: |it, out| text(it.word(), out);
    Woken: |it, out| list(&it.0, out, Json::write);
}

impl<T: Json> Json for Option<T> {
    fn write(&self, out: &mut String) {
        match self {
            Some(value) => value.write(out),
            None => out.push_str("null"),
        }
    }
}

impl Json for (&str, u32) {
    fn write(&self, out: &mut String) {
        out.push('[');
        self.0.write(out);
        out.push(',');
        self.1.write(out);
        out.push(']');
    }
}

fn number(number: u64, out: &mut String) {
    write!(out, "{number}").expect("a string takes everything");
}

/// A string.
pub(super) fn text(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            // `<` could end the script that it stands in; the last two end a line in older JavaScript.
            '<' | '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", u32::from(letter))),
            letter if letter.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(letter))),
            letter => out.push(letter),
        }
    }
    out.push('"');
}

/// A list.
pub(super) fn list<T>(items: impl IntoIterator<Item = T>, out: &mut String, mut write: impl FnMut(T, &mut String)) {
    out.push('[');
    for (index, item) in items.into_iter().enumerate() {
        out.push_str(if index > 0 { "," } else { "" });
        write(item, out);
    }
    out.push(']');
}

impl Event {
    /// The event as a JSON object in one line: `seq`, `turn`, `at` in nanoseconds, `cause`, `runtime` and `program` as
    /// file and line, `kind`, and the fields of the kind.
    pub fn to_json(&self) -> String {
        let (seq, turn, at, kind) = (self.seq, self.turn, self.at.as_nanos(), self.kind.name());
        let mut out = format!("{{\"seq\":{seq},\"turn\":{turn},\"at\":{at},\"kind\":\"{kind}\",\"cause\":");
        self.cause.write(&mut out);
        out.push_str(",\"runtime\":");
        self.source.write(&mut out);
        out.push_str(",\"program\":");
        self.program.map(|at| (at.file(), at.line())).write(&mut out);
        self.kind.write_fields(&mut out);
        out.push('}');
        out
    }
}
