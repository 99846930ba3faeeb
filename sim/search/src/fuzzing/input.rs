//! The typed inputs of the fuzz targets, and how they are printed.
//!
//! `Debug` prints what is needed to replay an input: cargo-fuzz shows it after a failure, a hang and in `cargo fuzz
//! fmt`. `rbtree` takes [`TreeOps`](super::TreeOps).

use std::fmt;
use treefall_model::codec;
use treefall_model::release::Release;

use arbitrary::Arbitrary;
use treefall_model::trace::Trace;

use super::judged::as_scenario;

/// The input of `conformance`: a release in the first byte, and a trace for its replica in the rest.
#[derive(Clone, PartialEq, Eq, Arbitrary)]
pub struct ReleaseAndTrace {
    /// The release whose replica runs the trace.
    pub release: Release,
    /// The trace.
    pub trace: Trace,
}

impl fmt::Debug for ReleaseAndTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "replica:{} on the trace of this scenario:\n", self.release)?;
        f.write_str(&as_scenario(&self.trace))
    }
}

/// The input of `mended` and `engine`: a trace.
#[derive(Clone, PartialEq, Eq, Arbitrary)]
pub struct TraceAlone(pub Trace);

impl fmt::Debug for TraceAlone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the trace of this scenario:\n")?;
        f.write_str(&as_scenario(&self.0))
    }
}

/// The input of `scenario_text`: the longest prefix of the bytes that is UTF-8.
#[derive(Clone, PartialEq, Eq, Arbitrary)]
pub struct ScenarioText(pub String);

impl fmt::Debug for ScenarioText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the text between the lines of dashes:\n----\n{}\n----", self.0)
    }
}

/// Returns the bytes that [`conformance`](super::conformance) decodes to this release and trace;
/// [`mended`](super::mended) reads the same without the first byte.
#[must_use]
pub fn conformance_seed(release: Release, trace: &Trace) -> Vec<u8> {
    let place = Release::ALL.iter().position(|one| *one == release).unwrap_or(0);
    let mut seed = vec![u8::try_from(place).unwrap_or(0)];
    seed.extend(codec::encode(trace));
    seed
}

#[cfg(test)]
mod tests {
    use arbitrary::Unstructured;
    use treefall_model::codec;
    use treefall_scenario as scenario;

    use super::*;
    use crate::generator;

    #[test]
    fn a_seed_is_read_back_as_its_release_and_trace() {
        for (number, release) in (0..).zip(Release::ALL) {
            let trace = generator::generate(5, number);
            let seed = conformance_seed(*release, &trace);
            let read = ReleaseAndTrace::arbitrary_take_rest(Unstructured::new(&seed));
            assert_eq!(read, Ok(ReleaseAndTrace { release: *release, trace: trace.clone() }));
            let read = TraceAlone::arbitrary_take_rest(Unstructured::new(&codec::encode(&trace)));
            assert_eq!(read, Ok(TraceAlone(trace)));
        }
    }

    #[test]
    fn no_seed_is_shorter_than_the_size_hint() {
        let shortest = codec::decode(&[]);
        let seed = conformance_seed(Release::OLDEST, &shortest);
        assert_eq!(ReleaseAndTrace::size_hint(0).0, seed.len());
        assert_eq!(TraceAlone::size_hint(0).0, codec::encode(&shortest).len());
    }

    #[test]
    fn debug_prints_a_scenario_that_reads_as_the_same_trace() {
        let trace = generator::generate(1, 1);
        let input = ReleaseAndTrace { release: Release::NEWEST, trace: trace.clone() };
        for printed in [format!("{input:#?}"), format!("{:#?}", TraceAlone(trace.clone()))] {
            let (_, text) = printed.split_once(":\n\n").expect("a line, an empty line, the scenario");
            assert_eq!(scenario::read("printed", text).expect("a scenario").trace, trace);
        }
        assert!(format!("{input:?}").starts_with(&format!("replica:{} ", Release::NEWEST)));
    }

    #[test]
    fn text_is_read_to_its_last_character_that_is_whole() {
        let read = |bytes| ScenarioText::arbitrary_take_rest(Unstructured::new(bytes)).map(|text| text.0);
        assert_eq!(read("title = \"\u{e9}\"".as_bytes()), Ok("title = \"\u{e9}\"".to_owned()));
        assert_eq!(read(b"ab\xff"), Ok("ab".to_owned()));
    }
}
