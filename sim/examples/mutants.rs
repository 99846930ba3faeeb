//! Prints how soon laws and equality find each fault that is planted in the mended replica.
//!
//! ```text
//! cargo run -p treefall --example mutants -- [--seeds N] [--traces N] [--sampling swarm|plain|pct:D] [NAME..]
//! ```
//!
//! Prints medians over the seeds (ten by default). Exit status 1 if neither laws nor equality find a fault, 2 if the
//! arguments are wrong, 3 in a build without debug assertions, which has no mutants.

use std::process::ExitCode;

use comfy_table::Table;
use treefall::generator::{Sampling, Source};
use treefall::mutants::{Fault, Net, traces_until_found};
use treefall::subject::replica::MUTANTS_AVAILABLE;

/// Faults that change nothing on the mended replica, with the reasons in `tests/it/mutants.rs`.
const EQUIVALENT: [&str; 1] = ["EventsNotCleaned"];

struct Asked {
    seeds: u64,
    traces: u64,
    sampling: Sampling,
    names: Vec<String>,
}

fn asked() -> Option<Asked> {
    let mut asked = Asked { seeds: 10, traces: 3_000, sampling: Sampling::Swarm, names: Vec::new() };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--seeds" => asked.seeds = arguments.next()?.parse().ok().filter(|seeds| *seeds > 0)?,
            "--traces" => asked.traces = arguments.next()?.parse().ok()?,
            "--sampling" => asked.sampling = arguments.next()?.parse().ok()?,
            name => {
                let known = Fault::all().find(|fault| fault.name() == name)?;
                asked.names.push(known.name().to_owned());
            }
        }
    }
    Some(asked)
}

fn main() -> ExitCode {
    let Some(asked) = asked() else {
        eprintln!("usage: mutants [--seeds N] [--traces N] [--sampling WAY] [NAME of a defect or mutant]..");
        return ExitCode::from(2);
    };
    if !MUTANTS_AVAILABLE {
        eprintln!("this build has no mutants: build it with debug assertions");
        return ExitCode::from(3);
    }
    let mut sheet = Table::new();
    sheet.set_header(["fault", "written", "laws: traces", "ms", "equality: traces", "ms"]);
    let mut missed = false;
    for fault in
        Fault::all().filter(|it| asked.names.is_empty() || asked.names.iter().any(|n| n == it.name()))
    {
        let written = match fault {
            Fault::Defect(_) => "defect",
            Fault::Mutant(mutant) if mutant.is_blind() => "blind",
            Fault::Mutant(_) => "mutant",
        };
        let mut row = vec![fault.name().to_owned(), written.to_owned()];
        let mut found = false;
        for net in [Net::Laws, Net::Equality] {
            let (traces, millis) = median(fault, net, &asked);
            found |= traces.is_some();
            row.push(traces.map_or("not found".to_owned(), |traces| traces.to_string()));
            row.push(format!("{millis:.1}"));
        }
        missed |= !found && !EQUIVALENT.contains(&fault.name());
        println!("{}", row.join("  "));
        sheet.add_row(row);
    }
    println!("\n{sheet}");
    ExitCode::from(u8::from(missed))
}

/// Medians of traces and of milliseconds; no traces if at least half of the seeds did not find the fault.
#[expect(clippy::disallowed_types, reason = "how long a search takes is measured on the clock on the wall")]
fn median(fault: Fault, net: Net, asked: &Asked) -> (Option<u64>, f64) {
    let mut all: Vec<(u64, f64)> = (1..=asked.seeds)
        .map(|seed| {
            let start = std::time::Instant::now();
            let source = Source { sampling: asked.sampling, ..Source::swarm(seed) };
            let traces = traces_until_found(fault, net, source, asked.traces);
            (traces.unwrap_or(u64::MAX), start.elapsed().as_secs_f64() * 1e3)
        })
        .collect();
    let middle = all.len() / 2;
    all.sort_by_key(|(traces, _)| *traces);
    let traces = Some(all[middle].0).filter(|traces| *traces != u64::MAX);
    all.sort_by(|a, b| a.1.total_cmp(&b.1));
    (traces, all[middle].1)
}
