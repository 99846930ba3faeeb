//! Events a second on one core: replica, world and model, the indexes looked at after every step.
//!
//! An event is an external one: the timer, an exit that is reaped, a signal. `checked` is what every search
//! does ([`Options::VERDICT`]); `whole` walks all indexes at every step; `events` judges the history alone;
//! `unchecked` makes the history and its digest, and nothing looks at it.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use treefall::model::release::Rules;
use treefall::subject::Options;
use treefall::subject::replica::run_replica;
use treefall::workload::steady;

/// Wakes of a measured trace.
const WAKES: u32 = 20_000;

fn events(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("events");
    group.sample_size(20);
    for scripts in [8, 64, 1_024] {
        let trace = steady(scripts, WAKES, 0).expect("within the limits of a trace");
        let ways = [
            ("checked", Options::VERDICT),
            ("whole", Options::WHOLE),
            ("events", Options::EVENTS),
            ("unchecked", Options::DIGEST),
        ];
        for (way, options) in ways {
            let ran = run_replica(&trace, Rules::mended(), options);
            assert!(ran.verdict.is_clean(), "{}", ran.verdict.outcome);
            group.throughput(Throughput::Elements(ran.counts.external()));
            group.bench_with_input(BenchmarkId::new(way, scripts), &trace, |bencher, trace| {
                bencher.iter(|| black_box(run_replica(trace, Rules::mended(), options)));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, events);
criterion_main!(benches);
