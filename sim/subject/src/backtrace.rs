//! Who called whom when a real program crashed or hung: frames, and how they are told.
//!
//! Always: a frame names no address of a process, only a function, or a place in a file, so that it is the same in
//! every run. It is told to people and is no part of any comparison.

use std::fmt;

/// Where a frame's code is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Home {
    /// In the program.
    Program,
    /// In a library of this name.
    Library(String),
    /// In the engine's own library, which stands for the program's `main` and for its handlers.
    Engine,
}

/// One function that had been called and had not returned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Where its code is.
    pub home: Home,
    /// Its name, if a symbol tells it.
    pub function: Option<String>,
    /// How far behind the function's beginning the program was; without a name, behind the file's. 0 for the
    /// innermost function of a hang: where in its loop it was found is chance.
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

/// Backtraces of the entry that a real program used after it was freed: where it was handed out, and where freed.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct EntryLife {
    /// Where the entry was handed out, innermost frame first.
    pub handed_out: Vec<Frame>,
    /// Where it was freed, innermost frame first.
    pub freed: Vec<Frame>,
}

/// Returns all backtraces of a run with their titles, those that are empty left out.
#[must_use]
pub fn titled<'f>(crash: &'f [Frame], life: &'f EntryLife) -> Vec<(&'static str, &'f [Frame])> {
    let crashed = if *life == EntryLife::default() { "backtrace" } else { "used" };
    let all = [(crashed, crash), ("handed out", &life.handed_out[..]), ("freed", &life.freed[..])];
    all.into_iter().filter(|(_, frames)| !frames.is_empty()).collect()
}

/// The innermost function of the program's own that has a name.
#[must_use]
pub fn innermost(frames: &[Frame]) -> Option<&str> {
    frames.iter().find(|frame| frame.home == Home::Program)?.function.as_deref()
}

/// The frames for machines: the same texts as people read.
#[must_use]
pub fn texts(frames: &[Frame]) -> Vec<String> {
    frames.iter().map(ToString::to_string).collect()
}
