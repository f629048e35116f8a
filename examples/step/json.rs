//! Reads the JSON that the trace writes: one value without blanks, and whole numbers only.
//!
//! Any JSON crate would do. This page of code is quicker to build, and the first page should be there in seconds.

use std::iter::Peekable;
use std::ops::Index;
use std::str::Chars;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(u64),
    Text(String),
    List(Vec<Json>),
    /// The fields in their order: there are a dozen at most.
    Object(Vec<(String, Json)>),
}

/// What is given for a field or an item that is not there.
static NULL: Json = Json::Null;

impl Json {
    /// Reads a value. `None`: the text is no JSON, or has what the trace never writes.
    pub(crate) fn read(text: &str) -> Option<Json> {
        let mut letters = text.chars().peekable();
        let value = value(&mut letters)?;
        letters.next().is_none().then_some(value)
    }

    pub(crate) fn number(&self) -> Option<u64> {
        if let Json::Number(number) = self { Some(*number) } else { None }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        if let Json::Text(text) = self { Some(text) } else { None }
    }

    /// The items of a list; of anything else, none.
    pub(crate) fn items(&self) -> &[Json] {
        if let Json::List(items) = self { items } else { &[] }
    }

    pub(crate) fn is(&self, text: &str) -> bool {
        self.text() == Some(text)
    }

    pub(crate) fn is_true(&self) -> bool {
        *self == Json::Bool(true)
    }

    /// Gives an object a field, in the place of one with that name.
    pub(crate) fn set(&mut self, name: &str, value: Json) {
        if let Json::Object(fields) = self {
            fields.retain(|(its, _)| its != name);
            fields.push((name.to_owned(), value));
        }
    }
}

impl Index<&str> for Json {
    type Output = Json;

    fn index(&self, name: &str) -> &Json {
        let Json::Object(fields) = self else { return &NULL };
        fields.iter().find(|(its, _)| its == name).map_or(&NULL, |(_, value)| value)
    }
}

impl Index<usize> for Json {
    type Output = Json;

    fn index(&self, index: usize) -> &Json {
        self.items().get(index).unwrap_or(&NULL)
    }
}

impl From<u64> for Json {
    fn from(number: u64) -> Json {
        Json::Number(number)
    }
}

impl From<String> for Json {
    fn from(text: String) -> Json {
        Json::Text(text)
    }
}

type Letters<'a> = Peekable<Chars<'a>>;

fn value(letters: &mut Letters<'_>) -> Option<Json> {
    match letters.peek()? {
        '{' => {
            let fields = list('{', '}', letters, |letters| {
                let name = string(letters)?;
                letters.next_if_eq(&':')?;
                Some((name, value(letters)?))
            });
            Some(Json::Object(fields?))
        }
        '[' => Some(Json::List(list('[', ']', letters, value)?)),
        '"' => Some(Json::Text(string(letters)?)),
        '0'..='9' => Some(Json::Number(word(letters, char::is_ascii_digit).parse().ok()?)),
        _ => match &*word(letters, char::is_ascii_lowercase) {
            "null" => Some(Json::Null),
            "true" => Some(Json::Bool(true)),
            "false" => Some(Json::Bool(false)),
            _ => None,
        },
    }
}

/// The letters that belong together.
fn word(letters: &mut Letters<'_>, belongs: fn(&char) -> bool) -> String {
    std::iter::from_fn(|| letters.next_if(belongs)).collect()
}

/// What stands between two brackets, with commas between.
fn list<T>(
    open: char,
    close: char,
    letters: &mut Letters<'_>,
    item: fn(&mut Letters<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    letters.next_if_eq(&open)?;
    let mut items = Vec::new();
    if letters.next_if_eq(&close).is_some() {
        return Some(items);
    }
    loop {
        items.push(item(letters)?);
        match letters.next()? {
            ',' => {}
            letter if letter == close => return Some(items),
            _ => return None,
        }
    }
}

fn string(letters: &mut Letters<'_>) -> Option<String> {
    letters.next_if_eq(&'"')?;
    let mut text = String::new();
    loop {
        match letters.next()? {
            '"' => return Some(text),
            '\\' => text.push(match letters.next()? {
                'u' => {
                    let digits: String = letters.by_ref().take(4).collect();
                    char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?
                }
                letter => letter,
            }),
            letter => text.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Json;

    #[test]
    fn what_the_trace_writes_is_read() {
        let text = r#"{"seq":0,"at":18446744073709551615,"cause":null,"list":[],"wakes":[1,[true,false]],"to":{}}"#;
        let value = Json::read(text).expect("it is JSON");
        assert_eq!((value["seq"].number(), value["at"].number()), (Some(0), Some(u64::MAX)));
        assert_eq!((&value["cause"], &value["not there"]), (&Json::Null, &Json::Null));
        assert_eq!((value["list"].items().len(), value["wakes"].items().len()), (0, 2));
        assert!(value["wakes"][1][0].is_true() && !value["wakes"][1][1].is_true());
        assert_eq!(value["wakes"][7], Json::Null);
        assert_eq!(value["to"], Json::Object(Vec::new()));
    }

    #[test]
    fn strings_come_back_as_they_were() {
        let text = Json::read(r#""a \"b\" \\ \u003c\u2028\u0000 ü 漢""#).expect("it is JSON");
        assert!(text.is("a \"b\" \\ <\u{2028}\0 ü 漢"), "{text:?}");
    }

    #[test]
    fn what_is_no_json_of_the_trace_is_refused() {
        for text in ["", "{", "[1", "[1;2]", "[1,]", "{\"a\"}", "{\"a\":1", "\"a", "\"\\u00\"", "nothing", "1 ", "-1"] {
            assert_eq!(Json::read(text), None, "{text}");
        }
    }
}
