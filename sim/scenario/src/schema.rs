//! The tables of a scenario file and their keys, in canonical order.

/// A table of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// The top of the file.
    Top,
    /// `about`, if it is a table.
    About,
    /// `[setup]`.
    Setup,
    /// `[costs]`.
    Costs,
    /// `[[config]]`.
    Config,
    /// `[[script]]` or `[[config.script]]`.
    Script,
    /// `[[wake]]`.
    Wake,
    /// An element of a wake's `exits`.
    Exit,
    /// `[expect]`: its keys are ranges of releases.
    Expect,
    /// `[provenance]`.
    Provenance,
}

impl Kind {
    /// Returns the accepted keys; none for [`Kind::Expect`].
    pub(super) const fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Top => &[
                "format",
                "title",
                "source",
                "about",
                "story",
                "setup",
                "costs",
                "script",
                "config",
                "wake",
                "expect",
                "provenance",
            ],
            Self::About => &["release", "law"],
            Self::Setup => &["pids", "heap", "fork-failures"],
            Self::Costs => &treefall_model::trace::Costs::NAMES,
            Self::Config => &["script"],
            Self::Script => &[
                "name",
                "kind",
                "interval",
                "timeout",
                "rise",
                "fall",
                "on-term",
                "dies-after",
                "kill-linger",
            ],
            Self::Wake => &["after", "order", "signals", "config", "exits"],
            Self::Exit => &["run", "status", "signal"],
            Self::Expect => &[],
            Self::Provenance => &["seed", "trace", "generator", "found-by", "found-on"],
        }
    }

    /// Returns the kind of table that has this key, among those that are often confused.
    pub(super) fn with_key(key: &str) -> Option<Self> {
        let kinds =
            [Self::About, Self::Setup, Self::Costs, Self::Script, Self::Wake, Self::Exit, Self::Provenance];
        kinds.into_iter().find(|kind| kind.keys().contains(&key))
    }

    /// Returns its name in messages.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Top => "a scenario",
            Self::About => "`about`",
            Self::Setup => "`[setup]`",
            Self::Costs => "`[costs]`",
            Self::Config => "a configuration",
            Self::Script => "a script",
            Self::Wake => "a wake",
            Self::Exit => "an exit",
            Self::Expect => "`[expect]`",
            Self::Provenance => "`[provenance]`",
        }
    }

    /// Returns the kind of table that the value of `key` is, or is a list of.
    pub(super) fn child(self, key: &str) -> Option<Self> {
        Some(match (self, key) {
            (Self::Top, "setup") => Self::Setup,
            (Self::Top, "costs") => Self::Costs,
            (Self::Top, "config") => Self::Config,
            (Self::Top | Self::Config, "script") => Self::Script,
            (Self::Top, "wake") => Self::Wake,
            (Self::Top, "expect") => Self::Expect,
            (Self::Top, "provenance") => Self::Provenance,
            _ => return None,
        })
    }
}

/// The words of each choice, in canonical form; the first one is the default.
pub(super) mod words {
    use treefall_model::trace::{HeapPolicy, Order, PidPolicy, ScriptKind};

    pub(crate) const KINDS: &[(&str, ScriptKind)] = &[
        ("track", ScriptKind::Track),
        ("misc", ScriptKind::Misc),
        ("fifo", ScriptKind::Fifo),
        ("cancelling", ScriptKind::Cancelling),
    ];

    pub(crate) const PIDS: &[(&str, PidPolicy)] = &[
        ("ascending", PidPolicy::Ascending),
        ("scattered", PidPolicy::Scattered),
        ("reused", PidPolicy::Reused),
    ];

    pub(crate) const HEAP: &[(&str, HeapPolicy)] = &[
        ("last-freed-first", HeapPolicy::LastFreedFirst),
        ("first-freed-first", HeapPolicy::FirstFreedFirst),
        ("never-again", HeapPolicy::NeverAgain),
        ("guarded", HeapPolicy::Guarded),
    ];

    pub(crate) const ORDERS: &[(&str, Order)] =
        &[("timer-first", Order::TimerFirst), ("signals-first", Order::SignalsFirst)];

    /// Whether a child ignores the signal to end.
    pub(crate) const ON_TERM: &[(&str, bool)] = &[("dies", false), ("ignores", true)];

    /// Returns the word for `value`.
    pub(crate) fn word<T: PartialEq>(choice: &[(&'static str, T)], value: &T) -> &'static str {
        choice.iter().find(|(_, known)| known == value).map_or("", |(word, _)| word)
    }
}

/// The word for the advance to the next timer.
pub(super) const NEXT_TIMER: &str = "next-timer";
