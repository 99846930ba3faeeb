//! Where a finding comes from, and the scenario that keeps it.

use std::borrow::Cow;
use std::path::Path;

use treefall_model::event::SubjectKind;
use treefall_model::trace::Trace;
use treefall_model::verdict::{Signature, Verdict};
use treefall_scenario::{About, Expectation, Expectations, Provenance, Scenario, Whom};
use treefall_search::generator::{self, Sampling, Source};
use treefall_search::hunt::Failure;
use treefall_subject::target::{Base, ReplicaName, Target};

/// What found it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FoundBy {
    /// A hunt, in a trace that the generator drew from this source.
    Hunt(Source),
    /// A soak of this seed: the trace was cut from a life.
    Soak(u64),
    /// An exhaustive search.
    Explore,
    /// A fuzzer: the trace was decoded from a file.
    Fuzzer,
}

impl FoundBy {
    const fn seed(self) -> Option<u64> {
        match self {
            Self::Hunt(source) => Some(source.seed),
            Self::Soak(seed) => Some(seed),
            Self::Explore | Self::Fuzzer => None,
        }
    }

    /// The origin of the failure of this number, in words.
    #[must_use]
    pub fn origin(self, number: u64) -> String {
        match self {
            Self::Hunt(source) => format!("trace {number} of {source}"),
            Self::Soak(seed) => format!("life {number} of seed {seed}"),
            Self::Explore => "an exhaustive search".to_owned(),
            Self::Fuzzer => "a file of the fuzzer's".to_owned(),
        }
    }

    /// How the title of the scenario ends that keeps the trace as it was found.
    const fn as_found(self) -> &'static str {
        match self {
            Self::Hunt(_) | Self::Fuzzer => "as found",
            Self::Soak(_) => "at the end of a life",
            Self::Explore => "by a shortest trace of an alphabet",
        }
    }

    fn command(self, target: &Target) -> String {
        match self {
            Self::Hunt(Source { sampling, cancelling, guarded, outside, .. }) => {
                let by = match sampling {
                    Sampling::Swarm => String::new(),
                    other => format!(" --sampling {other}"),
                };
                let cancelling = if cancelling { " --cancelling" } else { "" };
                let guarded = if guarded { " --guarded" } else { "" };
                let scripts_only =
                    if target.kind() == SubjectKind::Daemon && !outside { " --scripts-only" } else { "" };
                format!("treefall hunt{by}{cancelling}{guarded}{scripts_only}")
            }
            Self::Soak(_) => "treefall soak".to_owned(),
            Self::Explore => "treefall explore".to_owned(),
            Self::Fuzzer => "cargo fuzz".to_owned(),
        }
    }
}

/// A target, and what finds failures on it.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'o> {
    /// The target.
    pub target: &'o Target,
    /// What searches it.
    pub by: FoundBy,
}

impl Origin<'_> {
    /// The scenario that keeps a failure as it was found.
    #[must_use]
    pub fn as_found(self, failure: &Failure) -> Scenario {
        let title = format!("{} on {}, {}", failure.signature(), self.target, self.by.as_found());
        self.scenario(&title, failure.number, failure.signature(), failure.trace.clone(), &failure.verdict)
    }

    /// A trace as a scenario that expects of the target's release exactly this verdict. `number`: of the failure.
    #[must_use]
    pub fn scenario(
        self,
        title: &str,
        number: u64,
        signature: Signature,
        trace: Trace,
        verdict: &Verdict,
    ) -> Scenario {
        let mut scenario = Scenario::new(title, trace);
        scenario.about = about(self.target, signature, verdict);
        let row = whom(self.target).map(|whom| (whom, Expectation::exactly(verdict)));
        // One row contradicts no other.
        scenario.expect = Expectations::new(row).unwrap_or_default();
        let hunted = matches!(self.by, FoundBy::Hunt(_));
        scenario.provenance = Provenance {
            seed: self.by.seed(),
            trace: self.by.seed().map(|_| number),
            generator: hunted.then_some(u64::from(generator::VERSION)),
            found_by: Some(self.by.command(self.target)),
            found_on: Some(self.target.to_string()),
        };
        scenario
    }
}

/// The release and law that a scenario of this signature is about; `None`: the last violation shows that by itself.
#[must_use]
pub fn about(target: &Target, signature: Signature, verdict: &Verdict) -> Option<About> {
    let last = verdict.breaks.last().map(|broken| broken.signature.law);
    let Whom::Releases { first: Some(release), .. } = whom(target).filter(|_| last != Some(signature.law))?
    else {
        return None;
    };
    Some(About { release, law: Some(signature.law) })
}

/// The release whose expectation a target can meet; `None`: a replica with changed defects is of no release.
#[must_use]
pub fn whom(target: &Target) -> Option<Whom> {
    let only = |release| Whom::Releases { first: Some(release), last: Some(release) };
    match target {
        Target::Replica(ReplicaName { with, without, .. }) if !with.is_empty() || !without.is_empty() => None,
        Target::Replica(ReplicaName { base: Base::Mended, .. }) => Some(Whom::Mended),
        Target::Replica(ReplicaName { base: Base::Release(release), .. }) => Some(only(*release)),
        Target::Engine(place) | Target::Daemon(place) | Target::Configured(place, _) => {
            let program = place.open();
            program.ok().map(|program| only(program.release()))
        }
    }
}

/// The command that replays a scenario on a target.
#[must_use]
pub fn replay_command(target: &str, scenario: &Path) -> String {
    let (file, target) = (scenario.display().to_string(), target.to_owned());
    format!("treefall replay {} --target {} --history", quoted(&file), quoted(&target))
}

/// A word of a command as a shell reads it. No path and no argument has a zero in it; were there one, it stays as it is.
#[must_use]
pub fn quoted(word: &str) -> String {
    shlex::try_quote(word).map_or_else(|_| word.to_owned(), Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_command_can_be_typed_whatever_the_file_is_called() {
        let command = |file: &str| replay_command("replica:2.3.1", Path::new(file));
        assert_eq!(
            command("a/minimal.toml"),
            "treefall replay a/minimal.toml --target replica:2.3.1 --history"
        );
        let words = shlex::split(&command("my finds/it's $1.toml")).expect("words");
        assert_eq!(
            words,
            ["treefall", "replay", "my finds/it's $1.toml", "--target", "replica:2.3.1", "--history"]
        );
    }
}
