//! The logic of the fuzz targets: typed inputs, and for each target a function that panics on a failure.
//!
//! A target is a dozen lines that call one of these functions, so that each is also tested without a fuzzer.
//! Invariants: the result depends only on the input; a panic prints the trace as a scenario that can be saved and
//! replayed.

mod corpus;
mod input;
mod judged;
mod mutate;
mod real;
mod states;

use std::sync::OnceLock;

use treefall_model::codec;
use treefall_model::release::{Defect, Defects, Rules};
use treefall_model::trace::Trace;

use self::judged::{as_scenario, explained, fail, judged};
use treefall_scenario as scenario;

pub use self::corpus::{Kind, NotATraceTarget, fewest};
pub use self::input::{ReleaseAndTrace, ScenarioText, TraceAlone, conformance_seed};
pub use self::judged::OnState;
pub use self::mutate::mutate;
pub use self::real::engine;
pub use self::states::{STATES, StateObserver, state};
pub use treefall_subject::replica::{TreeOps, play_tree_ops as rbtree};

/// Names the defect to add to the replica without defects, which must then be reported: a canary.
pub const PLANT: &str = "TREEFALL_FUZZ_PLANT";

/// Checks the replica of a release against the model.
///
/// # Panics
/// When decoding the encoded trace gives another trace; when two runs differ; when judging only changed indexes gives
/// another verdict than judging all of them; or when a law is broken that remains broken with all defects of the
/// release fixed.
pub fn conformance(input: &ReleaseAndTrace, tell: OnState<'_>) {
    let ReleaseAndTrace { release, trace } = input;
    round_trip(trace);
    if let Some(defect) = planted() {
        let rules = Rules { defects: Defects::NONE.with(defect), ..Rules::mended() };
        let name = format!("replica:mended+{}", defect.name());
        let verdict = judged(&name, trace, rules, tell);
        if !verdict.is_clean() {
            fail(&name, trace, &verdict, "this one was planted");
        }
        return;
    }
    let rules = Rules::of(*release);
    let verdict = judged(&format!("replica:{release}"), trace, rules, tell);
    if !verdict.is_clean() {
        let mended = Rules { defects: Defects::NONE, ..rules };
        let mended = judged("all defects mended", trace, mended, &mut |_| ());
        let known = explained(&verdict, &mended);
        if !known {
            let all: Vec<_> = rules.defects.iter().map(|defect| format!("-{}", defect.name())).collect();
            fail(
                &format!("replica:{release}{}", all.concat()),
                trace,
                &mended,
                "no known defect explains it",
            );
        }
    }
}

/// Checks the replica without defects against the model.
///
/// # Panics
/// When any law is broken, or as [`conformance`].
pub fn mended(TraceAlone(trace): &TraceAlone, tell: OnState<'_>) {
    round_trip(trace);
    let verdict = judged("replica:mended", trace, Rules::mended(), tell);
    if !verdict.is_clean() {
        fail("replica:mended", trace, &verdict, "it has no defect");
    }
}

/// Checks the parser and the formatter of scenarios on any text.
///
/// # Panics
/// When a scenario changes by writing or formatting and reading again, or when formatted text is not in canonical
/// form.
pub fn scenario_text(ScenarioText(text): &ScenarioText) {
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

/// Checks the laws of the codec.
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

/// Returns the defect that [`PLANT`] names.
fn planted() -> Option<Defect> {
    static PLANTED: OnceLock<Option<Defect>> = OnceLock::new();
    *PLANTED.get_or_init(|| {
        let name = std::env::var(PLANT).ok()?;
        let defect = Defect::named(&name);
        Some(defect.unwrap_or_else(|| panic!("{PLANT}: {name} is no defect; `treefall targets` lists them")))
    })
}

#[cfg(test)]
mod tests {
    use arbitrary::{Arbitrary, Unstructured};
    use arbtest::arbtest;
    use treefall_model::verdict::Weight;

    use super::*;
    use crate::generator;
    use treefall_model::release::Release;
    use treefall_scenario::Scenario;
    use treefall_subject::Options;
    use treefall_subject::replica::run_replica;

    /// Runs ten traces for each release, and as many on the replica without defects.
    #[test]
    fn generated_traces_pass_as_seeds_of_every_release() {
        for (number, release) in (0..).zip(Release::ALL) {
            for trace in (10 * number..10 * number + 10).map(|number| generator::generate(7, number)) {
                let input = ReleaseAndTrace { release: *release, trace };
                let mut states = std::collections::BTreeSet::new();
                conformance(&input, &mut |state| {
                    states.insert(state);
                });
                assert!(states.len() > 1 && states.last() < Some(&STATES), "{states:?}");
                mended(&TraceAlone(input.trace), &mut |_| ());
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

    /// Runs `property` on `count` fixed inputs of `size` bytes; a failure prints the seed.
    fn holds(
        count: u64,
        size: u64,
        mut property: impl FnMut(&mut Unstructured<'_>) -> arbitrary::Result<()>,
    ) {
        (1..=count).for_each(|seed| arbtest(&mut property).seed(seed << 32 | size).run());
    }

    #[test]
    fn arbitrary_traces_pass_on_the_replicas() {
        holds(150, 200, |u| u.arbitrary().map(|input| conformance(&input, &mut |_| ())));
        holds(50, 200, |u| u.arbitrary().map(|input| mended(&input, &mut |_| ())));
    }

    #[test]
    fn only_a_defect_that_breaks_memory_breaks_memory() {
        let mut broken = 0;
        holds(300, 200, |u| {
            let (defect, trace): (Defect, Trace) = u.arbitrary()?;
            let name = defect.name();
            let verdict = judged(name, &trace, Rules::mended().with(defect), &mut |_| ());
            let memory = verdict.breaks.iter().find(|broken| broken.signature.law.weight() == Weight::Memory);
            assert!(
                memory.is_none() || defect.breaks_memory(),
                "{name}: {memory:?}\n{}",
                as_scenario(&trace)
            );
            broken += usize::from(memory.is_some());
            Ok(())
        });
        assert!(broken > 0, "no trace broke memory, so nothing was checked");
    }

    #[test]
    fn arbitrary_operations_keep_the_trees_sound() {
        holds(200, 600, |u| u.arbitrary().map(|ops| rbtree(&ops)));
    }

    #[test]
    fn an_edited_scenario_is_read_or_refused() {
        let written = scenario::write(&Scenario::new("A trace", generator::generate(3, 3)));
        scenario_text(&ScenarioText(written.clone()));
        holds(300, 16, |u| {
            let mut bytes = written.clone().into_bytes();
            while !u.is_empty() {
                let place = u.choose_index(bytes.len())?;
                bytes[place] = u.int_in_range(b' '..=b'~')?;
            }
            scenario_text(&ScenarioText::arbitrary_take_rest(Unstructured::new(&bytes))?);
            Ok(())
        });
    }
}
