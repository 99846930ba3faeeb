//! JSON objects of `treefall import`. The fields are stable.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;
use treefall_model::release::Defect;

use super::super::interrupt::Stopwatch;
use super::print::{lines_of, names};
use treefall_field::import::signs::Sign;
use treefall_field::import::{Imported, LineCounts, Reproduction, Unknown, UnmatchedWindow};
use treefall_report::json::UpstreamObject;
use treefall_subject::target::Base;

/// A signature that the log can have. The fields are stable.
#[derive(Serialize, JsonSchema)]
pub(super) struct FoundObject<'f> {
    target: &'f str,
    release: Option<String>,
    law: &'static str,
    signature: String,
    outcome: String,
    breaks_memory: bool,
    defect: Option<&'static str>,
    /// Defects that are each required for the failure; `defect` is the first.
    defects: Vec<&'static str>,
    mended_by: Option<&'static str>,
    /// Upstream's issues, pull requests and commits of each of `defects`.
    upstream: Vec<UpstreamObject>,
    /// Runs with an assumed hang or end that the log does not show.
    untold: u32,
    wakes: usize,
    /// First and last line of the log that the trace reproduces.
    lines: Option<[usize; 2]>,
    /// How often it was met. It counts once in interleavings with an equal beginning, and repeatedly within one.
    seen: u64,
    scenario: Option<String>,
}

/// A kind of unknown message.
#[derive(Serialize, JsonSchema)]
pub(super) struct UnknownObject<'u> {
    not_understood: &'u str,
    times: u64,
    line: usize,
}

/// A window without an interleaving that fits the log: nothing is ruled out for it.
#[derive(Serialize, JsonSchema)]
struct UnmatchedWindowObject<'n> {
    /// First line of the window.
    begins: usize,
    tried: u64,
    /// Furthest line that any interleaving fits; null: none was tried to its end.
    stuck: Option<usize>,
    text: Option<&'n str>,
}

/// A line with a crash, a hang or a gap that no finding explains.
#[derive(Serialize, JsonSchema)]
struct SignObject<'s> {
    line: usize,
    /// `crash`, `hang`, `kill`, `vanished` or `gap`.
    shows: &'static str,
    /// The line shows the end of another process than the followed one.
    of_another: bool,
    text: &'s str,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct ImportSummary<'s> {
    log: String,
    target: &'s str,
    lines: u64,
    told: u64,
    nothing: u64,
    foreign: u64,
    unstamped: u64,
    not_understood: u64,
    processes: usize,
    /// Line at which the log's clock last went back; earlier lines are not searched.
    set_back: Option<usize>,
    /// The newest line comes first; lines are numbered from the last one.
    newest_first: bool,
    /// Line that shows the death, if any.
    died: Option<usize>,
    /// Unexplained events of the log. If there are any, nothing is ruled out.
    unexplained: Vec<SignObject<'s>>,
    scripts: usize,
    windows: usize,
    windows_fitting: usize,
    no_ways: Vec<UnmatchedWindowObject<'s>>,
    tried: u64,
    fitting: u64,
    exhausted: bool,
    /// All interleavings were tried that differ from the simplest one in at most this many choices; null: not even
    /// all simplest ones, or there are no others.
    departures: Option<u32>,
    consistent: usize,
    /// Defects that are ruled out within the bounds, in the windows that have a way.
    not_seen: Vec<&'static str>,
    /// Defects that are neither seen nor ruled out: the log has unexplained events or gaps, or the search was
    /// interrupted.
    undecided: Vec<&'static str>,
    /// Defects of the release that this search or its scenarios cannot show, so they are not ruled out.
    not_looked_for: Vec<&'static str>,
    elapsed_ms: u64,
}

pub(super) fn object<'f>(
    found: &Reproduction,
    (target, base): (&'f str, Base),
    path: Option<&PathBuf>,
) -> FoundObject<'f> {
    let defect = found.cause.defects().first().copied();
    FoundObject {
        target,
        release: Some(base.to_string()),
        law: found.signature.law.name(),
        signature: found.signature.to_string(),
        outcome: found.outcome.to_string(),
        breaks_memory: found.breaks_memory(),
        defect: defect.map(Defect::name),
        defects: names(found.cause.defects()),
        mended_by: defect.and_then(|defect| defect.row().mended_by),
        upstream: UpstreamObject::all(found.cause.defects().iter().copied()),
        untold: found.interleaving.untold,
        wakes: found.interleaving.trace.wakes().len(),
        lines: lines_of(found),
        seen: found.interleaving.seen,
        scenario: path.map(|path| path.display().to_string()),
    }
}

pub(super) fn unknown(kind: &Unknown) -> UnknownObject<'_> {
    UnknownObject { not_understood: &kind.shape, times: kind.times, line: kind.line }
}

pub(super) fn summary<'s>(
    name: &str,
    target: &'s str,
    imported: &'s Imported,
    watch: &Stopwatch,
) -> ImportSummary<'s> {
    let object = |unmatched: &'s UnmatchedWindow| UnmatchedWindowObject {
        begins: unmatched.begins,
        tried: unmatched.tried,
        stuck: unmatched.stuck.as_ref().map(|(line, _)| *line),
        text: unmatched.stuck.as_ref().map(|(_, text)| text.as_str()),
    };
    let sign = |sign: &'s Sign| SignObject {
        line: sign.line,
        shows: sign.kind.name(),
        of_another: sign.of_another,
        text: &sign.text,
    };
    let LineCounts { lines, told, nothing, foreign, unstamped, unknown, .. } = imported.story.counts;
    ImportSummary {
        log: name.to_owned(),
        target,
        lines,
        told,
        nothing,
        foreign,
        unstamped,
        not_understood: unknown,
        processes: imported.story.processes,
        set_back: imported.story.set_back.map(|set_back| set_back.line),
        newest_first: imported.story.newest_first,
        died: imported.story.death().map(|item| item.line),
        unexplained: imported.unexplained.iter().map(sign).collect(),
        scripts: imported.scripts.scripts.len(),
        windows: imported.windows,
        windows_fitting: imported.windows_fitting,
        no_ways: imported.unmatched.iter().map(object).collect(),
        tried: imported.searched.tried,
        fitting: imported.searched.fitting,
        exhausted: imported.searched.exhausted,
        departures: imported.searched.departures.filter(|most| *most < u32::MAX),
        consistent: imported.found.len(),
        not_seen: names(&imported.not_seen),
        undecided: names(&imported.undecided),
        not_looked_for: names(&imported.not_looked_for),
        elapsed_ms: u64::try_from(watch.elapsed().as_millis()).unwrap_or(u64::MAX),
    }
}
