//! Stores a search on disk, so that it can be resumed.
//!
//! The file has a line of JSON that describes the search, the states in binary form (little-endian), and the XXH3
//! hash of all that. It is written beside its place and moved there, so that it is always complete; work after the
//! last checkpoint is repeated with the same result.

use std::io::{self, BufRead as _, Read as _, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::alphabet::{Bound, Label};
use super::explorer::Explorer;
use super::graph::{Graph, Node};
use super::space::{FoundAt, Space};

/// Version of format, alphabet and canonical form together: searches of other versions cannot be resumed.
const VERSION: u32 = 1;
/// Stands for no label.
const NO_LABEL: u16 = u16::MAX;

/// Describes a search and its size.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct Header {
    version: u32,
    /// The target, as the user named it.
    pub target: String,
    /// The parts of its rules that could change under the same name.
    rules: String,
    /// Scripts of the configuration.
    scripts: u8,
    /// Kinds of script to choose from.
    kinds: u8,
    /// Wakes of a trace.
    wakes: u8,
    /// Most living runs of a trace that is extended.
    living: u8,
    states: u64,
    done: u64,
    edges: u64,
    levels: u64,
    found: u64,
    transitions: u64,
    cut: u64,
}

impl Header {
    /// Returns the limits of the search.
    #[must_use]
    pub fn bound(&self) -> Bound {
        Bound { scripts: self.scripts, kinds: self.kinds, wakes: self.wakes, living: self.living }
    }
}

/// Why a checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The file cannot be read or written.
    #[error("{0}")]
    File(#[from] io::Error),
    /// The file is no checkpoint, or is damaged.
    #[error("this is no whole checkpoint ({0}); begin the search anew, without `--resume`")]
    Broken(&'static str),
    /// Another version of treefall wrote the file.
    #[error(
        "this is a checkpoint of another version ({0}; this is {VERSION}); begin the search anew, without `--resume`"
    )]
    Version(u32),
    /// The file holds a search that was interrupted, and another one is about to start.
    #[error("a search of {target} was stopped here")]
    Unfinished {
        /// Its target.
        target: String,
    },
    /// The file is no checkpoint, and another search would overwrite it.
    #[error("this is no checkpoint of a search, and is not overwritten")]
    Foreign,
    /// The checkpoint is of another search.
    #[error("this is a checkpoint of another search; begin anew, without `--resume`")]
    Other,
}

/// Longest first line of a checkpoint, in bytes.
const HEADER_MAX: u64 = 64 << 10;

/// What is read of an existing checkpoint of any version, before another one overwrites it.
#[derive(Deserialize)]
struct ExistingCheckpoint {
    target: String,
}

/// Checks that a search may start whose checkpoint is stored at `path`. With `overwrite`, an existing one may be
/// lost.
///
/// # Errors
/// When a checkpoint exists that may not be lost, or another file.
pub fn may_begin(path: &Path, overwrite: bool) -> Result<(), CheckpointError> {
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let mut header = Vec::new();
    io::BufReader::new(file.take(HEADER_MAX)).read_until(b'\n', &mut header)?;
    match serde_json::from_slice(&header) {
        Err(_) => Err(CheckpointError::Foreign),
        Ok(ExistingCheckpoint { .. }) if overwrite => Ok(()),
        Ok(ExistingCheckpoint { target }) => Err(CheckpointError::Unfinished { target }),
    }
}

fn rules_of(space: &Space) -> String {
    let rules = space.rules();
    let defects: Vec<&str> = rules.defects.iter().map(|defect| defect.name()).collect();
    format!("{} {:?}", defects.join(" "), rules.behaviour)
}

/// Writes a checkpoint.
///
/// # Errors
/// When the file cannot be written. An existing one is then unchanged.
pub fn write(path: &Path, target: &str, explorer: &Explorer<'_>) -> Result<(), CheckpointError> {
    let (space, graph) = (explorer.space, &explorer.graph);
    let Bound { scripts, kinds, wakes, living } = space.bound();
    let header = Header {
        version: VERSION,
        target: target.to_owned(),
        rules: rules_of(space),
        scripts,
        kinds,
        wakes,
        living,
        states: graph.len() as u64,
        done: graph.done() as u64,
        edges: graph.targets.len() as u64,
        levels: graph.levels.len() as u64,
        found: explorer.found.len() as u64,
        transitions: explorer.transitions,
        cut: explorer.cut,
    };
    let mut bytes = serde_json::to_vec(&header).map_err(io::Error::from)?;
    bytes.push(b'\n');
    graph.hashes.iter().for_each(|hash| bytes.extend(hash.to_le_bytes()));
    graph.before.iter().for_each(|node| bytes.extend(node.to_le_bytes()));
    bytes.extend(&graph.labels);
    graph.ways.iter().for_each(|ways| bytes.extend(ways.to_le_bytes()));
    graph.ends.iter().for_each(|end| bytes.extend(end.to_le_bytes()));
    graph.targets.iter().for_each(|target| bytes.extend(target.to_le_bytes()));
    graph.times.iter().for_each(|times| bytes.extend(times.to_le_bytes()));
    graph.levels.iter().for_each(|level| bytes.extend(level.to_le_bytes()));
    for place in explorer.found.values() {
        bytes.extend(place.node.0.to_le_bytes());
        bytes.extend(place.label.map_or(NO_LABEL, |label| u16::from(label.0)).to_le_bytes());
    }
    let sum = xxh3_64(&bytes);
    bytes.extend(sum.to_le_bytes());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&bytes)?;
    file.as_file().sync_data()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// A checkpoint that was read.
pub struct Checkpoint {
    /// Describes its search.
    pub header: Header,
    bytes: Vec<u8>,
    body: usize,
}

/// Reads a checkpoint.
///
/// # Errors
/// When it cannot be read, or is damaged.
pub fn read(path: &Path) -> Result<Checkpoint, CheckpointError> {
    let mut bytes = std::fs::read(path)?;
    let broken = CheckpointError::Broken;
    let end = bytes.len().checked_sub(8).ok_or(broken("it is too short"))?;
    let sum: [u8; 8] = bytes[end..].try_into().map_err(|_| broken("it is too short"))?;
    bytes.truncate(end);
    if xxh3_64(&bytes) != u64::from_le_bytes(sum) {
        return Err(broken("its sum is not right"));
    }
    let line = bytes.iter().position(|byte| *byte == b'\n').ok_or(broken("it has no header"))?;
    let version: serde_json::Value =
        serde_json::from_slice(&bytes[..line]).map_err(|_| broken("its header is no JSON"))?;
    match version.get("version").and_then(serde_json::Value::as_u64) {
        Some(version) if version == u64::from(VERSION) => {}
        Some(version) => return Err(CheckpointError::Version(u32::try_from(version).unwrap_or(u32::MAX))),
        None => return Err(broken("its header has no version")),
    }
    let header = serde_json::from_slice(&bytes[..line]).map_err(|_| broken("its header is not right"))?;
    Ok(Checkpoint { header, bytes, body: line + 1 })
}

/// The unread part of a file.
struct Rest<'b>(&'b [u8]);

impl Rest<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], CheckpointError> {
        let (first, rest) = self.0.split_first_chunk().ok_or(CheckpointError::Broken("it ends too early"))?;
        self.0 = rest;
        Ok(*first)
    }

    fn many<const N: usize, T>(
        &mut self,
        count: u64,
        of: impl Fn([u8; N]) -> T,
    ) -> Result<Vec<T>, CheckpointError> {
        if count > self.0.len() as u64 / N as u64 {
            return Err(CheckpointError::Broken("it ends too early"));
        }
        (0..count).map(|_| self.take().map(&of)).collect()
    }
}

impl Checkpoint {
    /// Restores the search of `space`.
    ///
    /// # Errors
    /// When the checkpoint is of another search, or inconsistent.
    pub fn resume<'s>(
        self,
        space: &'s Space,
        jobs: usize,
        bytes_max: u64,
    ) -> Result<Explorer<'s>, CheckpointError> {
        let Header { states, done, edges, levels, found, transitions, cut, .. } = self.header;
        if self.header.bound() != space.bound() || self.header.rules != rules_of(space) {
            return Err(CheckpointError::Other);
        }
        let mut rest = Rest(&self.bytes[self.body..]);
        let mut graph = Graph {
            hashes: rest.many(states, u128::from_le_bytes)?,
            before: rest.many(states, u32::from_le_bytes)?,
            labels: rest.many(states, |[label]: [u8; 1]| label)?,
            ways: rest.many(done, u16::from_le_bytes)?,
            ends: rest.many(done, u32::from_le_bytes)?,
            targets: rest.many(edges, u32::from_le_bytes)?,
            times: rest.many(edges, u16::from_le_bytes)?,
            levels: rest.many(levels, u32::from_le_bytes)?,
            ..Graph::default()
        };
        let places = rest.many(found, |[a, b, c, d, e, f]: [u8; 6]| {
            let label = u16::from_le_bytes([e, f]);
            let label = (label != NO_LABEL).then_some(Label(label as u8));
            FoundAt { node: Node(u32::from_le_bytes([a, b, c, d])), label }
        })?;
        if !rest.0.is_empty() || !graph.is_whole() || !graph.index_all() {
            return Err(CheckpointError::Broken("what it says cannot be"));
        }
        let mut explorer = Explorer::new(space, jobs, bytes_max);
        if !graph.begins_as(&explorer.graph)
            || places.iter().any(|place| place.node.0 as usize >= graph.len())
        {
            return Err(CheckpointError::Other);
        }
        explorer.graph = graph;
        (explorer.transitions, explorer.cut) = (transitions, cut);
        explorer.find_again(&places);
        Ok(explorer)
    }
}
