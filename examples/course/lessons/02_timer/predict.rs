//! The program of lesson 2 whose output is to be predicted.
//!
//! ```text
//! $ cargo run -p course --example predict_02
//! ```
#![allow(dead_code, reason = "a program uses a part of its rung")]

#[path = "rung.rs"]
mod rung;

use rung::{run, time};
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll::Ready;

fn main() {
    let mut long = pin!(time::sleep(300));
    let mut short = pin!(time::sleep(100));
    let mut polls = 0;
    run::block_on(poll_fn(|cx| {
        polls += 1;
        let over = short.as_mut().poll(cx).is_ready();
        println!("poll {polls}: short is ready: {over}");
        if over { Ready(()) } else { long.as_mut().poll(cx) }
    }));
    println!("{polls} polls");
}
