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
    /// `[[link]]`.
    Link,
    /// An element of a wake's `exits`.
    Exit,
    /// An element of a wake's `events`.
    Event,
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
                "link",
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
            Self::Link => &["name", "down-delay", "up-delay"],
            Self::Wake => &["after", "order", "signals", "config", "exits", "events"],
            Self::Exit => &["run", "status", "signal"],
            Self::Event => &["link", "is"],
            Self::Expect => &[],
            Self::Provenance => &["seed", "trace", "generator", "found-by", "found-on"],
        }
    }

    /// Returns the kind of table that has this key, among those that are often confused.
    pub(super) fn with_key(key: &str) -> Option<Self> {
        let kinds = [
            Self::About,
            Self::Setup,
            Self::Costs,
            Self::Script,
            Self::Wake,
            Self::Link,
            Self::Exit,
            Self::Event,
            Self::Provenance,
        ];
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
            Self::Link => "an interface",
            Self::Exit => "an exit",
            Self::Event => "an event",
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
            (Self::Top, "link") => Self::Link,
            (Self::Top, "wake") => Self::Wake,
            (Self::Top, "expect") => Self::Expect,
            (Self::Top, "provenance") => Self::Provenance,
            _ => return None,
        })
    }
}

/// The words of each choice, in canonical form; the first one is the default.
pub(super) mod words {
    use treefall_model::trace::{HeapPolicy, Order, PidPolicy, Rank, ScriptKind};

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

    /// All descriptors in the order in which they are reported.
    pub(crate) const LISTS: &[([&str; 3], (Order, Rank))] = &[
        (["timer", "signals", NETLINK], (Order::TimerFirst, Rank::Last)),
        (["signals", "timer", NETLINK], (Order::SignalsFirst, Rank::Last)),
        ([NETLINK, "timer", "signals"], (Order::TimerFirst, Rank::First)),
        ([NETLINK, "signals", "timer"], (Order::SignalsFirst, Rank::First)),
        (["timer", NETLINK, "signals"], (Order::TimerFirst, Rank::Between)),
        (["signals", NETLINK, "timer"], (Order::SignalsFirst, Rank::Between)),
    ];

    /// The descriptor of external events.
    pub(crate) const NETLINK: &str = "netlink";

    /// The states of an interface: whether it is up.
    pub(crate) const STATES: &[(&str, bool)] = &[("up", true), ("down", false)];

    /// Whether a child that is told to die ignores it.
    pub(crate) const ON_TERM: &[(&str, bool)] = &[("dies", false), ("ignores", true)];

    /// Returns the word for `value`.
    pub(crate) fn word<T: PartialEq>(choice: &[(&'static str, T)], value: &T) -> &'static str {
        choice.iter().find(|(_, known)| known == value).map_or("", |(word, _)| word)
    }
}

/// The word for the advance to the next timer.
pub(super) const NEXT_TIMER: &str = "next-timer";
