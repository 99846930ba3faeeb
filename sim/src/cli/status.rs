//! The exit statuses.

/// What the exit status says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Status {
    /// Clean, or as expected.
    Good = 0,
    /// A failure, or not as expected.
    Failure = 1,
    /// The command or an input file is wrong.
    Usage = 2,
    /// treefall itself failed.
    Harness = 3,
    /// It cannot be told, for `git bisect run`.
    CannotTell = 125,
}

impl Status {
    /// Each status that a script may meet, with what it says: the one list that help, manual and guide show.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Good, "clean, or as expected"),
        (Self::Failure, "a failure, or not as expected, or stopped before the end"),
        (Self::Usage, "the command or an input file is wrong"),
        (Self::Harness, "treefall itself failed"),
        (Self::CannotTell, "with `--bisect`: it cannot be told"),
    ];

    /// All of them as lines for a person.
    pub(super) fn in_words() -> String {
        let line = |(status, says): (Self, &str)| format!("\n  {:>3}  {says}", status as u8);
        format!("Exit status:{}", Self::ALL.map(line).concat())
    }
}
