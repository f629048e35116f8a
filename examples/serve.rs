//! The load test's embedded server by itself, for other tools and other machines.
//!
//! ```text
//! $ cargo run --release --example serve                      # or: -- 0.0.0.0:9000
//! listening at http://127.0.0.1:8080
//! $ cargo run --release --example load_test -- http://127.0.0.1:8080/hello
//! $ wrk --threads 1 --connections 100 --latency http://127.0.0.1:8080/hello
//! ```
//!
//! Ctrl-C ends it.

use clap::Parser;
use examples::server::{ENDPOINTS, serve};
use runtime::block_on;
use runtime::net::TcpListener;
use std::io::{self, Write};
use std::process::ExitCode;

/// The load test's embedded server by itself.
#[derive(Debug, Parser)]
#[command(name = "serve")]
struct Options {
    /// Where to listen: host:port, and port 0 for a free one
    #[arg(default_value = "127.0.0.1:8080")]
    address: String,
}

fn main() -> ExitCode {
    let Options { address } = Options::parse();
    let refused: io::Result<()> = block_on(async {
        // As many connections as the system lets us have.
        rlimit::increase_nofile_limit(u64::MAX)?;
        let listener = TcpListener::bind(&*address).await?;
        let (address, endpoints) = (listener.local_addr()?, ENDPOINTS.join(" "));
        // Whoever reads the first line may have left: no reason to stop.
        let _ = writeln!(io::stdout(), "listening at http://{address}\nendpoints: {endpoints}");
        serve(listener).await;
        Ok(())
    });
    if let Err(error) = refused {
        eprintln!(
            "error: {address}: {error}; name a host of this machine and a port that is free: 127.0.0.1:0 finds one"
        );
    }
    ExitCode::from(2)
}
