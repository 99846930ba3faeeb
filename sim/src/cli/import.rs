//! `treefall import`: finds the scenarios that fit a keepalived log, and which failures the log can and cannot
//! explain.

mod crashes;
mod objects;
mod print;

use std::path::{Path, PathBuf};

use clap::Args;
use treefall_model::time::Span;

use super::args::parse_span;
use super::interrupt;
use super::interrupt::Stopwatch;
use super::lines::JsonLine;
use super::output::Output;
use super::progress::{Progress, ProgressLine};
use super::{CliError, Status, Summary, workers};
use crashes::{BacktraceObject, BacktraceSummary};
use objects::{FoundObject, ImportSummary, UnknownObject, object, summary, unknown};
use treefall_base::control::Control;
use treefall_base::files::write_bytes;
use treefall_base::input::is_standard;
use treefall_field::import::{
    Bounds, ImportError, Imported, Reproduction, import, load, named_release, others::of_loop,
};
use treefall_report::provenance::{about, whom};
use treefall_report::slug;
use treefall_scenario::{self as scenario, Expectation, Expectations, Scenario};
use treefall_subject::Options;
use treefall_subject::keepalived_conf;
use treefall_subject::replica::run_replica;
use treefall_subject::target::{ReplicaName, Target};

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    treefall import /var/log/syslog --config /etc/keepalived/keepalived.conf\n  \
    journalctl -u keepalived --since today | treefall import - --config keepalived.conf\n  \
    treefall import crash.log --target replica:2.2.8 -o crash.toml\n\n\
    Exit status: 1 when a failure fits the log, 0 when none was found, 2 when the log or a file is wrong, \
    or the log shows a crash, a hang or a gap that its lines do not explain: then nothing is ruled out.")]
pub(super) struct Import {
    /// The log; `-` is standard input.
    #[arg(value_name = "FILE")]
    log: PathBuf,
    /// The configuration of the keepalived [default: scripts are inferred from the log].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Its configuration id, which selects the lines that begin with `@ID`.
    #[arg(long, value_name = "ID", requires = "config")]
    config_id: Option<String>,
    /// The release, for example `replica:2.2.7` [default: the release that the log states].
    #[arg(long, value_name = "TARGET")]
    target: Option<String>,
    /// Length of the searched window, before the end of the story or before the last line of a process that crashed:
    /// `60s`, `10m`.
    #[arg(long, value_name = "SPAN", default_value = "60s", value_parser = parse_span)]
    window: Span,
    /// Most interleavings to try.
    #[arg(long, value_name = "N", default_value_t = 4_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    tries: u64,
    /// The program that crashed, for backtraces without function names [default: an installed keepalived].
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Most runs that may hang or end without a line in the log [default: the number of scripts if the log shows a
    /// crash, else 0].
    #[arg(long, value_name = "N")]
    untold: Option<u32>,
    /// Folder for all scenarios [default: a folder with the log's name in reports/import/].
    #[arg(long, value_name = "DIR", conflicts_with = "output")]
    out: Option<PathBuf>,
    /// File for the first scenario, instead of a folder for all; `-` is standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Lines of `--json`.
pub(super) const LINES: [JsonLine; 5] = [
    JsonLine::of::<BacktraceObject>("a backtrace"),
    JsonLine::of::<Summary<BacktraceSummary>>("summary of a text that tells of backtraces alone"),
    JsonLine::of::<FoundObject<'static>>("a signature"),
    JsonLine::of::<UnknownObject<'static>>("a kind of message that is not understood"),
    JsonLine::of::<Summary<ImportSummary<'static>>>("summary"),
];

pub(super) fn run(args: &Import, output: &mut Output) -> Result<Status, CliError> {
    let watch = Stopwatch::start();
    let read = |path: &Path| keepalived_conf::load_as(path, args.config_id.as_deref());
    let conf = args.config.as_deref().map(read).transpose();
    let conf = conf.map_err(|error| CliError::Usage(error.to_string()))?;
    if let (Some(path), Some(conf)) = (&args.config, &conf) {
        workers::print_slips(path, &conf.slips(), output);
    }
    let replica = args.target.as_deref().map(replica).transpose()?;
    let bounds = Bounds { window: args.window, tries: args.tries, untold: args.untold };
    let name = log_name(&args.log);
    let wrong = |error: ImportError| CliError::Usage(with_file(&args.log, &error));
    let text = interrupt::while_reading(&args.log, || load(&args.log)).map_err(wrong)?;
    let backtraces = crashes::judged(&text, replica.as_ref(), args.program.as_deref());
    crashes::print(&backtraces, output);
    let (progress, line) = (Progress::begin(None), ProgressLine::new(output));
    let keep_going = |tried| {
        line.show(|| format!("{name}: {}", progress.done(tried, Some(args.tries), "interleaving")));
        !workers::interrupted()
    };
    let imported = match import(&name, &text, conf.as_ref(), replica, bounds, Control::new(&keep_going)) {
        Ok(imported) => imported,
        Err(error) if error.is_acquittal() => {
            output.line(format_args!("{name}: {error}"));
            let is_crash = matches!(error, ImportError::NotExplained { .. });
            for other in of_loop(named_release(&text)).iter().filter(|_| is_crash) {
                output.line(format_args!("  perhaps: {other}"));
            }
            return Ok(if crashes::any_of_class(&backtraces) { Status::Failure } else { Status::Good });
        }
        Err(error) if !backtraces.is_empty() => return Ok(crashes::alone(&backtraces, &error, output)),
        Err(error) => return Err(wrong(error)),
    };
    let target = imported.replica.to_string();

    print::print_log(&name, &imported, args, output);
    let written = write(args, &name, &imported, output)?;
    print::print_found(&imported, &written, args, output);
    let objects = imported.found.iter().zip(written.iter().map(Some).chain(std::iter::repeat(None)));
    for (found, path) in objects {
        output.object(&object(found, (&target, imported.replica.base), path));
    }
    for kind in &imported.story.counts.kinds {
        output.object(&unknown(kind));
    }
    output.conclude(&summary(&name, &target, &imported, &watch));
    if workers::interrupted() {
        output
            .error("stopped before the search was complete; the results cover the interleavings until then");
        return Ok(Status::Failure);
    }
    // A crash that is not explained is not ruled out, whatever else was found.
    let explained =
        imported.found.iter().any(Reproduction::breaks_memory) || crashes::any_of_class(&backtraces);
    Ok(match (explained, imported.unexplained.is_empty(), imported.found.is_empty()) {
        (true, ..) => Status::Failure,
        (false, false, _) => Status::Usage,
        (false, true, none) => {
            if none {
                Status::Good
            } else {
                Status::Failure
            }
        }
    })
}

/// Names the log for people, without the path on this machine.
fn log_name(path: &Path) -> String {
    match path.file_name() {
        Some(name) if !is_standard(path) => name.to_string_lossy().into_owned(),
        _ => "standard input".to_owned(),
    }
}

/// Formats the error with its file, unless it names the file already.
fn with_file(path: &Path, error: &ImportError) -> String {
    match error {
        ImportError::Unreadable { .. } | ImportError::TooLarge { .. } | ImportError::NotText { .. } => {
            error.to_string()
        }
        _ => format!("{}: {error}", path.display()),
    }
}

fn replica(name: &str) -> Result<ReplicaName, CliError> {
    match workers::targets(&[name.to_owned()])?.as_slice() {
        [Target::Replica(replica)] => Ok(replica.clone()),
        [other] => Err(CliError::Usage(format!(
            "{other} is a real program; import searches on a replica: `--target replica:2.2.7`; play its scenarios on a real \
             program: `treefall replay FILE --target {other}`"
        ))),
        _ => Err(CliError::Usage("import takes one target; `replica:all` names several".to_owned())),
    }
}

/// Writes the scenarios; returns their paths.
fn write(
    args: &Import,
    name: &str,
    imported: &Imported,
    output: &mut Output,
) -> Result<Vec<PathBuf>, CliError> {
    let target = Target::Replica(imported.replica.clone());
    let mut one = |path: &Path, scenario: &Scenario, found: Option<&Reproduction>| {
        let mut scenario = scenario.clone();
        let verdict = run_replica(&scenario.trace, imported.replica.rules(), Options::VERDICT).verdict;
        scenario.about = found.and_then(|found| about(&target, found.signature, &verdict));
        let row = whom(&target).map(|whom| (whom, Expectation::exactly(&verdict)));
        // A single row cannot contradict another.
        scenario.expect = Expectations::new(row).unwrap_or_default();
        let text = scenario::write(&scenario);
        if is_standard(path) {
            output.line(text.trim_end());
            return Ok(path.to_owned());
        }
        write_bytes(path, text.as_bytes()).map_err(|error| {
            let option = if args.output.is_some() { "file with `-o`" } else { "folder with `--out`" };
            CliError::Usage(format!("cannot write {}: {error}; name another {option}", path.display()))
        })?;
        Ok::<_, CliError>(path.to_owned())
    };
    if let Some(path) = &args.output {
        let first = imported.found.first();
        let scenario = first.map(|found| &found.scenario).or(imported.plainest.as_ref());
        return scenario.map(|scenario| one(path, scenario, first)).into_iter().collect();
    }
    let folder = args.out.clone().unwrap_or_else(|| Path::new("reports").join("import").join(slug(name)));
    let file = |found: &Reproduction| folder.join(format!("{}.toml", slug(&found.signature.to_string())));
    imported.found.iter().map(|found| one(&file(found), &found.scenario, Some(found))).collect()
}
