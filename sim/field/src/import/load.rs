//! Reads the text of a log file, decompresses it, and turns journald's binary fields into text.

use std::io::Read;
use std::path::Path;

use treefall_base::input;

use super::error::{ImportError, SIZE_MAX};

/// Returns the text of the log at `path`; `-` is standard input. Invalid UTF-8 is replaced.
///
/// # Errors
/// When the file cannot be read, is too large or is not text.
pub fn load(path: &Path) -> Result<String, ImportError> {
    let unreadable = |error| ImportError::Unreadable { path: path.to_owned(), error };
    let too_large = || ImportError::TooLarge { path: path.to_owned() };
    let bytes = input::read(path, SIZE_MAX).map_err(unreadable)?;
    if bytes.len() as u64 > SIZE_MAX {
        return Err(too_large());
    }
    let bytes = decompressed(&bytes).unwrap_or(bytes);
    if bytes.len() as u64 > SIZE_MAX {
        return Err(too_large());
    }
    let bytes = match bytes.starts_with(b"__CURSOR=") {
        true => without_binary_fields(&bytes),
        false => bytes,
    };
    let Some(offset) = bytes.iter().position(|byte| *byte == 0) else {
        return Ok(String::from_utf8_lossy(&bytes).into_owned());
    };
    if let Some(text) = of_utf_16(&bytes) {
        return Ok(text);
    }
    let line = bytes[..offset].iter().filter(|byte| **byte == b'\n').count() + 1;
    let hint = match bytes.as_slice() {
        [0x1f, 0x8b, ..] => "; it is compressed, and not whole: `zcat LOG | treefall import -`",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            "; it is compressed, and not whole: `zstdcat LOG | treefall import -`"
        }
        [0xfd, b'7', b'z', ..] => "; it is compressed: `xzcat LOG | treefall import -`",
        [b'B', b'Z', b'h', ..] => "; it is compressed: `bzcat LOG | treefall import -`",
        [0x7f, b'E', b'L', b'F', ..] => {
            "; it is a program or a core dump: name the text of its backtrace (`coredumpctl info`, `gdb -batch -ex bt`)"
        }
        [b'L', b'P', b'K', ..] => "; it is a journal: `journalctl --file LOG | treefall import -`",
        _ => "",
    };
    Err(ImportError::NotText { path: path.to_owned(), offset, line, hint })
}

/// Decompresses gzip or zstd, as far as the data is intact, to at most one byte over the size limit. `None`: not
/// compressed, or nothing can be decompressed.
fn decompressed(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    let read = match bytes {
        [0x1f, 0x8b, ..] => {
            flate2::read::MultiGzDecoder::new(bytes).take(SIZE_MAX + 1).read_to_end(&mut plain)
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let decoder = ruzstd::decoding::StreamingDecoder::new(bytes).ok()?;
            decoder.take(SIZE_MAX + 1).read_to_end(&mut plain)
        }
        _ => return None,
    };
    // A log that is still being written, or was cut, is used as far as it goes.
    (read.is_ok() || !plain.is_empty()).then_some(plain)
}

/// Converts the binary fields of a journald export (a name, the length in 8 bytes, the value) to lines of text.
fn without_binary_fields(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        let line = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or_default();
        text.extend_from_slice(line);
        if !line.is_empty()
            && !line.contains(&b'=')
            && let Some((length, value)) = rest.split_first_chunk::<8>()
        {
            let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX).min(value.len());
            text.push(b'=');
            let plain = |byte: &u8| if byte.is_ascii_control() { b' ' } else { *byte };
            text.extend(value[..length].iter().map(plain));
            rest = value.get(length + 1..).unwrap_or_default();
        }
        text.push(b'\n');
    }
    text
}

/// Decodes UTF-16 by its byte order mark.
fn of_utf_16(bytes: &[u8]) -> Option<String> {
    let unit: fn([u8; 2]) -> u16 = match bytes {
        [0xff, 0xfe, ..] => u16::from_le_bytes,
        [0xfe, 0xff, ..] => u16::from_be_bytes,
        _ => return None,
    };
    let units: Vec<u16> = bytes[2..].chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
    Some(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_fields_of_an_export_become_text() {
        let mut bytes = b"__CURSOR=x\nMESSAGE\n".to_vec();
        bytes.extend(3_u64.to_le_bytes());
        bytes.extend(b"a\x1bb\nPRIORITY=6\n\n");
        assert_eq!(without_binary_fields(&bytes), b"__CURSOR=x\nMESSAGE=a b\nPRIORITY=6\n\n");
    }

    #[test]
    fn utf_16_is_read_by_its_mark() {
        assert_eq!(of_utf_16(&[0xff, 0xfe, b'a', 0, b'\n', 0]).as_deref(), Some("a\n"));
    }
}
