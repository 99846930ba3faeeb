//! Where each defect and each behaviour is asked for: one function a rule, named after it.
//!
//! A defect's mend is the upstream one where there is one; where there is none ([`ReloadSkipsQueuedTimeout`],
//! [`ReloadRestartsGrace`], [`ReloadEatsTermination`], [`ShutdownStopsBeforeReady`], [`GroupOfNobody`]) it is ours,
//! the least that obeys the laws.
//!
//! [`ReloadSkipsQueuedTimeout`]: Defect::ReloadSkipsQueuedTimeout
//! [`ReloadRestartsGrace`]: Defect::ReloadRestartsGrace
//! [`ReloadEatsTermination`]: Defect::ReloadEatsTermination
//! [`ShutdownStopsBeforeReady`]: Defect::ShutdownStopsBeforeReady
//! [`GroupOfNobody`]: Defect::GroupOfNobody

use treefall_model::release::{
    BeforeMove, CurrentEntry, Defect, Destruction, Expiry, KillallFlag, LateWake, Rules, TimerValue,
};
use treefall_world::Ending;

/// What leaves the pid tree when a child's deadline passes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum PidEntryLeaves {
    /// Its entry, at once.
    AtExpiry,
    /// Its entry, when its timeout is taken off READY.
    WhenTaken,
    /// Nothing.
    Never,
}

/// When a timed-out child's entry leaves the pid tree.
pub(super) fn timed_out_leaves(rules: &Rules) -> PidEntryLeaves {
    if rules.has(Defect::TimeoutDropsPidEntryEarly) {
        PidEntryLeaves::AtExpiry
    } else if rules.has(Defect::TimeoutLeavesPidEntry) {
        PidEntryLeaves::Never
    } else {
        PidEntryLeaves::WhenTaken
    }
}

/// Whether an exit is told to the queued timeout in its place; else it is moved as if it stood in CHILD.
pub(super) fn exit_knows_queued_timeouts(rules: &Rules) -> bool {
    !rules.has(Defect::TimeoutLeavesPidEntry)
}

/// Whether the exit of a child whose timeout is queued erases its pid node a second time.
pub(super) fn exit_erases_twice(rules: &Rules) -> bool {
    rules.has(Defect::ExitErasesTwice)
}

/// Whether a clean-up that is to keep children empties CHILD and CHILD_PID all the same.
pub(super) fn cleanup_forgets_children(rules: &Rules) -> bool {
    rules.has(Defect::ReloadForgetsChildren)
}

/// Whether children that were told to end are given to a killer.
pub(super) fn reschedules(rules: &Rules, ending: Ending) -> bool {
    ending == Ending::Shutdown || !rules.has(Defect::ReloadForgetsChildren)
}

/// Whether a clean-up takes a queued timeout's entry, which it drops, out of the pid tree.
pub(super) fn cleanup_erases_queued_timeouts(rules: &Rules) -> bool {
    // One that left when its deadline passed is not there to be erased.
    !rules.has(Defect::ReloadFreesQueuedTimeout) && timed_out_leaves(rules) != PidEntryLeaves::AtExpiry
}

/// Whether the cancelling of a queued timeout takes its entry out of the pid tree.
pub(super) fn cancel_erases_queued_timeout(rules: &Rules) -> bool {
    // One that left when its deadline passed is not there to be erased.
    !rules.has(Defect::CancelLeavesPidEntry) && timed_out_leaves(rules) != PidEntryLeaves::AtExpiry
}

/// Whether a timer overwrites the word in which its entry had a pid or a value before.
pub(super) fn timer_overwrites_value(rules: &Rules) -> bool {
    rules.behaviour.timer_value == TimerValue::Zero
}

/// Whether an entry that is given to a killer keeps its argument.
pub(super) fn killer_keeps_argument(rules: &Rules) -> bool {
    // Before the reload rescheduled at all, the shutdown did not touch it either (seen on the real 2.1.5). With
    // that mended, an entry outlives the configuration, and its argument must not.
    let only_at_shutdown = rules.behaviour.killall_flag == KillallFlag::Reschedule;
    rules.has(Defect::StaleArgumentAfterReload)
        || (only_at_shutdown && rules.has(Defect::ReloadForgetsChildren))
}

/// Whether children whose timeouts are queued are told to end with the others, and tracked on.
pub(super) fn ends_queued_timeouts_too(rules: &Rules, ending: Ending) -> bool {
    !rules.has(match ending {
        Ending::Reload => Defect::ReloadSkipsQueuedTimeout,
        Ending::Shutdown => Defect::ShutdownStopsBeforeReady,
    })
}

/// Whether an entry may be retired that is still linked in a tree: when it is given out again counts then. Asked where
/// nothing is cancelled.
pub(super) fn retires_linked(rules: &Rules) -> bool {
    rules.has(Defect::TimeoutLeavesPidEntry)
}

/// Whether the shape that a tree has may count beyond the order of its entries: where an operation follows links of
/// an entry that is not linked. The defects listed here leave entries where they are, or drop them whole.
pub(super) fn shapes_count(rules: &Rules) -> bool {
    rules.defects.iter().any(|defect| {
        !matches!(
            defect,
            Defect::ReloadSkipsQueuedTimeout
                | Defect::ReloadRestartsGrace
                | Defect::ReloadEatsTermination
                | Defect::ShutdownStopsBeforeReady
                | Defect::GroupOfNobody
                | Defect::StaleArgumentAfterReload
                | Defect::MiscKillTestInverted
        )
    })
}

/// Whether a further reload sets the deadline of children that an earlier one told to end anew.
pub(super) fn reload_restarts_grace(rules: &Rules) -> bool {
    rules.has(Defect::ReloadRestartsGrace)
}

/// Whether a clean-up destroys a termination that waits on EVENT.
pub(super) fn cleanup_eats_termination(rules: &Rules) -> bool {
    rules.has(Defect::ReloadEatsTermination)
}

/// Whether a shutdown waits for the child timeouts on READY too, not for CHILD alone.
pub(super) fn shutdown_waits_for_ready(rules: &Rules) -> bool {
    !rules.has(Defect::ShutdownStopsBeforeReady)
}

/// Whether a group that `getpgid` does not find is signalled all the same: its -1 negated is pid 1.
pub(super) fn signals_group_of_nobody(rules: &Rules) -> bool {
    rules.has(Defect::GroupOfNobody)
}

/// Whether the clock is read after the blocking call, before the ready entries are moved.
pub(super) fn reads_clock_before_move(rules: &Rules) -> bool {
    rules.behaviour.before_move == BeforeMove::ClockRead
}

/// Whether a late wake is logged.
pub(super) fn logs_late_wakes(rules: &Rules) -> bool {
    rules.behaviour.late_wake == LateWake::Logged
}

/// Whether, of what is due, the next is looked up before the one at hand is moved.
pub(super) fn takes_next_before_moving(rules: &Rules) -> bool {
    rules.behaviour.expiry == Expiry::NextTakenBefore
}

/// Whether a tree is emptied by erasing node after node in order.
pub(super) fn destroys_in_order(rules: &Rules) -> bool {
    rules.behaviour.destruction == Destruction::InOrderErasing
}

/// Whether a clean-up frees the entry that runs.
pub(super) fn cleanup_frees_current(rules: &Rules) -> bool {
    rules.behaviour.current_entry == CurrentEntry::Freed
}
