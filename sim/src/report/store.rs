//! Finds on disk: a folder a target, a folder a signature, in it what was found and what it came to.
//!
//! What is found is written before shrinking starts, so that a kill loses nothing. A file is written beside
//! its place and moved there: it is whole or it is not there.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use treefall_model::verdict::Signature;

use crate::subject::SubjectError;

/// The trace as it was found.
const FOUND: &str = "found.toml";
/// The smallest trace.
const MINIMAL: &str = "minimal.toml";
/// The report.
const REPORT: &str = "report.txt";

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

    /// The folder of one signature on one target.
    #[must_use]
    pub fn folder(&self, target: &str, signature: Signature) -> PathBuf {
        self.folder.join(slug(target)).join(slug(&signature.to_string()))
    }

    /// Keeps the trace as it was found.
    ///
    /// # Errors
    /// When it cannot be written; the error names the file.
    pub fn keep_found(&self, target: &str, signature: Signature, scenario: &str) -> Result<PathBuf, SubjectError> {
        write_whole(&self.folder(target, signature).join(FOUND), scenario)
    }

    /// Keeps the smallest trace.
    ///
    /// # Errors
    /// As [`keep_found`](Self::keep_found).
    pub fn keep_minimal(&self, target: &str, signature: Signature, scenario: &str) -> Result<PathBuf, SubjectError> {
        write_whole(&self.folder(target, signature).join(MINIMAL), scenario)
    }

    /// Keeps the report.
    ///
    /// # Errors
    /// As [`keep_found`](Self::keep_found).
    pub fn keep_report(&self, target: &str, signature: Signature, text: &str) -> Result<PathBuf, SubjectError> {
        write_whole(&self.folder(target, signature).join(REPORT), text)
    }
}

/// A target or signature as a folder's name.
fn slug(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+') { c } else { '_' };
    text.chars().map(plain).collect()
}

fn write_whole(path: &Path, text: &str) -> Result<PathBuf, SubjectError> {
    let keep = |source| SubjectError::Keep { path: path.to_path_buf(), source };
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    fs::create_dir_all(folder).map_err(keep)?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(keep)?;
    file.write_all(text.as_bytes()).map_err(keep)?;
    file.persist(path).map_err(|error| keep(error.error))?;
    Ok(path.to_path_buf())
}
