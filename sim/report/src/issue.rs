//! The text of an upstream issue about a finding, in Markdown.

use std::fmt::Write as _;

use treefall_model::event::SubjectKind;
use treefall_model::release::{Defect, Release};
use treefall_model::verdict::{Outcome, Weight};

use super::Report;
use super::recipe::recipe;
use super::reproduction::in_plain_words;
use crate::explain::{Role, and, met, ties, window};
use crate::section::{Content, Table};
use crate::wording::{claim, confirmed, releases_line, under_gdb};
use treefall_search::cause::Cause;
use treefall_subject::backtrace::titled;

/// Introduces treefall to a maintainer.
const WHAT_TREEFALL_IS: &str = "(treefall runs keepalived's scheduler under a simulated clock and kernel, so that a run \
     comes out the same each time; its replica of a release is that scheduler written anew, each known bug in its place.)";

/// Returns the issue in Markdown.
#[must_use]
pub fn issue(report: &Report<'_>) -> String {
    let (finding, explanation) = (report.finding, report.explanation);
    let names = report.names();
    let broken = finding.broken();
    let mut text = String::new();
    // Writing to a String cannot fail.
    let mut put = |line: &str| {
        let _ = writeln!(text, "{line}");
    };
    put(&format!("# {}\n", title(report)));
    put(&format!("{}\n", claim(finding, &names)));
    put(&format!(
        "**Affected releases:** {}. {}\n",
        releases_line(explanation, &finding.cause),
        how_known(report)
    ));
    put(&format!("{WHAT_TREEFALL_IS}\n"));
    put(&format!(
        "**What is broken:** {} At {} s of the trace below: {}.\n",
        finding.signature().law.sentence(),
        broken.at,
        names.plain(&broken.detail)
    ));
    if !explanation.because.is_empty() {
        put("## What happens, step by step\n");
        put(&markdown(&[Content::Chain(&explanation.because)]));
    }
    let smallest = finding.minimal && !report.as_it_is;
    put(if smallest { "## Smallest reproduction\n" } else { "## Reproduction\n" });
    put(&in_plain_words(&finding.trace, report));
    let met = met(&finding.trace, &explanation.history);
    match recipe(&finding.trace, &met, &explanation.history, look_for(report)) {
        Ok(recipe) => {
            put(
                "\nOn a real keepalived (SIGSTOP and SIGCONT bring what must meet into one return of `epoll_wait`; \
                 real clocks jitter, so try again where it does not come out at once):\n",
            );
            put(&format!("```sh\n{}```\n", recipe));
        }
        Err(why) => put(&format!("\nNo shell recipe: {why}.\n")),
    }
    put("With treefall, deterministically:\n");
    put(&format!("```\n{}\n```\n", report.replay));
    if let Some(gdb) = under_gdb(finding, report.replay) {
        put(&format!("Under gdb:\n\n```\n{gdb}\n```\n"));
    }
    for (title, frames) in titled(&finding.backtrace, &finding.life) {
        let title = if title == "backtrace" {
            "Backtrace".to_owned()
        } else {
            format!("Where the entry was {title}")
        };
        put(&format!("## {title}\n\n```"));
        for (place, frame) in frames.iter().enumerate() {
            put(&format!("#{place:<2} {frame}"));
        }
        put("```\n");
    }
    put("## What it depends on\n");
    let depends = [ties::section(&explanation.ties), window::section(&explanation.windows)];
    for section in depends.iter().flatten() {
        put(&format!("{}:\n\n{}", section.title, markdown(&section.blocks)));
    }
    put("\n## Cause\n");
    put(&cause(&finding.cause));
    put("\n## Suggestion\n");
    put(&suggestion(&finding.cause));
    put("\n## How it was found\n");
    put(&format!(
        "By treefall: {}; {}. The scenario:\n\n```toml\n{}```",
        crate::document::found(report),
        confirmed(finding),
        report.scenario
    ));
    text
}

/// Renders blocks as Markdown.
fn markdown(blocks: &[Content<'_>]) -> String {
    let mut text = String::new();
    for block in blocks {
        match block {
            Content::Heading(line) | Content::Sentence(_, line) => text.push_str(&format!("{line}\n\n")),
            Content::Chain(chain) => {
                for step in chain.iter().filter(|step| step.role != Role::LeftOut) {
                    let function =
                        step.function.as_ref().map_or_else(String::new, |function| format!("`{function}`: "));
                    text.push_str(&format!("- {} s: {function}{}\n", step.at, step.text));
                }
                text.push('\n');
            }
            Content::Table(table) => text.push_str(&markdown_table(table)),
            // An issue has its own paragraphs for these, and no pictures.
            Content::Facts(_)
            | Content::Timeline(_)
            | Content::Stepper(_)
            | Content::Folded(..)
            | Content::File(..) => {}
        }
    }
    text.trim_end().to_owned() + "\n"
}

fn markdown_table(table: &Table) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | ").replace('\n', " "));
    let mut text = line(&table.head) + &line(&vec!["---".to_owned(); table.head.len()]);
    for row in &table.rows {
        let cells: Vec<String> = row.cells.iter().map(|cell| cell.lines.join(", ")).collect();
        text.push_str(&line(&cells));
    }
    text + "\n"
}

fn title(report: &Report<'_>) -> String {
    let finding = report.finding;
    match (&finding.verdict.outcome, crate::wording::headline(&finding.cause)) {
        (_, Some(headline)) => headline.trim_end_matches('.').to_owned(),
        (Outcome::Survived, None) => {
            finding.signature().law.sentence().trim_end_matches('.').to_owned() + ": broken"
        }
        (outcome, None) => format!("keepalived {outcome}"),
    }
}

fn how_known(report: &Report<'_>) -> String {
    let checked = report.explanation.releases.spans.iter().filter(|span| span.own);
    let checked: Vec<&str> =
        checked.flat_map(|span| span.checked_against_real.iter().map(String::as_str)).collect();
    let real = report.finding.kind != SubjectKind::Replica;
    let seen =
        if real { "Seen on the real program. " } else { "Seen on treefall's replica of the scheduler. " };
    if !report.explanation.releases.were_asked() {
        seen.trim_end().to_owned()
    } else if checked.is_empty() {
        format!("{seen}None of the affected releases' replicas was compared with a real program.")
    } else {
        format!("{seen}Of these the replica was compared with the real program for {}.", checked.join(", "))
    }
}

fn look_for(report: &Report<'_>) -> &'static str {
    let finding = report.finding;
    match (&finding.verdict.outcome, finding.signature().law.weight()) {
        (Outcome::Crashed { .. }, _) => "the vrrp process dies of a segmentation fault and is started again",
        (Outcome::Hung { .. }, _) => "the vrrp process takes a whole core and answers no signal",
        (_, Weight::Memory) => "the trees are broken; a crash may follow at a later reload, timeout or exit",
        (_, Weight::Conduct) => {
            "a check that is alive longer than its timeout allows, or a line of the log that should be there"
        }
    }
}

fn cause(cause: &Cause) -> String {
    match cause {
        Cause::Known(defects) => {
            let lines: Vec<String> = defects.iter().map(|defect| life(*defect)).collect();
            let lines = lines.join(" Also required: ");
            format!("By ablation (the failure vanishes when this alone is mended): {lines}")
        }
        Cause::Together(both) => format!(
            "By ablation (the failure vanishes when both of these are mended, and stays when either alone is): {}",
            both.map(life).join(" And: ")
        ),
        other => format!("{}.", crate::wording::cause_line(other)),
    }
}

/// Describes a defect with the commits that introduced and mended it.
fn life(defect: Defect) -> String {
    let row = defect.row();
    let brought = match (row.from, row.brought_by) {
        (Some(release), Some(commit)) => format!("Brought by {commit} in {release}"),
        (Some(release), None) => format!("Brought in {release}"),
        (None, _) => "Older than 2.0.8".to_owned(),
    };
    let headline = row.headline.trim_end_matches('.');
    format!("{headline} ({}). {brought}; {}.", row.name, crate::wording::mended(defect))
}

fn suggestion(cause: &Cause) -> String {
    match (cause, cause.defects().first()) {
        (Cause::Together(both), _) => format!("Both are needed. {}", both.map(mend).join(" And: ")),
        (_, Some(defect)) => mend(*defect),
        (Cause::Elsewhere(_), None) => {
            "None yet. What points at an entry from outside the scheduler has to be reset where a reload frees it.".to_owned()
        }
        (_, None) => "None yet: no known defect's mend makes it vanish.".to_owned(),
    }
}

/// Suggests remedies to operators and maintainers.
fn mend(defect: Defect) -> String {
    let row = defect.row();
    match (row.mended_in, row.mended_by, ours(defect)) {
        (Some(release), Some(commit), _) => {
            let safe = defect.safe_from().unwrap_or(release);
            let back = taken_back_with(commit);
            let back = match back.as_slice() {
                [only] => format!("upstream commit {only}"),
                several => format!("upstream commits {} together", and(several)),
            };
            let why = if safe == release { String::new() } else { why_later(defect, release) };
            let how_good = crate::wording::how_good(safe);
            format!("Run {safe} or later, or take {back} back into the release at hand.{why} {how_good}")
        }
        (Some(release), None, _) => format!("Run {} or later.", defect.safe_from().unwrap_or(release)),
        (None, _, Some(ours)) => ours.to_owned(),
        (None, _, None) => "None yet.".to_owned(),
    }
}

/// Returns a commit and its follow-ups: each mends a defect that an earlier one introduced.
fn taken_back_with(commit: &'static str) -> Vec<String> {
    let mut commits = vec![commit.to_owned()];
    let mut place = 0;
    while let Some(taken) = commits.get(place).cloned() {
        for row in Defect::ALL.map(Defect::row) {
            let mends = row.mended_by.filter(|_| row.brought_by == Some(taken.as_str()));
            commits.extend(mends.filter(|it| !commits.iter().any(|known| known == it)).map(str::to_owned));
        }
        place += 1;
    }
    commits
}

/// Explains why a later release than the first with the fix is recommended.
fn why_later(defect: Defect, mended: Release) -> String {
    let later = |it: &Defect| it.crashes_trees() && it.row().mended_in.is_none_or(|end| end > mended);
    let others = Defect::ALL.into_iter().filter(later);
    let others: Vec<String> = others.map(|it| format!("{it}, {}", crate::wording::mended(it))).collect();
    let family = if defect.breaks_memory() { "of the same family" } else { "of another kind" };
    let what = match others.as_slice() {
        [only] => format!("it has another crash {family}, {only}"),
        several => format!("it or a later one has other crashes {family}: {}", and(several)),
    };
    format!(" {mended} has the mend, but {what}.")
}

/// Suggests a fix for a defect that upstream has not mended, as the mended replica behaves.
fn ours(defect: Defect) -> Option<&'static str> {
    Some(match defect {
        Defect::ReloadSkipsQueuedTimeout => {
            "At a reload, treat a child whose timeout is queued on READY as those in CHILD: send it SIGTERM, and keep its \
             entry with the reload killer and a deadline of one second, instead of dropping it with the rest of READY."
        }
        Defect::ReloadRestartsGrace => {
            "At a reload, leave the deadline of children that an earlier reload told to end as it is: only those that are \
             told for the first time get one second from now."
        }
        Defect::ReloadEatsTermination => {
            "Let the clean-up of a reload keep a termination that waits on EVENT, or serve SIGTERM before SIGHUP when both \
             were read."
        }
        Defect::ShutdownStopsBeforeReady => {
            "At a shutdown, go on while READY holds child timeouts, not only while CHILD is not empty, so that their SIGKILL \
             is sent."
        }
        Defect::GroupOfNobody => "When getpgid fails, send no signal: its -1, negated, is pid 1.",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_with_another_crash_of_the_family_is_not_recommended() {
        let text = suggestion(&Cause::Known(vec![Defect::ReloadFreesQueuedTimeout]));
        let begins = "Run 2.3.3 or later, or take upstream commits 7e04261d and e15990e1 together back into the release at \
             hand. 2.3.2 has the mend, but it has another crash of the same family, ExitErasesTwice, issue 2548; mended in \
             2.3.3 by e15990e1 (pull request 2554). 2.3.3 has no known crash of the trees. It has known crashes elsewhere,";
        assert!(text.starts_with(begins), "{text}");
        let text = suggestion(&Cause::Known(vec![Defect::ExitErasesTwice]));
        let begins = "Run 2.3.3 or later, or take upstream commit e15990e1 back into the release at hand. 2.3.3 has no known \
             crash of the trees.";
        assert!(text.starts_with(begins), "{text}");
        assert!(text.contains("if you use `interface_up_down_delays`, or `track_process`."), "{text}");
    }

    #[test]
    fn every_defect_has_a_suggestion() {
        for defect in Defect::ALL {
            let text = suggestion(&Cause::Known(vec![defect]));
            assert!(!text.starts_with("None"), "{defect}");
            assert_eq!(ours(defect).is_some(), defect.row().mended_in.is_none(), "{defect}");
        }
    }
}
