//! A folder that one treefall at a time writes to.
//!
//! Invariant: who holds a [`Lock`] holds the lock of the file that lies in the folder now, so that the file can be
//! removed. A process that is killed leaves the file and no lock.

use std::fs;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// The file that is locked.
const FILE: &str = ".treefall.lock";
/// Most bytes of a holder's number that are read.
const HOLDER_MAX: u64 = 20;

/// The right to write to a folder, until it is dropped.
#[derive(Debug)]
pub struct Lock {
    file: fs::File,
    path: PathBuf,
    is_held: bool,
    /// The folders that were made for it, the innermost first.
    made: Vec<PathBuf>,
}

/// Why a folder cannot be locked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another treefall writes to it.
    #[error(
        "{}: another treefall{holder} is writing to this folder; wait for its end, or name another folder with `--out`",
        folder.display()
    )]
    Busy {
        /// The folder.
        folder: PathBuf,
        /// Its process, in words.
        holder: String,
    },
    /// The lock's file cannot be made.
    #[error("{}: {source}; name another folder with `--out`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Lock {
    /// Locks the folder, which is made when it is not there.
    ///
    /// # Errors
    /// When another process holds its lock, or the lock's file cannot be made.
    pub fn take(folder: &Path) -> Result<Self, LockError> {
        let path = folder.join(FILE);
        let failed = |source| LockError::File { path: path.clone(), source };
        let missing = folder.ancestors().filter(|it| !it.as_os_str().is_empty());
        let made: Vec<PathBuf> =
            missing.take_while(|it| it.symlink_metadata().is_err()).map(Path::to_path_buf).collect();
        loop {
            fs::create_dir_all(folder).map_err(failed)?;
            let mut open = fs::OpenOptions::new();
            let opened = open.read(true).write(true).create(true).truncate(false).open(&path);
            let mut file = match opened {
                Ok(file) => file,
                // Whoever was here removed the folder that it had made.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(failed(error)),
            };
            let is_held = match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => true,
                Err(Errno::WOULDBLOCK) => {
                    let (folder, holder) = (folder.to_path_buf(), holder(&mut file));
                    return Err(LockError::Busy { folder, holder });
                }
                // A file system without locks.
                Err(_) => false,
            };
            let (here, held) = (fs::metadata(&path), file.metadata().map_err(failed)?);
            if here.is_ok_and(|here| (here.dev(), here.ino()) == (held.dev(), held.ino())) {
                let written = file
                    .set_len(0)
                    .and_then(|()| file.rewind())
                    .and_then(|()| write!(file, "{}", std::process::id()));
                written.map_err(failed)?;
                return Ok(Self { file, path, is_held, made });
            }
        }
    }

    /// Whether others are kept out: not on a file system without locks.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.is_held
    }
}

/// The process that wrote its number into the file, in words; empty when there is none yet.
fn holder(file: &mut fs::File) -> String {
    let mut text = String::new();
    // What cannot be read is not told.
    let _ = file.take(HOLDER_MAX).read_to_string(&mut text);
    text.trim().parse::<u32>().map_or_else(|_| String::new(), |pid| format!(" (process {pid})"))
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.is_held {
            // A file that stays is locked again by the next. A folder stays where anything is in it.
            let _ = fs::remove_file(&self.path);
            let _ = self.made.iter().try_for_each(fs::remove_dir);
            let _ = flock(&self.file, FlockOperation::Unlock);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_holds_a_folder_and_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let out = folder.path().join("a/b");
        let lock = Lock::take(&out).expect("free");
        assert!(lock.is_held());
        let busy = Lock::take(&out).expect_err("held").to_string();
        assert!(busy.contains(&format!("another treefall (process {})", std::process::id())), "{busy}");
        drop(lock);
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0, "an empty folder is left");
        let lock = Lock::take(&out).expect("free again");
        fs::write(out.join("a file"), "").expect("written");
        drop(lock);
        assert_eq!(fs::read_dir(&out).expect("a folder").count(), 1, "the lock's file is left");
        // An empty folder that was there stays.
        let own = folder.path().join("own");
        fs::create_dir(&own).expect("made");
        drop(Lock::take(&own).expect("free"));
        assert!(own.is_dir());
        // What a process that was killed leaves is no lock.
        fs::write(out.join(FILE), "1").expect("written");
        assert!(Lock::take(&out).is_ok());
    }
}
