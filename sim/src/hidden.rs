//! Why a defect that a release has was the cause of no find: by running, never by a list of exceptions.
//!
//! A hunt keeps the first trace of each signature. So a defect can be missing among the causes because another
//! one shows by the same signature, earlier; because another one always breaks first what it would break
//! (*masked*); or because nothing else in the release brings about what it needs (*latent*). Which of these it
//! is, is told by replicas of the release with other defects mended, or put in.

use treefall_model::release::{Defect, Defects, Rules};
use treefall_model::trace::Trace;
use treefall_model::verdict::Signature;

use crate::cause::{Cause, cause};
use crate::generator;
use crate::hunt::Find;
use crate::shrink::{self, Limits};
use crate::subject::Options;
use crate::subject::replica::{probe_replica, run_replica};

/// Most traces of a search on a replica with this defect alone.
const ALONE_TRACES: u64 = 1_500;
/// Most traces of a search on a replica with this defect and one other.
const BESIDE_TRACES: u64 = 250;

/// As many different small traces are tried on the release itself.
const MET_MAX: usize = 8;

/// Where a defect hides.
#[derive(Clone, Debug)]
pub enum Hidden {
    /// Nowhere: this trace shows it on the release as it is.
    Shown(Box<Find>),
    /// Behind others of the release: it shows when these are mended, each of which must be.
    MaskedBy(Vec<Defect>),
    /// It does nothing in this release; it would beside this defect.
    LatentWithout(Defect),
    /// It was not met.
    NotSeen,
}

/// Where `defect` hides in a release of these `rules`, in the traces of the campaign of `seed`.
#[must_use]
pub fn find_hidden(defect: Defect, rules: Rules, seed: u64) -> Hidden {
    let others = || rules.defects.iter().filter(move |other| *other != defect);
    let alone = without(rules, others());
    let met = shown_by(defect, alone, seed, ALONE_TRACES);
    if let Some(find) = met.iter().find_map(|find| on_release(find, defect, rules)) {
        return Hidden::Shown(Box::new(find));
    }
    if let Some(find) = met.first() {
        return Hidden::MaskedBy(masks(find, defect, rules));
    }
    // Those of the release first: what it needs may be there.
    let strangers = Defect::ALL.into_iter().filter(|other| !rules.defects.has(*other));
    for other in others().chain(strangers) {
        let met = shown_by(defect, alone.with(other), seed, BESIDE_TRACES);
        if !rules.defects.has(other) && !met.is_empty() {
            return Hidden::LatentWithout(other);
        }
        if let Some(find) = met.iter().find_map(|find| on_release(find, defect, rules)) {
            return Hidden::Shown(Box::new(find));
        }
        if let Some(find) = met.first() {
            return Hidden::MaskedBy(masks(find, defect, rules));
        }
    }
    Hidden::NotSeen
}

fn without(rules: Rules, defects: impl Iterator<Item = Defect>) -> Rules {
    defects.fold(rules, Rules::without)
}

/// The first traces with a signature of which `defect` is a cause under `rules`, shrunk.
fn shown_by(defect: Defect, rules: Rules, seed: u64, traces: u64) -> Vec<Find> {
    let mut met: Vec<Find> = Vec::new();
    for number in 0..traces {
        let trace = generator::generate(seed, number);
        let verdict = run_replica(&trace, rules, Options::VERDICT).verdict;
        for broken in &verdict.breaks {
            if !has(cause(&trace, broken.signature, rules), defect) {
                continue;
            }
            let small = shrunk(&trace, broken.signature, rules);
            let known = met.iter().any(|find| find.trace == small && find.signature() == broken.signature);
            if !known && has(cause(&small, broken.signature, rules), defect) {
                let (broken, verdict) = (broken.clone(), verdict.clone());
                met.push(Find { number, trace: small, broken, verdict });
            }
        }
        if met.len() >= MET_MAX || !met.is_empty() && number >= BESIDE_TRACES {
            break;
        }
    }
    met
}

fn has(cause: Cause, defect: Defect) -> bool {
    cause.defects().contains(&defect)
}

fn shrunk(trace: &Trace, signature: Signature, rules: Rules) -> Trace {
    let verdict = probe_replica(trace, rules, signature);
    let judge = |trace: &Trace| Ok::<_, std::convert::Infallible>(probe_replica(trace, rules, signature));
    match shrink::shrink(trace.clone(), verdict, signature, Limits::default(), judge) {
        Ok(shrunk) => shrunk.trace,
        Err(never) => match never {},
    }
}

/// The find as the release itself shows it, if `defect` is a cause of it there too.
fn on_release(find: &Find, defect: Defect, rules: Rules) -> Option<Find> {
    let verdict = run_replica(&find.trace, rules, Options::VERDICT).verdict;
    let broken = verdict.breaks.iter().find(|broken| broken.signature == find.signature())?.clone();
    let shows = has(cause(&find.trace, find.signature(), rules), defect);
    shows.then(|| Find { number: find.number, trace: find.trace.clone(), broken, verdict })
}

/// Which defects of the release must be mended for `find` to show: each one, put back in by itself with all that
/// were put back before, hides it.
fn masks(find: &Find, defect: Defect, rules: Rules) -> Vec<Defect> {
    let mut mended: Defects = rules.defects.iter().filter(|other| *other != defect).collect();
    for other in rules.defects.iter().filter(|other| *other != defect) {
        let fewer = mended.without(other);
        if has(cause(&find.trace, find.signature(), without(rules, fewer.iter())), defect) {
            mended = fewer;
        }
    }
    mended.iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use treefall_model::release::Release;

    fn of(release: &str) -> Rules {
        Rules::of(Release::parse(release).expect("a release"))
    }

    #[test]
    fn until_2_3_1_the_skipped_timeout_is_masked_by_the_freed_one_and_mending_that_shows_it() {
        let hidden = find_hidden(Defect::ReloadSkipsQueuedTimeout, of("2.2.8"), 1);
        let Hidden::MaskedBy(masks) = hidden else { panic!("{hidden:?}") };
        assert_eq!(masks, [Defect::ReloadFreesQueuedTimeout]);
    }

    #[test]
    fn a_defect_that_shares_its_signature_with_another_is_shown_all_the_same() {
        let hidden = find_hidden(Defect::ReloadForgetsChildren, of("2.2.4"), 1);
        let Hidden::Shown(find) = hidden else { panic!("{hidden:?}") };
        assert!(has(cause(&find.trace, find.signature(), of("2.2.4")), Defect::ReloadForgetsChildren));
    }

    #[test]
    fn signalling_the_group_of_nobody_is_latent_in_the_newest_release() {
        let hidden = find_hidden(Defect::GroupOfNobody, Rules::of(Release::NEWEST), 1);
        assert!(matches!(hidden, Hidden::LatentWithout(_)), "{hidden:?}");
    }
}
