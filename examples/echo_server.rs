//! A TCP echo server: one task accepts, and every connection is a task of its own, all on one thread.
//!
//! ```text
//! $ cargo run --example echo_server            # or: -- 127.0.0.1:7000
//! listening at 127.0.0.1:40321
//! ```
//!
//! Then, in other terminals and in as many as you like: `nc 127.0.0.1 40321`. Ctrl-C ends it.

use clap::Parser;
use examples::out::complain;
use examples::say;
use runtime::net::{TcpListener, TcpStream};
use runtime::time::{sleep, timeout};
use runtime::{block_on, spawn};
use std::fs::File;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

/// "Too many open files", of this process and of the system.
const TOO_MANY_FILES: [i32; 2] = [24, 23];

/// How long to wait after `accept` failed. It may fail at once, again and again; a loop without a pause would do nothing
/// else.
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

/// Echoes whatever comes, to any number of clients.
#[derive(Debug, Parser)]
#[command(name = "echo_server")]
struct Options {
    /// Where to listen: host:port, and port 0 for a free one
    #[arg(default_value = "127.0.0.1:0")]
    address: String,
}

async fn serve(address: &str) -> io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    say!("listening at {}", listener.local_addr()?);
    // When no descriptor is left, this one is given up for a moment: whoever knocks is let in, and sent away at once.
    // Otherwise they would wait in the system's queue, and not know for how long.
    let mut spare = File::open("/dev/null").ok();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Dropping the handle detaches the task: it runs on by itself.
                drop(spawn(async move {
                    if let Err(error) = echo(stream).await {
                        complain(format_args!("{peer}: {error}"));
                    }
                }));
            }
            Err(error) if error.raw_os_error().is_some_and(|it| TOO_MANY_FILES.contains(&it)) && spare.is_some() => {
                drop(spare.take());
                // They may have left meanwhile.
                if let Ok(Ok((_, peer))) = timeout(PAUSE, listener.accept()).await {
                    complain(format_args!("{peer}: sent away: {error}"));
                }
                spare = File::open("/dev/null").ok();
            }
            Err(error) => {
                complain(format_args!("accept: {error}"));
                sleep(PAUSE).await;
            }
        }
    }
}

fn main() -> ExitCode {
    let Options { address } = Options::parse();
    if let Err(error) = block_on(serve(&address)) {
        let cure = "name a host of this machine and a port that is free: 127.0.0.1:0 finds one";
        complain(format_args!("error: {address}: {error}; {cure}"));
    }
    ExitCode::from(2)
}
