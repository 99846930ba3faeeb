//! Computes the answer of a check, and prints what it says besides the findings.

use std::collections::BTreeSet;

use treefall_field::regression::{Better, SharedViolation, Sides};
use treefall_model::release::{Advice, Defect, Reach};
use treefall_model::verdict::{Signature, Weight};
use treefall_report::cause_name;

use super::super::output::{Output, count};
use super::LaneResult;

/// Answer of a check.
pub(super) struct Answer {
    /// `same`, `better`, `worse`, `affected` or `cannot tell`.
    pub(super) word: &'static str,
    /// The answer in one line.
    pub(super) text: String,
    /// Numbers of upstream's issues that affect the new program.
    pub(super) issues: Vec<u16>,
}

impl Answer {
    /// Judges the results. Without `against`, the reference is a replica that may have the same defects, so a violated
    /// memory law makes the program bad even if the replica violates it too. So does a law without a known cause.
    /// `strays` misbehave before any trace.
    pub(super) fn of(
        parts: &[LaneResult],
        strays: &[(Sides, String)],
        against: bool,
        engine_only: bool,
    ) -> Self {
        let seen: usize = parts.iter().map(|part| part.tally.worse.len()).sum();
        let worse = seen + strays.len();
        let affected: BTreeSet<Defect> = parts.iter().flat_map(affecting).collect();
        let issues: BTreeSet<u16> =
            affected.iter().flat_map(|defect| defect.row().issues.first().copied()).collect();
        let is_affected = !affected.is_empty() && (!against || worse > 0);
        let unknown = !against && parts.iter().any(|part| part.tally.shared.iter().any(is_unknown));
        let better: BTreeSet<Better> =
            parts.iter().flat_map(|part| part.tally.better.keys().copied()).collect();
        let (word, text) = if is_affected {
            ("affected", affected_text(&affected))
        } else if worse > 0 {
            ("worse", format!("worse: {}", count(worse as u64, "finding")))
        } else if unknown {
            ("worse", "worse: a law is violated, and no known defect causes it".to_owned())
        } else if !better.is_empty() {
            let texts: BTreeSet<String> = better.iter().map(|it| better_text(*it)).collect();
            ("better", format!("better: {}", texts.into_iter().collect::<Vec<_>>().join("; ")))
        } else if parts.iter().any(|part| part.tally.no_reference.is_some()) {
            ("cannot tell", "cannot tell: the reference cannot play some traces".to_owned())
        } else {
            ("same", "same".to_owned())
        };
        let text = if engine_only { format!("engine only: {text}") } else { text };
        Self { word, text, issues: issues.into_iter().collect() }
    }

    /// Marks the answer as incomplete: the check was interrupted.
    pub(super) fn stop(&mut self) {
        if !self.is_bad() {
            self.word = "cannot tell";
            self.text = format!("cannot tell: stopped; until then {}", self.text);
        }
    }

    /// Reports whether the answer is a failure.
    pub(super) fn is_bad(&self) -> bool {
        matches!(self.word, "worse" | "affected")
    }
}

/// Returns the known memory defects that the new program shows and that keepalived's own code can reach.
fn affecting(part: &LaneResult) -> Vec<Defect> {
    let shared = part.tally.shared.iter().filter(|(signature, _)| signature.law.weight() == Weight::Memory);
    let shared = shared.filter_map(|(_, shared)| shared.cause.leading());
    let found = part.findings.iter().flat_map(|finding| finding.defects());
    let reachable = |defect: &Defect| defect.row().reach != Reach::Cancelling;
    shared.chain(found.filter(|defect| defect.row().breaks_memory)).filter(reachable).collect()
}

/// Reports whether a law that both violate has no known cause.
fn is_unknown((_, shared): (&Signature, &SharedViolation)) -> bool {
    shared.cause.defects().is_empty()
}

/// Formats `affected by issue 2548 (ExitErasesTwice), fixed in 2.3.3`. The named release has no known crash of the
/// trees.
fn affected_text(defects: &BTreeSet<Defect>) -> String {
    let one = |defect: &Defect| {
        let row = defect.row();
        let what = match row.issues {
            [] => row.name.to_owned(),
            _ => format!("{} ({})", row.issues_in_words(), row.name),
        };
        match Advice::against_defect(*defect) {
            Some(advice) => format!("{what}, {advice}"),
            None => format!("{what}, not fixed in any release"),
        }
    };
    let all: Vec<String> = defects.iter().map(one).collect();
    format!("affected by {}", all.join("; by "))
}

fn better_text(better: Better) -> String {
    match better {
        Better::Mends(defect) => format!("fixes {defect}"),
        Better::NoLonger(signature) => format!("no longer violates {}", signature.law.name()),
    }
}

/// Prints what is better, what both violate, and how much was played.
pub(super) fn print_rest(part: &LaneResult, output: &mut Output) {
    let (word, tally) = (part.sides.word(), &part.tally);
    // If the new program is worse, the same change may be why it violates less in other traces.
    if !tally.worse.is_empty() && !tally.better.is_empty() {
        let laws: BTreeSet<String> = tally.better.keys().map(|it| better_text(*it)).collect();
        let laws: Vec<String> = laws.into_iter().collect();
        output.line(format_args!("in other traces ({word}): {}", laws.join("; ")));
    }
    for (better, traces) in tally.better.iter().filter(|_| tally.worse.is_empty()) {
        let text = match better {
            Better::Mends(defect) => format!("fixes {defect}: {}", defect.row().headline),
            Better::NoLonger(signature) => format!("no longer violates {signature}"),
        };
        output.line(format_args!("better ({word}): {text} ({})", count(*traces, "trace")));
    }
    if !tally.shared.is_empty() {
        let laws: BTreeSet<String> = tally
            .shared
            .iter()
            .map(|(signature, shared)| format!("{} ({})", signature.law.name(), cause_name(&shared.cause)))
            .collect();
        let laws: Vec<String> = laws.into_iter().collect();
        output.line(format_args!("both violate ({word}): {}", laws.join("; ")));
    }
    if let Some((traces, why)) = &tally.no_reference {
        let traces = count(*traces, "trace");
        output.line(format_args!("cannot tell ({word}): the reference cannot play {traces}: {why}"));
    }
    output.line(format_args!(
        "played ({word}): {}, {}; {} different; {}",
        count(tally.scenarios, "known scenario"),
        count(tally.traces, "random trace"),
        tally.unlike,
        part.sides,
    ));
}
