//! `treefall merge`: merges the findings of several hunts and keeps the smallest of each signature and cause.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use super::args::Merge;
use super::lines::JsonLine;
use super::output::{Output, count};
use super::progress::Progress;
use super::table::Table;
use super::{CliError, Status, Summary, all, workers};
use treefall_report::{CAUSE_MARK, Kept, take_over};
use treefall_search::campaign::{Campaign, CampaignError, folders};

/// A merged finding. The fields are stable.
#[derive(Serialize, JsonSchema)]
struct MergedObject {
    target: String,
    signature: String,
    /// Cause that distinguishes the findings of one signature; null: not recorded.
    cause: Option<String>,
    wakes_minimal: Option<usize>,
    from: String,
    also_in: usize,
}

#[derive(Serialize, JsonSchema)]
struct MergeSummary {
    folders: usize,
    findings: usize,
    traces: u64,
    missing: Vec<String>,
}

/// Most missing parts that are listed by number.
const LISTED_MAX: usize = 20;

/// Lines of `--json`.
pub(super) const LINES: [JsonLine; 2] =
    [JsonLine::of::<MergedObject>("a failure"), JsonLine::of::<Summary<MergeSummary>>("summary")];

pub(super) fn run(args: &Merge, output: &mut Output) -> Result<Status, CliError> {
    let here = Some(&args.out).filter(|out| out.is_dir());
    let mut lock = here.map(|out| workers::lock(out, output)).transpose()?;
    // A folder that is named twice counts once.
    let mut seen = BTreeSet::new();
    let parts = all(args.from.iter().chain(here).map(|from| {
        let whole = from.canonicalize();
        let whole = whole.map_err(|error| CliError::Usage(format!("{}: {error}", from.display())))?;
        if seen.insert(whole) { part(from, &args.out) } else { Ok(SourceFolder::default()) }
    }))?;
    let (failures, campaigns) = grouped(parts);
    if lock.is_none() && !failures.is_empty() {
        lock = Some(workers::lock(&args.out, output)?);
    }
    let mut table = Table::new(["target", "signature", "cause", "smallest", "from", "also in"]);
    let (progress, many) = (Progress::begin(None), failures.len());
    for (place, ((target, signature), group)) in failures.into_iter().enumerate() {
        if workers::interrupted() {
            break;
        }
        output.progress(format_args!("finding {}", progress.part(place + 1, many, &signature)));
        let plain = args.out.join(&target).join(&signature);
        for (folder, mut kept) in placed(&plain, group)? {
            let also_in = kept.len() - 1;
            kept.sort_by_key(Kept::rank);
            let best = &kept[0];
            take_over(best, &folder).map_err(|error| CliError::Usage(error.to_string()))?;
            let smallest = best.wakes.map_or("not shrunk".to_owned(), |wakes| count(wakes as u64, "wake"));
            let from = best.folder.display().to_string();
            let cause = kept.iter().find_map(|it| it.cause.clone());
            let text = cause.as_deref().unwrap_or_default();
            table.add_row([&target, &signature, text, &smallest, &from, &also_in.to_string()]);
            let (target, signature) = (target.clone(), signature.clone());
            output.object(&MergedObject {
                target,
                signature,
                cause,
                wakes_minimal: best.wakes,
                from,
                also_in,
            });
        }
    }
    drop(lock);
    let findings = table.row_count();
    output.clear();
    let missing = missing(&campaigns);
    let traces = campaigns.iter().map(|campaign| campaign.tally.traces).sum();
    if findings > 0 {
        output.line(table);
    }
    output.line(format_args!(
        "{}, {} of {}; in {}",
        count(findings as u64, "finding"),
        count(traces, "trace"),
        count(campaigns.len() as u64, "hunt"),
        args.out.display()
    ));
    for gap in &missing {
        output.note(gap);
    }
    let folders = args.from.len();
    output.conclude(&MergeSummary { folders, findings, traces, missing });
    if workers::interrupted() {
        output.error("stopped before all findings were merged; run the same command again to merge the rest");
        return Ok(Status::Failure);
    }
    Ok(if findings == 0 { Status::Good } else { Status::Failure })
}

/// Groups the findings by target, signature and cause, and collects the campaigns.
fn grouped(parts: Vec<SourceFolder>) -> (BTreeMap<(String, String), FindingsByCause>, Vec<Campaign>) {
    let mut failures: BTreeMap<(String, String), FindingsByCause> = BTreeMap::new();
    let mut campaigns = Vec::new();
    for part in parts {
        campaigns.extend(part.campaigns);
        for (name, kept) in part.failures {
            failures.entry(name).or_default().entry(kept.cause.clone()).or_default().push(kept);
        }
    }
    (failures, campaigns)
}

/// Contents of one source folder.
#[derive(Default)]
struct SourceFolder {
    /// Findings by target and signature.
    failures: Vec<((String, String), Kept)>,
    campaigns: Vec<Campaign>,
}

/// Reads the folder `from`. It may be empty if it is `out` itself.
fn part(from: &Path, out: &Path) -> Result<SourceFolder, CliError> {
    let mut failures = Vec::new();
    for target in folders(from)? {
        for failure in folders(&target)? {
            if let Some(kept) = Kept::load(&failure).map_err(|error| CliError::Usage(error.to_string()))? {
                let name = name_of(&failure);
                let signature = name.split(CAUSE_MARK).next().unwrap_or_default().to_owned();
                failures.push(((name_of(&target), signature), kept));
            }
        }
    }
    let campaigns = match Campaign::load_all(from) {
        Ok(campaigns) => campaigns,
        Err(CampaignError::Nothing { .. }) if failures.is_empty() && from != out => {
            return Err(CliError::Usage(format!(
                "{}: this folder has no finding and no campaign; name folders that `hunt --out` wrote to",
                from.display()
            )));
        }
        Err(CampaignError::Nothing { .. }) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    Ok(SourceFolder { failures, campaigns })
}

/// Findings of one signature on one target, by cause; `None`: no cause is recorded.
type FindingsByCause = BTreeMap<Option<String>, Vec<Kept>>;

/// Returns the folder of each cause. The plain folder stays with its cause in the merged folder, else it goes to the
/// first one found.
fn placed(plain: &Path, mut group: FindingsByCause) -> Result<Vec<(PathBuf, Vec<Kept>)>, CliError> {
    let there = Kept::load(plain).map_err(|error| CliError::Usage(error.to_string()))?;
    let first = |kept: &[Kept]| kept.iter().filter_map(|it| it.number).min().unwrap_or(u64::MAX);
    // A finding without a recorded cause may have any cause; it counts for the first.
    let unnamed = group.remove(&None).unwrap_or_default();
    let mut causes: Vec<(Option<String>, Vec<Kept>)> = group.into_iter().collect();
    causes.sort_by_key(|(cause, kept)| {
        (there.as_ref().is_none_or(|there| there.cause != *cause), first(kept), cause.clone())
    });
    match causes.first_mut() {
        Some((_, kept)) => kept.extend(unnamed),
        None => causes.push((None, unnamed)),
    }
    let folder = |place: usize, cause: &Option<String>| match cause {
        Some(cause) if place > 0 => {
            let name = plain.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
            plain.with_file_name(format!("{name}{CAUSE_MARK}{cause}"))
        }
        _ => plain.to_owned(),
    };
    Ok(causes.into_iter().enumerate().map(|(place, (cause, kept))| (folder(place, &cause), kept)).collect())
}

/// Returns the name of a folder.
fn name_of(folder: &Path) -> String {
    folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Lists the parts that are missing or incomplete, of campaigns with other parts here.
fn missing(campaigns: &[Campaign]) -> Vec<String> {
    let mut parts: BTreeMap<(&str, String, u32), Vec<&Campaign>> = BTreeMap::new();
    for campaign in campaigns {
        let key = (campaign.target.as_str(), campaign.source().to_string(), campaign.shard.of());
        parts.entry(key).or_default().push(campaign);
    }
    let mut text = Vec::new();
    for ((target, source, of), there) in parts {
        let state = |nth| there.iter().find(|campaign| campaign.shard.nth() == nth).map(|part| part.ended);
        for (what, wanted) in [("missing", None), ("incomplete", Some(false))] {
            let numbers: Vec<u32> = (1..=of).filter(|nth| state(*nth) == wanted).collect();
            if numbers.is_empty() {
                continue;
            }
            let some: Vec<String> = numbers.iter().take(LISTED_MAX).map(u32::to_string).collect();
            let more = if numbers.len() > LISTED_MAX { " and more" } else { "" };
            text.push(format!("{target}, {source}: {what} parts (of {of}): {}{more}", some.join(", ")));
        }
    }
    text
}
