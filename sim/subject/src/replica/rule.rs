//! The places where defects and behaviours take effect: one function per rule, named after it.
//!
//! The fix of a defect is upstream's, if there is one. For the others ([`ReloadSkipsQueuedTimeout`],
//! [`ReloadRestartsGrace`], [`ReloadEatsTermination`], [`ShutdownStopsBeforeReady`], [`GroupOfNobody`]) it is the
//! smallest change that obeys the laws.
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

/// Returns when a timed-out child's entry leaves the pid tree.
pub(super) fn timed_out_leaves(rules: &Rules) -> PidEntryLeaves {
    if rules.has(Defect::TimeoutDropsPidEntryEarly) {
        PidEntryLeaves::AtExpiry
    } else if rules.has(Defect::TimeoutLeavesPidEntry) {
        PidEntryLeaves::Never
    } else {
        PidEntryLeaves::WhenTaken
    }
}

/// Returns whether an exit updates the queued timeout in place; otherwise it is moved as if it were in CHILD.
pub(super) fn exit_knows_queued_timeouts(rules: &Rules) -> bool {
    !rules.has(Defect::TimeoutLeavesPidEntry)
}

/// Returns whether the exit of a child whose timeout is queued erases its pid node a second time.
pub(super) fn exit_erases_twice(rules: &Rules) -> bool {
    rules.has(Defect::ExitErasesTwice)
}

/// Returns whether a clean-up that keeps children nevertheless empties CHILD and CHILD_PID.
pub(super) fn cleanup_forgets_children(rules: &Rules) -> bool {
    rules.has(Defect::ReloadForgetsChildren)
}

/// Returns whether a killer takes over children that were requested to end.
pub(super) fn reschedules(rules: &Rules, ending: Ending) -> bool {
    ending == Ending::Shutdown || !rules.has(Defect::ReloadForgetsChildren)
}

/// Returns whether a clean-up removes the entry of a queued timeout, which it drops, from the pid tree.
pub(super) fn cleanup_erases_queued_timeouts(rules: &Rules) -> bool {
    // An entry that left when its deadline passed cannot be erased.
    !rules.has(Defect::ReloadFreesQueuedTimeout) && timed_out_leaves(rules) != PidEntryLeaves::AtExpiry
}

/// Returns whether cancelling a queued timeout removes its entry from the pid tree.
pub(super) fn cancel_erases_queued_timeout(rules: &Rules) -> bool {
    // An entry that left when its deadline passed cannot be erased.
    !rules.has(Defect::CancelLeavesPidEntry) && timed_out_leaves(rules) != PidEntryLeaves::AtExpiry
}

/// Returns whether a timer overwrites the word that contained the entry's previous pid or value.
pub(super) fn timer_overwrites_value(rules: &Rules) -> bool {
    rules.behaviour.timer_value == TimerValue::Zero
}

/// Returns whether an entry keeps its argument when a killer takes over.
pub(super) fn killer_keeps_argument(rules: &Rules) -> bool {
    // Before the reload rescheduled at all, the shutdown left it too (observed on the real 2.1.5). With that fixed,
    // an entry outlives the configuration, and its argument must not.
    let only_at_shutdown = rules.behaviour.killall_flag == KillallFlag::Reschedule;
    rules.has(Defect::StaleArgumentAfterReload)
        || (only_at_shutdown && rules.has(Defect::ReloadForgetsChildren))
}

/// Returns whether children whose timeouts are queued are requested to end with the others, and tracked further.
pub(super) fn ends_queued_timeouts_too(rules: &Rules, ending: Ending) -> bool {
    !rules.has(match ending {
        Ending::Reload => Defect::ReloadSkipsQueuedTimeout,
        Ending::Shutdown => Defect::ShutdownStopsBeforeReady,
    })
}

/// Returns whether an entry may be retired while a tree links it, so that its reuse matters. Only valid where nothing
/// is cancelled.
pub(super) fn retires_linked(rules: &Rules) -> bool {
    rules.has(Defect::TimeoutLeavesPidEntry)
}

/// Returns whether a tree's shape may matter beyond the order of its entries: an operation then follows links of an
/// entry that is not linked. The defects listed here leave entries in place, or drop them completely.
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

/// Returns whether another reload renews the deadline of children that an earlier one requested to end.
pub(super) fn reload_restarts_grace(rules: &Rules) -> bool {
    rules.has(Defect::ReloadRestartsGrace)
}

/// Returns whether a clean-up destroys a termination on EVENT.
pub(super) fn cleanup_eats_termination(rules: &Rules) -> bool {
    rules.has(Defect::ReloadEatsTermination)
}

/// Returns whether a shutdown waits for the child timeouts on READY as well as for CHILD.
pub(super) fn shutdown_waits_for_ready(rules: &Rules) -> bool {
    !rules.has(Defect::ShutdownStopsBeforeReady)
}

/// Returns whether a group that `getpgid` does not find is signalled anyway: its -1, negated, is pid 1.
pub(super) fn signals_group_of_nobody(rules: &Rules) -> bool {
    rules.has(Defect::GroupOfNobody)
}

/// Returns whether the clock is read after the blocking call, before the ready entries are moved.
pub(super) fn reads_clock_before_move(rules: &Rules) -> bool {
    rules.behaviour.before_move == BeforeMove::ClockRead
}

/// Returns whether a late wake is logged.
pub(super) fn logs_late_wakes(rules: &Rules) -> bool {
    rules.behaviour.late_wake == LateWake::Logged
}

/// Returns whether the next due entry is looked up before the current one is moved.
pub(super) fn takes_next_before_moving(rules: &Rules) -> bool {
    rules.behaviour.expiry == Expiry::NextTakenBefore
}

/// Returns whether a tree is emptied by erasing its nodes in order.
pub(super) fn destroys_in_order(rules: &Rules) -> bool {
    rules.behaviour.destruction == Destruction::InOrderErasing
}

/// Returns whether a clean-up frees the running entry.
pub(super) fn cleanup_frees_current(rules: &Rules) -> bool {
    rules.behaviour.current_entry == CurrentEntry::Freed
}
