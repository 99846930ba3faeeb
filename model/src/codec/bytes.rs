//! Parts of the format: bytes, varints, and spans that take one byte where they are common.

use alloc::string::String;
use alloc::vec::Vec;

use crate::time::Span;
use crate::valid::Name;

/// Units of one-byte spans: quarters of a second, hundredths, microseconds.
const QUARTER: u64 = 250_000;
const HUNDREDTH: u64 = 10_000;
pub(super) const HALF: u64 = 500_000;
/// Ranges of a span's first byte: 64 values each, except the last two.
const HUNDREDTHS: u8 = 0x40;
const MICROS: u8 = 0x80;
/// Half seconds, followed by a signed byte of microseconds.
const NEAR: u8 = 0xc0;
/// Followed by a varint of microseconds.
const ANY: u8 = 0xe0;

pub(super) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self { bytes: Vec::with_capacity(capacity) }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    pub(super) fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.byte((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.byte(number as u8);
    }

    /// Writes a span in the first range that holds it.
    pub(super) fn span(&mut self, span: Span) {
        let micros = span.as_micros();
        let below = |limit, number: u64| u8::try_from(number).ok().filter(|n| *n < limit);
        if micros.is_multiple_of(QUARTER)
            && let Some(quarters) = below(HUNDREDTHS, micros / QUARTER)
        {
            return self.byte(quarters);
        }
        if micros.is_multiple_of(HUNDREDTH)
            && let Some(hundredths) = below(MICROS - HUNDREDTHS, micros / HUNDREDTH)
        {
            return self.byte(HUNDREDTHS + hundredths);
        }
        if let Some(few) = below(NEAR - MICROS, micros) {
            return self.byte(MICROS + few);
        }
        let halves = (micros + HALF / 2) / HALF;
        let beside = i8::try_from(micros.cast_signed() - (halves * HALF).cast_signed());
        if let (Some(halves), Ok(beside)) = (below(ANY - NEAR, halves), beside) {
            self.byte(NEAR + halves);
            return self.byte(beside.cast_unsigned());
        }
        self.byte(ANY);
        self.varint(micros);
    }
}

pub(super) struct Reader<'b> {
    bytes: &'b [u8],
}

impl<'b> Reader<'b> {
    pub(super) const fn new(bytes: &'b [u8]) -> Self {
        Self { bytes }
    }

    /// Returns how many bytes are left.
    pub(super) const fn left(&self) -> usize {
        self.bytes.len()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Reads a byte; zero past the end.
    pub(super) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        *first
    }

    /// Reads `length` bytes, or as many as are left.
    pub(super) fn take(&mut self, length: usize) -> &'b [u8] {
        let (taken, rest) = self.bytes.split_at(length.min(self.bytes.len()));
        self.bytes = rest;
        taken
    }

    /// Reads seven bits a byte, lowest first; bits past the 64th are dropped.
    pub(super) fn varint(&mut self) -> u64 {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte();
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        number
    }

    /// Reads a count of items of at least one byte each: at most `most`, and at most the bytes that are left.
    pub(super) fn count(&mut self, most: usize) -> usize {
        let number = usize::try_from(self.varint()).unwrap_or(usize::MAX);
        number.min(most).min(self.bytes.len())
    }

    pub(super) fn span(&mut self) -> Span {
        let class = self.byte();
        let micros = match class {
            0..HUNDREDTHS => u64::from(class) * QUARTER,
            HUNDREDTHS..MICROS => u64::from(class - HUNDREDTHS) * HUNDREDTH,
            MICROS..NEAR => u64::from(class - MICROS),
            NEAR..ANY => {
                let halves = u64::from(class - NEAR) * HALF;
                halves.saturating_add_signed(i64::from(self.byte().cast_signed()))
            }
            ANY.. => self.varint(),
        };
        Span::from_micros(micros)
    }

    /// Reads a span; a second in place of zero.
    pub(super) fn span_or_second(&mut self) -> Span {
        match self.span() {
            Span::ZERO => Span::from_secs(1),
            span => span,
        }
    }
}

/// Characters for bytes that no name can hold.
const LETTERS: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

/// Reads a name of `length` bytes; the default name of `place` where they make none.
pub(super) fn name_of(input: &mut Reader<'_>, length: usize, place: usize) -> Name {
    let letter = |byte: u8| match byte {
        good if good.is_ascii_alphanumeric() || b"_-.".contains(&good) => char::from(good),
        other => char::from(LETTERS[usize::from(other) % LETTERS.len()]),
    };
    let name: String = input.take(length).iter().map(|byte| letter(*byte)).collect();
    Name::new(&name).unwrap_or_else(|_| Name::numbered(place))
}

pub(super) const fn flag(set: bool, bit: u8) -> u8 {
    if set { bit } else { 0 }
}

/// Returns `number` as a byte, or [`u8::MAX`] if it does not fit.
pub(super) fn small(number: usize) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}
