//! Backtraces of a real program that crashed or hung.
//!
//! Invariant: a frame names no address of a process, only a function or a place in a file, so that it is the same in
//! every run. Backtraces are for people and are never compared.

use std::fmt;

/// The file that contains a frame's code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Home {
    /// The program.
    Program,
    /// A library with this name.
    Library(String),
    /// The engine's own library, which stands for the program's `main` and for its handlers.
    Engine,
}

/// A function that was called and had not returned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// The file with its code.
    pub home: Home,
    /// Its name, if a symbol gives it.
    pub function: Option<String>,
    /// The offset in the function; without a name, in the file. 0 for the innermost function of a hang, whose place
    /// in the loop is chance.
    pub offset: u64,
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { home, function, offset } = self;
        match (home, function) {
            (Home::Engine, _) => f.write_str("treefall, in place of a handler or of main"),
            (Home::Program, Some(function)) if *offset == 0 => f.write_str(function),
            (Home::Program, Some(function)) => write!(f, "{function}+{offset:#x}"),
            (Home::Program, None) => write!(f, "keepalived+{offset:#x}, a function without a symbol"),
            (Home::Library(library), Some(function)) => write!(f, "{function}+{offset:#x} in {library}"),
            (Home::Library(library), None) => write!(f, "{library}+{offset:#x}"),
        }
    }
}

/// Backtraces of the entry that a real program used after freeing it.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct EntryLife {
    /// The stack of its allocation, innermost frame first.
    pub handed_out: Vec<Frame>,
    /// The stack of its release, innermost frame first.
    pub freed: Vec<Frame>,
}

/// Returns the non-empty backtraces of a run with their titles.
#[must_use]
pub fn titled<'f>(crash: &'f [Frame], life: &'f EntryLife) -> Vec<(&'static str, &'f [Frame])> {
    let crashed = if *life == EntryLife::default() { "backtrace" } else { "used" };
    let all = [(crashed, crash), ("handed out", &life.handed_out[..]), ("freed", &life.freed[..])];
    all.into_iter().filter(|(_, frames)| !frames.is_empty()).collect()
}

/// Returns the innermost function of the program itself that has a name.
#[must_use]
pub fn innermost(frames: &[Frame]) -> Option<&str> {
    frames.iter().find(|frame| frame.home == Home::Program)?.function.as_deref()
}

/// Formats the frames for machines, with the same text as for people.
#[must_use]
pub fn texts(frames: &[Frame]) -> Vec<String> {
    frames.iter().map(ToString::to_string).collect()
}
