//! The program of lesson 11 whose output is to be predicted.
//!
//! ```text
//! $ cargo run -p course --example predict_11
//! ```
#![allow(dead_code, reason = "a program uses a part of its rung")]

#[path = "rung.rs"]
mod rung;

use rung::gather::gather;
use rung::runtime::Runtime;
use rung::semaphore::Semaphore;
use rung::time::{now, sleep};
use std::time::Duration;

async fn ask(database: &Semaphore) -> Duration {
    let start = now();
    let _place = database.acquire().await;
    sleep(Duration::from_millis(20)).await;
    now() - start
}

async fn serve(permits: usize) {
    let limit = Semaphore::new(permits);
    // It works on four questions at a time.
    let database = Semaphore::new(4);
    let start = now();
    let requests = (0..100).map(async |_| {
        let _permit = limit.acquire().await;
        ask(&database).await
    });
    let answers = gather(requests).await;
    let longest = answers.into_iter().max().unwrap();
    let all = now() - start;
    println!("{permits} permits: all {all:?}, {longest:?}");
}

fn main() {
    Runtime::virtual_clock().block_on(async {
        for permits in [1, 2, 4, 10, 100] {
            serve(permits).await;
        }
    });
}
