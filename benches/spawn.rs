//! Spawning tasks and joining them: what a task costs from birth to result.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Tasks in one go: more than the first-level cache holds.
const TASKS: u64 = 100_000;

fn spawn_and_join(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("spawn and join, 100,000 tasks");
    group.throughput(Throughput::Elements(TASKS)).sample_size(20);
    let (ours, tokio) = (benches::ours(), benches::tokio());
    group.bench_function("glassloop", |bencher| {
        bencher.iter(|| {
            ours.block_on(async {
                let tasks: Vec<_> = (0..TASKS).map(|n| runtime::spawn(async move { n })).collect();
                let mut sum = 0;
                for task in tasks {
                    sum += task.await.unwrap();
                }
                assert_eq!(sum, TASKS * (TASKS - 1) / 2);
            })
        });
    });
    group.bench_function("tokio current_thread", |bencher| {
        bencher.iter(|| {
            tokio.block_on(async {
                let tasks: Vec<_> = (0..TASKS).map(|n| tokio::spawn(async move { n })).collect();
                let mut sum = 0;
                for task in tasks {
                    sum += task.await.unwrap();
                }
                assert_eq!(sum, TASKS * (TASKS - 1) / 2);
            })
        });
    });
    group.finish();
}

criterion_group!(all, spawn_and_join);
criterion_main!(all);
