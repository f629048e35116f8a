//! Results stand in the order of the input, whatever finishes first.
//!
//! ```text
//! $ cargo run --example order
//! cat is there after 10 s
//! dog is there after 20 s
//! snail is there after 86400 s
//! input order: snail, cat, dog
//! result order: snail, cat, dog
//! ```
//!
//! A day passes in no time: under the virtual clock, time jumps to the next deadline when every task waits.

use gather::gather;
use runtime::Runtime;
use runtime::time::sleep;
use std::io;
use std::time::Duration;

/// Who runs, and how many seconds each needs.
const RUNNERS: [(&str, u64); 3] = [("snail", 86_400), ("cat", 10), ("dog", 20)];

/// Arrives after `seconds`, says so, and returns the name.
async fn run(name: &str, seconds: u64) -> &str {
    sleep(Duration::from_secs(seconds)).await;
    println!("{name} is there after {seconds} s");
    name
}

fn main() -> io::Result<()> {
    let runtime = Runtime::builder().virtual_clock().build()?;
    let results = runtime.block_on(gather(RUNNERS.map(|(name, seconds)| run(name, seconds))));
    println!("input order: {}", RUNNERS.map(|(name, _)| name).join(", "));
    println!("result order: {}", results.join(", "));
    Ok(())
}
