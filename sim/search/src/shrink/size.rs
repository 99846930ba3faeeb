//! The order on traces by which the shrinker works.

use treefall_model::signal::ExitStatus;
use treefall_model::time::Span;
use treefall_model::trace::{
    Advance, Habit, HeapPolicy, Name, OnTerm, Order, PidPolicy, Rank, Script, ScriptKind, Trace, Wake,
};

/// The size of a trace. The first field that differs decides.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Size {
    /// Wakes.
    pub wakes: usize,
    /// Scripts of all configurations.
    pub scripts: usize,
    /// Configurations.
    pub configs: usize,
    /// Exits.
    pub exits: usize,
    /// SIGHUPs and SIGTERMs.
    pub signals: usize,
    /// Interfaces, and events of them.
    pub outside: usize,
    /// Policies, costs, failing starts and habits that are not the default, and other orders.
    pub policies: u64,
    /// Complexity of the times: whole seconds are simpler than fractions, small ones simpler than large ones.
    pub times: u64,
    /// Names, statuses, run numbers.
    pub rest: u64,
}

impl Size {
    /// Returns the size of a trace.
    #[must_use]
    pub fn of(trace: &Trace) -> Self {
        let (setup, wakes) = (trace.setup(), trace.wakes());
        let scripts = || setup.configs.iter().flat_map(|config| config.scripts.iter().enumerate());
        let costs = setup.costs.each();
        let delays = || setup.links.iter().flat_map(|link| [link.down_delay, link.up_delay]);
        let policies = u64::from(setup.pids != PidPolicy::default())
            + u64::from(setup.heap != HeapPolicy::default())
            + costs.iter().filter(|cost| !cost.is_zero()).count() as u64
            + setup.fork_failures.len() as u64
            + scripts().map(|(_, script)| script_policies(script)).sum::<u64>()
            + wakes.iter().filter(|wake| wake.order != Order::default()).count() as u64
            + wakes.iter().filter(|wake| wake.rank != Rank::default()).count() as u64
            + delays().filter(|delay| !delay.is_zero()).count() as u64;
        let times = scripts().map(|(_, s)| oddness(s.interval) + oddness(s.timeout)).sum::<u64>()
            + wakes.iter().map(|wake| advance_oddness(wake.advance)).sum::<u64>()
            + costs.iter().map(|cost| oddness(*cost)).sum::<u64>()
            + delays().map(oddness).sum::<u64>();
        let rest = scripts().map(|(place, script)| u64::from(!is_numbered(&script.name, place))).sum::<u64>()
            + wakes.iter().map(wake_rest).sum::<u64>();
        Self {
            wakes: wakes.len(),
            scripts: scripts().count(),
            configs: setup.configs.len(),
            exits: wakes.iter().map(|wake| wake.exits.len()).sum(),
            signals: wakes.iter().map(|wake| usize::from(wake.hup.is_some()) + usize::from(wake.term)).sum(),
            outside: setup.links.len() + wakes.iter().map(|wake| wake.events.len()).sum::<usize>(),
            policies,
            times,
            rest,
        }
    }
}

fn script_policies(script: &Script) -> u64 {
    let Habit { on_term, kill_linger } = script.habit;
    let on_term = match on_term {
        OnTerm::Dies(after) => u64::from(!after.is_zero()),
        OnTerm::Ignores => 1,
    };
    on_term
        + u64::from(!kill_linger.is_zero())
        + u64::from(script.kind != ScriptKind::Track)
        + u64::from(script.rise - 1)
        + u64::from(script.fall - 1)
}

fn oddness(span: Span) -> u64 {
    match span.as_micros() {
        n if n % 1_000_000 == 0 => (n / 1_000_000).min(1_000),
        n if n % 1_000 == 0 => 2_000 + (n / 1_000).min(1_000_000),
        n => 2_000_000 + n.min(1_000_000_000_000),
    }
}

fn advance_oddness(advance: Advance) -> u64 {
    match advance {
        Advance::NextTimer => 0,
        Advance::By(span) => 1 + oddness(span),
    }
}

fn wake_rest(wake: &Wake) -> u64 {
    let status = |status| match status {
        ExitStatus::Code(0) => 0,
        ExitStatus::Code(_) => 1,
        ExitStatus::Signal(_) => 2,
    };
    let exits: u64 = wake
        .exits
        .iter()
        .map(|exit| status(exit.status) + u64::from(exit.run.nth - 1) + u64::from(exit.run.of.generation.0))
        .sum();
    exits + wake.hup.map_or(0, |config| u64::from(config.0))
}

/// Returns whether this is [`Name::numbered`] of that place, without allocating, because every candidate is checked.
pub(super) fn is_numbered(name: &Name, place: usize) -> bool {
    let Some(digits) = name.as_str().strip_prefix('s') else { return false };
    let plain = digits == "0" || !digits.starts_with(['0', '+']);
    plain && digits.parse() == Ok(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_numbered_name_is_known_without_writing_it() {
        for place in [0, 1, 9, 10, 4_095] {
            assert!(is_numbered(&Name::numbered(place), place));
            assert!(!is_numbered(&Name::numbered(place), place + 1));
        }
        for odd in ["s", "s00", "s01", "t0", "0"] {
            let odd = Name::new(odd).expect("a name");
            assert!((0..3).all(|place| !is_numbered(&odd, place)), "{odd}");
        }
    }
}
