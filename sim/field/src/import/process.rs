//! Which process a line of a log is of, and the process whose story is told.
//!
//! A log may tell of several processes, one after the other. The last one that died is what people come for; where
//! none did, it is the last one.

use std::collections::BTreeSet;
use std::ops::Range;

use super::line::TextLine;
use super::messages::Of;
use super::signs::{Sign, SignKind};
use super::story::{Item, What};
use super::walk::is_crash;

/// Two tellings of one death are at most so far apart, in microseconds.
const SAME_DEATH: i64 = 10_000_000;

/// The pids of keepalived's processes, as a log tells them.
#[derive(Default)]
pub(super) struct Pids {
    vrrp: BTreeSet<u32>,
    siblings: BTreeSet<u32>,
}

impl Pids {
    /// Those that these lines tell, in any format.
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

    /// Whether a death is another process's than a vrrp process's. Where a log does not tell, it is taken for the vrrp
    /// process's.
    pub(super) fn is_another(&self, of: Of) -> bool {
        let sibling = |pid| self.siblings.contains(&pid) && !self.vrrp.contains(&pid);
        match of {
            Of::Vrrp => false,
            Of::Sibling => true,
            Of::Pid(pid) => sibling(pid) || !self.vrrp.is_empty() && !self.vrrp.contains(&pid),
            Of::Outside(pid) => pid.is_some_and(sibling),
        }
    }
}

fn number_behind(line: &str, before: &str) -> Option<u32> {
    let rest = line.split_once(before)?.1;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// Whether the newest line comes first: more of the times of the lines, in their order, go back than on. Without times
/// what keepalived says at its start tells.
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

/// What shows that a process ended other than it should; `None`: it is killed by a signal that asks for its end.
pub(super) fn end_sign(item: &Item, of_another: bool) -> Option<Sign> {
    let kind = match item.what {
        What::Hung => SignKind::Hang,
        What::Dies(signal) if is_crash(signal) => SignKind::Crash,
        What::Dies(Some(signal)) if !matches!(signal.number(), 1 | 2 | 15) => SignKind::Kill,
        _ => return None,
    };
    Some(Sign::new(item.line, kind, of_another, &item.text))
}

/// The process that a log is read for.
pub(super) struct Chosen {
    /// What happened to it.
    pub(super) items: Vec<Item>,
    /// How many processes the log tells of.
    pub(super) processes: usize,
    /// What shows that others ended other than they should.
    pub(super) others: Vec<Sign>,
}

/// Chooses the process that the log is read for. `starts` are the lines in which a whole keepalived starts.
pub(super) fn choose(items: Vec<Item>, starts: &[usize]) -> Chosen {
    let mut processes = split(items);
    let mut others = Vec::new();
    for pair in 1..processes.len() {
        let (before, then) = (&processes[pair - 1], &processes[pair]);
        let begins = then.first().filter(|item| item.what == What::Begins);
        let (Some(last), Some(begins)) = (before.last(), begins) else { continue };
        // A whole keepalived that starts anew may be of another day, or of another boot of its machine.
        let anew = starts.iter().any(|line| (last.line..=begins.line).contains(line));
        if !anew && !last.what.is_end() {
            others.push(Sign::new(begins.line, SignKind::Vanished, true, &begins.text));
        }
    }
    let died = |process: &Vec<Item>| process.last().is_some_and(|last| end_sign(last, false).is_some());
    let processes_told = processes.len();
    let place = processes.iter().rposition(died).or(processes_told.checked_sub(1));
    let items = place.map(|place| processes.remove(place)).unwrap_or_default();
    others.extend(processes.iter().filter_map(|process| end_sign(process.last()?, true)));
    others.sort_by_key(|sign| sign.line);
    Chosen { items, processes: processes_told, others }
}

fn split(items: Vec<Item>) -> Vec<Vec<Item>> {
    let mut processes: Vec<Vec<Item>> = Vec::new();
    let mut over = true;
    let soon = |last: Option<&Item>, when: &Range<i64>| {
        last.is_some_and(|last| when.start - last.when.start <= SAME_DEATH)
    };
    for item in items {
        let last = processes.last().and_then(|process| process.last());
        match item.what {
            // The death of a process is told by up to three.
            What::Dies(_)
                if over && last.is_some_and(|last| last.what.is_death()) && soon(last, &item.when) =>
            {
                continue;
            }
            // It dies on its way out.
            What::Dies(_) if over && soon(last, &item.when) => over = false,
            What::Stopped if over => continue,
            What::Begins => over = true,
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

/// The items with each word to stop that nothing more of the process follows taken for the sign of a hang: the parent
/// writes it, and waits for the process. Where something follows, but no end, that is a sign beside the story.
pub(super) fn with_hangs(items: Vec<Item>) -> (Vec<Item>, Vec<Sign>) {
    let (mut told, mut signs): (Vec<Item>, Vec<Sign>) = (Vec::new(), Vec::new());
    for (place, item) in items.iter().enumerate() {
        if item.what != What::Stops {
            told.push(item.clone());
            continue;
        }
        let mut rest = items[place + 1..].iter().take_while(|item| item.what != What::Begins);
        let ends = rest.clone().any(|item| item.what.is_end());
        let lives = rest.any(|item| matches!(item.what, What::Logs(_) | What::Reload));
        let hangs_already = told.last().is_some_and(|last| last.what == What::Hung);
        match (ends, lives) {
            _ if hangs_already => {}
            (true, _) => told.push(item.clone()),
            (false, false) => told.push(Item { what: What::Hung, ..item.clone() }),
            (false, true) => {
                told.push(item.clone());
                signs.push(Sign::new(item.line, SignKind::Hang, false, &item.text));
            }
        }
    }
    (told, signs)
}
