//! A solution of lesson 13. The module `server` of rung.rs is this text.

use super::{net::TcpListener, net::TcpStream, runtime::spawn, time};
use std::{cell::Cell, io::Result, rc::Rc, time::Duration};

/// True when the server is to stop.
pub type Stop = Rc<Cell<bool>>;

/// What a client may take.
#[derive(Clone, Copy)]
pub struct Limits {
    /// The most bytes in the head of a request.
    pub head: usize,
    /// The longest time without a byte.
    pub idle: Duration,
}

/// Serves each connection in a task of its own.
pub async fn listen(mut listener: TcpListener, stop: Stop, limits: Limits) {
    loop {
        match listener.accept().await {
            Ok(stream) => drop(spawn(serve(stream, Rc::clone(&stop), limits))),
            // With no descriptor left it fails at once, again and again: so not at once again.
            Err(_) => time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// Answers one request after the other, until the client leaves, a limit is passed, or the server stops.
pub async fn serve(mut stream: TcpStream, stop: Stop, limits: Limits) -> Result<()> {
    let (mut input, mut buffer, mut keeps) = (Vec::new(), [0; 4096], true);
    while keeps {
        if let Some(end) = input.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let head: Vec<u8> = input.drain(..end + 4).collect();
            let answer = answer(&String::from_utf8_lossy(&head), &mut keeps, &stop).await;
            stream.write_all(answer.as_bytes()).await?;
        } else if input.len() > limits.head {
            return stream.write_all(b"HTTP/1.1 431 Too Large\r\nConnection: close\r\n\r\n").await;
        } else {
            match time::timeout(limits.idle, stream.read(&mut buffer)).await {
                Ok(Ok(length @ 1..)) => input.extend_from_slice(&buffer[..length]),
                _gone_or_idle => keeps = false,
            }
        }
    }
    Ok(())
}

/// The answer to a request with this head. `keeps` says afterwards whether the connection stays.
async fn answer(head: &str, keeps: &mut bool, stop: &Stop) -> String {
    let mut words = head.split_whitespace();
    let (method, path, version) = (words.next(), words.next(), words.next());
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    let connection = fields.find(|(name, _)| name.eq_ignore_ascii_case("connection")).map_or("", |field| field.1);
    let asks = |what| connection.trim().eq_ignore_ascii_case(what);
    *keeps = if version == Some("HTTP/1.0") { asks("keep-alive") } else { !asks("close") };
    // A request that is no GET may have a body, which nobody reads here.
    *keeps &= method == Some("GET");
    let (status, body) = match path {
        Some("/hello") => ("200 OK", "Hello, world!\n"),
        Some("/slow") => {
            time::sleep(Duration::from_millis(5)).await;
            ("200 OK", "slept for 5 ms\n")
        }
        _ => ("404 Not Found", "no such page\n"),
    };
    // Asked last, right before it is told: whatever else the client has sent, it knows that this is the last answer.
    *keeps &= !stop.get();
    let (length, connection) = (body.len(), if *keeps { "keep-alive" } else { "close" });
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: {connection}\r\n\r\n{body}")
}
