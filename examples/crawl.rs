//! How a crawler asks politely: one request after the other, no more often than it may, again when it makes sense, and
//! only for what robots.txt allows.

use crate::client::{Ask, Page, Target};
use crate::failure::Failure;
use crate::html::{self, Reading};
use crate::tls::{Trust, connector};
use crate::url::Header;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, LOCATION, RETRY_AFTER};
use runtime::task::spawn_blocking;
use runtime::time::{now, sleep, sleep_until, timeout};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};
use url::Url;

/// Our name, for servers and in robots.txt.
pub const AGENT: &str = "glassloop-scrape";

/// A page that fails is asked so often.
const TRIES: u32 = 3;

/// The pause before the second try. It doubles, and is up to half as long again by chance, so that pages which failed
/// together do not come back together.
const BACKOFF: Duration = Duration::from_millis(50);

/// The longest pause that a server can ask for. Whoever wants a longer one is not asked again.
const PATIENCE: Duration = Duration::from_secs(60);

/// A robots.txt that has moved is followed so often, as RFC 9309 has it.
pub const MOVES: u32 = 5;

/// So much of a robots.txt is read, whatever the bound for pages is: RFC 9309 asks for 500 KiB.
const RULES: u64 = 500 * 1024;

/// How to ask politely.
#[derive(Debug)]
pub struct Manners {
    /// From one request to the next.
    pub delay: Duration,
    /// How long a page may take, to be sent and to be read.
    pub timeout: Duration,
    /// How many bytes a page may have.
    pub size: u64,
    /// When the next request may leave.
    pub next: Cell<Instant>,
}

/// What came of a page.
#[derive(Debug, Clone)]
pub struct Found {
    /// Title and length, or where to it has moved, or what is wrong.
    pub note: String,
    /// Where its links lead.
    pub links: Vec<Url>,
    /// How many of its links ask not to be followed.
    pub nofollow: u64,
    /// Where to it has moved.
    pub moved: Option<Url>,
    /// There is no page.
    pub failed: bool,
}

impl Found {
    fn new(note: impl Into<String>) -> Self {
        Self { note: note.into(), links: Vec::new(), nofollow: 0, moved: None, failed: false }
    }

    fn failed(note: impl Into<String>) -> Self {
        Self { failed: true, ..Self::new(note) }
    }
}

impl Manners {
    /// Asks for so many bytes of a page, when its turn has come.
    async fn ask(&self, target: &Target, size: u64) -> Result<Page, Failure> {
        let turn = self.next.get().max(now());
        self.next.set(turn + self.delay);
        sleep_until(turn).await;
        timeout(self.timeout, target.fetch(size)).await.unwrap_or(Err(Failure::TimedOut))
    }

    /// Asks for a page, more than once if it must be.
    pub async fn visit(&self, target: &Target, url: &Url) -> Found {
        let target = url.as_str().parse().ok().and_then(|url| target.at(url));
        let Some(target) = target else { return Found::failed("cannot be asked for") };
        for attempt in 1.. {
            let asked = self.ask(&target, self.size).await;
            let mut pause = BACKOFF.mul_f64(f64::from(1 << (attempt - 1)) * (1.0 + fastrand::f64() / 2.0));
            let problem = match asked {
                Ok(page) if page.length > self.size => {
                    return Found::failed(format!("longer than {} bytes", self.size));
                }
                Ok(page) if page.status.is_success() || page.status.is_redirection() => {
                    return self.read(url, page).await;
                }
                Ok(page) if page.status.is_server_error() || page.status == 429 => {
                    if let Some(asked) = retry_after(&page) {
                        if asked > PATIENCE {
                            return Found::failed(format!("{}, not before {} s", page.status, asked.as_secs()));
                        }
                        // The server wants rest, and not only this page.
                        self.next.set(self.next.get().max(now() + asked));
                        pause = pause.max(asked);
                    }
                    page.status.to_string()
                }
                Ok(page) => return Found::failed(page.status.to_string()),
                Err(failure) => failure.to_string(),
            };
            if attempt == TRIES {
                return Found::failed(format!("{problem}, {TRIES} times"));
            }
            sleep(pause).await;
        }
        unreachable!("the last try returns")
    }

    /// Title, length and links of a page. To read it may take as long as to send it.
    async fn read(&self, url: &Url, page: Page) -> Found {
        if page.status.is_redirection() {
            let moved = moved(url, &page);
            let place = match &moved {
                Some(to) if to.origin() == url.origin() => to.path().to_string(),
                Some(to) => to.to_string(),
                None => "nowhere".to_string(),
            };
            let links = moved.iter().cloned().collect();
            return Found { links, moved, ..Found::new(format!("moved to {place}")) };
        }
        let kind = header(&page, &CONTENT_TYPE).unwrap_or("text/html").to_string();
        let media = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if media != "text/html" && media != "application/xhtml+xml" {
            return Found::new(format!("{} bytes of {}", page.length, html::in_one_line(&kind)));
        }
        let encoding = header(&page, &CONTENT_ENCODING).unwrap_or_default().to_string();
        let follows_none = header(&page, &HeaderName::from_static("x-robots-tag")).is_some_and(html::follows_none);
        let (length, size, over) = (page.length, self.size, Arc::new(AtomicBool::new(false)));
        let is_over = Arc::clone(&over);
        let parsed = spawn_blocking(move || {
            let body = html::unpacked(page.body, &encoding, size).map_err(|error| error.to_string())?;
            if body.len() as u64 > size {
                return Err(format!("longer than {size} bytes"));
            }
            let text = html::text(&body, &kind);
            html::read(&text, || is_over.load(Ordering::Relaxed)).ok_or_else(|| "given up".to_string())
        });
        let Ok(parsed) = timeout(self.timeout, parsed).await else {
            // Its thread is needed for others.
            over.store(true, Ordering::Relaxed);
            return Found::failed(format!("took more than {:?} to read", self.timeout));
        };
        match parsed.unwrap_or_else(|error| Err(error.to_string())) {
            Ok(Reading { title, base, links, nofollow }) => {
                let base = base.and_then(|base| url.join(base.trim()).ok()).unwrap_or_else(|| url.clone());
                let links: Vec<Url> = links.iter().filter_map(|link| base.join(link).ok()).collect();
                let title = title.unwrap_or_else(|| "without a title".to_string());
                let (links, nofollow) = match follows_none {
                    true => (Vec::new(), nofollow + links.len() as u64),
                    false => (links, nofollow),
                };
                Found { links, nofollow, ..Found::new(format!("{title} ({length} bytes)")) }
            }
            Err(problem) => Found::failed(problem),
        }
    }

    /// What robots.txt says, wherever it has moved to. Where there is none, everything may be asked for; where it cannot
    /// be read, nothing.
    ///
    /// # Errors
    ///
    /// Why it cannot be read, in words.
    pub async fn rules(&self, url: &Url) -> Result<Vec<u8>, String> {
        let mut url = url.join("/robots.txt").map_err(|error| error.to_string())?;
        for _ in 0..=MOVES {
            let page = self.ask(&find(&url).await?, RULES).await.map_err(|failure| failure.to_string())?;
            match page.status {
                status if status.is_success() => {
                    let encoding = header(&page, &CONTENT_ENCODING).unwrap_or_default().to_string();
                    let cut = page.length > RULES;
                    let rules = html::unpacked(page.body, &encoding, RULES).map_err(|error| error.to_string())?;
                    return Ok(whole_lines(rules, cut));
                }
                status if status.is_redirection() => url = moved(&url, &page).ok_or("it has moved nowhere")?,
                status if status.is_server_error() => return Err(status.to_string()),
                _ => return Ok(Vec::new()),
            }
        }
        Err(format!("it has moved more than {MOVES} times"))
    }
}

/// What was read, without its last line where that may be the half of one: half a path forbids something else.
fn whole_lines(mut rules: Vec<u8>, mut cut: bool) -> Vec<u8> {
    cut |= rules.len() as u64 > RULES;
    if cut {
        rules.truncate(RULES as usize);
        rules.truncate(rules.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1));
    }
    rules
}

fn header<'a>(page: &'a Page, name: &HeaderName) -> Option<&'a str> {
    page.headers.get(name)?.to_str().ok()
}

/// How long a server asks to be left alone: so many seconds, or until a date.
fn retry_after(page: &Page) -> Option<Duration> {
    let words = header(page, &RETRY_AFTER)?.trim();
    let until = || httpdate::parse_http_date(words).ok()?.duration_since(SystemTime::now()).ok();
    words.parse().map(Duration::from_secs).ok().or_else(until)
}

/// Where to a page has moved.
fn moved(url: &Url, page: &Page) -> Option<Url> {
    url.join(header(page, &LOCATION)?).ok()
}

/// A server that is there, and the page to ask it for.
///
/// # Errors
///
/// A sentence that names the host.
pub async fn find(url: &Url) -> Result<Target, String> {
    let headers = [format!("User-Agent: {AGENT}"), "Accept-Encoding: gzip".to_string()];
    let headers = headers.map(|header| header.parse::<Header>().expect("a header")).to_vec();
    let ask = Ask { headers, ..Ask::default() };
    let mut targets = Target::find(vec![url.as_str().parse()?], &ask, &connector(Trust::default())?).await?;
    Ok(targets.remove(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_were_cut_lose_the_half_line_at_their_end() {
        assert_eq!(whole_lines(b"a\nb".to_vec(), false), b"a\nb");
        assert_eq!(whole_lines(b"a\nb".to_vec(), true), b"a\n");
        assert_eq!(whole_lines(b"a".to_vec(), true), b"");
    }
}
