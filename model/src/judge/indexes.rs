//! The laws about indexes: the memory laws of [`shape`], and `one-entry-per-child` and `no-stale-argument`.
//!
//! A state that breaks a conduct law is written down where it came to be, not at each look after that: a block
//! that the look before found broken is no news, whatever has become of its entry.
//!
//! Exempt: retired entries on UNUSE are given out again uncleared, so that what they say means nothing; while a
//! reload's handler runs, the old configuration is not freed yet and the new one is there already.

use alloc::vec::Vec;

use super::follow::Loop;
use super::known::Known;
use super::ledger::Ledger;
use super::roster::Roster;
use super::shape::{self, Flawed};
use super::sweep::Sweep;
use crate::event::{EntryKind, Step};
use crate::id::ScriptRef;
use crate::index::{Block, Entry, IndexView, List, Tree};
use crate::law::Law;
use crate::violation::{Detail, EntryFacts, Index, Misplacement};

/// With no more blocks than this a sweep is cheaper than following what changed, also where that is told.
const FEW: u32 = 48;

/// Where a block was met in the look under way.
const IN_CHILD: u32 = 1;
const ON_READY: u32 = 2;
const IN_CHILD_PID: u32 = 4;
const PLACES: u32 = 3;

/// What the last look found, and room for this one's.
#[derive(Clone, Debug)]
pub(super) struct Indexes {
    /// For each block the look that last met it, and where it did.
    met: Vec<u32>,
    look: u32,
    misplaced: LastFound,
    stale: LastFound,
    known: Known,
    sweep: Sweep,
    /// The last look found nothing.
    clean: bool,
    whole: bool,
}

/// The look that last found a block to break a law, for each block up to the highest that did.
#[derive(Clone, Debug)]
struct LastFound(Vec<u32>);

impl LastFound {
    /// Notes that `block` breaks the law; whether that is news.
    fn note(&mut self, block: Block, look: u32) -> bool {
        let place = block.0 as usize;
        if self.0.len() <= place {
            self.0.resize(place + 1, 0);
        }
        let before = core::mem::replace(&mut self.0[place], look);
        before == 0 || (before != look && before + 1 != look)
    }
}

/// What one look finds.
struct Look<'a, 'l> {
    met: &'a mut [u32],
    misplaced: &'a mut LastFound,
    stale: &'a mut LastFound,
    look: u32,
    step: Step,
    /// Nothing was found.
    clean: bool,
    turn: &'l Loop<'l>,
    roster: &'l Roster,
    ledger: &'l mut Ledger,
}

impl Indexes {
    pub(super) fn new() -> Self {
        Self {
            met: Vec::new(),
            look: 0,
            misplaced: LastFound(Vec::new()),
            stale: LastFound(Vec::new()),
            known: Known::new(),
            sweep: Sweep::new(),
            clean: true,
            whole: false,
        }
    }

    /// Whether the last look found a block misplaced, and its argument stale: the next finds no news there. All else
    /// is kept for speed alone.
    pub(super) fn broken_at(&self, block: Block) -> [bool; 2] {
        [&self.misplaced, &self.stale].map(|found| {
            let look = found.0.get(block.0 as usize).copied().unwrap_or(0);
            look != 0 && look == self.look
        })
    }

    /// Every look shall be a whole one, told from the start, whatever is known.
    pub(super) fn look_at_all(&mut self) {
        self.whole = true;
    }

    /// Looks at all trees and lists, after `step`. What can say quickly that all is sound is asked first: what
    /// changed, where the subject tells it, else one pass over all.
    pub(super) fn look<V: IndexView>(
        &mut self,
        turn: &Loop<'_>,
        roster: &Roster,
        ledger: &mut Ledger,
        step: Step,
        view: &V,
    ) {
        self.look = self.look.wrapping_add(1) & (u32::MAX >> PLACES);
        if self.look == 0 {
            self.met.fill(0);
            self.misplaced.0.fill(0);
            self.stale.0.fill(0);
            self.look = 1;
        }
        if !self.whole && self.is_sound(turn, view) {
            return;
        }
        let blocks = view.blocks() as usize;
        if self.met.len() < blocks {
            self.met.resize(blocks.next_power_of_two(), 0);
        }
        let (met, misplaced, stale) = (self.met.as_mut_slice(), &mut self.misplaced, &mut self.stale);
        let mut look =
            Look { met, misplaced, stale, look: self.look, step, clean: true, turn, roster, ledger };
        let flaw = look.all(view);
        self.clean = look.clean && flaw.is_ok();
        if let Err((index, flawed)) = flaw {
            let flaw = flawed.flaw;
            let entry = flawed.block().map(|block| facts(block, &view.entry(block)));
            let kind = entry.map(|entry| entry.kind);
            let run = flawed.block().and_then(|block| roster.run_of(view.entry(block).pid));
            ledger.broken(flaw.law(), step, kind, run, || Detail::Flawed { index, flaw, entry });
        } else if self.clean && !self.whole && view.blocks() > FEW {
            self.known.learn(turn, view);
        }
    }

    /// Whether it is sure that a whole look would find nothing. After a look that found something it is not
    /// asked: what is broken mostly stays so.
    #[inline]
    fn is_sound<V: IndexView>(&mut self, turn: &Loop<'_>, view: &V) -> bool {
        if self.clean && (view.blocks() <= FEW || view.changed().is_none()) {
            return self.sweep.is_clean(turn, view);
        }
        self.known.follow(turn, view)
    }
}

fn facts(block: Block, entry: &Entry) -> EntryFacts {
    EntryFacts { block, kind: entry.kind, pid: entry.pid }
}

impl Look<'_, '_> {
    /// All trees and lists; the place and the flaw where the memory laws break.
    fn all<V: IndexView>(&mut self, view: &V) -> Result<(), (Index, Flawed)> {
        let mut queued = 0;
        for list in List::ALL {
            let walked = shape::list(view, list, |block| {
                if list == List::Unuse {
                    return;
                }
                let entry = view.entry(block);
                if entry.kind == EntryKind::ChildTimeout && list == List::Ready {
                    queued += 1;
                    self.meet(block, ON_READY);
                }
                self.argument(block, &entry);
            });
            walked.map_err(|flaw| (Index::List(list), flaw))?;
        }
        let mut tracked = 0;
        for tree in Tree::BY_DEADLINE {
            let walked = shape::tree(view, tree, |block, entry| {
                if tree == Tree::Child {
                    tracked += 1;
                    self.meet(block, IN_CHILD);
                    if entry.kind != EntryKind::Child {
                        self.misplaced(block, entry, Misplacement::NoChildInChild);
                    }
                }
                self.argument(block, entry);
            });
            walked.map_err(|flaw| (Index::Tree(tree), flaw))?;
        }
        let mut by_pid = 0;
        let walked = shape::tree(view, Tree::ChildPid, |block, entry| {
            let there = match entry.kind {
                EntryKind::Child => self.was_met(block, IN_CHILD),
                EntryKind::ChildTimeout => self.was_met(block, ON_READY),
                _ => false,
            };
            by_pid += u32::from(there);
            self.meet(block, IN_CHILD_PID);
            if !there {
                self.misplaced(block, entry, Misplacement::OnlyInChildPid);
            }
        });
        walked.map_err(|flaw| (Index::Tree(Tree::ChildPid), flaw))?;
        if by_pid < tracked + queued {
            self.missing(view);
        }
        Ok(())
    }

    /// Who is tracked and not in CHILD_PID? The trees and lists are sound: this walks them again.
    fn missing<V: IndexView>(&mut self, view: &V) {
        let _ = shape::tree(view, Tree::Child, |block, entry| {
            if !self.was_met(block, IN_CHILD_PID) {
                self.misplaced(block, entry, Misplacement::ChildNotInChildPid);
            }
        });
        let _ = shape::list(view, List::Ready, |block| {
            let entry = view.entry(block);
            if entry.kind == EntryKind::ChildTimeout && !self.was_met(block, IN_CHILD_PID) {
                self.misplaced(block, &entry, Misplacement::TimeoutNotInChildPid);
            }
        });
    }

    #[inline]
    fn meet(&mut self, block: Block, place: u32) {
        let Some(met) = self.met.get_mut(block.0 as usize) else { return };
        if *met >> PLACES != self.look {
            *met = self.look << PLACES;
        }
        *met |= place;
    }

    #[inline]
    fn was_met(&self, block: Block, place: u32) -> bool {
        let met = self.met.get(block.0 as usize).copied().unwrap_or(0);
        met >> PLACES == self.look && met & place != 0
    }

    #[cold]
    fn misplaced(&mut self, block: Block, entry: &Entry, place: Misplacement) {
        self.clean = false;
        if self.misplaced.note(block, self.look) {
            let run = self.roster.run_of(entry.pid);
            self.ledger.broken(Law::OneEntryPerChild, self.step, Some(entry.kind), run, || {
                Detail::Misplaced { entry: facts(block, entry), place }
            });
        }
    }

    /// Whether an entry's argument is in force.
    #[inline]
    fn argument(&mut self, block: Block, entry: &Entry) {
        if let Some(argument) = entry.argument
            && argument.generation != self.turn.generation
            && !self.turn.reloading
        {
            self.stale(block, entry, argument);
        }
    }

    #[cold]
    fn stale(&mut self, block: Block, entry: &Entry, argument: ScriptRef) {
        self.clean = false;
        if self.stale.note(block, self.look) {
            let in_force = self.turn.generation;
            let run = self.roster.run_of(entry.pid);
            self.ledger.broken(Law::NoStaleArgument, self.step, Some(entry.kind), run, || {
                Detail::StaleArgument { entry: facts(block, entry), argument, in_force }
            });
        }
    }
}
