//! Tests a subject whose configuration fixes the times of its scripts, like a daemon with a user's file: findings are
//! shrunk and explained within that configuration.

use crate::findings::{explanation_of, findings};
use treefall::hunt::{Failure, Plan, hunt};
use treefall::known::KnownCauses;
use treefall::subject::replica::run_replica_as;
use treefall::subject::{Options, Ran, Subject, SubjectError};
use treefall_model::event::SubjectKind;
use treefall_model::release::{Release, Rules};
use treefall_model::time::Span;
use treefall_model::trace::{Script, ScriptKind, Setup, Trace};

/// A replica that acts as a daemon, and refuses traces whose scripts have other values than its own.
struct Fixed {
    rules: Rules,
    interval: Span,
    timeout: Span,
}

impl Fixed {
    fn new(release: &str, (interval, timeout): (u64, u64)) -> Self {
        let rules = Rules::of(Release::parse(release).expect("a release"));
        Self { rules, interval: Span::from_secs(interval), timeout: Span::from_secs(timeout) }
    }

    fn is_own(&self, script: &Script) -> bool {
        let values = (script.interval, script.timeout, script.rise, script.fall, script.kind);
        values == (self.interval, self.timeout, 1, 2, ScriptKind::Track)
    }
}

impl Subject for Fixed {
    fn kind(&self) -> SubjectKind {
        SubjectKind::Daemon
    }

    fn name(&self) -> String {
        "fixed".to_owned()
    }

    fn rules(&self) -> Rules {
        self.rules
    }

    fn takes(&self, trace: &Trace) -> bool {
        trace.setup().configs.iter().flat_map(|config| &config.scripts).all(|script| self.is_own(script))
    }

    fn unit_of_times(&self) -> Option<Span> {
        None
    }

    fn arrange(&self, setup: &mut Setup) {
        setup.costs.callback = Span::ZERO;
        for script in setup.configs.iter_mut().flat_map(|config| &mut config.scripts) {
            (script.interval, script.timeout) = (self.interval, self.timeout);
            (script.rise, script.fall, script.kind) = (1, 2, ScriptKind::Track);
        }
    }

    fn run(&mut self, traces: &[Trace], options: Options) -> Result<Vec<Ran>, SubjectError> {
        let one = |trace: &Trace| {
            let ran = run_replica_as(SubjectKind::Daemon, trace, self.rules, options);
            self.takes(trace).then_some(ran).ok_or(SubjectError::NoAnswer)
        };
        traces.iter().map(one).collect()
    }
}

/// Timeouts well below the interval, on releases with each kind of crash.
const TABLE: [(&str, (u64, u64)); 4] =
    [("2.2.4", (5, 2)), ("2.2.7", (10, 3)), ("2.3.1", (6, 1)), ("2.3.2", (10, 3))];

#[test]
fn findings_are_shrunk_and_explained_within_the_configuration() {
    for (release, times) in TABLE {
        let fixed = || Fixed::new(release, times);
        let mut workers: Vec<Box<dyn Subject>> = vec![Box::new(fixed())];
        let mut failures: Vec<Failure> = Vec::new();
        let plan = Plan::new(1, Some(60), true);
        hunt(&mut workers, plan, &mut KnownCauses::default(), &mut failures)
            .expect("only traces that fit are drawn");
        assert!(failures.len() > 1, "{release}: {} finds", failures.len());
        for failure in failures.iter().take(4) {
            let (signature, fresh) = (failure.signature(), || Ok(Box::new(fixed()) as Box<dyn Subject>));
            let finding = findings(&mut workers, &fresh, std::slice::from_ref(failure), 0).remove(0);
            assert!(finding.confirmed && workers[0].takes(&finding.trace), "{release}, {signature}");
            for (slipped, trace) in &finding.slipped {
                assert!(
                    workers[0].takes(trace),
                    "{release}: {slipped} slipped from {signature} by another value"
                );
            }
            let explanation = explanation_of(&finding, workers[0].as_mut());
            let times: Vec<_> = explanation.windows.windows.iter().map(|window| &window.time).collect();
            let configured =
                |time: &&&String| time.starts_with("interval of") || time.starts_with("timeout of");
            assert_eq!(times.iter().find(configured), None, "{release}, {signature}: {times:?}");
        }
    }
}
