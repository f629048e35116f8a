//! Rung 13 as a student has it: each part that is an exercise is an answer that is right in another way than the solution.
//!
//! ```text
//! $ cargo run --release -p course --example own_13 -- 127.0.0.1:8080
//! ```
#![allow(dead_code, reason = "a loop offers more than one program uses")]
#![allow(clippy::all, unused_imports, reason = "an exercise is not as short as it can be")]

include!(concat!(env!("OUT_DIR"), "/own_13_first.rs"));
