//! From the texts of the lessons to HTML. It knows what these texts use and no more: headings, paragraphs, lists, quotes,
//! code, and in a line `code`, **strong** and *stressed* words. Of a link the words stay: the book leads nowhere outside.

use std::fmt::Write;

/// Text as it stands in HTML.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The HTML of a text. A heading `#` becomes an `<h2>`, and so on.
pub(crate) fn html(text: &str) -> String {
    blocks(&text.lines().collect::<Vec<_>>())
}

/// The items of the first list in the text, as HTML, and what stands before the list.
pub(crate) fn items(text: &str) -> (String, Vec<String>) {
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.iter().position(|line| marker(line).is_some()).unwrap_or(lines.len());
    let (mut rest, mut items) = (&lines[first..], Vec::new());
    while let Some((item, after)) = take_item(rest) {
        items.push(item);
        let blank = after.iter().take_while(|line| line.trim().is_empty()).count();
        rest = &after[blank..];
    }
    (blocks(&lines[..first]), items)
}

/// The length of the mark before an item of a list, and whether the list is numbered.
fn marker(line: &str) -> Option<(usize, bool)> {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    match digits {
        0 => line.starts_with("- ").then_some((2, false)),
        _ => line[digits..].starts_with(". ").then_some((digits + 2, true)),
    }
}

/// The first item, if the lines begin with one, and the lines after it.
fn take_item<'a, 'b>(lines: &'b [&'a str]) -> Option<(String, &'b [&'a str])> {
    let (width, _) = marker(lines.first()?)?;
    let indent = " ".repeat(width);
    let belongs = |line: &&&str| line.trim().is_empty() || line.starts_with(&indent);
    let mut count = 1 + lines[1..].iter().take_while(belongs).count();
    while lines[count - 1].trim().is_empty() {
        count -= 1;
    }
    let inside: Vec<&str> = lines[..count].iter().map(|line| line.get(width..).unwrap_or("")).collect();
    let html = blocks(&inside);
    // An item of one paragraph is no paragraph.
    let is_one = html.matches("<p>").count() == 1 && html.starts_with("<p>") && html.ends_with("</p>\n");
    let html = if is_one { html["<p>".len()..html.len() - "</p>\n".len()].to_owned() } else { html };
    Some((html, &lines[count..]))
}

fn blocks(lines: &[&str]) -> String {
    let (mut html, mut rest) = (String::new(), lines);
    while let Some(line) = rest.first() {
        let hashes = line.bytes().take_while(|byte| *byte == b'#').count();
        if line.trim().is_empty() {
            rest = &rest[1..];
        } else if line.starts_with("```") {
            let count = rest[1..].iter().take_while(|line| !line.starts_with("```")).count();
            html += &code(&rest[1..=count]);
            rest = &rest[(count + 2).min(rest.len())..];
        } else if hashes > 0 && line[hashes..].starts_with(' ') {
            let level = hashes + 1;
            let _ = writeln!(html, "<h{level}>{}</h{level}>", inline(line[hashes..].trim()));
            rest = &rest[1..];
        } else if line.starts_with('>') {
            let count = rest.iter().take_while(|line| line.starts_with('>')).count();
            let inside: Vec<&str> = rest[..count].iter().map(|line| line[1..].trim_start()).collect();
            let _ = writeln!(html, "<blockquote>\n{}</blockquote>", blocks(&inside));
            rest = &rest[count..];
        } else if line.starts_with("    ") {
            let count = rest.iter().take_while(|line| line.starts_with("    ") || line.trim().is_empty()).count();
            let inside: Vec<&str> = rest[..count].iter().map(|line| line.get(4..).unwrap_or("")).collect();
            html += &code(&inside);
            rest = &rest[count..];
        } else if let Some((_, is_numbered)) = marker(line) {
            let name = if is_numbered { "ol" } else { "ul" };
            let _ = writeln!(html, "<{name}>");
            while let Some((item, after)) = take_item(rest) {
                let _ = writeln!(html, "<li>{item}</li>");
                let blank = after.iter().take_while(|line| line.trim().is_empty()).count();
                let goes_on = after.get(blank).and_then(|line| marker(line)).is_some_and(|it| it.1 == is_numbered);
                rest = &after[if goes_on { blank } else { 0 }..];
                if !goes_on {
                    break;
                }
            }
            let _ = writeln!(html, "</{name}>");
        } else {
            let ends = |line: &&str| {
                line.trim().is_empty() || line.starts_with("```") || line.starts_with("- ") || line.starts_with("1. ")
            };
            let count = 1 + rest[1..].iter().take_while(|line| !ends(line)).count();
            let _ = writeln!(html, "<p>{}</p>", inline(&rest[..count].join("\n")));
            rest = &rest[count..];
        }
    }
    html
}

fn code(lines: &[&str]) -> String {
    format!("<pre><code>{}\n</code></pre>\n", escaped(lines.join("\n").trim_end()))
}

/// The words of a paragraph.
fn inline(text: &str) -> String {
    let (mut html, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(['`', '*', '[']) {
        html += &escaped(&rest[..at]);
        rest = &rest[at..];
        // What stands between two of these marks, and what comes after the second.
        let between = |mark: &str| {
            let (inside, after) = rest.strip_prefix(mark)?.split_once(mark)?;
            (!inside.is_empty() && !inside.starts_with(' ')).then_some((inside, after))
        };
        let link = || {
            let (words, after) = rest.strip_prefix('[')?.split_once("](")?;
            Some((words, after.split_once(')')?.1))
        };
        let (piece, after) = if let Some((inside, after)) = between("`") {
            (format!("<code>{}</code>", escaped(inside)), after)
        } else if let Some((inside, after)) = between("**") {
            (format!("<strong>{}</strong>", inline(inside)), after)
        } else if let Some((inside, after)) = between("*").filter(|_| !rest.starts_with("**")) {
            (format!("<em>{}</em>", inline(inside)), after)
        } else if let Some((words, after)) = link() {
            (inline(words), after)
        } else {
            (escaped(&rest[..1]), &rest[1..])
        };
        html += &piece;
        rest = after;
    }
    html + &escaped(rest)
}

#[cfg(test)]
mod tests {
    use super::{html, items};

    #[test]
    fn what_the_lessons_use_becomes_html() {
        let text = "# A *b* `c<d>`\n\n**Two\nlines** and [a `link`](x::y).\nEnd: 2 * 3 * 4\n\n- one\n- two,\n  on\n\n      code\n\n1. first\n\n\
                    2. second\n\n> quoted\n> too\n\n    indented\n\n    more\n\n```rust\nlet a = &b;\n\n- no list\n```\nafter";
        let expected = "<h2>A <em>b</em> <code>c&lt;d&gt;</code></h2>\n\
                        <p><strong>Two\nlines</strong> and a <code>link</code>.\nEnd: 2 * 3 * 4</p>\n\
                        <ul>\n<li>one</li>\n<li><p>two,\non</p>\n<pre><code>code\n</code></pre>\n</li>\n</ul>\n\
                        <ol>\n<li>first</li>\n<li>second</li>\n</ol>\n\
                        <blockquote>\n<p>quoted\ntoo</p>\n</blockquote>\n\
                        <pre><code>indented\n\nmore\n</code></pre>\n\
                        <pre><code>let a = &amp;b;\n\n- no list\n</code></pre>\n<p>after</p>\n";
        assert_eq!(html(text), expected);
    }

    #[test]
    fn what_is_not_closed_stays_as_it_is() {
        assert_eq!(html("a ` b ** c [d] * e"), "<p>a ` b ** c [d] * e</p>\n");
        assert_eq!(html("```\nopen"), "<pre><code>open\n</code></pre>\n");
        assert_eq!(html(""), "");
    }

    #[test]
    fn a_list_is_taken_apart() {
        let (before, items) = items("Predict: two.\n\n1. One.\n   More.\n\n2. Two.\n");
        assert_eq!(before, "<p>Predict: two.</p>\n");
        assert_eq!(items, ["One.\nMore.", "Two."]);
    }
}
