//! Finds on disk: a folder a target, a folder a signature, in it what was found and what it came to.
//!
//! What is found is written before shrinking starts, so that a kill loses nothing. A file is written beside
//! its place and moved there: it is whole or it is not there.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use treefall_model::verdict::Signature;

use crate::subject::SubjectError;

/// The trace as it was found.
pub(super) const FOUND: &str = "found.toml";
/// The smallest trace.
pub(super) const MINIMAL: &str = "minimal.toml";
/// The report.
const REPORT: &str = "report.txt";

/// Finds are for others to read too, a temporary file is not.
const MODE: u32 = 0o644;

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
        keep(&self.folder(target, signature).join(FOUND), scenario)
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
}

/// A target or signature as a folder's name.
pub(crate) fn slug(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+') { c } else { '_' };
    text.chars().map(plain).collect()
}

/// Writes a file that is whole or not there: beside its place, and then moved there. A file that was there
/// keeps its permissions.
pub(crate) fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    write_all(path, text.as_bytes())
}

/// The same for what is no text; the folder is made when it is not there.
pub(crate) fn write_bytes(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    write_all(path, bytes)
}

fn write_all(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // What `tempfile` says names its own file, which means nothing to a reader.
    let plain = |error: io::Error| if error.raw_os_error().is_some() { error } else { error.kind().into() };
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(plain)?;
    file.write_all(bytes)?;
    let mode = fs::metadata(path).map_or_else(|_| fs::Permissions::from_mode(MODE), |old| old.permissions());
    file.as_file().set_permissions(mode)?;
    file.persist(path).map(|_| ()).map_err(|error| plain(error.error))
}

fn keep(path: &Path, text: &str) -> Result<PathBuf, SubjectError> {
    let failed = |source| SubjectError::Keep { path: path.to_path_buf(), source };
    fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).map_err(failed)?;
    write_whole(path, text).map_err(failed)?;
    Ok(path.to_path_buf())
}
