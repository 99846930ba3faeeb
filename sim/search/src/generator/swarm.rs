//! The weights of one trace, drawn before any of its events.
//!
//! A trace of average weights rarely has an extreme combination; a swarm of traces, each with some kinds of event off
//! and others frequent, does.

use std::collections::BTreeSet;

use treefall_model::id::StartNo;
use treefall_model::time::Span;
use treefall_model::trace::{
    Config, Costs, Habit, HeapPolicy, Name, OnTerm, PidPolicy, Script, ScriptKind, Setup,
};

use super::draw::Draw;

/// The weights of one trace. Chances are in thousandths.
pub(super) struct Swarm {
    /// Number of wakes.
    pub(super) wakes: usize,
    /// Chance that the clock advances to the next timer instead of by a span.
    pub(super) next_timer: u32,
    /// Chance of each living child to exit in a wake.
    pub(super) exit: u32,
    /// Chance that an exit is a success.
    pub(super) success: u32,
    /// Chance of a SIGHUP in a wake.
    pub(super) hup: u32,
    /// Chance of a SIGTERM in a wake.
    pub(super) term: u32,
    /// Chance that the signalfd is reported first.
    pub(super) signals_first: u32,
    /// A recurring span: a clock outside the program.
    pub(super) period: Span,
    scripts: usize,
    configs: usize,
    stubborn: u32,
    misc: u32,
    tied: bool,
}

/// Chance that a script belongs to a notify fifo.
const FIFO: u32 = 40;

impl Swarm {
    pub(super) fn draw(draw: &mut Draw) -> Self {
        Self {
            wakes: 6 + draw.index(28) + if draw.chance(150) { draw.index(100) } else { 0 },
            next_timer: draw.pick(&[1_000, 900, 750, 500]),
            exit: draw.pick(&[0, 40, 100, 200, 350, 600]),
            success: draw.pick(&[0, 500, 900, 1_000]),
            hup: draw.pick(&[0, 60, 120, 200, 300, 600]),
            term: draw.pick(&[0, 0, 0, 10, 50]),
            signals_first: draw.pick(&[0, 300, 500, 1_000]),
            period: draw.pick(&[Span::from_secs(1), Span::from_secs(2), Span::from_millis(300)]),
            scripts: [1, 2, 3, 4, 5, 6, 12][draw.weighted(&[3, 4, 4, 3, 3, 2, 1])],
            configs: [1, 2, 3][draw.weighted(&[7, 2, 1])],
            stubborn: draw.pick(&[0, 200, 500, 1_000]),
            misc: draw.pick(&[0, 0, 0, 60, 500]),
            tied: draw.chance(600),
        }
    }

    /// Returns the middle of every weight; setups are still drawn.
    pub(super) fn plain(draw: &mut Draw) -> Self {
        Self {
            wakes: 20,
            next_timer: 800,
            exit: 200,
            success: 600,
            hup: 200,
            term: 10,
            signals_first: 450,
            period: Span::from_secs(1),
            stubborn: 400,
            misc: 100,
            ..Self::draw(draw)
        }
    }

    pub(super) fn setup(&self, draw: &mut Draw) -> Setup {
        let common = self.tied.then(|| draw_interval(draw));
        Setup {
            configs: (0..self.configs).map(|_| self.config(draw, common)).collect(),
            fork_failures: self.fork_failures(draw),
            pids: draw.pick(&[PidPolicy::Ascending, PidPolicy::Scattered, PidPolicy::Reused]),
            heap: [HeapPolicy::LastFreedFirst, HeapPolicy::FirstFreedFirst, HeapPolicy::NeverAgain]
                [draw.weighted(&[3, 1, 1])],
            costs: draw_costs(draw),
            links: Vec::new(),
        }
    }

    fn config(&self, draw: &mut Draw, common: Option<Span>) -> Config {
        // A later configuration may have more scripts than the first, or fewer, or none.
        let scripts = match draw.weighted(&[6, 2, 1]) {
            0 => self.scripts,
            1 => self.scripts.div_ceil(2),
            _ => self.scripts + 1,
        };
        Config { scripts: (0..scripts).map(|place| self.script(draw, place, common)).collect() }
    }

    fn script(&self, draw: &mut Draw, place: usize, common: Option<Span>) -> Script {
        let interval = common.unwrap_or_else(|| draw_interval(draw));
        Script {
            name: Name::numbered(place),
            kind: self.kind(draw),
            interval,
            timeout: draw_timeout(draw, interval),
            rise: draw.pick(&[1, 1, 2, 3]),
            fall: draw.pick(&[1, 1, 2, 3]),
            habit: self.habit(draw),
        }
    }

    fn kind(&self, draw: &mut Draw) -> ScriptKind {
        let (misc, fifo) = (draw.chance(self.misc), draw.chance(FIFO));
        match (misc, fifo) {
            (true, _) => ScriptKind::Misc,
            (false, true) => ScriptKind::Fifo,
            (false, false) => ScriptKind::Track,
        }
    }

    fn habit(&self, draw: &mut Draw) -> Habit {
        let stubborn = draw.chance(self.stubborn);
        let dies_after = draw.pick(&[
            Span::ZERO,
            Span::ZERO,
            Span::from_millis(1),
            Span::from_millis(700),
            Span::from_secs(1),
        ]);
        Habit {
            on_term: if stubborn { OnTerm::Ignores } else { OnTerm::Dies(dies_after) },
            kill_linger: [Span::ZERO, Span::from_millis(5), Span::from_millis(2_500)]
                [draw.weighted(&[6, 1, 1])],
        }
    }

    fn fork_failures(&self, draw: &mut Draw) -> BTreeSet<StartNo> {
        let many = [0, 1, 3][draw.weighted(&[8, 1, 1])];
        (0..many).map(|_| StartNo(u32::try_from(draw.below(20)).unwrap_or(0))).collect()
    }
}

/// Draws mostly whole seconds, as people write them, and fractions that never coincide.
fn draw_interval(draw: &mut Draw) -> Span {
    match draw.weighted(&[8, 3, 1]) {
        0 => Span::from_secs(1 + draw.below(5)),
        1 => Span::from_millis(100 * (1 + draw.below(40))),
        _ => Span::from_micros(1 + draw.below(4_000_000)),
    }
}

/// Draws a timeout shorter than the interval, equal or longer. A timeout longer than the time between reloads never
/// expires; a shorter one can meet them.
fn draw_timeout(draw: &mut Draw, interval: Span) -> Span {
    match draw.weighted(&[4, 4, 3, 2]) {
        0 => interval,
        1 => Span::from_micros((interval.as_micros() * (1 + draw.below(4)) / 5).max(1)),
        2 => Span::from_secs(1 + draw.below(3)),
        _ => interval + Span::from_secs(1 + draw.below(3)),
    }
}

fn draw_costs(draw: &mut Draw) -> Costs {
    if !draw.chance(150) {
        return Costs::default();
    }
    let mut cost = || Span::from_micros(draw.pick(&[0, 1, 50, 900, 10_000]));
    Costs { callback: cost(), start: cost(), log: cost(), ..Costs::default() }
}
