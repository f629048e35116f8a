//! Fetches a site's pages concurrently, and shows title and length of each in a tree.
//!
//! ```text
//! $ cargo run --release --features scrape --example scrape                          # a site of its own, of 200 pages
//! $ cargo run --release --features scrape --example scrape -- --depth 1 https://www.rust-lang.org/
//! ```
//!
//! Level by level: all pages of one level are a [`gather`] with a limit, and because results stand in the order of the
//! input, the tree is the same in every run, whichever page came first. Each page has a timeout and a few tries with a
//! growing pause in between. Only links to the same host are followed, robots.txt is obeyed, and there is a pause from
//! one request to the next. HTML is parsed on the blocking pool: a large page would stop the loop.

use clap::Parser;
use examples::arguments::{count, exit_status, seconds};
use examples::client::{Page, Target};
use examples::failure::Failure;
use examples::progress::progress_bar;
use examples::url::Header;
use examples::{site, tls};
use gather::gather;
use hyper::header::{CONTENT_TYPE, LOCATION};
use runtime::block_on;
use runtime::task::spawn_blocking;
use runtime::time::{now, sleep, sleep_until, timeout};
use scraper::{Html, Selector};
use std::cell::Cell;
use std::collections::HashSet;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use texting_robots::Robot;
use url::Url;

/// Our name, for servers and in robots.txt.
const AGENT: &str = "glassloop-scrape";

/// A page that fails is asked so often.
const TRIES: u32 = 3;

/// The pause before the second try. It doubles, and is up to half as long again by chance, so that pages which failed
/// together do not come back together.
const BACKOFF: Duration = Duration::from_millis(50);

/// A robots.txt that has moved is followed so often, as RFC 9309 has it.
const MOVES: u32 = 5;

/// The pages of a site, fetched concurrently.
#[derive(Debug, Parser)]
#[command(
    name = "scrape",
    after_help = "Exit status: 0 if it was done, 1 if already the first page failed, 2 if it could not begin"
)]
struct Options {
    /// Where to begin: http[s]://host[:port][/path]. Without one: a site of its own
    url: Option<Url>,
    /// How many links to follow in a row [default: 2, or 8 on the site of its own]
    #[arg(long, value_name = "N")]
    depth: Option<usize>,
    /// How many pages to ask for in all
    #[arg(long, value_name = "N", default_value = "1000", value_parser = count)]
    pages: u64,
    /// How many may be in flight at once
    #[arg(long, value_name = "N", default_value = "10", value_parser = count)]
    concurrency: u64,
    /// How long a page may take, in seconds [default: 10, or 1 on the site of its own]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
    /// The pause from one request to the next, in seconds [default: 0.5, or 0.001 on the site of its own]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    delay: Option<Duration>,
    /// A page may have so many bytes
    #[arg(long, value_name = "BYTES", default_value = "1000000", value_parser = count)]
    size: u64,
}

/// How to ask politely.
struct Manners {
    delay: Duration,
    timeout: Duration,
    size: u64,
    /// When the next request may leave.
    next: Cell<Instant>,
}

/// What came of a page.
struct Found {
    /// Title and length, or where to it has moved, or what is wrong.
    note: String,
    links: Vec<Url>,
    failed: bool,
}

/// A page in the tree.
struct Node {
    url: Url,
    found: Option<Found>,
    children: Vec<usize>,
}

impl Manners {
    /// Asks for a page when its turn has come.
    async fn ask(&self, target: &Target) -> Result<Page, Failure> {
        let turn = self.next.get().max(now());
        self.next.set(turn + self.delay);
        sleep_until(turn).await;
        timeout(self.timeout, target.fetch(self.size)).await.unwrap_or(Err(Failure::TimedOut))
    }

    /// Asks for a page, more than once if it must be.
    async fn visit(&self, target: &Target, url: &Url) -> Found {
        let failed = |note: String| Found { note, links: Vec::new(), failed: true };
        let target = url.as_str().parse().ok().and_then(|url| target.at(url));
        let Some(target) = target else { return failed("cannot be asked for".to_string()) };
        for attempt in 1.. {
            let problem = match self.ask(&target).await {
                Ok(page) if page.length > self.size => return failed(format!("longer than {} bytes", self.size)),
                Ok(page) if page.status.is_success() || page.status.is_redirection() => return read(url, page).await,
                Ok(page) if page.status.is_server_error() || page.status == 429 => page.status.to_string(),
                Ok(page) => return failed(page.status.to_string()),
                Err(failure) => failure.to_string(),
            };
            if attempt == TRIES {
                return failed(format!("{problem}, {TRIES} times"));
            }
            sleep(BACKOFF.mul_f64(f64::from(1 << (attempt - 1)) * (1.0 + fastrand::f64() / 2.0))).await;
        }
        unreachable!("the last try returns")
    }
}

/// Where to a page has moved.
fn moved(url: &Url, page: &Page) -> Option<Url> {
    url.join(page.headers.get(LOCATION)?.to_str().ok()?).ok()
}

/// Title, length and links of a page.
async fn read(url: &Url, page: Page) -> Found {
    if page.status.is_redirection() {
        let links: Vec<Url> = moved(url, &page).into_iter().collect();
        let place = links.first().map_or("nowhere", |url| url.path());
        return Found { note: format!("moved to {place}"), links, failed: false };
    }
    let kind = page.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("text/html").to_string();
    if !kind.starts_with("text/html") {
        return Found { note: format!("{} bytes of {kind}", page.length), links: Vec::new(), failed: false };
    }
    let (length, base) = (page.length, url.clone());
    let parsed = spawn_blocking(move || {
        let html = Html::parse_document(&String::from_utf8_lossy(&page.body));
        let [title, link] = ["title", "a[href]"].map(|it| Selector::parse(it).expect("it is a selector"));
        let title = html.select(&title).next().map_or("without a title".to_string(), |it| it.text().collect());
        let links = html.select(&link).filter_map(|it| base.join(it.attr("href")?.trim()).ok()).collect();
        (title.split_whitespace().collect::<Vec<_>>().join(" "), links)
    });
    match parsed.await {
        Ok((title, links)) => Found { note: format!("{title} ({length} bytes)"), links, failed: false },
        Err(error) => Found { note: error.to_string(), links: Vec::new(), failed: true },
    }
}

/// A line for a page, and those of the pages that were first seen on it.
fn tree(text: &mut String, nodes: &[Node], node: &Node, depth: usize) {
    let note = node.found.as_ref().map_or("not asked for", |found| &found.note);
    let path = &node.url[url::Position::BeforePath..];
    let (indent, width) = (2 * depth + 2, 24_usize.saturating_sub(2 * depth));
    text.push_str(&format!("{:indent$}{path:width$} {note}\n", ""));
    node.children.iter().for_each(|child| tree(text, nodes, &nodes[*child], depth + 1));
}

/// A server that is there, and the page to ask it for.
async fn find(url: &Url) -> Result<Target, String> {
    let header = [format!("User-Agent: {AGENT}").parse::<Header>().expect("a header")];
    let mut targets = Target::find(vec![url.as_str().parse()?], &header, &tls::connector(None)?).await?;
    Ok(targets.remove(0))
}

/// What robots.txt says, wherever it has moved to. Where there is none, everything may be asked for; where it cannot be
/// read, nothing.
async fn rules(url: &Url, manners: &Manners) -> Result<Vec<u8>, String> {
    let mut url = url.join("/robots.txt").map_err(|error| error.to_string())?;
    for _ in 0..=MOVES {
        let page = manners.ask(&find(&url).await?).await.map_err(|failure| failure.to_string())?;
        match page.status {
            status if status.is_success() => return Ok(page.body),
            status if status.is_redirection() => url = moved(&url, &page).ok_or("it has moved nowhere")?,
            status if status.is_server_error() => return Err(status.to_string()),
            _ => return Ok(Vec::new()),
        }
    }
    Err(format!("it has moved more than {MOVES} times"))
}

async fn scrape(mut options: Options) -> Result<ExitCode, String> {
    let mut server = None;
    let own = options.url.is_none();
    if own {
        let started = site::start().map_err(|error| format!("the embedded site: {error}"))?;
        options.url = format!("http://{}/", server.insert(started).address()).parse().ok();
    }
    let url = options.url.expect("there is one now");
    let target = find(&url).await?;

    let delay = options.delay.unwrap_or(Duration::from_millis(if own { 1 } else { 500 }));
    let timeout = options.timeout.unwrap_or(Duration::from_secs(if own { 1 } else { 10 }));
    let mut manners = Manners { delay, timeout, size: options.size, next: Cell::new(now()) };
    let rules = rules(&url, &manners).await.map_err(|problem| format!("robots.txt: {problem}"))?;
    let robot = Robot::new(AGENT, &rules).map_err(|error| format!("robots.txt: {error}"))?;
    manners.delay = manners.delay.max(Duration::from_secs_f32(robot.delay.unwrap_or(0.0).clamp(0.0, 60.0)));

    let deepest = options.depth.unwrap_or(if own { 8 } else { 2 });
    let (start, bar) = (now(), progress_bar(1, "pages"));
    let (mut elsewhere, mut forbidden) = (HashSet::new(), HashSet::new());
    let mut seen = HashSet::from([url.clone()]);
    let mut nodes = vec![Node { url: url.clone(), found: None, children: Vec::new() }];
    let (mut level, mut asked) = (vec![0], 0);
    for depth in 0..=deepest {
        level.truncate((options.pages - asked) as usize);
        let visits = level.iter().map(|node| manners.visit(&target, &nodes[*node].url));
        let visits = gather(visits).limit(options.concurrency as usize).on_progress(|_| bar.inc(1));
        let found = visits.await;
        asked += found.len() as u64;
        for (parent, found) in std::mem::take(&mut level).into_iter().zip(found) {
            for mut link in found.links.iter().filter(|_| depth < deepest).cloned() {
                link.set_fragment(None);
                if link.origin() != url.origin() {
                    elsewhere.insert(link);
                } else if !robot.allowed(link.as_str()) {
                    forbidden.insert(link);
                } else if seen.insert(link.clone()) {
                    level.push(nodes.len());
                    let number = nodes.len();
                    nodes[parent].children.push(number);
                    nodes.push(Node { url: link, found: None, children: Vec::new() });
                }
            }
            nodes[parent].found = Some(found);
        }
        bar.set_length(asked + level.len() as u64);
    }
    bar.finish_and_clear();
    let mut text = String::new();
    tree(&mut text, &nodes, &nodes[0], 0);
    let failed = nodes.iter().filter(|node| node.found.as_ref().is_some_and(|found| found.failed)).count();
    let (elsewhere, forbidden, took) = (elsewhere.len(), forbidden.len(), now() - start);
    text.push_str(&format!("\n  {asked} pages, {failed} failed, in {took:.1?}\n"));
    text.push_str(&format!("  not followed: {elsewhere} links elsewhere, {forbidden} that robots.txt forbids\n"));
    // Whoever reads it may have left, as `head` does: no reason to fail.
    let _ = io::stdout().write_all(text.as_bytes());
    Ok(ExitCode::from(u8::from(nodes[0].found.as_ref().is_none_or(|found| found.failed))))
}

fn main() -> ExitCode {
    exit_status(block_on(scrape(Options::parse())))
}
