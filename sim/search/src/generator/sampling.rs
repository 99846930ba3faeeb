//! The ways in which a campaign draws its traces.
//!
//! Invariant: a source and a number give one trace. Each way has random streams of its own, so that a number drawn in
//! two ways gives two traces.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use treefall_model::trace::{HeapPolicy, ScriptKind, Setup, Trace};

use super::draw::{CERTAIN, Draw};
use super::outside;
use super::pct::{self, Depth};
use super::swarm::Swarm;
use super::wakes::{VERSION, weighed};
use treefall_base::nearest::{nearest, offer};
use treefall_subject::Subject;

/// How traces are drawn.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Sampling {
    /// Each trace has weights of its own: some kinds of event are off, others frequent.
    #[default]
    Swarm,
    /// All traces have the same, middle weights.
    Plain,
    /// By priorities that change at a few random steps, as in PCT (Burckhardt and others, 2010).
    Pct(Depth),
}

/// A text names no way to sample.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("write {}, or pct:D with a depth D from 1 to {}{}", NAMES.join(", "), Depth::MAX, offer(*.0))]
pub struct NoSampling(Option<&'static str>);

/// The accepted names, without a depth.
const NAMES: [&str; 3] = ["swarm", "plain", "pct"];

impl fmt::Display for Sampling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Swarm => f.write_str("swarm"),
            Self::Plain => f.write_str("plain"),
            Self::Pct(depth) => write!(f, "pct:{}", depth.get()),
        }
    }
}

impl FromStr for Sampling {
    type Err = NoSampling;

    fn from_str(text: &str) -> Result<Self, NoSampling> {
        match (text, text.strip_prefix("pct:")) {
            ("swarm", _) => Ok(Self::Swarm),
            ("plain", _) => Ok(Self::Plain),
            ("pct", _) => Ok(Self::Pct(Depth::DEFAULT)),
            (_, Some(depth)) => {
                let depth = depth.parse().ok().and_then(Depth::new).ok_or(NoSampling(None))?;
                Ok(Self::Pct(depth))
            }
            _ => Err(NoSampling(nearest(text, NAMES))),
        }
    }
}

impl From<Sampling> for String {
    fn from(sampling: Sampling) -> Self {
        sampling.to_string()
    }
}

impl TryFrom<String> for Sampling {
    type Error = NoSampling;

    fn try_from(text: String) -> Result<Self, NoSampling> {
        text.parse()
    }
}

/// The source of a campaign's traces: its seed, and how they are drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Source {
    /// The campaign's seed.
    pub seed: u64,
    /// How traces are drawn.
    pub sampling: Sampling,
    /// Some track scripts cancel the entries of their runs. Everything else in the setup is unchanged.
    pub cancelling: bool,
    /// The heap is guarded. Everything else in the setup is unchanged.
    pub guarded: bool,
    /// Every second trace has a network interface to which things happen, and a guarded heap: all else is as without.
    pub outside: bool,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}", self.seed)?;
        if self.sampling != Sampling::Swarm {
            write!(f, " by {}", self.sampling)?;
        }
        if self.cancelling {
            f.write_str(" with cancelling scripts")?;
        }
        if self.guarded {
            f.write_str(" with a guarded heap")?;
        }
        if self.outside { f.write_str(" with interfaces in every second trace") } else { Ok(()) }
    }
}

impl Source {
    /// Returns the swarm of this seed.
    #[must_use]
    pub const fn swarm(seed: u64) -> Self {
        Self { seed, sampling: Sampling::Swarm, cancelling: false, guarded: false, outside: false }
    }

    /// Returns the same source with cancelling scripts.
    #[must_use]
    pub const fn cancelling(self) -> Self {
        Self { cancelling: true, ..self }
    }

    /// Returns the same source with a guarded heap.
    #[must_use]
    pub const fn guarded(self) -> Self {
        Self { guarded: true, ..self }
    }

    /// The same with a network interface and a guarded heap in every second trace.
    #[must_use]
    pub const fn outside(self) -> Self {
        Self { outside: true, ..self }
    }

    /// Has some of the track scripts cancel, and some of these time out at the instant of their tick, so that
    /// the timeout is queued when the tick cancels it. Drawn by itself: no other draw is moved.
    fn let_cancel(self, number: u64, setup: &mut Setup) {
        let mut draw = Draw::of_cancelling(self.seed, number, VERSION);
        for script in setup.configs.iter_mut().flat_map(|config| &mut config.scripts) {
            let (cancels, at_tick) = (draw.chance(CERTAIN / 2), draw.chance(CERTAIN / 2));
            if cancels && script.kind == ScriptKind::Track {
                script.kind = ScriptKind::Cancelling;
                script.timeout = if at_tick { script.interval } else { script.timeout };
            }
        }
    }

    /// Draws trace `number`.
    #[must_use]
    pub fn trace(self, number: u64) -> Trace {
        self.trace_arranged(number, |_| {})
    }

    /// Draws trace `number` for `subject`, from its own setup, and fitted to what it accepts.
    #[must_use]
    pub fn trace_for(self, subject: &dyn Subject, number: u64) -> Trace {
        subject.fitted(self.trace_arranged(number, |setup| subject.arrange(setup)))
    }

    /// Draws trace `number` with a setup that `arrange` changed after it was drawn, so that events are aimed at what
    /// exists.
    ///
    /// # Panics
    /// When `arrange` returns a setup that is not valid.
    #[must_use]
    pub fn trace_arranged(self, number: u64, arrange: impl FnOnce(&mut Setup)) -> Trace {
        let mut draw = match self.sampling {
            Sampling::Swarm => Draw::new(self.seed, number, VERSION),
            Sampling::Plain => Draw::of_plain(self.seed, number, VERSION),
            Sampling::Pct(_) => Draw::of_pct(self.seed, number, VERSION),
        };
        let swarm = match self.sampling {
            Sampling::Plain => Swarm::plain(&mut draw),
            Sampling::Swarm | Sampling::Pct(_) => Swarm::draw(&mut draw),
        };
        let mut setup = swarm.setup(&mut draw);
        if self.cancelling {
            self.let_cancel(number, &mut setup);
        }
        let outside = self.outside && outside::has_interfaces(number);
        if self.guarded || outside {
            setup.heap = HeapPolicy::Guarded;
        }
        let mut of_outside = Draw::of_outside(self.seed, number, VERSION);
        if outside {
            outside::add_links(&mut of_outside, &mut setup);
        }
        arrange(&mut setup);
        let mut wakes = match self.sampling {
            Sampling::Pct(depth) => pct::wakes(&mut draw, &swarm, &setup, depth),
            Sampling::Swarm | Sampling::Plain => weighed(&mut draw, &swarm, &setup),
        };
        if outside {
            outside::add_events(&mut of_outside, &setup, &mut wakes);
        }
        match Trace::new(setup, wakes) {
            Ok(trace) => trace,
            Err(error) => unreachable!("trace {number} of seed {} is not valid: {error}", self.seed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use treefall_model::trace::External;
    use treefall_model::trace::retain_links;

    #[test]
    fn each_way_to_sample_is_read_as_it_is_told() {
        let depth = |depth| Sampling::Pct(Depth::new(depth).expect("a depth"));
        for sampling in [Sampling::Swarm, Sampling::Plain, depth(1), depth(3), depth(Depth::MAX)] {
            assert_eq!(sampling.to_string().parse(), Ok(sampling));
        }
        assert_eq!("pct".parse(), Ok(depth(3)));
        for wrong in ["", "pct:", "pct:0", "pct:17", "pct:-1"] {
            assert_eq!(wrong.parse::<Sampling>(), Err(NoSampling(None)), "{wrong}");
        }
        for (slip, meant) in [("swram", "swarm"), ("plian", "plain"), ("PCT", "pct"), ("ptc:3", "pct")] {
            assert_eq!(slip.parse::<Sampling>(), Err(NoSampling(Some(meant))), "{slip}");
        }
    }

    /// How traces are drawn is asked for by seed: what is not asked for must move nothing.
    #[test]
    fn scripts_that_cancel_are_those_of_the_same_setup_and_come_only_when_asked_for() {
        let mut cancelling = 0;
        for number in 0..100 {
            let (plain, asked) =
                (Source::swarm(5).trace(number), Source::swarm(5).cancelling().trace(number));
            assert!(!plain.setup().has_kind(ScriptKind::Cancelling));
            let (mut one, mut other) = (plain.setup().clone(), asked.setup().clone());
            for setup in [&mut one, &mut other] {
                for script in setup.configs.iter_mut().flat_map(|config| &mut config.scripts) {
                    cancelling += usize::from(script.kind == ScriptKind::Cancelling);
                    if script.kind.is_track() {
                        (script.kind, script.timeout) = (ScriptKind::Track, script.interval);
                    }
                }
            }
            assert_eq!(one, other, "{number}");
        }
        assert!(cancelling > 100, "{cancelling}");
    }

    #[test]
    fn a_guarded_heap_changes_nothing_else_of_a_trace() {
        for number in 0..50 {
            let (mut setup, wakes) = Source::swarm(5).guarded().trace(number).into_parts();
            assert_eq!(setup.heap, HeapPolicy::Guarded);
            let plain = Source::swarm(5).trace(number);
            setup.heap = plain.setup().heap;
            assert_eq!((&setup, &wakes[..]), (plain.setup(), plain.wakes()));
        }
    }

    #[test]
    fn interfaces_come_to_every_second_trace_and_change_nothing_else_of_it() {
        let mut events = [0; 2];
        for number in 0..100 {
            let plain = Source::swarm(5).trace(number);
            let asked = Source::swarm(5).outside().trace(number);
            assert_eq!(asked == plain, number % 2 == 0, "{number}");
            let (mut setup, mut wakes) = asked.into_parts();
            for event in wakes.iter().flat_map(|wake| &wake.events) {
                let External::Link { up, .. } = event;
                events[usize::from(*up)] += 1;
            }
            retain_links(&mut setup, &mut wakes, |_, _| false);
            setup.heap = plain.setup().heap;
            assert_eq!(Trace::new(setup, wakes), Ok(plain), "{number}");
        }
        assert!(events.iter().all(|some| *some > 100), "{events:?}");
    }

    #[test]
    fn one_number_drawn_three_ways_is_three_traces_each_always_the_same() {
        let of = |sampling: &str, number| {
            let sampling = sampling.parse().expect("a sampling");
            Source { sampling, ..Source::swarm(3) }.trace(number)
        };
        for number in 0..50 {
            let all = ["swarm", "plain", "pct:3"].map(|sampling| of(sampling, number));
            assert_eq!(all, ["swarm", "plain", "pct:3"].map(|sampling| of(sampling, number)));
            assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2], "{number}");
        }
    }
}
