//! `scrape`, on its own site and on servers that are well, rude or gone.

use crate::nginx::Nginx;
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

/// A server whose answers, head and all, are written out here, and the paths that it was asked for.
fn raw(pages: Vec<(&'static str, Vec<u8>)>) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let server = serve(move |mut stream| {
        while let Some(request) = crate::read_request(&mut stream) {
            let path = request.split(' ').nth(1).expect("a path").to_string();
            let page = pages.iter().find(|(name, _)| *name == path).map(|(_, page)| page.clone());
            log.lock().unwrap().push(request);
            let nothing = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_vec();
            if std::io::Write::write_all(&mut stream, &page.unwrap_or(nothing)).is_err() {
                return;
            }
        }
    });
    (server, asked)
}

/// A good answer with these headers.
fn answer(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\n{headers}content-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

const HTML: &str = "content-type: text/html\r\n";

#[test]
fn a_page_that_nests_deep_is_read_as_fast_as_one_that_does_not() {
    let page = format!("<title>deep</title>{}<a href=/last>", "<div><b>".repeat(100_000));
    let (server, asked) = raw(vec![("/", answer(HTML, page.as_bytes()))]);
    let done = run("scrape", &[&url(server), "--depth", "1", "--delay", "0.001"]);
    assert_eq!((done.code(), note(&done, "/")), (0, &*format!("deep ({} bytes)", page.len())), "{done:?}");
    assert_eq!(paths(&asked), ["/robots.txt", "/", "/last"]);
}

#[test]
fn a_page_that_cannot_be_read_in_time_is_given_up_like_one_that_is_not_sent_in_time() {
    // One tag of very many attributes: each is compared with all before it.
    let page = format!("<a {}>", (0..300_000).map(|number| format!("{number:x} ")).collect::<String>());
    let (server, _) = raw(vec![("/", answer(HTML, page.as_bytes()))]);
    let done = run("scrape", &[&url(server), "--timeout", "0.3", "--size", "3000000"]);
    assert_eq!((done.code(), note(&done, "/")), (1, "took more than 300ms to read"), "{done:?}");
}

#[test]
fn a_first_page_that_has_moved_to_another_host_is_followed_and_that_host_s_rules_are_obeyed() {
    let home = answer(HTML, b"<title>new home</title><a href=/open>1</a><a href=/secret>2</a>");
    let rules = answer("", b"User-agent: *\nDisallow: /secret");
    let (there, asked_there) = raw(vec![("/", home), ("/robots.txt", rules)]);
    let moved = format!("HTTP/1.1 301 Moved\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", url(there));
    let (here, asked_here) = raw(vec![("/", moved.into_bytes())]);
    let done = run("scrape", &[&url(here), "--depth", "1", "--delay", "0.001"]);
    assert_eq!((done.code(), note(&done, "/")), (0, "new home (63 bytes)"), "{done:?}");
    done.says("1 that robots.txt forbids");
    assert_eq!(paths(&asked_here), ["/robots.txt", "/"]);
    assert_eq!(paths(&asked_there), ["/robots.txt", "/", "/open"]);
}

#[test]
fn what_pages_say_of_themselves_is_heard() {
    let mut packed = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    // One block that is stored as it is, its length and the same upside down; then checksum and length.
    let text = b"<title>packed</title>";
    packed.extend([1, text.len() as u8, 0, !(text.len() as u8), 0xff]);
    packed.extend(text);
    packed.extend(crc32(text).to_le_bytes());
    packed.extend((text.len() as u32).to_le_bytes());
    let links =
        b"<base href=/dir/><a href=kind>1</a><a href=charset>2</a><a href=/packed>3</a><a href=/no rel=nofollow>4</a>\
                  <a href=/none>5</a>";
    let (server, asked) = raw(vec![
        ("/", answer(HTML, links)),
        ("/dir/kind", answer("Content-Type: Text/HTML\r\n", b"<title>\x1b[31mkind</title>")),
        ("/dir/charset", answer("content-type: text/html; charset=iso-8859-1\r\n", b"<title>caf\xe9</title>")),
        ("/packed", answer("content-type: text/html\r\ncontent-encoding: gzip\r\n", &packed)),
        ("/none", answer(HTML, b"<title>none</title><meta name=robots content=nofollow><a href=/hidden>x</a>")),
    ]);
    let done = run("scrape", &[&url(server), "--delay", "0.001"]);
    for (path, expected) in [
        ("/dir/kind", "\u{fffd}[31mkind (24 bytes)"),
        ("/dir/charset", "café (19 bytes)"),
        ("/packed", &*format!("packed ({} bytes)", packed.len())),
    ] {
        assert_eq!(note(&done, path), expected, "{done:?}");
    }
    done.says(", 2 marked nofollow\n");
    let asked = paths(&asked);
    assert!(!asked.iter().any(|path| path == "/no" || path == "/hidden"), "{asked:?}");
}

/// The checksum of gzip.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 })
    })
}

#[test]
fn a_server_that_asks_for_rest_gets_it_and_one_that_asks_for_too_much_is_left_alone() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let server = serve(move |stream| {
        answer_each(stream, |request| {
            let path = request.split(' ').nth(1).expect("a path").to_string();
            let mut log = log.lock().unwrap();
            log.push((path.clone(), std::time::Instant::now()));
            let times = log.iter().filter(|(asked, _)| *asked == path).count();
            match (&*path, times) {
                ("/", 1) => "HTTP/1.1 429 Slow\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n".to_string(),
                ("/later", _) => "HTTP/1.1 503 No\r\nretry-after: 3600\r\ncontent-length: 0\r\n\r\n".to_string(),
                ("/", _) => String::from_utf8(answer(HTML, b"<title>home</title><a href=/later>x</a>")).unwrap(),
                _ => "HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n".to_string(),
            }
        });
    });
    let done = run("scrape", &[&url(server), "--delay", "0.001"]);
    assert_eq!((done.code(), note(&done, "/")), (0, "home (39 bytes)"), "{done:?}");
    assert_eq!(note(&done, "/later"), "503 Service Unavailable, not before 3600 s", "{done:?}");
    let asked = asked.lock().unwrap();
    let paths: Vec<&str> = asked.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["/robots.txt", "/", "/", "/later"]);
    assert!(asked[2].1 - asked[1].1 >= std::time::Duration::from_secs(1), "it had its rest");
}

#[test]
fn a_start_page_that_is_forbidden_is_not_asked_for_and_rules_are_read_whatever_the_size_of_pages() {
    let (server, asked) = site("200 OK\nUser-agent: *\nDisallow: /", &[("/", "<title>home</title>")]);
    let done = run("scrape", &[&url(server)]);
    assert_eq!((done.code(), done.stdout.as_str()), (2, ""), "{done:?}");
    assert_eq!(done.stderr, format!("error: robots.txt forbids {}\n", url(server)));
    assert_eq!(paths(&asked), ["/robots.txt"]);
    let rules = format!("{}User-agent: *\nDisallow: /secret", "# talk\n".repeat(1_000));
    let home = answer(HTML, b"<title>home</title><a href=/secret>x</a>");
    let (server, asked) = raw(vec![("/", home), ("/robots.txt", answer("", rules.as_bytes()))]);
    let done = run("scrape", &[&url(server), "--size", "100", "--delay", "0.001"]);
    done.says("1 that robots.txt forbids");
    assert_eq!(paths(&asked), ["/robots.txt", "/"]);
}

#[test]
fn ctrl_c_loses_nothing_of_what_was_found() {
    let (sender, asked) = std::sync::mpsc::channel();
    let server = serve(move |mut stream| {
        while let Some(request) = crate::read_request(&mut stream) {
            let page = match request.split(' ').nth(1).expect("a path") {
                "/" => answer(HTML, b"<title>home</title><a href=/1>1</a><a href=/silent>2</a>"),
                "/1" => answer(HTML, b"<title>one</title>"),
                "/silent" => {
                    sender.send(()).expect("the test listens");
                    continue;
                }
                _ => b"HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n".to_vec(),
            };
            std::io::Write::write_all(&mut stream, &page).expect("the client waits for it");
        }
    });
    let program =
        Program::start("scrape", &[&url(server), "--timeout", "100", "--delay", "0.001", "--concurrency", "1"]);
    // One after the other: when this one is asked for, the other one has come.
    asked.recv_timeout(crate::process::PATIENCE).expect("it is asked for");
    tests::send_signal("INT", program.child.id());
    let done = program.finish();
    assert_eq!((done.code(), done.stderr.as_str()), (130, ""), "{done:?}");
    assert_eq!((note(&done, "/"), note(&done, "/1")), ("home (56 bytes)", "one (18 bytes)"), "{done:?}");
    assert_eq!(note(&done, "/silent"), "not asked for");
    done.says("2 pages, 0 failed, in ");
}

#[test]
fn a_first_page_that_has_moved_to_https_is_asked_for_there_by_tls() {
    let config = crate::Authority::new("elsewhere").server("127.0.0.1");
    let there = serve(move |stream| answer_each(crate::tls(config.clone(), stream), |_| crate::OK.to_string()));
    let moved = format!("HTTP/1.1 301 Moved\r\nlocation: https://{there}/\r\ncontent-length: 0\r\n\r\n");
    let (here, asked) = raw(vec![("/", moved.into_bytes())]);
    let done = run("scrape", &[&url(here), "--delay", "0.001"]);
    assert!(done.stderr.contains("certificate not trusted: signed by an authority that is unknown here"), "{done:?}");
    assert_eq!((done.code(), done.stdout.as_str()), (2, ""), "{done:?}");
    assert_eq!(paths(&asked), ["/robots.txt", "/"]);
}

#[test]
fn a_real_nginx_packs_and_moves_pages_forbids_some_and_wants_rest() {
    let root = format!("{}/pages-of-nginx", env!("CARGO_TARGET_TMPDIR"));
    for folder in ["folder", "busy"] {
        std::fs::create_dir_all(format!("{root}/{folder}")).expect("the target folder takes folders");
    }
    let links = ["old", "folder", "latin.html", "secret.html", "busy/1.html", "busy/2.html"];
    let home = links.map(|link| format!("<a href={link}>x</a>")).concat();
    let long = format!("<title>new</title>{}", "<p>the same again".repeat(1_000));
    for (name, page) in [
        ("index.html", format!("<title>home</title>{home}").as_bytes()),
        ("new.html", long.as_bytes()),
        ("folder/index.html", b"<title>in a folder</title>"),
        ("latin.html", b"<title>caf\xe9</title>"),
        ("secret.html", b"<title>secret</title>"),
        ("busy/1.html", b"<title>one</title>"),
        ("busy/2.html", b"<title>two</title>"),
        ("robots.txt", b"User-agent: *\nDisallow: /secret\n"),
    ] {
        std::fs::write(format!("{root}/{name}"), page).expect("the target folder takes files");
    }
    let http = "limit_req_zone $binary_remote_addr zone=rest:1m rate=1r/s;";
    let server = format!(
        "root {root}; gzip on; gzip_min_length 1; gzip_types text/plain;\n\
         location = /old {{ return 301 /new.html; }}\n\
         location = /latin.html {{ charset iso-8859-1; }}\n\
         location /busy/ {{ limit_req zone=rest; limit_req_status 429; add_header Retry-After 1 always; }}"
    );
    let Some(nginx) = Nginx::start("pages", http, &server) else { return };
    let done = run("scrape", &[&url(nginx.address), "--delay", "0.001", "--concurrency", "1"]);
    assert_eq!((done.code(), done.stderr.as_str()), (0, ""), "{done:?}");
    for (path, title) in [
        ("/", "home ("),
        ("/old", "moved to /new.html"),
        ("/folder", "moved to /folder/"),
        ("/folder/", "in a folder ("),
        ("/latin.html", "café ("),
        ("/busy/2.html", "two ("),
        ("/new.html", "new ("),
    ] {
        assert!(note(&done, path).starts_with(title), "{path}: {done:?}");
    }
    let packed = note(&done, "/new.html").split(['(', ' ']).nth(2).and_then(|it| it.parse::<usize>().ok());
    assert!(packed.expect("a length") < long.len() / 10, "{done:?}");
    done.says("1 that robots.txt forbids");
    // Whoever came too soon was told so, and has waited.
    assert_eq!(
        nginx.end(),
        [
            "/robots.txt 200 gzip",
            "/ 200 gzip",
            "/old 301 -",
            "/folder 301 -",
            "/latin.html 200 gzip",
            "/busy/1.html 200 gzip",
            "/busy/2.html 429 -",
            "/busy/2.html 200 gzip",
            "/new.html 200 gzip",
            "/folder/ 200 gzip",
        ]
    );
}
