//! What a keepalived's message says of its scripts' story.
//!
//! The lines of the script layer are read by [`treefall_world::words`], as they are for a whole daemon under the
//! harness. Beside them there are starts, ends and deaths of processes, and the wordings that other releases, and
//! the reports that people write, have for the same.
//!
//! Always: a message that is known to say nothing of the story is told from one that is not known.

use treefall_model::event::FailedBy;
use treefall_model::release::Release;
use treefall_model::signal::Signal;
use treefall_world::words::{self, Kind};

use super::line::Writer;

/// What a message says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Said<'l> {
    /// A keepalived of this version writes. Its release, if the tables know it.
    Version(&'l str, Option<Release>),
    /// The vrrp process is started.
    Begins,
    /// The vrrp process reloads.
    Reloads,
    /// Something that the script layer says.
    Script(Option<&'l str>, Kind),
    /// The process is told to end.
    Stops,
    /// The process has ended as it was told to.
    Stopped,
    /// The parent has ended, whatever became of the vrrp process.
    ParentStopped,
    /// A process died, of this signal if it is told of which.
    Dies(Option<Signal>, Of),
    /// Nothing of the story.
    Nothing,
    /// It is not known what.
    Unknown,
}

/// Which process a death is of, as far as its line tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Of {
    /// The vrrp process.
    Vrrp,
    /// Another of keepalived's.
    Sibling,
    /// The one of this pid, as keepalived sees it.
    Pid(u32),
    /// One of keepalived's, told by who stands outside; the kernel's pid need not be that which keepalived sees.
    Outside(Option<u32>),
}

/// How messages begin that say nothing of the story. What comes behind two blanks goes on with the line before.
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

/// Reads a message.
#[must_use]
pub fn read(writer: Writer, text: &str) -> Said<'_> {
    match writer {
        Writer::Foreign => Said::Nothing,
        Writer::Outside => outside(text),
        Writer::Sibling => Said::Nothing,
        Writer::Untold | Writer::Parent | Writer::Vrrp => of_keepalived(text),
    }
}

/// What the kernel tells of a segmentation fault, and systemd of a process that it started.
fn outside(text: &str) -> Said<'_> {
    const SEGV: [&str; 3] = ["]: segfault at ", "status=11/segv", "general protection"];
    let text = text.to_ascii_lowercase();
    let Some(place) = text.find("keepalived") else { return Said::Nothing };
    if !SEGV.iter().any(|words| text.contains(words)) {
        return Said::Nothing;
    }
    // `keepalived[99]: segfault at ..`; a unit has no number behind its name.
    let name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let behind = text[place..].trim_start_matches(name).strip_prefix('[');
    let pid = behind.and_then(|rest| rest.split_once(']')?.0.parse().ok());
    Said::Dies(Some(Signal::SEGV), Of::Outside(pid))
}

fn of_keepalived(text: &str) -> Said<'_> {
    match words::read(text) {
        words::Said::Reloading => return Said::Reloads,
        words::Said::Started => return Said::Nothing,
        words::Said::Line(line) => return Said::Script(line.script, line.kind),
        words::Said::Other => {}
    }
    let beside = version(text).or_else(|| death(text)).or_else(|| otherwise(text));
    if let Some(said) = beside {
        return said;
    }
    match text {
        "Stopping" | "Terminating on signal" => Said::Stops,
        "Stopped" => Said::Stopped,
        "Configuration file reloaded" | "VRRP configuration reloaded" => Said::Reloads,
        "" => Said::Nothing,
        _ if text.starts_with("Starting VRRP child process") => Said::Begins,
        _ if text.starts_with("Stopped - ") => Said::Stopped,
        _ if text.starts_with("Stopped Keepalived") => Said::ParentStopped,
        _ if NOTHING.iter().any(|beginning| text.starts_with(beginning)) => Said::Nothing,
        _ => Said::Unknown,
    }
}

/// `Starting Keepalived v2.2.7 (..)`, and in the report of a crash `  Source version 2.2.7`.
fn version(text: &str) -> Option<Said<'_>> {
    let behind = text.strip_prefix("Starting Keepalived v");
    let behind = behind.or_else(|| text.trim_start().strip_prefix("Source version "))?;
    let end = behind.find([' ', ',']).unwrap_or(behind.len());
    let number = &behind[..end];
    // A packager's or a repository's own mark stands behind the number.
    let bare = number.split(['-', '+', '~']).next().unwrap_or(number);
    Some(Said::Version(number, Release::parse(bare)))
}

/// `pid 5 exited due to segmentation fault (SIGSEGV).`, `.. exited due to signal 6 (Aborted)`.
fn death(text: &str) -> Option<Said<'_>> {
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
            Some(pid) => Of::Pid(pid),
            None if of_sibling => Of::Sibling,
            None => Of::Vrrp,
        };
        return Some(Said::Dies(Some(signal), of));
    }
    let (who, how) = text.split_once(" child process(")?;
    let died = how.contains(") died");
    died.then_some(Said::Dies(None, if who == "VRRP" { Of::Vrrp } else { Of::Sibling }))
}

/// The same said with other words: `Script x timed out`, ``Script `x` timed_out``.
fn otherwise(text: &str) -> Option<Said<'_>> {
    let rest = text.strip_prefix("Script ")?;
    let name = rest.strip_suffix(" timed_out").or_else(|| rest.strip_suffix(" timed out"))?;
    let name = name.trim_matches(['`', '\'']);
    let good = !name.is_empty() && !name.contains(' ');
    good.then_some(Said::Script(Some(name), Kind::Failed { by: FailedBy::TimedOut }))
}

/// The message without what differs from one line to the next, to count those of one kind: digits are `N`.
#[must_use]
pub fn shape(text: &str) -> String {
    /// Longest that is kept, in letters.
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

    fn said(text: &str) -> Said<'_> {
        read(Writer::Untold, text)
    }

    #[test]
    fn the_version_is_read_from_the_first_line_and_from_the_report_of_a_crash() {
        let release = Release::parse("2.2.7");
        assert_eq!(said("Starting Keepalived v2.2.7 (01/16,2022)"), Said::Version("2.2.7", release));
        assert_eq!(said("  Source version 2.2.7 "), Said::Version("2.2.7", release));
        assert_eq!(said("Starting Keepalived v2.2.7-dirty (x)"), Said::Version("2.2.7-dirty", release));
        assert_eq!(said("Starting Keepalived v1.3.5 (x)"), Said::Version("1.3.5", None));
    }

    #[test]
    fn deaths_are_told_by_keepalived_the_kernel_and_systemd() {
        let (segv, abort) = (Some(Signal::SEGV), Signal::new(6));
        let table = [
            ("pid 5 exited due to segmentation fault (SIGSEGV).", Said::Dies(segv, Of::Pid(5))),
            ("Keepalived_vrrp exited due to signal 6 (Aborted)", Said::Dies(abort, Of::Vrrp)),
            ("Keepalived_healthcheckers exited due to signal 6", Said::Dies(abort, Of::Sibling)),
            ("VRRP child process(5) died: Respawning", Said::Dies(None, Of::Vrrp)),
            ("VRRP child process(5) died: Exiting", Said::Dies(None, Of::Vrrp)),
            ("Healthcheck child process(5) died: Respawning", Said::Dies(None, Of::Sibling)),
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
            assert_eq!(outside(text), Said::Dies(segv, Of::Outside(pid)), "{text}");
        }
        assert_eq!(outside("nginx[99]: segfault at 10 ip 0 sp 0 error 6"), Said::Nothing);
    }

    #[test]
    fn a_timeout_is_understood_in_each_of_its_wordings() {
        let timed_out = Said::Script(Some("chk"), Kind::Failed { by: FailedBy::TimedOut });
        for text in ["VRRP_Script(chk) timed_out", "Script `chk` timed_out", "Script chk timed out"] {
            assert_eq!(said(text), timed_out, "{text}");
        }
    }

    #[test]
    fn a_child_that_outlived_its_kill_is_told_with_its_script_or_without() {
        let kind = Kind::FailedToTerminate { pid: Pid::new(77).unwrap() };
        let text = "Script chk child (PID 77) failed to terminate after kill";
        assert_eq!(said(text), Said::Script(Some("chk"), kind));
        assert_eq!(said("Child (PID 77) failed to terminate after kill"), Said::Script(None, kind));
        assert_eq!(said("Child (PID 0) failed to terminate after kill"), Said::Unknown);
        assert_eq!(read(Writer::Sibling, "Child (PID 77) failed to terminate after kill"), Said::Nothing);
    }

    #[test]
    fn what_says_nothing_is_told_from_what_is_not_known() {
        assert_eq!(said("(one) Entering BACKUP STATE"), Said::Nothing);
        assert_eq!(said("Reloading ..."), Said::Nothing);
        assert_eq!(said("A hitherto unheard message 17"), Said::Unknown);
        assert_eq!(shape("A hitherto unheard message 17 of 4"), "A hitherto unheard message N of N");
    }
}
