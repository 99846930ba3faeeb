//! What the fuzz targets assert: a function a target, from the fuzzer's bytes to a panic that says all.
//!
//! A target is a dozen lines that call one of these; so each can be run, and is tested, without a fuzzer. What
//! always holds: the bytes alone decide; a panic's text carries the trace as a scenario that can be saved and
//! replayed.

mod corpus;
mod mutate;
mod real;
mod states;

use std::fmt::Write as _;
use std::sync::OnceLock;

use treefall_model::codec;
use treefall_model::event::SubjectKind;
use treefall_model::observe::Watch;
use treefall_model::release::{Defect, Defects, Release, Rules};
use treefall_model::trace::Trace;
use treefall_model::verdict::Verdict;

use treefall_scenario::{self as scenario, Scenario};
use treefall_subject::Options;
use treefall_subject::replica::{Replica, run_replica};

pub use self::corpus::{Kind, NoKind, fewest};
pub use self::mutate::mutate;
pub use self::real::engine;
pub use self::states::{STATES, Watched, state};
pub use treefall_subject::replica::play_bytes as rbtree;

/// Told the number of each state ([`STATES`]) that a run comes through.
pub type Tell<'t> = &'t mut dyn FnMut(usize);

/// Names a defect: it is put into the replica without defects, which then is held to be without: a canary.
pub const PLANT: &str = "TREEFALL_FUZZ_PLANT";

/// The replica of a release against the model. The first byte picks the release, the rest is a trace.
///
/// # Panics
/// When the trace is not the same after encoding and decoding; when two runs differ; when looking at each
/// change of the indexes gives another verdict than looking at all of them; and when a law is broken that no
/// defect of the release explains: one that is still broken with all of them mended.
pub fn conformance(bytes: &[u8], tell: Tell<'_>) {
    let Some((pick, bytes)) = bytes.split_first() else { return };
    let trace = codec::decode(bytes);
    round_trip(&trace);
    if let Some(defect) = planted() {
        let rules = Rules { defects: Defects::NONE.with(defect), ..Rules::mended() };
        let name = format!("replica:mended+{}", defect.name());
        let verdict = judged(&name, &trace, rules, tell);
        if !verdict.is_clean() {
            fail(&name, &trace, &verdict, "this one was planted");
        }
        return;
    }
    let release = Release::ALL[usize::from(*pick) % Release::ALL.len()];
    let rules = Rules::of(release);
    let verdict = judged(&format!("replica:{release}"), &trace, rules, tell);
    if !verdict.is_clean() {
        let mended = Rules { defects: Defects::NONE, ..rules };
        let mended = judged("all defects mended", &trace, mended, &mut |_| ());
        let known = explained(&verdict, &mended);
        if !known {
            let all: Vec<_> = rules.defects.iter().map(|defect| format!("-{}", defect.name())).collect();
            fail(
                &format!("replica:{release}{}", all.concat()),
                &trace,
                &mended,
                "no known defect explains it",
            );
        }
    }
}

/// Whether the defects that were mended explain the verdict: with them mended, the run survives and has none of its
/// signatures. A signature of its own is no news of the release: it is one of a program that never was, with some
/// defects of its time mended.
fn explained(verdict: &Verdict, mended: &Verdict) -> bool {
    mended.outcome.survived() && !verdict.signatures().any(|signature| mended.shows(signature))
}

/// The replica without defects against the model. The bytes are a trace.
///
/// # Panics
/// When any law is broken, or as [`conformance`] does.
pub fn mended(bytes: &[u8], tell: Tell<'_>) {
    let trace = codec::decode(bytes);
    round_trip(&trace);
    let verdict = judged("replica:mended", &trace, Rules::mended(), tell);
    if !verdict.is_clean() {
        fail("replica:mended", &trace, &verdict, "it has no defect");
    }
}

/// The parser and the formatter of scenarios on any text.
///
/// # Panics
/// When a scenario that can be read is another one when written or formatted and read again, or when what is
/// formatted is not in canonical form.
pub fn scenario_text(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let formatted = scenario::format("fuzz", text);
    let read = match scenario::read("fuzz", text) {
        Ok(read) => read,
        Err(problems) => {
            assert!(formatted.is_err(), "what cannot be read was formatted:\n{text}");
            assert!(!problems.to_string().is_empty(), "a problem that says nothing:\n{text}");
            return;
        }
    };
    let formatted =
        formatted.unwrap_or_else(|problems| panic!("it can be read and not formatted:\n{problems}"));
    let again = |what: &str, text: &str| {
        scenario::read("fuzz", text)
            .unwrap_or_else(|problems| panic!("{what}, it cannot be read:\n{problems}"))
    };
    assert!(again("formatted", &formatted) == read, "formatted, it is another:\n{text}\n---\n{formatted}");
    let twice = scenario::format("fuzz", &formatted);
    assert!(twice.is_ok_and(|twice| twice == formatted), "formatted twice, it is another:\n{formatted}");
    let written = scenario::write(&read);
    assert!(again("written", &written) == read, "written, it is another:\n{text}\n---\n{written}");
}

/// The bytes that [`conformance`] reads as this release and trace; without the first, those of [`mended`].
#[must_use]
pub fn conformance_seed(release: Release, trace: &Trace) -> Vec<u8> {
    let place = Release::ALL.iter().position(|one| *one == release).unwrap_or(0);
    let mut seed = vec![u8::try_from(place).unwrap_or(0)];
    seed.extend(codec::encode(trace));
    seed
}

/// The laws of the codec.
fn round_trip(trace: &Trace) {
    let bytes = codec::encode(trace);
    let again = codec::decode(&bytes);
    assert!(again == *trace, "decode(encode(trace)) is another trace:\n{}", as_scenario(trace));
    assert!(
        codec::encode(&again) == bytes,
        "encode(decode(bytes)) is not canonical:\n{}",
        as_scenario(trace)
    );
}

/// The defect that [`PLANT`] names.
fn planted() -> Option<Defect> {
    static PLANTED: OnceLock<Option<Defect>> = OnceLock::new();
    *PLANTED.get_or_init(|| {
        let name = std::env::var(PLANT).ok()?;
        let defect = Defect::named(&name);
        Some(defect.unwrap_or_else(|| panic!("{PLANT}: {name} is no defect; `treefall targets` lists them")))
    })
}

/// The verdict, if it is the same twice; the states that the first run came through are told.
fn judged(target: &str, trace: &Trace, rules: Rules, tell: Tell<'_>) -> Verdict {
    let watch = Watch::new(trace.setup(), SubjectKind::Replica, Options::VERDICT);
    let run = Replica::new(trace, rules, Watched { inner: watch, tell }).run();
    let first = run.observer.inner.finish(run.outcome).verdict;
    let second = run_replica(trace, rules, Options::WHOLE).verdict;
    if first != second {
        let mut text = format!("{target}: two runs of one trace were judged differently\n");
        let _ = writeln!(text, "one: {first:#?}\nthe other: {second:#?}");
        panic!("{text}{}", as_scenario(trace));
    }
    first
}

fn as_scenario(trace: &Trace) -> String {
    scenario::write(&Scenario::new("Found by the fuzzer", trace.clone()))
}

fn fail(target: &str, trace: &Trace, verdict: &Verdict, why: &str) -> ! {
    let mut text = format!("{target} breaks a law, and {why}\n");
    for broken in &verdict.breaks {
        let _ = writeln!(text, "{} at {:?}: {}", broken.signature, broken.at, broken.detail);
    }
    let _ = writeln!(text, "outcome: {}", verdict.outcome);
    let _ = writeln!(text, "replay: treefall replay FILE --target {target}, FILE being:\n");
    panic!("{text}{}", as_scenario(trace));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator;

    /// Ten traces a release, and as many on the replica without defects.
    #[test]
    fn generated_traces_pass_as_seeds_of_every_release() {
        for (number, release) in (0..).zip(Release::ALL) {
            for trace in (10 * number..10 * number + 10).map(|number| generator::generate(7, number)) {
                let seed = conformance_seed(*release, &trace);
                let mut states = std::collections::BTreeSet::new();
                conformance(&seed, &mut |state| {
                    states.insert(state);
                });
                assert!(states.len() > 1 && states.last() < Some(&STATES), "{states:?}");
                mended(&seed[1..], &mut |_| ());
            }
        }
    }

    #[test]
    #[should_panic(expected = "[[wake]]")]
    fn a_failure_prints_the_trace_as_a_scenario() {
        let trace = generator::generate(1, 1);
        let verdict = run_replica(&trace, Rules::mended(), Options::VERDICT).verdict;
        fail("replica:mended", &trace, &verdict, "this is a test");
    }

    #[test]
    fn any_bytes_are_played_on_the_trees_and_read_as_text() {
        let mut bytes = Vec::new();
        for number in 0..=u8::MAX {
            bytes.extend([number, number.wrapping_mul(37)]);
            scenario_text(&bytes);
        }
        rbtree(&bytes);
        scenario_text(scenario::write(&Scenario::new("A trace", generator::generate(3, 3))).as_bytes());
    }
}
