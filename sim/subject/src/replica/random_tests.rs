//! The replica on random traces: sound where no defect breaks memory, never a panic anywhere, always the same.

use proptest::prelude::*;
use treefall_model::event::{Record, Step};
use treefall_model::id::{ConfigId, Pid};
use treefall_model::index::{IndexView, Link, List, Tree};
use treefall_model::observe::Observer;
use treefall_model::release::{Defect, Defects, Release, Rules};
use treefall_model::signal::{ExitStatus, Signal};
use treefall_model::time::{Instant, Span};
use treefall_model::trace::{
    Advance, Config, Costs, Habit, HeapPolicy, Name, OnTerm, Order, PidPolicy, Script, ScriptKind, Setup,
    Trace, Wake, run,
};

use super::beside::sound;
use super::{Finished, Replica};

/// Looks at every tree and list at every step, and keeps the history.
#[derive(Default)]
struct Inspector {
    records: Vec<Record>,
    wrong: Option<String>,
}

impl Observer for Inspector {
    fn record(&mut self, record: &Record) {
        self.records.push(*record);
    }

    fn step<V: IndexView>(&mut self, step: Step, at: Instant, view: &V) {
        if self.wrong.is_none() {
            self.wrong = inspect(view).err().map(|wrong| format!("{at} {}: {wrong}", step.name()));
        }
    }
}

fn inspect<V: IndexView>(view: &V) -> Result<(), String> {
    for tree in Tree::ALL {
        let told = |wrong| format!("{}: {wrong}", tree.name());
        let nodes = sound(view, tree).map_err(told)?;
        if let Some(dead) = nodes.iter().find(|block| !view.is_live(**block)) {
            return Err(told(format!("{dead:?} is freed")));
        }
        let entries = || nodes.iter().map(|block| view.entry(*block));
        let ordered = match tree {
            Tree::ChildPid => entries().map(|entry| entry.pid.map(Pid::get)).is_sorted(),
            _ => entries().map(|entry| entry.deadline).is_sorted(),
        };
        if !ordered {
            return Err(told("out of order".into()));
        }
    }
    for list in List::ALL {
        let (mut link, mut before) = (view.first(list), Link::End);
        for _ in 0..=view.blocks() {
            let Link::To(block) = link else { break };
            if view.previous(list, block) != before || !view.is_live(block) {
                return Err(format!("{}: {block:?} is freed or its link back is wrong", list.name()));
            }
            (before, link) = (link, view.next(list, block));
        }
        if link != Link::End || view.last(list) != before {
            return Err(format!("{}: it does not end", list.name()));
        }
    }
    Ok(())
}

fn scripts() -> impl Strategy<Value = Vec<Script>> {
    let kind = prop_oneof![
        6 => Just(ScriptKind::Track),
        1 => Just(ScriptKind::Misc),
        1 => Just(ScriptKind::Fifo),
    ];
    let on_term = prop_oneof![
        Just(OnTerm::Ignores),
        Just(OnTerm::Dies(Span::ZERO)),
        Just(OnTerm::Dies(Span::from_millis(500))),
    ];
    let span = || (1..7_u64).prop_map(|n| Span::from_millis(500 * n));
    let script =
        (kind, on_term, span(), span(), 0..2_u64).prop_map(|(kind, on_term, interval, timeout, linger)| {
            let habit = Habit { on_term, kill_linger: Span::from_millis(250 * linger) };
            Script { kind, habit, interval, timeout, ..Script::new(Name::numbered(0)) }
        });
    proptest::collection::vec(script, 1..5).prop_map(|mut scripts| {
        for (place, script) in scripts.iter_mut().enumerate() {
            script.name = Name::numbered(place);
        }
        scripts
    })
}

/// Advance in quarters of a second (0: to the next timer), exits by script, age of generation and start, whether
/// HUP and TERM come, and the order.
type RawWake = (u64, Vec<(u16, u32, u32, bool)>, bool, bool, bool);

fn raw_wake() -> impl Strategy<Value = RawWake> {
    let exits = proptest::collection::vec((0..4_u16, 0..2_u32, 1..6_u32, any::<bool>()), 0..4);
    (0..5_u64, exits, proptest::bool::weighted(0.3), proptest::bool::weighted(0.02), any::<bool>())
}

fn traces() -> impl Strategy<Value = Trace> {
    let policies = (
        prop_oneof![Just(PidPolicy::Ascending), Just(PidPolicy::Scattered), Just(PidPolicy::Reused)],
        prop_oneof![
            Just(HeapPolicy::LastFreedFirst),
            Just(HeapPolicy::FirstFreedFirst),
            Just(HeapPolicy::NeverAgain)
        ],
        0..3_u64,
    );
    (scripts(), policies, proptest::collection::vec(raw_wake(), 0..60)).prop_map(
        |(scripts, policies, raw)| {
            let (pids, heap, cost) = policies;
            let callback = Span::from_micros(cost * 7);
            let count = u16::try_from(scripts.len()).expect("few");
            let costs = Costs { callback, ..Costs::default() };
            let setup = Setup { configs: vec![Config { scripts }], pids, heap, costs, ..Setup::default() };
            let mut reloads = 0;
            let wakes = raw.into_iter().map(|raw| wake(raw, count, &mut reloads)).collect();
            Trace::new(setup, wakes).expect("a valid trace")
        },
    )
}

fn wake((quarters, exits, hup, term, timer_first): RawWake, scripts: u16, reloads: &mut u32) -> Wake {
    let advance =
        if quarters == 0 { Advance::NextTimer } else { Advance::By(Span::from_millis(250 * quarters)) };
    let mut wake = Wake::new(advance);
    for (script, age, nth, success) in exits {
        let run = run(script % scripts, reloads.saturating_sub(age), nth);
        if wake.exits.iter().all(|exit| exit.run != run) {
            let status = if success { ExitStatus::SUCCESS } else { ExitStatus::Signal(Signal::SEGV) };
            wake = wake.exit(run, status);
        }
    }
    if hup {
        wake = wake.hup(ConfigId(0));
        *reloads += 1;
    }
    wake.term = term;
    wake.order = if timer_first { Order::TimerFirst } else { Order::SignalsFirst };
    wake
}

fn play(trace: &Trace, rules: Rules) -> Finished<Inspector> {
    Replica::new(trace, rules, Inspector::default()).run()
}

/// The rules to try: every set of defects that a release has, and each defect alone.
fn all_rules() -> impl Iterator<Item = Rules> {
    let releases = Release::with_defects_of_their_own().map(|group| Rules::of(group.last));
    releases
        .chain(Defect::ALL.into_iter().map(|defect| Rules::mended().with(defect)))
        .chain([Rules::mended()])
}

/// What breaks memory in these traces: in none of them anything cancels, which the one defect takes that is left out.
fn breaks_memory(defects: Defects) -> bool {
    defects.iter().any(|defect| defect.breaks_memory() && defect != Defect::CancelLeavesPidEntry)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(150) })]

    #[test]
    fn trees_and_lists_are_sound_at_every_step_where_no_defect_breaks_them(trace in traces()) {
        for rules in all_rules().filter(|rules| !breaks_memory(rules.defects)) {
            let finished = play(&trace, rules);
            prop_assert_eq!(&finished.observer.wrong, &None, "{:?}", rules.defects);
            prop_assert_eq!((finished.fault, finished.first_use), (None, None), "{:?}", rules.defects);
            prop_assert!(finished.outcome.survived());
        }
    }

    #[test]
    fn where_a_defect_breaks_them_it_is_noted_before_it_kills(trace in traces()) {
        for rules in all_rules().filter(|rules| breaks_memory(rules.defects)) {
            let finished = play(&trace, rules);
            let records = finished.observer.records.len() as u64;
            prop_assert!(finished.first_use.is_none_or(|first| first <= records));
            if rules.has(Defect::ReloadFreesQueuedTimeout) && finished.fault.is_some() {
                prop_assert!(finished.first_use.is_some(), "{:?}", finished.fault);
            }
        }
    }

    #[test]
    fn the_same_trace_gives_the_same_history(trace in traces()) {
        for rules in all_rules() {
            let (first, second) = (play(&trace, rules), play(&trace, rules));
            prop_assert_eq!(first.observer.records, second.observer.records);
            prop_assert_eq!(first.outcome, second.outcome);
        }
    }
}
