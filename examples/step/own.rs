//! A program of your own: put it where the dishes are, run it, and step through what the loop did with it.
//!
//! ```text
//! $ cargo run --example own
//! ["toast", "soup"]
//! Open it in a browser: file:///home/ada/glassloop/own.html
//! ```
//!
//! Ctrl-C leaves the page, too: try it with a soup that takes a minute (`-- 60000`, in milliseconds). To do the same from
//! another crate, see `examples/README.md`.

use gather::gather;
use runtime::time::sleep;
use runtime::trace;
use std::io;
use std::path::Path;
use std::time::Duration;

fn main() -> io::Result<()> {
    step::stop::leave_pages()?;
    let soup = std::env::args().nth(1).and_then(|ms| ms.parse().ok()).unwrap_or(15);
    // The page goes into the folder in which the program runs.
    let dishes = trace::page("own.html", program(soup))?;
    println!("{dishes:?}");
    println!("Open it in a browser: file://{}", Path::new("own.html").canonicalize()?.display());
    Ok(())
}

/// Your program. What it says with `trace::note` is a step of its own on the page.
async fn program(soup: u64) -> Vec<&'static str> {
    trace::note("dinner for one");
    gather([cook("toast", 2), cook("soup", soup)]).await
}

async fn cook(dish: &'static str, ms: u64) -> &'static str {
    sleep(Duration::from_millis(ms)).await;
    dish
}
