//! refused: a head has a limit
//!
//! The limit is a number of its own.

use super::net::{TcpListener, TcpStream};
use super::{runtime::spawn, time};
use std::cell::Cell;
use std::io::Result;
use std::rc::Rc;
use std::time::Duration;

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

/// Given: serves each connection in a task of its own.
pub async fn listen(
    mut listener: TcpListener,
    // It hands both to each `serve`.
    stop: Stop,
    limits: Limits,
) {
    loop {
        match listener.accept().await {
            Ok(stream) => {
                let stop = Rc::clone(&stop);
                drop(spawn(serve(stream, stop, limits)));
            }
            // With no descriptor left it fails at once, and
            // again: so not at once again.
            Err(_) => {
                let pause = Duration::from_millis(10);
                time::sleep(pause).await;
            }
        }
    }
}

/// Answers one request after the other.
pub async fn serve(
    // The connection.
    mut stream: TcpStream,
    stop: Stop,
    limits: Limits,
) -> Result<()> {
    // What was read, and is not answered yet.
    let mut input: Vec<u8> = Vec::new();
    let mut buffer = [0; 4096];
    // Whether the connection stays. `answer` sets it.
    let mut keeps = true;
    while keeps {
        let mut fours = input.windows(4);
        let end = fours.position(|four| four == b"\r\n\r\n");
        if let Some(end) = end {
            let head: Vec<u8> = input.drain(..end + 4).collect();
            let head = String::from_utf8_lossy(&head);
            let answer = answer(&head, &mut keeps, &stop);
            let answer = answer.await;
            stream.write_all(answer.as_bytes()).await?;
        } else if input.len() > 1_000 {
            let answer = "HTTP/1.1 431 Too Large\r\n\
                          Connection: close\r\n\r\n";
            return stream.write_all(answer.as_bytes()).await;
        } else {
            let read = stream.read(&mut buffer);
            let read = time::timeout(limits.idle, read).await;
            // Silent for too long: to close is all right.
            let Ok(length) = read else { return Ok(()) };
            let length = length?;
            if length == 0 {
                return Ok(());
            }
            input.extend_from_slice(&buffer[..length]);
        }
    }
    Ok(())
}

/// The answer to a request with this head. `keeps` says
/// afterwards whether the connection stays.
async fn answer(
    head: &str,
    keeps: &mut bool,
    // Whether the server is to stop.
    stop: &Stop,
) -> String {
    let mut words = head.split_whitespace();
    let (method, path) = (words.next(), words.next());
    let version = words.next();
    // What the client says of the connection.
    let says = connection_field(head);
    let asks = |what| says.eq_ignore_ascii_case(what);
    *keeps = match version {
        Some("HTTP/1.0") => asks("keep-alive"),
        _ => !asks("close"),
    };
    // A request that is no GET may have a body, which
    // nobody reads here.
    *keeps &= method == Some("GET");
    let (status, body) = match path {
        Some("/hello") => ("200 OK", "Hello, world!\n"),
        Some("/slow") => {
            time::sleep(Duration::from_millis(5)).await;
            ("200 OK", "slept for 5 ms\n")
        }
        _ => ("404 Not Found", "no such page\n"),
    };
    // The head of the answer says what becomes of it.
    *keeps &= !stop.get();
    let stays = if *keeps { "keep-alive" } else { "close" };
    format!(
        "HTTP/1.1 {status}\r\n\
         Content-Length: {}\r\n\
         Connection: {stays}\r\n\r\n{body}",
        body.len()
    )
}

/// Given: what stands behind `Connection:` in this head.
fn connection_field(head: &str) -> &str {
    for line in head.lines() {
        let field = line.split_once(':');
        let (name, value) = field.unwrap_or_default();
        if name.eq_ignore_ascii_case("connection") {
            return value.trim();
        }
    }
    ""
}
