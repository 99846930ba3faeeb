//! Builds the workload from the arguments of `soak`.
//!
//! Invariant: the workload makes valid traces on every replica.

use std::path::Path;

use treefall_model::time::Span;
use treefall_model::trace::Name;

use crate::cli::CliError;
use crate::cli::args::{self, MachineName};
use crate::cli::output::Output;
use crate::cli::workers;
use treefall_base::nearest::{nearest, offer};
use treefall_field::soak::{Machine, Reload, Spread, Worker, Workload, field};
use treefall_scenario as scenario;
use treefall_subject::keepalived_conf::{self, VrrpScript};

/// Most scripts: each wake checks all children.
const SCRIPTS_MAX: usize = 256;

/// Keys of `--script`.
const KEYS: [&str; 6] = ["interval", "timeout", "runs", "on-term", "count", "name"];

/// Builds the workload.
pub(super) fn workload(args: &args::Soak, output: &mut Output) -> Result<Workload, CliError> {
    let mut workload = field::report();
    if let Some(path) = &args.config {
        workload.workers = configured(path, args, output)?;
        workload.reload = args.reload.map(|period| Reload { period, jitter: field::sender() });
    } else if !args.scripts.is_empty() || args.reload.is_some() {
        workload.workers = Vec::new();
        if args.scripts.is_empty() {
            let second = Span::from_secs(1);
            workload.workers.push(Worker::new(Name::numbered(0), second, second, short_runs()));
        }
        for text in &args.scripts {
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
    let given = [
        (&mut costs.callback, args.callback),
        (&mut costs.start, args.start),
        (&mut costs.log, args.log),
        (&mut costs.reap, args.reap),
        (&mut costs.reload, args.reading),
    ];
    for (cost, given) in given {
        *cost = given.unwrap_or(*cost);
    }
    workload.bare_trace().map_err(|error| CliError::Usage(error.to_string()))?;
    Ok(workload)
}

/// Default duration of runs.
fn short_runs() -> Spread {
    Spread::between(Span::from_millis(5), Span::from_millis(15))
}

/// Reads the tracked scripts of a user's configuration.
fn configured(path: &Path, args: &args::Soak, output: &mut Output) -> Result<Vec<Worker>, CliError> {
    let usage = |why: String| CliError::Usage(why);
    let conf = keepalived_conf::load(path).map_err(|error| usage(error.to_string()))?;
    let runs = args.runs.clone().unwrap_or_else(short_runs);
    let on_term = args.on_term.clone().unwrap_or(Spread::dies_but_for(0));
    let worker = |script: &VrrpScript| {
        let name = Name::new(&script.name)
            .map_err(|error| usage(format!("{}, line {}: {error}", path.display(), script.line)))?;
        let worker = Worker::new(name, script.interval(), script.timeout(), runs.clone());
        Ok(Worker { on_term: on_term.clone(), ..worker })
    };
    let workers = conf.tracked().map(worker).collect::<Result<Vec<_>, CliError>>()?;
    if !workers.is_empty() {
        workers::print_slips(path, &conf.slips(), output);
    }
    match workers.len() {
        0 => Err(usage(format!(
            "{}: no instance and no sync group tracks a script, so nothing would run; add a track_script block{}",
            path.display(),
            keepalived_conf::offers(&conf.slips()),
        ))),
        1..=SCRIPTS_MAX => Ok(workers),
        many => Err(usage(format!("{}: {many} scripts; soak takes at most {SCRIPTS_MAX}", path.display()))),
    }
}

/// Adds the scripts of one `--script`.
fn add_workers(text: &str, workers: &mut Vec<Worker>) -> Result<(), String> {
    let (mut interval, mut timeout, mut runs) = (Span::from_secs(1), None, None);
    let (mut on_term, mut count, mut name) = (Spread::dies_but_for(0), 1, None);
    for word in text.split_whitespace() {
        let (key, value) =
            word.split_once('=').ok_or_else(|| format!("{word:?} is not of the form `KEY=VALUE`"))?;
        let span = || scenario::parse_duration(value).map_err(|no| format!("{key}: {value:?} {no}"));
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
                let offer = offer(nearest(key, KEYS));
                return Err(format!("no key {key:?}; there are {}{offer}", KEYS.join(", ")));
            }
        }
    }
    let runs = runs.ok_or("the duration of its runs is missing: `runs=5ms..15ms`")?;
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
