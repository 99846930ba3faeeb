//! Stores a campaign on disk: its plan, its progress and its failures, so that it can be resumed or split over
//! machines.
//!
//! Invariant: the file is either complete or absent, and never states more than was searched and stored. A failure is
//! stored as its trace number; the same version of the generator recreates the trace.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::generator::{self, Sampling, Source};
use crate::hunt::Tally;
pub use crate::shard::{NoShard, Shard};
use treefall_base::files::write_whole;

/// Name of the file, in the folder of its target.
pub const FILE: &str = "hunt.json";
/// Version of the file's format.
const FORMAT: u32 = 1;
/// Largest accepted file, in bytes.
const SIZE_MAX: u64 = 16 << 20;

/// A hunt of one target: its plan and its progress.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Campaign {
    format: u32,
    /// Version of the generator.
    generator: u32,
    /// The target, as the user named it.
    pub target: String,
    /// The seed.
    pub seed: u64,
    /// How traces are drawn.
    #[serde(default)]
    pub sampling: Sampling,
    /// Whether some of their scripts cancel.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cancelling: bool,
    /// Whether their heap is guarded.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub guarded: bool,
    /// Whether every second trace has a network interface and a guarded heap.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub outside: bool,
    /// The part of it.
    pub shard: Shard,
    /// Trace numbers below this are searched; `None`: no limit.
    pub traces_max: Option<u64>,
    /// Whether it continues after a memory violation.
    pub all: bool,
    /// The baseline, whose violations are not reported.
    pub baseline: Option<String>,
    /// Counts so far.
    pub tally: Tally,
    /// Numbers of the traces that failed by a new signature or cause.
    #[serde(rename = "finds")]
    pub failures: Vec<u64>,
    /// It reached its end: its limit, or the violation at which it was to end.
    pub ended: bool,
    /// It did not reach its end, but used up its time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub time_over: bool,
}

/// Why a campaign cannot be started or resumed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CampaignError {
    /// The file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The folder holds no hunt.
    #[error("{}: no hunt was begun here (there is no {FILE} in a target's folder); name the folder that `hunt --out` was given", path.display())]
    Nothing {
        /// The folder.
        path: PathBuf,
    },
    /// The folder holds a hunt that was interrupted, and another one is about to start.
    #[error(
        "{}: a hunt of {target} was stopped here after {traces} traces, with {failures} failures: `treefall hunt --resume {}` \
         goes on with it, another folder (`--out DIR`) leaves it as it is, `--overwrite` begins anew in its place",
        path.display(), path.ancestors().nth(2).unwrap_or(path).display()
    )]
    Unfinished {
        /// The file.
        path: PathBuf,
        /// Its target.
        target: String,
        /// Number of traces that it ran.
        traces: u64,
        /// Number of failures that it found.
        failures: usize,
    },
    /// The file is not valid.
    #[error("{}: this is not what a hunt wrote: {why}; move it away, or name another folder with `--out`", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The reason.
        why: String,
    },
    /// Another version wrote the file.
    #[error("{}: written by another version of treefall (format {format}, generator {generator}; this one has {FORMAT} and {}): its trace numbers mean other traces; begin the hunt anew", path.display(), generator::VERSION)]
    OtherVersion {
        /// The file.
        path: PathBuf,
        /// Version of the file's format.
        format: u32,
        /// Version of the generator that wrote it.
        generator: u32,
    },
}

/// The fields to read first: they decide whether the rest can be understood.
#[derive(Deserialize)]
struct Versions {
    format: u32,
    generator: u32,
}

/// What is read of an existing campaign of any version, before another overwrites it.
#[derive(Deserialize)]
struct ExistingCampaign {
    format: u32,
    target: String,
    tally: TracesOf,
    #[serde(default, rename = "finds")]
    failures: Vec<u64>,
    ended: bool,
    #[serde(default)]
    time_over: bool,
}

#[derive(Deserialize)]
struct TracesOf {
    traces: u64,
}

/// Checks that a campaign may start in the folder of its target. With `overwrite`, an unfinished campaign there may
/// be lost.
///
/// # Errors
/// When the folder holds an unfinished campaign that may not be lost, or a file that is no campaign.
pub fn may_begin(folder: &Path, overwrite: bool) -> Result<(), CampaignError> {
    let path = folder.join(FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(CampaignError::File { path, source }),
    };
    let before: ExistingCampaign = match serde_json::from_str(&text) {
        Ok(before) => before,
        Err(error) => return Err(CampaignError::Invalid { path, why: error.to_string() }),
    };
    let ExistingCampaign { format, target, tally: TracesOf { traces }, failures, ended, time_over } = before;
    // These fields may mean something else in another format.
    let is_over = format == FORMAT && (ended || time_over) || traces == 0;
    if is_over || overwrite {
        return Ok(());
    }
    Err(CampaignError::Unfinished { path, target, traces, failures: failures.len() })
}

impl Campaign {
    /// Returns a campaign that is about to start.
    #[must_use]
    pub fn new(target: &str, seed: u64, shard: Shard) -> Self {
        Self {
            format: FORMAT,
            generator: generator::VERSION,
            target: target.to_owned(),
            seed,
            sampling: Sampling::default(),
            cancelling: false,
            guarded: false,
            outside: false,
            shard,
            traces_max: None,
            all: false,
            baseline: None,
            tally: Tally::default(),
            failures: Vec::new(),
            ended: false,
            time_over: false,
        }
    }

    /// Returns the source of its traces.
    #[must_use]
    pub fn source(&self) -> Source {
        let Self { seed, sampling, cancelling, guarded, outside, .. } = *self;
        Source { seed, sampling, cancelling, guarded, outside }
    }

    /// Writes the campaign into the folder of its target, which is created if necessary.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(&self, folder: &Path) -> Result<(), CampaignError> {
        let path = folder.join(FILE);
        let failed = |source| CampaignError::File { path: path.clone(), source };
        fs::create_dir_all(folder).map_err(failed)?;
        let text = serde_json::to_string_pretty(self).map_err(|error| failed(error.into()))?;
        write_whole(&path, &(text + "\n")).map_err(failed)
    }

    /// Reads a campaign.
    ///
    /// # Errors
    /// When the file cannot be read, is invalid, or is of another version.
    pub fn load(path: &Path) -> Result<Self, CampaignError> {
        let file = |source| CampaignError::File { path: path.to_owned(), source };
        let invalid = |why: String| CampaignError::Invalid { path: path.to_owned(), why };
        if fs::metadata(path).map_err(file)?.len() > SIZE_MAX {
            return Err(invalid(format!("it is larger than {} MiB", SIZE_MAX >> 20)));
        }
        let text = fs::read_to_string(path).map_err(file)?;
        let Versions { format, generator } =
            serde_json::from_str(&text).map_err(|error| invalid(error.to_string()))?;
        if (format, generator) != (FORMAT, generator::VERSION) {
            return Err(CampaignError::OtherVersion { path: path.to_owned(), format, generator });
        }
        serde_json::from_str(&text).map_err(|error| invalid(error.to_string()))
    }

    /// Reads the campaigns in the output folder of a hunt, in the order of their folders' names.
    ///
    /// # Errors
    /// When there is none, or one cannot be read.
    pub fn load_all(folder: &Path) -> Result<Vec<Self>, CampaignError> {
        let found = folders(folder)?.into_iter().map(|folder| folder.join(FILE)).filter(|path| path.exists());
        let campaigns: Vec<Self> = found.map(|path| Self::load(&path)).collect::<Result<_, _>>()?;
        if campaigns.is_empty() {
            return Err(CampaignError::Nothing { path: folder.to_owned() });
        }
        Ok(campaigns)
    }
}

/// Returns the folders in a folder, by name.
///
/// # Errors
/// When it cannot be read.
pub fn folders(folder: &Path) -> Result<Vec<PathBuf>, CampaignError> {
    let failed = |source| CampaignError::File { path: folder.to_owned(), source };
    let entries = fs::read_dir(folder).map_err(failed)?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shards_of_a_campaign_are_all_of_it_once() {
        for of in 1..=7 {
            for max in [0, 1, 6, 7, 8, 100] {
                let mut numbers: Vec<u64> = (1..=of)
                    .map(|nth| format!("{nth}/{of}").parse::<Shard>().expect("a shard"))
                    .flat_map(|shard| (0..shard.length(max)).map(move |place| shard.number(place)))
                    .collect();
                numbers.sort_unstable();
                assert_eq!(numbers, (0..max).collect::<Vec<_>>(), "{of} shards of {max}");
            }
        }
    }

    #[test]
    fn what_names_no_shard_is_refused() {
        for text in ["", "1", "0/4", "5/4", "1/0", "-1/2", "1/2/3", "a/b", "1/1000001"] {
            assert_eq!(text.parse::<Shard>(), Err(NoShard), "{text}");
        }
        assert_eq!("3/8".parse::<Shard>().map(|shard| shard.to_string()).as_deref(), Ok("3/8"));
    }

    #[test]
    fn a_campaign_is_read_back_as_it_was_kept_and_another_versions_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut campaign = Campaign::new("replica:2.3.1", 7, "2/3".parse().expect("a shard"));
        campaign.failures = vec![4, 19];
        campaign.tally.traces = 12;
        let target = folder.path().join("replica_2.3.1");
        campaign.keep(&target).expect("kept");
        assert_eq!(Campaign::load_all(folder.path()).expect("there"), [campaign.clone()]);
        campaign.generator += 1;
        campaign.keep(&target).expect("kept");
        let refused = Campaign::load_all(folder.path()).expect_err("another generator");
        assert!(matches!(refused, CampaignError::OtherVersion { .. }), "{refused}");
        fs::write(target.join(FILE), "{\"format\": 1").expect("written");
        assert!(matches!(Campaign::load_all(folder.path()), Err(CampaignError::Invalid { .. })));
        assert!(matches!(Campaign::load_all(&target), Err(CampaignError::Nothing { .. })));
    }
}
