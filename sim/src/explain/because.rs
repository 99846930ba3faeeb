//! Why it broke: what put the entry there, what moved it, what freed it, what used it, one after the other.
//!
//! Always: every link of the chain was seen in a run; what is told of an entry is what the trees and lists showed of
//! it, before a step and after it.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;
use treefall_model::event::{EntryKind, Event, Handler, LogLine, Step};
use treefall_model::id::Run;
use treefall_model::index::{Block, List, Tree};
use treefall_model::signal::Signal;
use treefall_model::verdict::Break;

use super::chronicle::{Chronicle, Places, Seat, Snapshot};
use super::label::Labels;
use crate::report::{Names, ending, parse_run};
use crate::subject::replica::Fault;

/// Most links of a chain: its beginning and its end are kept.
const LINKS_MAX: usize = 26;
const HEAD: usize = 8;

/// The program's function that moves what is due.
const TIMER_HANDLER: &str = "thread_timerfd_handler";

/// What a link of the chain tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The entry was linked.
    Linked,
    /// It went elsewhere.
    Moved,
    /// Its block was given back.
    Freed,
    /// Its block was handed out again.
    Reused,
    /// A link that had outlived it was followed.
    Used,
    /// Something happened to it, or around it.
    Happened,
    /// The law broke.
    Broke,
    /// The program came to its end.
    Ended,
    /// Links that were left out.
    LeftOut,
}

impl Role {
    /// As a report writes it before the link.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Linked => "linked",
            Self::Moved => "moved",
            Self::Freed => "freed",
            Self::Reused => "reused",
            Self::Used => "used",
            Self::Happened => "",
            Self::Broke => "breaks",
            Self::Ended => "ends",
            Self::LeftOut => "..",
        }
    }
}

/// One link of the chain.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Because {
    /// What it tells.
    pub role: Role,
    /// When, in seconds.
    pub at: String,
    /// At which step, from 1.
    pub step: usize,
    /// In which function of the program, if that is known.
    pub function: Option<String>,
    /// In words.
    pub text: String,
}

/// Who is to blame, as far as the model's words and the trees tell.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Guilt {
    /// The entries' blocks, the one to blame first.
    pub blocks: Vec<Block>,
    /// The runs.
    pub runs: Vec<Run>,
}

impl Guilt {
    /// Of a break in a stage of a run.
    #[must_use]
    pub fn of(broken: &Break, stage: usize, chronicle: &Chronicle, labels: &Labels<'_, '_>) -> Self {
        let mut guilt = Self::default();
        let words: Vec<&str> =
            broken.detail.split([' ', ',', '(', ')', ';', ':']).filter(|word| !word.is_empty()).collect();
        let number_after = |name: &str| {
            let place = words.iter().position(|word| *word == name)?;
            words.get(place + 1)?.parse::<i32>().ok()
        };
        guilt.blocks.extend(number_after("block").and_then(|number| u32::try_from(number).ok()).map(Block));
        guilt.runs.extend(words.iter().filter_map(|word| parse_run(word)));
        let pid = number_after("pid").and_then(treefall_model::id::Pid::new);
        if let Some(run) = pid.and_then(|pid| labels.run(pid)) {
            guilt.runs.push(run);
        }
        guilt.runs.dedup();
        if guilt.blocks.is_empty() {
            let pids: Vec<_> = guilt.runs.iter().filter_map(|run| labels.pid(*run)).collect();
            let of_run = |seat: &Seat| {
                let child = matches!(
                    seat.kind,
                    EntryKind::Child | EntryKind::ChildTimeout | EntryKind::ChildTerminated
                );
                child && seat.pid.is_some_and(|pid| pids.contains(&pid))
            };
            // A termination that is lost is an entry too.
            let ends = |seat: &Seat| {
                let asked = broken.signature.law == treefall_model::law::Law::TerminationHonoured;
                asked && pids.is_empty() && seat.handler == Some(Handler::TerminateStart)
            };
            let upto = (0..=stage).rev().filter_map(|stage| chronicle.snapshot(stage));
            let found = upto
                .into_iter()
                .find_map(|snapshot| snapshot.seats().find(|seat| of_run(seat) || ends(seat)));
            guilt.blocks.extend(found.map(|seat| seat.block));
        }
        if broken.signature.law == treefall_model::law::Law::TreeShape {
            guilt.blame_who_left(stage, chronicle, labels);
        }
        guilt
    }
}

impl Guilt {
    /// A tree that no longer holds together was broken by taking something out of it: what left CHILD_PID in that
    /// step is to blame, before the node that shows it.
    fn blame_who_left(&mut self, stage: usize, chronicle: &Chronicle, labels: &Labels<'_, '_>) {
        let snapshots =
            (stage.checked_sub(1).and_then(|before| chronicle.snapshot(before)), chronicle.snapshot(stage));
        let (Some(before), Some(after)) = snapshots else { return };
        let stood = |seat: &Seat| before.places(seat.block).in_tree(Tree::ChildPid);
        let stands = |seat: &Seat| after.places(seat.block).in_tree(Tree::ChildPid);
        let left: Vec<Seat> = before.seats().filter(|seat| stood(seat) && !stands(seat)).collect();
        // Each stands in two trees.
        let Some(first) = left.first().filter(|first| left.iter().all(|seat| seat.block == first.block))
        else {
            return;
        };
        self.blocks.retain(|block| *block != first.block);
        self.blocks.insert(0, first.block);
        if let Some(run) = first.pid.and_then(|pid| labels.run(pid)) {
            self.runs.retain(|known| *known != run);
            self.runs.insert(0, run);
        }
    }
}

/// The chain of a break.
pub(super) fn because(
    broken: &Break,
    broke_in: usize,
    guilt: &Guilt,
    chronicle: &Chronicle,
    names: &Names<'_>,
    labels: &Labels<'_, '_>,
) -> Vec<Because> {
    let mut chain = Vec::new();
    let mut lives: Vec<Life> = guilt
        .blocks
        .iter()
        .map(|block| Life {
            block: *block,
            born: birth(chronicle, *block, broke_in, guilt, labels),
            before: None,
            over: false,
        })
        .collect();
    for (place, stage) in chronicle.stages.iter().enumerate() {
        if place <= broke_in {
            events(place, guilt, chronicle, names, &mut chain);
        }
        for life in &mut lives {
            let Some((told, by)) = life.go_on(place, place > broke_in, chronicle, labels) else { continue };
            let (role, text) = told;
            let told = link(role, stage.at.to_string(), place, by, text);
            // What the timer handler moved it moved before the signals were read.
            let first = chain.iter().position(|link: &Because| link.step == place + 1);
            match first.filter(|_| by == Some(TIMER_HANDLER) && !signals_first(chronicle, place)) {
                Some(first) => chain.insert(first, told),
                None => chain.push(told),
            }
        }
        if place == broke_in {
            let text = format!("{}: {}", broken.signature.law.name(), names.plain(&broken.detail));
            chain.push(link(Role::Broke, broken.at.to_string(), place, None, text));
        }
    }
    uses(guilt, chronicle, &mut chain);
    ends(chronicle, &mut chain);
    shortened(chain)
}

fn link(role: Role, at: String, stage: usize, function: Option<&str>, text: String) -> Because {
    Because { role, at, step: stage + 1, function: function.map(str::to_owned), text }
}

/// An entry on its way through the stages.
struct Life {
    block: Block,
    /// The stage at whose end it was put where it was when the law broke.
    born: usize,
    before: Option<Seen>,
    /// The law broke, and it was retired as it should be: what becomes of its block is another story.
    over: bool,
}

impl Life {
    /// What changed for it in a stage, and in which function.
    fn go_on(
        &mut self,
        place: usize,
        broken: bool,
        chronicle: &Chronicle,
        labels: &Labels<'_, '_>,
    ) -> Option<((Role, String), Option<&'static str>)> {
        let now = Seen::of(chronicle.snapshot(place)?, self.block);
        self.over |= broken && now.retired() && now.names().len() == 1;
        // No tree or list had it, and now one has its block: as another entry.
        let gone = place > self.born && self.before.is_some_and(|before| before.seat.is_none());
        self.over |= gone && now.seat.is_some();
        if self.over {
            return None;
        }
        let before = self.before.replace(now).filter(|_| place > self.born);
        if place < self.born || before == Some(now) {
            return None;
        }
        let step = chronicle.stages.get(place).and_then(|stage| stage.step);
        Some((changed(before, now, labels)?, function(step, before, now)))
    }
}

/// Where an entry stood, and as what.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Seen {
    places: Places,
    seat: Option<Seat>,
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

/// The stage at whose end the entry was put where it was when the law broke: where it became a guilty child's, or else
/// any child's, or else came from nowhere or out of UNUSE; the last such.
fn birth(
    chronicle: &Chronicle,
    block: Block,
    broke_in: usize,
    guilt: &Guilt,
    labels: &Labels<'_, '_>,
) -> usize {
    let (mut guilty, mut child, mut any) = (None, None, 0);
    let mut before: Option<Seen> = None;
    for stage in 0..=broke_in {
        let Some(now) = chronicle.snapshot(stage).map(|snapshot| Seen::of(snapshot, block)) else { break };
        let stood = before.is_some_and(|before| !before.names().is_empty() && !before.retired());
        if now.live() && !now.retired() && !stood {
            any = stage;
        }
        let was = before.and_then(|before| before.seat).map(|seat| (seat.kind, seat.pid));
        if let Some(seat) = now.seat.filter(|seat| seat.live)
            && was != Some((seat.kind, seat.pid))
        {
            let blamed =
                seat.pid.and_then(|pid| labels.run(pid)).is_some_and(|run| guilt.runs.contains(&run));
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

/// What changed for an entry, in words.
fn changed(before: Option<Seen>, now: Seen, labels: &Labels<'_, '_>) -> Option<(Role, String)> {
    let names = now.names();
    let seat = now.seat.or(before.and_then(|before| before.seat))?;
    let owner = owner(&seat, labels);
    let entry = format!("the entry of {owner} (block {})", seat.block.0);
    let Some(before) = before.filter(|before| before.seat.is_some()) else {
        return (!names.is_empty() && now.live())
            .then(|| (Role::Linked, format!("{entry} is put into {}", joined(&names))));
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
        return None;
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

/// Whose entry it is: of a child's that was retired or freed still that child's.
fn owner(seat: &Seat, labels: &Labels<'_, '_>) -> String {
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

/// In which function of the program a change was made, where the step or what became of the entry tells.
fn function(step: Option<Step>, before: Option<Seen>, now: Seen) -> Option<&'static str> {
    match (step?, before.and_then(|before| before.kind()), now.kind()) {
        (_, Some(EntryKind::Child), Some(EntryKind::ChildTimeout)) => Some(TIMER_HANDLER),
        (_, Some(EntryKind::Child | EntryKind::ChildTimeout), Some(EntryKind::ChildTerminated)) => {
            Some("process_child_termination")
        }
        (Step::AddTimer, ..) => Some("thread_add_timer"),
        (Step::AddChild, ..) => Some("thread_add_child"),
        (Step::AddEvent, ..) => Some("thread_add_event"),
        (Step::TerminateChildren, ..) => Some("script_killall"),
        (Step::Cleanup, ..) => Some("thread_cleanup_master"),
        (Step::AddBase, ..) => Some("thread_add_base_threads"),
        _ => None,
    }
}

/// What happened to the guilty, or around them, in a stage.
fn events(place: usize, guilt: &Guilt, chronicle: &Chronicle, names: &Names<'_>, chain: &mut Vec<Because>) {
    let of = |run: Run| guilt.runs.contains(&run);
    for record in chronicle.events(place) {
        let script = |script| guilt.runs.iter().any(|run| run.of == script);
        let told = match record.event {
            // A second run of a guilty run's script, and what the log says of it.
            Event::Started { run, .. } => script(run.of),
            Event::Logged(LogLine::Skipped { script: of, .. }) => script(of),
            Event::Exited { run, .. } | Event::Reaped { run, .. } => of(run),
            Event::Signalled { run: Some(run), .. } => of(run),
            Event::Signalled { run: None, .. } => true,
            Event::Dispatched { run: Some(run), .. } => of(run),
            Event::SignalRead { signal } => signal == Signal::HUP || signal == Signal::TERM,
            Event::ReloadBegun { .. } | Event::ReloadDone { .. } | Event::TerminationBegun => true,
            Event::Ended(treefall_model::event::End::LoopReturned) => true,
            _ => false,
        };
        if told && let Some(text) = names.tell(&record.event) {
            chain.push(link(Role::Happened, record.at.to_string(), place, None, text));
        }
    }
}

/// Whether the signal handler began before the timer handler in a stage.
fn signals_first(chronicle: &Chronicle, place: usize) -> bool {
    let handlers = chronicle.events(place).iter().filter_map(|record| match record.event {
        Event::Dispatched { handler: handler @ (Handler::TimerFd | Handler::SignalFd), .. } => Some(handler),
        _ => None,
    });
    handlers.into_iter().next() == Some(Handler::SignalFd)
}

/// Links that had outlived their entry and were followed: of the guilty entry, or else the first of any.
fn uses(guilt: &Guilt, chronicle: &Chronicle, chain: &mut Vec<Because>) {
    let own = chronicle.notes.iter().find(|note| guilt.blocks.contains(&note.block));
    let Some(note) = own.or(chronicle.notes.first()) else { return };
    let after = |stage: &super::chronicle::Stage| stage.at >= note.used_at.at;
    let stage = chronicle
        .stages
        .iter()
        .position(|stage| after(stage) && stage.step.is_none())
        .unwrap_or(chronicle.stages.len().saturating_sub(1));
    let which = if own.is_some() { "the link to it" } else { "a link to another entry" };
    let text = format!(
        "{which} (block {}), made at {} in {}, freed at {} in {}, is followed",
        note.block.0, note.linked_at.at, note.linked_at.function, note.freed_at.at, note.freed_at.function
    );
    chain.push(link(Role::Used, note.used_at.at.to_string(), stage, Some(note.used_at.function), text));
}

fn ends(chronicle: &Chronicle, chain: &mut Vec<Because>) {
    if chronicle.verdict.outcome.survived() {
        return;
    }
    let last = chronicle.stages.len().saturating_sub(1);
    let at = chronicle.stages.last().map_or_else(String::new, |stage| stage.at.to_string());
    let where_at = match chronicle.fault {
        Some(Fault::Segv { address, .. }) if address < 4096 => {
            format!(", at address {address:#x}: through a null pointer")
        }
        Some(Fault::Segv { .. }) => ", at an address where nothing is".to_owned(),
        Some(Fault::Endless { .. }) => ", following links in a circle".to_owned(),
        None => String::new(),
    };
    let text = format!("the program {}{where_at}", ending(&chronicle.verdict.outcome));
    chain.push(link(Role::Ended, at, last, None, text));
}

/// The beginning and the end of a chain, each link once.
fn shortened(chain: Vec<Because>) -> Vec<Because> {
    let mut seen = BTreeSet::new();
    let mut chain: Vec<Because> =
        chain.into_iter().filter(|link| seen.insert((link.step, link.text.clone()))).collect();
    if chain.len() > LINKS_MAX {
        let left_out = chain.len() - LINKS_MAX;
        let tail = chain.split_off(HEAD + left_out);
        chain.truncate(HEAD);
        let step = tail.first().map_or(1, |link| link.step);
        let text = format!("{left_out} more");
        chain.push(Because { role: Role::LeftOut, at: String::new(), step, function: None, text });
        chain.extend(tail);
    }
    chain
}
