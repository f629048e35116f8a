//! The program of lesson 12 whose output is to be predicted.
//!
//! ```text
//! $ cargo run -p course --example predict_12
//! ```
#![allow(dead_code, reason = "a program uses a part of its rung")]

#[path = "rung.rs"]
mod rung;

use rung::blocking::spawn_blocking;
use rung::runtime::{block_on, spawn};
use rung::time::sleep;
use std::thread;
use std::time::Duration;

async fn hash(name: &str) {
    thread::sleep(Duration::from_millis(100));
    println!("{name} is hashed");
}

fn main() {
    block_on(async {
        spawn(async {
            for tick in 1.. {
                sleep(Duration::from_millis(30)).await;
                println!("tick {tick}");
            }
        });
        hash("Anna").await;
        hash("Ben").await;
        let job = || thread::sleep(Duration::from_millis(100));
        spawn_blocking(job).await;
        println!("Cleo is hashed");
    });
}
