//! With the feature `loom`, and for this package alone, `cfg(loom)` is on: the files that its test of that name includes
//! take the model checker's atomics. Set for every package (`RUSTFLAGS`), it would change other crates as well.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_LOOM").is_some() {
        println!("cargo::rustc-cfg=loom");
    }
}
