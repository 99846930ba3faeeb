//! The suspects of a violation: the entries and runs that the model's detail and the trees point to.

use treefall_model::event::{EntryKind, Event, Handler};
use treefall_model::id::Run;
use treefall_model::index::{Block, Tree};
use treefall_model::law::Law;
use treefall_model::verdict::Violation;

use super::label::Labels;
use super::run_log::{EntryState, RunLog};

/// The entries and runs to blame.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Suspects {
    /// The blocks of the entries, the main suspect first.
    pub blocks: Vec<Block>,
    /// The runs.
    pub runs: Vec<Run>,
}

impl Suspects {
    /// No suspect at all.
    #[must_use]
    pub const fn nobody() -> Self {
        Self { blocks: Vec::new(), runs: Vec::new() }
    }

    /// Finds the suspects of a violation in a stage of a run.
    #[must_use]
    pub fn of(broken: &Violation, stage: usize, run_log: &RunLog, labels: &Labels<'_, '_>) -> Self {
        let mut suspects = Self::default();
        let entry = broken.detail.entry();
        suspects.blocks.extend(entry.map(|entry| entry.block));
        suspects.runs.extend(broken.detail.runs());
        suspects.runs.extend(entry.and_then(|entry| entry.pid).and_then(|pid| labels.run(pid)));
        if suspects.blocks.is_empty() {
            let pids: Vec<_> = suspects.runs.iter().filter_map(|run| labels.pid(*run)).collect();
            let of_run = |seat: &EntryState| {
                let child = matches!(
                    seat.kind,
                    EntryKind::Child | EntryKind::ChildTimeout | EntryKind::ChildTerminated
                );
                child && seat.pid.is_some_and(|pid| pids.contains(&pid))
            };
            // A lost termination is an entry, too.
            let ends = |seat: &EntryState| {
                let asked = broken.signature.law == Law::TerminationHonoured;
                asked && pids.is_empty() && seat.handler == Some(Handler::TerminateStart)
            };
            let stage = suspects.before_its_exit(broken, run_log).unwrap_or(stage);
            let upto = (0..=stage).rev().filter_map(|stage| run_log.snapshot(stage));
            let found = upto
                .into_iter()
                .find_map(|snapshot| snapshot.seats().find(|seat| of_run(seat) || ends(seat)));
            suspects.blocks.extend(found.map(|seat| seat.block));
        }
        if broken.signature.law == Law::TreeShape {
            suspects.blame_who_left(stage, run_log, labels);
        }
        suspects
    }
}

impl Suspects {
    /// For a lost exit, returns the stage before the child was reaped: later its pid may be in another entry.
    fn before_its_exit(&self, broken: &Violation, run_log: &RunLog) -> Option<usize> {
        let ours = |event: &Event| matches!(event, Event::Reaped { run, .. } if self.runs.contains(run));
        let reaped = |stage: usize| run_log.events(stage).iter().any(|record| ours(&record.event));
        let lost = broken.signature.law == Law::ExitNotLost;
        let stage = (0..run_log.stages.len()).find(|stage| lost && reaped(*stage))?;
        stage.checked_sub(1)
    }

    /// For a malformed tree, blames the entry that left CHILD_PID in that step, before the node that shows it.
    fn blame_who_left(&mut self, stage: usize, run_log: &RunLog, labels: &Labels<'_, '_>) {
        let snapshots =
            (stage.checked_sub(1).and_then(|before| run_log.snapshot(before)), run_log.snapshot(stage));
        let (Some(before), Some(after)) = snapshots else { return };
        let stood = |seat: &EntryState| before.places(seat.block).in_tree(Tree::ChildPid);
        let stands = |seat: &EntryState| after.places(seat.block).in_tree(Tree::ChildPid);
        let left: Vec<EntryState> = before.seats().filter(|seat| stood(seat) && !stands(seat)).collect();
        // Each is in two trees.
        let Some(first) = left.first().filter(|first| left.iter().all(|seat| seat.block == first.block))
        else {
            return;
        };
        self.blocks.retain(|block| *block != first.block);
        self.blocks.insert(0, first.block);
        if let Some(run) = first.pid.and_then(|pid| labels.run(pid)) {
            self.runs.retain(|known| *known != run);
            self.runs.insert(0, run);
        }
    }
}
