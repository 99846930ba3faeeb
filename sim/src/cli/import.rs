//! `treefall import`: from a keepalived's log to scenarios, and what its story can produce and what not.

mod crashes;
mod objects;

use std::path::{Path, PathBuf};

use clap::Args;
use treefall_model::event::{FailedBy, LogLine};
use treefall_model::release::Defect;
use treefall_model::time::{MICROS_PER_SECOND, Span};

use super::args::parse_span;
use super::interrupt;
use super::interrupt::Stopwatch;
use super::lines::JsonLine;
use super::output::{Output, count};
use super::progress::{Progress, ProgressLine};
use super::{CliError, Status, Summary, workers};
use crashes::{BacktraceObject, BacktraceSummary};
use objects::{FoundObject, ImportSummary, UnknownObject, object, summary, unknown};
use treefall_base::control::Control;
use treefall_base::files::write_bytes;
use treefall_base::input::is_standard;
use treefall_field::import::signs::{Sign, SignKind};
use treefall_field::import::{
    ASSUMPTIONS, Bounds, ImportError, Imported, ItemKind, Leniency, LineCounts, Reproduction, SetBack,
    UnmatchedWindow, import, line_range, load, named_release, others::of_loop,
};
use treefall_report::provenance::{about, whom};
use treefall_report::{cause_line, slug};
use treefall_scenario::{self as scenario, Expectation, Expectations, Scenario};
use treefall_subject::Options;
use treefall_subject::keepalived_conf;
use treefall_subject::program::{INSTALL, Program, find_installed};
use treefall_subject::replica::run_replica;
use treefall_subject::target::{Base, ReplicaName, Target};

/// Most kinds of messages that are not understood that people are told.
const KINDS_TOLD: usize = 8;
/// Most lines that show what is not explained that people are told by themselves.
const SIGNS_TOLD: usize = 4;
/// Most windows without an interleaving that people are told of by themselves.
const UNMATCHED_TOLD: usize = 4;

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    treefall import /var/log/syslog --config /etc/keepalived/keepalived.conf\n  \
    journalctl -u keepalived --since today | treefall import - --config keepalived.conf\n  \
    treefall import crash.log --target replica:2.2.8 -o crash.toml\n\n\
    Exit status: 1 when the log's story can produce a failure, 0 when none was found, 2 when the log or a file is wrong, \
    or the log shows a crash, a hang or a gap that its lines do not explain: then nothing is ruled out.")]
pub(super) struct Import {
    /// The log; `-` is standard input.
    #[arg(value_name = "FILE")]
    log: PathBuf,
    /// The configuration that the keepalived ran with [default: scripts are inferred from the log].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The configuration id that it ran with: lines that begin with `@ID` hold.
    #[arg(long, value_name = "ID", requires = "config")]
    config_id: Option<String>,
    /// The release, as `replica:2.2.7` [default: what the log says].
    #[arg(long, value_name = "TARGET")]
    target: Option<String>,
    /// How far before the end of the story, or before the last line of a process that crashed, the search looks: `60s`,
    /// `10m`.
    #[arg(long, value_name = "SPAN", default_value = "60s", value_parser = parse_span)]
    window: Span,
    /// How many interleavings are tried at most.
    #[arg(long, value_name = "N", default_value_t = 4_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    tries: u64,
    /// The program that crashed, for backtraces without names of functions [default: an installed keepalived].
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// How many runs may have hung, or ended, without a word of the log [default: as many as there are scripts if the
    /// log tells of a crash, else 0].
    #[arg(long, value_name = "N")]
    untold: Option<u32>,
    /// The folder that all scenarios go to [default: one of the log's name under reports/import/].
    #[arg(long, value_name = "DIR", conflicts_with = "output")]
    out: Option<PathBuf>,
    /// Where the first scenario goes, and no other; `-` is standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What is printed with `--json`.
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
        workers::tell_slips(path, &conf.slips(), output);
    }
    let replica = args.target.as_deref().map(replica).transpose()?;
    let bounds = Bounds { window: args.window, tries: args.tries, untold: args.untold };
    let name = log_name(&args.log);
    let wrong = |error: ImportError| CliError::Usage(placed(&args.log, &error));
    let text = interrupt::while_reading(&args.log, || load(&args.log)).map_err(wrong)?;
    let backtraces = crashes::judged(&text, replica.as_ref(), args.program.as_deref());
    crashes::tell(&backtraces, output);
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

    tell_log(&name, &imported, args, output);
    let written = write(args, &name, &imported, output)?;
    tell_found(&imported, &written, args, output);
    let objects = imported.found.iter().zip(written.iter().map(Some).chain(std::iter::repeat(None)));
    for (found, path) in objects {
        output.object(&object(found, (&target, imported.replica.base), path));
    }
    for kind in &imported.story.counts.kinds {
        output.object(&unknown(kind));
    }
    output.conclude(&summary(&name, &target, &imported, &watch));
    if workers::interrupted() {
        output.error(
            "stopped before the search was complete; the answer covers the interleavings tried until then",
        );
        return Ok(Status::Failure);
    }
    // A crash that is not explained is no acquittal, whatever else was found.
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

/// Returns the name of the log in messages, without its folder.
fn log_name(path: &Path) -> String {
    match path.file_name() {
        Some(name) if !is_standard(path) => name.to_string_lossy().into_owned(),
        _ => "standard input".to_owned(),
    }
}

/// Formats the error with the name of the file.
fn placed(path: &Path, error: &ImportError) -> String {
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
            "{other} is real: import searches on a replica, as `--target replica:2.2.7`; play what it writes on a real \
             program: `treefall replay FILE --target {other}`"
        ))),
        _ => Err(CliError::Usage("import takes one target; `replica:all` names several".to_owned())),
    }
}

fn tell_log(name: &str, imported: &Imported, args: &Import, output: &mut Output) {
    let Imported { story, scripts, replica, .. } = imported;
    let LineCounts { lines, told, nothing, foreign, unstamped, unknown, kinds, unstamped_first, copies } =
        &story.counts;
    let said = story.version.as_ref().map_or_else(
        || "a keepalived that does not say its release".to_owned(),
        |(version, _)| format!("keepalived {version}"),
    );
    output.heading(format_args!("{name}: {said}, on {replica}"));
    output.line(format_args!(
        "  {}: {told} tell the story, {nothing} of keepalived say nothing of it, {foreign} are of others, {unstamped} \
         without a time stamp, {unknown} not understood",
        count(*lines, "line")
    ));
    if let Some(first) = unstamped_first {
        output.note(format_args!("  without a time stamp that is known: line {first} is the first"));
    }
    for kind in kinds.iter().take(KINDS_TOLD) {
        output.note(format_args!(
            "  not understood: {} x `{}`, first in line {}",
            kind.times, kind.shape, kind.line
        ));
    }
    if kinds.len() > KINDS_TOLD {
        output.note(format_args!("  and {} more kinds (`--json` has all)", kinds.len() - KINDS_TOLD));
    }
    if story.processes > 1 {
        output.line(format_args!("  {} processes one after the other; of them this one:", story.processes));
    }
    if *copies > 0 {
        output.line(format_args!(
            "  {} a line that it has in another rendering: counted once",
            match copies {
                1 => "1 line repeats".to_owned(),
                more => format!("{more} lines repeat each"),
            }
        ));
    }
    if story.timeless {
        output.line("  no line has a time stamp: only the order of the lines is used");
    }
    if story.newest_first {
        output.line("  its newest line comes first: it is read, and its lines are numbered, from its end on");
    }
    let span = story.items.first().zip(story.items.last());
    if let Some((first, last)) = span {
        let end = match last.what {
            ItemKind::Dies(Some(signal)) => format!("died of {signal}"),
            ItemKind::Dies(None) => "died".to_owned(),
            ItemKind::Hung => "was told to end, and no line says that it did".to_owned(),
            _ => "did not die".to_owned(),
        };
        output.line(format_args!("  {}: the process {end}", line_range(first.line, last.line)));
    }
    if let Some(SetBack { line, by }) = story.set_back {
        output.line(format_args!(
            "  the clock goes back by {} s at line {line}: only what is from there on is searched",
            by / MICROS_PER_SECOND as i64
        ));
    }
    match &args.config {
        Some(path) => output.line(format_args!(
            "  {} of {}",
            count(scripts.scripts.len() as u64, "script"),
            path.display()
        )),
        None => {
            for script in &scripts.assumed {
                output.line(format_args!(
                    "  script {}: interval {} ({}), timeout {} ({})",
                    script.name, script.interval, script.interval_from, script.timeout, script.timeout_from
                ));
            }
        }
    }
}

fn tell_found(imported: &Imported, written: &[PathBuf], args: &Import, output: &mut Output) {
    let searched = &imported.searched;
    let bound = match searched.departures {
        Some(u32::MAX) => "there are no others".to_owned(),
        Some(most) => {
            format!("all were tried that depart from the plainest {} at most", count(most, "time"))
        }
        None if workers::interrupted() => {
            "the word to stop came before all of the plainest were tried".to_owned()
        }
        None => "a bound (`--tries`) came before all of the plainest were tried".to_owned(),
    };
    output.line(format_args!(
        "{}, the longest from line {} on, {} with an interleaving that gives the log's lines: {} tried, {} of them give these lines; {bound}",
        count(imported.windows as u64, "window"),
        imported.window_line,
        imported.windows_fitting,
        count(searched.tried, "interleaving"),
        searched.fitting,
    ));
    if let Some(leniency) = imported.leniency.filter(|leniency| *leniency != Leniency::USUAL) {
        tell_leniency(leniency, output);
    }
    tell_unmatched(&imported.unmatched, output);
    let paths = written.iter().map(Some).chain(std::iter::repeat(None));
    for (found, path) in imported.found.iter().zip(paths) {
        let others = names(found.cause.defects().get(1..).unwrap_or_default());
        let others = match others.as_slice() {
            [] => String::new(),
            others => format!("; nor does it happen without {}", others.join(", or without ")),
        };
        output.line(format_args!("consistent: {}, {}{others}", found.signature, cause_line(&found.cause)));
        let lines = lines_of(found)
            .map_or_else(String::new, |[first, last]| format!(", {}", line_range(first, last)));
        let assumed = match found.interleaving.untold {
            0 => "nothing assumed that the log does not tell".to_owned(),
            some => format!("{} assumed to hang or end untold", count(some, "run")),
        };
        output.line(format_args!(
            "  {}{lines}; {assumed}; {}",
            count(found.interleaving.trace.wakes().len() as u64, "wake"),
            found.outcome,
        ));
        if found.breaks_memory() {
            output.line(format_args!("  evidence: {}", evidence(imported, found)));
        }
        if let Some(path) = path {
            output.line(format_args!("  scenario: {}", path.display()));
        }
    }
    if imported.found.is_empty() && imported.unexplained.is_empty() {
        output.line(format_args!(
            "consistent with none: no failure was found that the log's story can produce{}",
            of_matched_windows(imported)
        ));
    }
    tell_unexplained(imported, args, output);
    tell_rest(imported, written, output);
}

/// Says how well the log supports that memory broke in this interleaving.
fn evidence(imported: &Imported, found: &Reproduction) -> String {
    let times_out = |item: &treefall_field::import::LogItem| {
        matches!(item.what, ItemKind::Logs(LogLine::Failed { by: FailedBy::TimedOut, .. }))
    };
    match (found.interleaving.untold, imported.story.items.iter().any(times_out)) {
        (0, _) => "the log shows all that this crash takes".to_owned(),
        (some, true) => format!("possible, if {} more hung than the log tells", count(some, "run")),
        (some, false) => {
            format!("possible, if {} hung silently: the log shows no timeout", count(some, "run"))
        }
    }
}

/// Describes a tolerance beyond the usual one.
fn tell_leniency(leniency: Leniency, output: &mut Output) {
    output.line(format_args!(
        "  the story needs more than is usual: a machine up to {} ms late, up to {} missing, up to {} more that hang \
         untold; nothing is ruled out by it",
        leniency.late / 1_000,
        count(leniency.lacks, "line"),
        count(leniency.untold, "run"),
    ));
}

/// Prints what remains unexplained, and which input would help.
fn tell_unexplained(imported: &Imported, args: &Import, output: &mut Output) {
    let Some(first) = imported.unexplained.first() else { return };
    let whole = match first.of_another {
        true => "the log also shows the end of another process, which these lines do not explain",
        false if first.kind == SignKind::Gap => "the log lacks lines",
        false => "",
    };
    let head = match whole {
        "" => format!("the log shows {} that these lines do not explain", first.kind.in_words()),
        whole => whole.to_owned(),
    };
    output.line(format_args!("{head}: {first}"));
    if !imported.found.iter().any(Reproduction::breaks_memory) {
        output.remember(&format!("{head}: {first}"));
    }
    for sign in imported.unexplained.iter().skip(1).take(SIGNS_TOLD - 1) {
        output.line(format_args!("  and {} in {sign}", sign.kind.in_words()));
    }
    if imported.unexplained.len() > SIGNS_TOLD {
        let more = imported.unexplained.len() - SIGNS_TOLD;
        output.line(format_args!("  and {} (`--json` has all)", count(more as u64, "further line")));
    }
    output.line("  nothing is ruled out; what would help:");
    help(imported, args).iter().for_each(|help| output.line(format_args!("    {help}")));
}

/// The input that would help to explain what is not explained.
fn help(imported: &Imported, args: &Import) -> Vec<String> {
    let mut all = Vec::new();
    let any = |is: &dyn Fn(&Sign) -> bool| imported.unexplained.iter().any(is);
    if any(&|sign| sign.kind == SignKind::Gap) {
        all.push(
            "the lines that are missing: log without a rate limit (`LogRateLimitIntervalSec=0` in the unit)",
        );
    }
    if any(&|sign| sign.kind != SignKind::Gap) {
        all.push(
            "the lines of the vrrp process before it, from its start or an earlier reload on: `journalctl -u keepalived \
             --since ..`, or a larger `--window`",
        );
    }
    if any(&|sign| sign.of_another) {
        all.push("the part of the log up to that end, by itself");
    }
    if args.config.is_none() {
        all.push("the configuration that it ran with: `--config keepalived.conf`");
    }
    if args.target.is_none() {
        all.push("the release that it was, if the log is of several: `--target replica:RELEASE`");
    }
    all.into_iter().map(str::to_owned).collect()
}

/// The windows that have no say, each with where its story stops fitting.
fn tell_unmatched(unmatched: &[UnmatchedWindow], output: &mut Output) {
    if unmatched.is_empty() {
        return;
    }
    output.line(format_args!(
        "  {} without such an interleaving, of which nothing is ruled out; scripts, release or configuration may be others \
         (`--config`, `--target`):",
        count(unmatched.len() as u64, "window")
    ));
    for UnmatchedWindow { begins, tried, stuck } in unmatched.iter().take(UNMATCHED_TOLD) {
        match stuck {
            Some((line, text)) if *tried > 0 => output.line(format_args!(
                "    from line {begins} on: none of {} gets past line {line} (`{text}`)",
                count(*tried, "interleaving")
            )),
            _ => output.line(format_args!(
                "    from line {begins} on: not tried to the end of one interleaving (`--tries` gives more)"
            )),
        }
    }
    if unmatched.len() > UNMATCHED_TOLD {
        output.line(format_args!("    and {} more (`--json` has all)", unmatched.len() - UNMATCHED_TOLD));
    }
}

/// Of what is said that something is ruled out: nothing, where it is of the whole log.
fn of_matched_windows(imported: &Imported) -> String {
    match imported.unmatched.len() {
        0 => String::new(),
        _ => {
            format!(
                ", of the windows that have an interleaving ({} of {})",
                imported.windows_fitting, imported.windows
            )
        }
    }
}

fn tell_rest(imported: &Imported, written: &[PathBuf], output: &mut Output) {
    if !imported.not_seen.is_empty() {
        let hidden = imported.found.iter().any(Reproduction::breaks_memory);
        let how = match imported.searched.exhausted {
            _ if hidden => "not seen, for nothing is judged behind a memory break",
            true => "ruled out",
            false => "ruled out within this bound",
        };
        let of = of_matched_windows(imported);
        output.line(format_args!("{how}{of}: {}", names(&imported.not_seen).join(", ")));
    }
    if !imported.not_looked_for.is_empty() {
        output.line(format_args!("not looked for: {}", names(&imported.not_looked_for).join(", ")));
    }
    if !imported.undecided.is_empty() {
        output.line(format_args!("neither seen nor ruled out: {}", names(&imported.undecided).join(", ")));
    }
    let elsewhere = Defect::ALL.iter().filter(|defect| !imported.replica.rules().has(**defect)).count();
    if imported.unexplained.is_empty() {
        output.line(format_args!(
            "ruled out by the release: {} that it does not have",
            count(elsewhere as u64, "known defect")
        ));
    }
    output.note("assumed:");
    for assumption in ASSUMPTIONS {
        output.note(format_args!("  {assumption}"));
    }
    if imported.untold > 0 {
        output.note(format_args!(
            "  at most {} hung, or ended, without a word of the log (`--untold N`)",
            count(imported.untold, "run")
        ));
    }
    if let (Some(path), false) = (written.first(), imported.found.is_empty()) {
        tell_next(path, &imported.replica, output);
    }
}

/// What to do with the first scenario. `daemon` is offered only where it is of the release that the story is of.
fn tell_next(path: &Path, replica: &ReplicaName, output: &mut Output) {
    let path = path.display();
    let report = format!("next: treefall report {path} --target {replica}");
    let Base::Release(release) = replica.base else { return output.note(report) };
    let taken = find_installed().into_iter().next();
    let taken = taken.and_then(|taken| Program::open(&taken, None).ok());
    if taken.is_some_and(|program| program.release() == release) {
        output.note(format_args!("{report}; treefall replay {path} --target daemon"));
    } else {
        output.note(report);
        output.note(format_args!(
            "  no keepalived {release} is at hand to play it on; name one (`treefall replay {path} --target daemon:PATH`), \
             {INSTALL}"
        ));
    }
}

fn names(defects: &[Defect]) -> Vec<&'static str> {
    defects.iter().map(|defect| defect.name()).collect()
}

fn lines_of(found: &Reproduction) -> Option<[usize; 2]> {
    let placed = &found.interleaving.placed;
    Some([placed.first()?.line, placed.last()?.line])
}

/// Writes the scenarios; where each is.
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
        // One row contradicts no other.
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
