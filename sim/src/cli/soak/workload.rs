//! The workload that the arguments of `soak` tell.
//!
//! Always: what is returned makes a trace that is valid on any replica.

use treefall_model::time::Span;
use treefall_model::trace::Name;

use crate::cli::CliError;
use crate::cli::args::{self, MachineName};
use crate::scenario;
use crate::soak::{Machine, Reload, Spread, Worker, Workload, field};

/// Most scripts: all children are looked at before each wake.
const SCRIPTS_MAX: usize = 256;

/// The workload that the arguments tell.
pub(super) fn workload(args: &args::Soak) -> Result<Workload, CliError> {
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
