//! The program of lesson 3 whose output is to be predicted.
//!
//! ```text
//! $ cargo run -p course --example predict_03
//! ```
#![allow(dead_code, reason = "a program uses a part of its rung")]

#[path = "rung.rs"]
mod rung;

use rung::runtime::{block_on, spawn};
use rung::task::yield_now;

fn main() {
    block_on(async {
        for name in ["Anna", "Ben"] {
            spawn(async move {
                println!("{name}, first poll");
                yield_now().await;
                println!("{name}, second poll");
            });
        }
        println!("both are spawned");
        yield_now().await;
        println!("main again");
        yield_now().await;
    });
}
