//! A TCP echo server: one task accepts, and every connection is a task of its own, all on one thread.
//!
//! ```text
//! $ cargo run --example echo_server            # or: -- 127.0.0.1:7000
//! listening at 127.0.0.1:40321
//! ```
//!
//! Then, in other terminals and in as many as you like: `nc 127.0.0.1 40321`. Ctrl-C ends it.

use runtime::net::{TcpListener, TcpStream};
use runtime::time::sleep;
use runtime::{block_on, spawn};
use std::io;
use std::time::Duration;

/// How long to wait after `accept` failed. With no descriptor left it fails at once, again and again; a loop without
/// a pause would do nothing else.
const PAUSE: Duration = Duration::from_millis(50);

/// Sends back what comes, until the other side has sent its last byte.
async fn echo(stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let length = stream.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..length]).await?;
    }
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_string());
    block_on(async {
        let listener = TcpListener::bind(address).await?;
        println!("listening at {}", listener.local_addr()?);
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    // Dropping the handle detaches the task: it runs on by itself.
                    drop(spawn(async move {
                        if let Err(error) = echo(stream).await {
                            eprintln!("{peer}: {error}");
                        }
                    }));
                }
                Err(error) => {
                    eprintln!("accept: {error}");
                    sleep(PAUSE).await;
                }
            }
        }
    })
}
