//! Interprets keepalived's messages.
//!
//! [`treefall_world::words`] reads the lines of the script layer, as it does for a whole daemon under the harness.
//! This module adds starts, ends and deaths of processes, and the wordings of other releases and of bug reports.
//!
//! Invariant: messages that are known to be irrelevant are distinct from unknown ones.

use treefall_model::event::FailedBy;
use treefall_model::release::Release;
use treefall_model::signal::Signal;
use treefall_world::words::{self, Kind};

use super::line::Writer;

/// The meaning of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Message<'l> {
    /// The version of the keepalived that writes, and its release, if the tables know it.
    Version(&'l str, Option<Release>),
    /// The vrrp process starts.
    Begins,
    /// The vrrp process reloads.
    Reloads,
    /// A line of the script layer.
    Script(Option<&'l str>, Kind),
    /// The process receives the request to end.
    Stops,
    /// The process has ended as requested.
    Stopped,
    /// The parent has ended, with or without the vrrp process.
    ParentStopped,
    /// A process died, of this signal if the message states it.
    Dies(Option<Signal>, DeadProcess),
    /// The message is irrelevant to the story.
    Nothing,
    /// The message is unknown.
    Unknown,
}

/// The process whose death a line reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeadProcess {
    /// The vrrp process.
    Vrrp,
    /// Another of keepalived's.
    Sibling,
    /// The process with this pid, as keepalived sees it.
    Pid(u32),
    /// One of keepalived's processes, reported from outside; the pid may differ from the one that keepalived sees.
    Outside(Option<u32>),
}

/// Beginnings of irrelevant messages. A message that begins with two blanks continues the line before.
const NOTHING: [&str; 60] = [
    "  ",
    "(",
    "***",
    "=>",
    "Adjusting ",
    "Assigned address ",
    "Backup ",
    "CPU usage ",
    "Command line: ",
    "Configuration ",
    "Delaying startup ",
    "Deassigned address ",
    "Disabling ",
    "Environment ",
    "Error sending ",
    "Got SIGHUP",
    "Gained ",
    "IPVS: ",
    "Initializing ",
    "Interface ",
    "Loading ",
    "NOTICE: ",
    "Netlink ",
    "Netlink: ",
    "No config files ",
    "Opening file ",
    "Opening script file ",
    "Printing ",
    "Process ",
    "Processing ",
    "Quorum ",
    "Registering ",
    "Registration ",
    "Reload ",
    "Reloading ...",
    "Remote SMTP ",
    "Removing ",
    "Restart of ",
    "Running on ",
    "SECURITY VIOLATION",
    "SMTP ",
    "Script user ",
    "Sending gratuitous ARP ",
    "Startup complete",
    "Starting BFD ",
    "Starting Healthcheck ",
    "Starting SNMP ",
    "Startup script",
    "Stopped - ",
    "Sync group ",
    "Unable to load ipset ",
    "Unknown keyword ",
    "Using LinkWatch ",
    "Using autogen",
    "VRRP_Group(",
    "VRRP_Instance(",
    "WARNING",
    "Warning",
    "read eventfd count ",
    "Default user ",
];

/// Interprets a message.
#[must_use]
pub fn read(writer: Writer, text: &str) -> Message<'_> {
    match writer {
        Writer::Foreign => Message::Nothing,
        Writer::Outside => outside(text),
        Writer::Sibling => Message::Nothing,
        Writer::Unspecified | Writer::Parent | Writer::Vrrp => of_keepalived(text),
    }
}

/// Interprets the kernel's reports of segmentation faults, and systemd's of processes that it started.
fn outside(text: &str) -> Message<'_> {
    const SEGV: [&str; 3] = ["]: segfault at ", "status=11/segv", "general protection"];
    let text = text.to_ascii_lowercase();
    let Some(place) = text.find("keepalived") else { return Message::Nothing };
    if !SEGV.iter().any(|words| text.contains(words)) {
        return Message::Nothing;
    }
    // `keepalived[99]: segfault at ..`; the name of a unit has no number.
    let name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let behind = text[place..].trim_start_matches(name).strip_prefix('[');
    let pid = behind.and_then(|rest| rest.split_once(']')?.0.parse().ok());
    Message::Dies(Some(Signal::SEGV), DeadProcess::Outside(pid))
}

fn of_keepalived(text: &str) -> Message<'_> {
    match words::read(text) {
        words::Said::Reloading => return Message::Reloads,
        words::Said::Started => return Message::Nothing,
        words::Said::Line(line) => return Message::Script(line.script, line.kind),
        words::Said::Other => {}
    }
    let beside = version(text).or_else(|| death(text)).or_else(|| otherwise(text));
    if let Some(said) = beside {
        return said;
    }
    match text {
        "Stopping" | "Terminating on signal" => Message::Stops,
        "Stopped" => Message::Stopped,
        "Configuration file reloaded" | "VRRP configuration reloaded" => Message::Reloads,
        "" => Message::Nothing,
        _ if text.starts_with("Starting VRRP child process") => Message::Begins,
        _ if text.starts_with("Stopped - ") => Message::Stopped,
        _ if text.starts_with("Stopped Keepalived") => Message::ParentStopped,
        _ if NOTHING.iter().any(|beginning| text.starts_with(beginning)) => Message::Nothing,
        _ => Message::Unknown,
    }
}

/// Reads `Starting Keepalived v2.2.7 (..)`, and `  Source version 2.2.7` in a crash report.
fn version(text: &str) -> Option<Message<'_>> {
    let behind = text.strip_prefix("Starting Keepalived v");
    let behind = behind.or_else(|| text.trim_start().strip_prefix("Source version "))?;
    let end = behind.find([' ', ',']).unwrap_or(behind.len());
    let number = &behind[..end];
    // The mark of a packager or repository follows the number.
    let bare = number.split(['-', '+', '~']).next().unwrap_or(number);
    Some(Message::Version(number, Release::parse(bare)))
}

/// Reads `pid 5 exited due to segmentation fault (SIGSEGV).`, `.. exited due to signal 6 (Aborted)`.
fn death(text: &str) -> Option<Message<'_>> {
    if let Some((who, how)) = text.split_once(" exited due to ") {
        let signal = match how.strip_prefix("signal ") {
            Some(number) => {
                let digits = number.split(|c: char| !c.is_ascii_digit()).next()?;
                Signal::new(digits.parse().ok()?)?
            }
            None if how.starts_with("segmentation fault") => Signal::SEGV,
            None => return None,
        };
        let of_sibling = ["heck", "bfd", "BFD"].iter().any(|name| who.contains(name));
        let pid = who.strip_prefix("pid ").and_then(|pid| pid.trim_end_matches(':').parse().ok());
        let of = match pid {
            Some(pid) => DeadProcess::Pid(pid),
            None if of_sibling => DeadProcess::Sibling,
            None => DeadProcess::Vrrp,
        };
        return Some(Message::Dies(Some(signal), of));
    }
    let (who, how) = text.split_once(" child process(")?;
    let died = how.contains(") died");
    died.then_some(Message::Dies(None, if who == "VRRP" { DeadProcess::Vrrp } else { DeadProcess::Sibling }))
}

/// Reads other wordings of a timeout: `Script x timed out`, ``Script `x` timed_out``.
fn otherwise(text: &str) -> Option<Message<'_>> {
    let rest = text.strip_prefix("Script ")?;
    let name = rest.strip_suffix(" timed_out").or_else(|| rest.strip_suffix(" timed out"))?;
    let name = name.trim_matches(['`', '\'']);
    let good = !name.is_empty() && !name.contains(' ');
    good.then_some(Message::Script(Some(name), Kind::Failed { by: FailedBy::TimedOut }))
}

/// Returns the message with `N` for numbers, to count messages of one kind.
#[must_use]
pub fn shape(text: &str) -> String {
    /// Longest shape that is kept, in characters.
    const LENGTH_MAX: usize = 100;
    let mut shape = String::new();
    let mut in_number = false;
    for letter in text.chars().take(LENGTH_MAX) {
        match letter {
            digit if digit.is_ascii_digit() => {
                if !in_number {
                    shape.push('N');
                }
                in_number = true;
            }
            other => {
                in_number = false;
                shape.push(if other.is_control() { '?' } else { other });
            }
        }
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;
    use treefall_model::id::Pid;

    fn said(text: &str) -> Message<'_> {
        read(Writer::Unspecified, text)
    }

    #[test]
    fn the_version_is_read_from_the_first_line_and_from_the_report_of_a_crash() {
        let release = Release::parse("2.2.7");
        assert_eq!(said("Starting Keepalived v2.2.7 (01/16,2022)"), Message::Version("2.2.7", release));
        assert_eq!(said("  Source version 2.2.7 "), Message::Version("2.2.7", release));
        assert_eq!(said("Starting Keepalived v2.2.7-dirty (x)"), Message::Version("2.2.7-dirty", release));
        assert_eq!(said("Starting Keepalived v1.3.5 (x)"), Message::Version("1.3.5", None));
    }

    #[test]
    fn deaths_are_told_by_keepalived_the_kernel_and_systemd() {
        let (segv, abort) = (Some(Signal::SEGV), Signal::new(6));
        let table = [
            ("pid 5 exited due to segmentation fault (SIGSEGV).", Message::Dies(segv, DeadProcess::Pid(5))),
            ("Keepalived_vrrp exited due to signal 6 (Aborted)", Message::Dies(abort, DeadProcess::Vrrp)),
            ("Keepalived_healthcheckers exited due to signal 6", Message::Dies(abort, DeadProcess::Sibling)),
            ("VRRP child process(5) died: Respawning", Message::Dies(None, DeadProcess::Vrrp)),
            ("VRRP child process(5) died: Exiting", Message::Dies(None, DeadProcess::Vrrp)),
            ("Healthcheck child process(5) died: Respawning", Message::Dies(None, DeadProcess::Sibling)),
        ];
        for (text, wanted) in table {
            assert_eq!(said(text), wanted, "{text}");
        }
        let outside = |text| read(Writer::Outside, text);
        for (text, pid) in [
            ("keepalived[99]: segfault at 10 ip 0 sp 0 error 6 in keepalived[5581]", Some(99)),
            ("traps: Keepalived_vrrp[99] general protection fault ip:0 sp:0 error:0", Some(99)),
            ("keepalived.service: Main process exited, code=dumped, status=11/SEGV", None),
        ] {
            assert_eq!(outside(text), Message::Dies(segv, DeadProcess::Outside(pid)), "{text}");
        }
        assert_eq!(outside("nginx[99]: segfault at 10 ip 0 sp 0 error 6"), Message::Nothing);
    }

    #[test]
    fn a_timeout_is_understood_in_each_of_its_wordings() {
        let timed_out = Message::Script(Some("chk"), Kind::Failed { by: FailedBy::TimedOut });
        for text in ["VRRP_Script(chk) timed_out", "Script `chk` timed_out", "Script chk timed out"] {
            assert_eq!(said(text), timed_out, "{text}");
        }
    }

    #[test]
    fn a_child_that_outlived_its_kill_is_told_with_its_script_or_without() {
        let kind = Kind::FailedToTerminate { pid: Pid::new(77).unwrap() };
        let text = "Script chk child (PID 77) failed to terminate after kill";
        assert_eq!(said(text), Message::Script(Some("chk"), kind));
        assert_eq!(said("Child (PID 77) failed to terminate after kill"), Message::Script(None, kind));
        assert_eq!(said("Child (PID 0) failed to terminate after kill"), Message::Unknown);
        assert_eq!(read(Writer::Sibling, "Child (PID 77) failed to terminate after kill"), Message::Nothing);
    }

    #[test]
    fn what_says_nothing_is_told_from_what_is_not_known() {
        assert_eq!(said("(one) Entering BACKUP STATE"), Message::Nothing);
        assert_eq!(said("Reloading ..."), Message::Nothing);
        assert_eq!(said("A hitherto unheard message 17"), Message::Unknown);
        assert_eq!(shape("A hitherto unheard message 17 of 4"), "A hitherto unheard message N of N");
    }
}
