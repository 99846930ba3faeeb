//! Finding and shrinking one planted bug of three steps: treefall, proptest-state-machine, quickcheck.
//!
//! Besides the times, the run prints each tool's results for a hundred seeds.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use treefall_peers::planted::{Detection, proptest, quickcheck, treefall};

const SEEDS: u64 = 100;

/// Finds and shrinks the bug from a seed.
type Tool = fn(u64) -> Detection;

fn shrinking(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("planted bug of three steps");
    group.sample_size(10);
    let tools: [(&str, Tool); 3] =
        [("treefall", treefall), ("proptest-state-machine", proptest), ("quickcheck", quickcheck)];
    for (name, tool) in tools {
        let all: Vec<Detection> = (0..SEEDS).map(tool).collect();
        let (least, most) =
            (all.iter().map(|found| found.steps).min(), all.iter().map(|found| found.steps).max());
        let runs: u64 = all.iter().map(|found| found.runs).sum();
        println!("{name}: {least:?} to {most:?} steps, {} runs a seed", runs / SEEDS);
        let mut seed = 0;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                seed = (seed + 1) % SEEDS;
                black_box(tool(seed))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, shrinking);
criterion_main!(benches);
