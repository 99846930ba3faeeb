//! Failures that a hunt kept, read back and taken over into another folder.
//!
//! What always holds: of two failures of one signature the one that ranks first does not depend on the order in which
//! they are met.

use std::fs;
use std::path::{Path, PathBuf};

use super::store::{FOUND, MINIMAL, StoreError, StoredId};
use treefall_base::files::write_whole;
use treefall_scenario::{self as scenario, LoadError};

/// Most files of one failure: a hunt writes a handful.
const FILES_MAX: usize = 64;

/// A failure in its folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Kept {
    /// The folder.
    pub folder: PathBuf,
    /// How many wakes its smallest trace has; none: it was not shrunk.
    pub wakes: Option<usize>,
    /// What tells its cause from others of its signature; `None`: nobody wrote it down.
    pub cause: Option<String>,
    /// The number of the trace in its campaign.
    pub number: Option<u64>,
}

impl Kept {
    /// The failure in this folder; `None`: there is none.
    ///
    /// # Errors
    /// When a scenario in it cannot be read.
    pub fn load(folder: &Path) -> Result<Option<Self>, LoadError> {
        let read = |name: &str| {
            let path = folder.join(name);
            path.exists().then(|| scenario::load(&path)).transpose()
        };
        let (found, minimal) = (read(FOUND)?, read(MINIMAL)?);
        let Some(any) = minimal.as_ref().or(found.as_ref()) else { return Ok(None) };
        let wakes = minimal.as_ref().map(|minimal| minimal.trace.wakes().len());
        let cause = StoredId::load(folder).map(|stored| stored.cause);
        Ok(Some(Self { folder: folder.to_owned(), wakes, cause, number: any.provenance.trace }))
    }

    /// The smallest ranks first; of two alike the one that was found first.
    #[must_use]
    pub fn rank(&self) -> (usize, u64, PathBuf) {
        (self.wakes.unwrap_or(usize::MAX), self.number.unwrap_or(u64::MAX), self.folder.clone())
    }
}

/// Copies a failure's files into `folder`, which is made when it is not there.
///
/// # Errors
/// When one cannot be read or written; each file there is whole.
pub fn take_over(kept: &Kept, folder: &Path) -> Result<(), StoreError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| StoreError { path: path.clone(), source }
    };
    if same(&kept.folder, folder) {
        return Ok(());
    }
    fs::create_dir_all(folder).map_err(failed(folder))?;
    for entry in fs::read_dir(&kept.folder).map_err(failed(&kept.folder))?.take(FILES_MAX) {
        let path = entry.map_err(failed(&kept.folder))?.path();
        let Some(name) = path.file_name().filter(|_| path.is_file()) else { continue };
        let text = fs::read_to_string(&path).map_err(failed(&path))?;
        let to = folder.join(name);
        write_whole(&to, &text).map_err(failed(&to))?;
    }
    Ok(())
}

/// Whether two paths lead to one folder.
fn same(one: &Path, other: &Path) -> bool {
    match (fs::canonicalize(one), fs::canonicalize(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}
