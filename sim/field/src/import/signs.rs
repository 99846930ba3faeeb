//! Finds evidence of crashes, hangs and missing lines, in any wording and format.
//!
//! The story consists of lines that are understood. Others may report a crash as well: systemd, the kernel, another
//! process, a line without a time stamp.
//!
//! Invariant: a log with an unexplained [`Sign`] rules no defect out.

use std::fmt;

/// Longest text of a line that is kept, in characters.
const LENGTH_MAX: usize = 160;
/// Most signs that are kept.
pub(super) const SIGNS_MAX: usize = 1_000;

/// A line that shows a crash, a hang or a gap.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sign {
    /// The line, from 1.
    pub line: usize,
    /// What it shows.
    pub kind: SignKind,
    /// It concerns the end of another process than the one whose story is read.
    pub of_another: bool,
    /// What the line says, cut where it is long.
    pub text: String,
}

/// What a line shows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum SignKind {
    /// A process died of its own fault.
    Crash,
    /// A process did not answer, or did not end on request.
    Hang,
    /// A process was killed from outside, as a hanging process is.
    Kill,
    /// A process ended, and the log does not say how.
    Vanished,
    /// Lines are missing.
    Gap,
}

impl SignKind {
    /// Describes it with an article, for use in a sentence.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Crash => "a crash",
            Self::Hang => "a hang",
            Self::Kill => "a process that was killed",
            Self::Vanished => "a process that ended without a word",
            Self::Gap => "a gap",
        }
    }

    /// Its name in `--json`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Hang => "hang",
            Self::Kill => "kill",
            Self::Vanished => "vanished",
            Self::Gap => "gap",
        }
    }
}

/// `line 7 (`pid 74 exited due to segmentation fault (SIGSEGV).`)`.
impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} (`{}`)", self.line, self.text)
    }
}

impl Sign {
    /// A sign in the line `text`.
    pub(super) fn new(line: usize, kind: SignKind, of_another: bool, text: &str) -> Self {
        let plain = |letter: char| if letter.is_control() { '?' } else { letter };
        let text = text.trim().chars().take(LENGTH_MAX).map(plain).collect();
        Self { line, kind, of_another, text }
    }
}

/// keepalived's own wording of a crash, which no other program uses.
const OF_KEEPALIVED: [&str; 2] =
    ["exited due to segmentation fault", "please report a bug at https://github.com/acassen"];
/// Wordings of a crash of a program that the line names, in lower case.
const CRASH: [&str; 39] = [
    "segmentation fault",
    "segfault",
    "sigsegv",
    "sigabrt",
    "sigbus",
    "sigill",
    "sigfpe",
    "general protection",
    "invalid opcode",
    "divide error",
    "bus error",
    "core dump",
    "core-dump",
    "coredump",
    "dumped core",
    "code=dumped",
    "status=11",
    "status=6/",
    "status=7/",
    "status=4/ill",
    "status=139",
    "status=134",
    "code 139",
    "code 134",
    "code=139",
    "code=134",
    "anom_abend",
    "type=1701",
    "stack smashing",
    "double free",
    "free(): ",
    "malloc(): ",
    "munmap_chunk",
    "addresssanitizer",
    "exited due to signal 4",
    "exited due to signal 6",
    "exited due to signal 7",
    "exited due to signal 11",
    " crashed",
];
/// Wordings of a process that does not answer.
const HANG: [&str; 10] = [
    "didn't respond to sig",
    "did not respond to sig",
    "failed to die",
    "timed out. killing",
    "timed out (forcing)",
    "blocked for more than",
    "soft lockup",
    "result 'timeout'",
    "result 'watchdog'",
    "watchdog timeout",
];
/// Wordings of a process that is killed.
const KILL: [&str; 8] = [
    "sigkill",
    "status=9/kill",
    "code 137",
    "code=137",
    "status=137",
    "out of memory",
    "oom-kill",
    "oom_reaper",
];
/// Wordings of missing lines of any process.
const GAP: [&str; 9] = [
    "rate-limit",
    "rate limit",
    "ratelimit",
    "messages lost",
    "messages suppressed",
    "callbacks suppressed",
    "begin to drop",
    "message repeated",
    "messages were dropped",
];

/// Returns what a line outside the story shows, given its full text. `named`: the line is known to be keepalived's.
pub(super) fn sign(line: &str, named: bool) -> Option<SignKind> {
    let line = line.to_ascii_lowercase();
    let any = |words: &[&str]| words.iter().any(|word| line.contains(word));
    let named = named || line.contains("keepalived");
    match () {
        () if any(&OF_KEEPALIVED) || is_death(&line) => Some(SignKind::Crash),
        () if named && any(&HANG) => Some(SignKind::Hang),
        () if named && any(&CRASH) => Some(SignKind::Crash),
        () if named && any(&KILL) => Some(SignKind::Kill),
        () if any(&GAP) || suppressed(&line) => Some(SignKind::Gap),
        () => None,
    }
}

/// Returns whether a line reports a crash in wording that only keepalived uses.
pub(super) fn is_of_keepalived(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    OF_KEEPALIVED.iter().any(|words| line.contains(words)) || is_death(&line)
}

/// `VRRP child process(74) died: Respawning`, in lower case.
fn is_death(line: &str) -> bool {
    line.contains("child process(") && line.contains(") died")
}

/// `Suppressed 2 messages from ..`, `lost 17 messages from pid 5`, `Missed 3 kernel messages`.
fn suppressed(line: &str) -> bool {
    let counted = |word: &str| {
        let rest = line.split_once(word).map(|(_, rest)| rest.trim_start());
        rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()) && rest.contains("message"))
    };
    ["suppressed ", "lost ", "missed ", "dropped ", "dropping "].into_iter().any(counted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_is_seen_in_words_of_kernel_service_manager_and_container() {
        let lines = [
            "Keepalived_vrrp exited due to segmentation fault (SIGSEGV).",
            "pid 74 exited due to segmentation fault (SIGSEGV).",
            "VRRP child process(74) died: Respawning",
            "[52141.304000] keepalived[74]: segfault at 8 ip 00005581 sp 00007ffd error 6 in keepalived[5581]",
            "[52141.3] traps: keepalived[74] general protection fault ip:5581 sp:7ffd error:0",
            "Nov 25 10:00:00 lb1 systemd-coredump[99]: Process 74 (keepalived) of user 0 dumped core.",
            "Nov 25 10:00:00 lb1 systemd[1]: keepalived.service: Failed with result 'core-dump'.",
            "Nov 25 10:00:00 lb1 systemd[1]: keepalived.service: Main process exited, code=dumped, status=6/ABRT",
            "type=ANOM_ABEND msg=audit(1.2:3): pid=74 comm=\"keepalived\" exe=\"/usr/sbin/keepalived\" sig=11",
            "keepalived_1 exited with code 139",
            "keepalived: free(): invalid pointer",
        ];
        for line in lines {
            assert_eq!(sign(line, false), Some(SignKind::Crash), "{line}");
        }
    }

    #[test]
    fn hangs_kills_and_gaps_are_told_apart() {
        let table = [
            ("lb1 Keepalived[60]: Process [74] didn't respond to SIGTERM", SignKind::Hang),
            ("systemd[1]: keepalived.service: State 'stop-sigterm' timed out. Killing.", SignKind::Hang),
            ("kernel: INFO: task keepalived:74 blocked for more than 120 seconds.", SignKind::Hang),
            (
                "systemd[1]: keepalived.service: Killing process 74 (keepalived) with signal SIGKILL.",
                SignKind::Kill,
            ),
            ("kernel: Out of memory: Killed process 74 (keepalived) total-vm:5kB", SignKind::Kill),
            ("systemd-journald[9]: Suppressed 2 messages from keepalived.service", SignKind::Gap),
            ("rsyslogd: imjournal: begin to drop messages due to rate-limiting", SignKind::Gap),
            ("rsyslogd-2177: imuxsock lost 17 messages from pid 74", SignKind::Gap),
            ("lb1 Keepalived_vrrp[74]: message repeated 2 times: [ VRRP_Script(a) timed_out]", SignKind::Gap),
        ];
        for (line, kind) in table {
            assert_eq!(sign(line, false), Some(kind), "{line}");
        }
    }

    #[test]
    fn another_program_and_a_plain_line_show_nothing() {
        let lines = [
            "kernel: nginx[9]: segfault at 10 ip 0 sp 0 error 6",
            "systemd[1]: chk.service: Main process exited, code=killed, status=9/KILL",
            "Keepalived_vrrp[74]: (one) Entering FAULT STATE",
            "Keepalived_vrrp[74]: VRRP_Script(chk) succeeded",
            "Keepalived_vrrp[74]: Sending gratuitous ARP on eth0 for 192.0.2.1",
            "Keepalived[60]: Stopped Keepalived v2.2.7 (01/16,2022)",
        ];
        for line in lines {
            assert_eq!(sign(line, false), None, "{line}");
        }
    }
}
