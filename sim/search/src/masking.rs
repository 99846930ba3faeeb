//! Explains by running why a defect of a release was the cause of no failure.
//!
//! A hunt keeps the first trace of each signature and cause. A defect can be missing among the causes because its
//! traces are rare; because another defect always breaks first what it would break (*masked*); or because nothing
//! else in the release produces what it needs (*latent*). Replicas of the release with other defects fixed or added
//! decide between these.
//! mended, or put in, tell.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use treefall_model::event::SubjectKind;
use treefall_model::release::{Defect, Defects, Rules};
use treefall_model::trace::Trace;
use treefall_model::verdict::{Outcome, Signature, Verdict, Violation};

use crate::cause::cause;
use crate::generator::Source;
use crate::hunt::Failure;
use crate::shrink::{self, Limits};
use treefall_base::control::Control;
use treefall_subject::Options;
use treefall_subject::replica::{probe_replica, run_replica};

/// Most traces of a search on a replica with only this defect.
const ALONE_TRACES: u64 = 500;
/// Most traces of a search on a replica with this defect and one other.
const BESIDE_TRACES: u64 = 80;

/// Most traces from which shrinking is tried.
const MET_MAX: usize = 6;
/// Most candidates of one such shrinking.
const RUNS_MAX: u64 = 3_000;

/// After so many traces in which only other defects cause a signature, its cause is no longer determined.
const REFUSALS_MAX: usize = 6;

/// Where a defect can be seen.
#[derive(Clone, Debug)]
pub enum Visibility {
    /// On the release itself, in this trace.
    Shown(Box<Failure>),
    /// When these other defects of the release, all of them, are fixed.
    MaskedBy(Vec<Defect>),
    /// Nowhere in this release; it would show together with this other defect.
    LatentWithout(Defect),
    /// In none of the traces that were run.
    NotSeen,
}

impl Visibility {
    /// Describes it, to follow the defect's name; `None`: the defect shows on the release itself.
    #[must_use]
    pub fn in_words(&self) -> Option<String> {
        match self {
            Self::Shown(_) => None,
            Self::MaskedBy(masks) => {
                let masks: Vec<&str> = masks.iter().map(|defect| defect.name()).collect();
                Some(format!("masked by {}", masks.join(" and ")))
            }
            Self::LatentWithout(other) => Some(format!("latent: would show beside {other}")),
            Self::NotSeen => Some("not seen".to_owned()),
        }
    }
}

/// The defects of a release that lead none of its findings.
#[derive(Clone, Default, Debug)]
pub struct Behind {
    /// Defects that show on the release, each with its trace.
    pub shown: Vec<(Defect, Failure)>,
    /// The other defects.
    pub hidden: BTreeMap<Defect, Visibility>,
}

/// Searches for each defect of `rules` that is not among `leading`, in the traces of the campaign of `seed`.
///
/// Defects that remain after an interruption count as not seen.
#[must_use]
pub fn look_behind(rules: Rules, leading: &BTreeSet<Defect>, seed: u64, control: Control<'_, ()>) -> Behind {
    let missing: Vec<Defect> = rules.defects.iter().filter(|defect| !leading.contains(defect)).collect();
    let failure = |defect: &Defect| {
        control.check(()).map_or(Visibility::NotSeen, |()| visibility_of(*defect, rules, seed))
    };
    let visibility: Vec<Visibility> = missing.par_iter().map(failure).collect();
    let mut behind = Behind::default();
    for (defect, visibility) in missing.into_iter().zip(visibility) {
        match visibility {
            Visibility::Shown(failure) => behind.shown.push((defect, *failure)),
            hidden => drop(behind.hidden.insert(defect, hidden)),
        }
    }
    behind
}

/// Determines where `defect` shows in a release with these `rules`, in the traces of the campaign of `seed`, without
/// and with cancelling scripts.
#[must_use]
pub fn visibility_of(defect: Defect, rules: Rules, seed: u64) -> Visibility {
    let others = || rules.defects.iter().filter(move |other| *other != defect);
    let alone = without(rules, others());
    let source = Source::swarm(seed);
    let met = search(defect, alone, rules, source, ALONE_TRACES);
    if let Some(hidden) = met.visibility(defect, rules) {
        return hidden;
    }
    // Defects of the release come first: they may produce what it needs.
    let strangers = Defect::ALL.into_iter().filter(|other| !rules.defects.has(*other));
    for other in others().chain(strangers) {
        let met = search(defect, alone.with(other), rules, source, BESIDE_TRACES);
        if !rules.defects.has(other) && met.first.is_some() {
            return Visibility::LatentWithout(other);
        }
        if let Some(hidden) = met.visibility(defect, rules) {
            return hidden;
        }
    }
    // keepalived's scripts cancel nothing, nor do those of an ordinary campaign.
    let met = search(defect, alone, rules, source.cancelling(), ALONE_TRACES);
    met.visibility(defect, rules).unwrap_or(Visibility::NotSeen)
}

fn without(rules: Rules, defects: impl Iterator<Item = Defect>) -> Rules {
    defects.fold(rules, Rules::without)
}

/// The results of a search for one defect.
#[derive(Default)]
struct SearchHits {
    /// The first trace of which the defect is a cause, shrunk.
    first: Option<Failure>,
    /// A trace of which it is the leading cause on the release itself.
    on_release: Option<Failure>,
    /// A trace of which it is another required cause on the release itself.
    required: Option<Failure>,
}

impl SearchHits {
    fn visibility(self, defect: Defect, rules: Rules) -> Option<Visibility> {
        let shown = self.on_release.or(self.required).map(|failure| Visibility::Shown(Box::new(failure)));
        shown.or_else(|| self.first.map(|failure| Visibility::MaskedBy(masks(&failure, defect, rules))))
    }
}

/// Searches for traces of which `defect` is a cause under `rules`. While each is shrunk, looks for a candidate of
/// which it is the leading cause, or at least a cause, on `release` too.
fn search(defect: Defect, rules: Rules, release: Rules, source: Source, traces: u64) -> SearchHits {
    let mut met = SearchHits::default();
    let (mut tried, mut refused) = (0, Vec::new());
    for number in 0..traces {
        let trace = source.trace(number);
        let verdict = run_replica(&trace, rules, Options::VERDICT).verdict;
        for broken in verdict.breaks {
            let signature = broken.signature;
            let refusals = refused.iter().filter(|other| **other == signature).count();
            if refusals >= REFUSALS_MAX || tried >= MET_MAX {
                continue;
            }
            if !is_cause(defect, &trace, signature, rules) {
                refused.push(signature);
                continue;
            }
            tried += 1;
            let (mut leading, mut required) = (None, None);
            let small = shrunk(&trace, signature, |trace| {
                if !is_cause(defect, trace, signature, rules) {
                    return false;
                }
                if is_cause(defect, trace, signature, release) {
                    let place =
                        if leads(defect, trace, signature, release) { &mut leading } else { &mut required };
                    *place = Some(trace.clone());
                }
                true
            });
            met.first.get_or_insert_with(|| failure_of(number, small, signature, rules, &broken));
            if let Some(shown) = leading {
                let small = shrunk(&shown, signature, |trace| {
                    is_cause(defect, trace, signature, release) && leads(defect, trace, signature, release)
                });
                met.on_release = Some(failure_of(number, small, signature, release, &broken));
                return met;
            }
            if let Some(shown) = required.filter(|_| met.required.is_none()) {
                let small = shrunk(&shown, signature, |trace| is_cause(defect, trace, signature, release));
                met.required = Some(failure_of(number, small, signature, release, &broken));
            }
        }
        if tried >= MET_MAX {
            break;
        }
    }
    met
}

fn failure_of(number: u64, trace: Trace, signature: Signature, rules: Rules, like: &Violation) -> Failure {
    let verdict = run_replica(&trace, rules, Options::VERDICT).verdict;
    let broken = verdict.violation(signature).unwrap_or(like).clone();
    Failure::new(number, trace, broken, verdict)
}

fn is_cause(defect: Defect, trace: &Trace, signature: Signature, rules: Rules) -> bool {
    let shows = |rules| probe_replica(trace, rules, signature).shows(signature);
    shows(rules) && !shows(rules.without(defect))
}

fn leads(defect: Defect, trace: &Trace, signature: Signature, rules: Rules) -> bool {
    cause(SubjectKind::Replica, trace, signature, rules).leading() == Some(defect)
}

/// Returns the smallest `wanted` trace that edits lead to.
fn shrunk(trace: &Trace, signature: Signature, mut wanted: impl FnMut(&Trace) -> bool) -> Trace {
    let verdict = |shows: bool| {
        let broken = Violation::bare(signature);
        Verdict { breaks: if shows { vec![broken] } else { Vec::new() }, outcome: Outcome::Survived }
    };
    let limits = Limits { runs_max: RUNS_MAX, pairs: false };
    let judge = |trace: &Trace| Ok::<_, std::convert::Infallible>(verdict(wanted(trace)));
    match shrink::shrink(trace.clone(), verdict(true), signature, limits, judge) {
        Ok(shrunk) => shrunk.trace,
        Err(never) => match never {},
    }
}

/// Returns the defects of the release that must be fixed for the failure to show: adding any of them back, after the
/// earlier ones, hides it.
fn masks(failure: &Failure, defect: Defect, rules: Rules) -> Vec<Defect> {
    let mut mended: Defects = rules.defects.iter().filter(|other| *other != defect).collect();
    for other in rules.defects.iter().filter(|other| *other != defect) {
        let fewer = mended.without(other);
        if is_cause(defect, &failure.trace, failure.signature(), without(rules, fewer.iter())) {
            mended = fewer;
        }
    }
    mended.iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use treefall_model::event::Step;
    use treefall_model::release::Release;

    fn of(release: &str) -> Rules {
        Rules::of(Release::parse(release).expect("a release"))
    }

    #[test]
    fn until_2_3_1_the_skipped_timeout_is_masked_by_the_freed_one_and_mending_that_shows_it() {
        let hidden = visibility_of(Defect::ReloadSkipsQueuedTimeout, of("2.2.8"), 1);
        let Visibility::MaskedBy(masks) = hidden else { panic!("{hidden:?}") };
        assert_eq!(masks, [Defect::ReloadFreesQueuedTimeout]);
    }

    #[test]
    fn a_defect_that_shares_its_signature_with_another_is_shown_all_the_same() {
        let hidden = visibility_of(Defect::ReloadForgetsChildren, of("2.2.4"), 1);
        let Visibility::Shown(failure) = hidden else { panic!("{hidden:?}") };
        assert!(is_cause(Defect::ReloadForgetsChildren, &failure.trace, failure.signature(), of("2.2.4")));
    }

    #[test]
    fn what_only_a_cancelled_entry_shows_is_shown_and_where_timeouts_leave_the_tree_at_once_it_is_masked() {
        let shown = visibility_of(Defect::CancelLeavesPidEntry, of("2.2.8"), 1);
        assert!(
            matches!(&shown, Visibility::Shown(failure) if failure.signature().step == Step::Cancel),
            "{shown:?}"
        );
        let masked = visibility_of(Defect::CancelLeavesPidEntry, of("2.0.12"), 1);
        let Visibility::MaskedBy(masks) = masked else { panic!("{masked:?}") };
        assert_eq!(masks, [Defect::TimeoutDropsPidEntryEarly]);
    }

    #[test]
    fn signalling_the_group_of_nobody_is_latent_in_the_newest_release() {
        let hidden = visibility_of(Defect::GroupOfNobody, Rules::of(Release::NEWEST), 1);
        assert!(matches!(hidden, Visibility::LatentWithout(_)), "{hidden:?}");
    }
}
