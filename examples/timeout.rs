//! A gather that takes too long: `timeout` drops it, and with it the children that still wait.
//!
//! ```text
//! $ cargo run --example timeout
//! toast: ready
//! soup: ready
//! roast: dropped while it cooked
//! cake: dropped while it baked
//! 20 minutes are over, and nobody cooks on
//! ```
//!
//! Dropping a future is how it is cancelled: its values are dropped where it waits, so a guard sees it.

use gather::gather;
use runtime::Runtime;
use runtime::time::{sleep, timeout};
use std::io;
use std::time::Duration;

/// Says so when it is dropped with its dish unfinished.
struct Pan {
    dish: &'static str,
    verb: &'static str,
    ready: bool,
}

impl Drop for Pan {
    fn drop(&mut self) {
        if !self.ready {
            println!("{}: dropped while it {}", self.dish, self.verb);
        }
    }
}

/// Cooks `dish` for so many minutes.
async fn cook(dish: &'static str, verb: &'static str, minutes: u64) -> &'static str {
    let mut pan = Pan { dish, verb, ready: false };
    sleep(Duration::from_secs(60 * minutes)).await;
    pan.ready = true;
    println!("{dish}: ready");
    dish
}

fn main() -> io::Result<()> {
    let runtime = Runtime::builder().virtual_clock().build()?;
    runtime.block_on(async {
        let menu = gather([
            cook("toast", "toasted", 2),
            cook("soup", "simmered", 15),
            cook("roast", "cooked", 90),
            cook("cake", "baked", 45),
        ]);
        match timeout(Duration::from_secs(20 * 60), menu).await {
            Ok(dishes) => println!("dinner is served: {}", dishes.join(", ")),
            Err(_) => println!("20 minutes are over, and nobody cooks on"),
        }
    });
    Ok(())
}
