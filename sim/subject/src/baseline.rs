//! Compares a target with a baseline: each trace in which the target breaks a law runs on the baseline too.
//!
//! A violation is new unless the baseline shows one in the same trace at the same [`Place`]. If the baseline's
//! judging ended before the violation, the result is "cannot tell": neither new nor known.

use std::collections::BTreeSet;

use treefall_model::event::SubjectKind;
use treefall_model::place::Place;
use treefall_model::release::Rules;
use treefall_model::time::Span;
use treefall_model::trace::{Setup, Trace};
use treefall_model::verdict::{Moment, Signature, Verdict, Violation};

use crate::target::Target;
use crate::{Options, Ran, Subject, SubjectError, build};

/// The violations of one run of the target, compared with the baseline's run of the same trace.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Compared {
    /// Places at which only the target breaks a law.
    pub new: Vec<(Place, Moment)>,
    /// Places that cannot be compared, because the baseline's judging had ended before.
    pub cannot_tell: Vec<(Place, Moment)>,
}

impl Compared {
    /// Returns whether this signature shows at a new place.
    #[must_use]
    pub fn is_new(&self, signature: Signature) -> bool {
        self.first_new(signature).is_some()
    }

    /// Returns when this signature first shows at a new place.
    #[must_use]
    pub fn first_new(&self, signature: Signature) -> Option<Moment> {
        let new = self.new.iter().find(|(place, _)| place.signature() == Some(signature));
        new.map(|(_, moment)| *moment)
    }
}

/// Compares the verdicts of target and baseline on one trace.
#[must_use]
pub fn compare(target: &Verdict, baseline: &Verdict) -> Compared {
    let known: BTreeSet<Place> =
        baseline.breaks.iter().flat_map(Violation::places).map(|(place, _)| place).collect();
    let full = |signature| baseline.breaks.iter().any(|it| it.signature == signature && it.is_full());
    let cut = baseline.cut_at();
    let mut compared = Compared::default();
    for broken in &target.breaks {
        for (place, moment) in broken.places().filter(|(place, _)| !known.contains(place)) {
            let told = cut.is_none_or(|cut| moment < cut) && !full(broken.signature);
            let list = if told { &mut compared.new } else { &mut compared.cannot_tell };
            list.push((place, moment));
        }
    }
    compared
}

/// A target whose failing traces also run on its baseline. Everything but [`Ran::beside`] is the target's own.
pub struct Beside {
    target: Box<dyn Subject>,
    baseline: Box<dyn Subject>,
}

impl Beside {
    /// Runs the failures of `target` on `baseline`.
    #[must_use]
    pub fn new(target: Box<dyn Subject>, baseline: Box<dyn Subject>) -> Self {
        Self { target, baseline }
    }
}

/// Builds the subject that a target names, with its baseline if there is one.
///
/// # Errors
/// When a real program cannot be started.
pub fn build_beside(target: &Target, baseline: Option<&Target>) -> Result<Box<dyn Subject>, SubjectError> {
    let subject = build(target)?;
    Ok(match baseline {
        None => subject,
        Some(baseline) => Box::new(Beside::new(subject, build(baseline)?)),
    })
}

impl Subject for Beside {
    fn kind(&self) -> SubjectKind {
        self.target.kind()
    }

    fn name(&self) -> String {
        self.target.name()
    }

    fn rules(&self) -> Rules {
        self.target.rules()
    }

    fn baseline_rules(&self) -> Option<Rules> {
        Some(self.baseline.rules())
    }

    fn fitted(&self, trace: Trace) -> Trace {
        // The target mostly accepts what the baseline makes of a trace; otherwise the two cannot be compared.
        let trace = self.baseline.fitted(self.target.fitted(trace));
        self.target.fitted(trace)
    }

    fn takes(&self, trace: &Trace) -> bool {
        self.target.takes(trace)
    }

    fn unit_of_times(&self) -> Option<Span> {
        Some(self.target.unit_of_times()?.max(self.baseline.unit_of_times()?))
    }

    fn arrange(&self, setup: &mut Setup) {
        self.target.arrange(setup);
    }

    fn keep_ledger(&mut self, on: bool) {
        self.target.keep_ledger(on);
    }

    fn run(&mut self, traces: &[Trace], options: Options) -> Result<Vec<Ran>, SubjectError> {
        let mut runs = self.target.run(traces, options)?;
        let failed: Vec<usize> = (0..runs.len()).filter(|it| !runs[*it].verdict.breaks.is_empty()).collect();
        let fits = |place: &usize| self.baseline.takes(&traces[*place]);
        let (played, unfit): (Vec<usize>, Vec<usize>) = failed.into_iter().partition(fits);
        let wanted: Vec<Trace> = played.iter().map(|place| traces[*place].clone()).collect();
        let answers = self.baseline.run(&wanted, Options::VERDICT)?;
        for (place, answer) in played.into_iter().zip(answers) {
            runs[place].beside = Some(compare(&runs[place].verdict, &answer.verdict));
        }
        for place in unfit {
            let places = runs[place].verdict.breaks.iter().flat_map(Violation::places);
            runs[place].beside = Some(Compared { new: Vec::new(), cannot_tell: places.collect() });
        }
        Ok(runs)
    }
}
