//! The reload: children are told to die, entries cleaned up, a new generation read, results carried over.
//!
//! Invariants: a reload makes exactly one generation. Results are carried over by name from the scripts in force to
//! those of the new configuration; the state of runs never is.

use treefall_model::event::{Event, LogLine};
use treefall_model::id::ConfigId;
use treefall_model::observe::Observer;
use treefall_model::release::{FirstResult, NeverFinished};
use treefall_model::signal::Signal;
use treefall_model::trace::Script;

use crate::layer::{Action, Init, ScriptState};
use crate::ops::{Ending, Op};
use crate::track::best;
use crate::world::World;

impl<'t, O: Observer> World<'t, O> {
    /// Begins the reload's handler, step by step.
    pub(crate) fn begin_reload(&mut self) {
        let config = self.kernel.file();
        let generation = self.layer.generation().next();
        let steps = [
            Action::Event(Event::ReloadBegun { config, generation }),
            Action::Op(Op::TerminateChildren { signal: Signal::TERM, ending: Ending::Reload }),
            Action::Op(Op::Cleanup { keep_children: true }),
            Action::Op(Op::AddBase),
            Action::ReadConfig(config),
            Action::Op(Op::ReadClock),
        ];
        steps.into_iter().for_each(|step| self.layer.then(step));
        self.put_in_force();
        self.layer.then(Action::ReloadDone);
    }

    /// Parses the configuration into new objects, and carries the old results over, in the order of the old
    /// configuration.
    pub(crate) fn read_config(&mut self, config: ConfigId) {
        let init = match self.rules.behaviour.first_result {
            FirstResult::Init => Init::Start,
            FirstResult::InitReload => Init::Reload,
        };
        self.kernel.spend_reload();
        let scripts = self.layer.turn(config);
        self.layer.current.extend(scripts.iter().map(|spec| ScriptState::new(spec, init)));
        for old_place in 0..self.layer.freed.len() {
            let old = self.layer.freed[old_place];
            let place = namesake(&old, old_place, scripts);
            if let Some(place) = place.and_then(|place| u16::try_from(place).ok()) {
                self.carry(&old, place);
            }
        }
    }

    /// Carries the result of `old` over to the new script at `place`.
    fn carry(&mut self, old: &ScriptState<'t>, place: u16) {
        let script = self.layer.in_force(place);
        let Some(new) = self.layer.script(script) else { return };
        if !old.spec.kind.is_track() || !new.spec.kind.is_track() {
            return;
        }
        if old.init != Init::Done && self.rules.behaviour.never_finished == NeverFinished::StaysInitial {
            new.init = old.init;
            return;
        }
        let up = old.result >= u16::from(old.spec.rise);
        new.result = carried(old.result, old.spec, new.spec);
        new.last_code = old.last_code;
        new.init = Init::Done;
        self.logged(LogLine::Carried { script, up });
    }
}

/// Finds the script with the name of `old`, which stood at `place` and most often still does. Scripts of one name have
/// one command in traces, so releases that also compare commands find the same.
fn namesake(old: &ScriptState<'_>, place: usize, scripts: &[Script]) -> Option<usize> {
    let is = |script: &Script| script.name == old.spec.name;
    if scripts.get(place).is_some_and(is) { Some(place) } else { scripts.iter().position(is) }
}

/// Converts `result` of the old script to the new script's rise and fall.
fn carried(result: u16, old: &Script, new: &Script) -> u16 {
    let (old_rise, new_rise) = (u16::from(old.rise), u16::from(new.rise));
    let new_best = best(new.rise, new.fall);
    if result == 0 {
        0
    } else if result < old_rise {
        new_rise.saturating_sub(old_rise - result)
    } else if result == best(old.rise, old.fall) {
        new_best
    } else {
        (new_rise + (result - old_rise)).min(new_best)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use treefall_model::trace::Name;

    fn script(rise: u8, fall: u8) -> Script {
        Script { rise, fall, ..Script::new(Name::numbered(0)) }
    }

    #[test]
    fn a_result_is_carried_by_its_distance_from_the_turning_point() {
        // Old rise 3 and fall 3: 0 to 2 are down, 3 to 5 are up.
        let table = [
            ((3, 3), [0, 1, 2, 3, 4, 5]),
            ((5, 5), [0, 3, 4, 5, 6, 9]),
            ((1, 1), [0, 0, 0, 1, 1, 1]),
            ((2, 2), [0, 0, 1, 2, 3, 3]),
        ];
        for ((rise, fall), expected) in table {
            let results = [0, 1, 2, 3, 4, 5].map(|r| carried(r, &script(3, 3), &script(rise, fall)));
            assert_eq!(results, expected, "to rise {rise} and fall {fall}");
        }
    }
}
