//! Tests the five hand-computed histories of 2.2.7 on the replica and on the real program.
//!
//! The real program must be an installed keepalived 2.2.7; otherwise its tests are ignored, with the reason.

use libtest_mimic::{Failed, Trial};
use treefall::model::observe::Options;
use treefall::model::release::Release;
use treefall::subject::build;
use treefall::subject::program::{Program, find_installed};
use treefall::subject::target::{Place, ReplicaName, Target};

pub(crate) fn trials() -> Vec<Trial> {
    let release = Release::parse("2.2.7").expect("a release of the table");
    let real = find_installed()
        .into_iter()
        .find(|path| Program::open(path, None).is_ok_and(|program| program.release() == release));
    let mut trials = Vec::new();
    for hand in crate::hand::histories() {
        let replica = Target::Replica(ReplicaName::of(release));
        trials.push(trial!(format!("{}: replica", hand.name), move || shown(&replica, hand.name)));
        let name = format!("{}: real program", hand.name);
        trials.push(match &real {
            Some(path) => {
                let target = Target::Engine(Place::of(path));
                trial!(name, move || shown(&target, hand.name))
            }
            None => trial!(name, || Ok(()))
                .with_ignored_flag(true)
                .with_kind("ignored: no keepalived 2.2.7 is installed"),
        });
    }
    trials
}

fn shown(target: &Target, name: &str) -> Result<(), Failed> {
    let hand =
        crate::hand::histories().into_iter().find(|hand| hand.name == name).ok_or("no such history")?;
    let ran = build(target)?.run_one(&hand.trace, Options::COMPARE)?;
    for (place, expected) in hand.records.iter().enumerate() {
        let seen = ran.records.get(place);
        if seen != Some(expected) {
            return Err(format!("record {place}: by hand {expected:?}, seen {seen:?}").into());
        }
    }
    if ran.verdict.outcome.survived() == hand.dies {
        return Err(format!(
            "by hand it {}, but it {}",
            if hand.dies { "dies" } else { "survives" },
            ran.verdict.outcome
        )
        .into());
    }
    if !hand.dies && ran.records.len() != hand.records.len() {
        return Err(format!("{} records by hand, {} seen", hand.records.len(), ran.records.len()).into());
    }
    Ok(())
}
