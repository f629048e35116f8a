//! A site to scrape: 200 pages in a tree, and whatever goes wrong on the web. Served by hyper, on a thread of its own.
//!
//! Page number k links to 3k + 1, 3k + 2 and 3k + 3, so the last are five clicks away from the first. Some of the leaves
//! are special, see [`SPECIAL`]. The first links to `/private/`, which robots.txt forbids.

use crate::http::HttpStream;
use crate::server::{Server, serve_with};
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{CONTENT_TYPE, LOCATION};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use runtime::net::{TcpListener, TcpStream};
use runtime::time::sleep;
use std::cell::Cell;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

/// How many pages there are.
pub const PAGES: u32 = 200;

/// The special leaves, and what each is there for.
pub const SPECIAL: [(u32, &str); 9] = [
    (107, "slow"),    // answers after 100 ms
    (113, "silent"),  // never answers
    (117, "broken"),  // always 500
    (123, "shaky"),   // 503 twice, then a page
    (129, "cut off"), // ends in the middle
    (131, "moved"),   // links to a redirect to itself, and to two that lead to each other
    (141, "endless"), // never ends
    (143, "picture"), // not HTML
    (147, "nasty"),   // HTML that only a real parser understands
];

/// What robots.txt says.
const ROBOTS: &str = "User-agent: *\nDisallow: /private/\n";

/// HTML as people write it: a link in a comment, one in a script, tags that are never closed, entities.
const NASTY: &str = r#"<TITLE>Nasty &amp; real</title><!-- <a href="/comment"> --><script>"<a href='/script'>"</script>
<p>unclosed <b>bold <a HREF = '/page/147?a=1&amp;b=2#there'>one</a> <a href=/page/0>two <a href="mailto:x@y.z">three"#;

/// Starts the site.
///
/// # Errors
///
/// When there is no thread, no descriptor or no port for it.
pub fn start() -> io::Result<Server> {
    Server::running(serve)
}

/// Accepts connections for ever and serves each in a task of its own.
async fn serve(listener: TcpListener) {
    let shaky = Rc::new(Cell::new(0));
    serve_with(listener, |stream| connection(stream, Rc::clone(&shaky))).await;
}

async fn connection(stream: TcpStream, shaky: Rc<Cell<u32>>) {
    let shaky = &*shaky;
    let service =
        service_fn(move |request: Request<Incoming>| async move { Ok::<_, Infallible>(answer(&request, shaky).await) });
    let _ = http1::Builder::new().serve_connection(HttpStream::new(stream), service).await;
}

async fn answer(request: &Request<Incoming>, shaky: &Cell<u32>) -> Response<Content> {
    let path = request.uri().path();
    let number = path.strip_prefix("/page/").and_then(|number| number.parse().ok()).filter(|number| *number < PAGES);
    let special = SPECIAL.iter().find(|(page, _)| Some(*page) == number).map_or("", |(_, kind)| kind);
    match (path, special) {
        ("/robots.txt", _) => reply(200, "text/plain", ROBOTS),
        ("/", _) => html(0, r#"<a href="/private/">private</a> <a href="https://example.com/">elsewhere</a>"#),
        ("/old", _) => moved("/page/131"),
        ("/loop/a", _) => moved("b"),
        ("/loop/b", _) => moved("/loop/a"),
        (_, "slow") => {
            sleep(Duration::from_millis(100)).await;
            html(107, "")
        }
        (_, "silent") => std::future::pending().await,
        (_, "broken") => reply(500, "text/html", "<title>Sorry</title>"),
        (_, "shaky") if shaky.replace(shaky.get() + 1) < 2 => reply(503, "text/html", "<title>Later</title>"),
        (_, "cut off") => Response::new(Content { rest: Some(Bytes::from_static(b"<title>Cut")), kind: Kind::Cut }),
        (_, "moved") => html(131, r#"<a href="/old">old</a> <a href="/loop/a">round and round</a>"#),
        (_, "endless") => {
            Response::new(Content { rest: Some(Bytes::from_static(&[b' '; 16 * 1024])), kind: Kind::Endless })
        }
        (_, "picture") => reply(200, "image/png", "no <a href='/picture'>link</a>"),
        (_, "nasty") => reply(200, "text/html", NASTY),
        _ => number.map_or_else(|| reply(404, "text/html", "<title>Not here</title>"), |number| html(number, "")),
    }
}

/// An ordinary page.
fn html(number: u32, more: &str) -> Response<Content> {
    let children = (3 * number + 1..=3 * number + 3).filter(|child| *child < PAGES);
    let links: String = children.map(|child| format!("<li><a href='/page/{child}'>page {child}</a>")).collect();
    let text = "Lorem ipsum. ".repeat(number as usize % 17);
    reply(200, "text/html", format!("<!doctype html><title>Page {number}</title><p>{text}{more}<ul>{links}</ul>"))
}

fn moved(location: &'static str) -> Response<Content> {
    let mut response = reply(301, "text/html", "");
    response.headers_mut().insert(LOCATION, location.parse().expect("it can stand in a header"));
    response
}

fn reply(status: u16, kind: &'static str, content: impl Into<Bytes>) -> Response<Content> {
    let response = Response::builder().status(status).header(CONTENT_TYPE, kind);
    response.body(Content { rest: Some(content.into()), kind: Kind::Whole }).expect("a status and a header")
}

/// A body, whole or not.
struct Content {
    rest: Option<Bytes>,
    kind: Kind,
}

enum Kind {
    Whole,
    Cut,
    Endless,
}

impl Body for Content {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let rest = if matches!(self.kind, Kind::Endless) { self.rest.clone() } else { self.rest.take() };
        Poll::Ready(match (rest, &self.kind) {
            (Some(bytes), _) => Some(Ok(Frame::data(bytes))),
            // An error of the body ends the connection, whatever was promised.
            (None, Kind::Cut) => Some(Err(io::Error::other("cut off"))),
            (None, _) => None,
        })
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.rest, &self.kind) {
            (Some(bytes), Kind::Whole) => SizeHint::with_exact(bytes.len() as u64),
            _ => SizeHint::default(),
        }
    }
}
