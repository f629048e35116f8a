//! One request: a connection out of the pool or a new one, the answer read to its end, the connection put back.

use crate::failure::Failure;
use crate::http::HttpStream;
use crate::url::{Header, Url};
use bytes::Bytes;
use futures_io::{AsyncRead, AsyncWrite};
use futures_rustls::TlsConnector;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, HeaderMap, HeaderValue, USER_AGENT};
use hyper::{Request, StatusCode};
use runtime::net::{TcpStream, lookup_host};
use runtime::spawn;
use runtime::time::timeout;
use rustls::pki_types::ServerName;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

/// How long a server may take to accept the connection that asks whether it is there.
const PROBE: Duration = Duration::from_secs(5);

/// An answer, read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// The length of its body, in bytes.
    pub length: u64,
}

/// An answer with what is in it.
#[derive(Debug, Clone)]
pub struct Page {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body. Empty where only the length counts.
    pub body: Vec<u8>,
    /// The length of its body, in bytes, as far as it was read.
    pub length: u64,
}

/// A URL and the connections to its host.
#[derive(Debug)]
pub struct Target {
    /// What to ask for.
    pub url: Url,
    /// Where to ask; targets with the same scheme, host and port share it.
    site: Rc<Site>,
    /// The headers of every request.
    headers: HeaderMap,
}

/// A server and the connections to it that nobody uses just now.
struct Site {
    /// The first of its addresses that answered the probe.
    address: SocketAddr,
    /// For https: who shakes hands, and whom the certificate must name.
    tls: Option<(TlsConnector, ServerName<'static>)>,
    /// The connection used last is taken first: those that a lull makes superfluous stay at the bottom, for the
    /// server to close.
    idle: RefCell<Vec<Connection>>,
}

/// An open connection. A task of the loop drives it; dropping this end closes it.
#[derive(Debug)]
struct Connection {
    /// Hands requests to that task.
    sender: SendRequest<Empty<Bytes>>,
    /// How many bytes came in, see [`HttpStream::received`].
    received: Rc<Cell<u64>>,
}

impl Target {
    /// Resolves the hosts of `urls` and sees that each accepts a connection, before any request goes out. What is
    /// said over TLS goes through `tls`.
    ///
    /// # Errors
    ///
    /// A sentence that names the host, or the address where nobody listens, or what is wrong with the certificate.
    pub async fn find(urls: Vec<Url>, headers: &[Header], tls: &TlsConnector) -> Result<Vec<Self>, String> {
        let mut targets: Vec<Self> = Vec::new();
        for url in urls {
            let known = targets.iter().find(|it| it.url.address == url.address && it.url.name == url.name);
            let site = match known {
                Some(target) => target.site.clone(),
                None => Rc::new(Site::find(&url, tls).await?),
            };
            let headers = header_map(&url, headers);
            targets.push(Self { url, site, headers });
        }
        Ok(targets)
    }

    /// Sends `GET` and reads the answer to its end.
    ///
    /// A connection out of the pool may have been closed by the server a moment ago, which is the server's right. If
    /// it breaks before the answer has begun, the request is sent once more, on a new one.
    ///
    /// Dropping the future closes the connection that it uses: HTTP/1 has no other way to call a request off.
    ///
    /// # Errors
    ///
    /// When there is no connection, or no complete answer.
    pub async fn get(&self) -> Result<Answer, Failure> {
        let Page { status, length, .. } = self.request(None).await?;
        Ok(Answer { status, length })
    }

    /// As [`get`](Target::get), and gives what the server said. A body is read until it is longer than `most` bytes:
    /// then its length says so, and the connection is closed.
    ///
    /// # Errors
    ///
    /// When there is no connection, or no answer that is complete or longer than `most`.
    pub async fn fetch(&self, most: u64) -> Result<Page, Failure> {
        self.request(Some(most)).await
    }

    /// Another URL of the same server, by the same connections. `None` when it is elsewhere.
    pub fn at(&self, url: Url) -> Option<Target> {
        let here = url.address == self.url.address && url.name == self.url.name;
        here.then(|| Target { url, site: self.site.clone(), headers: self.headers.clone() })
    }

    /// A request, and once more if the connection had been closed before.
    async fn request(&self, keep: Option<u64>) -> Result<Page, Failure> {
        if let Some(connection) = self.site.take() {
            let (received, before) = (connection.received.clone(), connection.received.get());
            let outcome = self.exchange(connection, keep).await;
            if outcome.is_ok() || received.get() > before {
                return outcome;
            }
        }
        self.exchange(self.site.connect().await?, keep).await
    }

    /// One request and its answer on `connection`, which goes back to the pool if all went well.
    async fn exchange(&self, mut connection: Connection, keep: Option<u64>) -> Result<Page, Failure> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.url.path.clone();
        *request.headers_mut() = self.headers.clone();
        connection.sender.ready().await?;
        let (head, mut frames) = connection.sender.send_request(request).await?.into_parts();
        let mut page = Page { status: head.status, headers: head.headers, body: Vec::new(), length: 0 };
        while let Some(frame) = frames.frame().await {
            let frame = frame?;
            let bytes = frame.data_ref().map_or(&[][..], |bytes| bytes);
            page.length += bytes.len() as u64;
            if let Some(most) = keep {
                page.body.extend_from_slice(bytes);
                if page.length > most {
                    return Ok(page);
                }
            }
        }
        self.site.idle.borrow_mut().push(connection);
        Ok(page)
    }
}

impl Site {
    /// Resolves the host and connects once, to see which of its addresses answers.
    async fn find(url: &Url, tls: &TlsConnector) -> Result<Self, String> {
        let addresses = lookup_host(&url.address).await;
        let mut problem = "it has no address".to_string();
        for address in addresses.map_err(|error| format!("{}: {error}", url.address))? {
            let tls = url.name.clone().map(|name| (tls.clone(), name));
            let site = Self { address, tls, idle: RefCell::default() };
            problem = match timeout(PROBE, site.connect()).await {
                Ok(Ok(_)) => return Ok(site),
                Ok(Err(Failure::Refused)) => format!("nothing listens at {address}"),
                Ok(Err(failure)) => match failure.cure() {
                    Some(cure) => format!("{address}: {failure}: {cure}"),
                    None => format!("{address}: {failure}"),
                },
                Err(_) => format!("no answer from {address} within {PROBE:?}"),
            }
        }
        Err(format!("{url}: {problem}"))
    }

    /// The idle connection used last that is still open.
    fn take(&self) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        std::iter::from_fn(|| idle.pop()).find(|connection| !connection.sender.is_closed())
    }

    /// Opens a connection. A request is one small write, which should leave at once: Nagle's algorithm is off.
    async fn connect(&self) -> Result<Connection, Failure> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            None => Connection::open(stream).await,
            Some((tls, name)) => Connection::open(tls.connect(name.clone(), stream).await?).await,
        }
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site").field("address", &self.address).field("tls", &self.tls.is_some()).finish_non_exhaustive()
    }
}

impl Connection {
    /// Gives `stream` to hyper and spawns the task that drives it.
    async fn open(stream: impl AsyncRead + AsyncWrite + Unpin + 'static) -> Result<Self, Failure> {
        let stream = HttpStream::new(stream);
        let received = stream.received();
        let (sender, connection) = http1::handshake(stream).await?;
        // Its error reaches the request that it breaks; without a request there is nobody to tell.
        drop(spawn(connection));
        Ok(Self { sender, received })
    }
}

/// The headers of a request to `url`: those that every request has, unless `headers` has others, and `headers`.
fn header_map(url: &Url, headers: &[Header]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for Header { name, value } in headers {
        map.append(name, value.clone());
    }
    map.entry(HOST).or_insert_with(|| url.host.clone());
    map.entry(USER_AGENT).or_insert(HeaderValue::from_static("glassloop-load-test"));
    map
}
