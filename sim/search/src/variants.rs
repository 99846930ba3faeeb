//! Triages all failures of a campaign: one representative of each cause in full, the others as its variants.
//!
//! Invariant: the findings depend only on the failures, not on the number of subjects.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use treefall_model::verdict::Weight;

use crate::cause::CauseKey;
use crate::error::SearchError;
use crate::hunt::Failure;
use crate::shrink::Size;
use crate::triage::{Finding, deepen, shrink_failure};
use treefall_base::control::Control;
use treefall_subject::{Subject, SubjectError};

/// Most runs to build up traces smaller than a variant's.
pub const VARIANT_RUNS: u64 = 2_000;

/// Processes a finding. Receives the place of its failure.
pub type Then<'t, T> = dyn Fn(&mut dyn Subject, usize, Finding) -> Result<T, SearchError> + Sync + 't;

/// Triages the failures in parallel, each on one of `subjects`, and passes each finding to `then`. Results are in the
/// order of the failures.
///
/// Building up smaller traces takes at most `build_up_max` runs for the representative of each cause, and
/// [`VARIANT_RUNS`] for its variants. An error concerns its failure only: the others are triaged on a fresh subject.
/// `control` receives the place of the failure and its number of runs before each run.
pub fn triage_all<T: Send>(
    subjects: &mut [Box<dyn Subject>],
    fresh: &(dyn Fn() -> Result<Box<dyn Subject>, SubjectError> + Sync),
    failures: &[Failure],
    build_up_max: u64,
    control: Control<'_, (usize, u64)>,
    then: &Then<'_, T>,
) -> Vec<Result<T, SearchError>> {
    let small = build_up_max.min(VARIANT_RUNS);
    let places: Vec<usize> = (0..failures.len()).collect();
    let shrunk = side_by_side(subjects, fresh, places, &|subject, place| {
        let keep_going = |runs| control.check((place, runs)).is_ok();
        shrink_failure(subject, &|| fresh(), &failures[place], small, Control::new(&keep_going))
    });
    let leaders = representatives(&shrunk);
    let ids: Vec<_> = shrunk.iter().map(|finding| finding.as_ref().ok().map(Finding::id)).collect();
    let items = shrunk.into_iter().enumerate().collect();
    side_by_side(subjects, fresh, items, &|subject, (place, finding)| {
        let mut finding = finding?;
        let keep_going = |runs| control.check((place, runs)).is_ok();
        match leaders[place] {
            Some(leader) if leader != place => finding.variant_of = ids[leader],
            _ if build_up_max > small => {
                finding =
                    deepen(subject, &|| fresh(), finding, build_up_max - small, Control::new(&keep_going))?;
            }
            _ => {}
        }
        then(subject, place, finding)
    })
}

/// Returns for each finding the place of its cause's representative; `None`: it represents itself, because its cause
/// is not known.
///
/// The representative is the smallest finding of a cause. A cause that breaks memory has a second one for its conduct
/// violations.
fn representatives(findings: &[Result<Finding, SearchError>]) -> Vec<Option<usize>> {
    let mut smallest: BTreeMap<(CauseKey, bool), usize> = BTreeMap::new();
    let group = |finding: &Finding| match finding.cause.key() {
        CauseKey::NotKnown | CauseKey::NotInReplica => None,
        key => Some((key, finding.signature().law.weight() == Weight::Memory)),
    };
    for (place, finding) in findings.iter().enumerate() {
        let Ok(finding) = finding else { continue };
        let Some(group) = group(finding) else { continue };
        let leader = smallest.entry(group).or_insert(place);
        if let Ok(other) = &findings[*leader]
            && Size::of(&finding.trace) < Size::of(&other.trace)
        {
            *leader = place;
        }
    }
    let leader =
        |finding: &Result<Finding, SearchError>| smallest.get(&group(finding.as_ref().ok()?)?).copied();
    findings.iter().map(leader).collect()
}

/// Processes the items in parallel, each on one of `subjects`. Results are in the order of the items.
fn side_by_side<I: Send, T: Send>(
    subjects: &mut [Box<dyn Subject>],
    fresh: &(dyn Fn() -> Result<Box<dyn Subject>, SubjectError> + Sync),
    items: Vec<I>,
    one: &(dyn Fn(&mut dyn Subject, I) -> Result<T, SearchError> + Sync),
) -> Vec<Result<T, SearchError>> {
    let next = AtomicUsize::new(0);
    let many = items.len();
    let items: Vec<_> = items.into_iter().map(|item| std::sync::Mutex::new(Some(item))).collect();
    let work = |subject: &mut Box<dyn Subject>| {
        let mut done = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(place).and_then(|item| item.lock().ok()?.take()) else { return done };
            let result = one(subject.as_mut(), item);
            // If no subject can be made either, the next failure reports it.
            if let Err(SearchError::Subject(_)) = &result
                && let Ok(other) = fresh()
            {
                *subject = other;
            }
            done.push((place, result));
        }
    };
    let mut done: Vec<(usize, Result<T, SearchError>)> = std::thread::scope(|scope| {
        let subjects = subjects.iter_mut().take(many.max(1));
        let workers: Vec<_> = subjects.map(|subject| scope.spawn(|| work(subject))).collect();
        let joined = workers.into_iter().map(|worker| worker.join());
        joined.flat_map(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, worked)| worked).collect()
}
