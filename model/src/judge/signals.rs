//! The law `signals-only-its-children`: signals go to the groups of the program's own children, never to
//! process 1, to everyone, or to the program's own group.
//!
//! A zombie that was not reaped still bears its pid: a signal to it reaches nobody else. Exempt: one SIGKILL
//! to the group of a child just reaped that died of the SIGTERM it was sent (what it left of its group dies
//! with it), until the loop blocks again.

use alloc::vec::Vec;

use super::ledger::Ledger;
use super::roster::Child;
use crate::event::{Answer, EntryKind, Step, Target};
use crate::id::{Pid, Run};
use crate::law::Law;
use crate::signal::{ExitStatus, Signal};
use crate::violation::Detail;

/// Whose groups may be swept.
#[derive(Clone, Debug)]
pub(super) struct Signals {
    just_reaped: Vec<Pid>,
}

impl Signals {
    pub(super) const fn new() -> Self {
        Self { just_reaped: Vec::new() }
    }

    pub(super) fn reaped(&mut self, child: &Child, status: ExitStatus) {
        if child.told.is_some() && status == ExitStatus::Signal(Signal::TERM) {
            self.just_reaped.push(child.pid);
        }
    }

    pub(super) fn blocked(&mut self) {
        self.just_reaped.clear();
    }

    pub(super) fn sent(
        &mut self,
        ledger: &mut Ledger,
        target: Target,
        run: Option<Run>,
        signal: Signal,
        answer: Answer,
    ) {
        match target {
            Target::Group(pid) | Target::Process(pid) if pid != Pid::SELF && run.is_some() => return,
            Target::Group(pid) if signal == Signal::KILL => {
                if let Some(place) = self.just_reaped.iter().position(|reaped| *reaped == pid) {
                    self.just_reaped.swap_remove(place);
                    return;
                }
            }
            _ => {}
        }
        // A pid that is no child's any more was one's; process 1, everyone and itself never were.
        let was_a_child =
            matches!(target, Target::Group(pid) | Target::Process(pid) if pid != Pid::SELF && pid.get() > 1);
        let entry = was_a_child.then_some(EntryKind::Child);
        ledger.broken(Law::SignalsOnlyItsChildren, Step::Signalled, entry, None, || Detail::WrongTarget {
            signal,
            target,
            answer,
        });
    }
}
