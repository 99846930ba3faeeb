//! Recordings of real programs on a pool of traces, for machines without these programs.
//!
//! A recording holds, for each trace of the [`Pool`], a 16-bit digest for each wake of *projection 1* (below), how
//! the run ended and how much happened, up to the first use of a freed entry; and the complete history of the first
//! few traces. Traces are stored as values, not seeds, so that a later generator does not change them.
//!
//! Projection 1 is the running [`Digest`] of a history: one cell of 32 bytes for each record and, on an engine, one for
//! each step with the [`index_hash`](treefall_model::digest::index_hash), in their order. A wake's digest is the lowest
//! 16 bits of its value when the next wake begins, or the run ends. It does not depend on how types are laid out or
//! printed. A changed cell or index hash needs a new number of the projection, and new recordings.
//!
//! A file is a line with the format's version, then a [`Recording`] (or the pool) in postcard's encoding, compressed by
//! zlib.

mod flips;

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use treefall_model::codec;
use treefall_model::digest::{self, Digest};
use treefall_model::event::{Event, SubjectKind};
use treefall_model::release::{Release, Rules};
use treefall_model::time::Instant;
use treefall_model::trace::Trace;
use treefall_model::verdict::Outcome;

pub use flips::flips;

use crate::replica::run_replica_as;
use crate::{Options, Ran, Subject, SubjectError};

/// Number of the projection.
pub const PROJECTION: u16 = 1;
/// Traces whose complete history is kept.
const HISTORIES: usize = 8;
/// Traces that run together.
const BATCH: usize = 64;
/// Largest accepted file, and largest decompressed size, in bytes.
const FILE_MAX: u64 = 64 << 20;

/// The first line of a recording.
const RECORDING_HEAD: &str = "treefall recording 1\n";
/// The first line of a pool.
const POOL_HEAD: &str = "treefall pool 1\n";

/// The pool of all recordings.
const POOL: &[u8] = include_bytes!("../../../recordings/pool");

/// Why a recording cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write {path}: {source}; name a file that can be written: `-o FILE`")]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file is no recording, is of another version, or is damaged.
    #[error("{path}: {why}")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// The problem and the remedy.
        why: String,
    },
}

/// Traces on which programs are recorded.
#[derive(Debug)]
pub struct Pool {
    /// For engines and replicas.
    pub engine: Vec<Trace>,
    /// For whole daemons; every release accepts them.
    pub daemon: Vec<Trace>,
    digest: u128,
}

#[derive(Serialize, Deserialize)]
struct PoolFile {
    engine: Vec<Vec<u8>>,
    daemon: Vec<Vec<u8>>,
}

impl Pool {
    /// Returns the pool of this build.
    ///
    /// # Errors
    /// When it is damaged, which is a fault of treefall.
    pub fn built_in() -> Result<Self, RecordingError> {
        Self::from_bytes(POOL)
            .map_err(|why| RecordingError::Unusable { path: "the built-in pool".into(), why })
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let file: PoolFile = unfold(bytes, POOL_HEAD)?;
        let decode = |traces: Vec<Vec<u8>>| traces.iter().map(|bytes| codec::decode(bytes)).collect();
        let digest = digest::of_bytes(bytes);
        Ok(Self { engine: decode(file.engine), daemon: decode(file.daemon), digest })
    }

    /// Encodes a pool with these traces.
    ///
    /// # Errors
    /// When they cannot be encoded.
    pub fn to_bytes(engine: &[Trace], daemon: &[Trace]) -> Result<Vec<u8>, String> {
        let encode = |traces: &[Trace]| traces.iter().map(codec::encode).collect();
        fold(&PoolFile { engine: encode(engine), daemon: encode(daemon) }, POOL_HEAD)
    }

    /// Returns the traces for subjects of this kind.
    #[must_use]
    pub fn traces(&self, kind: SubjectKind) -> &[Trace] {
        if kind == SubjectKind::Daemon { &self.daemon } else { &self.engine }
    }
}

/// How a recorded run ended.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub enum Ending {
    /// It used a freed entry: nothing is recorded from that wake on.
    UsesFreed,
    /// It survived.
    Survived,
    /// It crashed with this signal.
    Crashed(u8),
    /// It hung.
    Hung,
}

/// The recorded run of one trace.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Played {
    /// The digest at the end of each wake; the first one precedes all wakes.
    pub wakes: Vec<u16>,
    /// How it ended.
    pub ending: Ending,
    /// Numbers of records, finished reloads, exits and signals sent.
    pub counts: [u32; 4],
}

/// The recorded runs of a program on the pool.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Recording {
    /// Whether the program was run as a whole daemon; else its scheduler alone.
    pub daemon: bool,
    /// The program's banner.
    pub version: String,
    /// The release that it was driven as.
    pub release: String,
    /// The build id of its file, in hexadecimal.
    pub build_id: Option<String>,
    /// The commit that it was built from, if its version states it.
    pub commit: Option<String>,
    /// The number of the projection.
    pub projection: u16,
    pool: u128,
    /// The recorded runs, in the pool's order.
    pub played: Vec<Played>,
    /// Cells of the first traces' histories.
    pub histories: Vec<Vec<[u8; 32]>>,
}

/// The identity of a recorded program.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The program's banner.
    pub version: String,
    /// The release that it is driven as.
    pub release: Release,
    /// The build id of its file.
    pub build_id: Option<String>,
}

/// Counts of how recorded runs and other runs of the same traces compare.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Comparison {
    /// Equal to the end.
    pub whole: u64,
    /// Equal up to the first use of a freed entry.
    pub up_to_first_use: u64,
    /// Different: the trace and the first wake that differs, 0 before all wakes.
    pub different: Vec<(usize, usize)>,
}

/// How two runs of one trace compare.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Compared {
    Whole,
    UpToFirstUse,
    Differs(usize),
}

impl Played {
    /// Returns a run in which nothing happened.
    #[must_use]
    pub const fn nothing() -> Self {
        Self { wakes: Vec::new(), ending: Ending::Survived, counts: [0; 4] }
    }

    /// Returns the recorded form of a run. Only a replica knows where a freed entry was first used.
    #[must_use]
    pub fn of(ran: &Ran, first_use: Option<u64>) -> Self {
        let limit = first_use.map_or(usize::MAX, |records| usize::try_from(records).unwrap_or(usize::MAX));
        let (mut digest, mut wakes, mut counts) = (Digest::new(), Vec::new(), [0; 4]);
        let mut marks = ran.marks.iter().peekable();
        let mut at = Instant::START;
        let all = ran.records.len() as u64;
        for (place, record) in ran.records.iter().enumerate() {
            while let Some(mark) = marks.next_if(|mark| mark.records <= place as u64) {
                digest.mark(at, mark.step, mark.index_hash);
            }
            if place >= limit {
                return Self { wakes, ending: Ending::UsesFreed, counts: [0; 4] };
            }
            if let Event::Woke { .. } = record.event {
                wakes.push(digest.value() as u16);
            }
            at = record.at;
            digest.record(record);
            counts[0] += 1;
            match record.event {
                Event::ReloadDone { .. } => counts[1] += 1,
                Event::Exited { .. } => counts[2] += 1,
                Event::Signalled { .. } => counts[3] += 1,
                _ => {}
            }
        }
        if limit <= ran.records.len() {
            return Self { wakes, ending: Ending::UsesFreed, counts: [0; 4] };
        }
        while let Some(mark) = marks.next_if(|mark| mark.records <= all) {
            digest.mark(at, mark.step, mark.index_hash);
        }
        wakes.push(digest.value() as u16);
        let ending = match ran.verdict.outcome {
            Outcome::Survived => Ending::Survived,
            Outcome::Crashed { signal, .. } => Ending::Crashed(signal.number()),
            Outcome::Hung { .. } => Ending::Hung,
        };
        Self { wakes, ending, counts }
    }

    /// Returns whether another run of the trace differs.
    #[must_use]
    pub fn differs(&self, other: &Self) -> bool {
        matches!(self.compared(other), Compared::Differs(_))
    }

    fn compared(&self, other: &Self) -> Compared {
        let cut = self.ending == Ending::UsesFreed || other.ending == Ending::UsesFreed;
        match self.wakes.iter().zip(&other.wakes).position(|(one, other)| one != other) {
            Some(place) => Compared::Differs(place),
            None if cut => Compared::UpToFirstUse,
            None if self == other => Compared::Whole,
            None => Compared::Differs(self.wakes.len().min(other.wakes.len())),
        }
    }
}

/// Returns the options under which a subject of this kind is recorded.
#[must_use]
pub fn options(kind: SubjectKind) -> Options {
    match kind {
        // A daemon has entries besides the scripts'.
        SubjectKind::Daemon => Options { keep: true, ..Options::DIGESTED },
        _ => Options::COMPARE,
    }
}

/// Returns the recorded form of a replica's run.
#[must_use]
pub fn play_replica(kind: SubjectKind, trace: &Trace, rules: Rules) -> Played {
    let ran = run_replica_as(kind, trace, rules, options(kind));
    Played::of(&ran, ran.first_use)
}

impl Recording {
    /// Records a real program. The replica of its release determines where a freed entry is first used. Returns
    /// `None` when `keep_going`, which receives the number of traces so far, returns `false`.
    ///
    /// # Errors
    /// When it cannot run.
    pub fn of(
        real: &mut dyn Subject,
        program: Recorded,
        pool: &Pool,
        mut keep_going: impl FnMut(usize) -> bool,
    ) -> Result<Option<Self>, SubjectError> {
        let kind = real.kind();
        let (rules, traces) = (real.rules(), pool.traces(kind));
        let (mut played, mut histories) = (Vec::with_capacity(traces.len()), Vec::new());
        for batch in traces.chunks(BATCH) {
            if !keep_going(played.len()) {
                return Ok(None);
            }
            for (trace, ran) in batch.iter().zip(real.run(batch, options(kind))?) {
                let first_use = run_replica_as(kind, trace, rules, Options::VERDICT).first_use;
                if histories.len() < HISTORIES && first_use.is_none() {
                    histories.push(ran.records.iter().map(digest::cell_bytes).collect());
                }
                played.push(Played::of(&ran, first_use));
            }
        }
        let commit = program.version.split_once("git commit ").map(|(_, commit)| commit.trim().to_owned());
        Ok(Some(Self {
            daemon: kind == SubjectKind::Daemon,
            version: program.version,
            release: program.release.to_string(),
            build_id: program.build_id,
            commit,
            projection: PROJECTION,
            pool: pool.digest,
            played,
            histories,
        }))
    }

    /// Returns the kind of subject that was recorded.
    #[must_use]
    pub fn kind(&self) -> SubjectKind {
        if self.daemon { SubjectKind::Daemon } else { SubjectKind::Engine }
    }

    /// Compares each trace with the result of `play`.
    pub fn compare(&self, pool: &Pool, mut play: impl FnMut(&Trace) -> Played) -> Comparison {
        let mut comparison = Comparison::default();
        for (number, (trace, played)) in pool.traces(self.kind()).iter().zip(&self.played).enumerate() {
            match played.compared(&play(trace)) {
                Compared::Whole => comparison.whole += 1,
                Compared::UpToFirstUse => comparison.up_to_first_use += 1,
                Compared::Differs(wake) => comparison.different.push((number, wake)),
            }
        }
        comparison
    }

    /// Returns whether a replica with these `rules` differs on one of the first `most` traces, except those in
    /// `except`.
    #[must_use]
    pub fn refutes(&self, pool: &Pool, rules: Rules, most: usize, except: &[usize]) -> bool {
        let pairs = pool.traces(self.kind()).iter().zip(&self.played).take(most).enumerate();
        let mut counting = pairs.filter(|(number, _)| !except.contains(number));
        counting.any(|(_, (trace, played))| played.differs(&play_replica(self.kind(), trace, rules)))
    }

    /// Reads the recording at `path`, made on `pool`.
    ///
    /// # Errors
    /// When it cannot be used here.
    pub fn load(path: &Path, pool: &Pool) -> Result<Self, RecordingError> {
        let unusable = |why: String| RecordingError::Unusable { path: path.to_owned(), why };
        let read = |source| RecordingError::Read { path: path.to_owned(), source };
        let mut bytes = Vec::new();
        fs::File::open(path).map_err(read)?.take(FILE_MAX).read_to_end(&mut bytes).map_err(read)?;
        let recording: Self = unfold(&bytes, RECORDING_HEAD).map_err(unusable)?;
        if recording.projection != PROJECTION {
            return Err(unusable(format!(
                "it was made with projection {}, and this treefall has {PROJECTION}; record the program again",
                recording.projection
            )));
        }
        if recording.pool != pool.digest || recording.played.len() != pool.traces(recording.kind()).len() {
            return Err(unusable(
                "it was made on another pool of traces; record the program again with this treefall"
                    .to_owned(),
            ));
        }
        Ok(recording)
    }

    /// Encodes the recording.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub fn to_bytes(&self) -> Result<Vec<u8>, String> {
        fold(self, RECORDING_HEAD)
    }

    /// Writes it to the file at `path`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), RecordingError> {
        let unusable = |why| RecordingError::Unusable { path: path.to_owned(), why };
        let bytes = self.to_bytes().map_err(unusable)?;
        treefall_base::files::write_bytes(path, &bytes)
            .map_err(|source| RecordingError::Write { path: path.to_owned(), source })
    }
}

fn fold<T: Serialize>(value: &T, head: &str) -> Result<Vec<u8>, String> {
    let plain = postcard::to_stdvec(value).map_err(|error| error.to_string())?;
    let mut out = ZlibEncoder::new(head.as_bytes().to_vec(), Compression::best());
    out.write_all(&plain).and_then(|()| out.finish()).map_err(|error| error.to_string())
}

fn unfold<T: DeserializeOwned>(bytes: &[u8], head: &str) -> Result<T, String> {
    let Some(folded) = bytes.strip_prefix(head.as_bytes()) else {
        let what = head.trim_end().trim_end_matches(char::is_numeric);
        return Err(if bytes.starts_with(what.as_bytes()) {
            "a newer treefall wrote it; use that one".to_owned()
        } else {
            format!("it does not begin with `{}`; make one with `treefall record`", head.trim_end())
        });
    };
    let damaged = |error: String| format!("it is damaged ({error}); record the program again");
    let mut plain = Vec::new();
    let read = ZlibDecoder::new(folded).take(FILE_MAX).read_to_end(&mut plain);
    read.map_err(|error| damaged(error.to_string()))?;
    postcard::from_bytes(&plain).map_err(|error| damaged(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn played(wakes: &[u16], ending: Ending) -> Played {
        Played { wakes: wakes.to_vec(), ending, counts: [0; 4] }
    }

    #[test]
    fn a_run_is_compared_up_to_the_first_use_of_a_freed_entry() {
        let whole = played(&[1, 2, 3], Ending::Survived);
        assert_eq!(whole.compared(&whole), Compared::Whole);
        assert_eq!(whole.compared(&played(&[1, 2], Ending::UsesFreed)), Compared::UpToFirstUse);
        assert_eq!(whole.compared(&played(&[1, 9], Ending::Survived)), Compared::Differs(1));
        assert_eq!(whole.compared(&played(&[9, 2], Ending::UsesFreed)), Compared::Differs(0));
        assert_eq!(whole.compared(&played(&[1, 2, 3], Ending::Hung)), Compared::Differs(3));
        assert_eq!(whole.compared(&played(&[1, 2], Ending::Survived)), Compared::Differs(2));
    }

    #[test]
    fn what_is_no_recording_is_refused_with_a_remedy() {
        let refused = |bytes: &[u8]| unfold::<Recording>(bytes, RECORDING_HEAD).expect_err("it is none");
        assert!(refused(b"hello").contains("treefall record"));
        assert!(refused(b"treefall recording 2\n").contains("newer"));
        assert!(refused(b"treefall recording 1\nxyz").contains("damaged"));
    }
}
