//! A web service: an axum Router on this loop, by hyper's HTTP/1, with a graceful end.
//!
//! ```text
//! $ cargo run --release -p examples --features web --example web                     # or: -- 127.0.0.1:9000
//! $ curl http://127.0.0.1:8080/three
//! [10,20,30]
//! ```
//!
//! The Router knows no runtime: hyper-util's adapter makes hyper's service of it. Ctrl-C and SIGTERM: nobody else is let
//! in, requests under way get their answer, and then it ends. `--tokio` runs the same Router on tokio's loop for one
//! thread, to compare.

use axum::extract::{Path, State};
use axum::{Json, Router, routing::get};
use clap::Parser;
use examples::arguments::exit_status;
use examples::say;
use examples::server::{listen, serve_until};
use examples::stop::signal;
use gather::gather;
use hyper_util::service::TowerToHyperService;
use runtime::net::TcpListener;
use runtime::sync::oneshot;
use runtime::{block_on, spawn};
use serde_json::json;
use std::sync::{Arc, atomic::AtomicU64, atomic::Ordering};
use std::{pin::Pin, process::ExitCode, time::Duration};

/// How to wait: each loop has timers of its own.
type Sleep = fn(Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// What the handlers share.
#[derive(Clone)]
struct Shared {
    asked: Arc<AtomicU64>,
    sleep: Sleep,
}

fn router(sleep: Sleep) -> Router {
    let count = |State(shared): State<Shared>| async move {
        Json(json!({ "asked": shared.asked.fetch_add(1, Ordering::Relaxed) + 1 }))
    };
    let wait = |State(shared): State<Shared>, Path(ms): Path<u64>| async move {
        (shared.sleep)(Duration::from_millis(ms.min(10_000))).await;
        Json(json!({ "waited_ms": ms }))
    };
    // Three others at once: it takes as long as the longest.
    let three = |State(shared): State<Shared>| async move {
        let parts = [10, 20, 30].map(|ms| async move {
            (shared.sleep)(Duration::from_millis(ms)).await;
            ms
        });
        Json(gather(parts).await)
    };
    Router::new()
        .route("/", get(count))
        .route("/hello/{name}", get(|Path(name): Path<String>| async move { Json(json!({ "hello": name })) }))
        .route("/wait/{ms}", get(wait))
        .route("/three", get(three))
        .with_state(Shared { asked: Arc::default(), sleep })
}

/// A web service on one thread.
#[derive(Debug, Parser)]
#[command(name = "web")]
struct Options {
    /// Where to listen: host:port, and port 0 for a free one
    #[arg(default_value = "127.0.0.1:8080")]
    address: String,
    /// Run on tokio's current_thread instead
    #[arg(long)]
    tokio: bool,
}

/// Waits on this loop. axum takes futures only that may be sent to another thread, and a timer stays with its loop: so a
/// task waits, and says so through a channel.
fn on_this_loop(time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        let (done, told) = oneshot::channel();
        drop(spawn(async move {
            runtime::time::sleep(time).await;
            let _ = done.send(());
        }));
        let _ = told.await;
    })
}

fn main() -> ExitCode {
    let Options { address, tokio } = Options::parse();
    let serve = || -> std::io::Result<()> {
        let listener = listen(&*address, 1)?.remove(0);
        say!("listening at http://{}", listener.local_addr()?);
        if tokio {
            let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let router = router(|time| Box::pin(tokio::time::sleep(time)));
            return tokio.block_on(async { axum::serve(tokio::net::TcpListener::from_std(listener)?, router).await });
        }
        block_on(async {
            let service = TowerToHyperService::new(router(on_this_loop));
            serve_until(signal()?, TcpListener::from_std(listener)?, service).await;
            Ok(())
        })
    };
    exit_status(serve().map(|()| ExitCode::SUCCESS))
}
