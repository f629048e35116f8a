//! gather in place against futures' `join_all`: children that are ready at once, and children that yield ten times.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// Below, at and far above the 30 children at which `join_all` changes its strategy.
const CHILDREN: [u64; 3] = [10, 100, 10_000];

fn all_ready(criterion: &mut Criterion) {
    compare(criterion, "gather in place, all ready", |n| async move { n });
}

fn each_yields(criterion: &mut Criterion) {
    compare(criterion, "gather in place, each yields 10 times", |n| async move {
        for _ in 0..10 {
            runtime::task::yield_now().await;
        }
        n
    });
}

/// The same children under either, on the same loop: the difference is the join future's own.
fn compare<F: Future<Output = u64>>(criterion: &mut Criterion, name: &str, child: impl Fn(u64) -> F) {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(30);
    let runtime = benches::ours();
    for n in CHILDREN {
        group.throughput(Throughput::Elements(n));
        group.bench_with_input(BenchmarkId::new("gather", n), &n, |bencher, &n| {
            bencher.iter(|| check(n, &runtime.block_on(gather::gather((0..n).map(&child)))));
        });
        group.bench_with_input(BenchmarkId::new("join_all", n), &n, |bencher, &n| {
            bencher.iter(|| check(n, &runtime.block_on(futures::future::join_all((0..n).map(&child)))));
        });
    }
    group.finish();
}

fn check(n: u64, results: &[u64]) {
    assert_eq!(results.len() as u64, n);
    assert_eq!(results.last(), Some(&(n - 1)));
}

criterion_group!(all, all_ready, each_yields);
criterion_main!(all);
