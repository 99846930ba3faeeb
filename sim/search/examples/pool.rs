//! Draws the pool of traces that recordings are made on, and writes its file: `pool FILE DAEMON`.
//!
//! For the rules of each release, and each flip of one of them, it takes traces on which the flip shows; the rest are the
//! first short traces drawn. `DAEMON` is a whole daemon of the oldest release: what it can be given all can.

use std::collections::BTreeSet;
use std::path::Path;

use treefall_model::event::SubjectKind;
use treefall_model::release::{Release, Rules};
use treefall_model::trace::Trace;
use treefall_search::generator::Source;
use treefall_subject::recording::{Played, Pool, flips, play_replica};
use treefall_subject::{build, target};

/// The campaign that traces are drawn from.
const SEED: u64 = 14;
/// Traces to choose from, and the most wakes that one has.
const DRAWN: u64 = 12_000;
const WAKES_MAX: usize = 14;
/// Traces that show a flip, of each that shows.
const WITNESSES: usize = 2;
/// Traces in the pool for engines and for daemons.
const SIZES: [usize; 2] = [4_000, 500];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, file, daemon] = arguments.as_slice() else { return Err("pool FILE DAEMON".into()) };
    let daemon = build(&target::parse(daemon, &[])?.remove(0))?;
    let short = |trace: &Trace| trace.wakes().len() <= WAKES_MAX;
    let plain = Source::swarm(SEED);
    let cancelling = Source::swarm(SEED).cancelling();
    let of_engine =
        (0..DRAWN).map(|number| if number % 4 == 3 { cancelling.trace(number) } else { plain.trace(number) });
    let engine: Vec<Trace> = of_engine.filter(short).collect();
    let of_daemon = (0..DRAWN / 4).map(|number| plain.trace_for(&*daemon, number));
    let whole: Vec<Trace> = of_daemon.filter(short).collect();
    let engine = choose(SubjectKind::Engine, &engine, SIZES[0]);
    let whole = choose(SubjectKind::Daemon, &whole, SIZES[1]);
    treefall_base::files::write_bytes(Path::new(file), &Pool::to_bytes(&engine, &whole)?)?;
    Ok(())
}

fn choose(kind: SubjectKind, from: &[Trace], size: usize) -> Vec<Trace> {
    let mut chosen = BTreeSet::new();
    let mut seen: Vec<Rules> = Vec::new();
    for release in Release::ALL {
        let rules = Rules::of(*release);
        if seen.contains(&rules) {
            continue;
        }
        seen.push(rules);
        let right: Vec<Played> = from.iter().map(|trace| play_replica(kind, trace, rules)).collect();
        for (name, flipped) in flips(rules) {
            let shows = |place: &usize| right[*place].differs(&play_replica(kind, &from[*place], flipped));
            // Those that were chosen before come first.
            let mut left = WITNESSES;
            left -= chosen.iter().filter(|place| shows(place)).take(left).count();
            let found: Vec<usize> =
                (0..from.len()).filter(|n| !chosen.contains(n)).filter(shows).take(left).collect();
            left -= found.len();
            chosen.extend(found);
            if left > 0 {
                println!("{release} {name}: {} of {WITNESSES} traces show it", WITNESSES - left);
            }
        }
    }
    println!("{} traces show flips; {} there are", chosen.len(), from.len());
    let rest = (0..from.len()).filter(|place| !chosen.contains(place));
    let order: Vec<usize> = chosen.iter().copied().chain(rest).take(size).collect();
    order.into_iter().map(|place| from[place].clone()).collect()
}
