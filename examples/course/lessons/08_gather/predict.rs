//! The program of lesson 8 whose output is to be predicted.
//!
//! ```text
//! $ cargo run -p course --example predict_08
//! ```
#![allow(dead_code, reason = "a program uses a part of its rung")]

#[path = "rung.rs"]
mod rung;

use rung::gather;
use rung::runtime::Runtime;
use rung::time::sleep;
use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

/// Polls `future`, and counts the polls.
async fn counted(future: impl Future, polls: &Cell<u32>) {
    let mut future = pin!(future);
    poll_fn(|cx| {
        polls.set(polls.get() + 1);
        future.as_mut().poll(cx).map(|_| ())
    })
    .await;
}

/// A child that sleeps for so many milliseconds.
async fn nap(millis: usize) {
    sleep(Duration::from_millis(millis as u64)).await;
}

fn main() {
    for form in ["naive", "selective", "gather"] {
        let polls: [Cell<u32>; 9] = Default::default();
        Runtime::virtual_clock().block_on(async {
            let child = |place| counted(nap(place), &polls[place]);
            let naps = (1..=8).map(child);
            let all = async {
                match form {
                    "naive" => gather::naive(naps).await,
                    "selective" => gather::selective(naps).await,
                    _ => gather::gather(naps).await,
                }
            };
            counted(all, &polls[0]).await;
        });
        println!("{form}: {} polls of the gather, {} of child 8", polls[0].get(), polls[8].get());
    }
}
