//! Yielding: one pass through the ready queue and back.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Tasks that take turns.
const TASKS: u64 = 1_000;
/// How often each of them yields.
const ROUNDS: u64 = 100;

fn many(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("yield, 1,000 tasks × 100");
    group.throughput(Throughput::Elements(TASKS * ROUNDS)).sample_size(30);
    let (ours, tokio) = (benches::ours(), benches::tokio());
    group.bench_function("glassloop", |bencher| {
        bencher.iter(|| {
            ours.block_on(async {
                let yielder = || runtime::spawn(yield_often(runtime::task::yield_now));
                let tasks: Vec<_> = (0..TASKS).map(|_| yielder()).collect();
                let mut sum = 0;
                for task in tasks {
                    sum += task.await.unwrap();
                }
                assert_eq!(sum, TASKS * ROUNDS);
            })
        });
    });
    group.bench_function("tokio current_thread", |bencher| {
        bencher.iter(|| {
            tokio.block_on(async {
                let yielder = || tokio::spawn(yield_often(tokio::task::yield_now));
                let tasks: Vec<_> = (0..TASKS).map(|_| yielder()).collect();
                let mut sum = 0;
                for task in tasks {
                    sum += task.await.unwrap();
                }
                assert_eq!(sum, TASKS * ROUNDS);
            })
        });
    });
    group.finish();
}

fn one(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("yield, one task");
    group.throughput(Throughput::Elements(ROUNDS)).sample_size(30);
    let (ours, tokio) = (benches::ours(), benches::tokio());
    group.bench_function("glassloop", |bencher| {
        bencher.iter(|| assert_eq!(ours.block_on(yield_often(runtime::task::yield_now)), ROUNDS));
    });
    group.bench_function("tokio current_thread", |bencher| {
        bencher.iter(|| assert_eq!(tokio.block_on(yield_often(tokio::task::yield_now)), ROUNDS));
    });
    group.finish();
}

/// Yields `ROUNDS` times, with the yield of either runtime.
async fn yield_often<F: Future<Output = ()>>(yield_now: impl Fn() -> F) -> u64 {
    let mut yielded = 0;
    for _ in 0..ROUNDS {
        yield_now().await;
        yielded += 1;
    }
    yielded
}

criterion_group!(all, many, one);
criterion_main!(all);
