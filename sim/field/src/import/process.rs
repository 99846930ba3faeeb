//! Assigns lines of a log to processes, and chooses the process whose story is read.
//!
//! A log may contain several processes, one after the other. The last one that died is chosen, or else the last one.

use std::collections::BTreeSet;
use std::ops::Range;

use super::line::TextLine;
use super::messages::DeadProcess;
use super::signs::{Sign, SignKind};
use treefall_model::signal::Signal;

use super::item::{ItemKind, LogItem};

/// Longest time between two reports of one death, in microseconds.
const SAME_DEATH: i64 = 10_000_000;

/// The pids of keepalived's processes that a log mentions.
#[derive(Default)]
pub(super) struct Pids {
    vrrp: BTreeSet<u32>,
    siblings: BTreeSet<u32>,
}

impl Pids {
    /// Collects the pids from lines in any format.
    pub(super) fn of<'l>(lines: impl Iterator<Item = &'l str>) -> Self {
        const VRRP: [&str; 4] = [
            "starting vrrp child process, pid=",
            "vrrp child process(",
            "keepalived_vrrp[",
            "keepalived_vrrp ",
        ];
        const SIBLINGS: [&str; 7] = [
            "starting healthcheck child process, pid=",
            "healthcheck child process(",
            "keepalived_healthcheckers[",
            "keepalived_healthcheckers ",
            "starting bfd child process, pid=",
            "bfd child process(",
            "keepalived_bfd[",
        ];
        let mut pids = Self::default();
        for line in lines {
            let line = line.to_ascii_lowercase();
            pids.vrrp.extend(VRRP.iter().filter_map(|before| number_behind(&line, before)));
            pids.siblings.extend(SIBLINGS.iter().filter_map(|before| number_behind(&line, before)));
        }
        pids
    }

    /// Returns whether a death is that of another process than a vrrp process. If the log does not say, it counts as
    /// the vrrp process's.
    pub(super) fn is_another(&self, of: DeadProcess) -> bool {
        let sibling = |pid| self.siblings.contains(&pid) && !self.vrrp.contains(&pid);
        match of {
            DeadProcess::Vrrp => false,
            DeadProcess::Sibling => true,
            DeadProcess::Pid(pid) => sibling(pid) || !self.vrrp.is_empty() && !self.vrrp.contains(&pid),
            DeadProcess::Outside(pid) => pid.is_some_and(sibling),
        }
    }
}

fn number_behind(line: &str, before: &str) -> Option<u32> {
    let rest = line.split_once(before)?.1;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// Returns whether the newest line comes first: times of successive lines decrease more often than they increase.
/// Without times, keepalived's first messages decide.
pub(super) fn is_newest_first(lines: &[TextLine]) -> bool {
    let starts: Vec<i64> = lines.iter().filter_map(|line| Some(line.when.as_ref()?.start)).collect();
    let back = starts.windows(2).filter(|pair| pair[1] < pair[0]).count();
    let on = starts.windows(2).filter(|pair| pair[1] > pair[0]).count();
    if back != on {
        return back > on;
    }
    let says = |place: usize, words: &str| lines.get(place).is_some_and(|line| line.whole.contains(words));
    let begins = lines.iter().position(|line| line.text.starts_with("Starting Keepalived v"));
    let before = begins.and_then(|place| place.checked_sub(1));
    before.is_some_and(|place| says(place, "Running on ") || says(place, "Command line: "))
}

/// Returns the sign that a process ended in a wrong interleaving; `None` for a signal that requests its end.
pub(super) fn end_sign(item: &LogItem, of_another: bool) -> Option<Sign> {
    let kind = match item.what {
        ItemKind::Hung => SignKind::Hang,
        ItemKind::Dies(signal) if is_crash(signal) => SignKind::Crash,
        ItemKind::Dies(Some(signal)) if !matches!(signal.number(), 1 | 2 | 15) => SignKind::Kill,
        _ => return None,
    };
    Some(Sign::new(item.line, kind, of_another, &item.text))
}

/// The process whose story is read.
pub(super) struct Chosen {
    /// What happened to it.
    pub(super) items: Vec<LogItem>,
    /// Number of vrrp processes in the log.
    pub(super) processes: usize,
    /// Signs that others ended in a wrong interleaving.
    pub(super) others: Vec<Sign>,
}

/// Chooses the process whose story is read. `starts` are the lines at which a whole keepalived starts.
pub(super) fn choose(items: Vec<LogItem>, starts: &[usize]) -> Chosen {
    let mut processes = split(items);
    let mut others = Vec::new();
    for pair in 1..processes.len() {
        let (before, then) = (&processes[pair - 1], &processes[pair]);
        let begins = then.first().filter(|item| item.what == ItemKind::Begins);
        let (Some(last), Some(begins)) = (before.last(), begins) else { continue };
        // A whole keepalived that starts anew may run on another day or after a reboot.
        let anew = starts.iter().any(|line| (last.line..=begins.line).contains(line));
        if !anew && !last.what.is_end() {
            others.push(Sign::new(begins.line, SignKind::Vanished, true, &begins.text));
        }
    }
    let died = |process: &Vec<LogItem>| process.last().is_some_and(|last| end_sign(last, false).is_some());
    let processes_told = processes.len();
    let place = processes.iter().rposition(died).or(processes_told.checked_sub(1));
    let items = place.map(|place| processes.remove(place)).unwrap_or_default();
    others.extend(processes.iter().filter_map(|process| end_sign(process.last()?, true)));
    others.sort_by_key(|sign| sign.line);
    Chosen { items, processes: processes_told, others }
}

fn split(items: Vec<LogItem>) -> Vec<Vec<LogItem>> {
    let mut processes: Vec<Vec<LogItem>> = Vec::new();
    let mut over = true;
    let soon = |last: Option<&LogItem>, when: &Range<i64>| {
        last.is_some_and(|last| when.start - last.when.start <= SAME_DEATH)
    };
    for item in items {
        let last = processes.last().and_then(|process| process.last());
        match item.what {
            // Up to three lines report one death.
            ItemKind::Dies(_)
                if over && last.is_some_and(|last| last.what.is_death()) && soon(last, &item.when) =>
            {
                continue;
            }
            // The process dies during its orderly exit.
            ItemKind::Dies(_) if over && soon(last, &item.when) => over = false,
            ItemKind::Stopped if over => continue,
            ItemKind::Begins => over = true,
            _ => {}
        }
        if over {
            processes.push(Vec::new());
        }
        over = item.what.is_end();
        if let Some(process) = processes.last_mut() {
            process.push(item);
        }
    }
    processes
}

/// Turns each request to stop that no further line of the process follows into a hang: the parent logs it and waits
/// for the process. If lines follow, but no end, returns a sign as well.
pub(super) fn with_hangs(items: Vec<LogItem>) -> (Vec<LogItem>, Vec<Sign>) {
    let (mut told, mut signs): (Vec<LogItem>, Vec<Sign>) = (Vec::new(), Vec::new());
    for (place, item) in items.iter().enumerate() {
        if item.what != ItemKind::Stops {
            told.push(item.clone());
            continue;
        }
        let mut rest = items[place + 1..].iter().take_while(|item| item.what != ItemKind::Begins);
        let ends = rest.clone().any(|item| item.what.is_end());
        let lives = rest.any(|item| matches!(item.what, ItemKind::Logs(_) | ItemKind::Reload));
        let hangs_already = told.last().is_some_and(|last| last.what == ItemKind::Hung);
        match (ends, lives) {
            _ if hangs_already => {}
            (true, _) => told.push(item.clone()),
            (false, false) => told.push(LogItem { what: ItemKind::Hung, ..item.clone() }),
            (false, true) => {
                told.push(item.clone());
                signs.push(Sign::new(item.line, SignKind::Hang, false, &item.text));
            }
        }
    }
    (told, signs)
}

/// Returns whether a process that broke its own memory can end with this signal.
fn is_crash(signal: Option<Signal>) -> bool {
    signal.is_none_or(|signal| matches!(signal.number(), 4 | 6 | 7 | 8 | 11))
}
