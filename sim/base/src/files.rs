//! Atomic writes: a file is there whole, or not at all.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// The permissions of a new file.
const MODE: u32 = 0o644;

/// Writes a file that is whole or not there: beside its place, and then moved there. A file that was there
/// keeps its permissions.
pub fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    write_all(path, text.as_bytes())
}

/// The same for what is no text; the folder is made when it is not there.
pub fn write_bytes(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    write_all(path, bytes)
}

fn write_all(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // What lies there, not a link to it, is replaced; what is no file, as /dev/stdout, is written to.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    if fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir()) {
        return fs::OpenOptions::new().write(true).open(path)?.write_all(bytes);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // What `tempfile` says names its own file, which means nothing to a reader.
    let plain = |error: io::Error| if error.raw_os_error().is_some() { error } else { error.kind().into() };
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(plain)?;
    file.write_all(bytes)?;
    let mode = fs::metadata(path).map_or_else(|_| fs::Permissions::from_mode(MODE), |old| old.permissions());
    file.as_file().set_permissions(mode)?;
    file.persist(path).map(|_| ()).map_err(|error| plain(error.error))
}
