//! The load test's embedded server by itself, for other tools and other machines.
//!
//! ```text
//! $ cargo run --release -p examples --example serve                      # or: -- 0.0.0.0:9000
//! listening at http://127.0.0.1:8080
//! $ cargo run --release -p examples --example load_test -- http://127.0.0.1:8080/hello
//! $ wrk --threads 1 --connections 100 --latency http://127.0.0.1:8080/hello
//! ```
//!
//! `--loops 4` runs four loops, each on a thread of its own with a listener of its own at the same port. Ctrl-C ends it.

use clap::Parser;
use examples::arguments::{count, exit_status};
use examples::say;
use examples::server::{ENDPOINTS, listen, serve};
use runtime::block_on;
use runtime::net::TcpListener;
use std::io;
use std::process::ExitCode;
use std::thread;

/// The load test's embedded server by itself.
#[derive(Debug, Parser)]
#[command(name = "serve")]
struct Options {
    /// Where to listen: host:port, and port 0 for a free one
    #[arg(default_value = "127.0.0.1:8080")]
    address: String,
    /// How many loops, each on a thread of its own; the system shares out the connections
    #[arg(long, value_name = "N", default_value = "1", value_parser = count)]
    loops: u64,
}

/// Serves until the process ends; an error is one that came before the first connection.
fn run(options: &Options) -> io::Result<()> {
    // As many connections as the system lets us have.
    rlimit::increase_nofile_limit(u64::MAX)?;
    let mut listeners = listen(&*options.address, options.loops)?;
    let own = listeners.pop().expect("there is one loop at least");
    say!("listening at http://{}\nendpoints: {}", own.local_addr()?, ENDPOINTS.join(" "));
    let serve_one = |listener| {
        block_on(async {
            serve(TcpListener::from_std(listener)?).await;
            Ok(())
        })
    };
    for (number, listener) in (1..).zip(listeners) {
        thread::Builder::new().name(format!("loop {number}")).spawn(move || serve_one(listener))?;
    }
    serve_one(own)
}

fn main() -> ExitCode {
    let options = Options::parse();
    let address = &options.address;
    let cure = "name a host of this machine and a port that is free: 127.0.0.1:0 finds one";
    exit_status(run(&options).map_err(|error| format!("{address}: {error}; {cure}")).map(|()| ExitCode::SUCCESS))
}
