//! Determines the cause of a failure by ablation: replays the trace with each defect fixed in turn, and ranks the
//! defects whose fix removes the failure.
//!
//! No table leads from a signature to a defect. A defect whose fix makes the failure vanish is a cause. If no single
//! fix does, two together may. If the replica does not show the failure at all, replicas with one more defect are
//! tried. With a baseline, only the *difference* counts: violations of the target at a place where the baseline has
//! none.

use std::cmp::Reverse;
use std::fmt;

use treefall_model::event::SubjectKind;
use treefall_model::release::{Defect, Defects, Elsewhere, Reach, Rules};
use treefall_model::trace::Trace;
use treefall_model::verdict::{Moment, Signature, Verdict, Violation};

use treefall_subject::baseline::compare;
use treefall_subject::replica::{probe_replica_as, run_replica_as};
use treefall_subject::{Options, Subject};

/// The result of an ablation. The first defect of a list is the leading cause.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cause {
    /// Fixing any one of these makes the failure vanish: each is required.
    Known(Vec<Defect>),
    /// Fixing both makes it vanish; fixing either one does not.
    Together([Defect; 2]),
    /// The rules of the program's release do not show it. With any one of these defects added they do exactly what
    /// the program does.
    AsIf(Vec<Defect>),
    /// A crash outside the trees, which no replica has: the trace uses the part of keepalived that it needs, and breaks
    /// its law.
    Elsewhere(Reach),
    /// Neither a single mend nor two together make it vanish.
    NotKnown,
    /// The replica does not show the failure at all, so that no fix can be tried: replica and real program differ, or
    /// the program has a bug that the replica lacks.
    NotInReplica,
}

impl Cause {
    /// Returns the known defects, the leading one first.
    #[must_use]
    pub fn defects(&self) -> &[Defect] {
        match self {
            Self::Known(defects) | Self::AsIf(defects) => defects,
            Self::Together(both) => both,
            Self::Elsewhere(_) | Self::NotKnown | Self::NotInReplica => &[],
        }
    }

    /// Returns the leading cause, if one is known.
    #[must_use]
    pub fn leading(&self) -> Option<Defect> {
        self.defects().first().copied()
    }

    /// Returns the defects that the failure requires besides the leading one.
    #[must_use]
    pub fn also_required(&self) -> &[Defect] {
        match self {
            Self::Known(defects) => defects.get(1..).unwrap_or_default(),
            Self::Together(both) => &both[1..],
            Self::AsIf(_) | Self::Elsewhere(_) | Self::NotKnown | Self::NotInReplica => &[],
        }
    }

    /// Returns the same cause with one of its defects first.
    #[must_use]
    pub fn led_by(mut self, defect: Defect) -> Self {
        let list: &mut [Defect] = match &mut self {
            Self::Known(defects) | Self::AsIf(defects) => defects,
            Self::Together(both) => both,
            Self::Elsewhere(_) | Self::NotKnown | Self::NotInReplica => &mut [],
        };
        if let Some(place) = list.iter().position(|other| *other == defect) {
            list[..=place].rotate_right(1);
        }
        self
    }

    /// Returns whether it takes two fixes to remove the failure.
    #[must_use]
    pub const fn is_together(&self) -> bool {
        matches!(self, Self::Together(_))
    }

    /// Returns the part of the cause that identifies a finding.
    #[must_use]
    pub fn key(&self) -> CauseKey {
        match self {
            Self::Known(defects) | Self::AsIf(defects) => {
                defects.first().map_or(CauseKey::NotKnown, |first| CauseKey::Defect(*first))
            }
            Self::Together([one, other]) => CauseKey::Both(*one.min(other), *one.max(other)),
            Self::Elsewhere(reach) => CauseKey::Elsewhere(*reach),
            Self::NotKnown => CauseKey::NotKnown,
            Self::NotInReplica => CauseKey::NotInReplica,
        }
    }
}

/// The part of a cause that identifies a finding.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum CauseKey {
    /// The leading defect.
    Defect(Defect),
    /// Two defects that must both be fixed, in the order of the table.
    Both(Defect, Defect),
    /// A crash outside the trees.
    Elsewhere(Reach),
    /// None of the known defects.
    NotKnown,
    /// The replica does not show it.
    NotInReplica,
}

impl CauseKey {
    /// Returns its defects.
    #[must_use]
    pub fn defects(self) -> Defects {
        match self {
            Self::Defect(defect) => Defects::NONE.with(defect),
            Self::Both(one, other) => Defects::NONE.with(one).with(other),
            Self::Elsewhere(_) | Self::NotKnown | Self::NotInReplica => Defects::NONE,
        }
    }

    /// Parses a key.
    #[must_use]
    pub fn named(text: &str) -> Option<Self> {
        match text.split_once('+') {
            Some((one, other)) => Some(Self::Both(Defect::named(one)?, Defect::named(other)?)),
            None if text == Self::NotKnown.to_string() => Some(Self::NotKnown),
            None if text == Self::NotInReplica.to_string() => Some(Self::NotInReplica),
            None => Defect::named(text).map(Self::Defect).or_else(|| elsewhere_named(text)),
        }
    }
}

fn elsewhere_named(text: &str) -> Option<CauseKey> {
    let row = Elsewhere::ALL.iter().find(|row| file_name(row.reach) == text)?;
    Some(CauseKey::Elsewhere(row.reach))
}

/// The name of a part of keepalived, as folders and files have it: `interface-delays`.
fn file_name(reach: Reach) -> String {
    reach.name().replace(' ', "-")
}

/// `ReloadForgetsChildren`, `A+B`, `interface-delays`, `not-known`, `not-in-replica`: as folders and files have it.
impl fmt::Display for CauseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Defect(defect) => defect.fmt(f),
            Self::Both(one, other) => write!(f, "{one}+{other}"),
            Self::Elsewhere(reach) => f.write_str(&file_name(*reach)),
            Self::NotKnown => f.write_str("not-known"),
            Self::NotInReplica => f.write_str("not-in-replica"),
        }
    }
}

/// Determines the cause of `signature` in `trace` under `rules`, as a subject of this kind shows it.
#[must_use]
pub fn cause(kind: SubjectKind, trace: &Trace, signature: Signature, rules: Rules) -> Cause {
    Ablation::new(kind, rules).cause(trace, signature)
}

/// Determines causes by runs of replicas with the target's rules, and with the baseline's if there is one.
#[derive(Clone, Copy, Debug)]
pub struct Ablation {
    kind: SubjectKind,
    rules: Rules,
    baseline: Option<Rules>,
}

impl Ablation {
    /// Returns the ablation for a subject of this kind with these rules.
    #[must_use]
    pub const fn new(kind: SubjectKind, rules: Rules) -> Self {
        Self { kind, rules, baseline: None }
    }

    /// Restricts it to violations that a baseline with these rules does not show.
    #[must_use]
    pub const fn beside(self, baseline: Option<Rules>) -> Self {
        Self { baseline, ..self }
    }

    /// Returns the ablation for `subject`.
    #[must_use]
    pub fn of(subject: &dyn Subject) -> Self {
        Self::new(subject.kind(), subject.rules()).beside(subject.baseline_rules())
    }

    /// Returns whether the target is the replica itself, so that both show the same.
    #[must_use]
    pub fn is_surely_shown(&self) -> bool {
        self.kind == SubjectKind::Replica && self.baseline.is_none()
    }

    /// Returns whether the replica shows the failure in `trace`.
    #[must_use]
    pub fn shows(&self, trace: &Trace, signature: Signature) -> bool {
        self.probe(trace, signature).shows(signature)
    }

    /// Returns the replica's violations that count. The run ends as soon as the failure shows, if possible.
    #[must_use]
    pub fn probe(&self, trace: &Trace, signature: Signature) -> Verdict {
        self.probe_by(self.rules, self.baseline, trace, signature)
    }

    /// Returns the replica's complete verdict, with the violations that count.
    #[must_use]
    pub fn verdict(&self, trace: &Trace) -> Verdict {
        self.verdict_by(self.rules, self.baseline, trace)
    }

    /// Returns whether the replica shows the failure with these defects fixed, in the baseline too.
    #[must_use]
    pub fn shows_without(&self, mended: Defects, trace: &Trace, signature: Signature) -> bool {
        let (rules, baseline) = (without(self.rules, mended), self.baseline_without(mended));
        self.probe_by(rules, baseline, trace, signature).shows(signature)
    }

    /// Determines the cause of the failure in `trace`.
    #[must_use]
    pub fn cause(&self, trace: &Trace, signature: Signature) -> Cause {
        if !self.shows(trace, signature) {
            return Cause::NotInReplica;
        }
        let defects: Vec<Defect> = self.rules.defects.iter().collect();
        let ends = |mended| !self.shows_without(mended, trace, signature);
        let one = |defect: &Defect| Defects::NONE.with(*defect);
        let single: Vec<Defect> = defects.iter().copied().filter(|it| ends(one(it))).collect();
        if !single.is_empty() {
            return Cause::Known(self.ranked(single, trace, signature));
        }
        let pairs = defects
            .iter()
            .enumerate()
            .flat_map(|(place, first)| defects[place + 1..].iter().map(move |second| [*first, *second]));
        let mut ending = pairs.filter(|[first, second]| ends(one(first).with(*second)));
        let Some(both) = ending.next() else { return Cause::NotKnown };
        let ranked = self.ranked(both.to_vec(), trace, signature);
        Cause::Together([ranked[0], ranked[1]])
    }

    /// Determines the cause in a program with this verdict. If the replica of its release does not show the failure,
    /// replicas with one more defect are tried.
    #[must_use]
    pub fn cause_of(&self, trace: &Trace, signature: Signature, verdict: &Verdict) -> Cause {
        let cause = self.cause(trace, signature);
        if cause != Cause::NotInReplica || self.kind == SubjectKind::Replica {
            return cause;
        }
        let does_the_same = |defect: &Defect| {
            let planted = self.rules.with(*defect);
            planted != self.rules
                && alike(verdict, &run_replica_as(self.kind, trace, planted, Options::VERDICT).verdict)
        };
        let planted: Vec<Defect> = Defect::ALL.into_iter().filter(does_the_same).collect();
        if !planted.is_empty() {
            return Cause::AsIf(self.ranked(planted, trace, signature));
        }
        let elsewhere = Elsewhere::shown(signature.law, trace.setup());
        elsewhere.map_or(cause, |row| Cause::Elsewhere(row.reach))
    }

    /// Returns whether the cause of an existing failure has this key, in as few runs as possible.
    #[must_use]
    pub fn is_caused_by(
        &self,
        key: CauseKey,
        trace: &Trace,
        signature: Signature,
        verdict: &Verdict,
    ) -> bool {
        let stays = |defects| self.shows_without(defects, trace, signature);
        let sure = match key {
            CauseKey::Defect(defect) if self.rules.has(defect) => !stays(key.defects()),
            CauseKey::Both(..) => !stays(key.defects()),
            _ => true,
        };
        sure && self.cause_of(trace, signature, verdict).key() == key
    }

    /// Returns the number of wakes until the failure first shows in `trace` with these defects fixed.
    #[must_use]
    pub fn wakes_until(&self, mended: Defects, trace: &Trace, signature: Signature) -> Option<usize> {
        let rules = without(self.rules, mended);
        let ran = run_replica_as(self.kind, trace, rules, Options::HISTORY);
        let moment = match self.baseline_without(mended) {
            None => first_moment(&ran.verdict.breaks, signature)?,
            Some(baseline) => {
                let baseline = run_replica_as(self.kind, trace, baseline, Options::VERDICT).verdict;
                compare(&ran.verdict, &baseline).first_new(signature)?
            }
        };
        let records = usize::try_from(moment.records).unwrap_or(usize::MAX).min(ran.records.len());
        let woke = ran.records[..records].iter().rev().find_map(|record| record.event.wakes_used());
        woke.and_then(|wakes| usize::try_from(wakes).ok())
    }

    fn baseline_without(&self, mended: Defects) -> Option<Rules> {
        self.baseline.map(|baseline| without(baseline, mended))
    }

    fn probe_by(
        &self,
        rules: Rules,
        baseline: Option<Rules>,
        trace: &Trace,
        signature: Signature,
    ) -> Verdict {
        match baseline {
            None => probe_replica_as(self.kind, trace, rules, signature),
            Some(_) => self.verdict_by(rules, baseline, trace),
        }
    }

    fn verdict_by(&self, rules: Rules, baseline: Option<Rules>, trace: &Trace) -> Verdict {
        let run = |rules| run_replica_as(self.kind, trace, rules, Options::VERDICT).verdict;
        let mut target = run(rules);
        if let Some(baseline) = baseline.filter(|_| !target.breaks.is_empty()) {
            let compared = compare(&target, &run(baseline));
            target.breaks.retain(|broken| compared.is_new(broken.signature));
        }
        target
    }

    /// Ranks the defects. Last come those that the baseline has too, which explain no difference. First come those
    /// that alone, with the release's behaviours, break the law in this trace; then those that can break memory,
    /// because memory may have broken before any other law; then those that act last: the longer the run is unchanged
    /// by the fix, the closer the defect is to the failure.
    fn ranked(&self, defects: Vec<Defect>, trace: &Trace, signature: Signature) -> Vec<Defect> {
        if defects.len() < 2 {
            return defects;
        }
        let own = run_replica_as(self.kind, trace, self.rules, Options::HISTORY).records;
        let acts_at = |defect: Defect| {
            let other =
                if self.rules.has(defect) { self.rules.without(defect) } else { self.rules.with(defect) };
            let other = run_replica_as(self.kind, trace, other, Options::HISTORY).records;
            own.iter().zip(&other).take_while(|(one, other)| one == other).count()
        };
        let alone = |defect: Defect| {
            let only = Rules { defects: Defects::NONE.with(defect), ..self.rules };
            let verdict = run_replica_as(self.kind, trace, only, Options::VERDICT).verdict;
            verdict.breaks.iter().any(|broken| broken.signature.law == signature.law)
        };
        let rank = |defect: &Defect| {
            let shared = self.baseline.is_some_and(|baseline| baseline.has(*defect));
            (shared, !alone(*defect), !defect.breaks_memory(), Reverse(acts_at(*defect)))
        };
        let mut ranked = defects;
        ranked.sort_by_cached_key(rank);
        ranked
    }
}

fn without(rules: Rules, mended: Defects) -> Rules {
    mended.iter().fold(rules, Rules::without)
}

/// Returns whether two runs broke the same laws at the same places and moments.
fn alike(one: &Verdict, other: &Verdict) -> bool {
    let places = |verdict: &Verdict| verdict.breaks.iter().flat_map(Violation::places).collect::<Vec<_>>();
    !one.breaks.is_empty() && places(one) == places(other)
}

fn first_moment(breaks: &[Violation], signature: Signature) -> Option<Moment> {
    let broken = breaks.iter().find(|broken| broken.signature == signature)?;
    broken.places().next().map(|(_, moment)| moment)
}
