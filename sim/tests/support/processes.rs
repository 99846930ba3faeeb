//! Identifies processes by pid and start time, so that a process with a reused pid is another one.

use std::fmt;
use std::fs;
use std::time::Duration;

/// One process.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    /// Start time, in clock ticks since the machine started.
    started: u64,
}

/// Returns the fields of `/proc/PID/stat` after the name, from the state on.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(text.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect())
}

impl Process {
    /// Returns the process with this pid; `None`: it does not exist, or is a zombie.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        Self::parse(pid, &stat(pid)?)
    }

    fn parse(pid: u32, fields: &[String]) -> Option<Self> {
        const STARTED: usize = 19;
        let started = fields.get(STARTED)?.parse().ok()?;
        (fields[0] != "Z").then_some(Self { pid, started })
    }

    /// Reports whether it has not ended.
    pub(crate) fn is_there(&self) -> bool {
        Self::of(self.pid).as_ref() == Some(self)
    }

    /// Reports whether it is stopped.
    pub(crate) fn is_stopped(&self) -> bool {
        stat(self.pid).is_some_and(|fields| fields[0] == "T") && self.is_there()
    }

    /// Returns its CPU time, in clock ticks.
    pub(crate) fn ticks(&self) -> u64 {
        let fields = stat(self.pid).unwrap_or_default();
        fields.iter().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
    }
}

/// Describes the process for a failed assertion.
impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).replace('\0', " ");
        let state = stat(self.pid).map_or_else(|| "gone".to_owned(), |fields| fields[0].clone());
        write!(f, "process {} ({state}): {}", self.pid, words.trim())
    }
}

fn pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").expect("/proc is mounted").flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Returns all processes that have not ended.
pub(crate) fn all() -> impl Iterator<Item = Process> {
    pids().filter_map(Process::of)
}

/// Returns the processes of the session of this leader.
pub(crate) fn of_session(leader: u32) -> Vec<Process> {
    const SESSION: usize = 3;
    let leader = leader.to_string();
    let of = |pid| {
        let fields = stat(pid).filter(|fields| fields[SESSION] == leader)?;
        Process::parse(pid, &fields)
    };
    pids().filter_map(of).collect()
}

/// Waits for a condition, for a minute at most, because a busy machine is slow.
pub(crate) fn wait_until(is_so: impl Fn() -> bool) -> bool {
    (0..1_200).any(|_| {
        if is_so() {
            return true;
        }
        std::thread::park_timeout(Duration::from_millis(50));
        false
    })
}

/// Lists processes for a failed assertion.
pub(crate) fn listed(processes: &[Process]) -> String {
    processes.iter().map(|process| format!("\n  {process}")).collect()
}
