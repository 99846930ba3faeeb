//! `treefall soak`: time to failure in the field, with its intervals; each kind of failure as a find.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;
use treefall_model::event::SubjectKind;
use treefall_model::release::Rules;
use treefall_model::time::Span;
use treefall_model::trace::Name;
use treefall_model::verdict::Signature;

use super::args::{self, MachineName, UntilName};
use super::findings::{FoundBy, Origin, Stopwatch, keep_by, scenario_of};
use super::hunt::release_of;
use super::output::{Output, count};
use super::targets::table;
use super::{CliError, Status, Summary, crew};
use crate::finding::{BUILD_UP_MAX, work_out};
use crate::hunt::Find;
use crate::report::Store;
use crate::scenario;
use crate::soak::numbers::{Estimate, FAILURES_MIN, Figures, figures};
use crate::soak::{Life, Machine, Plan, Reload, Spread, Until, Watch, Worker, Workload, field, soak};
use crate::subject::target::Target;
use crate::subject::{Options, build};

/// Most scripts: all children are looked at before each wake.
const SCRIPTS_MAX: usize = 256;

pub(super) fn run(args: &args::Soak, jobs: usize, output: &mut Output) -> Result<Status, CliError> {
    let workload = workload(args)?;
    let store = Store::new(&args.out);
    store.check().map_err(|error| CliError::Usage(error.to_string()))?;
    let names = if args.targets.is_empty() { vec!["replica:2.3.1".to_owned()] } else { args.targets.clone() };
    let targets = crew::targets(&names)?;
    let watched = Watched { args, jobs, watch: Stopwatch::start() };
    let (mut summary, mut failed) = (Vec::new(), false);
    for target in &targets {
        if target.kind() != SubjectKind::Replica {
            let remedy = "soak follows a replica, and replay shows its find on the program";
            return Err(CliError::Usage(format!("{target} cannot be soaked: {remedy}")));
        }
        let rules = build(target)?.rules();
        if args.sensitivity {
            sensitivity(&watched, target, rules, &workload, output)?;
            continue;
        }
        let lives = watched.follow(&workload, rules, &target.to_string(), output)?;
        let figures = figures(&lives, args.life);
        let kinds = kinds(&lives);
        let scenarios = keep_kinds(&watched, target, &lives, &kinds, &store, output)?;
        let told =
            Told { args, target, lives: &lives, figures: &figures, kinds: &kinds, scenarios: &scenarios };
        output.object(&told.object(&release_of(target)?, &workload));
        output.line(told.text());
        failed |= figures.failures > 0;
        summary.push(TargetSummary {
            target: target.to_string(),
            seed: args.seed,
            lives: figures.lives,
            failures: figures.failures,
            events: lives.iter().map(|life| life.events).sum(),
            elapsed_ms: millis(watched.watch.elapsed()),
        });
        if crew::told_to_stop() {
            output.error("stopped before the soak was whole; what is told is of the lives until then");
            output.object(&Summary { summary });
            return Ok(Status::Failure);
        }
    }
    output.object(&Summary { summary });
    Ok(if failed { Status::Failure } else { Status::Good })
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The workload that the arguments tell.
fn workload(args: &args::Soak) -> Result<Workload, CliError> {
    let mut workload = field::report();
    if !args.scripts.is_empty() || args.reload.is_some() {
        let default = ["runs=5ms..15ms".to_owned()];
        let scripts = if args.scripts.is_empty() { default.as_slice() } else { &args.scripts };
        workload.workers = Vec::new();
        for text in scripts {
            add_workers(text, &mut workload.workers)
                .map_err(|why| CliError::Usage(format!("--script {text:?}: {why}")))?;
        }
        workload.reload = args.reload.map(|period| Reload { period, jitter: field::sender() });
    }
    if let (Some(jitter), Some(reload)) = (&args.jitter, &mut workload.reload) {
        reload.jitter = jitter.clone();
    }
    workload.machine = match args.machine {
        MachineName::Quiet => Machine::quiet(),
        MachineName::Loaded => Machine::loaded(),
    };
    if let Some(latency) = &args.latency {
        workload.machine.latency = latency.clone();
    }
    let costs = &mut workload.machine.costs;
    let told = [
        (&mut costs.callback, args.callback),
        (&mut costs.start, args.start),
        (&mut costs.log, args.log),
        (&mut costs.reap, args.reap),
        (&mut costs.reload, args.reading),
    ];
    for (cost, told) in told {
        *cost = told.unwrap_or(*cost);
    }
    workload.bare_trace().map_err(|error| CliError::Usage(error.to_string()))?;
    Ok(workload)
}

/// The scripts that one `--script` tells.
fn add_workers(text: &str, workers: &mut Vec<Worker>) -> Result<(), String> {
    let (mut interval, mut timeout, mut runs) = (Span::from_secs(1), None, None);
    let (mut on_term, mut count, mut name) = (Spread::dies_but_for(0), 1, None);
    for word in text.split_whitespace() {
        let (key, value) = word.split_once('=').ok_or_else(|| format!("{word:?} is no `KEY=VALUE`"))?;
        let span = || scenario::parse_duration(value).map_err(|why| format!("{key} {why}"));
        let spread = || value.parse::<Spread>().map_err(|error| format!("{key}: {error}"));
        match key {
            "interval" => interval = span()?,
            "timeout" => timeout = Some(span()?),
            "runs" => runs = Some(spread()?),
            "on-term" => on_term = spread()?,
            "count" => {
                let number = value.parse().ok().filter(|count| (1..=SCRIPTS_MAX).contains(count));
                count = number.ok_or_else(|| format!("count must be 1 to {SCRIPTS_MAX}, not {value:?}"))?;
            }
            "name" => name = Some(value),
            _ => {
                return Err(format!(
                    "no key {key:?}; there are interval, timeout, runs, on-term, count, name"
                ));
            }
        }
    }
    let runs = runs.ok_or("how long its runs take is missing: `runs=5ms..15ms`")?;
    for nth in 0..count {
        let name = match name {
            None => Ok(Name::numbered(workers.len())),
            Some(name) if count == 1 => Name::new(name),
            Some(name) => Name::new(&format!("{name}{nth}")),
        };
        let name = name.map_err(|error| error.to_string())?;
        let worker = Worker::new(name, interval, timeout.unwrap_or(interval), runs.clone());
        workers.push(Worker { on_term: on_term.clone(), ..worker });
        if workers.len() > SCRIPTS_MAX {
            return Err(format!("more than {SCRIPTS_MAX} scripts"));
        }
    }
    Ok(())
}

/// A soak under the eyes of a person.
struct Watched<'a> {
    args: &'a args::Soak,
    jobs: usize,
    watch: Stopwatch,
}

impl Watched<'_> {
    fn follow(
        &self,
        workload: &Workload,
        rules: Rules,
        what: &str,
        output: &mut Output,
    ) -> Result<Vec<Life>, CliError> {
        let until = match self.args.until {
            UntilName::Crash => Until::Crash,
            UntilName::Memory => Until::Memory,
            UntilName::Law => Until::Law,
        };
        let plan = Plan {
            seed: self.args.seed,
            watch: Watch { until, span: self.args.life },
            failures: self.args.failures as usize,
            most: self.args.most,
        };
        let mut go_on = |lives: &[Life]| {
            output.progress(format_args!("{what}: {} lives", lives.len()));
            let in_time = self.args.duration.is_none_or(|limit| self.watch.elapsed() < limit);
            in_time && !crew::told_to_stop()
        };
        let lives = soak(workload, rules, plan, self.jobs, &mut go_on);
        output.clear();
        let lives = lives.map_err(|error| CliError::Usage(error.to_string()))?;
        if lives.is_empty() {
            return Err(CliError::Usage("no life was followed in the time given: give it more".to_owned()));
        }
        Ok(lives)
    }
}

/// A kind of failure: how many there were, and the number of the first life that it ended with a trace.
struct Kind {
    count: usize,
    first: Option<usize>,
}

/// The failures by what tells them apart: the signature, or without one the outcome.
fn kinds(lives: &[Life]) -> BTreeMap<(Option<Signature>, String), Kind> {
    let mut kinds = BTreeMap::new();
    for (number, life) in lives.iter().enumerate() {
        let Some(failure) = &life.failure else { continue };
        let what = if failure.trace.is_some() {
            failure.outcome.to_string()
        } else {
            format!("{}, too long a life to keep", failure.outcome)
        };
        let kind = kinds.entry((failure.signature, what)).or_insert(Kind { count: 0, first: None });
        kind.count += 1;
        if kind.first.is_none() && failure.trace.is_some() {
            kind.first = Some(number);
        }
    }
    kinds
}

type Kinds = BTreeMap<(Option<Signature>, String), Kind>;

/// Keeps the first failure of each signature as a find, shrunk and reported; where each scenario is.
fn keep_kinds(
    watched: &Watched<'_>,
    target: &Target,
    lives: &[Life],
    kinds: &Kinds,
    store: &Store,
    output: &mut Output,
) -> Result<BTreeMap<Signature, String>, CliError> {
    let (seed, mut kept) = (watched.args.seed, BTreeMap::new());
    for ((signature, _), kind) in kinds {
        let (Some(signature), Some(number)) = (*signature, kind.first) else { continue };
        if kept.contains_key(&signature) {
            continue;
        }
        let Some(trace) = lives[number].failure.as_ref().and_then(|failure| failure.trace.as_deref()) else {
            continue;
        };
        output.progress(format_args!("{target}: shrinking {signature}"));
        let mut subject = build(target)?;
        let verdict = subject.run_one(trace, Options::VERDICT)?.verdict;
        let broken = verdict.breaks.iter().find(|broken| broken.signature == signature).cloned();
        let Some(broken) = broken else {
            return Err(CliError::Harness(format!("life {number} does not show {signature} again")));
        };
        let find = Find { number: number as u64, trace: trace.clone(), broken, verdict };
        let name = target.to_string();
        let title = format!("{signature} on {name}, at the end of a life");
        let origin = Origin { find: &find, seed, target, by: FoundBy::Soak };
        let found = scenario_of(&title, &origin, find.trace.clone(), &find.verdict);
        let path = store.keep_found(&name, signature, &scenario::write(&found))?;
        let finding = work_out(subject.as_mut(), &|| build(target), &find, BUILD_UP_MAX)?;
        keep_by(FoundBy::Soak, &finding, seed, store, &name)?;
        kept.insert(signature, path.display().to_string());
    }
    output.clear();
    Ok(kept)
}

/// What is told of one target.
struct Told<'a> {
    args: &'a args::Soak,
    target: &'a Target,
    lives: &'a [Life],
    figures: &'a Figures,
    kinds: &'a Kinds,
    scenarios: &'a BTreeMap<Signature, String>,
}

impl Told<'_> {
    /// For people.
    fn text(&self) -> String {
        let (figures, mut text) = (self.figures, String::new());
        let mut line = |name: &str, value: String| {
            let _ = writeln!(text, "  {name:<22}{value}");
        };
        let failures = count(figures.failures as u64, "failure");
        let lives =
            format!("{}, {failures} in", count(figures.lives as u64, "life").replace("lifes", "lives"));
        line("lives", format!("{lives} {} and {} reloads", time(figures.followed), figures.reloads));
        if figures.failures == 0 {
            line("mean time to failure", format!("more than {} (95 %)", time(figures.mean_by_hazard.low)));
        } else {
            let by_hazard = (figures.mean_by_hazard, figures.median_by_hazard);
            for (name, by_lives, by_hazard) in
                [("mean time to failure", figures.mean, by_hazard.0), ("median", figures.median, by_hazard.1)]
            {
                let lives = by_lives.map_or("-".to_owned(), times);
                line(name, format!("{lives}; by the hazard {}", times(by_hazard)));
            }
        }
        if let Some(Estimate { value, low, high }) = figures.hazard {
            line("hazard of one reload", format!("{value:.3e} ({low:.3e} to {high:.3e})"));
        }
        line(
            "lives and hazard",
            match figures.agree {
                Some(true) => "agree: the hazard is the same at every age".to_owned(),
                Some(false) => "do not agree: the hazard changes with age".to_owned(),
                None => format!("cannot be compared with fewer than {FAILURES_MIN} failures"),
            },
        );
        for (within, name) in figures.within.iter().zip(["within a day", "within a week", "within a year"]) {
            let seen = || within.seen.map(|seen| format!("{} of the lives", parts(seen)));
            let told = within.by_hazard.map(parts).or_else(seen);
            line(name, told.unwrap_or_else(|| "not followed so long".to_owned()));
        }
        for ((signature, outcome), kind) in self.kinds {
            let name = format!("{} of {}", kind.count, figures.failures);
            let signature = signature.map_or("no law broken".to_owned(), |signature| signature.to_string());
            line(&name, format!("{signature}; {outcome}"));
        }
        for path in self.scenarios.values() {
            line("kept, replayed", path.clone());
        }
        text.push_str(&self.curve());
        format!("{}\n{}", self.target, text.trim_end())
    }

    /// By when which share had failed, as bars.
    fn curve(&self) -> String {
        let mut ages: Vec<f64> = self.lives.iter().filter(|life| life.failure.is_some()).map(age).collect();
        ages.sort_by(f64::total_cmp);
        if ages.len() < FAILURES_MIN {
            return String::new();
        }
        let longest = ages[ages.len() - 1];
        let bar = |tenths: usize| {
            // The share of all lives, not of those that failed.
            let place = (tenths * self.lives.len()).div_ceil(10).max(1) - 1;
            let age = ages.get(place)?;
            let width = ((age / longest) * 40.0).round() as usize;
            Some(format!("  {:>3} % failed by {:<10} {}\n", 10 * tenths, time(*age), "#".repeat(width)))
        };
        (1..=10).filter_map(bar).collect()
    }

    /// For machines.
    fn object(&self, release: &str, workload: &Workload) -> SoakObject {
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
            until: format!("{:?}", self.args.until).to_lowercase(),
            workload: WorkloadObject::new(workload),
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

/// Seconds as people say them.
fn time(seconds: f64) -> String {
    let units = [(365.0 * 86_400.0, "years"), (86_400.0, "days"), (3_600.0, "h"), (60.0, "min")];
    if seconds.is_infinite() {
        return "for ever".to_owned();
    }
    let unit = units.into_iter().find(|(length, _)| seconds >= 2.0 * length);
    let (length, name) = unit.unwrap_or((1.0, "s"));
    format!("{:.*} {name}", usize::from(seconds / length < 100.0), seconds / length)
}

fn times(Estimate { value, low, high }: Estimate) -> String {
    format!("{} ({} to {})", time(value), time(low), time(high))
}

/// A probability and its interval, in percent.
fn parts(Estimate { value, low, high }: Estimate) -> String {
    let percent = |part: f64| format!("{:.2}", 100.0 * part);
    format!("{} % ({} to {})", percent(value), percent(low), percent(high))
}

/// How the mean moves with each assumption, one at a time.
fn sensitivity(
    watched: &Watched<'_>,
    target: &Target,
    rules: Rules,
    workload: &Workload,
    output: &mut Output,
) -> Result<(), CliError> {
    let base = field::Variation { what: "as assumed".to_owned(), workload: workload.clone() };
    let mut sheet = table(["assumption", "failures", "mean time to failure, by the hazard (95 %)"]);
    for variation in std::iter::once(base).chain(field::variations(workload)) {
        let what = format!("{target}, {}", variation.what);
        let lives = watched.follow(&variation.workload, rules, &what, output)?;
        let figures = figures(&lives, watched.args.life);
        let mean = figures.mean_by_hazard;
        let told = match figures.failures {
            0 => format!("more than {}", time(mean.low)),
            _ => times(mean),
        };
        sheet.add_row([variation.what.clone(), figures.failures.to_string(), told]);
        output.object(&VariationObject {
            target: target.to_string(),
            assumption: variation.what,
            lives: figures.lives,
            failures: figures.failures,
            mean_by_hazard_ms: EstimateObject::millis(mean),
        });
        if crew::told_to_stop() {
            break;
        }
    }
    if !output.is_json() {
        output.heading(target);
        output.line(sheet);
    }
    Ok(())
}

/// A figure with its interval of 95 %; an infinite end is null.
#[derive(Serialize)]
struct EstimateObject {
    value: f64,
    low: f64,
    high: f64,
}

impl EstimateObject {
    fn plain(Estimate { value, low, high }: Estimate) -> Self {
        Self { value, low, high }
    }

    fn millis(Estimate { value, low, high }: Estimate) -> Self {
        Self { value: value * 1e3, low: low * 1e3, high: high * 1e3 }
    }
}

#[derive(Serialize)]
struct WithinObject {
    by_hazard: Option<EstimateObject>,
    seen: Option<EstimateObject>,
}

#[derive(Serialize)]
struct KindObject {
    signature: Option<String>,
    outcome: String,
    count: usize,
    share: f64,
    scenario: Option<String>,
}

/// The workload, in the words of the flags.
#[derive(Serialize)]
struct WorkloadObject {
    scripts: Vec<String>,
    reload: Option<String>,
    jitter: Option<String>,
    latency: String,
    costs: BTreeMap<&'static str, String>,
}

impl WorkloadObject {
    fn new(workload: &Workload) -> Self {
        let script = |Worker { script, runs, on_term }: &Worker| {
            let (name, interval, timeout) = (&script.name, script.interval, script.timeout);
            format!("name={name} interval={interval} timeout={timeout} runs={runs} on-term={on_term}")
        };
        let costs = workload.machine.costs.each().map(|cost| cost.to_string());
        Self {
            scripts: workload.workers.iter().map(script).collect(),
            reload: workload.reload.as_ref().map(|reload| reload.period.to_string()),
            jitter: workload.reload.as_ref().map(|reload| reload.jitter.to_string()),
            latency: workload.machine.latency.to_string(),
            costs: treefall_model::trace::Costs::NAMES.into_iter().zip(costs).collect(),
        }
    }
}

/// A target's figures, for machines. The fields are stable.
#[derive(Serialize)]
struct SoakObject {
    target: String,
    release: String,
    until: String,
    workload: WorkloadObject,
    lives: usize,
    failures: usize,
    followed_ms: f64,
    reloads: u64,
    mean_ms: Option<EstimateObject>,
    median_ms: Option<EstimateObject>,
    hazard_per_reload: Option<EstimateObject>,
    mean_by_hazard_ms: EstimateObject,
    median_by_hazard_ms: EstimateObject,
    agree: Option<bool>,
    within_day: WithinObject,
    within_week: WithinObject,
    within_year: WithinObject,
    kinds: Vec<KindObject>,
    ages_ms: Vec<Option<f64>>,
}

/// A line of the table of assumptions, for machines. The fields are stable.
#[derive(Serialize)]
struct VariationObject {
    target: String,
    assumption: String,
    lives: usize,
    failures: usize,
    mean_by_hazard_ms: EstimateObject,
}

/// One target's soak, for machines. The fields are stable.
#[derive(Serialize)]
struct TargetSummary {
    target: String,
    seed: u64,
    lives: usize,
    failures: usize,
    events: u64,
    elapsed_ms: u64,
}
