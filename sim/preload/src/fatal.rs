//! Why the harness itself cannot go on: a text for a person, and the way out.
//!
//! Always: what ends a run here is an error of the harness or a program that does not fit, never a verdict.

use alloc::string::String;
use core::fmt::{self, Write as _};

use crate::escape::{Left, escape};
use crate::registers::Registers;
use crate::single::Single;
use crate::stopped;

/// Longest text.
const TEXT_MAX: usize = 400;

#[derive(Clone, Copy)]
struct Text {
    bytes: [u8; TEXT_MAX],
    length: usize,
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if self.length < TEXT_MAX {
                self.bytes[self.length] = byte;
                self.length += 1;
            }
        }
        Ok(())
    }
}

static TEXT: Single<Text> = Single::new(Text { bytes: [0; TEXT_MAX], length: 0 });

/// Ends the sheltered call; the text says why.
pub fn fatal(why: fmt::Arguments<'_>) -> ! {
    note(why);
    stopped::keep(Registers::here());
    escape(Left::Fatal)
}

/// Writes down why, without ending anything.
pub fn note(why: fmt::Arguments<'_>) {
    let mut text = Text { bytes: [0; TEXT_MAX], length: 0 };
    // A text that is too long is cut.
    let _ = text.write_fmt(why);
    TEXT.set(text);
}

/// What was written down last.
pub fn noted() -> String {
    let text = TEXT.get();
    String::from_utf8_lossy(&text.bytes[..text.length]).into_owned()
}
