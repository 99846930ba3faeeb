//! Lists keepalived's crashes outside this class: functions in their backtraces, and the releases that have them.
//!
//! Crashes that upstream fixed are identified by the fixing commit: the functions are those that it changes, the
//! release is the first that contains it. The rest are rows of [`Elsewhere`].

use treefall_model::release::{Elsewhere, Reach, Release};

use super::crash::Crash;

/// A crash outside this class that upstream fixed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OtherCrash {
    /// Functions, one of which is among the innermost frames of a backtrace.
    pub functions: &'static [&'static str],
    /// The first release without the crash.
    pub mended_in: &'static str,
    /// The commit that fixes it.
    pub mended_by: &'static str,
    /// What causes it.
    pub what: &'static str,
    /// It happens in the loop itself, so that any backtrace of this class may belong to it.
    pub is_of_loop: bool,
}

const fn other(
    functions: &'static [&'static str],
    mended_in: &'static str,
    mended_by: &'static str,
    what: &'static str,
) -> OtherCrash {
    OtherCrash { functions, mended_in, mended_by, what, is_of_loop: false }
}

/// Crashes outside this class that upstream fixed.
pub const MENDED: [OtherCrash; 11] = [
    OtherCrash {
        is_of_loop: true,
        ..other(
            &["process_threads", "thread_fetch_next_queue", "thread_read_requeue", "thread_add_read"],
            "2.0.19",
            "03dfad3",
            "a reload leaves the loop's current epoll event pointing at an entry that was freed, which shows with descriptors \
             that come and go, as those of BFD",
        )
    },
    other(&["process_threads"], "2.1.0", "d233d32d", "the loop uses the entry that a reload freed under it"),
    other(&["handle_proc_ev"], "2.0.14", "729befdd", "a process event of a kind that is not expected"),
    other(
        &["reload_bfd_thread", "thread_add_base_threads"],
        "2.0.14",
        "cf0d97a4",
        "the bfd process reloads its configuration",
    ),
    other(
        &["thread_fetch_next_queue", "snmp_epoll_info"],
        "2.0.11",
        "51341b51",
        "SNMP activity during a shutdown",
    ),
    other(
        &["clear_diff_rules", "rule_exist"],
        "2.0.20",
        "b9837186",
        "a reload removes an ip rule without a from address",
    ),
    other(
        &["cleanup_lost_interface"],
        "2.2.0",
        "d00153b1",
        "a reload changes the VRID of an instance with a VMAC",
    ),
    other(
        &["snmp_agent_close", "vrrp_snmp_agent_init", "vrrp_handles_global_oid"],
        "2.2.8",
        "24f8a1e1",
        "a reload adds enable_snmp_vrrp",
    ),
    other(&["route_is_ours"], "2.2.8", "f46327dc", "a netlink message for a static default route"),
    other(&["dbus_main", "dbus_start", "dbus_stop"], "2.3.4", "aa6c10a3", "a reload enables DBus again"),
    other(&["clear_diff_s_srv"], "2.3.4", "7cfb502b", "a reload removes a sorry server"),
];

/// Functions of the rows of [`Elsewhere`].
const OF_REACH: [(Reach, &[&str]); 2] = [
    (Reach::InterfaceDelays, &["update_interface_flags", "process_if_status_change"]),
    (Reach::TrackProcess, &["handle_proc_ev", "process_lost_messages_timer_thread", "read_process_update"]),
];

/// Number of innermost frames that are compared.
const INNERMOST: usize = 5;

/// Returns, one sentence each, other known crashes that a backtrace may belong to, on a release if it is known.
#[must_use]
pub fn alternatives(crash: &Crash, release: Option<Release>) -> Vec<String> {
    let named = || crash.frames.iter().filter_map(|frame| frame.function.as_deref()).take(INNERMOST);
    let has = |functions: &[&str]| named().any(|name| functions.contains(&name));
    let mended = MENDED.iter().filter(|other| has(other.functions) && is_in(other, release));
    let mut all: Vec<String> = mended.map(OtherCrash::to_string).collect();
    for (reach, functions) in OF_REACH {
        let rows = Elsewhere::ALL.iter().filter(|row| row.reach == reach && has(functions));
        let rows = rows.filter(|row| release.is_none_or(|release| row.is_in(release)));
        all.extend(rows.map(|row| format!("with {}: {}", row.used_with, row.headline)));
    }
    all
}

/// Returns the other known crashes that a crash without a backtrace may belong to on a release.
#[must_use]
pub fn of_loop(release: Option<Release>) -> Vec<String> {
    MENDED
        .iter()
        .filter(|other| other.is_of_loop && is_in(other, release))
        .map(OtherCrash::to_string)
        .collect()
}

fn is_in(other: &OtherCrash, release: Option<Release>) -> bool {
    let mended = Release::parse(other.mended_in);
    release.zip(mended).is_none_or(|(release, mended)| release < mended)
}

/// `a reload removes a sorry server (mended in 2.3.4 by 7cfb502b)`.
impl std::fmt::Display for OtherCrash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (mended in {} by {})", self.what, self.mended_in, self.mended_by)
    }
}

#[cfg(test)]
mod tests {
    use super::super::crash::crashes;
    use super::*;

    #[test]
    fn a_crash_of_another_cause_is_named_on_the_releases_that_have_it() {
        let crash = crashes(
            "#0  0x1 in thread_cancel (t=0x1) at s.c:1\n#1  0x2 in update_interface_flags (a=1) at k.c:1\n",
        );
        let at = |version: &str| alternatives(&crash[0], Release::parse(version));
        assert!(at("2.3.4")[0].contains("interface_up_down_delays"));
        assert!(at("2.2.2").is_empty());
        let bfd = of_loop(Release::parse("2.0.18"));
        assert!(bfd[0].contains("03dfad3") && of_loop(Release::parse("2.0.19")).is_empty(), "{bfd:?}");
        assert!(MENDED.iter().all(|other| Release::parse(other.mended_in).is_some()));
    }
}
