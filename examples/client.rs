//! One request: a connection out of the pool or a new one, the answer read to its end, the connection put back.

use crate::failure::Failure;
use crate::http::HttpStream;
use crate::url::{Header, Url};
use bytes::Bytes;
use futures_io::{AsyncRead, AsyncWrite};
use futures_rustls::TlsConnector;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONNECTION, HOST, HeaderMap, HeaderValue, USER_AGENT};
use hyper::{Method, Request, StatusCode};
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

/// What is the same in every request, whatever it asks for.
#[derive(Debug, Clone)]
pub struct Ask {
    /// GET, POST and so on.
    pub method: Method,
    /// Headers besides those that every request has, or instead of them.
    pub headers: Vec<Header>,
    /// The body; empty for none.
    pub body: Bytes,
    /// Whether a connection is used for more than one request.
    pub keep_alive: bool,
    /// Whether a request is sent once more when its connection, which had been used before, broke without an answer.
    pub resend: bool,
}

/// A URL and the connections to its host.
#[derive(Debug)]
pub struct Target {
    /// What to ask for.
    pub url: Url,
    /// Where to ask; targets with the same scheme, host and port share it.
    site: Rc<Site>,
    /// How to ask.
    ask: Rc<Ask>,
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
    /// How many requests were sent once more.
    resent: Cell<u64>,
}

/// An open connection. A task of the loop drives it; dropping this end closes it.
#[derive(Debug)]
struct Connection {
    /// Hands requests to that task.
    sender: SendRequest<Full<Bytes>>,
    /// How many bytes came in, see [`HttpStream::received`].
    received: Rc<Cell<u64>>,
}

/// Why there is no answer over a connection.
enum Broken {
    /// Nothing of the request was sent.
    Unsent(Failure),
    /// The server may have seen it.
    Sent(Failure),
}

impl Default for Ask {
    /// GET, over connections that are kept open.
    fn default() -> Self {
        Self { method: Method::GET, headers: Vec::new(), body: Bytes::new(), keep_alive: true, resend: true }
    }
}

impl Target {
    /// Resolves the hosts of `urls` and sees that each accepts a connection, before any request goes out. What is
    /// said over TLS goes through `tls`.
    ///
    /// # Errors
    ///
    /// A sentence that names the host, or the address where nobody listens, or what is wrong with the certificate.
    pub async fn find(urls: Vec<Url>, ask: &Ask, tls: &TlsConnector) -> Result<Vec<Self>, String> {
        let (mut targets, ask): (Vec<Self>, _) = (Vec::new(), Rc::new(ask.clone()));
        for url in urls {
            let known = targets.iter().find(|it| it.url.address == url.address && it.url.name == url.name);
            let site = match known {
                Some(target) => target.site.clone(),
                None => Rc::new(Site::find(&url, tls).await?),
            };
            let headers = header_map(&url, &ask);
            targets.push(Self { url, site, ask: Rc::clone(&ask), headers });
        }
        Ok(targets)
    }

    /// Sends the request and reads the answer to its end.
    ///
    /// A connection out of the pool may have been closed by the server a moment ago, which is the server's right. If
    /// nothing of the request was sent by then, it goes over a new one. If it breaks later and before the answer has
    /// begun, the server may have seen the request: it is sent once more where [`Ask::resend`] allows it and the method
    /// may be repeated (RFC 9110, 9.2.2: not POST), and [`resent`](Target::resent) counts that.
    ///
    /// Dropping the future closes the connection that it uses: HTTP/1 has no other way to call a request off.
    ///
    /// # Errors
    ///
    /// When there is no connection, or no complete answer.
    pub async fn answer(&self) -> Result<Answer, Failure> {
        let Page { status, length, .. } = self.request(None).await?;
        Ok(Answer { status, length })
    }

    /// As [`answer`](Target::answer), and gives what the server said. A body is read until it is longer than `most` bytes:
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
        here.then(|| {
            let headers = header_map(&url, &self.ask);
            Target { url, site: Rc::clone(&self.site), ask: Rc::clone(&self.ask), headers }
        })
    }

    /// How many requests to this server were sent once more, by whichever of its targets.
    pub fn resent(&self) -> u64 {
        self.site.resent.get()
    }

    /// Counts those from 0 again.
    pub fn forget_resent(&self) {
        self.site.resent.set(0);
    }

    /// Whether this target and the other one are at the same server.
    pub fn is_beside(&self, other: &Target) -> bool {
        Rc::ptr_eq(&self.site, &other.site)
    }

    /// A request, and once more if the connection had been closed before.
    async fn request(&self, keep: Option<u64>) -> Result<Page, Failure> {
        if let Some(connection) = self.site.take() {
            let (received, before) = (connection.received.clone(), connection.received.get());
            match self.exchange(connection, keep).await {
                Ok(page) => return Ok(page),
                Err(Broken::Unsent(_)) => {}
                Err(Broken::Sent(_)) if received.get() == before && self.may_repeat() => {
                    self.site.resent.set(self.site.resent.get() + 1);
                }
                Err(Broken::Sent(failure)) => return Err(failure),
            }
        }
        // To connect is rare and needs much memory, for a handshake of TLS. In a box of its own it is no part of the future
        // of each request, which is moved several times on its way into the gather.
        let connection = Box::pin(self.site.connect()).await?;
        match self.exchange(connection, keep).await {
            Err(Broken::Unsent(failure) | Broken::Sent(failure)) => Err(failure),
            Ok(page) => Ok(page),
        }
    }

    /// Whether a request that the server may have seen can be sent once more.
    fn may_repeat(&self) -> bool {
        self.ask.resend && self.ask.method.is_idempotent()
    }

    /// One request and its answer on `connection`, which goes back to the pool if all went well.
    async fn exchange(&self, mut connection: Connection, keep: Option<u64>) -> Result<Page, Broken> {
        let mut request = Request::new(Full::new(self.ask.body.clone()));
        *request.method_mut() = self.ask.method.clone();
        *request.uri_mut() = self.url.path.clone();
        *request.headers_mut() = self.headers.clone();
        connection.sender.ready().await.map_err(|error| Broken::Unsent(error.into()))?;
        let sent = connection.sender.try_send_request(request).await;
        // Without a word to the server, hyper gives the request back.
        let response = sent.map_err(|mut error| match error.take_message() {
            Some(_) => Broken::Unsent(error.into_error().into()),
            None => Broken::Sent(error.into_error().into()),
        })?;
        let (head, mut frames) = response.into_parts();
        let mut page = Page { status: head.status, headers: head.headers, body: Vec::new(), length: 0 };
        while let Some(frame) = frames.frame().await {
            let frame = frame.map_err(|error| Broken::Sent(error.into()))?;
            let bytes = frame.data_ref().map_or(&[][..], |bytes| bytes);
            page.length += bytes.len() as u64;
            if let Some(most) = keep {
                page.body.extend_from_slice(bytes);
                if page.length > most {
                    return Ok(page);
                }
            }
        }
        if self.ask.keep_alive {
            self.site.idle.borrow_mut().push(connection);
        }
        Ok(page)
    }
}

impl Site {
    /// Resolves the host and connects once, to see which of its addresses answers.
    async fn find(url: &Url, tls: &TlsConnector) -> Result<Self, String> {
        let addresses = lookup_host(&url.address).await;
        let mut problem = "it has no address".to_string();
        for address in addresses.map_err(|error| error.to_string())? {
            let tls = url.name.clone().map(|name| (tls.clone(), name));
            let site = Self { address, tls, idle: RefCell::default(), resent: Cell::default() };
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

/// The headers of a request to `url`: those that every request has, unless `ask` has others, and those of `ask`.
fn header_map(url: &Url, ask: &Ask) -> HeaderMap {
    let mut map = HeaderMap::new();
    for Header { name, value } in &ask.headers {
        map.append(name, value.clone());
    }
    map.entry(HOST).or_insert_with(|| url.host.clone());
    map.entry(USER_AGENT).or_insert(HeaderValue::from_static("glassloop-load-test"));
    if !ask.keep_alive {
        map.entry(CONNECTION).or_insert(HeaderValue::from_static("close"));
    }
    map
}
