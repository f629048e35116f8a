//! The program of lesson 10 whose output is to be predicted.
//!
//! ```text
//! $ cargo run -p course --example predict_10
//! ```
#![allow(dead_code, reason = "a program uses a part of its rung")]

#[path = "rung.rs"]
mod rung;

use rung::runtime::{block_on, spawn};
use rung::task::yield_now;

async fn nap(name: &str) {
    println!("{name} begins");
    yield_now().await;
    println!("{name} ends");
}

fn main() {
    block_on(async {
        let future = nap("a future");
        let task = spawn(nap("a task"));
        drop(spawn(nap("a task without a handle")));
        yield_now().await;
        println!("main awaits the task");
        task.await.unwrap();
        drop(future);
    });
}
