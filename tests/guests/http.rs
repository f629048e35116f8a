//! hyper as a guest, both ends of it on one loop.

use crate::streams::receive;
use crate::{ROUNDS, connection, host};
use bytes::Bytes;
use examples::http::HttpStream;
use examples::stop::until;
use futures::stream::StreamExt;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http1::{self as client, SendRequest};
use hyper::header::{CONNECTION, TRANSFER_ENCODING, UPGRADE};
use hyper::rt::{Sleep, Timer};
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use runtime::sync::{mpsc, oneshot};
use runtime::task::yield_now;
use runtime::time::{now, sleep_until};
use runtime::{AbortHandle, JoinHandle, spawn};
use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::{Future, pending, poll_fn, ready};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tests::{Dropped, Log, virtually};

/// The client's end of hyper over `stream`, driven by a task.
async fn open<B>(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
) -> (SendRequest<B>, JoinHandle<hyper::Result<()>>)
where
    B: Body<Data = Bytes, Error = Infallible> + 'static,
{
    let (sender, connection) = client::handshake(HttpStream::new(stream)).await.expect("nothing is said yet");
    (sender, spawn(connection))
}

/// The server's end, driven by a task.
fn serve<F, R, B>(stream: impl AsyncRead + AsyncWrite + Unpin + 'static, answer: F) -> JoinHandle<hyper::Result<()>>
where
    F: Fn(Request<Incoming>) -> R + 'static,
    R: Future<Output = Response<B>> + 'static,
    B: Body<Data = Bytes> + 'static,
    B::Error: std::error::Error + Send + Sync,
{
    let service = service_fn(move |request| {
        let answer = answer(request);
        async { Ok::<_, Infallible>(answer.await) }
    });
    let mut builder = server::Builder::new();
    spawn(builder.pipeline_flush(true).serve_connection(HttpStream::new(stream), service))
}

fn get(path: &str) -> Request<Empty<Bytes>> {
    Request::get(path).body(Empty::new()).expect("a path")
}

async fn text(response: Response<Incoming>) -> String {
    assert_eq!(response.status(), StatusCode::OK);
    let body = response.into_body().collect().await.expect("a whole answer");
    String::from_utf8(body.to_bytes().into()).expect("text")
}

/// Request after request on one connection, over whatever stream.
pub(crate) async fn keep_alive_over<S: AsyncRead + AsyncWrite + Unpin + 'static>(
    client: S,
    server: impl AsyncRead + AsyncWrite + Unpin + 'static,
) {
    let served = Rc::new(Cell::new(0));
    let count = Rc::clone(&served);
    let server = serve(server, move |request| {
        count.set(count.get() + 1);
        async move { Response::new(Full::from(format!("you asked for {}", request.uri().path()))) }
    });
    let (mut sender, client) = open(client).await;
    for number in 0..ROUNDS {
        sender.ready().await.expect("it stays open");
        let response = sender.send_request(get(&format!("/{number}"))).await.expect("an answer");
        assert_eq!(text(response).await, format!("you asked for /{number}"));
    }
    assert_eq!(served.get(), ROUNDS);
    drop(sender);
    client.await.expect("it ends").expect("no error");
    server.await.expect("it ends").expect("no error");
}

/// The same over TCP.
pub(crate) async fn keep_alive() {
    let (client, server) = connection().await;
    keep_alive_over(client, server).await;
}

#[test]
fn one_connection_carries_request_after_request() {
    host(ROUNDS, keep_alive);
}

#[test]
fn a_body_of_unknown_length_goes_in_chunks_and_the_answer_comes_while_it_is_sent() {
    host(ROUNDS, async || {
        let (client, server) = connection().await;
        drop(serve(server, async |request: Request<Incoming>| {
            assert_eq!(request.headers()[TRANSFER_ENCODING], "chunked");
            Response::new(request.into_body())
        }));
        let (mut sender, _client) = open(client).await;
        let (pieces, body) = mpsc::channel(1);
        let body = StreamBody::new(body.map(|piece: String| Ok::<_, Infallible>(Frame::data(Bytes::from(piece)))));
        let mut response =
            sender.send_request(Request::post("/").body(body).expect("a request")).await.expect("an answer");
        assert_eq!(response.headers()[TRANSFER_ENCODING], "chunked");
        for number in 0..ROUNDS {
            pieces.send(format!("piece {number}")).await.expect("hyper takes it");
            let echo = response.frame().await.expect("no end").expect("no error").into_data().expect("data");
            assert_eq!(echo, format!("piece {number}"));
        }
        drop(pieces);
        assert!(response.frame().await.is_none());
    });
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    host(1, async || {
        let (client, server) = connection().await;
        // The first takes longest.
        let server = serve(server, async |request: Request<Incoming>| {
            let rounds = if request.uri() == "/first" { 100 } else { 0 };
            for _ in 0..rounds {
                yield_now().await;
            }
            Response::new(Full::from(format!("<{}>", request.uri())))
        });
        let requests =
            "GET /first HTTP/1.1\r\n\r\nGET /second HTTP/1.1\r\n\r\nGET /third HTTP/1.1\r\nconnection: close\r\n\r\n";
        client.write_all(requests.as_bytes()).await.expect("somebody reads");
        let mut answers = Vec::new();
        AsyncReadExt::read_to_end(&mut &client, &mut answers).await.expect("the server closes");
        let answers = String::from_utf8(answers).expect("text");
        let bodies: Vec<&str> = answers.split(['<', '>']).skip(1).step_by(2).collect();
        assert_eq!(bodies, ["/first", "/second", "/third"], "{answers}");
        assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 3, "{answers}");
        server.await.expect("it ends").expect("no error");
    });
}

#[test]
fn a_large_body_goes_both_ways_through_small_windows() {
    const LENGTH: usize = 4 << 20;
    host(1, async || {
        let (client, server) = connection().await;
        let server = serve(server, async |request: Request<Incoming>| {
            let size = request.into_body().collect().await.expect("a whole request").to_bytes().len();
            Response::new(Full::from(vec![b'x'; size]))
        });
        let (mut sender, _client) = open(client).await;
        let request = Request::post("/").body(Full::from(vec![b'y'; LENGTH])).expect("a request");
        let response = sender.send_request(request).await.expect("an answer");
        let body = response.into_body().collect().await.expect("a whole answer").to_bytes();
        assert!(body.len() == LENGTH && body.iter().all(|byte| *byte == b'x'));
        drop(sender);
        server.await.expect("it ends").expect("no error");
    });
}

#[test]
fn graceful_shutdown_finishes_the_answer_under_way_and_takes_no_other() {
    host(1, async || {
        let (stream, server) = connection().await;
        let (shut_down, told) = oneshot::channel();
        let (entered, begun) = oneshot::channel();
        let (open_gate, gate) = oneshot::channel();
        let once = RefCell::new(Some((entered, gate)));
        let service = service_fn(move |_| {
            let (entered, gate) = once.take().expect("one request only");
            async {
                entered.send(()).expect("the test waits");
                let answer: &str = gate.await.expect("the test opens the gate");
                Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(answer)))
            }
        });
        let server = spawn(async move {
            let mut connection = pin!(server::Builder::new().serve_connection(HttpStream::new(server), service));
            assert!(until(connection.as_mut(), told).await.is_err(), "the shutdown comes before the end");
            connection.as_mut().graceful_shutdown();
            connection.await
        });
        let (mut sender, client) = open(stream).await;
        let response = spawn(sender.send_request(get("/")));
        begun.await.expect("the server begins to answer");
        shut_down.send(()).expect("the server listens");
        yield_now().await;
        assert!(!server.is_finished(), "an answer is under way");
        open_gate.send("all of it").expect("the service waits");
        let response = response.await.expect("it ends").expect("an answer");
        assert_eq!(response.headers()[CONNECTION], "close");
        assert_eq!(text(response).await, "all of it");
        server.await.expect("it ends").expect("no error");
        client.await.expect("it ends").expect("no error");
        assert!(sender.send_request(get("/")).await.expect_err("it is closed").is_canceled());
    });
}

#[test]
fn graceful_shutdown_of_an_idle_connection_closes_it() {
    host(1, async || {
        let (stream, server) = connection().await;
        let (shut_down, told) = oneshot::channel::<()>();
        let service = service_fn(async |_| Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("once"))));
        let server = spawn(async move {
            let mut connection = pin!(server::Builder::new().serve_connection(HttpStream::new(server), service));
            assert!(until(connection.as_mut(), told).await.is_err(), "the shutdown comes before the end");
            connection.as_mut().graceful_shutdown();
            connection.await
        });
        let (mut sender, client) = open(stream).await;
        assert_eq!(text(sender.send_request(get("/")).await.expect("an answer")).await, "once");
        sender.ready().await.expect("it stays open");
        shut_down.send(()).expect("the server listens");
        server.await.expect("it ends").expect("no error");
        client.await.expect("it ends").expect("no error");
        assert!(sender.is_closed());
    });
}

#[test]
fn a_client_that_leaves_takes_its_request_along() {
    host(1, async || {
        let (stream, server) = connection().await;
        let log = Log::new();
        let (entered, begun) = oneshot::channel();
        let kept = RefCell::new(Some((entered, Dropped(log.clone(), "the answer"))));
        let server = serve(server, move |_| {
            let (entered, guard) = kept.take().expect("one request only");
            async move {
                let _guard = guard;
                entered.send(()).expect("the test waits");
                pending::<Response<Empty<Bytes>>>().await
            }
        });
        let (mut sender, client) = open(stream).await;
        let response = spawn(sender.send_request(get("/")));
        begun.await.expect("the server begins to answer");
        assert_eq!(log.take(), [""; 0]);
        client.abort();
        let error = response.await.expect("it ends").expect_err("nobody drives it");
        assert!(error.to_string().contains("dispatch task is gone"), "{error}");
        server.await.expect("it ends").expect_err("there was an answer to give");
        assert_eq!(log.take(), ["the answer dropped"]);
    });
}

/// hyper hands an upgraded connection over by itself only if its stream is `Send`. One that is not is taken by hand.
#[test]
fn an_upgraded_connection_is_taken_over_with_what_was_read_ahead() {
    host(1, async || {
        let (client, server) = connection().await;
        let service = service_fn(|_| {
            let response = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
            let response = response.header(CONNECTION, "upgrade").header(UPGRADE, "echo").body(Empty::<Bytes>::new());
            ready(Ok::<_, Infallible>(response.expect("an answer")))
        });
        let mut http = server::Builder::new().serve_connection(HttpStream::new(server), service);
        let server = spawn(async move {
            poll_fn(|cx| http.poll_without_shutdown(cx)).await.expect("no error");
            let parts = http.into_parts();
            assert_eq!(parts.read_buf, "hello");
            let mut echo = parts.io.into_inner();
            AsyncWriteExt::write_all(&mut echo, &parts.read_buf).await.expect("somebody reads");
        });
        let request = b"GET / HTTP/1.1\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nhello";
        client.write_all(request).await.expect("somebody reads");
        let mut answer = String::new();
        AsyncReadExt::read_to_string(&mut &client, &mut answer).await.expect("text");
        assert!(answer.starts_with("HTTP/1.1 101 ") && answer.ends_with("\r\n\r\nhello"), "{answer}");
        server.await.expect("it ends");
    });
}

/// hyper's timer on this loop. hyper wants its naps to be `Send` and `Sync`, which a `Sleep` of the loop is not: a task
/// keeps it, and the nap is the end of a channel from that task.
#[derive(Clone, Copy, Debug)]
struct LoopTimer;

/// What hyper keeps. Dropped, it ends the task.
struct Nap {
    over: oneshot::Receiver<()>,
    task: AbortHandle,
}

impl Timer for LoopTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        let (sender, over) = oneshot::channel();
        let task = spawn(async move {
            sleep_until(deadline).await;
            // hyper may have lost interest just now.
            let _ = sender.send(());
        });
        Box::pin(Nap { over, task: task.abort_handle() })
    }

    fn now(&self) -> Instant {
        now()
    }
}

impl Future for Nap {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.over).poll(cx).map(|received| received.expect("the task sends before it ends"))
    }
}

impl Sleep for Nap {}

impl Drop for Nap {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[test]
fn a_head_that_does_not_come_is_given_up_to_the_second_by_the_clock_of_the_loop() {
    virtually(async {
        let (client, server) = connection().await;
        let start = now();
        let service = service_fn(async |_| Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())));
        let mut builder = server::Builder::new();
        builder.timer(LoopTimer).header_read_timeout(Duration::from_secs(30));
        let server = spawn(builder.serve_connection(HttpStream::new(server), service));
        client.write_all(b"GET / HTTP/1.1\r\nhost: half a he").await.expect("somebody reads");
        assert!(server.await.expect("it ends").expect_err("there is no request").is_timeout());
        assert_eq!(now() - start, Duration::from_secs(30));
        receive(0, client).await;
    });
}
