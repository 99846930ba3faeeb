//! Proptest strategies for valid traces and their parts (feature `proptest`).
//!
//! A strategy can reach every trace that [`Trace::new`] accepts: limits, names, several configurations, moot exits. It
//! mostly draws small and plausible ones. The crate documentation says when to use something else.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use crate::id::{ConfigId, LinkId, StartNo};
use crate::signal::{ExitStatus, Signal};
use crate::time::Span;
use crate::trace::LINK_DELAY_MAX;
use crate::trace::{
    Advance, CONFIGS_MAX, COST_MAX, Config, Costs, Exit, External, Habit, HeapPolicy, LINKS_MAX, Link,
    NAME_MAX, Name, OnTerm, Order, PidPolicy, Rank, START_NO_MAX, Script, ScriptKind, Setup, Trace, Wake,
    run,
};

/// Draws a span: mostly one that people write, sometimes any.
pub fn span() -> impl Strategy<Value = Span> {
    prop_oneof![
        2 => Just(Span::ZERO),
        8 => (1_u64..60).prop_map(Span::from_secs),
        4 => (1_u64..2_000).prop_map(Span::from_millis),
        2 => (1_u64..100).prop_map(Span::from_micros),
        2 => (0_u64..=Span::MAX.as_micros()).prop_map(Span::from_micros),
        1 => Just(Span::MAX),
    ]
}

/// Draws an exit status.
pub fn status() -> impl Strategy<Value = ExitStatus> {
    prop_oneof![
        Just(ExitStatus::SUCCESS),
        any::<u8>().prop_map(ExitStatus::Code),
        Just(ExitStatus::Signal(Signal::TERM)),
        (1..=Signal::MAX).prop_filter_map("a signal", |n| Signal::new(n).map(ExitStatus::Signal)),
    ]
}

/// Draws a name of a script.
pub fn name() -> impl Strategy<Value = Name> {
    let long = proptest::string::string_regex(&alloc::format!("[A-Za-z0-9_.-]{{1,{NAME_MAX}}}"));
    let long = long.expect("a regular expression");
    prop_oneof![
        (0_usize..5).prop_map(Name::numbered),
        "[a-z_]{1,12}".prop_filter_map("a name", |text| Name::new(&text).ok()),
        long.prop_filter_map("a name", |text| Name::new(&text).ok()),
    ]
}

fn habit() -> impl Strategy<Value = Habit> {
    let on_term = prop_oneof![span().prop_map(OnTerm::Dies), Just(OnTerm::Ignores)];
    let habit = (on_term, span()).prop_map(|(on_term, kill_linger)| Habit { on_term, kill_linger });
    prop_oneof![Just(Habit::default()), habit]
}

fn script() -> impl Strategy<Value = Script> {
    let kind = prop_oneof![
        3 => Just(ScriptKind::Track),
        1 => Just(ScriptKind::Misc),
        1 => Just(ScriptKind::Fifo),
        1 => Just(ScriptKind::Cancelling),
    ];
    let count = || prop_oneof![Just(1), 1..=u8::MAX];
    let least = |span: Span| span.max(Span::from_micros(1));
    let times = (span(), proptest::option::of(span()))
        .prop_map(move |(interval, timeout)| (least(interval), least(timeout.unwrap_or(interval))));
    let parts = (name(), kind, times, count(), count(), habit());
    parts.prop_map(|(name, kind, (interval, timeout), rise, fall, habit)| Script {
        name,
        kind,
        interval,
        timeout,
        rise,
        fall,
        habit,
    })
}

/// Draws a configuration of up to `most` scripts, some with default names.
fn config(most: usize) -> impl Strategy<Value = Config> {
    vec((script(), any::<bool>()), 0..=most).prop_map(|scripts| {
        let mut taken = BTreeSet::new();
        let mut config = Config::default();
        for (mut script, named) in scripts {
            if !named {
                script.name = Name::numbered(config.scripts.len());
            }
            if taken.insert(script.name.clone()) {
                config.scripts.push(script);
            }
        }
        config
    })
}

fn link() -> impl Strategy<Value = Link> {
    let delay = || span().prop_map(|span| span.min(LINK_DELAY_MAX));
    ("[a-zA-Z0-9_.-]{1,15}", delay(), delay()).prop_map(|(name, down_delay, up_delay)| Link {
        name: Name::new(&name).expect("a name"),
        down_delay,
        up_delay,
    })
}

/// Draws a valid setup.
pub fn setup() -> impl Strategy<Value = Setup> {
    let configs = prop_oneof![
        4 => vec(config(4), 1..=1),
        3 => vec(config(4), 2..=4),
        1 => vec(config(2), 5..=CONFIGS_MAX),
        1 => vec(config(40), 1..=2),
    ];
    let failures = prop_oneof![
        3 => Just(BTreeSet::new()),
        1 => btree_set(prop_oneof![0..20_u32, 0..=START_NO_MAX].prop_map(StartNo), 0..6),
    ];
    let pids = prop_oneof![Just(PidPolicy::Ascending), Just(PidPolicy::Scattered), Just(PidPolicy::Reused)];
    let heap = prop_oneof![
        Just(HeapPolicy::LastFreedFirst),
        Just(HeapPolicy::FirstFreedFirst),
        Just(HeapPolicy::NeverAgain),
        Just(HeapPolicy::Guarded)
    ];
    let cost = || span().prop_map(|span| span.min(COST_MAX));
    let costs = [cost(), cost(), cost(), cost(), cost()].prop_map(Costs::of);
    let costs = prop_oneof![3 => Just(Costs::default()), 1 => costs];
    let links = prop_oneof![3 => Just(Vec::new()), 1 => vec(link(), 0..=LINKS_MAX)];
    (configs, failures, pids, heap, costs, links).prop_map(
        |(configs, fork_failures, pids, heap, costs, mut links)| {
            let mut names = BTreeSet::new();
            links.retain(|link: &Link| names.insert(link.name.clone()));
            Setup { configs, fork_failures, pids, heap, costs, links }
        },
    )
}

/// A wake before its scripts and generations are known.
type Outline =
    (Option<Span>, Vec<(u16, u32, u32, ExitStatus)>, Option<u8>, bool, bool, Vec<(u8, bool)>, Rank);

fn outline() -> impl Strategy<Value = Outline> {
    let nth = prop_oneof![4 => 1..5_u32, 1 => 1..=u32::MAX];
    let back = prop_oneof![4 => 0..3_u32, 1 => any::<u32>()];
    let exits = vec((any::<u16>(), back, nth, status()), 0..6);
    let exits = prop_oneof![Just(Vec::new()), exits];
    let term = proptest::bool::weighted(0.05);
    let events = prop_oneof![Just(Vec::new()), vec(any::<(u8, bool)>(), 0..4)];
    let rank = prop_oneof![Just(Rank::Last), Just(Rank::First), Just(Rank::Between)];
    (
        proptest::option::of(span()),
        exits,
        proptest::option::of(any::<u8>()),
        term,
        any::<bool>(),
        events,
        rank,
    )
}

/// Draws a valid trace of up to 30 wakes.
pub fn trace() -> impl Strategy<Value = Trace> {
    (setup(), vec(outline(), 0..30)).prop_map(|(setup, outlines)| {
        let widest = setup.configs.iter().map(|config| config.scripts.len()).max().unwrap_or(0);
        let widest = u16::try_from(widest).unwrap_or(u16::MAX);
        let configs = u8::try_from(setup.configs.len()).unwrap_or(u8::MAX);
        let mut reloads = 0;
        let mut wakes = Vec::new();
        let links = u8::try_from(setup.links.len()).unwrap_or(u8::MAX);
        for (span, exits, hup, term, signals_first, events, rank) in outlines {
            let mut wake = Wake::new(span.map_or(Advance::NextTimer, Advance::By));
            for (script, back, nth, status) in exits {
                let Some(script) = script.checked_rem(widest) else { break };
                let generation = u32::saturating_sub(reloads, back);
                wake.exits.push(Exit { run: run(script, generation, nth), status });
            }
            wake.exits.sort_unstable();
            wake.exits.dedup_by_key(|exit| exit.run);
            wake.hup = hup.map(|config| ConfigId(config % configs));
            wake.term = term;
            wake.order = if signals_first { Order::SignalsFirst } else { Order::TimerFirst };
            wake.rank = rank;
            for (link, up) in events {
                let Some(link) = link.checked_rem(links) else { break };
                wake.events.push(External::Link { link: LinkId(link), up });
            }
            reloads += u32::from(wake.hup.is_some());
            wakes.push(wake);
        }
        Trace::new(setup, wakes).expect("built to be valid")
    })
}
