//! The program of lesson 1 whose output you predict: two futures are made, one is awaited.
//!
//! ```text
//! $ cargo run -p course --example predict_01
//! ```

/// Our loop tells its steps with this. Here nobody listens.
macro_rules! say(($($step:tt)*) => { () });

#[path = "solution.rs"]
mod run;

async fn greet(name: &str) {
    println!("hello, {name}");
}

fn main() {
    let anna = greet("Anna");
    let ben = greet("Ben");
    println!("both are made");
    run::block_on(ben);
    drop(anna);
}
