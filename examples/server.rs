//! The embedded server: six endpoints by hyper, a task per connection, on a loop and a thread of its own.

use crate::http::HttpStream;
use crate::stop::until;
use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper::{Request, Response, StatusCode, Uri};
use runtime::net::{TcpListener, TcpStream};
use runtime::sync::{Semaphore, mpsc, oneshot};
use runtime::time::sleep;
use runtime::{block_on, spawn};
use socket2::{Domain, Socket, Type};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

/// One path for each endpoint, in the order in which the load test asks for them.
pub const ENDPOINTS: [&str; 6] = ["/hello", "/json", "/slow?ms=5", "/big", "/echo", "/status/204"];

/// What `/big` sends.
static BIG: [u8; 64 * 1024] = [b'x'; 64 * 1024];

/// How long to wait after `accept` failed: with no descriptor left it fails at once, again and again.
const PAUSE: Duration = Duration::from_millis(10);

/// The longest sleep that `/slow` can be asked for, in milliseconds.
const LONGEST: u64 = 60_000;

/// A running server. Dropping it stops the server and waits for its thread.
#[derive(Debug)]
pub struct Server {
    /// Where it listens: a free port of 127.0.0.1.
    address: SocketAddr,
    /// Its end of the channel resolves when this end is dropped, which stops the loop.
    stop: Option<oneshot::Sender<()>>,
    /// `None` once it was joined.
    thread: Option<thread::JoinHandle<()>>,
}

impl Server {
    /// Starts a server on a thread of its own.
    ///
    /// # Errors
    ///
    /// When there is no thread, no descriptor or no port for it.
    pub fn start() -> io::Result<Self> {
        Self::running(serve)
    }

    /// Starts another server than the embedded one: `serve` is run on a thread of its own until this is dropped.
    ///
    /// # Errors
    ///
    /// When there is no thread, no descriptor or no port for it.
    pub fn running<F: Future>(serve: impl FnOnce(TcpListener) -> F + Send + 'static) -> io::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let (sender, bound) = std::sync::mpsc::channel();
        let thread = thread::Builder::new().name("server".to_string()).spawn(move || {
            block_on(async {
                let bound = TcpListener::bind("127.0.0.1:0").await;
                match bound.and_then(|listener| Ok((listener.local_addr()?, listener))) {
                    Ok((address, listener)) => {
                        // `start` waits for the message, so it arrives.
                        let _ = sender.send(Ok(address));
                        let _ = until(serve(listener), stopped).await;
                    }
                    Err(error) => drop(sender.send(Err(error))),
                }
            });
        })?;
        let address = bound.recv().map_err(io::Error::other)??;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop = None;
        let joined = self.thread.take().map(thread::JoinHandle::join);
        // A panic of the server fails whoever owns it, but never twice.
        if matches!(joined, Some(Err(_))) && !thread::panicking() {
            panic!("the server panicked");
        }
    }
}

/// How many connections the system keeps for a listener until they are accepted.
const BACKLOG: i32 = 1024;

/// Listens at an address, with one listener for each of `loops` loops. The system gives each new connection to one of
/// them (SO_REUSEPORT), so the loops share nothing.
///
/// # Errors
///
/// When the address is none of this machine, or somebody else listens there.
pub fn listen(address: impl ToSocketAddrs, loops: u64) -> io::Result<Vec<std::net::TcpListener>> {
    let mut problem = io::Error::other("it has no address");
    for mut address in address.to_socket_addrs()? {
        let bind = |address: SocketAddr| {
            let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
            socket.set_reuse_address(true)?;
            socket.set_reuse_port(loops > 1)?;
            socket.bind(&address.into())?;
            socket.listen(BACKLOG)?;
            socket.set_nonblocking(true)?;
            Ok::<_, io::Error>(std::net::TcpListener::from(socket))
        };
        let listeners = (0..loops).map(|_| {
            let listener = bind(address)?;
            // The first finds a port where none was named, and the others take the same.
            address = listener.local_addr()?;
            Ok(listener)
        });
        match listeners.collect() {
            Ok(listeners) => return Ok(listeners),
            Err(error) => problem = error,
        }
    }
    Err(problem)
}

/// Accepts connections for ever and serves each in a task of its own.
pub async fn serve(listener: TcpListener) {
    serve_with(listener, connection).await;
}

/// As [`serve`], with whatever `connection` says to them.
pub async fn serve_with<F: Future<Output = ()> + 'static>(
    listener: TcpListener,
    mut connection: impl FnMut(TcpStream) -> F,
) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(spawn(connection(stream))),
            Err(_) => sleep(PAUSE).await,
        }
    }
}

/// Accepts connections until `stop` is ready, and gives their requests to `service`. Then nobody else is let in, requests
/// under way get their answer, and it returns when the last of them has it.
pub async fn serve_until<S, B>(stop: impl Future, listener: TcpListener, service: S)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>> + Clone + 'static,
    B: Body<Error: Into<BoxError>> + 'static,
{
    // All of them wait for a permit, and there are none before the end.
    let over = Rc::new(Semaphore::new(0));
    let (open, mut closed) = mpsc::local::<()>(1);
    let connection = |stream: TcpStream| {
        let (service, over, open) = (service.clone(), Rc::clone(&over), open.clone());
        async move {
            let _ = stream.set_nodelay(true);
            let mut connection = pin!(http1::Builder::new().serve_connection(HttpStream::new(stream), service));
            if until(connection.as_mut(), over.acquire()).await.is_err() {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
            drop(open);
        }
    };
    let _ = until(serve_with(listener, connection), stop).await;
    over.add_permits(1 << 30);
    drop(open);
    // The last connection drops the last sender.
    let _ = closed.recv().await;
}

/// What an error of a service may become.
type BoxError = Box<dyn Error + Send + Sync>;

/// Serves one connection, request after request. Its errors end nothing else: the client is gone, or spoke no HTTP.
async fn connection(stream: TcpStream) {
    // An answer is one small write, which should leave at once; a socket that is broken already says so at the read.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| async { Ok::<_, Infallible>(answer(request).await) });
    let _ = http1::Builder::new().serve_connection(HttpStream::new(stream), service).await;
}

/// The endpoints.
async fn answer(request: Request<Incoming>) -> Response<Page> {
    match request.uri().path() {
        "/hello" => page(StatusCode::OK, "Hello, world!\n"),
        "/json" => page(StatusCode::OK, r#"{"message": "Hello, world!"}"#),
        "/slow" => match milliseconds(request.uri()) {
            Some(most) => {
                let pause = fastrand::u64(0..=most);
                sleep(Duration::from_millis(pause)).await;
                page(StatusCode::OK, format!("slept {pause} ms\n"))
            }
            None => page(StatusCode::BAD_REQUEST, "ask for /slow?ms=5, at most 60000\n"),
        },
        "/big" => page(StatusCode::OK, Bytes::from_static(&BIG)),
        "/echo" => Response::new(Either::Right(echo(&request))),
        path => match path.strip_prefix("/status/").map(str::parse) {
            Some(Ok(status)) => page(status, Bytes::new()),
            Some(Err(_)) => page(StatusCode::BAD_REQUEST, "no such status\n"),
            None => page(StatusCode::NOT_FOUND, "no such page\n"),
        },
    }
}

/// What an endpoint answers with: a page in one piece, of known length, or in pieces.
type Page = Either<Full<Bytes>, Pieces>;

/// A page in one piece.
fn page(status: StatusCode, content: impl Into<Bytes>) -> Response<Page> {
    let mut response = Response::new(Either::Left(Full::new(content.into())));
    *response.status_mut() = status;
    response
}

/// The head of the request, a piece for each line.
fn echo(request: &Request<Incoming>) -> Pieces {
    let first = format!("{} {}\n", request.method(), request.uri());
    let headers = request
        .headers()
        .iter()
        .map(|(name, value)| [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\n"].concat().into());
    Pieces(std::iter::once(first.into()).chain(headers).collect())
}

/// The `5` of `/slow?ms=5`.
fn milliseconds(uri: &Uri) -> Option<u64> {
    let most = uri.query()?.strip_prefix("ms=")?.parse().ok()?;
    (most <= LONGEST).then_some(most)
}

/// A body that comes in pieces. Its length is not known beforehand, so HTTP sends it in chunks.
#[derive(Debug)]
pub struct Pieces(VecDeque<Bytes>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Ask, Target};
    use crate::tls::{Trust, connector};

    #[test]
    fn every_endpoint_answers_and_the_rest_is_refused() {
        let server = Server::start().unwrap();
        for (path, status, length) in [
            ("/hello", 200, 14),
            ("/json", 200, 28),
            ("/slow?ms=0", 200, 11),
            ("/slow", 400, 34),
            ("/slow?ms=60001", 400, 34),
            ("/big", 200, 64 * 1024),
            ("/status/204", 204, 0),
            ("/status/503", 503, 0),
            ("/status/5", 400, 15),
            ("/nothing", 404, 13),
        ] {
            let url = format!("http://{}{path}", server.address()).parse().unwrap();
            let answer = block_on(async {
                let targets =
                    Target::find(vec![url], &Ask::default(), &connector(Trust::default()).unwrap()).await.unwrap();
                targets[0].answer().await.unwrap()
            });
            assert_eq!((answer.status.as_u16(), answer.length), (status, length), "{path}");
        }
    }
}
