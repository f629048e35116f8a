//! gather in ten lines: the program in the project's README.
//!
//! ```text
//! $ cargo run --example ten_lines
//! [30, 10, 20]
//! ```

use gather::gather;
use runtime::{block_on, time::sleep};
use std::time::Duration;

fn main() {
    let naps = [30, 10, 20].map(|ms| async move {
        sleep(Duration::from_millis(ms)).await;
        ms
    });
    println!("{:?}", block_on(gather(naps))); // in the order of the input, after 30 ms in all
}
