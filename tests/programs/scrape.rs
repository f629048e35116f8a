//! `scrape`, on its own site and on servers that are well, rude or gone.

use crate::process::{Done, Program, nobody, run};
use crate::proxy::{Fate, Proxy};
use crate::{answer_each, serve, url};
use std::io::Read;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

/// What is printed after the path.
#[track_caller]
fn note<'a>(done: &'a Done, path: &str) -> &'a str {
    let mut lines = done.stdout.lines().map(str::trim_start).filter_map(|line| line.split_once(' '));
    let note = lines.find(|(start, _)| *start == path).map(|(_, note)| note.trim());
    note.unwrap_or_else(|| panic!("no line for {path}: {done:?}"))
}

/// A site of a few pages, and what it was asked for.
fn site(robots: &'static str, pages: &'static [(&str, &str)]) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let server = serve(move |stream| {
        answer_each(stream, |request| {
            let path = request.split(' ').nth(1).expect("a path").to_string();
            let page = pages.iter().find(|(name, _)| *name == path).map(|(_, page)| *page);
            log.lock().unwrap().push(request.to_string());
            let (status, body) = match (&*path, page) {
                (_, Some(page)) if page.starts_with("30") => (page, ""),
                ("/robots.txt", _) => robots.split_once('\n').expect("a status and a body"),
                (_, Some(page)) => ("200 OK", page),
                _ => ("404 Not Found", ""),
            };
            format!("HTTP/1.1 {status}\r\ncontent-type: text/html\r\ncontent-length: {}\r\n\r\n{body}", body.len())
        });
    });
    (server, asked)
}

/// The paths that were asked for, in order.
fn paths(asked: &Mutex<Vec<String>>) -> Vec<String> {
    asked.lock().unwrap().iter().map(|request| request.split(' ').nth(1).expect("a path").to_string()).collect()
}

#[test]
fn two_hundred_pages_and_all_that_goes_wrong_on_the_web() {
    // One page never answers, whatever the time. All others should have enough of it on a machine that is held up.
    let programs = [(), ()].map(|()| Program::start("scrape", &["--concurrency", "40", "--timeout", "5"]));
    let [done, again] = programs.map(Program::finish);
    assert_eq!((done.code(), done.stderr.as_str()), (0, ""), "{done:?}");
    for (path, expected) in [
        ("/", "Page 0 (220 bytes)"),
        ("/page/107", "Page 107 (115 bytes)"),
        ("/page/113", "timed out, 3 times"),
        ("/page/117", "500 Internal Server Error, 3 times"),
        ("/page/123", "Page 123 (102 bytes)"),
        ("/page/129", "connection closed early, 3 times"),
        ("/old", "moved to /page/131"),
        ("/loop/a", "moved to /loop/b"),
        ("/loop/b", "moved to /loop/a"),
        ("/page/141", "longer than 1000000 bytes"),
        ("/page/143", "30 bytes of image/png"),
        ("/page/147", "Nasty & real (213 bytes)"),
        ("/page/147?a=1&b=2", "Nasty & real (213 bytes)"),
    ] {
        assert_eq!(note(&done, path), expected, "{path}: {done:?}");
    }
    for number in 1..200 {
        note(&done, &format!("/page/{number}"));
    }
    for never in ["/comment", "/script", "/private/", "example.com", "/picture", "not asked for"] {
        assert!(!done.stdout.contains(never), "{never}: {done:?}");
    }
    done.says("205 pages, 4 failed, in ");
    done.says("not followed: 2 links elsewhere, 1 that robots.txt forbids");
    let tree = |done: &Done| done.stdout.split("\n\n").next().unwrap_or_default().to_string();
    assert_eq!(tree(&done), tree(&again), "the same tree, whichever page came first");
}

#[test]
fn robots_are_obeyed_the_agent_has_a_name_and_requests_keep_their_distance() {
    let pages = &[
        ("/", "<title> A \n site </title><a href=open>1</a><a href=/secret/plans>2</a><a href='open#there'>3</a>"),
        ("/open", "<a href='/secret/open'>4</a>no title"),
        ("/secret/open", "<title>allowed</title><a href='/deep'>5</a>"),
    ];
    let (server, asked) =
        site("200 OK\nUser-agent: *\nDisallow: /secret/\nAllow: /secret/open\nCrawl-delay: 0.2", pages);
    let done = run("scrape", &[&url(server), "--delay", "0.001"]);
    assert_eq!(done.code(), 0, "{done:?}");
    assert_eq!(paths(&asked), ["/robots.txt", "/", "/open", "/secret/open"], "and /deep is one link too far");
    assert!(asked.lock().unwrap().iter().all(|request| request.contains("user-agent: glassloop-scrape\r\n")));
    assert_eq!(note(&done, "/"), "A site (96 bytes)");
    assert_eq!(note(&done, "/open"), "without a title (36 bytes)");
    let time = done.line("3 pages, 0 failed").rsplit(' ').next().expect("a time");
    let milliseconds: f64 = match time.strip_suffix("ms") {
        Some(time) => time.parse().expect(time),
        None => 1e3 * time.strip_suffix('s').and_then(|time| time.parse::<f64>().ok()).expect(time),
    };
    assert!(milliseconds >= 400.0, "two pauses of 200 ms between three requests: {time}");
}

#[test]
fn without_robots_txt_everything_may_be_fetched_and_with_a_broken_one_nothing() {
    let pages = &[("/", "<title>home</title>")];
    let (server, asked) = site("404 Not Found\n", pages);
    let done = run("scrape", &[&url(server)]);
    assert_eq!((done.code(), note(&done, "/")), (0, "home (19 bytes)"), "{done:?}");
    assert_eq!(paths(&asked), ["/robots.txt", "/"]);
    let (server, asked) = site("503 Service Unavailable\n", pages);
    let done = run("scrape", &[&url(server)]);
    assert_eq!((done.code(), &*done.stderr), (2, "error: robots.txt: 503 Service Unavailable\n"));
    assert_eq!(paths(&asked), ["/robots.txt"]);
}

#[test]
fn a_robots_txt_that_has_moved_is_followed_and_obeyed_where_it_is() {
    let (elsewhere, there) = site("200 OK\nUser-agent: *\nDisallow: /secret", &[]);
    let place = Box::leak(format!("301 Moved\r\nlocation: {}robots.txt", url(elsewhere)).into_boxed_str());
    let pages = vec![
        ("/", "<title>home</title><a href=/secret>1</a>"),
        ("/robots.txt", "302 Found\r\nlocation: /rules"),
        ("/rules", place),
        ("/secret", "<title>secret</title>"),
    ];
    let (server, asked) = site("", pages.leak());
    let done = run("scrape", &[&url(server), "--delay", "0.001"]);
    assert_eq!((done.code(), note(&done, "/")), (0, "home (40 bytes)"), "{done:?}");
    done.says("1 that robots.txt forbids");
    assert_eq!(paths(&asked), ["/robots.txt", "/rules", "/"]);
    assert_eq!(paths(&there), ["/robots.txt"]);
}

#[test]
fn a_robots_txt_that_moves_on_and_on_or_nowhere_forbids_everything() {
    for (moved, why, times) in [
        ("301 Moved\r\nlocation: /robots.txt", "it has moved more than 5 times", 6),
        ("301 Moved", "it has moved nowhere", 1),
        ("301 Moved\r\nlocation: ftp://example.com/", "ftp:// is not supported, only http:// and https:// are", 1),
    ] {
        let pages = vec![("/", "<title>home</title>"), ("/robots.txt", moved)];
        let (server, asked) = site("", pages.leak());
        let done = run("scrape", &[&url(server), "--delay", "0.001"]);
        assert_eq!((done.code(), done.stdout.as_str()), (2, ""), "{done:?}");
        assert_eq!(done.stderr, format!("error: robots.txt: {why}\n"));
        assert_eq!(paths(&asked), vec!["/robots.txt"; times]);
    }
}

#[test]
fn a_first_page_that_fails_fails_the_run() {
    let (server, _) = site("404 Not Found\n", &[]);
    let done = run("scrape", &[&url(server)]);
    assert_eq!((done.code(), note(&done, "/")), (1, "404 Not Found"), "{done:?}");
    done.says("1 pages, 1 failed, in ");
}

#[test]
fn a_server_that_dies_in_the_middle_leaves_failed_pages_and_no_hang() {
    const LINKS: &str = "<title>home</title><a href=/1>1</a><a href=/2>2</a><a href=/3>3</a><a href=/4>4</a>";
    let (server, _) =
        site("404 Not Found\n", &[("/", LINKS), ("/1", LINKS), ("/2", LINKS), ("/3", LINKS), ("/4", LINKS)]);
    // That is what /robots.txt, / and one of the others take, whichever comes first; it may still be under way then.
    let proxy = Proxy::start(server, Fate::Dies, 400);
    let done = run("scrape", &[&url(proxy.address()), "--delay", "0.001"]);
    assert_eq!(done.code(), 0, "{done:?}");
    assert_eq!(note(&done, "/"), "home (83 bytes)");
    let notes = ["/1", "/2", "/3", "/4"].map(|path| note(&done, path));
    let came = notes.iter().filter(|note| **note == "home (83 bytes)").count();
    let failed = notes.iter().filter(|note| note.ends_with(", 3 times")).count();
    assert!(came <= 1 && came + failed == 4, "{done:?}");
    done.says(&format!("5 pages, {failed} failed, in "));
}

#[test]
fn a_reader_who_leaves_is_no_reason_to_fail() {
    let (server, _) = site("404 Not Found\n", &[("/", "<title>home</title>")]);
    let mut program = Program::start("scrape", &[&url(server)]);
    drop(program.child.stdout.take());
    let mut said = String::new();
    program.child.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
    assert_eq!((program.child.wait().expect("it is our child").code(), &*said), (Some(0), ""));
}

#[test]
fn what_cannot_be_fetched_is_refused_before_any_request() {
    let (nobody, _kept) = nobody();
    let nobody = url(nobody);
    for (arguments, why) in [
        (["nonsense", "--depth=1"], "relative URL without a base"),
        (["ftp://example.com/", "--depth=1"], "ftp:// is not supported"),
        (["mailto:me@example.com", "--depth=1"], "http://"),
        (["--depth", "deep"], "--depth"),
        (["--delay=-1", "--depth=1"], "--delay"),
        (["--concurrency", "0"], "--concurrency"),
        ([&nobody, "--depth=1"], "nothing listens at"),
    ] {
        let done = run("scrape", &arguments);
        assert!(done.stderr.contains(why), "{arguments:?}: {done:?}");
        assert_eq!((done.code(), done.stdout.as_str()), (2, ""), "{arguments:?}");
    }
}
