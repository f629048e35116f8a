//! HTTP by hyper: 64 connections that are kept alive, one request after the other on each.

use crate::case::{Case, Clock};
use crate::client::Talk;
use crate::executor::Sockets;
use crate::server::{Load, raw_loop, serve};
use crate::{LocalSet, OneWorker, Ours, Rung, Tokio};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use std::convert::Infallible;

const CONNECTIONS: usize = 64;
/// Requests of a round.
const REQUESTS: u64 = 6_400;
const REQUEST: &[u8] = b"GET /hello HTTP/1.1\r\nhost: localhost\r\n\r\n";
const BODY: &[u8] = b"Hello, world!";
/// What the limit answers.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\nHello, world!";

pub(crate) fn cases() -> Vec<Case> {
    let load = Load { connections: CONNECTIONS, messages: REQUESTS, talk: talk() };
    let case = |what: &str, clock| {
        let case = Case::new("http", format!("hyper, {what}, 64 connections"), load.times(), "request").by(clock);
        let case = serve::<Ours, _>(case.target_to_tokio(0.97), &load, answer_all::<Ours>);
        let case = serve::<Tokio, _>(case, &load, answer_all::<Tokio>);
        let case = serve::<LocalSet, _>(case, &load, answer_all::<LocalSet>);
        let case = serve::<OneWorker, _>(case, &load, answer_all::<OneWorker>);
        let case = serve::<Rung, _>(case, &load, answer_all::<Rung>);
        raw_loop(case, &load, |_| ANSWER)
    };
    vec![case("server's CPU time", Clock::Thread), case("throughput", Clock::Wall)]
}

/// A request, and what has to come back.
pub(crate) fn talk() -> Talk {
    Talk { request: REQUEST.into(), head: b"HTTP/1.1 200 OK\r\n".into(), tail: BODY.into() }
}

pub(crate) async fn answer_all<E: Sockets>(stream: E::Stream) {
    let answer =
        |_: Request<Incoming>| async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(BODY)))) };
    // The client goes away without a word when its rounds are over: that is no error of the server's.
    _ = http1::Builder::new().serve_connection(E::http(stream), service_fn(answer)).await;
}
