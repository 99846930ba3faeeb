//! Findings on disk: a folder for each target, in it a folder for each finding.
//!
//! A failure is written before shrinking starts, so that a kill loses nothing. Invariant: a file is whole or not there; it is
//! written beside its place and moved.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use treefall_model::release::Defect;
use treefall_model::verdict::Signature;

use super::Report;
use super::html;
use super::json::{Card, ReportObject};
use treefall_base::files::write_whole;
use treefall_search::cause::Cause;
use treefall_search::known::FindingId;

/// The trace as it was found.
pub const FOUND: &str = "found.toml";
/// The smallest trace.
pub const MINIMAL: &str = "minimal.toml";
/// The report.
pub const REPORT: &str = "report.txt";
/// The report as a page.
const PAGE: &str = "report.html";
/// The page of a soak.
const SOAK: &str = "soak.html";
/// The report for machines.
const OBJECT: &str = "report.json";
/// The page of all failures of a folder.
pub const INDEX: &str = "index.html";

/// The file that a hunt leaves in its target's folder.
const HUNT: &str = treefall_search::campaign::FILE;
/// The folder of the fuzzer's finds beside those of the targets.
const FUZZ: &str = "fuzz";
/// How the names of targets begin.
const KINDS: [&str; 3] = ["replica", "engine", "daemon"];
/// So much of a page is looked at for treefall's mark, in bytes.
const PAGE_MAX: u64 = 64 << 20;
/// Largest `report.json` that is read, in bytes.
const OBJECT_MAX: u64 = 4 << 20;

/// Whose finding a folder is: its signature and cause.
const ID: &str = "finding.json";
/// Stands in a folder's name between the signature and the cause.
pub const CAUSE_MARK: char = '+';

/// What tells a stored finding from others of its signature.
#[derive(Deserialize, Serialize)]
pub(super) struct StoredId {
    signature: String,
    /// As [`CauseKey`] is written.
    pub(super) cause: String,
}

impl StoredId {
    /// Of the finding in this folder; `None`: nobody wrote it down.
    pub(super) fn load(folder: &Path) -> Option<Self> {
        let read = |name: &str| {
            let mut text = String::new();
            fs::File::open(folder.join(name)).ok()?.take(OBJECT_MAX).read_to_string(&mut text).ok()?;
            Some(text)
        };
        read(ID).map_or_else(
            // Written before the causes of a signature were kept apart.
            || serde_json::from_str(&read(OBJECT)?).ok().map(|old: OldId| old.stored()),
            |text| serde_json::from_str(&text).ok(),
        )
    }
}

/// What a report says of its finding.
#[derive(Deserialize)]
struct OldId {
    signature: String,
    defects: Vec<String>,
    together: bool,
}

impl OldId {
    fn stored(self) -> StoredId {
        let known: Vec<Defect> = self.defects.iter().filter_map(|name| Defect::named(name)).collect();
        let cause = match known.as_slice() {
            [one, other, ..] if self.together => Cause::Together([*one, *other]),
            [] => Cause::NotKnown,
            _ => Cause::Known(known),
        };
        StoredId { signature: self.signature, cause: cause.key().to_string() }
    }
}

/// A file of a finding cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {source}; name a folder that can be written: `--out DIR`", path.display())]
pub struct StoreError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// The folder of all findings.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// Stores findings under `folder`, which is made with the first one.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf() }
    }

    /// Checks that findings can be written there, before a long search.
    ///
    /// # Errors
    /// Why not: the folder, or the nearest one above it that is there, is none or cannot be written to.
    pub fn check(&self) -> Result<(), StoreError> {
        let start = if self.folder.as_os_str().is_empty() { Path::new(".") } else { &self.folder };
        let there =
            start.ancestors().find(|path| path.as_os_str().is_empty() || path.symlink_metadata().is_ok());
        let there = there.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let keep = |source| StoreError { path: self.folder.clone(), source };
        if !fs::metadata(there).map_err(keep)?.is_dir() {
            return Err(keep(io::ErrorKind::NotADirectory.into()));
        }
        let wanted = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
        rustix::fs::access(there, wanted).map_err(|error| keep(error.into()))?;
        let index = self.folder.join(INDEX);
        refuse_foreign_page(&index).map_err(|source| StoreError { path: index, source })
    }

    /// The folder of one target.
    #[must_use]
    pub fn target_folder(&self, target: &str) -> PathBuf {
        self.folder.join(slug(target))
    }

    /// The folder of one finding on one target. A signature's first finding has the plain name; one of another cause has
    /// the cause in it too.
    #[must_use]
    pub fn folder(&self, target: &str, finding: FindingId) -> PathBuf {
        let name = slug(&finding.signature.to_string());
        let plain = self.target_folder(target).join(&name);
        let Some(cause) = finding.cause else { return plain };
        match StoredId::load(&plain) {
            Some(stored) if stored.cause != cause.to_string() => {
                plain.with_file_name(format!("{name}{CAUSE_MARK}{cause}"))
            }
            _ => plain,
        }
    }

    /// Whether a finding of this signature is kept, whatever its cause.
    #[must_use]
    pub fn has(&self, target: &str, signature: Signature) -> bool {
        self.folder(target, signature.into()).exists()
    }

    /// Where the trace is kept as it was found.
    #[must_use]
    pub fn found(&self, target: &str, finding: FindingId) -> PathBuf {
        self.folder(target, finding).join(FOUND)
    }

    /// Keeps the trace as it was found, and whose finding the folder is.
    ///
    /// # Errors
    /// When it cannot be written; the error names the file.
    pub fn keep_found(
        &self,
        target: &str,
        finding: FindingId,
        scenario: &str,
    ) -> Result<PathBuf, StoreError> {
        let path = self.found(target, finding);
        keep_id(&path.with_file_name(ID), finding)?;
        keep(&path, scenario)
    }

    /// Keeps the smallest trace.
    ///
    /// # Errors
    /// As [`keep_found`](Self::keep_found).
    pub fn keep_minimal(
        &self,
        target: &str,
        finding: FindingId,
        scenario: &str,
    ) -> Result<PathBuf, StoreError> {
        let path = self.folder(target, finding).join(MINIMAL);
        keep_id(&path.with_file_name(ID), finding)?;
        keep(&path, scenario)
    }

    /// Keeps the report.
    ///
    /// # Errors
    /// As [`keep_found`](Self::keep_found).
    pub fn keep_report(&self, target: &str, finding: FindingId, text: &str) -> Result<PathBuf, StoreError> {
        keep(&self.folder(target, finding).join(REPORT), text)
    }

    /// Keeps the page of a target's soak.
    ///
    /// # Errors
    /// As [`keep_found`](Self::keep_found).
    pub fn keep_soak(&self, target: &str, page: &str) -> Result<PathBuf, StoreError> {
        let path = self.target_folder(target).join(SOAK);
        refuse_foreign_page(&path).map_err(|source| StoreError { path: path.clone(), source })?;
        keep(&path, page)
    }

    /// Keeps the report as a page, and for machines.
    ///
    /// # Errors
    /// As [`keep_found`](Self::keep_found).
    pub fn keep_page(&self, target: &str, finding: FindingId, report: &Report<'_>) -> Result<(), StoreError> {
        let folder = self.folder(target, finding);
        keep(&folder.join(PAGE), &html::page(report))?;
        let path = folder.join(OBJECT);
        let object = serde_json::to_string_pretty(&ReportObject::of(report));
        let object = object.map_err(|error| StoreError { path: path.clone(), source: error.into() })?;
        keep(&path, &(object + "\n")).map(drop)
    }

    /// Writes the page of all failures in the folder.
    ///
    /// # Errors
    /// As [`keep_found`](Self::keep_found).
    pub fn keep_index(&self) -> Result<PathBuf, StoreError> {
        let unreadable = |source| StoreError { path: self.folder.clone(), source };
        let cards = cards(&self.folder).map_err(|error| unreadable(error.error))?;
        let path = self.folder.join(INDEX);
        refuse_foreign_page(&path).map_err(|source| StoreError { path: path.clone(), source })?;
        keep(&path, &html::index(&cards))
    }
}

/// Why the reports of a folder cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}", path.display())]
pub struct Unreadable {
    /// The file or folder.
    pub path: PathBuf,
    /// Why.
    pub error: io::Error,
}

/// Refuses a page's place where a file lies that treefall did not write. An empty file is nobody's.
///
/// # Errors
/// That it is foreign, or why it cannot be read.
pub fn refuse_foreign_page(path: &Path) -> io::Result<()> {
    let mut text = Vec::new();
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        // What is no file, as a terminal, has no content that could be lost.
        Ok(facts) if !facts.is_file() => return Ok(()),
        Ok(_) => fs::File::open(path)?.take(PAGE_MAX).read_to_end(&mut text)?,
        Err(error) => return Err(error),
    };
    let mark = html::MADE_BY.as_bytes();
    if text.is_empty() || text.windows(mark.len()).any(|part| part == mark) {
        return Ok(());
    }
    Err(io::Error::other("treefall did not write this file and does not overwrite it; move it away"))
}

/// The reports in a folder that treefall wrote, in order of their names: where each page is, and what it tells. The
/// folder is that of all failures (`--out`), of a target, or of one failure; other folders in it are not looked into.
///
/// # Errors
/// When a folder cannot be read, or a report is none that this program wrote.
pub fn cards(folder: &Path) -> Result<Vec<(String, Card)>, Unreadable> {
    let mut cards = Vec::new();
    let whole = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_path_buf());
    if folder.join(OBJECT).is_file() {
        add_card(folder, "", &mut cards)?;
    } else if is_of_target(&whole) || folder.join(HUNT).is_file() {
        collect(folder, "", &mut cards)?;
    } else {
        // `corpus export` has a folder of its own beside those of the targets.
        for (name, path) in folders(folder)? {
            if is_of_target(&path) {
                collect(&path, &format!("{name}/"), &mut cards)?;
            } else if name == FUZZ {
                for (target, path) in folders(&path)?.into_iter().filter(|(_, path)| is_of_target(path)) {
                    collect(&path, &format!("{name}/{target}/"), &mut cards)?;
                }
            }
        }
    }
    Ok(cards)
}

/// Whether a folder is named as a target's is.
fn is_of_target(folder: &Path) -> bool {
    let name = folder.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    KINDS.iter().any(|kind| name.starts_with(&slug(&format!("{kind}:"))))
}

/// The folders in a folder, by name.
fn folders(folder: &Path) -> Result<Vec<(String, PathBuf)>, Unreadable> {
    let failed = |error| Unreadable { path: folder.to_path_buf(), error };
    let mut folders = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.path().is_dir() {
            folders.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
        }
    }
    folders.sort();
    Ok(folders)
}

/// The reports of one target.
fn collect(target: &Path, link: &str, cards: &mut Vec<(String, Card)>) -> Result<(), Unreadable> {
    for (name, failure) in folders(target)? {
        add_card(&failure, &format!("{link}{name}/"), cards)?;
    }
    Ok(())
}

/// The report of one failure, if there is one with its page.
fn add_card(failure: &Path, link: &str, cards: &mut Vec<(String, Card)>) -> Result<(), Unreadable> {
    let path = failure.join(OBJECT);
    if path.is_file() && failure.join(PAGE).is_file() {
        let card = read_card(&path).map_err(|error| Unreadable { path: path.clone(), error })?;
        cards.push((format!("{link}{PAGE}"), card));
    }
    Ok(())
}

fn read_card(path: &Path) -> io::Result<Card> {
    let mut text = String::new();
    fs::File::open(path)?.take(OBJECT_MAX).read_to_string(&mut text)?;
    serde_json::from_str(&text).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))
}

/// A target or signature as a folder's name.
pub fn slug(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+') { c } else { '_' };
    text.chars().map(plain).collect()
}

fn keep_id(path: &Path, finding: FindingId) -> Result<(), StoreError> {
    let Some(cause) = finding.cause else { return Ok(()) };
    let stored = StoredId { signature: finding.signature.to_string(), cause: cause.to_string() };
    let text = serde_json::to_string_pretty(&stored)
        .map_err(|error| StoreError { path: path.to_path_buf(), source: error.into() })?;
    keep(path, &(text + "\n")).map(drop)
}

/// Writes a file whole, and the folders that lead to it.
///
/// # Errors
/// When it cannot be written.
pub fn keep(path: &Path, text: &str) -> Result<PathBuf, StoreError> {
    let failed = |source| StoreError { path: path.to_path_buf(), source };
    fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).map_err(failed)?;
    write_whole(path, text).map_err(failed)?;
    Ok(path.to_path_buf())
}
