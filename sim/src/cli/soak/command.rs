//! Formats the command that repeats a soak.
//!
//! Invariants: it states all defaults, so it keeps its meaning if they change; parsing it gives the original workload
//! (tested).

use treefall_model::time::Span;
use treefall_model::trace::{Costs, Name};

use crate::cli::args;
use treefall_field::soak::{Machine, Worker, Workload};
use treefall_report::provenance::quoted;

/// Formats the whole command line for a shell.
pub(super) fn command(args: &args::Soak, target: &str, workload: &Workload) -> String {
    let mut words = vec!["treefall".to_owned(), "soak".to_owned()];
    let mut flag = |name: &str, value: String| words.extend([format!("--{name}"), quoted(&value)]);
    flag("target", target.to_string());
    for script in scripts(&workload.workers) {
        flag("script", script);
    }
    if let Some(reload) = &workload.reload {
        flag("reload", reload.period.to_string());
        flag("jitter", reload.jitter.to_string());
    }
    machine(&workload.machine).into_iter().for_each(|(name, value)| flag(name, value));
    flag("until", args.until.to_string());
    flag("failures", args.failures.to_string());
    flag("life", long(args.life));
    flag("most", long(args.most));
    flag("seed", args.seed.to_string());
    words.join(" ")
}

/// Formats a long duration in the largest unit that divides it.
pub(super) fn long(span: Span) -> String {
    let seconds = |count| Span::from_secs(count).as_micros();
    for (unit, length) in [("d", seconds(86_400)), ("h", seconds(3_600)), ("min", seconds(60))] {
        if !span.is_zero() && span.as_micros().is_multiple_of(length) {
            return format!("{}{unit}", span.as_micros() / length);
        }
    }
    span.to_string()
}

/// Returns the flags that turn any machine into this one.
fn machine(machine: &Machine) -> Vec<(&'static str, String)> {
    let Costs { callback, start, log, reap, reload } = machine.costs;
    let costs = [("callback", callback), ("start", start), ("log", log), ("reap", reap), ("reading", reload)];
    let flags = costs.into_iter().filter(|(_, cost)| !cost.is_zero());
    let flags = flags.map(|(name, cost)| (name, cost.to_string()));
    std::iter::once(("latency", machine.latency.to_string())).chain(flags).collect()
}

/// Formats values for `--script`. Neighbours that differ only in their number share one value.
pub(super) fn scripts(workers: &[Worker]) -> Vec<String> {
    let mut grouped: Vec<(String, usize)> = Vec::new();
    for (place, worker) in workers.iter().enumerate() {
        let numbered = worker.script.name == Name::numbered(place);
        let words = if numbered { times(worker) } else { named(worker) };
        match grouped.last_mut() {
            Some((last, count)) if numbered && *last == words => *count += 1,
            _ => grouped.push((words, 1)),
        }
    }
    let words = |(words, count)| if count == 1 { words } else { format!("count={count} {words}") };
    grouped.into_iter().map(words).collect()
}

/// Formats the value of `--script` for one script, with its name.
pub(super) fn named(worker: &Worker) -> String {
    format!("name={} {}", worker.script.name, times(worker))
}

fn times(Worker { script, runs, on_term }: &Worker) -> String {
    let (interval, timeout) = (script.interval, script.timeout);
    format!("interval={interval} timeout={timeout} runs={runs} on-term={on_term}")
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::workload::workload;
    use super::*;
    use crate::cli::output::Output;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: args::Soak,
    }

    fn read(words: &[&str]) -> args::Soak {
        Line::try_parse_from([&["soak"], words].concat()).unwrap_or_else(|error| panic!("{error}")).args
    }

    #[test]
    fn the_command_of_a_workload_parses_to_it() {
        for given in [
            &[][..],
            &["--reload", "60s", "--machine", "loaded"],
            &["--reap", "1500us", "--until", "law", "--seed", "7", "--failures", "12"],
            &[
                "--script",
                "count=3 interval=5s timeout=3s runs=0.1%:never,5ms..40ms",
                "--script",
                "name=chk_a runs=1s on-term=never",
                "--script",
                "interval=1s runs=2s",
            ],
            &[
                "--reload",
                "1s",
                "--jitter",
                "1%:1s,0s",
                "--latency",
                "1us",
                "--life",
                "90min",
                "--most",
                "499h",
            ],
            &["--config", "tests/cmd/conf/keepalived.conf", "--runs", "20%:never,5ms", "--reload", "1s"],
        ] {
            let args = read(given);
            let mut output = Output::json_only();
            let meant = workload(&args, &mut output).unwrap_or_else(|error| panic!("{given:?}: {error:?}"));
            let line = command(&args, "replica:2.3.1", &meant);
            let words = shlex::split(&line).expect("words");
            let words: Vec<&str> = words.iter().skip(2).map(String::as_str).collect();
            let again = read(&words);
            assert_eq!(workload(&again, &mut output).ok(), Some(meant), "{line}");
            assert_eq!(
                (again.until, again.failures, again.life, again.most, again.seed, again.targets.as_slice()),
                (
                    args.until,
                    args.failures,
                    args.life,
                    args.most,
                    args.seed,
                    &["replica:2.3.1".to_owned()][..]
                ),
                "{line}"
            );
        }
    }
}
