//! Measures explanations: cause, minimality, windows, tie tables and release matrix of each scenario's failure, on
//! every replica release that its file calls bad.
//!
//! `cargo run --release --example explain`

use std::path::Path;

use treefall::base::control::Control;
use treefall::explain::{StandIn, explain};
use treefall::hunt::Failure;
use treefall::scenario;
use treefall::subject::target::{ReplicaName, Target};
use treefall::subject::{Options, build};
use treefall::triage::triage_as_found;
use treefall_model::release::Release;

#[expect(clippy::disallowed_types, reason = "this measures")]
fn now() -> std::time::Instant {
    #[expect(clippy::disallowed_types, reason = "this measures")]
    std::time::Instant::now()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let mut files = Vec::new();
    for family in std::fs::read_dir(folder)? {
        let family = family?.path();
        // Skips the README.
        if !family.is_dir() {
            continue;
        }
        for file in std::fs::read_dir(family)? {
            files.push(file?.path());
        }
    }
    files.sort();
    let (mut failures, mut longest) = (0, (0.0_f64, String::new()));
    for file in &files {
        let scenario = scenario::load(file)?;
        for release in Release::ALL {
            let target = Target::Replica(ReplicaName::of(*release));
            let mut subject = build(&target)?;
            let verdict = subject.run_one(&scenario.trace, Options::VERDICT)?.verdict;
            for broken in &verdict.breaks {
                let (trace, verdict) = (scenario.trace.clone(), verdict.clone());
                let failure = Failure::new(0, trace, broken.clone(), verdict);
                let start = now();
                let finding = triage_as_found(subject.as_mut(), &|| build(&target), &failure)?;
                let explanation = explain(&finding, subject.as_mut(), StandIn::ForDaemons, Control::none())?;
                let millis = start.elapsed().as_secs_f64() * 1e3;
                failures += 1;
                if millis > longest.0 {
                    let name = file.file_stem().unwrap_or_default().to_string_lossy();
                    let what =
                        format!("{name} on {release}: {} in {} runs", broken.signature, explanation.runs);
                    longest = (millis, what);
                }
            }
        }
    }
    println!(
        "{failures} failures of {} scenarios; the longest took {:.1} ms: {}",
        files.len(),
        longest.0,
        longest.1
    );
    Ok(())
}
