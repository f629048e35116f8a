//! One of three divisions fails: with `gather` the failure is a value among the results, with `try_gather` it is the
//! result.
//!
//! ```text
//! $ cargo run --example divide
//! gather: every division gets an answer
//!   12 / 3 = 4
//!   7 / 0 fails
//!   9 / 2 = 4
//! gather: 1 of 3 failed, number 1
//! try_gather: 7 / 0 fails, the other two are dropped
//! ```
//!
//! In asyncio's words: `gather` is `return_exceptions=True`, `try_gather` is the default.

use gather::{Outcomes, gather, try_gather};
use runtime::block_on;
use runtime::task::yield_now;

/// What is to be divided by what.
const DIVISIONS: [(i32, i32); 3] = [(12, 3), (7, 0), (9, 2)];

/// Divides after one turn of the loop, so that all three are under way at once.
async fn divide(a: i32, b: i32) -> Result<String, String> {
    yield_now().await;
    let quotient = a.checked_div(b).ok_or_else(|| format!("{a} / {b} fails"))?;
    Ok(format!("{a} / {b} = {quotient}"))
}

fn main() {
    block_on(async {
        println!("gather: every division gets an answer");
        let results = gather(DIVISIONS.map(|(a, b)| divide(a, b))).await;
        for Ok(line) | Err(line) in &results {
            println!("  {line}");
        }
        let failed: Vec<String> = results.failures().map(|(index, _)| index.to_string()).collect();
        let numbers = failed.join(", ");
        println!("gather: {} of {} failed, number {numbers}", failed.len(), results.len());

        match try_gather(DIVISIONS.map(|(a, b)| divide(a, b))).await {
            Ok(lines) => println!("try_gather: {}", lines.join(", ")),
            Err(error) => println!("try_gather: {error}, the other two are dropped"),
        }
    });
}
