//! Events a second in one run: treefall with everything checked, tokio's paused clock with nothing checked, and
//! the lockstep of two trees.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use treefall::model::release::Rules;
use treefall::subject::Options;
use treefall::subject::replica::run_replica;
use treefall::workload::steady;
use treefall_peers::clock::{runtime, simulate};
use treefall_peers::lockstep::Lockstep;

/// Wakes of a measured trace; the others play as many events.
const WAKES: u32 = 20_000;

fn events(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("peers");
    group.sample_size(20);
    for scripts in [8, 64, 1_024] {
        let trace = steady(scripts, WAKES, 0).expect("within the limits of a trace");
        let ran = run_replica(&trace, Rules::mended(), Options::VERDICT);
        assert!(ran.verdict.is_clean(), "{}", ran.verdict.outcome);
        let events = ran.counts.external();
        group.throughput(Throughput::Elements(events));
        group.bench_function(BenchmarkId::new("treefall, all checked", scripts), |bencher| {
            bencher.iter(|| black_box(run_replica(&trace, Rules::mended(), Options::VERDICT)));
        });
        for (name, timeouts) in [("tokio, unchecked", true), ("tokio, unchecked, no timeouts", false)] {
            group.bench_function(BenchmarkId::new(name, scripts), |bencher| {
                bencher.iter(|| black_box(simulate(&runtime(), scripts, events, timeouts)));
            });
        }
        // Complete comparisons are linear in the timers: a hundredth of the events suffices for a rate.
        let few = if scripts > 64 { events / 100 } else { events };
        group.throughput(Throughput::Elements(few));
        group.bench_function(BenchmarkId::new("lockstep, all compared", scripts), |bencher| {
            bencher.iter(|| black_box(Lockstep::new(scripts).play(few)));
        });
    }
    group.finish();
}

criterion_group!(benches, events);
criterion_main!(benches);
