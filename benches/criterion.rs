//! The same cases under criterion: `cargo bench -p benches -- yield` for its statistics and its comparison with the run
//! before. The judge is the scoreboard, which measures in alternation.

use benches::affinity::Core;
use benches::case::{Case, Unit};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::time::Duration;

fn all(criterion: &mut Criterion) {
    Core::Loops.stay();
    benches::settle_allocator();
    // `--test` runs each case once, to see that it runs. The slow ones are the same code with more of everything.
    let is_test = std::env::args().any(|it| it == "--test");
    // Memory is measured by processes of the scoreboard.
    let timed = |case: &Case| case.unit == Unit::Time && !(is_test && case.slow);
    for case in benches::cases().into_iter().filter(timed) {
        let mut group = criterion.benchmark_group(&case.name);
        group.throughput(Throughput::Elements(case.times)).sample_size(20);
        group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
        for entry in &case.entries {
            group.bench_function(BenchmarkId::from_parameter(entry.name), |bencher| {
                let mut round = (entry.make)();
                bencher.iter_custom(|times| Duration::from_nanos((0..times).map(|_| round()).sum::<f64>() as u64));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, all);
criterion_main!(benches);
