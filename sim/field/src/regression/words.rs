//! Describes a finding: what is worse, the first difference side by side, the calls that led there, the known defect.

use std::fmt::Write as _;

use treefall_model::contents::Held;
use treefall_model::event::Record;
use treefall_model::index::Entry;
use treefall_model::observe::Mark;
use treefall_model::release::{Advice, Defect};
use treefall_model::time::Deadline;
use treefall_model::violation::Index;
use treefall_report::{Names, reported};
use treefall_search::oracle::{Difference, records_before};
use treefall_subject::Ran;
use treefall_subject::backtrace::Home;

use super::judge::Key;
use super::lane::Side;
use super::triage::CheckFinding;

/// Records before the first difference that are shown.
const COMMON: usize = 3;
/// Most entries of one tree or list that are listed.
const ENTRIES_MAX: usize = 6;
/// Most functions of a backtrace that are listed.
const FRAMES_MAX: usize = 8;
/// The program's main loop, which calls every handler.
const LOOP: &str = "process_threads";

/// Returns what is worse, in one line.
#[must_use]
pub fn headline(finding: &CheckFinding) -> String {
    let new = match &finding.new {
        Side::NotDriven(why) => return format!("cannot be driven through this trace: {why}"),
        Side::Ran(new) => new,
    };
    match finding.seen.key {
        Key::Breaks(signature) => {
            let names = Names::new(&finding.trace).with_pids(&new.records).seen_on(finding.sides.kind);
            let detail = new.verdict.violation(signature).map(|broken| names.plain(&broken.detail));
            format!("{} breaks: {}", signature.law.name(), detail.unwrap_or_else(|| signature.to_string()))
        }
        Key::NotDriven => "could not be driven at first, but could be when it was tried again".to_owned(),
        Key::Differs(_) => match &finding.difference {
            None => "differed at first, but not when it was tried again".to_owned(),
            Some(Difference::Record { .. }) => "does something else".to_owned(),
            Some(Difference::Outcome { first, second }) => format!("{first}; the reference {second}"),
            Some(Difference::Index { .. }) => match unlike(finding) {
                Some((held, _)) => format!("{} has different contents", index_name(held.index)),
                None => "trees and lists are linked differently".to_owned(),
            },
        },
    }
}

/// Returns the report of a finding: some twenty lines.
#[must_use]
pub fn report(finding: &CheckFinding) -> String {
    let mut text = headline(finding) + "\n";
    // Writing to a String cannot fail.
    if let (Side::Ran(new), Side::Ran(old)) = (&finding.new, &finding.old) {
        if let Some(difference) = &finding.difference {
            let _ = write!(text, "{}", side_by_side(finding, difference, new, old));
        }
        if !new.verdict.outcome.survived() {
            let _ = writeln!(text, "  the new program {}", new.verdict.outcome);
        }
    }
    let called: Vec<String> = finding
        .backtrace
        .iter()
        .filter(|frame| frame.home == Home::Program)
        .map(|frame| frame.function.clone().unwrap_or_else(|| frame.to_string()))
        .collect();
    // The callers of the loop are always the same.
    let to_loop = called.iter().position(|function| function == LOOP).map_or(called.len(), |place| place + 1);
    let called = &called[..to_loop.min(FRAMES_MAX)];
    if !called.is_empty() {
        let _ = writeln!(text, "  called by: {}", called.join(" < "));
    }
    for defect in finding.defects() {
        let how = if finding.equivalent_defect == Some(defect) { "exactly what" } else { "as" };
        let _ = writeln!(text, "  {how} {} does: {}", defect.name(), known(defect));
    }
    let size = finding.trace.wakes().len();
    let minimal = if finding.minimal { "minimal" } else { "not minimal" };
    let confirmed = if finding.confirmed { "confirmed in fresh processes" } else { "NOT confirmed" };
    let wakes = if size == 1 { "wake" } else { "wakes" };
    let _ = writeln!(
        text,
        "  smallest trace: {size} {wakes} ({minimal}; {} runs), from {}; {confirmed}; seen in {} traces",
        finding.runs, finding.seen.origin, finding.seen.times,
    );
    text
}

/// Describes upstream's fix of a defect.
fn known(defect: Defect) -> String {
    let row = defect.row();
    let fixed = match (Advice::against_defect(defect), row.mended_by) {
        (None, _) => "not fixed in any release".to_owned(),
        (Some(advice), None) => advice.to_string(),
        (Some(advice), Some(commit)) if advice.run() == row.mended_in => format!("{advice} by {commit}"),
        (Some(advice), Some(commit)) => format!("{advice}; mended by {commit}"),
    };
    format!("{}; {fixed}", reported(defect))
}

/// Returns the last common records, then the first difference of both sides.
fn side_by_side(finding: &CheckFinding, difference: &Difference, new: &Ran, old: &Ran) -> String {
    let names = Names::new(&finding.trace).with_pids(&old.records).with_pids(&new.records);
    let mut text = String::from("  first difference:\n");
    let common = usize::try_from(records_before(difference)).unwrap_or(usize::MAX).min(new.records.len());
    let before = new.records[..common].iter().filter_map(|record| line(record, &names));
    let before: Vec<String> = before.collect();
    for told in &before[before.len().saturating_sub(COMMON)..] {
        let _ = writeln!(text, "    both  {told}");
    }
    match difference {
        Difference::Record { first, second, .. } => {
            for (side, record, of) in [("new", first, new), ("old", second, old)] {
                let told = record.as_ref().map(|record| whole_line(record, &names));
                let told = told.unwrap_or_else(|| over(of));
                let _ = writeln!(text, "    {side}   {told}");
            }
        }
        Difference::Index { first, second, .. } => {
            let step = first.or(*second).map_or("the end", |mark: Mark| mark.step.name());
            match unlike(finding) {
                Some((ours, theirs)) => {
                    let _ = writeln!(text, "    {} after {step}:", index_name(ours.index));
                    for (side, held) in [("new", ours), ("old", theirs)] {
                        let _ = writeln!(text, "    {side}   {}", describe_held(held, &names));
                    }
                }
                None => {
                    let _ = writeln!(text, "    after {step}: the same entries, linked differently");
                }
            }
        }
        Difference::Outcome { first, second } => {
            let _ = writeln!(text, "    new   {first}\n    old   {second}");
        }
    }
    text
}

fn line(record: &Record, names: &Names<'_>) -> Option<String> {
    names.tell(&record.event).map(|words| format!("{}  {words}", record.at))
}

/// Describes a record, or prints it as it is if there is no description.
fn whole_line(record: &Record, names: &Names<'_>) -> String {
    line(record, names).unwrap_or_else(|| format!("{}  {:?}", record.at, record.event))
}

/// Describes the end of the shorter history.
fn over(ran: &Ran) -> String {
    format!("nothing more: the run {}", ran.verdict.outcome)
}

/// Returns the first tree or list whose contents differ, new then old.
fn unlike(finding: &CheckFinding) -> Option<(&Held, &Held)> {
    let (new, old) = finding.contents.as_ref()?;
    new.first_unlike(old)
}

const fn index_name(index: Index) -> &'static str {
    match index {
        Index::Tree(tree) => tree.name(),
        Index::List(list) => list.name(),
    }
}

fn describe_held(held: &Held, names: &Names<'_>) -> String {
    if held.entries.is_empty() {
        let broken = if held.broken { ", and a link to no entry" } else { "" };
        return match held.count {
            0 => format!("nothing{broken}"),
            1 => format!("1 entry{broken}"),
            count => format!("{count} entries{broken}"),
        };
    }
    let told = held.entries.iter().take(ENTRIES_MAX).map(|entry| describe_entry(entry, names));
    let mut told: Vec<String> = told.collect();
    if held.entries.len() > ENTRIES_MAX {
        told.push(format!("{} more", held.entries.len() - ENTRIES_MAX));
    }
    if held.broken {
        told.push("a link to no entry".to_owned());
    }
    told.join(", ")
}

fn describe_entry(entry: &Entry, names: &Names<'_>) -> String {
    let mut text = entry.kind.name().to_owned();
    if let Some(pid) = entry.pid {
        let run = treefall_model::violation::Naming::run_of(names, pid);
        let _ = write!(text, " {}", run.unwrap_or_else(|| format!("pid {pid}")));
    }
    if let Some(handler) = entry.handler {
        let _ = write!(text, " for {}", handler.name());
    }
    if let Some(script) = entry.argument {
        let _ = write!(text, " of {}", names.script(script));
    }
    if let Deadline::At(at) = entry.deadline {
        let _ = write!(text, " due {at}");
    }
    text
}
