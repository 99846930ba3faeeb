//! Finds on disk: a folder a target, a folder a signature, in it what was found and what it came to.
//!
//! What is found is written before shrinking starts, so that a kill loses nothing. A file is written beside
//! its place and moved there: it is whole or it is not there.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use treefall_model::verdict::Signature;

use super::Report;
use super::html;
use super::json::{Card, ReportObject};
use treefall_base::files::write_whole;
use treefall_subject::SubjectError;

/// The trace as it was found.
pub(super) const FOUND: &str = "found.toml";
/// The smallest trace.
pub(crate) const MINIMAL: &str = "minimal.toml";
/// The report.
const REPORT: &str = "report.txt";
/// The report as a page.
const PAGE: &str = "report.html";
/// The page of a soak.
const SOAK: &str = "soak.html";
/// The report for machines.
const OBJECT: &str = "report.json";
/// The page of all finds of a folder.
pub const INDEX: &str = "index.html";

/// Deepest folder below the one of all finds in which a report is looked for.
const DEPTH_MAX: usize = 3;
/// Largest `report.json` that is read, in bytes.
const OBJECT_MAX: u64 = 4 << 20;

/// Where finds go.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// Finds go under `folder`, which is made when the first one does.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf() }
    }

    /// Whether finds can be written there: asked before a long search, not after it.
    ///
    /// # Errors
    /// Why not: the folder, or the nearest one above it that is there, is none or cannot be written to.
    pub fn check(&self) -> Result<(), SubjectError> {
        let start = if self.folder.as_os_str().is_empty() { Path::new(".") } else { &self.folder };
        let there =
            start.ancestors().find(|path| path.as_os_str().is_empty() || path.symlink_metadata().is_ok());
        let there = there.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let keep = |source| SubjectError::Keep { path: self.folder.clone(), source };
        if !fs::metadata(there).map_err(keep)?.is_dir() {
            return Err(keep(io::ErrorKind::NotADirectory.into()));
        }
        let wanted = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
        rustix::fs::access(there, wanted).map_err(|error| keep(error.into()))
    }

    /// The folder of one target.
    #[must_use]
    pub fn target_folder(&self, target: &str) -> PathBuf {
        self.folder.join(slug(target))
    }

    /// The folder of one signature on one target.
    #[must_use]
    pub fn folder(&self, target: &str, signature: Signature) -> PathBuf {
        self.target_folder(target).join(slug(&signature.to_string()))
    }

    /// Where the trace is kept as it was found.
    #[must_use]
    pub fn found(&self, target: &str, signature: Signature) -> PathBuf {
        self.folder(target, signature).join(FOUND)
    }

    /// Keeps the trace as it was found.
    ///
    /// # Errors
    /// When it cannot be written; the error names the file.
    pub fn keep_found(
        &self,
        target: &str,
        signature: Signature,
        scenario: &str,
    ) -> Result<PathBuf, SubjectError> {
        keep(&self.found(target, signature), scenario)
    }

    /// Keeps the smallest trace.
    ///
    /// # Errors
    /// As [`keep_found`](Self::keep_found).
    pub fn keep_minimal(
        &self,
        target: &str,
        signature: Signature,
        scenario: &str,
    ) -> Result<PathBuf, SubjectError> {
        keep(&self.folder(target, signature).join(MINIMAL), scenario)
    }

    /// Keeps the report.
    ///
    /// # Errors
    /// As [`keep_found`](Self::keep_found).
    pub fn keep_report(
        &self,
        target: &str,
        signature: Signature,
        text: &str,
    ) -> Result<PathBuf, SubjectError> {
        keep(&self.folder(target, signature).join(REPORT), text)
    }

    /// Keeps the page of a target's soak.
    ///
    /// # Errors
    /// As [`keep_found`](Self::keep_found).
    pub fn keep_soak(&self, target: &str, page: &str) -> Result<PathBuf, SubjectError> {
        keep(&self.target_folder(target).join(SOAK), page)
    }

    /// Keeps the report as a page, and for machines.
    ///
    /// # Errors
    /// As [`keep_found`](Self::keep_found).
    pub fn keep_page(
        &self,
        target: &str,
        signature: Signature,
        report: &Report<'_>,
    ) -> Result<(), SubjectError> {
        let folder = self.folder(target, signature);
        keep(&folder.join(PAGE), &html::page(report))?;
        let path = folder.join(OBJECT);
        let object = serde_json::to_string_pretty(&ReportObject::of(report));
        let object =
            object.map_err(|error| SubjectError::Keep { path: path.clone(), source: error.into() })?;
        keep(&path, &(object + "\n")).map(drop)
    }

    /// Writes the page of all finds in the folder.
    ///
    /// # Errors
    /// As [`keep_found`](Self::keep_found).
    pub fn keep_index(&self) -> Result<PathBuf, SubjectError> {
        let unreadable = |source| SubjectError::Keep { path: self.folder.clone(), source };
        let cards = cards(&self.folder).map_err(|error| unreadable(error.error))?;
        keep(&self.folder.join(INDEX), &html::index(&cards))
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

/// The reports in a folder and below it, in order of their names: where each page is, and what it tells.
///
/// # Errors
/// When a folder cannot be read, or a report is none that this program wrote.
pub fn cards(folder: &Path) -> Result<Vec<(String, Card)>, Unreadable> {
    let mut cards = Vec::new();
    collect(folder, "", 0, &mut cards)?;
    Ok(cards)
}

fn collect(
    folder: &Path,
    link: &str,
    depth: usize,
    cards: &mut Vec<(String, Card)>,
) -> Result<(), Unreadable> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |error| Unreadable { path, error }
    };
    let entries = fs::read_dir(folder).map_err(failed(folder))?;
    let names: io::Result<Vec<PathBuf>> = entries.map(|entry| Ok(entry?.path())).collect();
    let mut names = names.map_err(failed(folder))?;
    names.sort();
    for path in names {
        let Some(name) = path.file_name().map(|name| name.to_string_lossy().into_owned()) else { continue };
        if path.is_dir() && depth < DEPTH_MAX {
            collect(&path, &format!("{link}{name}/"), depth + 1, cards)?;
        } else if name == OBJECT && folder.join(PAGE).is_file() {
            let card = read_card(&path).map_err(failed(&path))?;
            cards.push((format!("{link}{PAGE}"), card));
        }
    }
    Ok(())
}

fn read_card(path: &Path) -> io::Result<Card> {
    let mut text = String::new();
    fs::File::open(path)?.take(OBJECT_MAX).read_to_string(&mut text)?;
    serde_json::from_str(&text).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))
}

/// A target or signature as a folder's name.
pub(crate) fn slug(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+') { c } else { '_' };
    text.chars().map(plain).collect()
}

fn keep(path: &Path, text: &str) -> Result<PathBuf, SubjectError> {
    let failed = |source| SubjectError::Keep { path: path.to_path_buf(), source };
    fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).map_err(failed)?;
    write_whole(path, text).map_err(failed)?;
    Ok(path.to_path_buf())
}
