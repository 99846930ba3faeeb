//! The answer of a check, in one line, and what is told beside the findings.

use std::collections::BTreeSet;

use treefall_field::regression::{Better, SharedViolation, Sides};
use treefall_model::release::{Advice, Defect, Reach};
use treefall_model::verdict::{Signature, Weight};
use treefall_report::cause_name;

use super::super::output::{Output, count};
use super::Part;

/// What a check came to.
pub(super) struct Answer {
    /// `same`, `better`, `worse`, `affected` or `cannot tell`.
    pub(super) word: &'static str,
    /// The answer in one line.
    pub(super) text: String,
    /// Numbers of upstream's issues that the new program is affected by.
    pub(super) issues: Vec<u16>,
}

impl Answer {
    /// Of what was found. Without a reference of its own (`against`), a law of memory that the replica breaks too, or one
    /// that no known defect leads to, makes a program bad. `strays` misbehave before any trace.
    pub(super) fn of(parts: &[Part], strays: &[(Sides, String)], against: bool, engine_only: bool) -> Self {
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
            ("affected", affected_in_words(&affected))
        } else if worse > 0 {
            ("worse", format!("worse: {}", count(worse as u64, "finding")))
        } else if unknown {
            ("worse", "worse: a law breaks, and no known defect leads to it".to_owned())
        } else if !better.is_empty() {
            let told: BTreeSet<String> = better.iter().map(|it| better_in_words(*it)).collect();
            ("better", format!("better: {}", told.into_iter().collect::<Vec<_>>().join("; ")))
        } else if parts.iter().any(|part| part.tally.no_reference.is_some()) {
            ("cannot tell", "cannot tell: the reference cannot be driven through some traces".to_owned())
        } else {
            ("same", "same".to_owned())
        };
        let text = if engine_only { format!("engine only: {text}") } else { text };
        Self { word, text, issues: issues.into_iter().collect() }
    }

    /// The check was stopped: what was not played cannot be told.
    pub(super) fn stop(&mut self) {
        if !self.is_bad() {
            self.word = "cannot tell";
            self.text = format!("cannot tell: stopped; until then {}", self.text);
        }
    }

    /// Whether it is a failure.
    pub(super) fn is_bad(&self) -> bool {
        matches!(self.word, "worse" | "affected")
    }
}

/// The known defects that can break memory, that the new program shows, and that keepalived's own code can reach.
fn affecting(part: &Part) -> Vec<Defect> {
    let shared = part.tally.shared.iter().filter(|(signature, _)| signature.law.weight() == Weight::Memory);
    let shared = shared.filter_map(|(_, shared)| shared.cause.leading());
    let found = part.findings.iter().flat_map(|finding| finding.defects());
    let reachable = |defect: &Defect| defect.row().reach != Reach::Cancelling;
    shared.chain(found.filter(|defect| defect.row().breaks_memory)).filter(reachable).collect()
}

/// Whether no known defect leads to a law that both break.
fn is_unknown((_, shared): (&Signature, &SharedViolation)) -> bool {
    shared.cause.defects().is_empty()
}

/// `affected by issue 2548 (ExitErasesTwice), fixed in 2.3.3`: the release to run has no known crash of the trees.
fn affected_in_words(defects: &BTreeSet<Defect>) -> String {
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

fn better_in_words(better: Better) -> String {
    match better {
        Better::Mends(defect) => format!("mends {defect}"),
        Better::NoLonger(signature) => format!("no longer breaks {}", signature.law.name()),
    }
}

/// Tells what is better, what both break, and how much was played.
pub(super) fn tell_rest(part: &Part, output: &mut Output) {
    let (word, tally) = (part.sides.word(), &part.tally);
    // Where the new program is worse, that it breaks less in other traces may come of the same change.
    if !tally.worse.is_empty() && !tally.better.is_empty() {
        let laws: BTreeSet<String> = tally.better.keys().map(|it| better_in_words(*it)).collect();
        let laws: Vec<String> = laws.into_iter().collect();
        output.line(format_args!("in other traces ({word}): {}", laws.join("; ")));
    }
    for (better, traces) in tally.better.iter().filter(|_| tally.worse.is_empty()) {
        let in_words = match better {
            Better::Mends(defect) => format!("mends {defect}: {}", defect.row().headline),
            Better::NoLonger(signature) => format!("no longer breaks {signature}"),
        };
        output.line(format_args!("better ({word}): {in_words} ({})", count(*traces, "trace")));
    }
    if !tally.shared.is_empty() {
        let laws: BTreeSet<String> = tally
            .shared
            .iter()
            .map(|(signature, shared)| format!("{} ({})", signature.law.name(), cause_name(&shared.cause)))
            .collect();
        let laws: Vec<String> = laws.into_iter().collect();
        output.line(format_args!("both break ({word}): {}", laws.join("; ")));
    }
    if let Some((traces, why)) = &tally.no_reference {
        let traces = count(*traces, "trace");
        output.line(format_args!(
            "cannot tell ({word}): the reference cannot be driven through {traces}: {why}"
        ));
    }
    output.line(format_args!(
        "played ({word}): {}, {}; {} not the same; {}",
        count(tally.scenarios, "known scenario"),
        count(tally.traces, "random trace"),
        tally.unlike,
        part.sides,
    ));
}
