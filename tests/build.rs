//! What the tests are built with that is no test.
//!
//! - With the feature `loom`, and for this package alone, `cfg(loom)` is on: the files that its test of that name includes
//!   take the model checker's atomics. Set for every package (`RUSTFLAGS`), it would change other crates as well.
//! - The module `server` of the course's last rung, cut out of it, for `protocols.rs`.

use std::path::Path;
use std::{env, fs};

/// Where the rung lies, from this package.
const RUNG: &str = "../examples/course/lessons/13_server/rung.rs";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={RUNG}");
    if env::var_os("CARGO_FEATURE_LOOM").is_some() {
        println!("cargo::rustc-cfg=loom");
    }
    let rung = fs::read_to_string(RUNG).expect("the rung lies in the checkout");
    let server = rung.find("pub mod server {").map(|begin| &rung[begin..]).expect("rung 13 has a module `server`");
    let end = server.find("\n}\n").expect("a module ends");
    let folder = env::var("OUT_DIR").expect("cargo gives a folder");
    fs::write(Path::new(&folder).join("rung_13_server.rs"), &server[..end + 3]).expect("the folder can be written to");
}
