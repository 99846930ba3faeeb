//! Judges backtraces in the imported text: which known defects can end there.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;
use treefall_field::import::crash::{Crash, crashes};
use treefall_field::import::others::alternatives;
use treefall_field::import::sites::{SiteMatch, Sites, location, process};
use treefall_field::import::{ImportError, named_release, symbols};
use treefall_model::release::{Defect, Release};
use treefall_report::cause_line;
use treefall_search::cause::Cause;
use treefall_subject::program::find_installed;
use treefall_subject::target::{Base, ReplicaName};

use super::super::Status;
use super::super::output::Output;

/// Most backtraces of one text that are judged.
const JUDGED_MAX: usize = 8;
/// One release of each group in which a defect corrupts memory, for texts without a release.
const OF_EACH_GROUP: [&str; 3] = ["2.0.10", "2.3.1", "2.3.2"];

/// A backtrace and its judgement. The fields are stable.
#[derive(Serialize, JsonSchema)]
pub(super) struct BacktraceObject {
    /// Line of its innermost frame, from 1.
    backtrace: usize,
    /// Innermost function and the operation that called it; null: no frame has a name.
    at: Option<String>,
    /// `vrrp`, `checker`, `bfd` or `parent`.
    process: Option<&'static str>,
    pid: Option<u32>,
    release: Option<String>,
    /// `of-class`, `not-of-class` or `unknown`.
    verdict: &'static str,
    /// Known defects that can end there, most frequent first.
    defects: Vec<&'static str>,
    /// Number of simulated crashes that ended there, and of all.
    simulated: Option<[u32; 2]>,
    /// Possible crashes with other causes.
    alternatives: Vec<String>,
}

/// Summary of a text that has only backtraces. The fields are stable.
#[derive(Serialize, JsonSchema)]
pub(super) struct BacktraceSummary {
    backtraces: usize,
    of_class: usize,
}

/// A backtrace judged on one release.
pub(super) struct Judged {
    crash: Crash,
    release: Release,
    is_known: bool,
    ending: SiteMatch,
}

/// Judges the backtraces of `text` on the release of `replica`, else on the release that the text names.
pub(super) fn judged(text: &str, replica: Option<&ReplicaName>, program: Option<&Path>) -> Vec<Judged> {
    let mut found = crashes(text);
    found.truncate(JUDGED_MAX);
    if found.is_empty() {
        return Vec::new();
    }
    let programs: Vec<PathBuf> = program.map_or_else(find_installed, |path| vec![path.to_owned()]);
    for crash in found.iter_mut().filter(|crash| crash.frames.iter().any(|frame| frame.function.is_none())) {
        let _ = programs.iter().any(|path| symbols::name(crash, path, program.is_some()));
    }
    let of_target = replica.and_then(|replica| match replica.base {
        Base::Release(release) => Some(release),
        Base::Mended => None,
    });
    let known = of_target.or_else(|| named_release(text));
    let releases: Vec<Release> = match known {
        Some(release) => vec![release],
        None => OF_EACH_GROUP.iter().filter_map(|text| Release::parse(text)).collect(),
    };
    let mut all = Vec::new();
    for release in releases {
        let sites = Sites::of(ReplicaName::of(release).rules());
        all.extend(found.iter().map(|crash| Judged {
            crash: crash.clone(),
            release,
            is_known: known.is_some(),
            ending: sites.match_crash(crash),
        }));
    }
    all.sort_by_key(|judged| judged.crash.line);
    all
}

/// Reports whether a known defect can end at the end of a backtrace.
pub(super) fn any_of_class(all: &[Judged]) -> bool {
    all.iter().any(|judged| matches!(judged.ending, SiteMatch::OfClass { .. }))
}

/// Prints the judgements.
pub(super) fn print(all: &[Judged], output: &mut Output) {
    let mut before = 0;
    for judged in all {
        let Judged { crash, release, ending, is_known } = judged;
        if crash.line != before {
            let at = location(crash).unwrap_or_else(|| "no function has a name".to_owned());
            let whose = process(crash).map_or_else(String::new, |name| format!(", of the {name} process"));
            let pid = crash.pid.map_or_else(String::new, |pid| format!(", pid {pid}"));
            output.heading(format_args!("backtrace at line {}: {at}{whose}{pid}", crash.line));
        }
        match ending {
            SiteMatch::OfClass { defects, here, all } => {
                let share = format!("{here} of {all} simulated crashes of {release} end there");
                for defect in defects {
                    let cause = cause_line(&Cause::Known(vec![*defect]));
                    output.line(format_args!("  on {release}: {cause}; {share}"));
                }
            }
            SiteMatch::NotOfClass => output.line(format_args!(
                "  on {release}: not this crash class: no known defect of the release ends there"
            )),
            SiteMatch::Nameless if crash.line == before => {}
            SiteMatch::Nameless => output.line(
                "  no function has a name: name the program that crashed (`--program /usr/sbin/keepalived`), or install \
                 its debug symbols",
            ),
        }
        if crash.line != before {
            for other in alternatives(crash, is_known.then_some(*release)) {
                output.line(format_args!("  perhaps: {other}"));
            }
        }
        before = crash.line;
        output.object(&object(judged));
    }
    if all.iter().any(|judged| !judged.is_known) {
        output.line("  the text does not name its release; name it: `--target replica:RELEASE`");
    }
}

fn object(judged: &Judged) -> BacktraceObject {
    let Judged { crash, release, is_known, ending } = judged;
    let (verdict, defects, simulated) = match ending {
        SiteMatch::OfClass { defects, here, all } => {
            ("of-class", defects.iter().map(|defect| Defect::name(*defect)).collect(), Some([*here, *all]))
        }
        SiteMatch::NotOfClass => ("not-of-class", Vec::new(), None),
        SiteMatch::Nameless => ("unknown", Vec::new(), None),
    };
    BacktraceObject {
        backtrace: crash.line,
        at: location(crash),
        process: process(crash),
        pid: crash.pid,
        release: Some(release.to_string()),
        verdict,
        defects,
        simulated,
        alternatives: alternatives(crash, is_known.then_some(*release)),
    }
}

/// Concludes a text that has only backtraces.
pub(super) fn alone(all: &[Judged], error: &ImportError, output: &mut Output) -> Status {
    output.note(format_args!("  the text has no story of scripts and reloads to follow: {error}"));
    let of_class = all.iter().filter(|judged| matches!(judged.ending, SiteMatch::OfClass { .. })).count();
    output.conclude(&BacktraceSummary { backtraces: all.len(), of_class });
    if of_class > 0 {
        return Status::Failure;
    }
    match all.iter().all(|judged| judged.ending == SiteMatch::NotOfClass) {
        true => Status::Good,
        false => Status::Usage,
    }
}
