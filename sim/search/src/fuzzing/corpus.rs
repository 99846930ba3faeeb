//! Handles the fuzzer's files: their meaning for each target, seeds from scenarios, and minimisation.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use treefall_base::control::{Control, Interrupted};

use arbitrary::{Arbitrary, Unstructured};
use treefall_model::codec;
use treefall_model::release::{Release, Rules};
use treefall_model::trace::Trace;

use super::input::{ReleaseAndTrace, TraceAlone, conformance_seed};
use super::judged::judged;
use treefall_base::nearest::{nearest, offer};
use treefall_scenario::Scenario;
use treefall_subject::target::ReplicaName;

/// A fuzz target whose input is a trace.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// A release, and a trace on its replica.
    Conformance,
    /// A trace on the replica without defects.
    Mended,
    /// A trace on the real program.
    Engine,
}

/// A name of no target whose input is a trace.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "`{name}` is no fuzz target whose bytes are traces; those are {known}{offer}",
    name = .0,
    known = Kind::ALL.map(Kind::name).join(", "),
    offer = offer(nearest(.0, Kind::ALL.map(Kind::name)))
)]
pub struct NotATraceTarget(String);

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Conformance, Self::Mended, Self::Engine];

    /// Returns the name of the target for `cargo fuzz`, which is also the folder of its corpus.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Conformance => "conformance",
            Self::Mended => "mended",
            Self::Engine => "engine",
        }
    }

    /// Decodes bytes, and returns the replica that runs the trace; for the real program, that of the newest release.
    #[must_use]
    pub fn read(self, bytes: &[u8]) -> (ReplicaName, Trace) {
        match self {
            Self::Conformance => {
                let ReleaseAndTrace { release, trace } = input(bytes);
                (ReplicaName::of(release), trace)
            }
            Self::Mended => (ReplicaName::mended(), input::<TraceAlone>(bytes).0),
            Self::Engine => (ReplicaName::of(Release::NEWEST), input::<TraceAlone>(bytes).0),
        }
    }

    /// Returns the seeds of a scenario, each with a suffix for its file's name; for `conformance` one for each
    /// release that it mentions.
    #[must_use]
    pub fn seeds(self, scenario: &Scenario) -> Vec<(String, Vec<u8>)> {
        match self {
            Self::Conformance => {
                let of = Release::ALL.iter().filter(|release| scenario.expect.of(**release).is_some());
                of.map(|release| (format!("-{release}"), conformance_seed(*release, &scenario.trace)))
                    .collect()
            }
            Self::Mended | Self::Engine => vec![(String::new(), codec::encode(&scenario.trace))],
        }
    }

    /// Returns the states that the run of these bytes reaches.
    #[must_use]
    pub fn states(self, bytes: &[u8]) -> BTreeSet<usize> {
        let (name, trace) = self.read(bytes);
        let mut states = BTreeSet::new();
        let rules: Rules = name.rules();
        judged(&name.to_string(), &trace, rules, &mut |state| {
            states.insert(state);
        });
        states
    }
}

/// Decodes bytes as the fuzzer does.
fn input<'a, T: Arbitrary<'a>>(bytes: &'a [u8]) -> T {
    T::arbitrary_take_rest(Unstructured::new(bytes)).expect("any bytes are a release and a trace")
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = NotATraceTarget;

    fn from_str(text: &str) -> Result<Self, NotATraceTarget> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| NotATraceTarget(text.to_owned()))
    }
}

/// Returns the indexes of a subset of `files` that reaches every state that all of them reach, in order.
///
/// Tries the smallest files first. Checks `control` before each file.
///
/// # Errors
/// When it is interrupted.
pub fn fewest(kind: Kind, files: &[Vec<u8>], control: Control<'_, ()>) -> Result<Vec<usize>, Interrupted> {
    let mut order: Vec<usize> = (0..files.len()).collect();
    order.sort_by_key(|place| (files[*place].len(), &files[*place]));
    let mut reached = BTreeSet::new();
    let mut kept = Vec::new();
    for place in order {
        control.check(())?;
        let before = reached.len();
        reached.extend(kind.states(&files[place]));
        if reached.len() > before {
            kept.push(place);
        }
    }
    kept.sort_unstable();
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn a_seed_is_read_back_as_the_trace_and_release_that_it_was_made_of() {
        let trace = generator::generate(2, 5);
        let mut scenario = Scenario::new("A trace", trace.clone());
        assert_eq!(Kind::Conformance.seeds(&scenario), []);
        let text = "format = 1\ntitle = \"t\"\nsource = \"s\"\n[[script]]\nname = \"a\"\ninterval = \"3s\"\n[[wake]]\nafter = \"next-timer\"\n[expect]\n\"2.3.1..=2.3.2\" = \"clean\"\n";
        scenario.expect = treefall_scenario::read("test", text).expect("a scenario").expect;
        let seeds = Kind::Conformance.seeds(&scenario);
        let names: Vec<_> = seeds
            .iter()
            .map(|(end, bytes)| (end.as_str(), Kind::Conformance.read(bytes).0.to_string()))
            .collect();
        assert_eq!(names, [("-2.3.1", "replica:2.3.1".to_owned()), ("-2.3.2", "replica:2.3.2".to_owned())]);
        for kind in Kind::ALL {
            assert!(kind.seeds(&scenario).iter().all(|(_, bytes)| kind.read(bytes).1 == trace), "{kind}");
            assert_eq!(kind.name().parse(), Ok(kind));
        }
        assert!("rbtree".parse::<Kind>().is_err());
    }

    #[test]
    fn the_fewest_files_reach_every_state_and_no_copy_is_kept() {
        let mut files: Vec<Vec<u8>> =
            (0..30).map(|number| codec::encode(&generator::generate(2, number))).collect();
        files.extend(files.clone());
        let all_but_last = AtomicUsize::new(0);
        let keep_going = |()| all_but_last.fetch_add(1, Ordering::Relaxed) < files.len() - 1;
        assert_eq!(fewest(Kind::Mended, &files, Control::new(&keep_going)), Err(Interrupted));
        let kept = fewest(Kind::Mended, &files, Control::none()).expect("all of them");
        let states = |places: &mut dyn Iterator<Item = usize>| -> BTreeSet<usize> {
            places.flat_map(|place| Kind::Mended.states(&files[place])).collect()
        };
        assert_eq!(states(&mut kept.iter().copied()), states(&mut (0..files.len())));
        assert!(kept.len() <= 30, "{} of {}", kept.len(), files.len());
    }
}
