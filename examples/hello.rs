//! Two greeters, each with a random pause, gathered: they wait side by side, not one after the other.
//!
//! ```text
//! $ cargo run --example hello
//! Hello, Grace! (after 12 ms)
//! Hello, Ada! (after 40 ms)
//! Both greeted within 41 ms. One after the other takes 52 ms.
//! ```
//!
//! Who comes first is a matter of luck; the sum of the pauses is never what you wait for.

use gather::gather;
use runtime::block_on;
use runtime::time::sleep;
use std::time::{Duration, Instant};

/// Greets after a pause of 1 to 50 ms; returns the pause.
async fn greet(name: &str) -> u64 {
    let pause = fastrand::u64(1..=50);
    sleep(Duration::from_millis(pause)).await;
    println!("Hello, {name}! (after {pause} ms)");
    pause
}

fn main() {
    let start = Instant::now();
    // `gather!` takes futures of any types and gives a tuple, in the order in which they were written.
    let (ada, grace) = block_on(async { gather!(greet("Ada"), greet("Grace")).await });
    let took = start.elapsed().as_millis();
    println!("Both greeted within {took} ms. One after the other takes {} ms.", ada + grace);
}
