//! The program of lesson 6 whose output is to be predicted.
//!
//! ```text
//! $ cargo run -p course --example predict_06
//! ```
#![allow(dead_code, reason = "a program uses a part of its rung")]

#[path = "rung.rs"]
mod rung;

use rung::runtime::{block_on, spawn};
use rung::time::{now, sleep};
use std::thread;
use std::time::Duration;

fn main() {
    let ms = Duration::from_millis;
    block_on(async move {
        let start = now();
        let long = sleep(ms(200));
        let short = sleep(ms(100));
        spawn(async move {
            short.await;
            println!("short: {:?}", now() - start);
        });
        spawn(async move {
            sleep(ms(50)).await;
            thread::sleep(ms(250));
            println!("the long poll is over");
        });
        long.await;
        println!("long: {:?}", now() - start);
    });
}
