//! Fetches a site's pages concurrently, and shows title and length of each in a tree.
//!
//! ```text
//! $ cargo run --release -p examples --features scrape --example scrape                          # a site of its own, of 200 pages
//! $ cargo run --release -p examples --features scrape --example scrape -- --depth 1 https://www.rust-lang.org/
//! ```
//!
//! Level by level: all pages of one level are a [`gather`] with a limit, and because results stand in the order of the
//! input, the tree is the same in every run, whichever page came first. Each page has a timeout and a few tries with a
//! growing pause in between. Only links to the same host are followed, robots.txt is obeyed, and there is a pause from
//! one request to the next. HTML is read on the blocking pool: a large page would stop the loop. Ctrl-C drops what is
//! under way, and what was found until then is printed.

use clap::Parser;
use examples::arguments::{count, exit_status, seconds};
use examples::client::Target;
use examples::crawl::{AGENT, Found, MOVES, Manners, find};
use examples::out::print;
use examples::progress::progress_bar;
use examples::site;
use examples::stop::{signal, until};
use gather::gather;
use indicatif::ProgressBar;
use runtime::block_on;
use runtime::time::now;
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::process::ExitCode;
use std::time::Duration;
use texting_robots::Robot;
use url::Url;

/// The pages of a site, fetched concurrently.
#[derive(Debug, Parser)]
#[command(
    name = "scrape",
    after_help = "Exit status: 0 if it was done, 1 if already the first page failed, 2 if it could not begin, 130 after \
                  Ctrl-C, 143 after SIGTERM: what was found until then is printed"
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

/// A page in the tree.
struct Node {
    url: Url,
    found: Option<Found>,
    children: Vec<usize>,
}

impl Node {
    fn of(url: Url) -> Node {
        Node { url, found: None, children: Vec::new() }
    }
}

/// What is known of a site. It outlives the work, so that Ctrl-C loses nothing.
struct Site {
    manners: Manners,
    nodes: RefCell<Vec<Node>>,
    /// Links that are not followed, as they lead elsewhere, or as robots.txt forbids.
    elsewhere: RefCell<HashSet<Url>>,
    forbidden: RefCell<HashSet<Url>>,
    /// How many pages were asked for.
    asked: Cell<u64>,
}

/// Where a crawl begins: the site's own server, and its rules.
struct Start {
    target: Target,
    robot: Robot,
}

impl Site {
    /// Asks for the first page. Where that has moved to another host, to `https` or to `www.`, this is the site.
    async fn begin(&mut self, mut url: Url) -> Result<Start, String> {
        let delay = self.manners.delay;
        for _ in 0..=MOVES {
            let target = find(&url).await?;
            let rules = self.manners.rules(&url).await.map_err(|problem| format!("robots.txt: {problem}"))?;
            let robot = Robot::new(AGENT, &rules).map_err(|error| format!("robots.txt: {error}"))?;
            self.manners.delay = delay.max(Duration::from_secs_f32(robot.delay.unwrap_or(0.0).clamp(0.0, 60.0)));
            if !robot.allowed(url.as_str()) {
                return Err(format!("robots.txt forbids {url}"));
            }
            let found = self.manners.visit(&target, &url).await;
            self.asked.set(self.asked.get() + 1);
            match &found.moved {
                Some(place) if place.origin() != url.origin() => url = place.clone(),
                _ => {
                    *self.nodes.borrow_mut() = vec![Node { found: Some(found), ..Node::of(url) }];
                    return Ok(Start { target, robot });
                }
            }
        }
        Err(format!("the first page has moved more than {MOVES} times"))
    }

    /// Follows the links, level by level.
    async fn follow(&self, start: &Start, options: &Options, deepest: usize, bar: &ProgressBar) {
        let mut seen = HashSet::from([self.nodes.borrow()[0].url.clone()]);
        let mut level = vec![0];
        for _ in 0..deepest {
            level = level.iter().flat_map(|parent| self.links(*parent, start, &mut seen)).collect();
            level.truncate((options.pages - self.asked.get().min(options.pages)) as usize);
            bar.set_length(self.asked.get() + level.len() as u64);
            let visits = level.iter().map(async |node| {
                let url = self.nodes.borrow()[*node].url.clone();
                let found = self.manners.visit(&start.target, &url).await;
                self.asked.set(self.asked.get() + 1);
                self.nodes.borrow_mut()[*node].found = Some(found);
            });
            gather(visits).limit(options.concurrency as usize).on_progress(|_| bar.inc(1)).await;
        }
    }

    /// The pages that a page links to and nobody has linked to before.
    fn links(&self, parent: usize, start: &Start, seen: &mut HashSet<Url>) -> Vec<usize> {
        let (mut nodes, mut new) = (self.nodes.borrow_mut(), Vec::new());
        let links = nodes[parent].found.as_ref().map_or(Vec::new(), |found| found.links.clone());
        for mut link in links {
            link.set_fragment(None);
            if link.origin() != nodes[0].url.origin() {
                self.elsewhere.borrow_mut().insert(link);
            } else if !start.robot.allowed(link.as_str()) {
                self.forbidden.borrow_mut().insert(link);
            } else if seen.insert(link.clone()) {
                new.push(nodes.len());
                nodes.push(Node::of(link));
            }
        }
        nodes[parent].children.clone_from(&new);
        new
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

async fn scrape(mut options: Options) -> Result<ExitCode, String> {
    let stop = signal().map_err(|error| format!("Ctrl-C cannot be handled: {error}"))?;
    let (mut server, own) = (None, options.url.is_none());
    if own {
        let started = site::start().map_err(|error| format!("the embedded site: {error}"))?;
        options.url = format!("http://{}/", server.insert(started).address()).parse().ok();
    }
    let url = options.url.take().expect("there is one now");
    let delay = options.delay.unwrap_or(Duration::from_millis(if own { 1 } else { 500 }));
    let timeout = options.timeout.unwrap_or(Duration::from_secs(if own { 1 } else { 10 }));
    let deepest = options.depth.unwrap_or(if own { 8 } else { 2 });
    let manners = Manners { delay, timeout, size: options.size, next: Cell::new(now()) };
    let (nodes, elsewhere, forbidden, asked) = Default::default();
    let mut site = Site { manners, nodes, elsewhere, forbidden, asked };

    let (begun, bar) = (now(), progress_bar(1, "pages"));
    let work = async {
        let start = site.begin(url).await?;
        bar.inc(1);
        site.follow(&start, &options, deepest, &bar).await;
        Ok::<_, String>(())
    };
    let stopped = match until(work, stop).await {
        Ok(done) => done.map(|()| None)?,
        Err(status) => Some(status),
    };
    bar.finish_and_clear();
    let (nodes, mut text) = (site.nodes.borrow(), String::new());
    if let Some(first) = nodes.first() {
        tree(&mut text, &nodes, first, 0);
    }
    let found = || nodes.iter().filter_map(|node| node.found.as_ref());
    let (failed, nofollow) = (found().filter(|it| it.failed).count(), found().map(|it| it.nofollow).sum::<u64>());
    let (elsewhere, forbidden, took) = (site.elsewhere.borrow().len(), site.forbidden.borrow().len(), now() - begun);
    text.push_str(&format!("\n  {} pages, {failed} failed, in {took:.1?}\n", site.asked.get()));
    let nofollow = if nofollow > 0 { format!(", {nofollow} marked nofollow") } else { String::new() };
    text.push_str(&format!(
        "  not followed: {elsewhere} links elsewhere, {forbidden} that robots.txt forbids{nofollow}\n"
    ));
    print(format_args!("{text}"));
    let first_failed = found().next().is_none_or(|found| found.failed);
    Ok(ExitCode::from(stopped.unwrap_or(u8::from(first_failed))))
}

fn main() -> ExitCode {
    exit_status(block_on(scrape(Options::parse())))
}
