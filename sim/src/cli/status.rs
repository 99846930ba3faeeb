//! Defines the exit statuses.

/// Exit statuses of the command.
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
    /// `git bisect run` cannot judge this commit.
    CannotTell = 125,
}

impl Status {
    /// All statuses and their meanings; help, manual and guide show this list.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Good, "clean, or as expected"),
        (Self::Failure, "a failure, or not as expected, or stopped before the end"),
        (Self::Usage, "the command or an input file is wrong"),
        (Self::Harness, "treefall itself failed"),
        (Self::CannotTell, "with `--bisect`: no clear answer"),
    ];

    /// Formats the list for the end of a help text.
    pub(super) fn table() -> String {
        let line = |(status, says): (Self, &str)| format!("\n  {:>3}  {says}", status as u8);
        format!("Exit status:{}", Self::ALL.map(line).concat())
    }
}
