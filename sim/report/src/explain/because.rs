//! The chain of causes of a violation: what linked the entry, moved it, freed it and used it.
//!
//! Invariants: every step was observed in a run; an entry's place is read from the trees and lists before and after a step;
//! steps and times never decrease along the chain.

use std::collections::BTreeSet;

use treefall_model::event::{EntryKind, Event, Handler, LogLine, Step};
use treefall_model::id::Run;
use treefall_model::index::{Block, List, Tree};
use treefall_model::signal::Signal;
use treefall_model::time::{Deadline, Instant};
use treefall_model::verdict::{Violation, Weight};

use super::cause_step::{CauseStep, Role};
use super::label::Labels;
use super::moves;
use super::run_log::{BreakSeen, EntryState, Places, RunLog, Snapshot};
use super::suspects::Suspects;
use crate::{Names, ending};
use treefall_subject::replica::{Fault, Mark};

/// Most steps of a chain; of a longer one the beginning and the end are kept.
const LINKS_MAX: usize = 26;
const HEAD: usize = 8;

/// Returns the chain that ends in a violation.
pub(super) fn because(
    broken: &Violation,
    seen: BreakSeen,
    suspects: &Suspects,
    run_log: &RunLog,
    names: &Names<'_>,
    labels: &Labels<'_, '_>,
) -> Vec<CauseStep> {
    let broke_in = seen.stage;
    let mut links = Vec::new();
    let mut lives: Vec<Life> = suspects
        .blocks
        .iter()
        .map(|block| Life {
            block: *block,
            born: birth(run_log, *block, broke_in, suspects, labels),
            before: None,
            over: false,
        })
        .collect();
    for place in 0..run_log.stages.len() {
        if place <= broke_in {
            events(place, suspects, run_log, names, &mut links);
        }
        for life in &mut lives {
            life.go_on(place, place > broke_in, run_log, labels, &mut links);
        }
        if place == broke_in {
            let text = format!("{}: {}", broken.signature.law.name(), names.plain(&broken.detail));
            let after = seen.records.saturating_sub(1);
            // A violation that is noticed late belongs to the step in which it happened.
            let later = |place: &usize| run_log.stages[*place].at > broken.at;
            let place = (0..place).rev().take_while(later).last().unwrap_or(place);
            let order = (broken.at, place, after, Rank::Violation);
            links.push((order, link(Role::Broke, broken.at, place, None, text)));
        }
    }
    uses(suspects, run_log, names, &mut links);
    links.sort_by_key(|(order, _)| *order);
    // Corrupted memory has consequences, which follow; a violation of conduct ends the chain itself.
    if broken.signature.law.weight() == Weight::Conduct {
        let last = links.iter().position(|(_, link)| link.role == Role::Broke);
        links.truncate(last.map_or(links.len(), |last| last + 1));
    }
    let mut chain = links.into_iter().map(|(_, link)| link).collect();
    ends(run_log, &mut chain);
    shortened(chain)
}

/// Orders the steps of a chain: by time, stage and record, then by kind.
type Order = (Instant, usize, usize, Rank);

/// A recorded event precedes the moves that it caused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Record,
    Move,
    Violation,
}

fn link(role: Role, at: Instant, stage: usize, function: Option<&str>, text: String) -> CauseStep {
    CauseStep { role, at: at.to_string(), step: stage + 1, function: function.map(str::to_owned), text }
}

/// The history of one entry, stage by stage.
struct Life {
    block: Block,
    /// The stage at whose end it reached the place at which the law broke.
    born: usize,
    before: Option<Seen>,
    /// It was retired correctly after the violation: what later happens to its block is not part of this chain.
    over: bool,
}

impl Life {
    /// Adds the changes of one stage, each with its function.
    fn go_on(
        &mut self,
        place: usize,
        broken: bool,
        run_log: &RunLog,
        labels: &Labels<'_, '_>,
        links: &mut Vec<(Order, CauseStep)>,
    ) {
        let stage = &run_log.stages[place];
        let before = self.before;
        let told = self.look(place, broken, run_log, labels);
        if self.over {
            return;
        }
        let owner = before.and_then(|before| before.seat).map(|seat| owner(&seat, labels));
        let moves = owner
            .filter(|_| place > self.born)
            .map_or_else(Vec::new, |owner| moves::within(run_log, place, self.block, &format!("{owner}'s")));
        if moves.is_empty()
            && let Some(((role, text), by)) = told
        {
            let order = (stage.at, place, stage.to.saturating_sub(1), Rank::Move);
            links.push((order, link(role, stage.at, place, by, text)));
        }
        for it in moves {
            let at = run_log.records[it.record].at;
            links.push(((at, place, it.record, Rank::Move), link(it.role, at, place, it.function, it.text)));
        }
    }

    /// Returns the changes between two snapshots, each with its function.
    fn look(
        &mut self,
        place: usize,
        broken: bool,
        run_log: &RunLog,
        labels: &Labels<'_, '_>,
    ) -> Option<((Role, String), Option<&'static str>)> {
        let now = Seen::of(run_log.snapshot(place)?, self.block);
        self.over |= broken && now.retired() && now.names().len() == 1;
        // Its block was in no tree or list and now is: as another entry.
        let gone = place > self.born && self.before.is_some_and(|before| before.seat.is_none());
        self.over |= gone && now.seat.is_some();
        if self.over {
            return None;
        }
        let before = self.before.replace(now).filter(|_| place > self.born);
        if place < self.born || before == Some(now) {
            return None;
        }
        let step = run_log.stages.get(place).and_then(|stage| stage.step);
        Some((changed(before, now, labels)?, function(step, before, now)))
    }
}

/// The place and the kind of an entry in a snapshot.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Seen {
    places: Places,
    seat: Option<EntryState>,
}

impl Seen {
    fn of(snapshot: &Snapshot, block: Block) -> Self {
        Self { places: snapshot.places(block), seat: snapshot.seat(block) }
    }

    fn live(&self) -> bool {
        self.seat.is_some_and(|seat| seat.live)
    }

    fn names(&self) -> Vec<&'static str> {
        self.places.names().collect()
    }

    fn retired(&self) -> bool {
        self.names().contains(&List::Unuse.name())
    }

    fn kind(&self) -> Option<EntryKind> {
        self.seat.map(|seat| seat.kind)
    }
}

/// Returns the last stage at whose end the entry became a suspect child's, else any child's, else appeared or left UNUSE.
fn birth(
    run_log: &RunLog,
    block: Block,
    broke_in: usize,
    suspects: &Suspects,
    labels: &Labels<'_, '_>,
) -> usize {
    let (mut guilty, mut child, mut any) = (None, None, 0);
    let mut before: Option<Seen> = None;
    for stage in 0..=broke_in {
        let Some(now) = run_log.snapshot(stage).map(|snapshot| Seen::of(snapshot, block)) else { break };
        let stood = before.is_some_and(|before| !before.names().is_empty() && !before.retired());
        if now.live() && !now.retired() && !stood {
            any = stage;
        }
        let was = before.and_then(|before| before.seat).map(|seat| (seat.kind, seat.pid));
        if let Some(seat) = now.seat.filter(|seat| seat.live)
            && was != Some((seat.kind, seat.pid))
        {
            let blamed =
                seat.pid.and_then(|pid| labels.run(pid)).is_some_and(|run| suspects.runs.contains(&run));
            if seat.kind == EntryKind::Child {
                child = Some(stage);
                guilty = if blamed { Some(stage) } else { guilty };
            } else if seat.handler == Some(Handler::TerminateStart) {
                guilty = Some(stage);
            }
        }
        before = Some(now);
    }
    guilty.or(child).unwrap_or(any)
}

/// Describes a change of an entry.
fn changed(before: Option<Seen>, now: Seen, labels: &Labels<'_, '_>) -> Option<(Role, String)> {
    let names = now.names();
    let seat = now.seat.or(before.and_then(|before| before.seat))?;
    let owner = owner(&seat, labels);
    let entry = format!("the entry of {owner}{}", labels.block(seat.block));
    let Some(before) = before.filter(|before| before.seat.is_some()) else {
        let due = seat.kind == EntryKind::Child && now.live();
        let due = match seat.due {
            Deadline::At(at) if due => format!(", due at {at}"),
            _ => String::new(),
        };
        return (!names.is_empty() && now.live())
            .then(|| (Role::Linked, format!("{entry} is put into {}{due}", joined(&names))));
    };
    let its = format!("{owner}'s");
    let was = before.names();
    let stays: Vec<_> = names.iter().copied().filter(|name| was.contains(name)).collect();
    let left: Vec<_> = was.iter().copied().filter(|name| !names.contains(name)).collect();
    let comes: Vec<_> = names.iter().copied().filter(|name| !was.contains(name)).collect();
    let still = match (stays.is_empty(), now.live()) {
        (true, _) => String::new(),
        (false, true) => format!("; {} links it on", joined(&stays)),
        (false, false) => format!(", and {} STILL LINKS IT", joined(&stays)),
    };
    if before.live() && !now.live() && !names.is_empty() {
        return Some((Role::Freed, format!("{its} block is given back to the heap{still}")));
    }
    if !before.live() && now.live() {
        let whose = labels.whose(&seat);
        return Some((Role::Reused, format!("the block is handed out again, to: {whose}{still}")));
    }
    if names.is_empty() {
        return Some((
            Role::Moved,
            format!("{its} entry leaves {}, and no tree or list has it", joined(&left)),
        ));
    }
    if comes.is_empty() && left.is_empty() {
        return put_off(before.seat?, seat, &its).filter(|_| now.places.in_tree(Tree::Child));
    }
    let kind = match now.kind() {
        Some(EntryKind::ChildTimeout) => " as a timeout to be handled",
        Some(EntryKind::ChildTerminated) => " as an exit to be handled",
        _ => "",
    };
    let text = match (left.is_empty(), comes.is_empty()) {
        (false, false) => format!("{its} entry leaves {} for {}{kind}{still}", joined(&left), joined(&comes)),
        (false, true) => format!("{its} entry leaves {}{still}", joined(&left)),
        _ => format!("{its} entry is put into {}{kind}{still}", joined(&comes)),
    };
    Some((Role::Moved, text))
}

/// Describes a new deadline in the same place.
fn put_off(before: EntryState, now: EntryState, its: &str) -> Option<(Role, String)> {
    if before.due == now.due {
        return None;
    }
    let (how, then) = if now.due > before.due {
        ("put off", "; it is not killed before then")
    } else {
        ("brought forward", "; then it is to be killed")
    };
    let then = if now.handler == Some(Handler::Killer) { then } else { "" };
    let words = |due| match due {
        Deadline::At(at) => at.to_string(),
        Deadline::Never => "never".to_owned(),
    };
    let (from, to) = (words(before.due), words(now.due));
    Some((Role::Due, format!("{its} deadline is {how}, from {from} to {to}{then}")))
}

/// Names the owner of an entry; a retired or freed child entry keeps its child's name.
fn owner(seat: &EntryState, labels: &Labels<'_, '_>) -> String {
    let kept = matches!(
        seat.kind,
        EntryKind::Child | EntryKind::ChildTimeout | EntryKind::ChildTerminated | EntryKind::Unused
    );
    let run = seat.pid.filter(|_| kept).and_then(|pid| labels.run_name(pid));
    run.unwrap_or_else(|| labels.whose(seat))
}

fn joined(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    super::wakes::and(&names)
}

/// Names the program's function that made a change, where the step or the new place reveals it.
fn function(step: Option<Step>, before: Option<Seen>, now: Seen) -> Option<&'static str> {
    match (step?, before.and_then(|before| before.kind()), now.kind()) {
        (_, Some(EntryKind::Child), Some(EntryKind::ChildTimeout)) => Some("thread_timerfd_handler"),
        (_, Some(EntryKind::Child | EntryKind::ChildTimeout), Some(EntryKind::ChildTerminated)) => {
            Some("process_child_termination")
        }
        (Step::AddTimer, ..) => Some("thread_add_timer"),
        (Step::AddChild, ..) => Some("thread_add_child"),
        (Step::AddEvent, ..) => Some("thread_add_event"),
        (Step::TerminateChildren, ..) => Some("script_killall"),
        (Step::Cleanup, ..) => Some("thread_cleanup_master"),
        (Step::AddBase, ..) => Some("thread_add_base_threads"),
        (Step::Cancel, ..) => Some("thread_cancel"),
        _ => None,
    }
}

/// Returns the recorded events of a stage that concern the suspects.
fn events(
    place: usize,
    suspects: &Suspects,
    run_log: &RunLog,
    names: &Names<'_>,
    links: &mut Vec<(Order, CauseStep)>,
) {
    let from = run_log.stages[place].from;
    let of = |run: Run| suspects.runs.contains(&run);
    for (number, record) in run_log.events(place).iter().enumerate() {
        let script = |script| suspects.runs.iter().any(|run| run.of == script);
        let told = match record.event {
            // A second run of a suspect's script, and the log line about it.
            Event::Started { run, .. } => script(run.of),
            Event::Logged(LogLine::Skipped { script: of, .. }) => script(of),
            Event::Exited { run, .. } | Event::Reaped { run, .. } => of(run),
            Event::Signalled { run: Some(run), .. } => of(run),
            Event::Signalled { run: None, .. } => true,
            Event::Dispatched { run: Some(run), .. } => of(run),
            Event::SignalRead { signal } => signal == Signal::HUP || signal == Signal::TERM,
            Event::ReloadBegun { .. } | Event::ReloadDone { .. } | Event::TerminationBegun => true,
            Event::LinkRead { .. } => true,
            Event::Ended(treefall_model::event::End::LoopReturned) => true,
            _ => false,
        };
        if told && let Some(text) = names.tell(&record.event) {
            let order = (record.at, place, from + number, Rank::Record);
            links.push((order, link(Role::Happened, record.at, place, None, text)));
        }
    }
}

/// Returns the steps in which a stale link to the suspect was followed.
fn uses(suspects: &Suspects, run_log: &RunLog, names: &Names<'_>, links: &mut Vec<(Order, CauseStep)>) {
    let Some(note) = run_log.notes.iter().find(|note| suspects.blocks.contains(&note.block)) else { return };
    let last = run_log.stages.len().saturating_sub(1);
    let stage = usize::try_from(note.used_at.looks).map_or(last, |looks| looks.min(last));
    let text = format!(
        "the link to it{}, made at {} in {}, freed at {} in {}, is followed",
        names.block(note.block),
        note.linked_at.at,
        note.linked_at.function,
        note.freed_at.at,
        note.freed_at.function
    );
    let Mark { at, function, .. } = note.used_at;
    let order = (at, stage, run_log.stages.get(stage).map_or(0, |stage| stage.to), Rank::Move);
    links.push((order, link(Role::Used, at, stage, Some(function), text)));
}

fn ends(run_log: &RunLog, chain: &mut Vec<CauseStep>) {
    if run_log.verdict.outcome.survived() {
        return;
    }
    let last = run_log.stages.len().saturating_sub(1);
    let looks = run_log.stages.iter().map(|stage| stage.at);
    let at = looks.chain(run_log.notes.iter().map(|note| note.used_at.at)).max().unwrap_or(Instant::START);
    let where_at = match run_log.fault {
        Some(Fault::Segv { address, .. }) if address < 4096 => {
            format!(", at address {address:#x}: through a null pointer")
        }
        Some(Fault::Segv { .. }) => ", at an address where nothing is".to_owned(),
        Some(Fault::Aborted { .. }) => ", freeing what was free already".to_owned(),
        Some(Fault::Endless { .. } | Fault::Over { .. }) => ", following links in a circle".to_owned(),
        None => String::new(),
    };
    let text = format!("the program {}{where_at}", ending(&run_log.verdict.outcome));
    chain.push(link(Role::Ended, at, last, None, text));
}

/// Shortens a chain to its beginning and its end, without duplicates.
fn shortened(chain: Vec<CauseStep>) -> Vec<CauseStep> {
    let mut seen = BTreeSet::new();
    let mut chain: Vec<CauseStep> =
        chain.into_iter().filter(|link| seen.insert((link.step, link.text.clone()))).collect();
    if chain.len() > LINKS_MAX {
        let left_out = chain.len() - LINKS_MAX;
        let tail = chain.split_off(HEAD + left_out);
        chain.truncate(HEAD);
        let step = tail.first().map_or(1, |link| link.step);
        let text = format!("{left_out} more");
        chain.push(CauseStep { role: Role::LeftOut, at: String::new(), step, function: None, text });
        chain.extend(tail);
    }
    chain
}
