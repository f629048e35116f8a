//! The program of lesson 14 whose output is to be predicted.
//!
//! ```text
//! $ cargo run -p course --example predict_14
//! ```

fn mean(rounds: [f64; 5]) -> f64 {
    rounds.iter().sum::<f64>() / 5.0
}

fn median(mut rounds: [f64; 5]) -> f64 {
    rounds.sort_by(f64::total_cmp);
    rounds[2]
}

fn main() {
    // Milliseconds of five rounds.
    let ours = [10.0, 10.0, 160.0, 10.0, 10.0];
    let theirs = [20.0, 20.0, 20.0, 20.0, 20.0];
    println!("mean:   {}", mean(theirs) / mean(ours));
    println!("median: {}", median(theirs) / median(ours));
}
