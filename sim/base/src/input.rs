//! Reads files, and standard input where `-` is named.
//!
//! Invariant: standard input is read once; later reads return the same bytes.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::OnceLock;

/// Most bytes of standard input that are kept.
const STANDARD_MAX: u64 = (64 << 20) + 1;

/// Returns whether the path is `-`: standard input when reading, standard output when writing.
#[must_use]
pub fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Reads at most `most` + 1 bytes of the file at `path`, so that a larger file can be recognised.
///
/// # Errors
/// When it cannot be read.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    static STANDARD: OnceLock<Result<Vec<u8>, io::ErrorKind>> = OnceLock::new();
    let mut bytes = Vec::new();
    if is_standard(path) {
        let whole = STANDARD.get_or_init(|| {
            let mut whole = Vec::new();
            let read = io::stdin().lock().take(STANDARD_MAX).read_to_end(&mut whole);
            read.map(|_| whole).map_err(|error| error.kind())
        });
        let whole = whole.as_ref().map_err(|kind| io::Error::from(*kind))?;
        let part = usize::try_from(most.saturating_add(1)).unwrap_or(usize::MAX);
        bytes.extend_from_slice(&whole[..whole.len().min(part)]);
    } else {
        File::open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}
