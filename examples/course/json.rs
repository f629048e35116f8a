//! JSON, written by hand: texts, and what stands in the lines of a trace.

use crate::fields::Value;
use std::fmt::Write as _;

pub(crate) fn number(name: &'static str, value: u64) -> (&'static str, Value) {
    (name, Value::Number(value))
}

pub(crate) fn text(name: &'static str, text: &str) -> (&'static str, Value) {
    (name, Value::Text(text.to_owned()))
}

pub(crate) fn json(value: &Value) -> String {
    match value {
        // A moment was made a number before.
        Value::Null | Value::Moment(_) => "null".to_owned(),
        Value::Bool(is) => is.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Text(text) => quoted(text),
        Value::List(values) => format!("[{}]", values.iter().map(json).collect::<Vec<_>>().join(",")),
    }
}

pub(crate) fn place((file, line): &(String, u32)) -> String {
    format!("[{},{line}]", quoted(file))
}

/// A text as JSON has it; and without `<`, for a text that stands in a page.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            '\n' => out.push_str("\\n"),
            _ if letter.is_control() || letter == '<' => _ = write!(out, "\\u{:04x}", letter as u32),
            _ => out.push(letter),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_text_in_json_keeps_its_line() {
        assert_eq!(quoted("a \"b\" \\ \n</script>\u{1}"), r#""a \"b\" \\ \n\u003c/script>\u0001""#);
    }
}
