//! What can be different about two runs of one trace, and must not show.
//!
//! Always: of the two runs that are compared the first has nothing changed; with a condition changed alone,
//! everything else is as in the first.

use std::collections::BTreeSet;
use std::ffi::OsString;

use treefall_model::event::SubjectKind;
use treefall_world::wire::Clocks;

use treefall_subject::engine::{Apart, Conditions};

/// One thing that differs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Condition {
    /// Address randomisation: on, then off.
    Addresses,
    /// The environment: empty, then 64 variables, from the last to the first, and another language.
    Environment,
    /// The time zone: none named, then twelve hours and three quarters east.
    Zone,
    /// Pids of the program and of its real children: from 1,000 on, then from 20,000 on.
    PidBase,
    /// The date that the program is shown: in 2020, then in 2031.
    Date,
    /// What CLOCK_MONOTONIC shows the program, and, to calls that are not virtual, the machine's own: eleven days,
    /// then a year.
    Uptime,
    /// The machine: as it is, then with a busy thread a core.
    Load,
    /// The order of the traces: forwards, then backwards.
    Order,
    /// How many traces are given at a time: hundreds (of a daemon eight), then few, by turns.
    Batches,
}

/// Of pids in the first run.
const FIRST_PID: u32 = 1_000;
/// Of pids where they are changed.
const OTHER_PID: u32 = 20_000;
const YEAR: u32 = 365 * 86_400;

impl Condition {
    /// All, in the order in which they are told.
    pub const ALL: [Self; 9] = [
        Self::Addresses,
        Self::Environment,
        Self::Zone,
        Self::PidBase,
        Self::Date,
        Self::Uptime,
        Self::Load,
        Self::Order,
        Self::Batches,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Addresses => "address randomisation",
            Self::Environment => "environment",
            Self::Zone => "time zone",
            Self::PidBase => "pid base",
            Self::Date => "wall date",
            Self::Uptime => "uptime",
            Self::Load => "CPU load",
            Self::Order => "order of the traces",
            Self::Batches => "batches",
        }
    }

    /// Whether it can be changed for a subject of this kind: a replica has no process of its own.
    #[must_use]
    pub fn reaches(self, kind: SubjectKind) -> bool {
        kind != SubjectKind::Replica || matches!(self, Self::Load | Self::Order | Self::Batches)
    }
}

/// What is changed.
pub type Changed = BTreeSet<Condition>;

/// Which conditions this machine lets be changed, for a subject of this kind; and of the others why not.
#[must_use]
pub fn possible(kind: SubjectKind) -> (Changed, Vec<(Condition, String)>) {
    let all = Condition::ALL.into_iter().filter(|condition| condition.reaches(kind));
    let needs = |condition| match condition {
        Condition::PidBase => Some(Apart { last_pid: OTHER_PID, uptime: 0 }),
        Condition::Uptime => Some(Apart { last_pid: OTHER_PID, uptime: YEAR }),
        _ => None,
    };
    let (mut can, mut cannot) = (Changed::new(), Vec::new());
    for condition in all {
        match needs(condition).map_or(Ok(()), Apart::try_out) {
            Ok(()) => {
                can.insert(condition);
            }
            Err(why) => cannot.push((condition, why)),
        }
    }
    (can, cannot)
}

/// How the process of a real program is started with these changed, where `possible` are the ones that can be.
#[must_use]
pub(super) fn of_process(changed: &Changed, possible: &Changed) -> Conditions {
    let mut environment: Vec<(OsString, OsString)> = Vec::new();
    if changed.contains(&Condition::Environment) {
        let filler = (0..64).rev();
        environment.extend(
            filler.map(|n| (format!("TREEFALL_FILLER_{n}").into(), "x".repeat(97 * (n % 7 + 1)).into())),
        );
        environment
            .extend(["LANG", "LC_ALL"].map(|name| (OsString::from(name), OsString::from("tr_TR.UTF-8"))));
    }
    if changed.contains(&Condition::Zone) {
        // Told in full, so that no file of zones is needed.
        environment.push(("TZ".into(), "<+1245>-12:45".into()));
    }
    let mut clocks = Clocks::STANDARD;
    if changed.contains(&Condition::Date) {
        clocks.date += 11 * u64::from(YEAR) + 12_345;
    }
    let uptime = if changed.contains(&Condition::Uptime) { YEAR } else { 0 };
    clocks.uptime += u64::from(uptime);
    let last_pid = if changed.contains(&Condition::PidBase) { OTHER_PID } else { FIRST_PID };
    Conditions {
        environment,
        fixed_addresses: changed.contains(&Condition::Addresses),
        clocks,
        apart: possible.contains(&Condition::PidBase).then_some(Apart { last_pid, uptime }),
        debugger: false,
    }
}
