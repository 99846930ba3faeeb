//! Conditions of a run that must not affect its result.
//!
//! Invariant: the first of two compared runs has nothing changed. A condition that is changed alone leaves everything
//! else as in the first run.

use std::collections::BTreeSet;
use std::ffi::OsString;

use treefall_model::event::SubjectKind;
use treefall_world::wire::Clocks;

use treefall_subject::engine::{Apart, Conditions};

/// A condition that can be changed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Condition {
    /// Address randomisation: on, then off.
    Addresses,
    /// The environment: empty, then 64 variables in reverse order, and another language.
    Environment,
    /// The time zone: none, then 12 hours 45 minutes east.
    Zone,
    /// Pids of the program and its real children: from 1,000 on, then from 20,000 on.
    PidBase,
    /// The date that the program sees: in 2020, then in 2031.
    Date,
    /// CLOCK_MONOTONIC as the program sees it, and as the machine's own for calls that are not virtual: eleven days,
    /// then a year.
    Uptime,
    /// The machine's load: as it is, then with a busy thread per core.
    Load,
    /// The order of the traces: forwards, then backwards.
    Order,
    /// The size of batches: hundreds of traces (eight for a daemon), then small, varying numbers.
    Batches,
}

/// First pid in the first run.
const FIRST_PID: u32 = 1_000;
/// First pid when pids are changed.
const OTHER_PID: u32 = 20_000;
const YEAR: u32 = 365 * 86_400;

impl Condition {
    /// All conditions, in the order of reports.
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

    /// Returns its name.
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

    /// Returns whether it can be changed for a subject of this kind; a replica has no process of its own.
    #[must_use]
    pub fn reaches(self, kind: SubjectKind) -> bool {
        kind != SubjectKind::Replica || matches!(self, Self::Load | Self::Order | Self::Batches)
    }
}

/// The conditions that are changed.
pub type Changed = BTreeSet<Condition>;

/// Returns the conditions that can be changed on this machine for a subject of this kind, and why not for the others.
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

/// Returns how to start the process of a real program with these conditions changed, of those that are `possible`.
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
        // Written in full, so that no time zone file is needed.
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
