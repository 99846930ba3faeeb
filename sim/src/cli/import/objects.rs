//! What `treefall import --json` prints. The fields are stable.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;
use treefall_model::release::Defect;

use super::super::interrupt::Stopwatch;
use super::{lines_of, names};
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
    /// All without one of which it does not happen; `defect` is the first of them.
    defects: Vec<&'static str>,
    mended_by: Option<&'static str>,
    /// What upstream has of each of `defects`.
    upstream: Vec<UpstreamObject>,
    /// Runs of which the log does not tell what is assumed of them.
    untold: u32,
    wakes: usize,
    /// The lines of the log that the trace gives, the first and the last.
    lines: Option<[usize; 2]>,
    /// How often it was met: several times in one interleaving, and once where several begin alike.
    seen: u64,
    scenario: Option<String>,
}

/// A kind of message that is not understood.
#[derive(Serialize, JsonSchema)]
pub(super) struct UnknownObject<'u> {
    not_understood: &'u str,
    times: u64,
    line: usize,
}

/// A window in which no interleaving was found that gives the log's lines: of it nothing is ruled out.
#[derive(Serialize, JsonSchema)]
struct UnmatchedWindowObject<'n> {
    /// The line that it begins at.
    begins: usize,
    tried: u64,
    /// The furthest line that none gets past; null: none was tried to its end.
    stuck: Option<usize>,
    text: Option<&'n str>,
}

/// A line that shows a crash, a hang or a gap that nothing found explains.
#[derive(Serialize, JsonSchema)]
struct SignObject<'s> {
    line: usize,
    /// `crash`, `hang`, `kill`, `vanished` or `gap`.
    shows: &'static str,
    /// It is the end of another process than the one whose story is told.
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
    /// The line at which the log's clock went back last; what is before is not searched.
    set_back: Option<usize>,
    /// The newest line comes first: lines are numbered from the last one on.
    newest_first: bool,
    /// The line that tells of the death, if one does.
    died: Option<usize>,
    /// What the log shows that nothing found explains; where there is any, nothing is ruled out.
    unexplained: Vec<SignObject<'s>>,
    scripts: usize,
    windows: usize,
    windows_fitting: usize,
    no_ways: Vec<UnmatchedWindowObject<'s>>,
    tried: u64,
    fitting: u64,
    exhausted: bool,
    /// All were tried that depart from the plainest so often at most; null: not even the plainest, or there are no others.
    departures: Option<u32>,
    consistent: usize,
    /// Ruled out within the bounds, of the windows that have an interleaving.
    not_seen: Vec<&'static str>,
    /// Neither seen nor ruled out: the log shows what is not explained, lacks lines, or the search was cut short.
    undecided: Vec<&'static str>,
    /// Defects of the release that this search, or what it writes, cannot show, and so does not rule out.
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
