//! Ends a run with a text for a person: because the harness cannot continue, or because the program does what it was not
//! asked to.
//!
//! Invariant: the first is an error of the harness, or a program that cannot be driven, never a verdict; the second is
//! always a verdict.

use alloc::string::String;
use core::fmt::{self, Write as _};

use crate::escape::{Left, escape};
use crate::registers::Registers;
use crate::single::{Mode, Single, mode};
use crate::stopped::{self, Place};

/// Most bytes of the text.
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

/// Leaves the sheltered call with this text.
pub fn fatal(why: fmt::Arguments<'_>) -> ! {
    note(why);
    stopped::keep(Place::Stopped, Registers::here());
    escape(Left::Fatal)
}

/// Leaves the sheltered call because the program did what it was not asked to: the text is its verdict. Outside of a
/// trace it is [`fatal`].
pub fn stray(what: fmt::Arguments<'_>) -> ! {
    if !matches!(mode(), Mode::Run | Mode::Daemon | Mode::Script) {
        fatal(what);
    }
    note(what);
    stopped::keep(Place::Stopped, Registers::here());
    escape(Left::Strayed)
}

/// Keeps the text without leaving.
pub fn note(why: fmt::Arguments<'_>) {
    let mut text = Text { bytes: [0; TEXT_MAX], length: 0 };
    // A text that is too long is cut.
    let _ = text.write_fmt(why);
    TEXT.set(text);
}

/// Returns the last text.
pub fn noted() -> String {
    let text = TEXT.get();
    String::from_utf8_lossy(&text.bytes[..text.length]).into_owned()
}
