//! Sentences that all forms of a report share.

use crate::words::ending;
use treefall_model::event::SubjectKind;
use treefall_model::release::{Advice, Defect, Elsewhere, Release};
use treefall_model::verdict::Outcome;

use crate::explain::{Explanation, NOT_ASKED, Releases};
use crate::words::Names;
use treefall_search::cause::Cause;
use treefall_search::triage::Finding;

/// The failure in one sentence: how the program fares, and the defect's own headline where the cause is known.
#[must_use]
pub fn claim(finding: &Finding, names: &Names<'_>) -> String {
    let broken = finding.broken();
    let fares = match &finding.verdict.outcome {
        Outcome::Survived => format!("breaks `{}`", broken.signature.law.name()),
        bad => ending(bad),
    };
    let what = match headline(&finding.cause) {
        Some(headline) => uncapitalised(&headline),
        None => names.plain(&broken.detail),
    };
    format!("{} {fares}: {}.", finding.target, what.trim_end_matches('.'))
}

fn uncapitalised(sentence: &str) -> String {
    let mut letters = sentence.chars();
    // A word all in capitals, as SIGTERM, stays as it is.
    match (letters.next(), letters.clone().next()) {
        (Some(first), second) if !second.is_some_and(char::is_uppercase) => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => sentence.to_owned(),
    }
}

/// `2.2.3 and newer`, `2.2.3 until 2.5.0`: which releases have a crash outside the trees.
fn has_it(row: &Elsewhere) -> String {
    match row.mended_in {
        None => format!("{} and newer", row.from),
        Some(mended) => format!("{} until {mended}", row.from),
    }
}

/// What a cause is called at a glance: `A`, `A and B together`, or `NOT KNOWN`.
#[must_use]
pub fn cause_name(cause: &Cause) -> String {
    match cause {
        Cause::Known(defects) | Cause::AsIf(defects) => {
            defects.first().map_or_else(String::new, |it| reported(*it))
        }
        Cause::Together([one, other]) => format!("{} and {} together", reported(*one), reported(*other)),
        Cause::Elsewhere(reach) => format!("{} (outside the trees)", reach.name()),
        Cause::NotKnown | Cause::NotInReplica => "NOT KNOWN".to_owned(),
    }
}

/// `ReloadFreesQueuedTimeout (issue 2468)`.
pub fn reported(defect: Defect) -> String {
    match defect.row().issues_in_words() {
        issues if issues.is_empty() => defect.name().to_owned(),
        issues => format!("{defect} ({issues})"),
    }
}

/// What goes wrong by it, in one sentence, if it is known.
pub(crate) fn headline(cause: &Cause) -> Option<String> {
    match cause {
        Cause::Together([one, other]) => {
            let one = one.headline().trim_end_matches('.');
            Some(format!("{one}; and {}", uncapitalised(other.headline())))
        }
        Cause::Elsewhere(reach) => Elsewhere::of(*reach).map(|row| row.headline.to_owned()),
        _ => cause.defects().first().map(|defect| defect.headline().to_owned()),
    }
}

/// The cause in one line: the leading defect, or the two that it takes.
#[must_use]
pub fn cause_line(cause: &Cause) -> String {
    match cause {
        Cause::Known(defects) => {
            defects.first().map_or_else(String::new, |it| format!("{} ({})", it.name(), mended(*it)))
        }
        Cause::Together([one, other]) => {
            format!("{one} ({}) and {other} ({}) together", mended(*one), mended(*other))
        }
        Cause::AsIf(defects) => {
            let names: Vec<String> =
                defects.iter().map(|it| format!("{} ({})", it.name(), mended(*it))).collect();
            format!("as if the release had {}", names.join(", or "))
        }
        Cause::Elsewhere(reach) => Elsewhere::of(*reach).map_or_else(String::new, |row| {
            format!("outside the trees: {}, with {} ({})", reach.name(), row.used_with, has_it(row))
        }),
        Cause::NotKnown => "NOT KNOWN: it stays, whichever known defect is mended".to_owned(),
        Cause::NotInReplica => "NOT KNOWN: the replica of this release does not show it".to_owned(),
    }
}

/// What else the failure needs: `also required: B (mended in 2.3.3 by 94d40e3b)`; empty where that is nothing more.
#[must_use]
pub fn also_required(cause: &Cause) -> Vec<String> {
    if cause.is_together() {
        return Vec::new();
    }
    let others = cause.also_required().iter();
    others.map(|it| format!("also required: {} ({})", it.name(), mended(*it))).collect()
}

/// Who reported a defect, and what mended it: `issue 2468; mended in 2.3.2 by 7e04261d (pull request 2478), which
/// introduces 2548`.
pub(crate) fn mended(defect: Defect) -> String {
    let row = defect.row();
    let issues = row.issues_in_words();
    let issues = if issues.is_empty() { issues } else { format!("{issues}; ") };
    let Some(release) = row.mended_in else {
        return format!("{issues}not mended up to {}", Release::NEWEST);
    };
    let by = row.mended_by.map(|commit| format!(" by {commit}")).unwrap_or_default();
    let pull_request = row.pull_request.map(|number| format!(" (pull request {number})")).unwrap_or_default();
    let crashes: Vec<String> = release.tree_crashes().map(|it| it.row().short_name()).collect();
    let mut other = String::new();
    if !crashes.is_empty() {
        let run = Advice::against_defect(defect).and_then(Advice::run);
        let run = run.map(|run| format!(", run {run}")).unwrap_or_default();
        other = format!("; {release} has {}{run}", crashes.join(" and "));
    }
    format!("{issues}mended in {release}{by}{pull_request}{other}")
}

/// What is known of a release that is recommended, and how far that goes.
pub(crate) fn how_good(release: Release) -> String {
    let used: Vec<&str> = release.crashes_elsewhere().map(|row| row.used_with).collect();
    let elsewhere = match used.as_slice() {
        [] => String::new(),
        used => format!(
            " It has known crashes elsewhere, which treefall does not show, if you use {}.",
            used.join(", or ")
        ),
    };
    format!("{release} has no known crash of the trees.{elsewhere}")
}

/// Which releases have it, in one line.
pub(crate) fn releases_line(explanation: &Explanation, cause: &Cause) -> String {
    if let Cause::Elsewhere(reach) = cause
        && let Some(row) = Elsewhere::of(*reach)
    {
        return format!("{} ({})", has_it(row), row.rests_on);
    }
    let asked = explanation.releases.were_asked();
    let none = if asked { "no replica of a release shows it" } else { NOT_ASKED };
    releases_in_words(&explanation.releases).unwrap_or_else(|| none.to_owned())
}

/// Those that fail by this cause, the first of them, and which to run; and those that fail by another. `None`: none fails
/// by this one.
pub(crate) fn releases_in_words(releases: &Releases) -> Option<String> {
    let first = releases.first_bad.as_ref()?;
    let fixed = match (&releases.first_without, &releases.fixed) {
        (Some(without), _) if releases.fails_otherwise() => {
            format!("from {without} on by another cause alone")
        }
        (_, Some(fixed)) => fixed.clone(),
        (_, None) => not_fixed(),
    };
    let otherwise = releases.bad_otherwise();
    let otherwise =
        if otherwise.is_empty() { otherwise } else { format!("; by another cause also {otherwise}") };
    Some(format!("{} (first bad {first}); {fixed}{otherwise}", releases.bad()))
}

/// What is said where the newest release has a failure.
pub fn not_fixed() -> String {
    format!("not fixed up to {}", Release::NEWEST)
}

/// The command that replays a failure in a real program's scheduler under gdb. `None` for a replica, which is no program,
/// and for a daemon, whose namespaces gdb does not look into.
pub(crate) fn under_gdb(finding: &Finding, replay: &str) -> Option<String> {
    (finding.kind == SubjectKind::Engine).then(|| format!("{} --gdb", replay.trim_end_matches(" --history")))
}

pub(crate) fn confirmed(finding: &Finding) -> String {
    match finding.confirmed {
        true => format!("by two fresh runs, digest {:032x}", finding.digest),
        false => "NOT: two fresh runs did not agree with it".to_owned(),
    }
}
