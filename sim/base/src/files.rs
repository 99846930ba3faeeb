//! Atomic writes: a file is either complete or absent.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// The permissions of a new file.
const MODE: u32 = 0o644;

/// Writes a file atomically: beside its place first, then moved there. An existing file keeps its permissions.
pub fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    write_all(path, text.as_bytes())
}

/// Writes bytes in the same way; creates the folder if it is missing.
pub fn write_bytes(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    write_all(path, bytes)
}

fn write_all(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // A link is followed, and its target replaced; something that is no file, such as /dev/stdout, is written to.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    if fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir()) {
        return fs::OpenOptions::new().write(true).open(path)?.write_all(bytes);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // The errors of `tempfile` name its own temporary file, which means nothing to the user.
    let plain = |error: io::Error| if error.raw_os_error().is_some() { error } else { error.kind().into() };
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(plain)?;
    file.write_all(bytes)?;
    let mode = fs::metadata(path).map_or_else(|_| fs::Permissions::from_mode(MODE), |old| old.permissions());
    file.as_file().set_permissions(mode)?;
    file.persist(path).map(|_| ()).map_err(|error| plain(error.error))
}
