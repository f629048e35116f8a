//! From the texts of the lessons to HTML, by pulldown-cmark. Of a link the words stay: the book leads nowhere outside.

use pulldown_cmark::{Event, HeadingLevel, Parser, Tag, TagEnd, html::push_html};

/// Text as it stands in HTML.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The HTML of a text. A heading `#` becomes an `<h2>`, and so on: the book has its title above.
pub(crate) fn html(text: &str) -> String {
    made(&events(text))
}

/// The items of the first list in the text, as HTML, and what stands before the list.
pub(crate) fn items(text: &str) -> (String, Vec<String>) {
    let events = events(text);
    let is_list = |event: &Event| matches!(event, Event::Start(Tag::List(_)));
    let first = events.iter().position(is_list).unwrap_or(events.len());
    let (mut items, mut depth, mut begin) = (Vec::new(), 0_u32, 0);
    for (at, event) in events.iter().enumerate().skip(first) {
        match event {
            Event::Start(Tag::Item) => {
                depth += 1;
                if depth == 1 {
                    begin = at + 1;
                }
            }
            Event::End(TagEnd::Item) => {
                depth -= 1;
                if depth == 0 {
                    items.push(made(&events[begin..at]));
                }
            }
            Event::End(TagEnd::List(_)) if depth == 0 => break,
            _ => {}
        }
    }
    (made(&events[..first]), items)
}

/// What the text is made of: one heading lower, and without its links.
fn events(text: &str) -> Vec<Event<'_>> {
    let is_link = |event: &Event| matches!(event, Event::Start(Tag::Link { .. }) | Event::End(TagEnd::Link));
    let lower = |event| match event {
        Event::Start(Tag::Heading { level, id, classes, attrs }) => {
            Event::Start(Tag::Heading { level: below(level), id, classes, attrs })
        }
        Event::End(TagEnd::Heading(level)) => Event::End(TagEnd::Heading(below(level))),
        other => other,
    };
    Parser::new(text).filter(|event| !is_link(event)).map(lower).collect()
}

fn below(level: HeadingLevel) -> HeadingLevel {
    HeadingLevel::try_from(level as usize + 1).unwrap_or(level)
}

fn made(events: &[Event<'_>]) -> String {
    let mut html = String::new();
    push_html(&mut html, events.iter().cloned());
    html
}

#[cfg(test)]
mod tests {
    use super::{html, items};

    #[test]
    fn a_heading_is_one_lower_and_of_a_link_the_words_stay() {
        let text = "# A *b* `c<d>`\n\n**Two\nlines** and [a `link`](x::y).\n";
        let expected = "<h2>A <em>b</em> <code>c&lt;d&gt;</code></h2>\n\
                        <p><strong>Two\nlines</strong> and a <code>link</code>.</p>\n";
        assert_eq!(html(text), expected);
    }

    #[test]
    fn the_items_of_the_first_list_are_taken_out() {
        let (before, made) = items("What?\n\n1. One *a*,\n   on\n2. Two:\n\n       code\n\n   - inner\n");
        assert_eq!(before, "<p>What?</p>\n");
        assert_eq!(made.len(), 2, "{made:?}");
        assert!(made[0].contains("One <em>a</em>,\non"), "{made:?}");
        assert!(made[1].contains("<pre><code>code\n") && made[1].contains("<li>inner</li>"), "{made:?}");
        assert_eq!(items("no list"), ("<p>no list</p>\n".to_owned(), Vec::new()));
    }
}
