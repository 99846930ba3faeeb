//! The report of a finding as plain text.

use std::fmt::Write as _;

use treefall_model::event::{Event, Record};
use treefall_model::release::Release;
use treefall_model::trace::Trace;
use treefall_model::verdict::Verdict;

use super::words::Names;
use crate::cause::Cause;
use crate::finding::{Finding, ShrunkOn};

/// Most lines of a timeline; what is beyond is counted.
const TIMELINE_LINES_MAX: usize = 60;

/// The find in one sentence.
#[must_use]
pub fn claim(finding: &Finding) -> String {
    let broken = finding.broken();
    format!("{} breaks `{}`: {}", finding.target, broken.signature.law.name(), broken.detail)
}

/// The cause in one line.
#[must_use]
pub fn cause_line(cause: &Cause) -> String {
    match cause {
        Cause::Known(defects) => {
            let each = defects.iter().map(|defect| {
                let row = defect.row();
                let mended = match (row.mended_in, row.mended_by) {
                    (Some(release), Some(commit)) => format!("mended in {release} by {commit}"),
                    (Some(release), None) => format!("mended in {release}"),
                    (None, _) => format!("not mended in {}", Release::NEWEST),
                };
                format!("{} ({mended})", defect.name())
            });
            each.collect::<Vec<_>>().join("; ")
        }
        Cause::NotKnown => "NOT KNOWN: no single mend makes it vanish".to_owned(),
        Cause::NotInReplica => "NOT KNOWN: the replica of this release does not show it".to_owned(),
    }
}

/// The whole report. `replay` is the command that replays it, `history` the run of the smallest trace.
#[must_use]
pub fn finding(finding: &Finding, history: &[Record], replay: &str) -> String {
    let mut text = String::new();
    let broken = finding.broken();
    let law = broken.signature.law;
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{}", claim(finding));
    let _ = writeln!(text, "\nlaw        {}: {}", law.name(), law.sentence());
    let _ = writeln!(text, "signature  {}", broken.signature);
    let _ = writeln!(text, "cause      {}", cause_line(&finding.cause));
    for defect in finding.cause.defects() {
        let _ = writeln!(text, "           {}", defect.row().headline);
    }
    let _ = writeln!(text, "outcome    {}", finding.verdict.outcome);
    let _ = writeln!(text, "found      {}", found(finding));
    let _ = writeln!(text, "confirmed  {}", confirmed(finding));
    let _ = writeln!(text, "replay     {replay}\n");
    text.push_str(&laws(&finding.verdict));
    text.push('\n');
    text.push_str(&timeline(&finding.trace, history, &finding.verdict));
    text
}

fn found(finding: &Finding) -> String {
    let minimal = if finding.minimal { "minimal" } else { "not proved minimal" };
    let on = match finding.shrunk_on {
        ShrunkOn::Itself => "",
        ShrunkOn::ReplicaConfirmed => ", each step confirmed on the real program",
        ShrunkOn::RealBecauseReplicaDiffers => ", on the real program: the replica does not show it",
    };
    format!(
        "trace {}, {} wakes; shrunk to {} in {} runs{on}; {minimal}",
        finding.find.number,
        finding.find.trace.wakes().len(),
        finding.trace.wakes().len(),
        finding.runs,
    )
}

fn confirmed(finding: &Finding) -> String {
    match finding.confirmed {
        true => format!("twice in fresh subjects, digest {:032x}", finding.digest),
        false => "NOT: two fresh runs did not agree with it".to_owned(),
    }
}

fn laws(verdict: &Verdict) -> String {
    let mut text = String::from("laws broken, where each first was:\n");
    for broken in &verdict.breaks {
        let _ = writeln!(text, "  {:>12}  {}: {}", broken.at.to_string(), broken.signature, broken.detail);
    }
    text
}

/// The history as a short timeline, with the laws where they broke.
#[must_use]
pub fn timeline(trace: &Trace, history: &[Record], verdict: &Verdict) -> String {
    let names = Names::new(trace);
    let mut text = String::from("what happened:\n");
    let mut lines = 0;
    let mut left = 0;
    for (place, record) in history.iter().enumerate() {
        let broken = verdict.breaks.iter().filter(|broken| broken.records == place as u64 + 1);
        let words = names.tell(&record.event);
        if lines < TIMELINE_LINES_MAX {
            if let Some(words) = words {
                let mark = if matches!(record.event, Event::Woke { .. }) { '>' } else { ' ' };
                let _ = writeln!(text, "{mark} {:>12}  {words}", record.at.to_string());
                lines += 1;
            }
            for broken in broken {
                let _ = writeln!(text, "! {:>12}  ^ {} breaks here", "", broken.signature.law.name());
            }
        } else {
            left += usize::from(words.is_some());
        }
    }
    if left > 0 {
        let _ = writeln!(text, "  {:>12}  .. and {left} more", "");
    }
    if !verdict.outcome.survived() {
        let _ = writeln!(text, "x {:>12}  the program {}", "", verdict.outcome);
    }
    text
}
