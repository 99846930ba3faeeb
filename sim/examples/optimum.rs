//! Checks whether hunts shrink their failures to the optimum: `cargo run --release --example optimum -- --seeds 100`.
//!
//! For each of the eight defects alone (`replica:mended+DEFECT`), or for each `--target`, it hunts with seeds 0 to
//! N-1, or with each `--seed`. It shrinks every failure by itself as `treefall hunt` does, measures the time, and
//! compares the result with the smallest trace of its signature from a search of all smaller traces
//! (`treefall::optimum`). `first` are the traces that the hunts found first, each with its last violated law, as
//! `treefall shrink` uses it; `all` are all failures of the hunts. A failure counts as optimal if the search's
//! alphabet cannot show its signature and all smaller traces were tried; these are listed separately. Prints the
//! failures above the optimum and the unconfirmed ones, and exits with 1 if any of the first is among them.

use std::process::ExitCode;

use rayon::prelude::*;
use treefall::model::release::Defect;
use treefall::optimum::{LEVELS, Measured, Optima, measure};
use treefall::subject::target::{ReplicaName, Target, parse};
use treefall::triage::BUILD_UP_MAX;

fn main() -> ExitCode {
    let Some((seeds, targets)) = arguments(std::env::args().skip(1).collect()) else {
        eprintln!("usage: optimum [--seeds N | --seed N]... [--target replica:NAME]..");
        return ExitCode::from(2);
    };
    let sheets: Vec<(String, bool)> = targets.par_iter().map(|name| sheet(name, &seeds)).collect();
    let mut good = true;
    for (text, fine) in sheets {
        println!("{text}");
        good &= fine;
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn arguments(words: Vec<String>) -> Option<(Vec<u64>, Vec<ReplicaName>)> {
    let (mut many, mut seeds, mut targets) = (100, Vec::new(), Vec::new());
    for pair in words.chunks(2) {
        match pair {
            [flag, number] if flag == "--seeds" => many = number.parse().ok()?,
            [flag, number] if flag == "--seed" => seeds.push(number.parse().ok()?),
            [flag, name] if flag == "--target" => {
                for target in parse(name, &[]).ok()? {
                    let Target::Replica(name) = target else { return None };
                    targets.push(name);
                }
            }
            _ => return None,
        }
    }
    if targets.is_empty() {
        let eight = Defect::ALL.into_iter().filter(|defect| defect.is_one_of_the_eight());
        targets = eight.map(|defect| ReplicaName { with: vec![defect], ..ReplicaName::mended() }).collect();
    }
    if seeds.is_empty() {
        seeds = (0..many).collect();
    }
    Some((seeds, targets))
}

/// Result of one target, as text, and whether all its first failures are optimal.
fn sheet(name: &ReplicaName, seeds: &[u64]) -> (String, bool) {
    let measured: Vec<Measured> =
        seeds.par_iter().flat_map(|seed| measure(name, *seed, BUILD_UP_MAX, &cpu)).collect();
    let wanted = measured.iter().map(|one| one.signature).collect();
    let optima = Optima::search(name.rules(), &LEVELS, &wanted);
    let mut text = format!(
        "replica:{}: optima of {} signatures in {} runs\n",
        &name.to_string()[8..],
        optima.len(),
        optima.runs()
    );
    let mut good = true;
    for (title, first) in [("first", true), ("all", false)] {
        let some: Vec<&Measured> = measured.iter().filter(|one| one.first || !first).collect();
        let (line, fine) = summary(&some, &optima);
        text += &format!("  {title:<6}{line}\n");
        good &= fine || !first;
    }
    for one in &measured {
        let first = if one.first { " (first)" } else { "" };
        if one.first && optima.of(one.signature).is_none() {
            let what = if is_covered(one, &optima) { "nothing smaller" } else { "not confirmed" };
            text += &format!(
                "  {what}: {} of seed {} trace {}: {:?}\n    {:?}\n",
                one.signature, one.seed, one.number, one.structure, one.trace
            );
        }
        if let Some((optimum, trace)) = optima.of(one.signature)
            && (one.structure, one.policies) > (optimum, optima.policies_of(one.signature).unwrap_or(0))
        {
            text += &format!(
                "  above{first}: {} of seed {} trace {}: {:?} not {optimum:?}\n    {:?}\n    {trace:?}\n",
                one.signature, one.seed, one.number, one.structure, one.trace
            );
        }
    }
    (text, good)
}

/// The alphabet cannot show its signature, and all smaller traces were tried.
fn is_covered(one: &Measured, optima: &Optima) -> bool {
    optima.of(one.signature).is_none() && optima.covers(one.structure)
}

fn summary(measured: &[&Measured], optima: &Optima) -> (String, bool) {
    let confirmed = measured.iter().filter_map(|one| Some((one, optima.of(one.signature)?.0)));
    let confirmed: Vec<_> = confirmed.collect();
    let alone = measured.iter().filter(|one| is_covered(one, optima)).count();
    let at = alone + confirmed.iter().filter(|(one, optimum)| one.structure <= *optimum).count();
    let plainest = |one: &Measured, optimum| {
        one.structure < optimum
            || optima.policies_of(one.signature).is_none_or(|policies| one.policies <= policies)
    };
    let odd = confirmed
        .iter()
        .filter(|(one, optimum)| one.structure <= *optimum && !plainest(one, *optimum))
        .count();
    let unsound = measured.iter().filter(|one| !one.sound).count();
    let mut micros: Vec<u64> = measured.iter().map(|one| one.cost / 1_000).collect();
    let mut runs: Vec<u64> = measured.iter().map(|one| one.runs).collect();
    micros.sort_unstable();
    runs.sort_unstable();
    let middle = |numbers: &[u64]| numbers.get(numbers.len() / 2).copied().unwrap_or(0);
    let millis = |micros: u64| micros as f64 / 1_000.0;
    let line = format!(
        "{at} of {} at the optimum ({odd} with more policies than the plainest, {alone} with a signature that nothing \
         smaller shows), {} not confirmed, {unsound} not minimal or confirmed; CPU {:.1} ms in the middle, {:.1} at most; {} runs in the middle",
        measured.len(),
        measured.len() - confirmed.len() - alone,
        millis(middle(&micros)),
        millis(micros.last().copied().unwrap_or(0)),
        middle(&runs),
    );
    (line, at == measured.len() && unsound == 0)
}

/// Returns the CPU time of this thread, in nanoseconds; 0 if the kernel does not report it.
fn cpu() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}
