//! Formats the answer of a soak for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use treefall_model::trace::Costs;
use treefall_model::verdict::Signature;

use super::command;
use super::kinds::FailureKinds;
use super::objects::{EstimateObject, KindObject, SoakObject, WithinObject, WorkloadObject};
use crate::cli::output::count;
use crate::cli::{args, workers};
use treefall_field::soak::numbers::{Estimate, FAILURES_MIN, Figures, in_words as time, seconds};
use treefall_field::soak::{Life, Workload};
use treefall_subject::target::Target;

/// Reason why the soak ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum SoakEnd {
    /// The requested number of failures was reached.
    Failures,
    /// The longest total virtual time was reached.
    Most,
    /// The real time limit was reached.
    Time,
    /// The user interrupted it.
    Stopped,
}

impl SoakEnd {
    /// Returns why the soak with these figures ended.
    pub(super) fn of(args: &args::Soak, figures: &Figures) -> Self {
        if figures.failures >= args.failures as usize {
            Self::Failures
        } else if figures.followed >= seconds(args.most) {
            Self::Most
        } else if workers::interrupted() {
            Self::Stopped
        } else {
            Self::Time
        }
    }

    fn description(self, args: &args::Soak) -> String {
        match self {
            Self::Failures => format!("the number of failures (--failures {})", args.failures),
            Self::Most => format!("the virtual time of all lives (--most {})", command::long(args.most)),
            Self::Time => "the time limit (--for)".to_owned(),
            Self::Stopped => "an interrupt by the user".to_owned(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Failures => "failures",
            Self::Most => "most",
            Self::Time => "for",
            Self::Stopped => "stopped",
        }
    }
}

/// Answer for one target.
pub(super) struct TargetAnswer<'a> {
    pub(super) args: &'a args::Soak,
    pub(super) target: &'a Target,
    pub(super) workload: &'a Workload,
    pub(super) ended: SoakEnd,
    pub(super) lives: &'a [Life],
    pub(super) figures: &'a Figures,
    pub(super) kinds: &'a FailureKinds,
    pub(super) scenarios: &'a BTreeMap<Signature, String>,
}

impl TargetAnswer<'_> {
    /// Formats the answer.
    pub(super) fn text(&self) -> String {
        let mut text = format!("{}\n", self.target);
        let mut lines = |lines: Vec<(String, String)>| {
            for (name, value) in lines {
                let _ = writeln!(text, "  {name:<22}{value}");
            }
        };
        lines(self.lines());
        lines(self.assumed());
        text.push_str(&self.curve());
        text.trim_end().to_owned()
    }

    /// Returns the lines, each with a name and a value.
    pub(super) fn lines(&self) -> Vec<(String, String)> {
        let (figures, mut lines) = (self.figures, Vec::new());
        let mut line = |name: &str, value: String| lines.push((name.to_owned(), value));
        let failures = count(figures.failures as u64, "failure");
        let lives = format!("{}, {failures} in", lives(figures.lives as u64));
        line("lives", format!("{lives} {} and {} reloads", time(figures.followed), figures.reloads));
        if figures.failures == 0 {
            let least = time(figures.mean_by_hazard.low);
            line(
                "mean time to failure",
                format!("more than {least} (95 %); a larger `--most` gives a better bound"),
            );
        } else {
            let by_hazard = (figures.mean_by_hazard, figures.median_by_hazard);
            for (name, by_lives, by_hazard) in
                [("mean time to failure", figures.mean, by_hazard.0), ("median", figures.median, by_hazard.1)]
            {
                let lives = by_lives.map_or(String::new(), |lives| format!("{}; ", times(lives)));
                line(name, format!("{lives}by the hazard {}", times(by_hazard)));
            }
        }
        if let Some(Estimate { value, low, high }) = figures.hazard {
            let text = match figures.failures {
                0 => format!("less than {high:.3e} (95 %)"),
                _ => format!("{value:.3e} ({low:.3e} to {high:.3e})"),
            };
            line("hazard of one reload", text);
        }
        line(
            "lives and hazard",
            match figures.agree {
                Some(true) => "agree: the hazard is the same at every age".to_owned(),
                Some(false) => "disagree: the hazard changes with age".to_owned(),
                None => format!("cannot be compared with fewer than {FAILURES_MIN} failures"),
            },
        );
        for (within, name) in figures.within.iter().zip(["within a day", "within a week", "within a year"]) {
            let seen = || within.seen.map(|seen| format!("{} of the lives", parts(seen)));
            let by_hazard = within.by_hazard.map(|text| match figures.failures {
                // Only an upper bound is known.
                0 => format!("at most {} % (95 %)", percent(text.high)),
                _ => parts(text),
            });
            let text = by_hazard.or_else(seen);
            line(name, text.unwrap_or_else(|| "no life was that long".to_owned()));
        }
        for ((signature, outcome), kind) in self.kinds {
            let name = format!("{} of {}", kind.count, figures.failures);
            let signature = signature.map_or("no law violated".to_owned(), |signature| signature.to_string());
            line(&name, format!("{signature}; {outcome}"));
        }
        for path in self.scenarios.values() {
            line("stored, replayed", path.clone());
        }
        lines
    }

    /// Returns the assumptions, the reason for the end, and the command that repeats the soak, each with a name and a
    /// value.
    pub(super) fn assumed(&self) -> Vec<(String, String)> {
        let machine = &self.workload.machine;
        let reload = self.workload.reload.as_ref().map_or("none".to_owned(), |reload| {
            format!("a SIGHUP each {} plus {}", reload.period, reload.jitter)
        });
        let costs = Costs::NAMES.into_iter().zip(machine.costs.each()).filter(|(_, cost)| !cost.is_zero());
        let costs = costs.map(|(name, cost)| format!(", {name} {cost}")).collect::<String>();
        let mut lines: Vec<(&str, String)> = Vec::new();
        lines.extend(command::scripts(&self.workload.workers).into_iter().map(|script| ("script", script)));
        lines.extend([
            ("reloads", reload),
            ("machine", format!("latency {}{costs}", machine.latency)),
            ("a failure is", self.args.until.description().to_owned()),
            ("ended by", self.ended.description(self.args)),
            ("command", command::command(self.args, &self.target.to_string(), self.workload)),
        ]);
        lines.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Draws the share of failed lives over time, as bars.
    fn curve(&self) -> String {
        let mut ages: Vec<f64> = self.lives.iter().filter(|life| life.failure.is_some()).map(age).collect();
        ages.sort_by(f64::total_cmp);
        if ages.len() < FAILURES_MIN {
            return String::new();
        }
        let longest = ages[ages.len() - 1];
        let bar = |tenths: usize| {
            // The share counts all lives, not only those that failed.
            let place = (tenths * self.lives.len()).div_ceil(10).max(1) - 1;
            let age = ages.get(place)?;
            let width = ((age / longest) * 40.0).round() as usize;
            Some(format!("  {:>3} % failed by {:<10} {}\n", 10 * tenths, time(*age), "#".repeat(width)))
        };
        (1..=10).filter_map(bar).collect()
    }

    /// Returns the JSON object.
    pub(super) fn object(&self, release: &str) -> SoakObject {
        let figures = self.figures;
        let within = |place: usize| WithinObject {
            by_hazard: figures.within[place].by_hazard.map(EstimateObject::plain),
            seen: figures.within[place].seen.map(EstimateObject::plain),
        };
        let kinds = self.kinds.iter().map(|((signature, outcome), kind)| KindObject {
            signature: signature.map(|signature| signature.to_string()),
            outcome: outcome.clone(),
            count: kind.count,
            share: kind.count as f64 / figures.failures as f64,
            scenario: signature.and_then(|signature| self.scenarios.get(&signature).cloned()),
        });
        SoakObject {
            target: self.target.to_string(),
            release: release.to_owned(),
            until: self.args.until.to_string(),
            seed: self.args.seed,
            workload: WorkloadObject::new(self.workload),
            ended_by: self.ended.name(),
            command: command::command(self.args, &self.target.to_string(), self.workload),
            lives: figures.lives,
            failures: figures.failures,
            followed_ms: figures.followed * 1e3,
            reloads: figures.reloads,
            mean_ms: figures.mean.map(EstimateObject::millis),
            median_ms: figures.median.map(EstimateObject::millis),
            hazard_per_reload: figures.hazard.map(EstimateObject::plain),
            mean_by_hazard_ms: EstimateObject::millis(figures.mean_by_hazard),
            median_by_hazard_ms: EstimateObject::millis(figures.median_by_hazard),
            agree: figures.agree,
            within_day: within(0),
            within_week: within(1),
            within_year: within(2),
            kinds: kinds.collect(),
            ages_ms: self.lives.iter().map(|life| life.failure.is_some().then(|| age(life) * 1e3)).collect(),
        }
    }
}

fn age(life: &Life) -> f64 {
    life.lasted.as_micros() as f64 / 1e6
}

/// `1 life`, `2 lives`.
pub(super) fn lives(number: u64) -> String {
    if number == 1 { "1 life".to_owned() } else { format!("{number} lives") }
}

pub(super) fn times(Estimate { value, low, high }: Estimate) -> String {
    format!("{} ({} to {})", time(value), time(low), time(high))
}

/// Formats a probability and its interval, in percent.
fn parts(Estimate { value, low, high }: Estimate) -> String {
    format!("{} % ({} to {})", percent(value), percent(low), percent(high))
}

fn percent(part: f64) -> String {
    format!("{:.2}", 100.0 * part)
}
