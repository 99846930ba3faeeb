//! Turns target names into subjects.

use std::path::Path;

use super::args::Driven;
pub(super) use super::interrupt::{interrupted, leave_ctrl_c};
use super::output::{Output, count};
use super::{CliError, all};
use treefall_report::Lock;
use treefall_subject::baseline::build_beside;
use treefall_subject::daemon::Own;
use treefall_subject::keepalived_conf::Slip;
use treefall_subject::program::Program;
use treefall_subject::roots::find_programs;
use treefall_subject::target::{self, Place, Target};
use treefall_subject::{Subject, SubjectError, program};

/// Returns how many subjects run in parallel.
pub(super) fn jobs(asked: Option<u16>) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    asked.map_or(cores, usize::from)
}

/// Parses target names.
pub(super) fn targets(names: &[String]) -> Result<Vec<Target>, CliError> {
    let installed = program::find_installed();
    all(names.iter().map(|name| target::parse(name, &installed))).map(|targets| targets.concat())
}

/// Parses target names for a command with `--as`. Warns of a program of an unknown release.
pub(super) fn driven(names: &[String], driven: Driven, output: &mut Output) -> Result<Vec<Target>, CliError> {
    let targets: Vec<Target> =
        targets(names)?.into_iter().map(|target| target.driven_as(driven.as_release)).collect();
    targets.iter().for_each(|target| warn_of(target, output));
    Ok(targets)
}

/// Returns the real programs found, for a command with `--as`.
pub(super) fn found(driven: Driven, output: &mut Output) -> Vec<(Place, Program)> {
    let with_release = |place: Place| Place { as_release: place.as_release.or(driven.as_release), ..place };
    let opened = find_programs().into_iter().map(with_release).filter_map(|place| {
        let program = place.open().ok()?;
        program.engine_offsets().ok()?;
        Some((place, program))
    });
    let found: Vec<_> = opened.collect();
    found.iter().filter_map(|(_, program)| program.unlisted()).for_each(|text| output.warning(text));
    found
}

/// Warns if a real program has an unknown release.
pub(super) fn warn_of(target: &Target, output: &mut Output) {
    // A program that cannot be opened is reported when it is to be driven.
    let program = target.place().and_then(|place| place.open().ok());
    if let Some(text) = program.and_then(|program| program.unlisted()) {
        output.warning(text);
    }
}

/// Prints that no keepalived is installed, the consequence, and the remedy.
pub(super) fn none_installed(so: &str, output: &mut Output) {
    output.note(format_args!("no keepalived is installed, so {so}; {}", program::INSTALL));
}

/// Default target of a command that has a configuration and no target.
pub(super) const CONFIGURED: &str = "daemon";

/// Sets the configuration of the targets, if one is named. Prints what is left out of it, once for each file.
pub(super) fn configured(
    targets: Vec<Target>,
    file: Option<&Path>,
    output: &mut Output,
) -> Result<Vec<Target>, CliError> {
    let with_file = |target| match (target, file) {
        (Target::Daemon(place), Some(file)) => Ok(Target::Configured(place, file.to_owned())),
        (target, None) => Ok(target),
        (target, Some(_)) => Err(CliError::Usage(format!(
            "{target} reads no configuration: use `--config FILE` with `--target daemon[:PATH[@ROOT]]`"
        ))),
    };
    let targets = targets.into_iter().map(with_file).collect::<Result<Vec<_>, _>>()?;
    let mut printed: Vec<&Path> = Vec::new();
    for target in &targets {
        if let Target::Configured(_, file) = target
            && !printed.contains(&file.as_path())
        {
            printed.push(file);
            let own = Own::load(file).map_err(|error| CliError::Usage(error.to_string()))?;
            print_configuration(file, &own, output);
        }
    }
    Ok(targets)
}

fn print_configuration(file: &Path, own: &Own, output: &mut Output) {
    output.note(format_args!(
        "{}: {} with interval, timeout, rise, fall and weight, and what tracks them; their commands are not executed",
        file.display(),
        count(own.scripts().len() as u64, "script"),
    ));
    let left_out = own.left_out();
    if !left_out.is_empty() {
        output.note(format_args!(
            "  left out, because there is no network and no other process: {}",
            left_out.join(", ")
        ));
    }
    print_slips(file, &own.slips(), output);
}

/// Prints possible mistakes in a user's configuration.
pub(super) fn print_slips(file: &Path, slips: &[Slip], output: &mut Output) {
    for slip in slips {
        output.note(format_args!("{}, {slip}", file.display()));
    }
}

/// Locks this folder against other treefall processes.
pub(super) fn lock(folder: &Path, output: &mut Output) -> Result<Lock, CliError> {
    let lock = Lock::take(folder).map_err(|error| CliError::Usage(error.to_string()))?;
    if !lock.is_held() {
        output.note(format_args!(
            "{}: this file system has no locks; make sure that no other treefall writes to this folder",
            folder.display()
        ));
    }
    Ok(lock)
}

/// Builds `jobs` subjects of one target.
pub(super) fn workers(target: &Target, jobs: usize) -> Result<Vec<Box<dyn Subject>>, SubjectError> {
    workers_beside(target, None, jobs)
}

/// Builds `jobs` subjects, each beside a baseline if there is one.
pub(super) fn workers_beside(
    target: &Target,
    baseline: Option<&Target>,
    jobs: usize,
) -> Result<Vec<Box<dyn Subject>>, SubjectError> {
    (0..jobs.max(1)).map(|_| build_beside(target, baseline)).collect()
}

/// Returns the release that a target is driven as.
pub(super) fn release_of(target: &Target) -> Result<String, CliError> {
    Ok(match target {
        Target::Replica(name) => name.base.to_string(),
        Target::Engine(place) | Target::Daemon(place) | Target::Configured(place, _) => {
            place.open().map_err(|error| CliError::Usage(error.to_string()))?.release().to_string()
        }
    })
}
