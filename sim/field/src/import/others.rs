//! keepalived's crashes that are not of this class: where they end, and in which releases.
//!
//! Facts only: each row names the functions that its backtraces have, and the commit or the releases that are known.

use treefall_model::release::Release;

use super::crash::Crash;

/// A crash that has another cause than the scheduler's trees.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Other {
    /// Functions of which a backtrace has one.
    pub functions: &'static [&'static str],
    /// The first release that is known to have it.
    pub from: &'static str,
    /// The release that mends it, if one is known to.
    pub mended: Option<&'static str>,
    /// What goes wrong, and how it comes about.
    pub what: &'static str,
}

/// They, as far as they are known here.
pub const OTHERS: [Other; 6] = [
    Other {
        functions: &["update_interface_flags", "process_if_status_change", "if_linkbeat_refresh_thread"],
        from: "2.2.3",
        mended: None,
        what: "interface_up_down_delays: a reload frees the timer of a link that went down, and the link's return cancels it",
    },
    Other {
        functions: &["handle_proc_ev", "proc_event_reread", "read_process_update"],
        from: "2.0.11",
        mended: None,
        what: "track_process: a reload frees the timer that reads the process list again, and the next overrun cancels it",
    },
    Other {
        functions: &[
            "bfd_sender_thread",
            "bfd_receiver_thread",
            "bfd_handle_packet",
            "vrrp_bfd_thread",
            "bfd_vrrp_thread",
            "start_bfd_child",
        ],
        from: "2.0.8",
        mended: Some("2.0.19"),
        what: "BFD: a reload keeps no count of its instances and pipes (mended by 03dfad3)",
    },
    Other {
        functions: &["snmp_read_thread", "snmp_timeout_thread", "snmp_epoll_info", "snmp_thread_handler"],
        from: "2.0.8",
        mended: None,
        what: "SNMP: the agent's descriptors and timers change while a reload replaces the scheduler's entries",
    },
    Other {
        functions: &[
            "netlink_rtlist",
            "netlink_route",
            "clear_diff_routes",
            "clear_diff_rules",
            "reset_next_rule_priority",
        ],
        from: "2.0.8",
        mended: None,
        what: "routes and rules: a reload compares those of the old configuration with those of the new one",
    },
    Other {
        functions: &[
            "http_response_thread",
            "tcp_socket_state",
            "smtp_engine_thread",
            "checker_thread",
            "ssl_read_thread",
        ],
        from: "2.0.8",
        mended: None,
        what: "health checks: a socket's entry is used after its check was taken away",
    },
];

/// Those that a backtrace may be of, on a release if it is known.
pub fn fitting<'c>(crash: &'c Crash, release: Option<Release>) -> impl Iterator<Item = &'static Other> + 'c {
    let has = |other: &&Other| {
        crash
            .frames
            .iter()
            .any(|frame| frame.function.as_deref().is_some_and(|name| other.functions.contains(&name)))
    };
    let of_release = move |other: &&Other| {
        let Some(release) = release else { return true };
        let at = |text: &str| Release::parse(text);
        at(other.from).is_none_or(|from| from <= release)
            && other.mended.and_then(at).is_none_or(|mended| release < mended)
    };
    OTHERS.iter().filter(has).filter(of_release)
}
