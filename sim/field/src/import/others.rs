//! keepalived's crashes that are not of this class: the functions that their backtraces have, and in which releases.
//!
//! The crashes that upstream mended are named by their commits: the functions are those that the commit changes, the
//! release is the first that contains it. The rest are rows of [`Elsewhere`].

use treefall_model::release::{Elsewhere, Reach, Release};

use super::crash::Crash;

/// A crash that upstream mended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Other {
    /// Functions of which a backtrace has one among its innermost three.
    pub functions: &'static [&'static str],
    /// The first release without it.
    pub mended_in: &'static str,
    /// The commit that mends it.
    pub mended_by: &'static str,
    /// What brings it about.
    pub what: &'static str,
    /// It comes by the loop itself, so every backtrace of the class could be its own.
    pub is_of_loop: bool,
}

const fn other(
    functions: &'static [&'static str],
    mended_in: &'static str,
    mended_by: &'static str,
    what: &'static str,
) -> Other {
    Other { functions, mended_in, mended_by, what, is_of_loop: false }
}

/// They.
pub const MENDED: [Other; 11] = [
    Other {
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

/// The functions of the rows of [`Elsewhere`].
const OF_REACH: [(Reach, &[&str]); 2] = [
    (Reach::InterfaceDelays, &["update_interface_flags", "process_if_status_change"]),
    (Reach::TrackProcess, &["handle_proc_ev", "process_lost_messages_timer_thread", "read_process_update"]),
];

/// Functions that are looked at, from the innermost on.
const INNERMOST: usize = 5;

/// What a backtrace may be of beside the class, on a release if it is known, each in a sentence.
#[must_use]
pub fn alternatives(crash: &Crash, release: Option<Release>) -> Vec<String> {
    let named = || crash.frames.iter().filter_map(|frame| frame.function.as_deref()).take(INNERMOST);
    let has = |functions: &[&str]| named().any(|name| functions.contains(&name));
    let mended = MENDED.iter().filter(|other| has(other.functions) && is_in(other, release));
    let mut all: Vec<String> = mended.map(Other::to_string).collect();
    for (reach, functions) in OF_REACH {
        let rows = Elsewhere::ALL.iter().filter(|row| row.reach == reach && has(functions));
        let rows = rows.filter(|row| release.is_none_or(|release| row.is_in(release)));
        all.extend(rows.map(|row| format!("with {}: {}", row.used_with, row.headline)));
    }
    all
}

/// What a crash without a backtrace may be of on a release.
#[must_use]
pub fn of_loop(release: Option<Release>) -> Vec<String> {
    MENDED.iter().filter(|other| other.is_of_loop && is_in(other, release)).map(Other::to_string).collect()
}

fn is_in(other: &Other, release: Option<Release>) -> bool {
    let mended = Release::parse(other.mended_in);
    release.zip(mended).is_none_or(|(release, mended)| release < mended)
}

/// `a reload removes a sorry server (mended in 2.3.4 by 7cfb502b)`.
impl std::fmt::Display for Other {
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
