//! Prints what was read from a log, what was found, and what is ruled out.

use std::path::{Path, PathBuf};

use treefall_model::event::{FailedBy, LogLine};
use treefall_model::release::Defect;
use treefall_model::time::MICROS_PER_SECOND;

use super::super::output::{Output, count};
use super::super::workers;
use super::Import;
use treefall_field::import::signs::{Sign, SignKind};
use treefall_field::import::{
    ASSUMPTIONS, Imported, ItemKind, Leniency, LineCounts, Reproduction, SetBack, UnmatchedWindow, line_range,
};
use treefall_report::cause_line;
use treefall_subject::program::{INSTALL, Program, find_installed};
use treefall_subject::target::{Base, ReplicaName};

/// Most kinds of unknown messages that are printed for people.
const KINDS_PRINTED: usize = 8;
/// Most unexplained lines that are printed one by one.
const SIGNS_PRINTED: usize = 4;
/// Most windows without a way that are printed one by one.
const NO_WAYS_PRINTED: usize = 4;

/// Prints which lines of the log are part of its story.
pub(super) fn print_log(name: &str, imported: &Imported, args: &Import, output: &mut Output) {
    let Imported { story, replica, .. } = imported;
    let LineCounts { lines, told, nothing, foreign, unstamped, unknown, kinds, unstamped_first, copies } =
        &story.counts;
    let said = story.version.as_ref().map_or_else(
        || "a keepalived of an unknown release".to_owned(),
        |(version, _)| format!("keepalived {version}"),
    );
    output.heading(format_args!("{name}: {said}, on {replica}"));
    output.line(format_args!(
        "  {}: {told} are part of the story, {nothing} of keepalived are not, {foreign} are of other programs, {unstamped} \
         without a time stamp, {unknown} not understood",
        count(*lines, "line")
    ));
    if let Some(first) = unstamped_first {
        output.note(format_args!("  lines with no known time stamp: the first is line {first}"));
    }
    for kind in kinds.iter().take(KINDS_PRINTED) {
        output.note(format_args!(
            "  not understood: {} x `{}`, first in line {}",
            kind.times, kind.shape, kind.line
        ));
    }
    if kinds.len() > KINDS_PRINTED {
        output.note(format_args!("  and {} more kinds (`--json` has all)", kinds.len() - KINDS_PRINTED));
    }
    print_story(imported, *copies, args, output);
}

/// Prints how the log is read: its process, its order, its clock and its scripts.
fn print_story(imported: &Imported, copies: u64, args: &Import, output: &mut Output) {
    let Imported { story, scripts, .. } = imported;
    if story.processes > 1 {
        output.line(format_args!(
            "  {} processes, one after the other; this one is followed:",
            story.processes
        ));
    }
    if copies > 0 {
        output.line(format_args!(
            "  {} a line that the log also has in another format: counted once",
            match copies {
                1 => "1 line repeats".to_owned(),
                more => format!("{more} lines each repeat"),
            }
        ));
    }
    if story.timeless {
        output.line("  no line has a time stamp: only the order of the lines counts");
    }
    if story.newest_first {
        output
            .line("  the newest line comes first: it is read backwards, and lines are numbered from the end");
    }
    let span = story.items.first().zip(story.items.last());
    if let Some((first, last)) = span {
        let end = match last.what {
            ItemKind::Dies(Some(signal)) => format!("died of {signal}"),
            ItemKind::Dies(None) => "died".to_owned(),
            ItemKind::Hung => "was asked to end, and no line shows its end".to_owned(),
            _ => "did not die".to_owned(),
        };
        output.line(format_args!("  {}: the process {end}", line_range(first.line, last.line)));
    }
    if let Some(SetBack { line, by }) = story.set_back {
        output.line(format_args!(
            "  the clock goes back by {} s at line {line}: only the lines from there on are searched",
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

/// Prints the search and its findings.
pub(super) fn print_found(imported: &Imported, written: &[PathBuf], args: &Import, output: &mut Output) {
    let searched = &imported.searched;
    let bound = match searched.departures {
        Some(u32::MAX) => "there are no other interleavings".to_owned(),
        Some(most) => {
            format!(
                "all interleavings were tried that differ from the simplest one in at most {}",
                count(most, "choice")
            )
        }
        None if workers::interrupted() => {
            "interrupted before all simplest interleavings were tried".to_owned()
        }
        None => "the bound `--tries` was reached before all simplest interleavings were tried".to_owned(),
    };
    output.line(format_args!(
        "{}, the longest from line {} on, {} with a way that gives the log's lines: {} tried, {} of them give these lines; {bound}",
        count(imported.windows as u64, "window"),
        imported.window_line,
        imported.windows_fitting,
        count(searched.tried, "interleaving"),
        searched.fitting,
    ));
    if let Some(leniency) = imported.leniency.filter(|leniency| *leniency != Leniency::USUAL) {
        print_leniency(leniency, output);
    }
    print_unmatched(&imported.unmatched, output);
    let paths = written.iter().map(Some).chain(std::iter::repeat(None));
    for (found, path) in imported.found.iter().zip(paths) {
        let others = names(found.cause.defects().get(1..).unwrap_or_default());
        let others = match others.as_slice() {
            [] => String::new(),
            others => format!("; also required: {}", others.join(", ")),
        };
        output.line(format_args!("consistent: {}, {}{others}", found.signature, cause_line(&found.cause)));
        let lines = lines_of(found)
            .map_or_else(String::new, |[first, last]| format!(", {}", line_range(first, last)));
        let assumed = match found.interleaving.untold {
            0 => "no assumptions beyond the log".to_owned(),
            some => format!("{} assumed to hang or end without a log line", count(some, "run")),
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
            "consistent with none: no failure was found that fits the log{}",
            fitting_windows(imported)
        ));
    }
    print_unexplained(imported, args, output);
    print_rest(imported, written, output);
}

/// Describes how well the log supports this memory violation.
fn evidence(imported: &Imported, found: &Reproduction) -> String {
    let times_out = |item: &treefall_field::import::LogItem| {
        matches!(item.what, ItemKind::Logs(LogLine::Failed { by: FailedBy::TimedOut, .. }))
    };
    match (found.interleaving.untold, imported.story.items.iter().any(times_out)) {
        (0, _) => "the log shows everything that this crash needs".to_owned(),
        (some, true) => format!("possible, if {} more hung than the log shows", count(some, "run")),
        (some, false) => {
            format!("possible, if {} hung silently: the log shows no timeout", count(some, "run"))
        }
    }
}

/// Prints the unusual conditions that the story needs.
fn print_leniency(leniency: Leniency, output: &mut Output) {
    output.line(format_args!(
        "  the story needs unusual conditions: a machine up to {} ms late, up to {} missing, up to {} more that hang \
         without a log line; it rules nothing out",
        leniency.late / 1_000,
        count(leniency.lacks, "line"),
        count(leniency.untold, "run"),
    ));
}

/// Prints the events of the log that no finding explains, and the input that would help.
fn print_unexplained(imported: &Imported, args: &Import, output: &mut Output) {
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
    for sign in imported.unexplained.iter().skip(1).take(SIGNS_PRINTED - 1) {
        output.line(format_args!("  and {} in {sign}", sign.kind.in_words()));
    }
    if imported.unexplained.len() > SIGNS_PRINTED {
        let more = imported.unexplained.len() - SIGNS_PRINTED;
        output.line(format_args!("  and {} (`--json` has all)", count(more as u64, "further line")));
    }
    output.line("  nothing is ruled out; helpful input:");
    help(imported, args).iter().for_each(|help| output.line(format_args!("    {help}")));
}

/// Lists the input that would help to explain the rest.
fn help(imported: &Imported, args: &Import) -> Vec<String> {
    let mut all = Vec::new();
    let any = |is: &dyn Fn(&Sign) -> bool| imported.unexplained.iter().any(is);
    if any(&|sign| sign.kind == SignKind::Gap) {
        all.push("the missing lines: log without a rate limit (`LogRateLimitIntervalSec=0` in the unit)");
    }
    if any(&|sign| sign.kind != SignKind::Gap) {
        all.push(
            "the lines of the vrrp process before it, from its start or an earlier reload on: `journalctl -u keepalived \
             --since ..`, or a larger `--window`",
        );
    }
    if any(&|sign| sign.of_another) {
        all.push("the part of the log up to that end, as a separate file");
    }
    if args.config.is_none() {
        all.push("its configuration: `--config keepalived.conf`");
    }
    if args.target.is_none() {
        all.push("its release, if the log has several: `--target replica:RELEASE`");
    }
    all.into_iter().map(str::to_owned).collect()
}

/// Prints the windows without a way, each with the line where its story stops fitting.
fn print_unmatched(no_ways: &[UnmatchedWindow], output: &mut Output) {
    if no_ways.is_empty() {
        return;
    }
    output.line(format_args!(
        "  {} without such a way, for which nothing is ruled out; scripts, release or configuration may differ \
         (`--config`, `--target`):",
        count(no_ways.len() as u64, "window")
    ));
    for UnmatchedWindow { begins, tried, stuck } in no_ways.iter().take(NO_WAYS_PRINTED) {
        match stuck {
            Some((line, text)) if *tried > 0 => output.line(format_args!(
                "    from line {begins} on: none of {} fits beyond line {line} (`{text}`)",
                count(*tried, "interleaving")
            )),
            _ => output.line(format_args!(
                "    from line {begins} on: no interleaving was tried to its end (raise `--tries`)"
            )),
        }
    }
    if no_ways.len() > NO_WAYS_PRINTED {
        output.line(format_args!("    and {} more (`--json` has all)", no_ways.len() - NO_WAYS_PRINTED));
    }
}

/// Returns the restriction of what is ruled out, if some windows have no way.
fn fitting_windows(imported: &Imported) -> String {
    match imported.unmatched.len() {
        0 => String::new(),
        _ => {
            format!(", in the windows that have a way ({} of {})", imported.windows_fitting, imported.windows)
        }
    }
}

/// Prints what is ruled out, the assumptions, and the next commands.
fn print_rest(imported: &Imported, written: &[PathBuf], output: &mut Output) {
    if !imported.not_seen.is_empty() {
        let hidden = imported.found.iter().any(Reproduction::breaks_memory);
        let how = match imported.searched.exhausted {
            _ if hidden => "not seen, because judging ends at a memory violation",
            true => "ruled out",
            false => "ruled out within this bound",
        };
        let of = fitting_windows(imported);
        output.line(format_args!("{how}{of}: {}", names(&imported.not_seen).join(", ")));
    }
    if !imported.not_looked_for.is_empty() {
        output.line(format_args!("not searched: {}", names(&imported.not_looked_for).join(", ")));
    }
    if !imported.undecided.is_empty() {
        output.line(format_args!("neither seen nor ruled out: {}", names(&imported.undecided).join(", ")));
    }
    let elsewhere = Defect::ALL.iter().filter(|defect| !imported.replica.rules().has(**defect)).count();
    if imported.unexplained.is_empty() {
        output.line(format_args!(
            "ruled out by the release: {} that it lacks",
            count(elsewhere as u64, "known defect")
        ));
    }
    output.note("assumed:");
    for assumption in ASSUMPTIONS {
        output.note(format_args!("  {assumption}"));
    }
    if imported.untold > 0 {
        output.note(format_args!(
            "  at most {} hung or ended without a log line (`--untold N`)",
            count(imported.untold, "run")
        ));
    }
    if let (Some(path), false) = (written.first(), imported.found.is_empty()) {
        print_next(path, &imported.replica, output);
    }
}

/// Prints the next commands for the first scenario; `daemon` only if an installed program has the release of the
/// story.
fn print_next(path: &Path, replica: &ReplicaName, output: &mut Output) {
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
            "  no keepalived {release} is installed to play it on; name one (`treefall replay {path} --target daemon:PATH`), \
             {INSTALL}"
        ));
    }
}

/// Returns the names of defects.
pub(super) fn names(defects: &[Defect]) -> Vec<&'static str> {
    defects.iter().map(|defect| defect.name()).collect()
}

/// Returns the first and the last line of the log that a finding reproduces.
pub(super) fn lines_of(found: &Reproduction) -> Option<[usize; 2]> {
    let placed = &found.interleaving.placed;
    Some([placed.first()?.line, placed.last()?.line])
}
