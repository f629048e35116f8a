//! tungstenite as a guest, by async-tungstenite: WebSockets with both ends on one loop.

use crate::{ROUNDS, connection, host};
use async_tungstenite::tungstenite::protocol::CloseFrame;
use async_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use async_tungstenite::tungstenite::{Error, Message};
use async_tungstenite::{WebSocketStream, accept_async, client_async};
use futures::{StreamExt, TryStreamExt};
use gather::gather;
use runtime::net::TcpStream;
use runtime::spawn;

/// The two ends of a WebSocket.
async fn websocket() -> (WebSocketStream<TcpStream>, WebSocketStream<TcpStream>) {
    let (client, server) = connection().await;
    let (client, server) = gather!(client_async("ws://localhost/", client), accept_async(server)).await;
    let (client, response) = client.expect("the server accepts");
    assert_eq!(response.status().as_u16(), 101);
    (client, server.expect("the client asks"))
}

/// Sends back what is said, until the other end closes.
async fn send_back(mut socket: WebSocketStream<TcpStream>) {
    while let Some(message) = socket.try_next().await.expect("an orderly end") {
        if message.is_text() || message.is_binary() {
            socket.send(message).await.expect("somebody reads");
        }
    }
}

/// Message after message, and the goodbye.
pub(crate) async fn echo() {
    let (mut client, server) = websocket().await;
    let echo = spawn(send_back(server));
    for number in 0..ROUNDS {
        let said = match number % 2 {
            0 => Message::text(format!("message {number}")),
            _ => Message::binary(vec![number as u8; 1000]),
        };
        client.send(said.clone()).await.expect("somebody reads");
        assert_eq!(client.next().await.expect("no end").expect("no error"), said);
    }
    let goodbye = CloseFrame { code: CloseCode::Normal, reason: "that was all".into() };
    client.close(Some(goodbye.clone())).await.expect("somebody reads");
    assert_eq!(client.next().await.expect("no end").expect("no error"), Message::Close(Some(goodbye)));
    assert!(client.next().await.is_none());
    echo.await.expect("it ends");
}

#[test]
fn texts_and_bytes_come_back_in_order_and_the_goodbye_is_returned() {
    host(ROUNDS, echo);
}

#[test]
fn a_large_message_goes_both_ways_at_once() {
    const LENGTH: usize = 4 << 20;
    host(1, async || {
        let (client, server) = websocket().await;
        let echo = spawn(send_back(server));
        let (mut sender, mut receiver) = client.split();
        let said = Message::binary((0..LENGTH).map(|number| (number % 251) as u8).collect::<Vec<u8>>());
        let copy = said.clone();
        let sending = spawn(async move {
            sender.send(copy.clone()).await.expect("somebody reads");
            sender.send(copy).await.expect("somebody reads");
            sender
        });
        for _ in 0..2 {
            assert!(receiver.next().await.expect("no end").expect("no error") == said);
        }
        let mut sender = sending.await.expect("it ends");
        sender.close(None).await.expect("somebody reads");
        assert_eq!(receiver.next().await.expect("no end").expect("no error"), Message::Close(None));
        echo.await.expect("it ends");
    });
}

#[test]
fn a_ping_is_answered_by_whoever_reads() {
    host(ROUNDS, async || {
        let (mut client, server) = websocket().await;
        drop(spawn(send_back(server)));
        for number in 0..ROUNDS {
            let payload = format!("ping {number}");
            client.send(Message::Ping(payload.clone().into())).await.expect("somebody reads");
            assert_eq!(client.next().await.expect("no end").expect("no error"), Message::Pong(payload.into()));
        }
    });
}

#[test]
fn a_peer_that_leaves_without_a_goodbye_is_an_error() {
    host(1, async || {
        let (client, mut server) = websocket().await;
        drop(client);
        let error = server.next().await.expect("no end").expect_err("there was no goodbye");
        assert!(matches!(error, Error::Protocol(_) | Error::Io(_)), "{error}");
        assert!(server.next().await.is_none());
    });
}

#[test]
fn what_is_no_upgrade_is_refused() {
    host(1, async || {
        let (client, server) = connection().await;
        client.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("somebody reads");
        assert!(matches!(accept_async(server).await, Err(Error::Protocol(_))));
    });
}
