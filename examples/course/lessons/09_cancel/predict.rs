//! The program of lesson 9 whose output is to be predicted.
//!
//! ```text
//! $ cargo run -p course --example predict_09
//! ```
#![allow(dead_code, reason = "a program uses a part of its rung")]

#[path = "rung.rs"]
mod rung;

use rung::runtime::Runtime;
use rung::time::{sleep, timeout};
use std::mem;
use std::time::Duration;

/// Gives a piece of text every 40 ms.
struct Wire(std::vec::IntoIter<&'static str>);

impl Wire {
    fn new() -> Wire {
        Wire(vec!["to ", "drop ", "is to ", "cancel\n"].into_iter())
    }

    async fn read(&mut self) -> &'static str {
        sleep(Duration::from_millis(40)).await;
        self.0.next().unwrap_or("\n")
    }
}

/// A bad reader.
async fn line(wire: &mut Wire) -> String {
    let mut line = String::new();
    while !line.ends_with('\n') {
        line += wire.read().await;
    }
    line
}

/// An ok reader.
struct LineReader {
    wire: Wire,
    line: String,
}

impl LineReader {
    async fn line(&mut self) -> String {
        while !self.line.ends_with('\n') {
            self.line += self.wire.read().await;
        }
        mem::take(&mut self.line)
    }
}

fn main() {
    let limit = Duration::from_millis(100);
    Runtime::virtual_clock().block_on(async {
        let mut wire = Wire::new();
        for _ in 0..2 {
            match timeout(limit, line(&mut wire)).await {
                Ok(line) => print!("{line}"),
                Err(_) => println!("100 ms are over"),
            }
        }
        let (wire, line) = (Wire::new(), String::new());
        let mut reader = LineReader { wire, line };
        for _ in 0..2 {
            match timeout(limit, reader.line()).await {
                Ok(line) => print!("{line}"),
                Err(_) => println!("100 ms are over"),
            }
        }
    });
}
