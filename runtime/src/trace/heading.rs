//! What a page says of its program before the first step: a title, two sentences, and questions.

use super::json::{Json, list, text};
use std::sync::Arc;

/// What stands at the head of a page: a title, and, where somebody has written them, what the program is about and what
/// to look for. A text alone is a heading, too: a title.
///
/// ```
/// use runtime::trace::{Heading, Recorder};
///
/// let recorder = Recorder::start();
/// runtime::block_on(runtime::task::yield_now());
/// let heading = Heading::new("one yield").about("Main yields once.").question("When is it polled again?", Some(9));
/// let mut page = Vec::new();
/// recorder.write_page(heading, &mut page)?;
/// assert!(String::from_utf8_lossy(&page).contains("Main yields once."));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Heading {
    title: String,
    /// What the program is about, a sentence each.
    about: Vec<Arc<str>>,
    /// Questions, and the numbers of the events that answer them.
    questions: Vec<(String, Option<u64>)>,
}

impl Heading {
    /// A title.
    pub fn new(title: impl Into<String>) -> Heading {
        Heading { title: title.into(), ..Heading::default() }
    }

    /// Adds a sentence on what the program is about.
    pub fn about(mut self, sentence: &str) -> Heading {
        self.about.push(sentence.into());
        self
    }

    /// Adds a question, and the number of the event that answers it. `None`: this time nothing does.
    pub fn question(mut self, question: impl Into<String>, answer: Option<u64>) -> Heading {
        self.questions.push((question.into(), answer));
        self
    }

    /// Says in the title how the program was stopped.
    pub(super) fn stopped(mut self, how: &str) -> Heading {
        self.title = format!("{}, stopped {how}", self.title);
        self
    }

    /// Writes its fields into the page's data.
    pub(super) fn write(&self, data: &mut String) {
        data.push_str("\"title\":");
        text(&self.title, data);
        data.push_str(",\"about\":");
        list(&self.about, data, |sentence, data| text(sentence, data));
        data.push_str(",\"questions\":");
        list(&self.questions, data, |(question, answer), data| {
            data.push('[');
            text(question, data);
            data.push(',');
            answer.map(|seq| seq as usize).write(data);
            data.push(']');
        });
    }
}

impl From<&str> for Heading {
    fn from(title: &str) -> Heading {
        Heading::new(title)
    }
}

impl From<String> for Heading {
    fn from(title: String) -> Heading {
        Heading::new(title)
    }
}

impl From<&String> for Heading {
    fn from(title: &String) -> Heading {
        Heading::new(title.as_str())
    }
}
