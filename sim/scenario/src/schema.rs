//! The tables of a scenario file and the keys of each, in the order in which the canonical form has them.

/// A table of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// The top of the file.
    Top,
    /// `about`, where it is a table.
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
    /// The keys that it may have. For [`Kind::Expect`] none is listed.
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

    /// The kind of table that has this key, of those that nothing but a slip puts in another's place.
    pub(super) fn with_key(key: &str) -> Option<Self> {
        let kinds =
            [Self::About, Self::Setup, Self::Costs, Self::Script, Self::Wake, Self::Exit, Self::Provenance];
        kinds.into_iter().find(|kind| kind.keys().contains(&key))
    }

    /// How a message calls it.
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

    /// The kind of table that the value of `key` is, or is a list of.
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

/// The words for each value of a choice, canonical; the first is the default.
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

    /// Whether a child that is told to die ignores it.
    pub(crate) const ON_TERM: &[(&str, bool)] = &[("dies", false), ("ignores", true)];

    /// The word for `value`.
    pub(crate) fn word<T: PartialEq>(choice: &[(&'static str, T)], value: &T) -> &'static str {
        choice.iter().find(|(_, known)| known == value).map_or("", |(word, _)| word)
    }
}

/// The advance to the next timer.
pub(super) const NEXT_TIMER: &str = "next-timer";
