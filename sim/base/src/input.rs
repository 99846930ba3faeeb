//! What is read from a file, or from standard input where `-` is named.
//!
//! Invariant: standard input is read once; whoever names `-` again gets the same.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::OnceLock;

/// More is not kept of standard input, in bytes.
const STANDARD_MAX: u64 = (64 << 20) + 1;

/// Whether `-` is named: standard input for a file that is read, standard output for one that is written.
#[must_use]
pub fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Reads at most one byte more than `most` of the file at `path`, so that a larger one shows.
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
