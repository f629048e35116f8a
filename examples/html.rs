//! A page of a site, read: its text out of its bytes, and out of that its title and its links.
//!
//! No tree is built. A browser's tree takes time that grows with the square of how deep a page nests, and a page may nest
//! as deep as it is long. What is asked for here stands in single tags, and html5ever's tokenizer finds these in one pass.

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};
use flate2::read::MultiGzDecoder;
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::{RawKind, Rawtext, Rcdata, ScriptData};
use html5ever::tokenizer::{BufferQueue, CharacterTokens, StartTag, Tag, TagToken, Token, TokenSink, TokenSinkResult};
use html5ever::tokenizer::{Tokenizer, TokenizerOpts};
use std::cell::RefCell;
use std::io::{self, Read};

/// So much of a page is read between two looks at whether anybody still waits for it, in bytes.
const CHUNK: usize = 4 * 1024;

/// Where a page can name its charset: in its first bytes, as browsers have it.
const HEAD: usize = 1024;

/// The longest title that is kept, in characters.
const TITLE: usize = 200;

/// What a page says.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Its title, in one line and without control characters.
    pub title: Option<String>,
    /// What relative links are relative to, if not to the page itself.
    pub base: Option<String>,
    /// Its links, as they are written.
    pub links: Vec<String>,
    /// How many links ask not to be followed.
    pub nofollow: u64,
}

/// Unpacks a body, to `most` bytes and one more at most: what is packed well may be very large.
///
/// # Errors
///
/// When it is not packed as it says.
pub fn unpacked(body: Vec<u8>, encoding: &str, most: u64) -> io::Result<Vec<u8>> {
    match encoding.trim().to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(body),
        "gzip" | "x-gzip" => {
            let mut unpacked = Vec::new();
            MultiGzDecoder::new(&body[..]).take(most.saturating_add(1)).read_to_end(&mut unpacked)?;
            Ok(unpacked)
        }
        other => Err(io::Error::other(format!("packed by {other}, which was not asked for"))),
    }
}

/// The text of a page. Its charset is that of its first bytes, of the header `Content-Type`, or of the page itself, in
/// this order; without any, UTF-8 if it is that, and else what the web was written in before.
pub fn text(body: &[u8], content_type: &str) -> String {
    let head = String::from_utf8_lossy(&body[..body.len().min(HEAD)]).into_owned();
    let named = [content_type, &head].into_iter().find_map(charset);
    let guessed = if std::str::from_utf8(body).is_ok() { UTF_8 } else { WINDOWS_1252 };
    // It looks at the first bytes itself.
    named.unwrap_or(guessed).decode(body).0.into_owned()
}

/// The charset that stands behind `charset=`.
fn charset(text: &str) -> Option<&'static Encoding> {
    let text = text.to_ascii_lowercase();
    let name = &text[text.find("charset=")? + "charset=".len()..];
    let name = name.trim_start_matches(['"', '\'', ' ']);
    let end = name.find(['"', '\'', ' ', ';', '>', '/']).unwrap_or(name.len());
    Encoding::for_label(&name.as_bytes()[..end])
}

/// Reads a page. `None` when `is_over` says so before the end.
pub fn read(text: &str, is_over: impl Fn() -> bool) -> Option<Reading> {
    let tokenizer = Tokenizer::new(Sink::default(), TokenizerOpts::default());
    let (input, mut rest) = (BufferQueue::default(), text);
    while !rest.is_empty() {
        if is_over() {
            return None;
        }
        let mut length = rest.len().min(CHUNK);
        while !rest.is_char_boundary(length) {
            length += 1;
        }
        let (chunk, after) = rest.split_at(length);
        input.push_back(StrTendril::from(chunk));
        // The sink gives it no reason to stop before the end of the input.
        let _ = tokenizer.feed(&input);
        rest = after;
    }
    tokenizer.end();
    let Found { mut reading, title, .. } = tokenizer.sink.0.into_inner();
    reading.title = title.map(|title| in_one_line(&title)).filter(|title| !title.is_empty());
    Some(reading)
}

/// Text from a stranger as it can be printed: nothing in it moves the cursor, changes colours, or turns the reading
/// direction around.
pub fn in_one_line(text: &str) -> String {
    let turns = |letter: char| matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars()
        .map(|letter| if letter.is_control() || turns(letter) { '\u{fffd}' } else { letter })
        .take(TITLE)
        .collect()
}

/// Takes what is asked for out of the tags.
#[derive(Default)]
struct Sink(RefCell<Found>);

/// What was found so far.
#[derive(Default)]
struct Found {
    reading: Reading,
    /// The first title, as it is written.
    title: Option<String>,
    in_title: bool,
    /// Inside pictures: these have titles of their own, and no scripts in the sense of HTML.
    pictures: u32,
    /// The page asks that none of its links be followed.
    follow_none: bool,
}

impl TokenSink for Sink {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut found = self.0.borrow_mut();
        match token {
            TagToken(tag) if tag.kind == StartTag => return found.begins(&tag),
            TagToken(tag) => match &*tag.name {
                "title" => found.in_title = false,
                "svg" | "math" => found.pictures = found.pictures.saturating_sub(1),
                _ => {}
            },
            CharacterTokens(text) if found.in_title => {
                let title = found.title.get_or_insert_default();
                // Whoever forgets to end it has the whole page as a title.
                if title.len() < 8 * TITLE {
                    title.push_str(&text);
                }
            }
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

impl Found {
    /// A tag begins.
    fn begins(&mut self, tag: &Tag) -> TokenSinkResult<()> {
        let attribute = |name: &str| {
            let found = tag.attrs.iter().find(|attribute| &*attribute.name.local == name);
            found.map(|attribute| attribute.value.to_string())
        };
        let raw = |kind: RawKind| TokenSinkResult::RawData(kind);
        match &*tag.name {
            "a" | "area" => {
                let rel = attribute("rel").unwrap_or_default().to_ascii_lowercase();
                match attribute("href") {
                    Some(_) if self.follow_none || rel.split_whitespace().any(|word| word == "nofollow") => {
                        self.reading.nofollow += 1;
                    }
                    Some(link) => self.reading.links.push(link.trim().to_string()),
                    None => {}
                }
            }
            "base" if self.reading.base.is_none() => self.reading.base = attribute("href"),
            "meta" if attribute("name").is_some_and(|name| name.eq_ignore_ascii_case("robots")) => {
                self.follow_none |= follows_none(&attribute("content").unwrap_or_default());
            }
            "svg" | "math" if !tag.self_closing => self.pictures += 1,
            "title" if self.pictures == 0 => {
                self.in_title = self.title.is_none();
                return raw(Rcdata);
            }
            // What stands inside of these is no HTML.
            "textarea" if self.pictures == 0 => return raw(Rcdata),
            "script" if self.pictures == 0 => return raw(ScriptData),
            "style" | "xmp" | "iframe" | "noembed" | "noframes" if self.pictures == 0 => return raw(Rawtext),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

/// Whether the words of a robots tag or of the header `X-Robots-Tag` ask that no link be followed.
pub fn follows_none(words: &str) -> bool {
    words.split([',', ' ', ':']).any(|word| word.eq_ignore_ascii_case("nofollow") || word.eq_ignore_ascii_case("none"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn all(text: &str) -> Reading {
        read(text, || false).expect("nobody ends it")
    }

    #[test]
    fn tags_are_found_where_they_are_tags_and_nowhere_else() {
        let page = "<TITLE>One &amp; two</title><!-- <a href=no> --><script>'<a href=no>'</script><style><a href=no></style>\
                    <textarea><a href=no></textarea><svg><title>picture</title></svg><a HREF = ' /yes '>x<a href=two?a&amp;b>";
        let reading = all(page);
        assert_eq!(reading.title.as_deref(), Some("One & two"));
        assert_eq!(reading.links, ["/yes", "two?a&b"]);
    }

    #[test]
    fn base_and_nofollow_are_heard() {
        let reading = all("<base href=/there/><a rel='x NoFollow' href=1>1</a><a href=2>2</a>");
        assert_eq!((reading.base.as_deref(), reading.nofollow), (Some("/there/"), 1));
        assert_eq!(reading.links, ["2"]);
        let reading = all("<meta name=ROBOTS content='noindex, nofollow'><a href=1>1</a>");
        assert_eq!((reading.links.len(), reading.nofollow), (0, 1));
        assert!(follows_none("none") && follows_none("mybot: nofollow") && !follows_none("noindex"));
    }

    #[test]
    fn a_title_is_one_line_that_can_be_printed() {
        let reading = all("<title> a\n\u{1b}[31mred\u{7}\u{202e}back </title>");
        assert_eq!(reading.title.as_deref(), Some("a \u{fffd}[31mred\u{fffd}\u{fffd}back"));
        assert_eq!(all("<title> </title>").title, None);
        assert_eq!(all(&format!("<title>{}", "x".repeat(5_000))).title.map(|title| title.len()), Some(TITLE));
    }

    #[test]
    fn depth_costs_no_more_than_length() {
        let page = "<div><a href=x>".repeat(100_000);
        assert_eq!(all(&page).links.len(), 100_000);
    }

    #[test]
    fn whoever_waits_no_more_ends_it_within_a_chunk() {
        let looks = Cell::new(0);
        let page = "x".repeat(10 * CHUNK);
        let ended = read(&page, || looks.replace(looks.get() + 1) == 3);
        assert_eq!((ended, looks.get()), (None, 4));
    }

    #[test]
    fn the_charset_is_that_of_the_header_or_of_the_page_or_what_fits() {
        assert_eq!(text(b"caf\xe9", "text/html; charset=ISO-8859-1"), "café");
        assert_eq!(text(b"<meta charset=\"windows-1251\">\xef\xf0", "text/html"), "<meta charset=\"windows-1251\">пр");
        assert_eq!(text("café".as_bytes(), "text/html"), "café");
        assert_eq!(text(b"caf\xe9", "text/html"), "café");
        assert_eq!(text(b"\xff\xfea\0b\0", "text/html; charset=utf-8"), "ab", "the first bytes count most");
        assert_eq!(text(b"x", "text/html; charset=nonsense"), "x");
    }

    #[test]
    fn what_is_packed_is_unpacked_up_to_the_bound() {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        io::Write::write_all(&mut packed, &[b' '; 1_000_000]).unwrap();
        let packed = packed.finish().unwrap();
        assert_eq!(unpacked(packed.clone(), "GZIP", 2_000_000).unwrap().len(), 1_000_000);
        assert_eq!(unpacked(packed.clone(), "gzip", 1_000).unwrap().len(), 1_001);
        assert!(unpacked(packed[..50].to_vec(), "gzip", 2_000_000).is_err());
        assert!(unpacked(packed, "br", 1_000).is_err());
        assert_eq!(unpacked(b"as it is".to_vec(), "", 3).unwrap(), b"as it is");
    }
}
