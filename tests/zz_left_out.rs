//! The last target of `cargo test`: everything that was left out, in one place. It is no error that something is not
//! installed; that nobody hears of it would be one.

use std::collections::BTreeMap;
use std::fs;
use tests::left_out_list;

fn main() {
    let path = left_out_list();
    let list = fs::read_to_string(&path).unwrap_or_default();
    // The next run of the same number begins anew.
    let _ = fs::remove_file(&path);
    let mut reasons = BTreeMap::<&str, Vec<&str>>::new();
    for line in list.lines() {
        let (test, why) = line.split_once(" is left out: ").unwrap_or((line, "it does not say why"));
        reasons.entry(why).or_default().push(test);
    }
    println!("\n{} tests were left out on this machine", reasons.values().map(Vec::len).sum::<usize>());
    for (why, tests) in reasons {
        println!("  {:3}  {why}", tests.len());
        tests.iter().for_each(|test| println!("         {test}"));
    }
    println!("\ntest result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out");
}
