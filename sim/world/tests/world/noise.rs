//! Calls without sense, as a scheduler with broken trees may make them: the world goes on.

use treefall_model::event::{EntryKind, Event, Handler, Target};
use treefall_model::id::{ConfigId, Pid};
use treefall_model::release::{Release, Rules};
use treefall_model::signal::{ExitStatus, Signal};
use treefall_model::time::Span;
use treefall_model::trace::{
    Advance, Config, Costs, Habit, OnTerm, PidPolicy, Script, ScriptKind, Setup, Trace, Wake, run,
};
use treefall_world::{Dispatch, Handle, Op, World};

use crate::tools::*;

/// A generator of numbers, enough for noise.
struct Noise(u64);

impl Noise {
    /// Below `limit`.
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from(self.0 >> 33).expect("31 bits") % limit
    }

    fn small(&mut self, limit: u16) -> u16 {
        u16::try_from(self.below(limit.into())).expect("below a u16")
    }

    fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(u32::try_from(all.len()).expect("a few")) as usize]
    }

    fn span(&mut self) -> Span {
        Span::from_millis(self.below(4).into())
    }

    fn pid(&mut self) -> Pid {
        let raw = self.pick(&[1, 2, 1_000, 1_001, 1_002, 1_003, 1_004, 1_007, 1_020, i32::MAX]);
        pid(raw)
    }

    fn script(&mut self, place: usize) -> Script {
        let on_term = if self.below(2) == 0 { OnTerm::Ignores } else { OnTerm::Dies(self.span()) };
        let kind =
            self.pick(&[ScriptKind::Track, ScriptKind::Cancelling, ScriptKind::Misc, ScriptKind::Fifo]);
        let habit = Habit { on_term, kill_linger: self.span() };
        let (rise, fall) = (self.pick(&[1, 2, 255]), self.pick(&[1, 3, 255]));
        Script { kind, rise, fall, habit, ..script(place) }
    }

    fn trace(&mut self) -> Trace {
        let configs =
            (0..3).map(|n| Config { scripts: (0..n + 1).map(|place| self.script(place)).collect() });
        let configs: Vec<_> = configs.collect();
        let pids = self.pick(&[PidPolicy::Ascending, PidPolicy::Scattered, PidPolicy::Reused]);
        let costs = Costs::of([(); 5].map(|()| self.span()));
        let setup = Setup { configs, pids, costs, ..Setup::default() };
        let mut reloads = 0;
        let mut wake = |_| {
            let span = self.span();
            let mut wake = Wake::new(self.pick(&[Advance::NextTimer, Advance::By(span)]));
            if self.below(3) == 0 {
                let ended = run(self.small(3), self.below(reloads + 1), self.below(4) + 1);
                wake = wake.exit(ended, ExitStatus::Code(u8::try_from(self.below(3)).expect("small")));
            }
            if self.below(6) == 0 {
                wake = wake.hup(ConfigId(self.pick(&[0, 1, 2])));
                reloads += 1;
            }
            if self.below(9) == 0 { wake.term() } else { wake }
        };
        let wakes = (0..60).map(&mut wake).collect();
        Trace::new(setup, wakes).expect("a valid trace")
    }

    fn dispatch(&mut self, generation: u32) -> Dispatch {
        let generation = generation.saturating_sub(self.below(3)) + self.below(8) / 7;
        Dispatch {
            handler: self.pick(&Handler::ALL),
            kind: self.pick(&EntryKind::ALL),
            argument: if self.below(8) == 0 { None } else { Some(of(self.small(4), generation)) },
            pid: if self.below(8) == 0 { None } else { Some(self.pid()) },
            status: self.pick(&[0, 256, 9, 15, 11, -1, 0x7f, 0xffff]),
        }
    }

    fn call(&mut self, world: &mut World<'_, Notes>) {
        match self.below(9) {
            0 | 1 => {
                let dispatch = self.dispatch(world.generation().0);
                world.begin(dispatch);
            }
            2 => world.arm_timer(Some(self.span())),
            3 => {
                world.block();
            }
            4 => {
                world.read_timer();
                while let Some(signal) = world.read_signal() {
                    world.begin_signal(signal);
                }
            }
            5 => {
                world.reap();
            }
            6 => {
                let pid = self.pid();
                let target = self.pick(&[Target::Group(pid), Target::Process(pid), Target::Everyone]);
                world.send(target, self.pick(&[Signal::TERM, Signal::KILL, Signal::HUP]));
            }
            7 => {
                world.group_of(self.pick(&[-1, 0, 1, 1_001, 1_002, i32::MIN]));
            }
            _ => {
                while let Some(op) = world.next_op() {
                    match op {
                        Op::CountChildren if self.below(2) == 0 => world.children_counted(self.below(3)),
                        Op::AddChild { argument, pid, .. } if self.below(4) > 0 => {
                            world.watched_by(argument, Handle(pid.get() as u64));
                        }
                        Op::Cancel { .. } if self.below(4) > 0 => {
                            world.cancelled(self.pick(&EntryKind::ALL));
                        }
                        _ => {}
                    }
                }
            }
        }
    }
}

#[test]
fn random_calls_keep_the_worlds_invariants() {
    let mut reloads = 0;
    for seed in 0..400 {
        let mut noise = Noise(seed);
        let trace = noise.trace();
        let rules = Rules::of(noise.pick(Release::ALL));
        let mut world = World::new(&trace, rules, Notes::default());
        world.start();
        for _ in 0..400 {
            noise.call(&mut world);
        }
        let counts = world.counts();
        let living = world.living();
        let records = world.into_observer().0;
        assert!(records.is_sorted_by_key(|record| record.at));
        let count = |is: fn(&Event) -> bool| records.iter().filter(|record| is(&record.event)).count();
        let started = count(|event| matches!(event, Event::Started { .. }));
        assert_eq!(started, living + count(|event| matches!(event, Event::Exited { .. })));
        assert_eq!(counts.records, records.len() as u64);
        reloads += counts.reloads;
    }
    assert!(reloads > 1_000, "the noise reaches reloads: {reloads}");
}
